//! `/metrics`: what it shows, in which form, and what it never shows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use insta::assert_snapshot;
use jetond::config::{Metrics, SecretSource};
use jetond::domain::lifecycle::Who;
use jetond::domain::standing::{Filing as Filed, Horizon, Standing};
use jetond::health::Ill;
use jetond::meter::Ended;
use jetond::renewal::verbs::{self, Filing, Hand, Verb};
use jetond::store::gauge::{LAST_SENT, OUTBOX, Placed};

use super::{OPEN_METRICS, Watch, clock, value};
use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

/// Part of every address; it must be in no answer.
const CANARY: &str = "canari";

/// Tokens that stand in every way on 16 November 2026, a Monday, at the opening of the window.
fn tokens() -> String {
    let told: [&str; 1] = ["canari.c@ville.example"];
    let client = "[clients.\"mairie \\\\ de \\\"X\\\"\"]\nname = \"Mairie de X\"\ncontact = \"canari.x@mairie-x.example\"\nrecipients = [\"canari.d@mairie-x.example\"]\n";
    [
        client.to_owned(),
        token("expire", "2026-11-10", &told),
        token("urgent", "2026-11-23", &told),
        token("depose", "2026-12-16", &told),
        token("a-renouveler", "2027-01-15", &told)
            .replace("datapass_id", "client = 'mairie \\ de \"X\"'\ndatapass_id"),
        token("actif", "2028-01-01", &told),
        token("canari@ville.example", "2028-02-01", &told),
        token("revoque", "2028-03-01", &told),
    ]
    .join("")
}

pub(super) async fn act(town: &Town, id: &str, verb: Verb) {
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: town.now,
    };
    let done = verbs::act(town.store(), &hand, id, &verb).await.unwrap();
    assert!(done.unwrap().changed());
}

