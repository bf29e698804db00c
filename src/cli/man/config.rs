//! Section 5: the config, from the catalogue of keys, in English and in French.

use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::cli::man::page::{Page, entry, head, lines, paragraph, part, see_also, tidy};
use crate::config::{KEYS, Key};
use crate::domain::language::{Lang, Text, set_in_french, text};

/// The keys without which the table that they stand in, or the file, is refused.
const REQUIRED: [(&str, &str); 14] = [
    ("", "contact"),
    ("mail", "from"),
    ("mail.smtp", "host"),
    ("web.auth.users", "name"),
    ("web.auth.users", "password"),
    ("web.auth.proxy", "header"),
    ("web.auth.proxy", "from"),
    ("notify", "name"),
    ("notify", "kind"),
    ("groups.*", "recipients"),
    ("token", "id"),
    ("token", "name"),
    ("token", "issued"),
    ("recipient", "email"),
];

/// A config that is taken as it is; what follows `#` is in the page's language.
pub(super) fn example(lang: Lang) -> String {
    let [daemon, number, later] = lang.pick(
        [
            "the organisation's address",
            "the number in the renewal link",
            "told from 15 days on",
        ],
        [
            "l’adresse de l’organisation",
            "le numéro du lien de renouvellement",
            "dès 15 jours avant",
        ],
    );
    format!(
        r#"organisation = "Ville d'Exemple"
contact      = "dsi@ville.example"       # {daemon}

[store]
url = "sqlite:/var/lib/jetond/jetond.db"

[mail]
from      = "Veille des jetons <jetons@ville.example>"
transport = "smtp"

[mail.smtp]
host     = "smtp.ville.example"
username = "jetond"
password = {{ credential = "smtp.password" }}

[[token]]
id          = "marches-publics"
name        = "Marchés publics"
issued      = 2026-03-15
datapass_id = "11244"                    # {number}
recipients  = [
  {{ email = "c.martin@ville.example", role = "demandeur" }},
  {{ email = "dsi@ville.example", from_stage = 15 }},   # {later}
]
"#
    )
}

/// The page in a language.
pub(super) fn page(lang: Lang, date: &str) -> Page {
    Page {
        name: "jetond.toml".to_owned(),
        section: 5,
        lang,
        text: tidy(&roff(lang, date).render()),
    }
}

