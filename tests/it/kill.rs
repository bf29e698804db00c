//! The real program killed, stopped, reloaded and started twice while mails leave.
//!
//! The oracle is the server's log: what it took, over which connection, byte for byte. A kill
//! loses nothing and repeats at most the mails in flight; a SIGTERM neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Days, TimeZone, Utc};
use mail_parser::MessageParser;
use serde_json::Value;

use crate::support::program::{Program, Running, said};
use crate::support::smtp_server::{Accepted, Act, Phase, Script, SmtpServer};

const MAILS: usize = 200;
const KILLS: usize = 20;
const CONNECTIONS: usize = 4;

/// A server that takes a message and lets the client wait a little for its answer: the moment
/// in which a crash leaves a doubt. It takes no more than a hundred a second, so that a signal
/// comes long before the last.
fn slow_server() -> SmtpServer {
    SmtpServer::start(Script::new().at(Phase::Dot, Act::TakeLate(Duration::from_millis(40))))
}

/// `tokens` tokens that each have one recipient of their own, and are due at `now`.
fn config(server: &SmtpServer, tokens: usize, now: DateTime<Utc>) -> String {
    let port = server.port();
    let mut config = format!(
        r#"timezone = "UTC"
contact = "dsi@ville.example"

[store]
url = "sqlite:jetond.db"

[schedule]
window = "00:00-24:00"

[mail]
from = "jetons@ville.example"
transport = "smtp"

[mail.smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
helo = "ville.example"
connections = {CONNECTIONS}
"#
    );
    // Stage 30 has passed, stage 15 is days away: due whatever the hour.
    let expires = (now + Days::new(20)).date_naive();
    for n in 0..tokens {
        write!(
            config,
            "\n[[token]]\nid = \"t{n}\"\nname = \"Jeton {n}\"\nexpires = {expires}\n\
             datapass_id = \"{n}\"\nrecipients = [\"p{n}@ville.example\"]\n"
        )
        .unwrap();
    }
    config
}

/// The recipient of a message, from its envelope.
fn recipient(message: &Accepted) -> String {
    assert_eq!(message.to.len(), 1);
    let to = message.to[0].trim_start_matches('<');
    to.split_once('>').unwrap().0.to_owned()
}

/// The messages of each recipient, in the order in which they were taken.
fn by_recipient(server: &SmtpServer) -> BTreeMap<String, Vec<Accepted>> {
    let mut found: BTreeMap<String, Vec<Accepted>> = BTreeMap::new();
    for message in server.accepted() {
        found.entry(recipient(&message)).or_default().push(message);
    }
    found
}

/// The recipients of the mails that the record calls sent, and how many it does not.
fn on_record(mails: &[Value]) -> (BTreeSet<String>, usize) {
    let sent: BTreeSet<String> = mails
        .iter()
        .filter(|m| m["state"] == "sent")
        .map(|m| m["recipient"].as_str().unwrap().to_owned())
        .collect();
    let open = mails.len() - sent.len();
    (sent, open)
}

const ALL: [&str; 5] = ["outbox", "list", "--all", "--limit", "1000"];

/// Varied numbers, the same in every run.
fn varied(n: usize, below: usize) -> usize {
    (n * 7919 + 104_729) * 31 % below
}

#[test]
fn kills_lose_nothing_and_repeat_only_what_was_in_flight() {
    let server = slow_server();
    let mut now = Utc.with_ymd_and_hms(2027, 3, 10, 10, 0, 0).unwrap();
    let Some(program) = Program::timeless(&config(&server, MAILS, now)) else {
        return;
    };
    let mut killed = 0;
    for cycle in 0..KILLS {
        let running = Running::start(program.command_at(now, &["run", "--once"]));
        // By turns after so many messages, and anywhere in the dialogue.
        if cycle % 2 == 0 {
            server.wait_for(server.count() + varied(cycle, 5), 0);
        } else {
            server.wait_for(0, server.lines() + varied(cycle, 400));
        }
        killed += usize::from(running.kill());
        let (sent, _) = on_record(&program.json_at(now, &ALL));
        let taken: BTreeSet<String> = by_recipient(&server).into_keys().collect();
        assert!(
            sent.is_subset(&taken),
            "cycle {cycle}: called sent, but never taken: {:?}",
            sent.difference(&taken)
        );
        // Some runs find the doubts of the last one, others are too early for them.
        now += chrono::Duration::minutes(if cycle % 3 == 0 { 31 } else { 1 });
    }
    assert_eq!(killed, KILLS, "a run ended before it was killed");

    // A mail that three kills met in flight is parked, and the contact is told: nobody knows
    // whether it arrived, and it must not arrive a fourth time.
    let mut rounds = 0;
    loop {
        let output = program
            .command_at(now, &["run", "--once"])
            .output()
            .unwrap();
        assert!(
            matches!(output.status.code(), Some(0 | 6)),
            "{}",
            said(&output)
        );
        let left = program.json_at(now, &["outbox", "list"]);
        if left.iter().all(|m| m["state"] == "parked") {
            break;
        }
        rounds += 1;
        assert!(rounds < 3, "mails are left: {}", said(&output));
        now += chrono::Duration::minutes(31);
    }

    let mut taken = by_recipient(&server);
    let mails = program.json_at(now, &ALL);
    let parked = mails
        .iter()
        .filter(|m| m["state"] == "parked" && m["kind"] == "reminder")
        .count();
    // Each has a note of its own, which may itself have been in flight at three kills. Besides,
    // the contact hears of tokens that nobody could be told about. All of them arrived, each once
    // or repeated like any mail.
    let notes = || mails.iter().filter(|m| m["kind"] != "reminder");
    let told = notes().filter(|m| m["kind"] == "note_parked").count();
    assert_eq!(told, parked, "each parked reminder is told");
    let arrived = taken.remove("dsi@ville.example").unwrap_or_default();
    let arrived: BTreeSet<&[u8]> = arrived.iter().map(|n| n.bytes.as_slice()).collect();
    assert_eq!(arrived.len(), notes().count(), "each note arrived");
    // A doubt is committed before the dot is written: a kill in between leaves one although the
    // mail never arrived, and three of them park it. That is told, not lost.
    let reminders = mails.iter().filter(|m| m["kind"] == "reminder");
    let lost: Vec<&Value> = reminders
        .clone()
        .filter(|m| m["state"] != "parked" && !taken.contains_key(m["recipient"].as_str().unwrap()))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(reminders.count(), MAILS);
    let repeats = taken.values().map(|m| m.len() - 1).sum::<usize>();
    assert!(repeats <= CONNECTIONS * KILLS, "{repeats} repeats");
    assert!(repeats > 0, "no kill met a mail in flight");
    assert!(
        taken.values().all(|m| m.len() <= 3),
        "never more than three times"
    );
    assert!(
        mails
            .iter()
            .all(|m| m["state"] == "sent" || m["state"] == "parked")
    );
    for mail in mails.iter().filter(|m| m["kind"] == "reminder") {
        let id = mail["message_id"].as_str().unwrap();
        let arrived = taken.get(mail["recipient"].as_str().unwrap());
        for message in arrived.into_iter().flatten() {
            let parsed = MessageParser::default().parse(&message.bytes).unwrap();
            assert_eq!(parsed.message_id(), Some(id));
        }
    }
    for messages in taken.values() {
        assert!(messages.iter().all(|m| m.bytes == messages[0].bytes));
    }
    let status = &program.json_at(now, &["status"])[0];
    assert_eq!(status["uncovered"], 0, "{status}");
    let settled = |state: &str| status["notices"][state].as_u64().unwrap_or(0);
    assert_eq!(settled("failed"), parked as u64, "{status}");
    assert_eq!(
        settled("sent") + settled("failed"),
        MAILS as u64,
        "{status}"
    );
    program.json_at(now, &["check"]);
}

#[test]
fn a_daemon_that_is_told_to_stop_loses_nothing_and_repeats_nothing() {
    let server = slow_server();
    let program = Program::new(&config(&server, MAILS, jetond::clock::now()));
    for cycle in 0..3 {
        let daemon = Running::start(program.command(&["run"]));
        daemon.wait_for("watching");
        server.wait_for(server.count() + 10 + varied(cycle, 10), 0);
        daemon.signal("TERM");
        assert_eq!(daemon.ended(), Some(0), "cycle {cycle}");
        let (sent, open) = on_record(&program.json(&ALL));
        let taken: BTreeSet<String> = by_recipient(&server).into_keys().collect();
        assert_eq!(sent, taken, "cycle {cycle}");
        assert!(
            open > 0,
            "cycle {cycle}: it was not in the middle of a batch"
        );
    }
    program.json(&["run", "--once"]);
    let taken = by_recipient(&server);
    assert_eq!(taken.len(), MAILS);
    assert_eq!(server.count(), MAILS);
    assert!(program.json(&["outbox", "list"]).is_empty());
    program.json(&["check"]);
}

#[test]
fn a_reload_takes_a_good_file_over_and_keeps_the_old_one_of_a_bad_one() {
    let server = SmtpServer::start(Script::new());
    let now = jetond::clock::now();
    let program = Program::new(&config(&server, 1, now));
    let daemon = Running::start(program.command(&["run"]));
    server.wait_for(1, 0);

    let bad =
        config(&server, 3, now).replace("window = \"00:00-24:00\"", "window = \"09:00-08:00\"");
    program.rewrite(&bad);
    daemon.signal("HUP");
    daemon.wait_for("the old configuration stays in force");

    program.rewrite(&config(&server, 2, now));
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
    server.wait_for(2, 0);
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    let taken: Vec<String> = by_recipient(&server).into_keys().collect();
    assert_eq!(taken, ["p0@ville.example", "p1@ville.example"]);
    assert_eq!(server.count(), 2);
    assert_eq!(program.json(&["list"]).len(), 2);
}

#[test]
fn a_second_daemon_on_one_store_ends_and_sends_nothing() {
    let server = SmtpServer::start(Script::new());
    let program = Program::new(&config(&server, 1, jetond::clock::now()));
    let daemon = Running::start(program.command(&["run"]));
    server.wait_for(1, 0);
    for args in [&["run"][..], &["run", "--once"]] {
        let output = program.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    }
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    assert_eq!(server.count(), 1);
    // Its lock ends with it.
    program.json(&["run", "--once"]);
}
