//! A town's service that looks after a thousand tokens, its own and those of its clients.
//!
//! Everything follows from one number, so that a test that fails fails again.

use std::fmt::Write as _;

use chrono::{Days, Months, NaiveDate};

/// The first names and the last names of the people; some of both carry accents.
const FIRST: [&str; 20] = [
    "Zoé",
    "Camille",
    "Noël",
    "Amélie",
    "Gaëtan",
    "Inès",
    "Loïc",
    "Chloé",
    "Benoît",
    "Maëlys",
    "Françoise",
    "Jean-René",
    "Nadia",
    "Youssef",
    "Håkon",
    "Anaïs",
    "Rémi",
    "Océane",
    "Thaïs",
    "Marc",
];
const LAST: [&str; 14] = [
    "Lefèvre",
    "Nuñez",
    "D’Angelo",
    "Østergård",
    "Bouché",
    "Müller",
    "Garçon",
    "Diallo",
    "Le Goff",
    "Ménard",
    "Šimek",
    "Dupré",
    "Ångström",
    "Petit",
];
const USES: [&str; 12] = [
    "Marchés publics",
    "Aides sociales à l’enfance",
    "Subventions « jeunes »",
    "Urbanisme & permis",
    "Cantine scolaire",
    "Éclairage public",
    "Fournisseurs",
    "Taxe de séjour",
    "État civil",
    "Œuvres d’art",
    "Débits de boissons",
    "Aides aux entreprises (relance)",
];
const PLACES: [&str; 10] = [
    "Saint-Étienne",
    "Besançon",
    "L’Haÿ-les-Roses",
    "Œting",
    "Évry",
    "Nîmes",
    "Alès",
    "Pau",
    "Montluçon",
    "Ville d’Exemple",
];

const CLIENTS: usize = 30;
const GROUPS: usize = 8;
const PEOPLE: usize = 200;

/// One token, as far as a mail can be held against it.
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A word of its name that no other token's name has.
    pub(crate) code: String,
    pub(crate) datapass: Option<String>,
}

/// What a configuration declares.
pub(crate) struct Town {
    pub(crate) tokens: Vec<Token>,
    /// The clients, groups and tokens, as TOML.
    pub(crate) declared: String,
}

/// The generator: splitmix64.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % sides as u64).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.throw(sides) == 0
    }
}

/// `count` tokens that live through every stage around the year that begins on `first`: some
/// expired before it, a few of them too long ago for a mail, some expire after it.
pub(crate) fn town(count: usize, first: NaiveDate, seed: u64) -> Town {
    let mut dice = Dice(seed);
    let mut declared = String::new();
    for group in 0..GROUPS {
        let members: Vec<String> = (0..2 + group % 3)
            .map(|n| quoted(&format!("astreinte{n}.groupe{group}@ville.example")))
            .collect();
        let members = members.join(", ");
        writeln!(
            declared,
            "[groups.groupe{group}]\nrecipients = [{members}]\n"
        )
        .unwrap();
    }
    for client in 0..CLIENTS {
        let name = quoted(&format!(
            "Mairie de {} ({client})",
            PLACES[client % PLACES.len()]
        ));
        let language = if client % 9 == 0 { "en" } else { "fr" };
        writeln!(
            declared,
            "[clients.mairie-{client}]\nname = {name}\ncontact = \"dsi{client}@editeur.example\"\n\
             language = \"{language}\"\nrecipients = [\"dgs{client}@editeur.example\"]\n"
        )
        .unwrap();
    }
    let tokens = (0..count)
        .map(|n| token(n, first, &mut dice, &mut declared))
        .collect();
    Town { tokens, declared }
}

fn token(n: usize, first: NaiveDate, dice: &mut Dice, declared: &mut String) -> Token {
    let code = format!("J{n:04}");
    let token = Token {
        id: format!("jeton-{n:04}"),
        name: format!(
            "{} {code} – {}",
            USES[dice.throw(USES.len())],
            PLACES[dice.throw(PLACES.len())]
        ),
        datapass: (!dice.one_in(12)).then(|| (20_000 + n * 7).to_string()),
        code,
    };
    let mut line = |key: &str, value: &str| writeln!(declared, "{key} = {value}").unwrap();
    line("\n[[token]]\nid", &quoted(&token.id));
    line("name", &quoted(&token.name));
    if let Some(number) = &token.datapass {
        line("datapass_id", &quoted(number));
    }
    let expires = match dice.throw(40) {
        // Too long ago for a mail.
        0 => first - Days::new(366 + dice.throw(200) as u64),
        // Some tokens of an editor were all asked for on one day.
        1..=4 => first + Days::new(200),
        _ => first - Days::new(120) + Days::new(dice.throw(560) as u64),
    };
    if dice.one_in(10) {
        line("expires", &expires.to_string());
    } else {
        line(
            "issued",
            &expires
                .checked_sub_months(Months::new(18))
                .unwrap()
                .to_string(),
        );
    }
    if dice.one_in(3) {
        let client = dice.throw(CLIENTS);
        line("client", &format!("\"mairie-{client}\""));
    }
    let mut recipients = vec![person(dice, "demandeur", "")];
    if dice.one_in(3) {
        recipients.push(person(dice, "metier", ", from_stage = 30"));
    }
    if dice.one_in(3) {
        recipients.push(person(dice, "technique", ", from_stage = 15"));
    }
    if dice.one_in(4) {
        let group = dice.throw(GROUPS);
        recipients.push(format!("{{ group = \"groupe{group}\", from_stage = 7 }}"));
    }
    line(
        "recipients",
        &format!("[\n  {},\n]", recipients.join(",\n  ")),
    );
    token
}

fn person(dice: &mut Dice, role: &str, more: &str) -> String {
    let n = dice.throw(PEOPLE);
    let (first, last) = (FIRST[n % FIRST.len()], LAST[n % LAST.len()]);
    // The people of one address have one name and one language.
    let local = if n == 0 {
        "zoé".to_owned()
    } else {
        format!("p{n}")
    };
    let domain = if n.is_multiple_of(3) {
        "editeur.example"
    } else {
        "ville.example"
    };
    let language = if n.is_multiple_of(11) { "en" } else { "fr" };
    format!(
        "{{ email = {}, name = {}, role = \"{role}\", language = \"{language}\"{more} }}",
        quoted(&format!("{local}@{domain}")),
        quoted(&format!("{first} {last}")),
    )
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