fn roff(lang: Lang, date: &str) -> Roff {
    let say = |text: Text| text.in_lang(lang).to_owned();
    let mut roff = Roff::new();
    head(&mut roff, "jetond.toml", "5", date, "jetond");
    part(&mut roff, lang.pick("NAME", "NOM"));
    let what = lang.pick("configuration of jetond(1)", "configuration de jetond(1)");
    roff.text([roman(format!("jetond.toml - {what}"))]);
    part(&mut roff, "SYNOPSIS");
    roff.text([
        bold("/etc/jetond/config.toml"),
        Inline::LineBreak,
        bold("/etc/jetond/conf.d/*.toml"),
    ]);

    part(&mut roff, "DESCRIPTION");
    paragraph(
        &mut roff,
        &say(text!(
            "The config is a TOML file, `config.toml` in the current directory or `/etc/jetond/config.toml`, unless `-c` names another. It is read and checked as a whole: `jetond check` gives every error with its line, its column and what to write instead. A file with an error changes nothing: a running daemon keeps the one before.",
            "La configuration est un fichier TOML, `config.toml` dans le répertoire courant ou `/etc/jetond/config.toml`, à moins que `-c` n’en désigne un autre. Elle est lue et vérifiée en bloc : `jetond check` donne chaque erreur avec sa ligne, sa colonne et ce qu’il faut écrire à la place. Un fichier erroné ne change rien : un service en marche garde le précédent."
        )),
    );
    paragraph(
        &mut roff,
        &say(text!(
            "Relative paths start at the file. A date is written `2026-11-22` and means the end of that day; a date-time is possible too. After a change, `systemctl reload jetond`.",
            "Les chemins relatifs partent du fichier. Une date s’écrit `2026-11-22` et désigne la fin de ce jour ; une date avec heure est possible. Après un changement, `systemctl reload jetond`. Ci-dessous, chaque clé figure avec sa valeur par défaut ou, si elle n’en a pas, avec un exemple."
        )),
    );

    part(&mut roff, lang.pick("KEYS", "CLÉS"));
    let mut table = None;
    for key in KEYS {
        if table != Some(key.table) {
            roff.control("SS", [say(title(key.table)).as_str()]);
            table = Some(key.table);
        }
        one(&mut roff, key, lang);
    }

    part(&mut roff, "CONF.D");
    paragraph(
        &mut roff,
        &say(text!(
            "The files `conf.d/*.toml` beside the config, in the order of their names, may add `[[token]]`, `[groups]` and `[clients]`. The rest belongs in the main file. A token that leaves the files is archived, and comes back with them; files from which more than a quarter of the tokens (and at least three) have vanished are not believed until `jetond archive --missing`.",
            "Les fichiers `conf.d/*.toml` à côté de la configuration, dans l’ordre de leurs noms, peuvent ajouter `[[token]]`, `[groups]` et `[clients]`. Le reste va dans le fichier principal. Un jeton qui quitte les fichiers est archivé, et revient avec eux ; des fichiers d’où plus d’un quart des jetons (et au moins trois) ont disparu ne sont pas crus avant `jetond archive --missing`."
        )),
    );

    part(&mut roff, "SECRETS");
    paragraph(
        &mut roff,
        &say(text!(
            "No secret stands in the config. A password is named by the place it is in, and read only when it is used: a systemd credential (`LoadCredential=` of the unit), a file that only its owner may read, or an environment variable. The tokens themselves (the JWTs) have no place here: they are refused wherever they are pasted, and never echoed; `secret` in a `[[token]]` says where one is, if API Entreprise is to be asked about it.",
            "Aucun secret ne figure dans la configuration. Un mot de passe y est désigné par l’endroit où il est, et lu seulement quand il sert : un credential systemd (`LoadCredential=` de l’unité), un fichier lisible de son seul propriétaire, ou une variable d’environnement. Les jetons eux-mêmes (les JWT) n’y ont pas leur place : ils sont refusés où qu’ils soient collés, et jamais répétés ; `secret` dans un `[[token]]` dit où en est un, si API Entreprise doit être interrogée à son sujet."
        )),
    );

    part(&mut roff, lang.pick("EXAMPLES", "EXEMPLES"));
    lines(&mut roff, &example(lang));

    part(&mut roff, lang.pick("FILES", "FICHIERS"));
    entry(
        &mut roff,
        vec![bold("/etc/jetond/config.toml")],
        &say(text!(
            "the main file of the packaged service; it names people, so only root and the service may read it",
            "le fichier principal du service ; il nomme des personnes, et n’est lisible que de root et du service"
        )),
    );
    entry(
        &mut roff,
        vec![bold("/etc/jetond/conf.d/*.toml")],
        &say(text!("what is added to it", "ce qui s’y ajoute")),
    );
    entry(
        &mut roff,
        vec![bold("/usr/share/doc/jetond/config.example.toml")],
        &say(text!(
            "every key with its default and a line on it; `jetond init` writes it too",
            "chaque clé avec sa valeur par défaut et une ligne à son sujet ; `jetond init` l’écrit aussi"
        )),
    );
    let others = ["jetond", "jetond-check", "jetond-config-show"].map(|n| (n.to_owned(), 1));
    see_also(&mut roff, lang.pick("SEE ALSO", "VOIR AUSSI"), &others);
    roff
}

