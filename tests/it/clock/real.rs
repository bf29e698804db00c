//! The real program under libfaketime, whose clock is set while it runs.

use chrono::{DateTime, Duration, Utc};

use crate::support::daemon::at;
use crate::support::program::{Program, Running, said};

/// A Friday, 11:00 in Paris; nothing is due before stage 90 on 30 November.
const BEGIN: &str = "2026-11-20T10:00:00Z";

const CONFIG: &str = r#"timezone = "Europe/Paris"
language = "en"
contact = "dsi@ville.example"
[mail]
from = "jetons@ville.example"
transport = "file"
directory = "outbox"
[reports]
weekly = false
[[token]]
id = "marches"
name = "Jeton marches"
expires = 2027-02-28
datapass_id = "11244"
recipients = ["a@ville.example", "b@ville.example"]
"#;

/// The program with a first pass at [`BEGIN`], and how many mails it has sent.
fn program() -> Option<Program> {
    let program = Program::timeless(CONFIG)?;
    program.set_clock(at(BEGIN));
    assert_eq!(once(&program, at(BEGIN)).0, Some(0));
    assert_eq!(sent(&program), 0);
    Some(program)
}

fn sent(program: &Program) -> usize {
    std::fs::read_dir(program.place().join("outbox")).map_or(0, Iterator::count)
}

fn once(program: &Program, now: DateTime<Utc>) -> (Option<i32>, String) {
    program.set_clock(now);
    let output = program
        .command_by_clock(&["run", "--once", "--lang", "en"])
        .output()
        .unwrap();
    (output.status.code(), said(&output))
}

fn say(program: &Program, args: &[&str]) -> String {
    let output = program.command_by_clock(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output)
}

/// The daemon, after its first pass.
fn daemon(program: &Program) -> Running {
    let running = Running::start(program.command_by_clock(&["run"]));
    running.wait_for("watching");
    running
}

/// SIGTERM ends it well; nothing is lost of what it knows.
fn end(running: Running) {
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[test]
fn forty_days_ahead_and_back_while_it_runs() {
    let Some(program) = program() else { return };
    let running = daemon(&program);
    // More than 40 days, however long the start took.
    program.set_clock(at(BEGIN) + Duration::days(40) + Duration::hours(1));
    // Nobody tells it: a loop sees it.
    running.wait_for("the clock jumped ahead");
    // A reload under the hold plans nothing either.
    running.signal("HUP");
    running.wait_for("reloaded");
    let status = say(&program, &["status", "--lang", "en"]);
    assert!(
        status.contains("clock 40 d ahead: nothing leaves"),
        "{status}"
    );
    program.set_clock(at(BEGIN) + Duration::minutes(2));
    running.signal("HUP");
    running.wait_for("the clock is believed again");
    end(running);
    assert_eq!(sent(&program), 0);
    // On the day it leaves.
    assert_eq!(once(&program, at("2026-11-30T08:00:00Z")).0, Some(0));
    assert_eq!(sent(&program), 2);
}

#[test]
fn forty_days_ahead_and_a_person_believes_it() {
    let Some(program) = program() else { return };
    let running = daemon(&program);
    program.set_clock(at(BEGIN) + Duration::days(40));
    running.signal("HUP");
    running.wait_for("the clock jumped ahead");
    let said = say(&program, &["outbox", "release", "-n", "--lang", "en"]);
    assert!(said.contains("the clock would be believed"), "{said}");
    let said = say(&program, &["outbox", "release", "--lang", "en"]);
    assert!(
        said.contains("the clock is believed as it is now"),
        "{said}"
    );
    running.signal("HUP");
    running.wait_for("the clock is believed again");
    running.wait_for(": sent ");
    running.wait_for(": sent ");
    end(running);
    assert_eq!(sent(&program), 2, "one catch-up each");
}

#[test]
fn four_hundred_days_behind_and_back_while_it_runs() {
    let Some(program) = program() else { return };
    let running = daemon(&program);
    program.set_clock(at(BEGIN) - Duration::days(400));
    running.wait_for("the clock is behind the last pass");
    let status = say(&program, &["status", "--lang", "en"]);
    assert!(
        status.contains("clock 400 d behind the last pass"),
        "{status}"
    );
    program.set_clock(at("2026-11-30T08:00:00Z"));
    running.signal("HUP");
    // The true time of these ten days is not this machine's: to it the clock is ahead now.
    running.wait_for("the clock jumped ahead");
    end(running);
    assert_eq!(sent(&program), 0);
    assert_eq!(once(&program, at("2026-11-30T08:01:00Z")).0, Some(0));
    assert_eq!(sent(&program), 2);
}

#[test]
fn a_start_in_1970_says_so_and_plans_nothing() {
    let Some(program) = program() else { return };
    let epoch = at("1970-01-01T00:05:00Z");
    let (code, said) = once(&program, epoch);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("behind the last pass: nothing leaves"),
        "{said}"
    );
    let running = daemon(&program);
    running.signal("HUP");
    running.wait_for("reloaded");
    // The clock is set while it runs.
    program.set_clock(at("2026-12-02T09:00:00Z"));
    running.signal("HUP");
    running.wait_for("the clock is believed again");
    running.wait_for(": sent ");
    running.wait_for(": sent ");
    end(running);
    assert_eq!(sent(&program), 2);
}

#[test]
fn a_clock_that_was_never_set_is_not_believed_without_a_record_either() {
    let Some(program) = Program::timeless(CONFIG) else {
        return;
    };
    let (code, said) = once(&program, at("1970-01-01T00:05:00Z"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing leaves"), "{said}");
    assert_eq!(once(&program, at("2026-12-02T09:00:00Z")).0, Some(0));
    assert_eq!(sent(&program), 2);
}

#[test]
fn a_person_believes_a_clock_that_is_behind_with_and_without_a_daemon() {
    let Some(program) = program() else { return };
    let earlier = at(BEGIN) - Duration::days(3);
    assert!(once(&program, earlier).1.contains("clock 3 d behind"));
    let said = say(&program, &["outbox", "release", "--lang", "en"]);
    assert!(
        said.contains("no mail is held") && said.contains("--clock"),
        "{said}"
    );
    let said = say(&program, &["outbox", "release", "--clock", "--lang", "en"]);
    assert!(
        said.contains("the clock is believed as it is now"),
        "{said}"
    );
    assert!(
        !once(&program, earlier + Duration::minutes(1))
            .1
            .contains("behind")
    );

    let running = daemon(&program);
    program.set_clock(earlier - Duration::days(3));
    running.signal("HUP");
    running.wait_for("the clock is behind the last pass");
    say(&program, &["outbox", "release", "--clock"]);
    running.signal("HUP");
    running.wait_for("the clock is believed again");
    end(running);
    let history = say(&program, &["history", "--lang", "en"]);
    assert_eq!(history.matches("clock believed").count(), 2, "{history}");
}

#[test]
fn after_any_downtime_a_start_sends_one_catch_up_each() {
    for hours in [1, 30, 24 * 40 + 2, 24 * 730 + 2] {
        let Some(program) = program() else { return };
        let stopped = at("2026-11-30T07:30:00Z");
        assert_eq!(once(&program, stopped).0, Some(0));
        assert_eq!(sent(&program), 0);
        let (code, said) = once(&program, stopped + Duration::hours(hours));
        assert_eq!((code, sent(&program)), (Some(0), 2), "{hours} h: {said}");
    }
}
