//! Config files that are taken: what they mean, and what is warned about.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test would"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use jetond::config::{
    self, Colour, Config, Diagnostic, KEYS, Loaded, Network, Origin, PerDomain, Rejected,
    SecretSource, Surroundings, Tls, Transport,
};
use jetond::domain::calendar::Days;
use jetond::domain::language::Lang;
use jetond::domain::token::Role;
use proptest::prelude::*;
use tempfile::TempDir;

/// The least that a main file needs: three lines.
pub(crate) const LEAST: &str =
    "contact = \"dsi@ville.example\"\n[mail]\nfrom = \"jetons@ville.example\"\n";

pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
    }
}

/// A directory with a main file.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn with(main: impl AsRef<[u8]>) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.main(), main).unwrap();
        place
    }

    pub(crate) fn and(self, name: &str, text: &str) -> Self {
        let file = self.0.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn main(&self) -> PathBuf {
        self.0.path().join("config.toml")
    }

    pub(crate) fn load(&self) -> Result<Loaded, Rejected> {
        config::load(&self.main(), &surroundings())
    }

    pub(crate) fn taken(&self) -> Loaded {
        match self.load() {
            Ok(loaded) => loaded,
            Err(rejected) => panic!("refused:\n{rejected}"),
        }
    }

    pub(crate) fn config(&self) -> Config {
        self.taken().config
    }

    pub(crate) fn refused(&self) -> Rejected {
        match self.load() {
            Ok(_) => panic!("taken"),
            Err(rejected) => rejected,
        }
    }

    /// The lines of a text with this directory taken out.
    pub(crate) fn stripped(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

/// Everything that is ever shown of a refusal.
pub(crate) fn words_of_refusal(rejected: &Rejected) -> String {
    let (found, sources) = (
        [&rejected.errors[..], &rejected.warnings].concat(),
        &rejected.sources,
    );
    let mut words = format!("{rejected}\n{rejected:?}\n");
    for lang in [Lang::En, Lang::Fr] {
        for d in &found {
            words.push_str(&d.plain(lang));
            words.push_str(&serde_json::to_string(&d.row(lang)).unwrap());
        }
        words.push_str(&config::draw(&found, sources, lang, Colour::None));
    }
    words
}

fn with_token(keys: &str) -> Place {
    Place::with(format!(
        "{LEAST}[[token]]\nid = \"t\"\nname = \"T\"\n{keys}\n"
    ))
}

fn utc(s: &str) -> DateTime<Utc> {
    s.parse().unwrap()
}

fn said(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(|d| d.plain(Lang::En)).collect()
}

const TWO: &str = "recipients = [\"a@ville.example\", \"b@ville.example\"]";

#[test]
fn the_least_file_gives_the_documented_defaults() {
    let c = Place::with(LEAST).config();
    assert_eq!(c.calendar.tz, chrono_tz::Europe::Paris);
    assert_eq!((c.language, c.organisation.as_str()), (Lang::Fr, ""));
    assert_eq!(
        c.stages.to_spec(),
        "90,60,30,15,7,1,0,-7,-30,-60,-90;+90/30"
    );
    assert_eq!(c.validity_months, 18);
    assert_eq!(c.calendar.window.to_string(), "09:00-18:00");
    assert_eq!((c.calendar.days, c.calendar.opens), (Days::Any, None));
    assert!(c.store.is_absolute() && c.store.ends_with("jetond.db"));
    assert!(
        matches!(&c.mail.transport, Transport::File { directory } if directory.ends_with("outbox"))
    );
    assert!(c.renewal.url.as_str().contains("datapass.api.gouv.fr"));
    assert!(c.tokens.is_empty());
}

#[test]
fn the_example_is_taken_without_a_warning() {
    let example = config::EXAMPLE;
    let loaded = Place::with(example).taken();
    assert_eq!(said(&loaded.warnings), Vec::<String>::new());
    assert_eq!(loaded.config.tokens.len(), 2);
}

#[test]
fn the_example_with_all_its_lines_is_taken() {
    let example = config::EXAMPLE;
    let mut all = String::new();
    for line in example.lines() {
        let optional = line.strip_prefix("# ").filter(|l| {
            let name = l.split(['=', ']']).next().unwrap().trim();
            l.starts_with('[') || (l.contains(" = ") || l.contains("= ")) && !name.contains(' ')
        });
        all.push_str(optional.unwrap_or(line));
        all.push('\n');
    }
    let loaded = Place::with(all).taken();
    let smtp = loaded.effective.iter().find(|e| e.key == "mail.smtp.host");
    assert_eq!(
        smtp.unwrap().value.as_deref(),
        Some("\"smtp.ville.example\"")
    );
}

#[test]
fn the_example_names_every_key_with_its_default_and_a_comment() {
    let example = config::EXAMPLE;
    for key in KEYS {
        let line = example
            .lines()
            .find(|line| {
                let bare = line.trim_start_matches("# ");
                let assigned = bare
                    .strip_prefix(key.name)
                    .is_some_and(|rest| rest.trim_start().starts_with('='));
                let inside = line.contains(&format!(" {} = ", key.name));
                let listed = line.contains("a table with") && line.contains(key.name);
                let matches_default = key.default.is_none_or(|d| d == "\"\"" || line.contains(d));
                let is_inner = key.table.starts_with("mail.smtp.")
                    || key.table == "mail.bounces"
                    || key.table.starts_with("heartbeat.")
                    || key.table.starts_with("notify.")
                    || key.table.starts_with("datapass.")
                    || key.table.starts_with("web.auth.")
                    || key.table.starts_with("web.metrics.")
                    || key.table == "token.secret"
                    || key.table == "recipient";
                matches_default && (assigned || (is_inner && (inside || listed)))
            })
            .unwrap_or_else(|| panic!("{} is not in the example", key.path()));
        let commented = line.contains(" # ") || line.contains("a table with") || {
            let at = example.find(line).unwrap();
            example[..at].lines().next_back().unwrap().contains('#')
        };
        assert!(commented, "no comment: {line}");
    }
}

#[test]
fn a_bare_date_ends_with_its_local_day_and_the_expiry_is_eighteen_months_later() {
    let token = with_token(&format!("issued = 2025-06-15\n{TWO}"))
        .config()
        .tokens
        .remove(0);
    assert_eq!(token.issued, Some(utc("2025-06-15T21:59:59Z")));
    assert_eq!(token.expires, utc("2026-12-15T22:59:59Z"));
}

#[test]
fn dates_are_read_with_an_offset_or_in_the_zone_of_the_config() {
    for (written, expires) in [
        ("2027-01-10T10:00:00+05:00", "2027-01-10T05:00:00Z"),
        ("2027-01-10T10:00:00Z", "2027-01-10T10:00:00Z"),
        ("2027-01-10T10:00:00", "2027-01-10T09:00:00Z"),
        ("2027-07-10 10:00", "2027-07-10T08:00:00Z"),
        ("2027-07-10", "2027-07-10T21:59:59Z"),
    ] {
        let config = with_token(&format!("expires = {written}\n{TWO}")).config();
        assert_eq!(config.tokens[0].expires, utc(expires), "{written}");
    }
}

#[test]
fn an_expiry_that_is_written_wins_over_the_one_that_is_counted() {
    let keys = format!("issued = 2026-01-01\nexpires = 2027-01-10T10:00:00Z\n{TWO}");
    let config = with_token(&keys).config();
    assert_eq!(config.tokens[0].expires, utc("2027-01-10T10:00:00Z"));
}

#[test]
fn numbers_without_quotes_are_taken_where_people_write_them() {
    let keys = format!("issued = 2026-01-01\ndatapass_id = 11244\nsiret = 13002526500013\n{TWO}");
    let token = with_token(&keys).config().tokens.remove(0);
    assert_eq!(token.datapass_id.unwrap().as_str(), "11244");
    assert_eq!(token.siret.unwrap().as_str(), "13002526500013");
}

#[test]
fn recipients_are_the_tokens_and_its_clients_each_address_once() {
    let main = format!(
        "language = \"en\"\n{LEAST}
[groups.dsi]
recipients = [\"DSI@ville.example\", {{ email = \"night@ville.example\", from_stage = 7 }}]
[clients.x]
name = \"Client X\"
contact = \"help@x.example\"
language = \"fr\"
recipients = [{{ email = \"dsi@ville.example\", name = \"The DSI\", role = \"technique\", from_stage = 30 }}, {{ group = \"dsi\", from_stage = 15 }}]
[[token]]
id = \"t\"
name = \"T\"
issued = 2026-01-01
client = \"x\"
recipients = [\"Camille Martin <c.martin@x.example>\", {{ group = \"dsi\", from_stage = 60 }}]
"
    );
    let token = Place::with(main).config().tokens.remove(0);
    let told: Vec<_> = token
        .recipients
        .iter()
        .map(|r| (r.address.as_str(), r.name.as_deref(), r.role, r.from_stage))
        .collect();
    assert_eq!(
        told,
        [
            (
                "c.martin@x.example",
                Some("Camille Martin"),
                Role::Observer,
                None
            ),
            (
                "DSI@ville.example",
                Some("The DSI"),
                Role::Technique,
                Some(60)
            ),
            ("night@ville.example", None, Role::Observer, Some(7)),
        ]
    );
    assert!(token.recipients.iter().all(|r| r.language == Lang::Fr));
    assert_eq!(token.contact.as_str(), "help@x.example");
    assert_eq!(token.client.unwrap().name, "Client X");
}

#[test]
fn a_token_that_nobody_is_told_about_falls_to_the_contact_with_a_warning() {
    let loaded = with_token("issued = 2026-01-01").taken();
    let recipients = &loaded.config.tokens[0].recipients;
    assert_eq!(recipients.len(), 1);
    assert_eq!(recipients[0].address.as_str(), "dsi@ville.example");
    assert_eq!(recipients[0].role, Role::Observer);
    assert!(
        said(&loaded.warnings)[0].contains("config.toml:4:1: warning: this token has no recipient")
    );
}

#[test]
fn what_is_strange_but_usable_is_warned_about() {
    for (keys, warning) in [
        (
            "issued = 2024-01-01",
            "6:10: warning: this token expired on 2025-07-01",
        ),
        (
            "issued = 2205-01-01",
            "6:10: warning: this date of issue is in the future",
        ),
        (
            "expires = 2026-11-21T00:00:00Z",
            "6:11: warning: this token expired on",
        ),
    ] {
        let place = with_token(keys);
        let loaded = place.taken();
        let keys_line = loaded.warnings.iter().map(|w| w.plain(Lang::En));
        let lines: Vec<String> = keys_line.map(|l| l.replace(":7:", ":6:")).collect();
        assert!(lines.iter().any(|l| l.contains(warning)), "{lines:#?}");
    }
    let single = with_token("issued = 2026-01-01\nrecipients = [\"a@ville.example\"]").taken();
    assert!(said(&single.warnings)[0].contains("single recipient"));
    let storm = Place::with(format!("{LEAST}storm = 50\n")).taken();
    assert_eq!(storm.config.mail.storm, Some(50));
}

#[test]
fn two_tokens_with_one_link_are_warned_about_with_both_places() {
    let token = |id: &str| {
        format!(
            "[[token]]\nid = \"{id}\"\nname = \"T\"\nissued = 2026-01-01\ndatapass_id = \"11244\"\n{TWO}\n"
        )
    };
    let place = Place::with(LEAST.to_owned() + &token("a")).and("conf.d/b.toml", &token("b"));
    let loaded = place.taken();
    let warnings = said(&loaded.warnings);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("conf.d/b.toml:5:15: warning:"));
    assert!(
        place
            .stripped(&warnings[0])
            .contains("\n  config.toml:8:15: first written here")
    );
    assert_eq!(loaded.config.tokens.len(), 2);
}

/// What is left of the rates, after this has been used within a minute.
fn left(rates: &PerDomain, used: &[(&str, u32)]) -> (Option<u32>, BTreeMap<String, u32>) {
    let used = used.iter().map(|(domain, n)| ((*domain).to_owned(), *n));
    let minute = HashMap::from([(Duration::from_secs(60), used.collect())]);
    let (default, by_domain) = rates.left(&minute);
    (default, by_domain.into_iter().collect())
}

#[test]
fn a_rate_by_domain_is_one_for_each_or_by_name() {
    let with = |keys: &str| Place::with(format!("{LEAST}{keys}\n")).config().mail;
    assert!(with("").per_domain.is_empty());

    let each = with("per_domain = \"60/min\"").per_domain;
    assert_eq!(each.rate("ville.example").unwrap().mails, 60);
    let (default, used) = left(&each, &[("a.fr", 59), ("b.fr", 99)]);
    assert_eq!(default, Some(60));
    assert_eq!(
        used,
        [("a.fr".to_owned(), 1), ("b.fr".to_owned(), 0)].into()
    );

    let named = "[mail.per_domain]\n\"Été.fr\" = \"20/min\"\n\"b.fr\" = \"5/s\"";
    let named = with(named).per_domain;
    assert_eq!(named.rate("xn--t-9fab.fr").unwrap().mails, 20);
    assert_eq!(named.rate("ville.example"), None, "any number");
    assert_eq!(
        named.spans(),
        [Duration::from_secs(1), Duration::from_secs(60)]
    );
    let (default, of) = left(&named, &[("xn--t-9fab.fr", 3), ("b.fr", 9), ("c.fr", 9)]);
    let all = [("b.fr".to_owned(), 5), ("xn--t-9fab.fr".to_owned(), 17)];
    assert_eq!((default, of), (None, all.into()), "each in its own span");
    let both = with("per_domain = { \"*\" = \"9/min\", \"a.fr\" = \"1/h\" }").per_domain;
    assert_eq!(both.rate("b.fr").unwrap().mails, 9);
    assert_eq!(both.rate("a.fr").unwrap().mails, 1);
}

#[test]
fn a_relay_is_read_with_its_defaults() {
    let main = format!(
        "{LEAST}transport = \"smtp\"\nrate = \"60/min\"\nper_domain = {{ \"*\" = \"9/s\" }}\ntemplates = \"modeles\"
[mail.smtp]
host = \"smtp.ville.example\"
tls = \"implicit\"
username = \"jetond\"
password = {{ credential = \"smtp.password\" }}
timeouts = {{ dot = 60 }}
"
    );
    let place = Place::with(main);
    let loaded = place.taken();
    let Transport::Smtp(smtp) = &loaded.config.mail.transport else {
        panic!("not SMTP");
    };
    assert_eq!((smtp.port, smtp.tls), (465, Tls::Implicit));
    assert_eq!((smtp.connections, smtp.flight), (4, 16));
    assert_eq!(smtp.deadlines.dot.as_secs(), 60);
    assert_eq!(smtp.deadlines.connect.as_secs(), 30);
    let auth = smtp.auth.as_ref().unwrap();
    assert_eq!(
        auth.password,
        SecretSource::Credential("smtp.password".to_owned())
    );
    assert_eq!(loaded.config.mail.rate.unwrap().mails, 60);
    let templates = loaded.config.mail.templates.as_ref().unwrap();
    assert_eq!(templates, &place.path().join("modeles"));
    let row = |key| loaded.effective.iter().find(|e| e.key == key).unwrap();
    let port = row("mail.smtp.port");
    let per_domain = row("mail.per_domain").value.as_deref();
    assert_eq!(per_domain, Some("{ \"*\" = \"9/s\" }"));
    assert_eq!(port.value.as_deref(), Some("465"));
}

#[test]
fn plaintext_is_allowed_to_this_machine_and_to_named_networks() {
    let smtp = |keys: &str| {
        Place::with(format!(
            "{LEAST}transport = \"smtp\"\n[mail.smtp]\ntls = \"none\"\n{keys}\n"
        ))
    };
    for local in ["localhost", "127.0.0.1", "::1"] {
        assert!(
            smtp(&format!("host = \"{local}\""))
                .taken()
                .warnings
                .is_empty()
        );
    }
    let loaded = smtp("host = \"10.1.2.3\"\nplaintext_ok = [\"10.0.0.0/8\"]").taken();
    assert!(
        said(&loaded.warnings)[0].contains(":8:16: warning: mails to these networks can be read")
    );
    let Transport::Smtp(smtp) = loaded.config.mail.transport else {
        panic!("not SMTP");
    };
    assert_eq!(smtp.plaintext_ok, [Network::parse("10.0.0.0/8").unwrap()]);
}

#[test]
fn a_secret_file_that_is_missing_is_a_warning_only_when_it_will_be_used() {
    let main = |transport: &str| {
        format!(
            "{LEAST}transport = \"{transport}\"\n[mail.smtp]\nhost = \"a.example\"\nusername = \"u\"\npassword = {{ file = \"absent\" }}\n"
        )
    };
    let used = Place::with(main("smtp")).taken();
    assert!(said(&used.warnings)[0].contains(":8:21: warning:"));
    assert!(Place::with(main("file")).taken().warnings.is_empty());
}

#[test]
fn sendmail_is_a_program_with_a_default_path() {
    let config = Place::with(format!("{LEAST}transport = \"sendmail\"\n")).config();
    assert!(
        matches!(config.mail.transport, Transport::Sendmail { command } if command == Path::new("/usr/sbin/sendmail"))
    );
}

#[test]
fn the_digest_follows_names_and_contents() {
    let digest = |place: &Place| place.config().digest;
    let alone = Place::with(LEAST);
    let first = digest(&alone);
    assert_eq!(first.len(), 64);
    assert_eq!(first, digest(&Place::with(LEAST)));
    assert_ne!(first, digest(&Place::with(format!("{LEAST}\n"))));
    let one = digest(&Place::with(LEAST).and("conf.d/a.toml", ""));
    assert_ne!(first, one);
    assert_ne!(one, digest(&Place::with(LEAST).and("conf.d/b.toml", "")));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_taken() {
    let main = format!("\u{feff}{LEAST}").replace('\n', "\r\n");
    assert!(Place::with(main).taken().warnings.is_empty());
}

#[test]
fn each_value_is_shown_with_its_origin() {
    let place = with_token(&format!("issued = 2026-01-01\n{TWO}"));
    let loaded = place.taken();
    let row = |key: &str| loaded.effective.iter().find(|e| e.key == key).unwrap();
    let file = place.main().display().to_string();
    assert_eq!(
        row("contact").value.as_deref(),
        Some("\"dsi@ville.example\"")
    );
    assert_eq!(
        row("contact").origin,
        Origin::Written {
            file: file.clone(),
            line: 1
        }
    );
    assert_eq!(row("schedule.validity_months").value.as_deref(), Some("18"));
    assert_eq!(row("schedule.validity_months").origin, Origin::Default);
    assert_eq!(row("token.t.issued").value.as_deref(), Some("2026-01-01"));
    assert_eq!(
        row("token.t.issued").origin.to_string(),
        format!("{file}:7")
    );
    assert_eq!(row("mail.rate").value, None);
}

#[test]
fn the_language_of_a_broken_file_is_found() {
    for (text, lang) in [
        ("language = \"en\"\n[mail\n", Some(Lang::En)),
        ("language = \"fr\"\nx y z\n", Some(Lang::Fr)),
        ("x = 1\n", None),
    ] {
        assert_eq!(
            config::language_of(&Place::with(text).main()),
            lang,
            "{text}"
        );
    }
    assert_eq!(config::language_of(Path::new("/nonexistent.toml")), None);
}

#[test]
fn ten_thousand_tokens_are_read() {
    let mut main = format!("{LEAST}[groups.dsi]\n{TWO}\n");
    for n in 0..10_000 {
        main.push_str(&format!(
            "[[token]]\nid = \"t{n}\"\nname = \"Token {n}\"\nissued = 2026-01-01\ndatapass_id = {n}\nrecipients = [{{ group = \"dsi\" }}]\n"
        ));
    }
    let loaded = Place::with(main).taken();
    assert_eq!(loaded.config.tokens.len(), 10_000);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_drawing_in_colour_carries_escapes_and_the_other_none() {
    let place = Place::with("[mail]\nfrom = 3\n");
    let refused = place.refused();
    let draw = |colour| config::draw(&refused.errors, &refused.sources, Lang::En, colour);
    assert!(draw(Colour::Ansi).contains('\u{1b}'));
    assert!(!draw(Colour::None).contains('\u{1b}'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_file_makes_it_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..24, prop::collection::vec(any::<u8>(), 0..6)), 1..6),
        words in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![
            "[token]\n", "[[mail]]\n", "= ", "\"\"\"", "'", "[", "{", "}", "]", "\n", "password = x", "eyJ", "\u{feff}", "\u{202e}", "2026-13-01", "a.b.c = 1\n",
        ])), 0..4),
    ) {
        let mut bytes = include_bytes!("../../config.example.toml").to_vec();
        for (at, cut, put) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, put);
        }
        for (at, word) in words {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, word.bytes());
        }
        let place = Place::with(&bytes);
        let (found, sources) = match place.load() {
            Ok(loaded) => (loaded.warnings, loaded.sources),
            Err(rejected) => (rejected.errors, rejected.sources),
        };
        for lang in [Lang::En, Lang::Fr] {
            let _ = config::draw(&found, &sources, lang, Colour::None);
        }
    }
}