/// What a table is called in a file.
fn title(table: &str) -> Text {
    match table {
        "" => text!("At the top of the file", "En haut du fichier"),
        "web.auth.users" => text!(
            "[[web.auth.users]], once for each user",
            "[[web.auth.users]], une fois par utilisateur"
        ),
        "groups.*" => text!("[groups.NAME]", "[groups.NOM]"),
        "clients.*" => text!("[clients.NAME]", "[clients.NOM]"),
        "token" => text!(
            "[[token]], once for each token",
            "[[token]], une fois par jeton"
        ),
        "recipient" => text!(
            "Recipients, each an address or a table with these keys",
            "Destinataires, chacun une adresse ou une table de ces clés"
        ),
        "notify" => text!(
            "[[notify]], once for each channel",
            "[[notify]], une fois par canal"
        ),
        table => text!("[{table}]", "[{table}]"),
    }
}

fn one(roff: &mut Roff, key: &Key, lang: Lang) {
    let value = key.default.unwrap_or(key.example);
    let standing = match (key.table, key.name, key.default) {
        (_, _, Some(_)) => text!("default", "par défaut"),
        ("token", "issued", None) => text!("this or expires", "ceci ou expires"),
        ("recipient", "email", None) => text!("this or group", "ceci ou group"),
        (table, name, None) if REQUIRED.contains(&(table, name)) => {
            text!("required", "obligatoire")
        }
        (_, _, None) => text!("optional", "facultatif"),
    };
    let standing = format!(" = {value}  ({})", standing.in_lang(lang));
    let doc = set_in_french(key.doc_fr.to_owned());
    entry(
        roff,
        vec![bold(key.name), roman(standing)],
        lang.pick(key.doc_en, &doc),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Surroundings, load};

    fn errors(config: &str) -> usize {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        std::fs::write(&file, config).unwrap();
        let surroundings = Surroundings {
            now: chrono::DateTime::UNIX_EPOCH,
        };
        load(&file, &surroundings).map_or_else(|rejected| rejected.errors.len(), |_| 0)
    }

    #[test]
    fn the_example_of_the_page_is_taken() {
        for lang in [Lang::En, Lang::Fr] {
            assert_eq!(errors(&example(lang)), 0);
        }
    }

    #[test]
    fn what_the_page_calls_required_is_and_the_rest_is_not() {
        let whole = "contact = \"a@ville.example\"
[mail]
from = \"b@ville.example\"
transport = \"smtp\"
[mail.smtp]
host = \"smtp.ville.example\"
[[web.auth.users]]
name = \"c.martin\"
password = { env = \"X\" }
[web.auth.proxy]
header = \"X-Remote-User\"
from = [\"10.0.0.1\"]
[[notify]]
name = \"n\"
kind = \"mattermost\"
url = \"https://chat.ville.example/hooks/k\"
[groups.g]
recipients = [\"c@ville.example\"]
[[token]]
id = \"t\"
name = \"T\"
issued = 2026-01-01
recipients = [{ email = \"d@ville.example\" }]
";
        assert_eq!(errors(whole), 0);
        for (table, name) in REQUIRED {
            let (header, rest) = match table {
                "" => ("", whole),
                "recipient" => ("", whole),
                "groups.*" => whole.split_once("[groups.g]\n").unwrap(),
                "web.auth.users" => whole.split_once("[[web.auth.users]]\n").unwrap(),
                "token" => whole.split_once("[[token]]\n").unwrap(),
                "notify" => whole.split_once("[[notify]]\n").unwrap(),
                table => whole.split_once(&format!("[{table}]\n")).unwrap(),
            };
            let without = if table == "recipient" {
                whole.replace("{ email = \"d@ville.example\" }", "{ }")
            } else {
                let at = whole.len() - rest.len();
                let line = rest.lines().find(|l| l.starts_with(name)).unwrap();
                let from = at + rest.find(line).unwrap();
                format!("{}{}", &whole[..from], &whole[from + line.len()..])
            };
            assert!(
                errors(&without) > 0,
                "{table} {name} ({header:.0}) is not required"
            );
        }
    }
}
