//! People in the record: retention, and forgetting one of them. What was sent stays proven; no
//! byte of the store leads back; nothing is sent again for it.

use std::path::Path;
use std::process::Command;

use jetond::domain::address::Address;
use jetond::domain::lifecycle::{News, Who};
use jetond::renewal::verbs::{self, Filing, Hand, Verb};
use jetond::store::journal::Entry;
use jetond::store::mailbook::Which;
use serde_json::Value;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Script, SmtpServer};

const GONE: &str = "Jeanne.Éluard@Editeur.example";
const STAYS: &str = "c.martin@ville.example";

/// The program in the town's directory: exit code, its document, what it said.
fn jetond(town: &Town, args: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_jetond"))
        .args(args)
        .args(["--json", "--lang", "en"])
        .current_dir(town.dir())
        .env("USER", "marie")
        .env_remove("SUDO_USER")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap_or(-1), document, said)
}

/// Whether any file of the store holds these letters, whatever their case.
fn is_anywhere(directory: &Path, letters: &str) -> bool {
    let letters = letters.to_lowercase();
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.starts_with("jetond.db")
            && String::from_utf8_lossy(&std::fs::read(path).unwrap())
                .to_lowercase()
                .contains(&letters)
    })
}

/// A town in which one of two people was refused, told, and then taken out of the file.
async fn after_a_departure(server: &SmtpServer) -> Town {
    let both = token("marches", "2026-12-15", &[STAYS]).replace(
        "recipients = [",
        &format!("recipients = [{{ email = \"{GONE}\", name = \"Jeanne Dupont-Lachenal\" }}, "),
    );
    let mut town = Town::start(&(head(server.port()) + &both), at("2026-09-16T09:00:00Z")).await;
    town.pass().await;
    town.pass_after(60 * 24 * 30).await;
    // The one who leaves had filed the request, by the link in a mail.
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::Recipient(Address::parse(GONE).unwrap().key()),
        now: town.now,
    };
    let filing = Filing {
        by: Some("Jeanne Dupont-Lachenal".to_owned()),
        ..Filing::default()
    };
    let filed = verbs::act(town.store(), &hand, "marches", &Verb::File(filing)).await;
    assert!(filed.unwrap().unwrap().changed());
    let declared = Verb::Declare { expires: None };
    let declared = verbs::act(town.store(), &hand, "marches", &declared).await;
    assert!(declared.unwrap().unwrap().changed());
    // And that it was not for them.
    let mut tx = town.store().begin().await.unwrap();
    let key = Address::parse(GONE).unwrap().key();
    assert!(tx.say_not_for_me(1, 1, &key, town.now).await.unwrap());
    let (who, about) = (hand.who.to_string(), Some((1, 1)));
    tx.news(
        News::NotForMe,
        &who,
        about,
        &serde_json::json!({}),
        town.now,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let one = head(server.port()) + &token("marches", "2026-12-15", &[STAYS]);
    town.reload(&one).await;
    town.pass_after(60).await;
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_forgotten_is_in_no_byte_and_the_proof_stays() {
    let refused = Act::Reply("550 5.1.1 <Jeanne.Éluard@Editeur.example>: no such user here");
    let server = SmtpServer::start(
        Script::new()
            .with("SMTPUTF8")
            .to("Jeanne.Éluard@editeur.example", refused),
    );
    let mut town = after_a_departure(&server).await;
    let (before, messages) = (town.mails().await, server.count());
    let fates = town.fates("marches").await;
    assert!(is_anywhere(town.dir(), "jeanne.éluard"));
    town.stop().await;

    let (code, done, said) = jetond(&town, &["forget", GONE, "--dry-run"]);
    assert_eq!(
        (code, &done["data"][0]["dry_run"]),
        (0, &true.into()),
        "{said}"
    );
    assert!(is_anywhere(town.dir(), "jeanne.éluard"));
    let (code, done, said) = jetond(&town, &["forget", &GONE.to_uppercase()]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(done["data"][0]["as"], "forgotten-1");
    assert!(done["data"][0]["texts"].as_u64().unwrap() >= 3, "{done}");
    for letters in [
        "jeanne",
        "éluard",
        "lachenal",
        "editeur.example",
        "=C3=89luard",
    ] {
        assert!(!is_anywhere(town.dir(), letters), "{letters}");
    }
    let (code, ..) = jetond(&town, &["forget", GONE]);
    assert_eq!(code, 4);

    town.start_again().await;
    let after = town.mails().await;
    assert_eq!(after.len(), before.len());
    for (b, a) in before.iter().zip(&after) {
        assert_eq!(
            (b.no, &b.message_id, b.state, &b.kind),
            (a.no, &a.message_id, a.state, &a.kind)
        );
    }
    assert!(
        after
            .iter()
            .any(|m| m.address == "forgotten-1@forgotten.invalid")
    );
    let renamed = |f: &(i32, String, String, Option<String>)| {
        let who = if f.1 == STAYS {
            STAYS
        } else {
            "forgotten-1@forgotten.invalid"
        };
        (f.0, who.to_owned(), f.2.clone(), f.3.clone())
    };
    let mut expected: Vec<_> = fates.iter().map(renamed).collect();
    let mut found = town.fates("marches").await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let refused = after
        .iter()
        .find(|m| m.address.contains("forgotten"))
        .unwrap();
    let (code, error, _) = jetond(&town, &["outbox", "retry", &refused.no.to_string()]);
    assert_eq!(
        (code, error["error"]["code"].as_str()),
        (5, Some("forgotten"))
    );
    let (code, history, _) = jetond(&town, &["history"]);
    assert_eq!(code, 0);
    let forgotten = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["what"] == "person_forgotten")
        .unwrap();
    assert_eq!(forgotten["who"], "user:marie");
    assert!(
        history.to_string().contains("550 5.1.1 <forgotten-1>"),
        "{history}"
    );

    // Nothing is owed anew for it, and life goes on.
    town.pass_after(1).await;
    assert_eq!((server.count(), town.uncovered().await), (messages, 0));
    town.pass_after(60 * 24 * 31).await;
    assert_eq!(server.count(), messages + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_still_needed_is_not_forgotten() {
    let server = SmtpServer::start(Script::new());
    let mut town = Town::start(
        &(head(server.port()) + &token("marches", "2026-12-15", &[STAYS])),
        at("2026-09-16T09:00:00Z"),
    )
    .await;
    town.pass().await;
    let refusals = [
        (5, "still_declared", STAYS),
        (5, "still_declared", "DSI@ville.example"),
        (5, "still_declared", "jetons@ville.example"),
        (4, "unknown_address", "nobody@ville.example"),
        (2, "usage", "nobody"),
    ];
    for (code, word, address) in refusals {
        let (ended, error, said) = jetond(&town, &["forget", address]);
        assert_eq!(
            (ended, error["error"]["code"].as_str()),
            (code, Some(word)),
            "{address} {said}"
        );
    }
    // Out of the file, and the daemon has not read it yet.
    town.write(&(head(server.port()) + &token("marches", "2026-12-15", &["b@ville.example"])));
    let (code, error, _) = jetond(&town, &["forget", STAYS]);
    assert_eq!(
        (code, error["error"]["code"].as_str()),
        (5, Some("still_needed"))
    );
    assert!(
        error["error"]["hint"].as_str().unwrap().contains("reload"),
        "{error}"
    );
    assert!(is_anywhere(town.dir(), STAYS));
    town.stop().await;
}

/// Something that a person did.
fn act() -> Entry {
    Entry {
        what: "snoozed",
        token: None,
        detail: serde_json::json!({}),
    }
}

/// A token that is renewed each time it is about to expire, for five years.
async fn five_years(server: &SmtpServer, retention: &str) -> Town {
    let file = |expires: &str, people: &[&str]| {
        head(server.port()) + retention + &token("marches", expires, people)
    };
    let mut town = Town::start(
        &file("2027-03-01", &[STAYS, "ancien@ville.example"]),
        at("2026-11-25T09:00:00Z"),
    )
    .await;
    let mut tx = town.store().begin().await.unwrap();
    let acted = ["user:marie", "web:c.martin"].map(|who| (who, act()));
    for (who, entry) in acted {
        tx.journal(who, &[entry], town.now).await.unwrap();
    }
    tx.commit().await.unwrap();
    for (expires, year) in [
        ("2028-09-01", 2027),
        ("2030-03-01", 2028),
        ("2031-09-01", 2030),
    ] {
        for _ in 0..20 {
            town.pass_after(60 * 24 * 5).await;
        }
        town.reload(&file(expires, &[STAYS])).await;
        town.pass_after(1).await;
        let next = format!("{}-06-05T09:00:00Z", year + 1);
        town.now = at(&next);
        town.pass().await;
    }
    // After a gap the clock has to go on for a week.
    for _ in 0..8 {
        town.pass_after(60 * 24).await;
    }
    town
}

/// Mails whose text is kept, and mails whose recipient is named.
async fn texts_and_names(town: &Town) -> (usize, usize) {
    let (mut texts, mut names) = (0, 0);
    for mail in town.mails().await {
        texts += usize::from(town.store().body(mail.no).await.unwrap().is_some());
        names += usize::from(!mail.address.ends_with("@forgotten.invalid"));
    }
    (texts, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_years_ahead_clears_nothing() {
    let server = SmtpServer::start(Script::new());
    let gone = |people: &[&str]| head(server.port()) + &token("marches", "2026-12-15", people);
    let start = at("2026-11-20T09:00:00Z");
    let mut town = Town::start(&gone(&[STAYS, "ancien@ville.example"]), start).await;
    for _ in 0..12 {
        town.pass_after(60 * 24).await;
    }
    town.reload(&gone(&[STAYS])).await;
    town.pass_after(1).await;
    let (texts, names) = texts_and_names(&town).await;
    assert!(texts > 0 && texts == names);
    town.now = at("2030-12-05T09:00:00Z");
    town.start_again().await;
    for _ in 0..6 {
        town.pass_after(60 * 24).await;
        let (still, named) = texts_and_names(&town).await;
        assert!(still >= texts && named >= names, "{still} {named}");
    }
    // It goes on: that is the date.
    for _ in 0..2 {
        town.pass_after(60 * 24).await;
    }
    let (still, named) = texts_and_names(&town).await;
    assert!(still < texts && named < names, "{still} {named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_their_time_texts_are_cleared_and_people_become_pseudonyms() {
    let server = SmtpServer::start(Script::new());
    let town = five_years(&server, "").await;
    let store = town.store();
    let (mut bodies, mut named, mut pseudonyms) = (Vec::new(), Vec::new(), Vec::new());
    for mail in store.mails(Which::All, 1000).await.unwrap() {
        let settled = mail.settled_at.unwrap();
        if store.body(mail.no).await.unwrap().is_some() {
            bodies.push(settled);
        }
        if mail.address.ends_with("@forgotten.invalid") {
            pseudonyms.push(settled);
        } else {
            named.push(settled);
        }
    }
    let months = |n| town.now.checked_sub_months(chrono::Months::new(n)).unwrap();
    assert!(bodies.iter().all(|at| *at >= months(13)), "{bodies:?}");
    assert!(pseudonyms.len() > 5 && pseudonyms.iter().all(|at| *at < months(36)));
    assert!(
        !named.is_empty() && named.iter().all(|at| *at >= months(36)),
        "{named:?}"
    );
    // Who left is named nowhere; who stays is still told.
    let journal = store.history(None, 10_000).await.unwrap();
    let acted: Vec<&str> = journal
        .iter()
        .filter(|e| e.what == "snoozed")
        .map(|e| e.who.as_str())
        .collect();
    assert_eq!(acted.len(), 2);
    assert!(acted.contains(&"user:forgotten") && acted.contains(&"web:forgotten"));
    assert!(!format!("{journal:?}").contains("ancien@"), "{journal:?}");
    assert!(
        journal
            .iter()
            .any(|e| e.at < months(36) && e.what == "recipient_removed")
    );
    let fates = town.fates("marches").await;
    assert!(!fates.iter().any(|f| f.1.contains("ancien")));
    assert!(fates.iter().any(|f| f.1 == STAYS));
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_never_makes_a_reminder_leave_twice() {
    let server = SmtpServer::start(Script::new());
    let kept = SmtpServer::start(Script::new());
    let with = five_years(&server, "").await;
    let without = five_years(&kept, "[retention]\nbodies_months = 0\nnames_months = 0\n").await;
    assert_eq!(server.count(), kept.count());
    assert_eq!(with.mails().await.len(), without.mails().await.len());
    for mail in without.mails().await {
        assert!(!mail.address.contains("forgotten"));
        assert!(without.store().body(mail.no).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expired_years_ago_keeps_its_people_as_long_as_they_are_told() {
    let server = SmtpServer::start(Script::new());
    let config = head(server.port()) + &token("marches", "2026-12-15", &[STAYS]);
    let mut town = Town::start(&config, at("2026-12-01T09:00:00Z")).await;
    town.pass().await;
    town.now = at("2031-01-05T09:00:00Z");
    let step = town.pass().await;
    assert!(step.sent <= 1, "{step:?}");
    let (count, fates) = (server.count(), town.fates("marches").await);
    assert!(fates.iter().all(|f| f.1 == STAYS), "{fates:?}");
    town.pass_after(60 * 24).await;
    assert_eq!(server.count(), count);
}

#[tokio::test]
async fn what_is_still_to_be_told_names_nobody_who_was_forgotten() {
    let town = Town::start(
        &(head(9) + &token("marches", "2026-12-15", &[STAYS, "jeanne@editeur.example"])),
        at("2026-09-16T09:00:00Z"),
    )
    .await;
    let mut tx = town.store().begin().await.unwrap();
    let detail = serde_json::json!({"recipient": "jeanne@editeur.example"});
    let who = Who::Recipient("jeanne@editeur.example".to_owned()).to_string();
    tx.news(News::Declared, &who, Some((1, 1)), &detail, town.now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let one = head(9) + &token("marches", "2026-12-15", &[STAYS]);
    let mut town = town;
    town.reload(&one).await;
    town.stop().await;
    assert!(is_anywhere(town.dir(), "jeanne@editeur"));
    let (code, _, said) = jetond(&town, &["forget", "jeanne@editeur.example"]);
    assert_eq!(code, 0, "{said}");
    assert!(!is_anywhere(town.dir(), "jeanne@editeur"));
}