async fn town(port: u16) -> Town {
    let config = head(port).replace("dsi@", "canari.dsi@") + &tokens();
    let town = Town::start(&config, at("2026-11-16T08:00:00Z")).await;
    let filing = Filing {
        at: None,
        by: Some("canari.c@ville.example".to_owned()),
        reference: None,
    };
    act(&town, "depose", Verb::File(filing)).await;
    act(&town, "revoque", Verb::Revoke { at: None }).await;
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_with_help_and_unit_and_no_address() {
    // Each step of the way of the one mail that is put off names its recipient.
    let script = Script::new().to(
        "canari.d@mairie-x.example",
        Act::Reply("450 4.2.0 <canari.d@x> later"),
    );
    let relay = SmtpServer::start(script);
    let mut watch = Watch::start(town(relay.port()).await, clock!()).await;
    let meter = watch.town.rig().sender.meter().clone();
    meter.reloaded(watch.town.now, Ended::Badly);
    meter.heartbeat(watch.town.now, Ended::Well);
    watch.pass(vec![]).await;
    watch.pass_time(Duration::minutes(2));
    watch.pass(vec![Ill::Unread(1)]).await;

    let metrics = watch.metrics().await;
    assert!(!metrics.contains(CANARY), "{metrics}");
    assert!(!metrics.contains('@'), "{metrics}");
    let sent = r#"jetond_delivery_attempts_total{outcome="sent"}"#;
    assert_eq!(value(&metrics, sent), Some(relay.count() as f64));
    // How long a mail takes depends on the machine.
    let steady: Vec<&str> = metrics
        .lines()
        .filter(|l| !l.starts_with("jetond_delivery_duration_seconds_"))
        .collect();
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let steady = steady.join("\n").replace(&version, "version=\"…\"");
    let schema = value(&metrics, "jetond_store_schema").unwrap();
    let steady = steady.replace(
        &format!("jetond_store_schema {schema}"),
        "jetond_store_schema …",
    );
    assert_snapshot!("metrics", steady);
    let count = value(&metrics, "jetond_delivery_duration_seconds_count");
    assert_eq!(count, value(&metrics, sent));

    let classic = watch.get("/metrics", "*/*").await;
    assert_eq!(
        classic.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(!classic.body.contains("# EOF") && !classic.body.contains("# UNIT"));
    assert!(
        classic
            .body
            .contains("# TYPE jetond_delivery_attempts_total counter\n")
    );
    let samples = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|l| !l.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(samples(&classic.body), samples(&metrics));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_is_well_formed_and_every_sample_stands_once() {
    let relay = SmtpServer::start(Script::new());
    let watch = Watch::start(town(relay.port()).await, clock!()).await;
    watch.pass(vec![]).await;
    let metrics = watch.metrics().await;
    let (mut families, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for line in metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                assert!(families.insert(name, kind).is_none(), "{name} twice");
                assert!(name.starts_with("jetond_"), "{name}");
                assert!(
                    metrics.contains(&format!("# HELP {name} ")),
                    "{name} has no help"
                );
                let timely = name.ends_with("_seconds");
                let unit = format!("# UNIT {name} seconds\n");
                assert_eq!(metrics.contains(&unit), timely, "{name}");
            }
            (Some("#"), ..) => {}
            _ => {
                let (sample, number) = line.rsplit_once(' ').unwrap();
                assert!(seen.insert(sample), "{sample} twice");
                assert!(number.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    assert!(families.len() > 20, "{families:?}");
    assert!(families.values().any(|kind| *kind == "histogram"));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_and_the_rule_agree_on_how_each_token_stands() {
    let town = town(1).await;
    let calendar = &town.config().calendar;
    for days in [0, 8, 20, 40, 100, 500] {
        let now = town.now + Duration::days(days);
        let horizon = Horizon::at(calendar, now);
        let gauge = town.store().gauge(&horizon, 1_000).await.unwrap();
        let mut expected: BTreeMap<&str, u32> = BTreeMap::new();
        *expected.entry("revoked").or_default() += 1;
        for ending in &gauge.endings {
            let filing = if ending.id == "depose" {
                Filed::Pending
            } else {
                Filed::None
            };
            assert_eq!(ending.filing, filing, "{}", ending.id);
            let standing = Standing::of(ending.expires, filing, &horizon);
            *expected.entry(standing.word()).or_default() += 1;
        }
        let counted = gauge.tokens.iter().map(|(p, n)| (p.word(), *n)).collect();
        assert_eq!(expected, counted, "after {days} days");
        assert_eq!(gauge.watched(), 6);
    }
    let words: Vec<&str> = Placed::all().map(Placed::word).collect();
    assert_eq!(words.len(), words.iter().collect::<BTreeSet<_>>().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_long_ago_costs_nothing() {
    let town = town(1).await;
    for (sql, index) in [(OUTBOX, "mail_due"), (LAST_SENT, "mail_used")] {
        let plan = town.store().query_plan(sql).await.unwrap();
        assert!(plan[0].contains(index), "{plan:?}");
        assert!(!plan.join("").contains("ORDER BY"), "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_cap_the_nearest_to_expiry_are_shown_and_the_others_counted() {
    let capped = Metrics {
        max_tokens: 3,
        ..Metrics::default()
    };
    let watch = Watch::under(town(1).await, clock!(), capped).await;
    let metrics = watch.metrics().await;
    let shown: Vec<&str> = metrics
        .lines()
        .filter_map(|l| l.strip_prefix("jetond_token_expiry_timestamp_seconds{token=\""))
        .map(|l| l.split('"').next().unwrap())
        .collect();
    assert_eq!(shown, ["expire", "urgent", "depose"]);
    assert_eq!(value(&metrics, "jetond_token_series_omitted"), Some(3.0));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_series_of_tokens_their_numbers_stay() {
    let off = Metrics {
        tokens: false,
        ..Metrics::default()
    };
    let watch = Watch::under(town(1).await, clock!(), off).await;
    let metrics = watch.metrics().await;
    assert!(!metrics.contains("jetond_token_"), "{metrics}");
    let urgent = r#"jetond_tokens{state="urgent"}"#;
    assert_eq!(value(&metrics, urgent), Some(1.0));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_within_seconds_gets_the_same_bytes() {
    let relay = SmtpServer::start(Script::new());
    let mut watch = Watch::start(town(relay.port()).await, clock!()).await;
    let sent = r#"jetond_delivery_attempts_total{outcome="sent"}"#;
    let before = watch.metrics().await;
    assert_eq!(value(&before, sent), Some(0.0));
    watch.pass(vec![]).await;
    assert_eq!(watch.metrics().await, before);
    watch.pass_time(Duration::minutes(5));
    let after = watch.metrics().await;
    assert_eq!(value(&after, sent), Some(relay.count() as f64));
    // Another configuration is shown at once.
    let site = (*watch.server.live.site()).clone();
    watch.server.live.switch(jetond::web::Site {
        metrics: Metrics {
            tokens: false,
            ..site.metrics.clone()
        },
        ..site
    });
    assert!(!watch.metrics().await.contains("jetond_token_"));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_leaves_what_is_known_without_it() {
    let watch = Watch::start(town(1).await, clock!()).await;
    watch.pass(vec![]).await;
    watch.town.store().close().await;
    let metrics = watch.metrics().await;
    assert_eq!(value(&metrics, "jetond_store_readable"), Some(0.0));
    assert_eq!(value(&metrics, "jetond_uncovered_notices"), Some(0.0));
    assert!(value(&metrics, "jetond_last_tick_timestamp_seconds").is_some());
    assert!(!metrics.contains("jetond_tokens{"), "{metrics}");
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lateness_is_counted_from_the_slot_and_a_relay_that_hangs_shows() {
    let script = Script::new().first(1, Phase::Greeting, Act::Reply("421 later"));
    let relay = SmtpServer::start(script);
    let one = token("a", "2026-11-23", &["a@ville.example"]);
    let config = head(relay.port()) + &one;
    let town = Town::start(&config, at("2026-11-16T08:00:00Z")).await;
    let mut watch = Watch::start(town, clock!()).await;
    watch.pass(vec![]).await;
    watch.pass_time(Duration::minutes(50));
    watch.pass(vec![]).await;
    let metrics = watch.metrics().await;
    for (sample, expected) in [
        (r#"jetond_delivery_attempts_total{outcome="returned"}"#, 1.0),
        (r#"jetond_delivery_attempts_total{outcome="sent"}"#, 1.0),
        (
            r#"jetond_reminder_lateness_seconds_bucket{le="1800.0"}"#,
            0.0,
        ),
        (
            r#"jetond_reminder_lateness_seconds_bucket{le="3600.0"}"#,
            1.0,
        ),
        ("jetond_reminder_lateness_seconds_sum", 3000.0),
    ] {
        assert_eq!(value(&metrics, sample), Some(expected), "{sample}");
    }
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_opens_it_to_a_program_and_a_wrong_one_to_nobody() {
    let place = tempfile::tempdir().unwrap();
    let secret = place.path().join("metrics.token");
    crate::support::private_file(&secret, "s3cret-0123\n");
    let metrics = Metrics {
        token: Some(SecretSource::File(secret.clone())),
        ..Metrics::default()
    };
    let watch = Watch::under(town(1).await, clock!(), metrics).await;
    watch.pass(vec![]).await;
    // A proxy passes it on, so nobody counts as being on this machine.
    let through = |more: &str| format!("X-Forwarded-For: 192.0.2.1\r\n{more}");
    let right = through("Authorization: Bearer s3cret-0123\r\n");
    let lower = through("authorization: bearer s3cret-0123\r\n");
    for path in ["/metrics", "/readyz"] {
        for headers in [&right, &lower] {
            assert_eq!(watch.ask(path, headers).await.status, 200, "{path}");
        }
        let none = watch.ask(path, &through("")).await.status;
        assert!([303, 401, 403].contains(&none), "{path}: {none}");
        for wrong in [
            "Bearer s3cret-0124",
            "Bearer ",
            "Bearer",
            "Bearer s3cret-0123 x",
            "Basic s3cret-0123",
            "s3cret-0123",
        ] {
            let headers = through(&format!("Authorization: {wrong}\r\n"));
            let status = watch.ask(path, &headers).await.status;
            assert!([401, 403].contains(&status), "{path}, {wrong}: {status}");
        }
        let twice = format!("{right}Authorization: Bearer s3cret-0123\r\n");
        assert!(watch.ask(path, &twice).await.status >= 400);
    }
    let wrong = watch
        .ask("/metrics", "Authorization: Bearer nothing\r\n")
        .await;
    assert_eq!(
        (wrong.status, wrong.header("www-authenticate")),
        (401, Some("Bearer")),
        "also where one could look without it"
    );
    // Another one is read without a reload; one that is not there says so.
    crate::support::private_file(&secret, "another");
    assert_ne!(watch.ask("/metrics", &right).await.status, 200);
    std::fs::remove_file(&secret).unwrap();
    let gone = watch.ask("/metrics", &right).await;
    assert_eq!(gone.status, 503, "{gone:?}");
    assert!(!gone.body.contains("s3cret") && !gone.body.contains("metrics.token"));
    watch.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reads_it_without_a_login() {
    let watch = Watch::start(town(1).await, clock!()).await;
    for path in ["/metrics", "/readyz"] {
        let shut = watch.ask(path, "X-Forwarded-For: 192.0.2.1\r\n").await;
        assert!([303, 401, 403].contains(&shut.status), "{path}: {shut:?}");
        assert!(!shut.body.contains("jetond_"), "{shut:?}");
    }
    let own = watch.get("/metrics", OPEN_METRICS).await;
    assert_eq!(own.status, 200);
    watch.server.stop().await;
}
