//! The whole program against a real Postfix and a real Exim: what it records is what they did,
//! and what they have is what it says it sent, headers included.
//!
//! Two hundred mails over several connections, and among them an accented name, an IDN domain,
//! a local part beyond ASCII, a refused recipient and one that is greylisted at first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};
use mail_parser::MessageParser;
use serde_json::Value;

use crate::support::daemon::at;
use crate::support::exim::{Exim, Utf8};
use crate::support::postfix::Postfix;
use crate::support::program::{Program, said};

const BEGIN: &str = "2027-03-10T10:00:00Z";
const BATCH: usize = 200;

/// Those of whom something is special, with their names.
const SPECIAL: [(&str, &str); 5] = [
    ("zoe@ville.example", "Zoé Lefèvre-Noël"),
    ("dsi@mairie-évry.example", "Œuvres d’Évry"),
    ("zoé@ville.example", "Zoé"),
    ("gone@ville.example", "Gone"),
    ("grey@ville.example", "Grey"),
];

/// A Postfix policy service that lets nobody in at the first time: whom it has seen, it knows.
fn greylist() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    std::thread::spawn(move || {
        // Each process of Postfix keeps a connection of its own.
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || answer(stream, &seen));
        }
    });
    port
}

fn answer(stream: TcpStream, seen: &Mutex<BTreeSet<String>>) {
    let mut answers = stream.try_clone().unwrap();
    let mut recipient = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some(value) = line.strip_prefix("recipient=") {
            recipient = value.to_owned();
        } else if line.is_empty() {
            let new =
                recipient.starts_with("grey@") && seen.lock().unwrap().insert(recipient.clone());
            let action = if new {
                "450 4.7.1 greylisted, come back"
            } else {
                "DUNNO"
            };
            if write!(answers, "action={action}\n\n").is_err() {
                return;
            }
        }
    }
}

fn config(port: u16, batch: usize, special: &[(&str, &str)]) -> String {
    let mut config = format!(
        "timezone = \"UTC\"\ncontact = \"dsi@ville.example\"\n[schedule]\nwindow = \"00:00-24:00\"\n\
         [reports]\nweekly = false\n[mail]\nfrom = \"Veille des jetons <jetons@ville.example>\"\n\
         transport = \"smtp\"\nstorm = 0\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"none\"\nhelo = \"ville.example\"\nconnections = 4\nflight = 16\n"
    );
    let batch = (0..batch).map(|n| (format!("p{n}@ville.example"), "Camille Martin".to_owned()));
    let special = special
        .iter()
        .map(|(a, n)| ((*a).to_owned(), (*n).to_owned()));
    for (n, (address, name)) in special.chain(batch).enumerate() {
        write!(
            config,
            "[[token]]\nid = \"t{n}\"\nname = \"Marchés « publics » {n}\"\nexpires = 2027-03-30\n\
             datapass_id = \"{n}\"\nrecipients = [{{ email = \"{address}\", name = \"{name}\" }}]\n"
        )
        .unwrap();
    }
    config
}

/// The reminders on record, by address.
fn reminders(program: &Program, now: DateTime<Utc>) -> (BTreeMap<String, Value>, usize) {
    let all = ["outbox", "list", "--all", "--limit", "1000"];
    let mails = program.json_at(now, &all);
    let sent = mails.iter().filter(|m| m["state"] == "sent").count();
    let by_address = mails
        .into_iter()
        .filter(|m| m["kind"] == "reminder")
        .map(|m| (m["recipient"].as_str().unwrap().to_owned(), m))
        .collect();
    (by_address, sent)
}

/// The two passes: what became of each, and how many messages the server must have.
fn deliver(port: u16, lift: impl FnOnce()) -> Option<(Program, DateTime<Utc>, usize)> {
    let program = Program::timeless(&config(port, BATCH, &SPECIAL))?;
    let mut now = at(BEGIN);
    let run = |now| {
        program
            .command_at(now, &["run", "--once"])
            .output()
            .unwrap()
    };
    let first = run(now);
    assert_eq!(first.status.code(), Some(6), "{}", said(&first));
    let (mails, _) = reminders(&program, now);
    let became = |mails: &BTreeMap<String, Value>, to: &str| {
        let mail = &mails[to];
        let reply = mail["reply"].as_str().unwrap_or_default();
        (mail["state"].as_str().unwrap().to_owned(), reply.to_owned())
    };
    let (state, reply) = became(&mails, "gone@ville.example");
    assert!(
        state == "refused" && reply.contains("550 5.1.1"),
        "{state}: {reply}"
    );
    let (state, reply) = became(&mails, "grey@ville.example");
    assert!(
        state == "deferred" && reply.contains("greylisted"),
        "{state}: {reply}"
    );
    lift();
    now += Duration::minutes(31);
    let second = run(now);
    assert_eq!(second.status.code(), Some(0), "{}", said(&second));
    let (mails, sent) = reminders(&program, now);
    assert_eq!(mails.len(), BATCH + SPECIAL.len());
    for (address, mail) in &mails {
        let expected = if address == "gone@ville.example" {
            "refused"
        } else {
            "sent"
        };
        assert_eq!(mail["state"], expected, "{mail}");
    }
    Some((program, now, sent))
}

