//! The config of the package: in step with the example, without tokens, and refused only
//! because of what someone has to fill in.

use chrono::DateTime;

use jetond::config::{self, KEYS, Loaded, Surroundings};

use crate::package::source;
use crate::support::program::{Program, said};

/// The lines that the package changes in the example, with what they become there.
const CHANGED: [(&str, &str); 8] = [
    ("organisation = \"Ville d'Exemple\"", "organisation = \"\""),
    (
        "contact      = \"dsi@ville.example\"",
        "contact      = \"\"",
    ),
    (
        "url = \"sqlite:jetond.db\"",
        "url = \"sqlite:/var/lib/jetond/jetond.db\"",
    ),
    (
        "from      = \"Veille des jetons <jetons@ville.example>\"",
        "from      = \"\"",
    ),
    ("transport = \"file\"", "transport = \"smtp\""),
    (
        "directory = \"outbox\"",
        "# directory = \"/var/lib/jetond/outbox\"",
    ),
    ("# [mail.smtp]", "[mail.smtp]"),
    ("# host = \"smtp.ville.example\"", "host = \"\""),
];

/// What has to be filled in, and a way to do it.
const FILLED_IN: [(&str, &str); 3] = [
    ("contact      = \"\"", "contact = \"dsi@ville.example\""),
    ("from      = \"\"", "from = \"jetons@ville.example\""),
    ("host = \"\"", "host = \"smtp.ville.example\""),
];

const HEAD: &str = r##"# The config of jetond.service. Three lines are to be filled in: `contact`, `from` and `host`. The
# tokens follow, at the end of this file or in conf.d/*.toml beside it. `sudo -u jetond jetond check`
# says what is missing, line by line; then `systemctl start jetond`. All keys: man jetond.toml. Lines
# that begin with "# key =" are optional. A password does not stand here: see `password` below.
"##;

const TOKENS: &str = r##"# The tokens to watch over: one such table each, here or in conf.d/*.toml. More keys, and groups of
# people: /usr/share/doc/jetond/examples/tokens.toml
#
# [[token]]
# id          = "marches-publics"                # stable: the history hangs on it
# name        = "Marchés publics"                # its name for people
# issued      = 2026-03-15                       # the day it was issued
# datapass_id = "11244"                          # the number of its Data Pass request
# recipients  = ["c.martin@ville.example", "dsi@ville.example"]   # the people to be told
"##;

/// Where the example speaks of people and tokens.
const PEOPLE: &str = "[groups.dsi]";

/// The config of the package, made from the example.
fn derived() -> String {
    let (settings, _) = config::EXAMPLE.split_once(PEOPLE).unwrap();
    let (_, settings) = settings.split_once("\n\n").unwrap();
    let mut made = format!("{HEAD}\n{settings}{TOKENS}");
    for (from, to) in CHANGED {
        assert_eq!(made.matches(&format!("\n{from}")).count(), 1, "{from}");
        // The comments stay where they are.
        let (before, rest) = made.split_once(&format!("\n{from}")).unwrap();
        let comment = rest.trim_start_matches(' ');
        let column = from.chars().count() + (rest.len() - comment.len());
        let gap = " ".repeat(column.saturating_sub(to.chars().count()).max(1));
        made = format!("{before}\n{to}{gap}{comment}");
    }
    made
}

fn filled_in() -> String {
    FILLED_IN.iter().fold(derived(), |config, (from, to)| {
        config.replace(&format!("\n{from}"), &format!("\n{to}"))
    })
}

fn load(config: &str, drop_in: Option<&str>) -> Loaded {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.toml");
    std::fs::write(&file, config).unwrap();
    if let Some(text) = drop_in {
        std::fs::create_dir(place.path().join("conf.d")).unwrap();
        std::fs::write(place.path().join("conf.d/tokens.toml"), text).unwrap();
    }
    let surroundings = Surroundings {
        now: DateTime::parse_from_rfc3339("2026-11-22T12:00:00Z")
            .unwrap()
            .to_utc(),
    };
    config::load(&file, &surroundings).unwrap()
}

#[test]
fn it_is_the_example_without_people_and_tokens() {
    let shipped = std::fs::read_to_string(source("packaging/debian/config.toml"));
    let derived = derived();
    if shipped.as_deref().unwrap_or_default() != derived {
        let made = concat!(env!("CARGO_TARGET_TMPDIR"), "/config.toml");
        std::fs::write(made, derived).unwrap();
        panic!("out of step with config.example.toml: cp {made} packaging/debian/config.toml");
    }
}

#[test]
fn it_names_every_setting() {
    let config = derived();
    for key in KEYS {
        let of_people = [
            "groups.*",
            "clients.*",
            "token",
            "token.secret",
            "recipient",
        ]
        .contains(&key.table);
        let is_inner = key.table.starts_with("mail.smtp.")
            || key.table.starts_with("web.auth.")
            || key.table.starts_with("notify.")
            || key.table.starts_with("web.metrics.")
            || ["datapass.secrets", "mail.bounces", "heartbeat.url"].contains(&key.table);
        let is_there = config.lines().any(|l| {
            let l = l.trim_start_matches("# ");
            l.strip_prefix(key.name)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        let path = key.path();
        assert!(
            is_there || of_people || (is_inner && config.contains(key.name)),
            "{path}"
        );
    }
}

#[test]
fn check_names_the_lines_to_fill_in_and_nothing_else() {
    let config = derived();
    let program = Program::new(&config);
    let ran = program
        .command(&["--lang", "en", "check"])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(3));
    let errors: Vec<String> = said(&ran)
        .lines()
        .filter(|l| l.starts_with("config.toml:"))
        .map(ToOwned::to_owned)
        .collect();
    let expected: Vec<String> = FILLED_IN
        .iter()
        .map(|(line, _)| {
            let before = config.lines().take_while(|l| !l.starts_with(line)).count();
            let name = line.split([' ', '=']).next().unwrap();
            let column = line.find("\"\"").unwrap() + 1;
            format!(
                "config.toml:{}:{column}: error: `{name}` is empty",
                before + 1
            )
        })
        .collect();
    assert_eq!(errors, expected);
    assert!(said(&ran).contains("3 errors"), "{}", said(&ran));
    assert!(!said(&ran).contains("warning"), "{}", said(&ran));
}

#[test]
fn it_is_taken_once_it_is_filled_in_and_takes_the_sample_of_tokens() {
    let loaded = load(&filled_in(), None);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.config.tokens.is_empty());
    let store = loaded.config.store.to_str();
    assert_eq!(store, Some("/var/lib/jetond/jetond.db"));

    let at = config::EXAMPLE.find(PEOPLE).unwrap();
    let loaded = load(&filled_in(), Some(&config::EXAMPLE[at..]));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.tokens.len(), 2);

    let token = TOKENS.split_once("#\n").unwrap().1;
    let token: String = token.lines().map(|l| format!("{}\n", &l[2..])).collect();
    let loaded = load(&filled_in(), Some(&token));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.tokens.len(), 1);
}
