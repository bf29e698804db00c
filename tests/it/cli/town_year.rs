//! A town's year, played through the command line and the links of its mails under a clock of its
//! own: what `simulate` announces leaves, on its day and to the same people, and what people say
//! happened ends the rest.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::cli::place::at;
use crate::cli::snapshots::snapshots;
use crate::support::http_client::{request, talk};
use crate::support::program::{Program, Running, said};
use crate::web::HOST;
use crate::web::links::links_to;
use crate::web::run::own_address;

const TOWN: &str = r#"contact = "dsi@ville.example"
[mail]
from      = "jetons@ville.example"
transport = "file"
[reports]
weekly = false

[[token]]
id         = "marches"   # le portail des marchés
name       = "Marchés publics"
issued     = 2024-12-15
recipients = [{ email = "c.martin@ville.example", role = "demandeur" }, { email = "tech@editeur.example", from_stage = 15 }]

[[token]]
id         = "aides"
name       = "Aides sociales"
expires    = 2026-09-01
recipients = ["aides@ville.example", "dgs@ville.example"]

[[token]]
id         = "cantine"
name       = "Cantine"
expires    = 2026-05-20
recipients = ["cantine@ville.example"]

[[token]]
id         = "voirie"
name       = "Voirie"
expires    = 2026-04-30
recipients = ["voirie@ville.example"]

[[token]]
id         = "voirie-2028"
name       = "Voirie, nouveau jeton"
expires    = 2028-03-01
"#;

/// What people say, and when: a command, or an answer by the link in somebody's latest mail.
const EVENTS: [(&str, &str); 11] = [
    ("2026-02-20", "link cantine@ville.example filed number=4711"),
    ("2026-03-05", "supersede voirie voirie-2028"),
    ("2026-03-23", "filed cantine --refused"),
    ("2026-04-02", "renew cantine --expires 2027-11-20"),
    ("2026-04-10", "snooze marches --until 2026-05-25"),
    (
        "2026-06-10",
        "renew marches --issued 2026-06-09 --write-config",
    ),
    (
        "2026-06-12",
        "link dgs@ville.example renewed date=2028-03-01",
    ),
    ("2026-06-13", "link aides@ville.example not-for-me"),
    ("2026-06-15", "revoke aides --at 2026-08-20"),
    ("2026-11-25", "archive marches"),
    ("2026-12-01", "restore marches"),
];

/// A mail that is to leave, or that left: its kind, to whom, and the tokens it is about.
type Leaving = (String, String);

struct Year {
    town: Program,
    web: SocketAddr,
    now: DateTime<Utc>,
    told: String,
}

impl Year {
    fn say(&mut self, line: &str) {
        let day = self.now.format("%Y-%m-%d");
        self.told += &format!("{day}  {line}\n");
    }

    /// The next mails that are announced, if any leave before the year's end.
    fn announced(&self) -> Option<(DateTime<Utc>, Vec<Value>)> {
        let rows = self
            .town
            .json_at(self.now, &["simulate", "--to", "2026-12-31"]);
        let instant = |row: &Value| at(row["at"].as_str().unwrap());
        let first = rows.iter().map(instant).min()?;
        let rows = rows.into_iter().filter(|r| instant(r) == first).collect();
        Some((first, rows))
    }

    fn sent(&self) -> Vec<Leaving> {
        let rows = self
            .town
            .json_at(self.now, &["outbox", "list", "--all", "--limit", "1000"]);
        rows.iter()
            .filter(|r| r["state"] == "sent")
            .map(leaving)
            .collect()
    }

    /// One pass; what was announced for it leaves, and nothing else.
    fn pass(&mut self, announced: &[Value]) {
        let before = self.sent().len();
        let ran = self
            .town
            .command_at(self.now, &["run", "--once"])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
        let mut sent = self.sent();
        // The latest come first.
        sent.truncate(sent.len() - before);
        let (sent, announced): (BTreeSet<_>, BTreeSet<_>) = (
            sent.into_iter().collect(),
            announced.iter().map(leaving).collect(),
        );
        assert_eq!(sent, announced, "{}", self.now);
    }

