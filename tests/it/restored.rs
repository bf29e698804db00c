//! An old backup that is put back: the record of forty days is gone, and still nobody gets more
//! than one mail for it. Copies are made while mails are on their way.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Utc};
use jetond::domain::body::Body;
use jetond::store::backup::{self, Over};
use jetond::store::outbox::MailState;

use crate::support::daemon::{Town, at, head, token};
use crate::support::program::{Program, Running};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

const PEOPLE: [&str; 3] = [
    "un@ville.example",
    "deux@ville.example",
    "trois@ville.example",
];

fn config(server: &SmtpServer) -> String {
    let people = |n: usize| &PEOPLE[..n];
    head(server.port())
        + "[schedule]\nstages = [90, 60, 30, 15, 7, 1]\n"
        + &token("a", "2026-12-01", people(3))
        + &token("b", "2026-12-20", people(2))
        + &token("c", "2027-01-10", people(3))
        + &token("d", "2026-10-20", people(1))
}

/// The reminders that the server took, by recipient.
fn taken(server: &SmtpServer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in server.accepted() {
        *counts.entry(message.to[0].clone()).or_insert(0) += 1;
    }
    counts
}

/// What each recipient got since an earlier count.
fn since(before: &BTreeMap<String, usize>, now: &BTreeMap<String, usize>) -> Vec<usize> {
    let got = now.iter();
    got.map(|(who, n)| n - before.get(who).copied().unwrap_or(0))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_old_backup_sends_at_most_one_mail_each() {
    // Made between two passes, and with mails in flight.
    for in_flight in [false, true] {
        let server = SmtpServer::start(Script::new());
        let start: DateTime<Utc> = at("2026-10-13T08:00:00Z");
        let mut town = Town::start(&config(&server), start).await;
        let (store, copy) = (town.dir().join("jetond.db"), town.dir().join("copy.db"));
        town.rig().tick(town.now).await.unwrap();
        if in_flight {
            let batch = town
                .rig()
                .sender
                .clerk()
                .take_up(town.now, 100)
                .await
                .unwrap();
            let doubts: Vec<_> = batch
                .ready
                .iter()
                .map(|r| jetond::store::outbox::Doubt {
                    mail: r.mail.no,
                    fence: r.mail.fence,
                    content: Body::Whole(b"Subject: in flight\r\n\r\n".to_vec()),
                    carried: r.addressed.as_ref().unwrap().carried,
                })
                .collect();
            assert_eq!(doubts.len(), 3);
            town.store().enter_doubt(&doubts, town.now).await.unwrap();
        } else {
            assert!(town.rig().deliver(town.now).await.unwrap().sent >= 3);
        }
        backup::make(&store, &copy, Over::Nothing).await.unwrap();
        town.start_again().await;
        for day in 0..40 {
            town.now = start + Days::new(day) + chrono::Duration::hours(1);
            town.pass().await;
        }
        town.stop().await;
        let before = taken(&server);
        assert!(before.values().all(|n| *n > 2), "{before:?}");

        town.now = start + Days::new(40);
        let restored = backup::restore(&store, &copy, "user:test", town.now).await;
        assert_eq!(restored.unwrap().contents.mails, 3);
        town.start_again().await;
        town.pass().await;
        // No stage falls due on the next day.
        for _ in 0..30 {
            town.pass_after(60).await;
        }
        let got = since(&before, &taken(&server));
        assert!(
            got.iter().all(|n| *n <= 1),
            "in flight: {in_flight}: {got:?}"
        );
        // What is held by the storm brake has not left; everybody else has their mail.
        let held = town.reminders().await.into_iter();
        let held = held.filter(|(_, state)| *state == MailState::Held).count();
        assert!(
            got.iter().sum::<usize>() + held >= PEOPLE.len(),
            "{got:?}, {held} held"
        );
        assert_eq!(town.uncovered().await, 0);
    }
}

/// The daemon sends to a slow server, and is copied again and again meanwhile.
#[test]
fn copies_made_while_mails_leave_are_sound_and_hold_nothing_up() {
    const MAILS: usize = 120;
    let server = SmtpServer::start(Script::new().at(
        Phase::Dot,
        Act::TakeLate(std::time::Duration::from_millis(20)),
    ));
    let expires = (jetond::clock::now() + Days::new(20)).date_naive();
    let mut config = format!(
        "timezone = \"UTC\"\ncontact = \"dsi@ville.example\"\n[schedule]\nwindow = \"00:00-24:00\"\n\
         [mail]\nfrom = \"jetons@ville.example\"\ntransport = \"smtp\"\n\
         [mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nconnections = 4\n",
        server.port()
    );
    for n in 0..MAILS {
        let who = format!("p{n}@ville.example");
        config += &token(&format!("t{n}"), &expires.to_string(), &[&who]);
    }
    let program = Program::new(&config);
    let daemon = Running::start(program.command(&["run"]));
    server.wait_for(1, 0);
    let mut copies = 0;
    while server.count() < MAILS {
        let sent_before = server.count();
        let made = &program.json(&["backup", "--force", "copy.db"])[0];
        assert_eq!(
            (&made["tokens"], &made["mails"]),
            (&MAILS.into(), &MAILS.into())
        );
        assert_eq!(program.json(&["backup", "verify", "copy.db"])[0], *made);
        copies += usize::from(sent_before < MAILS);
    }
    server.wait_for(MAILS, 0);
    assert!(copies > 1, "{copies}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    assert_eq!(server.count(), MAILS, "nothing was sent twice");
    assert!(program.json(&["outbox", "list"]).is_empty());
}
