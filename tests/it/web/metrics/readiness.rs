//! `/healthz` and `/readyz`: alive is not ready; what is wrong is told, and is over when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use insta::assert_snapshot;
use jetond::domain::reach::Hindrance;
use jetond::domain::timekeeping::Hold;
use jetond::health::pulse::{Loops, Pulse};
use jetond::health::{Checkup, Ill};
use jetond::meter::Ended;
use serde_json::Value;

use super::{Watch, clock, value};
use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

async fn town(port: u16) -> Town {
    let one = token("a", "2026-11-23", &["canari@ville.example"]);
    Town::start(&(head(port) + &one), at("2026-11-16T08:00:00Z")).await
}

impl Watch {
    /// The status of `/readyz`, and its rows that are not well, as (check, ill, found).
    async fn readiness(&self) -> (u16, Vec<[String; 3]>) {
        let reply = self.get("/readyz", "application/json").await;
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(!reply.body.contains('@'), "{}", reply.body);
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(answer["schema"], "jetond.readyz/1");
        let rows = answer["data"].as_array().unwrap();
        let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let wrong = rows
            .iter()
            .filter(|row| row["found"] != "well")
            .map(|row| ["check", "ill", "found"].map(|key| word(row, key)))
            .collect();
        for row in rows {
            assert!(!word(row, "en").is_empty() && !word(row, "fr").is_empty());
        }
        (reply.status, wrong)
    }
}

