//! The storm brake: late mails after a gap in the watch wait for a person, never for ever, and
//! never those on their day.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::Duration;
use jetond::store::mailbook::MailRow;
use jetond::store::outbox::MailState;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

/// Before any stage of the tokens here.
const BEGIN: &str = "2026-08-01T08:00:00Z";
/// When the watch is back: a Friday, 11:00 in Paris.
const BACK: &str = "2026-11-20T10:00:00Z";
/// Ten days left then: stage 15 is five days late.
const SOON: &str = "2026-11-30";
/// 51 days left then: stage 60 is nine days late.
const FAR: &str = "2027-01-10";
/// 30 days left then: stage 30 is due that day.
const TODAY: &str = "2026-12-20";

/// So many tokens, each with one recipient of its own, for each date of expiry.
fn declared(groups: &[(&str, usize)], storm: &str) -> String {
    let mut config = head(9).replace(
        "\"smtp\"\n[mail.smtp]",
        &format!("\"file\"\n{storm}\n[mail.smtp]"),
    );
    for (expires, count) in groups {
        for n in 0..*count {
            let id = format!("t{expires}-{n}");
            config += &token(&id, expires, &[&format!("{id}@ville.example")]);
        }
    }
    config
}

/// A town whose watch stopped on the second day and is back: one pass has been made.
async fn back(groups: &[(&str, usize)], storm: &str) -> Town {
    let mut town = Town::start(&declared(groups, storm), at(BEGIN)).await;
    town.pass().await;
    town.now = at(BACK);
    town.start_again().await;
    town.pass().await;
    town
}

/// The reminders: (day of expiry, state), counted.
async fn count(town: &Town) -> BTreeMap<(String, &'static str), usize> {
    let mut counted = BTreeMap::new();
    for (address, state) in town.reminders().await {
        let expires = address[1..11].to_owned();
        *counted.entry((expires, state.word())).or_default() += 1;
    }
    counted
}

async fn held(town: &Town) -> Vec<MailRow> {
    let mut mails = town.mails().await;
    mails.retain(|m| m.state == MailState::Held);
    assert!(
        mails.iter().all(|m| m.next_at.is_some()),
        "a hold without an end"
    );
    mails
}

/// What becomes of them, told in a line for each instant that is looked at.
async fn told(town: &mut Town, instants: &[&str]) -> String {
    let mut said = String::new();
    for instant in instants {
        town.now = at(instant);
        town.pass().await;
        assert_eq!(town.uncovered().await, 0, "{instant}");
        write!(said, "{instant}").unwrap();
        for ((expires, state), n) in count(town).await {
            write!(said, " {expires} {state} {n};").unwrap();
        }
        said.push('\n');
    }
    said
}

#[tokio::test]
async fn late_mails_above_the_limit_are_held_and_leave_unanswered_in_time() {
    let groups = [(SOON, 15), (FAR, 15), (TODAY, 3)];
    let mut town = back(&groups, "storm = 20").await;
    let notes: Vec<String> = town.notes().await.into_iter().map(|n| n.0).collect();
    assert_eq!(notes, ["note_storm"], "told once");
    assert_eq!(held(&town).await.len(), 30);
    let life = told(
        &mut town,
        &[
            "2026-11-20T10:01:00Z",
            "2026-11-20T16:59:00Z",
            "2026-11-21T07:59:00Z",
            "2026-11-21T08:00:00Z",
            "2026-11-21T09:59:00Z",
            "2026-11-21T10:00:00Z",
        ],
    )
    .await;
    assert_eq!(
        life,
        "\
2026-11-20T10:01:00Z 2026-11-30 held 15; 2026-12-20 sent 3; 2027-01-10 held 15;
2026-11-20T16:59:00Z 2026-11-30 held 15; 2026-12-20 sent 3; 2027-01-10 held 15;
2026-11-21T07:59:00Z 2026-11-30 held 15; 2026-12-20 sent 3; 2027-01-10 held 15;
2026-11-21T08:00:00Z 2026-11-30 sent 15; 2026-12-20 sent 3; 2027-01-10 held 15;
2026-11-21T09:59:00Z 2026-11-30 sent 15; 2026-12-20 sent 3; 2027-01-10 held 15;
2026-11-21T10:00:00Z 2026-11-30 sent 15; 2026-12-20 sent 3; 2027-01-10 sent 15;
"
    );
    assert_eq!(town.notes().await.len(), 1, "and not again");
}

