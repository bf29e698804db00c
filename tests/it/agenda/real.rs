//! The calendar as Debian's python3-icalendar reads it, a parser that was written by others.

use std::process::{Command, Stdio};

use chrono::Duration;
use jetond::agenda::Extent;
use jetond::renewal::verbs::Verb;
use jetond::store::feed::Scope;
use serde_json::Value;

use super::{START, act, head, parsed, text_of};
use crate::support::daemon::{Town, at, token};
use crate::support::debian;

/// Its Python is the machine's own.
const PACKAGES: [&str; 4] = [
    "python3-icalendar",
    "python3-dateutil",
    "python3-six",
    "python3-tz",
];

/// Reads a calendar from standard input, strictly, and tells what is in it.
const READ: &str = r#"
import json, sys
from icalendar import Calendar
calendar = Calendar.from_ical(sys.stdin.buffer.read())
assert not calendar.errors, calendar.errors
events = []
for event in calendar.walk("VEVENT"):
    assert not event.errors, event.errors
    alarms = [[a["TRIGGER"].dt.total_seconds(), str(a["DESCRIPTION"])] for a in event.walk("VALARM")]
    events.append({
        "uid": str(event["UID"]), "start": event["DTSTART"].dt.isoformat(), "end": event["DTEND"].dt.isoformat(),
        "status": str(event["STATUS"]), "sequence": int(event["SEQUENCE"]), "summary": str(event["SUMMARY"]),
        "description": str(event["DESCRIPTION"]), "stamp": event["DTSTAMP"].dt.isoformat(), "alarms": alarms,
        "modified": event["LAST-MODIFIED"].dt.isoformat(),
    })
print(json.dumps({"name": str(calendar["X-WR-CALNAME"]), "method": str(calendar["METHOD"]), "events": events}))
"#;

#[tokio::test]
async fn another_parser_reads_the_same() {
    let Some(root) = debian::unpacked(&PACKAGES) else {
        return;
    };
    // Not a backslash before an n: this version takes that for a line feed.
    let hostile = "[[token]]\nid = \"h\"\nname = \"Ça; dit, \\\\ 🏛️ \\\"x\\\" : fin\"\nexpires = 2027-01-31\nrecipients = [\"a@ville.example\"]\n";
    let config = head("") + &token("un", "2026-12-15", &["a@ville.example"]) + hostile;
    let mut town = Town::start(&config, at(START)).await;
    town.now += Duration::hours(1);
    act(&town, "un", Verb::Archive).await;
    let text = text_of(&town, Scope::All, Extent::Served).await;

    let mut python = Command::new("python3")
        .args(["-c", READ])
        .env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("python3 is needed to read a calendar: {e}"));
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let read = python.wait_with_output().unwrap();
    assert!(read.status.success(), "python3 could not read:\n{text}");
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();

    let ours = parsed(&text);
    assert_eq!(read["method"], "PUBLISH");
    assert_eq!(read["name"], ours.own["X-WR-CALNAME"].as_str());
    let theirs = read["events"].as_array().unwrap();
    assert_eq!((theirs.len(), ours.events.len()), (4, 4));
    for (theirs, ours) in theirs.iter().zip(&ours.events) {
        let date = |name: &str| theirs[name].as_str().unwrap().replace('-', "");
        assert_eq!((date("start").as_str(), date("end").as_str()), ours.days());
        assert_eq!(theirs["sequence"], ours.sequence());
        for (name, property) in [
            ("uid", "UID"),
            ("status", "STATUS"),
            ("summary", "SUMMARY"),
            ("description", "DESCRIPTION"),
        ] {
            assert_eq!(theirs[name], ours.get(property), "{name}");
        }
        let alarms = theirs["alarms"].as_array().unwrap();
        assert_eq!(alarms.len(), ours.alarms.len());
        assert_eq!(theirs["stamp"], theirs["modified"]);
    }
    let hostile = theirs.iter().find(|e| e["start"] == "2027-01-31").unwrap();
    let summary = hostile["summary"].as_str().unwrap();
    assert!(summary.contains("Ça; dit, \\ 🏛️ \"x\""), "{summary}");
    // 30 days before at 09:00, local clocks.
    let first = &hostile["alarms"][1];
    assert_eq!(first[0], -f64::from(59 * 86_400 + 15 * 3_600));
    assert!(
        first[1].as_str().unwrap().ends_with("dans 60\u{a0}jours"),
        "{first}"
    );
}