    /// An answer by the link in the latest reminder to somebody, given to the running daemon.
    fn answer(&mut self, words: &str) {
        self.say(&format!("@ {words}"));
        let mut words = words.split(' ');
        let [who, page] = [(); 2].map(|()| words.next().unwrap());
        let form = words.fold("say=yes".to_owned(), |form, field| form + "&" + field);
        // A mail about one token has a link for each answer.
        let link = links_to(&self.town.place().join("outbox"), who)
            .into_iter()
            .find(|link| link.ends_with(page))
            .unwrap();
        let path = link.strip_prefix(&format!("https://{HOST}")).unwrap();
        let running = Running::start(self.town.command_at(self.now, &["run"]));
        running.wait_for("watching");
        let status = |method: &str, form: &str| {
            let asked = talk(self.web, request(method, path, HOST, form));
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(asked).unwrap().status
        };
        assert_eq!((status("GET", ""), status("POST", &form)), (200, 303));
        running.signal("TERM");
        assert_eq!(running.ended(), Some(0));
    }

    fn do_it(&mut self, words: &str) {
        if let Some(answer) = words.strip_prefix("link ") {
            return self.answer(answer);
        }
        let args: Vec<&str> = words.split(' ').chain(["--lang", "en"]).collect();
        let ran = self.town.command_at(self.now, &args).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{words}: {}", said(&ran));
        self.say(&format!("$ jetond {words}"));
        for line in String::from_utf8(ran.stdout).unwrap().lines() {
            self.say(&format!("    {line}"));
        }
    }
}

fn leaving(row: &Value) -> Leaving {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    (text("kind"), text("recipient"))
}

#[test]
fn a_year_of_a_town_on_the_command_line() {
    let web = own_address();
    let config = format!("[web]\nlisten = \"{web}\"\npublic_url = \"https://{HOST}\"\n");
    let (root, tables) = TOWN.split_once("[mail]").unwrap();
    let config = format!("{root}{config}[mail]{tables}");
    let Some(town) = Program::timeless(&config) else {
        return;
    };
    let mut year = Year {
        town,
        web,
        now: at("2026-01-05T08:30:00Z"),
        told: String::new(),
    };
    year.pass(&[]);
    let mut events = EVENTS.iter().peekable();
    loop {
        let announced = year.announced();
        let event = events.peek().map(|(day, words)| {
            // In the afternoon, when the mails of that day have left.
            (at(&format!("{day}T13:00:00Z")), *words)
        });
        match (announced, event) {
            (Some((first, rows)), event) if event.is_none_or(|(when, _)| first < when) => {
                year.now = first + Duration::minutes(1);
                year.pass(&rows);
                for row in &rows {
                    let (kind, to) = leaving(row);
                    let about: Vec<String> = row["notices"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|n| format!("{} {}", n["token"].as_str().unwrap(), n["stage"]))
                        .collect();
                    year.say(&format!("{kind} to {to} {}", about.join(", ")));
                }
            }
            (_, Some((when, words))) => {
                year.now = when;
                year.do_it(words);
                events.next();
            }
            (Some(_), None) => unreachable!("it comes before no event"),
            (None, None) => break,
        }
    }
    year.now = at("2026-12-31T12:00:00Z");
    year.pass(&[]);
    // Everything owed is covered, and the file says what the record does.
    let ran = year
        .town
        .command_at(year.now, &["status"])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let file = std::fs::read_to_string(year.town.place().join("config.toml")).unwrap();
    assert_eq!(file, config.replace("= 2024-12-15", "= 2026-06-09"));
    snapshots().bind(|| insta::assert_snapshot!("town_year", year.told));
}
