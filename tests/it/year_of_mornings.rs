//! A year of mornings with the real program: what `simulate` announces is what arrives.
//!
//! A thousand tokens; `jetond run --once` every morning of a year that has a 29 February and
//! both changes of the hour. Each mail is read by a parser that the program does not use, and
//! held against what was announced before the first morning: day, recipient, subject, and the
//! tokens, by their names and by their links. So is the record.
//!
//! Through Postfix it is fewer tokens, because each mail takes it a while;
//! `JETOND_YEAR_TOKENS=1000` asks for as many.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Europe::Paris;
use mail_parser::MessageParser;
use serde_json::Value;

use crate::support::postfix::Postfix;
use crate::support::program::Program;
use crate::support::town::{Town, town};

const TOKENS: usize = 1000;
const TOKENS_THROUGH_POSTFIX: usize = 250;
const MORNINGS: u64 = 366;

/// What is known of a mail before it leaves, and of one that has arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mail {
    day: NaiveDate,
    recipient: String,
    subject: String,
    /// The codes in the names of its tokens.
    tokens: BTreeSet<String>,
}

/// How the subject of a weekly report begins.
const REPORT: &str = "Rapport hebdomadaire";

/// What the record says of a mail besides.
type Notices = BTreeSet<(String, i64)>;

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2027, 3, 1).unwrap()
}

/// Five past nine on that day, whatever the season.
fn morning(day: NaiveDate) -> DateTime<Utc> {
    let nine = day.and_time(NaiveTime::from_hms_opt(9, 5, 0).unwrap());
    Paris.from_local_datetime(&nine).unwrap().to_utc()
}

fn config(town: &Town, days: &str, way_out: &str) -> String {
    format!(
        r#"timezone = "Europe/Paris"
language = "fr"
organisation = "Ville d’Exemple"
contact = "dsi@ville.example"

[store]
url = "sqlite:jetond.db"

[schedule]
days = "{days}"

[mail]
from = "Veille des jetons <jetons@ville.example>"
{way_out}

{}"#,
        town.declared
    )
}

#[test]
fn every_mail_of_a_year_is_a_file_on_the_announced_day() {
    let town = town(TOKENS, first_day(), 1);
    let config = config(&town, "any", "transport = \"file\"\ndirectory = \"outbox\"");
    let Some(program) = Program::timeless(&config) else {
        return;
    };
    let outbox = program.place().join("outbox");
    live_through_the_year(&program, &town, |_| {
        std::fs::read_dir(&outbox)
            .unwrap()
            .map(|entry| {
                let file = entry.unwrap().path();
                let mail = std::fs::read(&file).unwrap();
                std::fs::remove_file(&file).unwrap();
                mail
            })
            .collect()
    });
}

#[test]
fn every_mail_of_a_year_goes_through_postfix_on_the_announced_day() {
    let Some(postfix) = Postfix::start(&[]) else {
        return;
    };
    let wanted = std::env::var("JETOND_YEAR_TOKENS").ok();
    let tokens = wanted.map_or(TOKENS_THROUGH_POSTFIX, |n| n.parse().unwrap());
    let town = town(tokens, first_day(), 2);
    let port = postfix.port();
    let way_out = format!(
        "transport = \"smtp\"\n\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         helo = \"ville.example\""
    );
    let config = config(&town, "working", &way_out);
    let Some(program) = Program::timeless(&config) else {
        return;
    };
    live_through_the_year(&program, &town, |sent| postfix.take(sent));
}

/// Simulates the year, lives it, and holds one against the other; `arrived` gives the mails of
/// a morning on which so many were sent.
fn live_through_the_year(
    program: &Program,
    town: &Town,
    mut arrived: impl FnMut(usize) -> Vec<Vec<u8>>,
) {
    let days: Vec<NaiveDate> = first_day().iter_days().take(MORNINGS as usize).collect();
    let announced = simulated(program, town, &days);

    let (mut seen, mut ids) = (Vec::new(), BTreeSet::new());
    for day in &days {
        let report = &program.json_at(morning(*day), &["run", "--once"])[0];
        let sent = usize::try_from(report["sent"].as_u64().unwrap()).unwrap();
        let mails = arrived(sent);
        assert_eq!(mails.len(), sent, "{day}");
        for mail in &mails {
            let (mail, id) = read(mail, town);
            assert_eq!(mail.day, *day, "{mail:?}");
            assert!(ids.insert(id), "{mail:?} repeats a Message-ID");
            seen.push(mail);
        }
    }
    seen.sort();
    let expected: Vec<Mail> = announced.iter().map(|(mail, _)| mail.clone()).collect();
    assert_same(&expected, &seen);

    let evening = morning(*days.last().unwrap()) + chrono::Duration::hours(1);
    let recorded = recorded(program, town, evening, &ids);
    assert_eq!(announced, recorded);
    let status = &program.json_at(evening, &["status"])[0];
    assert_eq!(status["uncovered"], 0, "{status}");
    let mails: Vec<&String> = status["mails"].as_object().unwrap().keys().collect();
    assert_eq!(mails, ["sent"], "{status}");
}

