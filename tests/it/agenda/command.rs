//! `jetond calendar`: the file, the addresses, and what a restored backup does to both.

use std::process::Output;

use serde_json::Value;

use super::{Parsed, parsed};
use crate::support::program::{Program, said};

const CLIENTS: &str = "[clients.mairie-x]\nname = \"Mairie X\"\n[clients.\"été/ville\"]\n";

const WEB: &str =
    "[web]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"https://jetons.ville.example/veille\"\n";

fn config(web: &str) -> String {
    format!(
        "language = \"en\"\norganisation = \"Ville\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n{web}{CLIENTS}\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2030-01-01\nclient = \"mairie-x\"\nrecipients = [\"a@ville.example\"]\n\
         [[token]]\nid = \"u\"\nname = \"U\"\nexpires = 2030-02-01\nrecipients = [\"a@ville.example\"]\n"
    )
}

/// A program whose store has taken the file over.
fn program(web: &str) -> Program {
    let program = Program::new(&config(web));
    done(&program, &["run", "--once"]);
    program
}

fn ran(program: &Program, args: &[&str]) -> Output {
    program.command(args).output().unwrap()
}

fn done(program: &Program, args: &[&str]) -> String {
    let output = ran(program, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn highest(calendar: &Parsed) -> i64 {
    let all = calendar.events.iter().map(|e| e.sequence());
    all.max().unwrap()
}

fn uids(calendar: &Parsed) -> Vec<String> {
    let events = calendar.events.iter();
    events.map(|e| e.get("UID").to_owned()).collect()
}

#[test]
fn a_calendar_is_printed_or_put_into_a_file_whole() {
    let program = program("");
    let printed = done(&program, &["calendar"]);
    assert_eq!(parsed(&printed).events.len(), 4);
    assert_eq!(done(&program, &["calendar"]), printed, "the same again");
    assert_eq!(done(&program, &["calendar", "-o", "-"]), printed);
    for _ in 0..2 {
        assert_eq!(done(&program, &["calendar", "-o", "all.ics"]), "");
        let file = std::fs::read_to_string(program.place().join("all.ics")).unwrap();
        assert_eq!(file, printed);
    }
    let client = parsed(&done(&program, &["calendar", "--client", "mairie-x"]));
    assert_eq!(uids(&client), uids(&parsed(&printed))[..2]);
    let rows = program.json(&["--json", "calendar"]);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[1]["last_day"], "2030-01-01");
    assert_eq!(rows[1]["kind"], "expiry");
    assert_eq!(rows[0]["last_day"], "2029-12-31");
    // Nothing but the store and the calendar is left.
    let left: Vec<_> = std::fs::read_dir(program.place())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("ics"))
        .collect();
    assert_eq!(left, ["all.ics"]);
    let nowhere = ran(&program, &["calendar", "-o", "no/where.ics"]);
    assert_ne!(nowhere.status.code(), Some(0), "{}", said(&nowhere));
}