fn wrong(rows: &[[&str; 3]]) -> Vec<[String; 3]> {
    rows.iter().map(|row| row.map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_ready_from_its_first_pass_on_and_as_long_as_passes_come() {
    let relay = SmtpServer::start(Script::new());
    let mut watch = Watch::start(town(relay.port()).await, clock!()).await;
    let nothing = [
        ["promise", "", "not_ready"],
        ["tick", "", "not_ready"],
        ["delivery", "", "not_ready"],
        ["store", "", "not_ready"],
    ];
    assert_eq!(watch.readiness().await, (503, wrong(&nothing)));
    watch.pass(vec![]).await;
    assert_eq!(watch.readiness().await, (200, vec![]));

    watch.pass_time(TimeDelta::minutes(10));
    let late = [["promise", "", "not_ready"], ["tick", "", "not_ready"]];
    assert_eq!(watch.readiness().await, (503, wrong(&late)));
    watch.pass_time(TimeDelta::minutes(5));
    let later = [late[0], late[1], ["delivery", "", "not_ready"]];
    assert_eq!(watch.readiness().await, (503, wrong(&later)));
    watch.pass(vec![]).await;
    assert_eq!(watch.readiness().await, (200, vec![]));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_illness_is_told_and_the_grave_ones_end_readiness_until_they_are_over() {
    let relay = SmtpServer::start(Script::new());
    let watch = Watch::start(town(relay.port()).await, clock!()).await;
    let since = watch.town.now - TimeDelta::hours(2);
    let why = || "450 <canari@ville.example> try later".to_owned();
    let ills = [
        (Ill::Passes { since, why: why() }, 503),
        (Ill::Deliveries { since, why: why() }, 503),
        (Ill::Relay { since, why: why() }, 503),
        (
            Ill::ClockHeld(Hold::Ahead {
                since,
                by: TimeDelta::hours(3),
            }),
            503,
        ),
        (
            Ill::ClockHeld(Hold::Behind {
                until: since,
                by: TimeDelta::hours(3),
            }),
            503,
        ),
        (Ill::Disk { since }, 503),
        (Ill::StormHeld(60), 200),
        (Ill::Unread(1), 200),
        (Ill::OutOfReach(1), 200),
        (
            Ill::Bounces {
                since,
                what: Hindrance::Slow,
            },
            200,
        ),
        (
            Ill::Channel {
                name: "dsi".to_owned(),
                since,
                why: why(),
            },
            200,
        ),
    ];
    for (ill, status) in ills {
        let found = if status == 200 {
            "troubled"
        } else {
            "not_ready"
        };
        let row = wrong(&[["ill", ill.word(), found]]);
        assert!(Ill::WORDS.contains(&ill.word()), "{}", ill.word());
        watch.pass(vec![ill]).await;
        assert_eq!(watch.readiness().await, (status, row));
        watch.pass(vec![]).await;
        assert_eq!(watch.readiness().await, (200, vec![]));
    }
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncovered_notice_ends_readiness_until_it_is_covered() {
    let relay = SmtpServer::start(Script::new());
    let mut watch = Watch::start(town(relay.port()).await, clock!()).await;
    // Due for two minutes, and no pass has seen it.
    watch.pass_time(TimeDelta::minutes(2));
    let meter = watch.town.rig().sender.meter().clone();
    watch
        .town
        .store()
        .record_pass(watch.town.now)
        .await
        .unwrap();
    meter.passed(watch.town.now, Ended::Well);
    meter.delivered(watch.town.now);
    watch.look(vec![]).await;
    let uncovered = wrong(&[["promise", "", "not_ready"]]);
    assert_eq!(watch.readiness().await, (503, uncovered));
    let uncovered = value(&watch.metrics().await, "jetond_uncovered_notices");
    assert!(uncovered.is_some_and(|n| n > 0.0), "{uncovered:?}");
    watch.pass(vec![]).await;
    assert_eq!(watch.readiness().await, (200, vec![]));
    watch.pass_time(TimeDelta::seconds(30));
    let uncovered = value(&watch.metrics().await, "jetond_uncovered_notices");
    assert_eq!(uncovered, Some(0.0));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_counts_at_the_first_pass() {
    let relay = SmtpServer::start(Script::new());
    let watch = Watch::start(town(relay.port()).await, clock!()).await;
    watch.pass(vec![]).await;
    let meter = watch.town.rig().sender.meter().clone();
    meter.passed(watch.town.now, Ended::Badly);
    let unwritten = wrong(&[["store", "", "not_ready"]]);
    assert_eq!(watch.readiness().await, (503, unwritten));
    meter.passed(watch.town.now, Ended::Well);
    assert_eq!(watch.readiness().await, (200, vec![]));
    // Nor can it be read.
    watch.bulletin.put(Checkup {
        at: watch.town.now,
        vitals: None,
        ills: vec![],
    });
    let unread = wrong(&[
        ["promise", "", "not_ready"],
        ["tick", "", "not_ready"],
        ["store", "", "not_ready"],
    ]);
    assert_eq!(watch.readiness().await, (503, unread));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_it_in_both_languages() {
    let relay = SmtpServer::start(Script::new());
    let watch = Watch::start(town(relay.port()).await, clock!()).await;
    watch.pass(vec![]).await;
    let ready = watch.get("/readyz", "text/html,*/*").await;
    assert_eq!(
        ready.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let since = watch.town.now - TimeDelta::hours(2);
    let why = "554 canari@ville.example".to_owned();
    watch
        .pass(vec![Ill::Relay { since, why }, Ill::Unread(2)])
        .await;
    let ill = watch.get("/readyz", "*/*").await;
    assert_eq!((ill.status, ill.header("retry-after")), (503, Some("60")));
    assert!(!ill.body.contains('@'));
    assert_snapshot!(
        "readyz",
        format!("{}\n–––\n\n{}", ready.body, ill.body).replace('\u{a0}', "~")
    );
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_alive_as_long_as_its_loops_turn_and_says_so_to_anybody() {
    let watch = Watch::start(town(1).await, clock!()).await;
    // Not ready, and alive.
    let stranger = "X-Forwarded-For: 192.0.2.1\r\n";
    let alive = watch.ask("/healthz", stranger).await;
    assert_eq!(alive.status, 200, "{alive:?}");
    assert!(alive.body.contains("en vie") && alive.body.contains("alive"));
    let json = watch.get("/healthz", "application/json").await;
    let answer: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(answer["schema"], "jetond.healthz/1");
    assert_eq!(answer["data"][0]["loop"], "tick");
    assert_eq!(answer["data"][1]["turns"], true);
    assert_eq!(answer["data"][2]["loop"], "probe");
    watch.server.stop().await;

    let began = Instant::now().checked_sub(Duration::from_secs(1_000));
    let stuck = Loops {
        tick: Arc::new(Pulse::new(began.unwrap(), Duration::from_secs(90))),
        ..Loops::new(Duration::MAX, Duration::MAX, Duration::MAX)
    };
    let watch = Watch::with(town(1).await, clock!(), stuck.clone()).await;
    let dead = watch.ask("/healthz", stranger).await;
    assert_eq!(dead.status, 503, "{dead:?}");
    assert!(dead.body.contains("tick"), "{dead:?}");
    let json = watch.get("/healthz", "application/json").await;
    let answer: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(answer["data"][0]["turns"], false);
    // It turns again.
    stuck.tick.of(tokio::task::yield_now()).await;
    assert_eq!(watch.ask("/healthz", stranger).await.status, 200);
    watch.server.stop().await;
}