#[tokio::test]
async fn a_hold_ends_where_each_pass_comes_after_a_gap() {
    // `run --once` once a week, within the window.
    let mut town = back(&[(FAR, 25)], "storm = 20").await;
    assert_eq!(held(&town).await.len(), 25);
    town.now = at("2026-11-27T10:00:00Z");
    town.start_again().await;
    town.pass().await;
    assert_eq!(count(&town).await.get(&(FAR.to_owned(), "sent")), Some(&25));
}

#[tokio::test]
async fn a_person_lets_them_leave_at_once() {
    let mut town = back(&[(SOON, 15), (FAR, 15)], "storm = 20").await;
    assert_eq!(held(&town).await.len(), 30);
    town.now += Duration::minutes(7);
    let released = town
        .store()
        .release("user:camille", town.now)
        .await
        .unwrap();
    assert_eq!((released.mails, released.clock), (30, None));
    assert_eq!(town.pass().await.sent, 30);
    assert_eq!(town.uncovered().await, 0);
    let history = town.store().history(None, 1000).await.unwrap();
    let entry = history.iter().find(|e| e.what == "mails_released").unwrap();
    assert_eq!(
        (entry.who.as_str(), &entry.detail["mails"]),
        ("user:camille", &30.into())
    );
    let again = town
        .store()
        .release("user:camille", town.now)
        .await
        .unwrap();
    assert_eq!(again.mails, 0);
}

#[tokio::test]
async fn released_mails_that_cannot_leave_are_uncovered_after_a_day_and_not_held_again() {
    let server = SmtpServer::start(Script::new().at(Phase::Rcpt, Act::Reply("450 4.7.1 later")));
    let groups: String = (0..4)
        .map(|n| token(&format!("t{n}"), FAR, &[&format!("p{n}@ville.example")]))
        .collect();
    let config = head(server.port()).replace("[mail.smtp]", "storm = 3\n[mail.smtp]") + &groups;
    let mut town = Town::start(&config, at(BEGIN)).await;
    town.pass().await;
    town.now = at(BACK);
    town.pass().await;
    assert_eq!(held(&town).await.len(), 4);
    town.store()
        .release("user:camille", town.now)
        .await
        .unwrap();
    for _ in 0..24 {
        assert_eq!(town.pass_after(60).await.sent, 0);
        assert_eq!(town.uncovered().await, 0);
    }
    town.pass_after(60).await;
    assert_eq!((town.uncovered().await, held(&town).await.len()), (4, 0));
}

#[tokio::test]
async fn the_limit_decides() {
    for (storm, late, held_then) in [
        ("", 50, 0),
        ("", 51, 51),
        ("storm = 4", 4, 0),
        ("storm = 4", 5, 5),
        ("storm = 0", 60, 0),
    ] {
        let town = back(&[(FAR, late)], storm).await;
        assert_eq!(held(&town).await.len(), held_then, "{storm} {late}");
        let notes = usize::from(held_then > 0);
        assert_eq!(town.notes().await.len(), notes, "{storm} {late}");
        let counted = count(&town).await;
        let sent = counted.get(&(FAR.to_owned(), "sent"));
        assert_eq!(
            sent.copied().unwrap_or(0),
            late - held_then,
            "{storm} {late}"
        );
        assert_eq!(town.uncovered().await, 0);
    }
}

#[tokio::test]
async fn by_default_a_fifth_of_many_tokens_may_leave() {
    // 340 tokens are watched, most of them without anything due.
    for (late, held_then) in [(68, 0), (69, 69)] {
        let town = back(&[(FAR, late), ("2028-01-10", 340 - late)], "").await;
        assert_eq!(held(&town).await.len(), held_then, "{late}");
    }
}