/// What a server puts before a message.
const TRACE: [&str; 8] = [
    "Return-path",
    "Envelope-to",
    "Delivery-date",
    "Delivered-To",
    "X-Original-To",
    "Received",
    "Return-Path",
    "Received-SPF",
];

/// Compares what a server has with the record: each mail once, and the very bytes that the
/// program shows, after nothing but lines of trace.
fn compare(program: &Program, now: DateTime<Utc>, stored: &[Vec<u8>]) {
    let (mails, _) = reminders(program, now);
    let mut found: BTreeMap<String, &[u8]> = BTreeMap::new();
    for message in stored {
        let parsed = MessageParser::default().parse(message).unwrap();
        let id = parsed.message_id().unwrap().to_owned();
        let again = found.insert(id.clone(), message);
        assert!(again.is_none(), "{id} is there twice");
    }
    let shown = SPECIAL.iter().map(|(address, _)| (*address).to_owned());
    let some: Vec<String> = (0..BATCH)
        .step_by(17)
        .map(|n| format!("p{n}@ville.example"))
        .collect();
    for (address, mail) in &mails {
        let id = mail["message_id"].as_str().unwrap();
        assert_eq!(found.contains_key(id), mail["state"] == "sent", "{address}");
    }
    for address in shown.chain(some).filter(|a| a != "gone@ville.example") {
        let mail = &mails[&address];
        let no = mail["mail"].to_string();
        let eml = program
            .command_at(now, &["outbox", "show", &no, "--eml"])
            .output()
            .unwrap();
        assert_eq!(eml.status.code(), Some(0), "{}", said(&eml));
        let sent = String::from_utf8(eml.stdout).unwrap().replace("\r\n", "\n");
        let there = found[mail["message_id"].as_str().unwrap()];
        let there = std::str::from_utf8(there).unwrap();
        let Some(trace) = there.strip_suffix(&sent) else {
            panic!("{address}: {there}\nis not what was sent:\n{sent}");
        };
        for line in trace.lines().filter(|l| !l.starts_with([' ', '\t'])) {
            let name = line.split(':').next().unwrap();
            assert!(TRACE.contains(&name), "{address}: {line}");
        }
        let parsed = MessageParser::default().parse(there).unwrap();
        let to = parsed.to().unwrap().first().unwrap();
        let name = SPECIAL
            .iter()
            .find(|(a, _)| *a == address)
            .map_or("Camille Martin", |s| s.1);
        assert_eq!(to.name(), Some(name), "{address}");
        assert!(
            parsed.subject().unwrap().contains("Marchés « publics »"),
            "{address}"
        );
    }
}

#[test]
fn postfix_has_what_the_record_says() {
    let refusals = [("gone@ville.example", "550 5.1.1 no such user here")];
    let Some(postfix) = Postfix::with_policy(&refusals, greylist()) else {
        return;
    };
    let (program, now, sent) = deliver(postfix.port(), || {}).unwrap();
    compare(&program, now, &postfix.messages(sent));
}

#[test]
fn exim_has_what_the_record_says() {
    let Some(exim) = Exim::start(Utf8::Offered) else {
        return;
    };
    let (program, now, sent) = deliver(exim.port(), || exim.lift()).unwrap();
    compare(&program, now, &exim.messages(sent));
}

#[test]
fn a_local_part_beyond_ascii_is_refused_with_the_reason_where_smtputf8_is_missing() {
    let Some(exim) = Exim::start(Utf8::Absent) else {
        return;
    };
    let Some(program) = Program::timeless(&config(exim.port(), 2, &SPECIAL[..3])) else {
        return;
    };
    let now = at(BEGIN);
    let output = program
        .command_at(now, &["run", "--once"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    let (mails, sent) = reminders(&program, now);
    for (address, mail) in &mails {
        let refused = address == "zoé@ville.example";
        assert_eq!(
            mail["state"],
            if refused { "refused" } else { "sent" },
            "{mail}"
        );
        if refused {
            let reply = mail["reply"].as_str().unwrap();
            assert!(reply.contains("SMTPUTF8"), "{reply}");
        }
    }
    exim.messages(sent);
}