/// What `simulate` announces, which does not depend on when it is asked: before the first
/// morning without a store, or afterwards about the past.
fn simulated(program: &Program, town: &Town, days: &[NaiveDate]) -> Vec<(Mail, Notices)> {
    let (first, last) = (days[0], *days.last().unwrap());
    let (from, to) = (first.to_string(), last.to_string());
    let args = ["simulate", "--from", &from, "--to", &to];
    let rows = program.json_at(morning(first), &args);
    let afterwards = morning(last + Days::new(1));
    let again = program.json_at(afterwards, &args);
    let mut announced: Vec<_> = rows.iter().map(|row| announcement(row, town)).collect();
    let mut about_the_past: Vec<_> = again.iter().map(|row| announcement(row, town)).collect();
    announced.sort();
    about_the_past.sort();
    assert_eq!(announced, about_the_past);
    let stages: BTreeSet<i64> = announced
        .iter()
        .flat_map(|(_, notices)| notices.iter().map(|(_, stage)| *stage))
        .collect();
    let wanted = [90, 60, 30, 15, 7, 1, 0, -7, -30, -60, -90, -120, -150];
    assert!(wanted.iter().all(|s| stages.contains(s)), "{stages:?}");
    announced
}

fn announcement(row: &Value, town: &Town) -> (Mail, Notices) {
    let kind = word(&row["kind"]);
    assert!(
        ["reminder", "note_report"].contains(&kind.as_str()),
        "{row}"
    );
    let notices = notices(row);
    let mail = Mail {
        day: day_of(&row["at"]),
        recipient: word(&row["recipient"]),
        subject: word(&row["subject"]),
        tokens: codes(&notices, town),
    };
    (mail, notices)
}

/// The mails on record; `ids` are the Message-IDs that arrived.
fn recorded(
    program: &Program,
    town: &Town,
    now: DateTime<Utc>,
    ids: &BTreeSet<String>,
) -> Vec<(Mail, Notices)> {
    let rows = program.json_at(now, &["outbox", "list", "--all", "--limit", "1000000"]);
    let on_record: BTreeSet<String> = rows.iter().map(|row| word(&row["message_id"])).collect();
    assert_eq!(&on_record, ids);
    let mut recorded: Vec<_> = rows
        .iter()
        .map(|row| {
            assert_eq!(row["state"], "sent", "{row}");
            let notices = notices(row);
            let mail = Mail {
                day: day_of(&row["settled_at"]),
                recipient: word(&row["recipient"]),
                subject: word(&row["subject"]),
                tokens: codes(&notices, town),
            };
            (mail, notices)
        })
        .collect();
    recorded.sort();
    recorded
}

/// A mail as its reader gets it, and its Message-ID.
fn read(bytes: &[u8], town: &Town) -> (Mail, String) {
    let parsed = MessageParser::default().parse(bytes).unwrap();
    let text = parsed.body_text(0).unwrap();
    let is_report = parsed.subject().unwrap().starts_with(REPORT);
    let html = parsed.body_html(0).unwrap();
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A report names tokens that it is not about, without their links.
    let tokens = if is_report {
        BTreeSet::new()
    } else {
        codes_in(&text)
    };
    let about: Vec<_> = town
        .tokens
        .iter()
        .filter(|t| tokens.contains(&t.code))
        .collect();
    for token in &about {
        let name = token.name.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&name), "{name} is not in {text}");
    }
    let links: BTreeSet<&str> = about.iter().filter_map(|t| t.datapass.as_deref()).collect();
    assert_eq!(links_in(&text), links, "{text}");
    assert_eq!(links_in(&html), links, "{html}");
    assert!(is_report || codes_in(&html) == tokens, "{html}");
    let date = parsed.date().unwrap().to_timestamp();
    let at = DateTime::from_timestamp(date, 0).unwrap();
    let mail = Mail {
        day: at.with_timezone(&Paris).date_naive(),
        recipient: parsed
            .to()
            .unwrap()
            .first()
            .unwrap()
            .address()
            .unwrap()
            .to_owned(),
        subject: parsed.subject().unwrap().to_owned(),
        tokens,
    };
    (mail, parsed.message_id().unwrap().to_owned())
}

/// The codes of tokens that a text names: `J` and four digits.
fn codes_in(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric();
    text.split(|c| !word(c))
        .filter(|w| {
            w.len() == 5
                && w.strip_prefix('J')
                    .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        })
        .map(str::to_owned)
        .collect()
}

/// The numbers of the Data Pass forms that a text links to.
fn links_in(text: &str) -> BTreeSet<&str> {
    text.split("https://datapass.api.gouv.fr/demandes/")
        .skip(1)
        .map(|rest| rest.split_once("/reopen-from-external").unwrap().0)
        .collect()
}

fn notices(row: &Value) -> Notices {
    let list = row["notices"].as_array().unwrap();
    list.iter()
        .map(|n| (word(&n["token"]), n["stage"].as_i64().unwrap()))
        .collect()
}

fn codes(notices: &Notices, town: &Town) -> BTreeSet<String> {
    let named = |id: &String| town.tokens.iter().find(|t| t.id == *id).unwrap();
    notices
        .iter()
        .map(|(id, _)| named(id).code.clone())
        .collect()
}

fn day_of(at: &Value) -> NaiveDate {
    let at = DateTime::parse_from_rfc3339(at.as_str().unwrap()).unwrap();
    at.with_timezone(&Paris).date_naive()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Names the first differences; two lists of thousands help no one.
fn assert_same(announced: &[Mail], arrived: &[Mail]) {
    let mut balance: BTreeMap<&Mail, i64> = BTreeMap::new();
    for mail in announced {
        *balance.entry(mail).or_default() += 1;
    }
    for mail in arrived {
        *balance.entry(mail).or_default() -= 1;
    }
    let off: Vec<_> = balance.iter().filter(|(_, n)| **n != 0).take(5).collect();
    assert!(
        off.is_empty(),
        "announced {}, arrived {}; announced more (+) or less (−) often than they arrived: {off:#?}",
        announced.len(),
        arrived.len()
    );
}