#[tokio::test]
async fn a_stage_on_its_day_takes_its_mail_out_of_the_hold() {
    // On Saturday stage 7 of these comes, while their stage 15 is held until Saturday's slot;
    // those of the others on Saturday too, held until the hour of the hold.
    let mut town = back(
        &[("2026-11-28", 3), ("2027-01-20", 3), (FAR, 3)],
        "storm = 5",
    )
    .await;
    assert_eq!(held(&town).await.len(), 9);
    let life = told(&mut town, &["2026-11-21T08:00:00Z", "2026-11-21T10:00:00Z"]).await;
    // 2027-01-20 is 60 days from Saturday: stage 60 is on its day at the slot.
    assert_eq!(
        life,
        "\
2026-11-21T08:00:00Z 2026-11-28 sent 3; 2027-01-10 held 3; 2027-01-20 sent 3;
2026-11-21T10:00:00Z 2026-11-28 sent 3; 2027-01-10 sent 3; 2027-01-20 sent 3;
"
    );
}

#[tokio::test]
async fn a_restart_neither_frees_what_is_held_nor_tells_again() {
    let mut town = back(&[(FAR, 9)], "storm = 5").await;
    for _ in 0..3 {
        town.now += Duration::minutes(1);
        town.start_again().await;
        assert_eq!(town.pass().await.sent, 0);
    }
    assert_eq!(held(&town).await.len(), 9);
    assert_eq!(town.notes().await.len(), 1);
}

#[tokio::test]
async fn a_hold_ends_although_the_daemon_was_off_at_its_end() {
    let mut town = back(&[(FAR, 9)], "storm = 5").await;
    // For an hour less than the gap that would ask anew.
    town.now += Duration::hours(25);
    town.start_again().await;
    assert_eq!(town.pass().await.sent, 9);
}

/// Copies the store as a backup tool would: the daemon is stopped.
async fn copy(town: &mut Town, from: &str, to: &str) {
    town.stop().await;
    std::fs::copy(town.dir().join(from), town.dir().join(to)).unwrap();
    town.start_again().await;
}

#[tokio::test]
async fn a_restored_old_backup_sends_at_most_one_mail_each() {
    // Stages 90 and 60 of FAR, and 60, 30 and 15 of SOON, fall into the lost weeks; some mails
    // wait in the outbox of the backup.
    for (storm, held_then) in [("storm = 5", 24), ("storm = 24", 0)] {
        let mut town = Town::start(
            &declared(&[(SOON, 12), (FAR, 12)], storm),
            at("2026-10-11T06:00:00Z"),
        )
        .await;
        town.pass().await;
        let waiting = town.reminders().await;
        assert_eq!(waiting.len(), 12, "stage 60 of SOON is on its way");
        copy(&mut town, "jetond.db", "backup.db").await;
        while town.now < at(BACK) - Duration::hours(1) {
            town.pass_after(60).await;
        }
        let sent = town.reminders().await;
        assert!(sent.iter().all(|(_, state)| *state == MailState::Sent));
        assert!(sent.len() > 24 + 12, "{}", sent.len());

        town.stop().await;
        std::fs::rename(town.dir().join("backup.db"), town.dir().join("jetond.db")).unwrap();
        town.now = at(BACK);
        town.start_again().await;
        let step = town.pass().await;
        assert_eq!(held(&town).await.len(), held_then, "{storm}");
        assert_eq!(town.uncovered().await, 0);
        let notes = usize::from(held_then > 0);
        assert_eq!(step.sent, 24 - held_then + notes);
        // With or without an answer: one each, and what it says is the latest stage.
        town.pass_after(26 * 60).await;
        let mut addresses: Vec<String> = Vec::new();
        for (address, state) in town.reminders().await {
            assert_eq!(state, MailState::Sent);
            addresses.push(address);
        }
        addresses.sort();
        assert_eq!(addresses.len(), 24);
        addresses.dedup();
        assert_eq!(addresses.len(), 24);
    }
}