#[test]
fn without_a_store_the_file_is_shown_and_nothing_is_made() {
    let program = Program::new(&config(""));
    let output = ran(&program, &["calendar"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(parsed(&text).events.len(), 4);
    assert!(said(&output).contains("import this calendar nowhere yet"));
    assert!(!program.place().join("jetond.db").exists());
}

#[test]
fn an_address_is_a_key_that_lasts_until_it_is_renewed() {
    let program = program(WEB);
    let address = done(&program, &["calendar", "--address"]);
    let address = address.trim_end();
    let secret = address
        .strip_prefix("https://jetons.ville.example/veille/calendar/")
        .and_then(|rest| rest.strip_suffix(".ics"))
        .unwrap_or_else(|| panic!("{address}"));
    assert_eq!(secret.len(), 24);
    assert_eq!(
        done(&program, &["calendar", "--address"]).trim_end(),
        address
    );

    let of_client = done(
        &program,
        &["calendar", "--address", "--client", "été/ville"],
    );
    assert!(
        of_client.trim_end().ends_with("/%C3%A9t%C3%A9%2Fville.ics"),
        "{of_client}"
    );
    assert!(!of_client.contains(secret), "its secret is its own");

    // Tried out, nothing changes; done, the former one is nowhere.
    done(&program, &["calendar", "--renew-secret", "-n"]);
    let listed = program.json(&["--json", "calendar", "--address"]);
    let addresses: Vec<&str> = listed
        .iter()
        .map(|r| r["address"].as_str().unwrap())
        .collect();
    assert_eq!(addresses, [address, of_client.trim_end()]);
    assert_eq!(listed[0]["client"], Value::Null);
    let renewed = done(&program, &["calendar", "--renew-secret"]);
    assert_ne!(renewed.trim_end(), address);
    let all = done(&program, &["calendar", "--address"]);
    assert!(
        all.contains(renewed.trim_end()) && all.contains(of_client.trim_end()),
        "{all}"
    );
    assert!(!all.contains(secret));

    let history = done(&program, &["history"]);
    assert!(
        history.contains("calendar of été/ville: has an address"),
        "{history}"
    );
    assert!(
        history.contains("calendar of all tokens: has another address"),
        "{history}"
    );
    assert!(!history.contains(secret), "a secret stands in no history");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let program = program(WEB);
    for (args, code, words) in [
        (
            &["calendar", "--client", "mairie-y"][..],
            4,
            "did you mean `mairie-x`?",
        ),
        (
            &["calendar", "--address", "--client", "nobody"],
            4,
            "[clients.KEY]",
        ),
        (&["calendar", "--dry-run"], 2, "--address"),
        (
            &["calendar", "--address", "-o", "x.ics"],
            2,
            "what excludes it",
        ),
        (
            &["calendar", "--address", "--at", "2026-01-01"],
            2,
            "what excludes it",
        ),
    ] {
        let output = ran(&program, args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    // A client that is not there got no address.
    assert_eq!(program.json(&["--json", "calendar", "--address"]).len(), 1);
    program.rewrite(&config(""));
    let output = ran(&program, &["calendar", "--address"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(
        said(&output).contains("[web] listen is not set"),
        "{}",
        said(&output)
    );
    program.rewrite(&config("[web]\nlisten = \"127.0.0.1:8080\"\n"));
    let output = ran(&program, &["calendar", "--address"]);
    assert!(
        said(&output).contains("only this machine can reach it"),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("http://127.0.0.1:8080/calendar/"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_restored_backup_keeps_addresses_and_identifiers_and_lets_no_number_fall() {
    let program = program(WEB);
    done(&program, &["backup", "early.db"]);
    let leaked = done(&program, &["calendar", "--address"]);
    done(&program, &["backup", "leaked.db"]);
    let address = done(&program, &["calendar", "--renew-secret"]);
    let mut before = parsed(&done(&program, &["calendar"]));
    for (n, backup) in ["leaked.db", "early.db", "leaked.db"].iter().enumerate() {
        for day in ["2031-01-15", "2032-01-15", "2033-01-15"] {
            done(&program, &["renew", "t", "--expires", day]);
        }
        let latest = parsed(&done(&program, &["calendar"]));
        assert!(highest(&latest) > highest(&before), "{n}");
        before = latest;
        done(&program, &["backup", "restore", backup]);
        let after = parsed(&done(&program, &["calendar"]));
        let mut now = uids(&after);
        now.sort();
        let mut then = uids(&before);
        then.sort();
        assert_eq!(now, then, "{n}");
        for event in &before.events {
            let mut same = after.events.iter();
            let again = same.find(|e| e.get("UID") == event.get("UID")).unwrap();
            assert!(
                again.sequence() > event.sequence(),
                "{n}: {} then {}",
                event.sequence(),
                again.sequence()
            );
        }
        assert_eq!(done(&program, &["calendar", "--address"]), address, "{n}");
        assert_ne!(address, leaked);
        before = after;
    }
}