#[tokio::test]
async fn a_relay_that_is_back_after_days_gets_everything_at_once() {
    // The watch went on: these were planned on their day, and nobody need be asked.
    let down = SmtpServer::start(Script::new().at(Phase::Greeting, Act::Reply("421 4.3.2 later")));
    let up = SmtpServer::start(Script::new());
    let tokens: String = (0..9)
        .map(|n| token(&format!("t{n}"), FAR, &[&format!("p{n}@ville.example")]))
        .collect();
    let config = |port| head(port).replace("[mail.smtp]", "storm = 5\n[mail.smtp]") + &tokens;
    let mut town = Town::start(&config(down.port()), at("2026-11-10T08:00:00Z")).await;
    while town.now < at("2026-11-14T08:30:00Z") {
        assert_eq!(town.pass_after(30).await.sent, 0);
    }
    assert!(town.uncovered().await > 0, "late, and known to be");
    town.reload(&config(up.port())).await;
    assert_eq!(town.pass_after(30).await.sent, 9);
    assert_eq!((town.uncovered().await, up.count()), (0, 9));
}

#[tokio::test]
async fn after_any_downtime_each_recipient_gets_one_mail() {
    for hours in [
        1,
        5,
        23,
        24,
        25,
        26,
        27,
        48,
        24 * 7,
        24 * 30,
        24 * 90,
        24 * 365,
        24 * 730,
    ] {
        // Stopped in the evening before the slot of stage 60.
        let stopped = at("2026-11-10T20:00:00Z");
        let mut town = Town::start(&declared(&[(FAR, 7)], ""), at(BEGIN)).await;
        while town.now < stopped {
            town.pass_after(12 * 60).await;
        }
        let before = town.reminders().await.len();
        town.now = stopped + Duration::hours(hours);
        town.start_again().await;
        town.pass().await;
        // At night nothing leaves; in the morning stage 60 has come.
        town.now = town.config().calendar.next_leave(town.now);
        town.pass().await;
        assert_eq!(town.reminders().await.len() - before, 7, "{hours} h");
        assert_eq!(town.uncovered().await, 0, "{hours} h");
        assert!(held(&town).await.is_empty());
    }
}

#[tokio::test]
async fn the_commands_show_a_hold_and_answer_it() {
    let mut town = back(&[(SOON, 3), (FAR, 3)], "storm = 5").await;
    town.stop().await;
    let run = |words: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_jetond"))
            .args(words.split(' '))
            .args(["--lang", "en"])
            .current_dir(town.dir())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json = |words: &str| -> serde_json::Value { serde_json::from_str(&run(words)).unwrap() };

    let status = run("status --at 2026-11-20T11:30");
    assert!(status.contains("6 late mails are held"), "{status}");
    let explained = run(&format!("explain t{SOON}-0 --at 2026-11-20T11:30"));
    let why = "late, and held with others; leaves from 2026-11-21 09:00 on";
    assert!(explained.contains(why), "{explained}");
    let rows = json("outbox list --json");
    let rows = rows["data"].as_array().unwrap();
    let held: Vec<_> = rows.iter().filter(|r| r["state"] == "held").collect();
    assert_eq!(held.len(), 6);
    assert!(held.iter().all(|r| r["next_at"].is_string()), "{held:?}");

    // One may be cancelled, another sent at once; a dry run changes nothing.
    run(&format!("outbox cancel {}", held[0]["mail"]));
    run(&format!("outbox retry {}", held[1]["mail"]));
    for (words, released, dry_run) in [
        ("outbox release -n --json", 4, true),
        ("outbox release --clock -n --json", 0, true),
        ("outbox release --json", 4, false),
        ("outbox release --json", 0, false),
    ] {
        let row = &json(words)["data"][0];
        assert_eq!(
            (&row["released"], &row["dry_run"]),
            (&released.into(), &dry_run.into()),
            "{words}"
        );
    }
    let history = run("history");
    assert!(history.contains("4 mails released"), "{history}");
}
