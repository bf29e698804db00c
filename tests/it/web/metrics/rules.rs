//! The alert rules that are shipped: they ask for metrics that exist, say what to do in both
//! languages, and are tried, each of them, by Prometheus' own tool.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;
use jetond::domain::verdict::{Reading, Volume};
use jetond::meter::Ended;
use jetond::renewal::verbs::{Filing, Verb};

use super::exposition::act;
use super::{Watch, clock};
use crate::probe::notes::{alive, hear};
use crate::support::daemon::{Town, at, head, token};
use crate::support::debian;
use crate::support::program::said;

pub(super) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus")
}

pub(super) fn rules() -> String {
    std::fs::read_to_string(directory().join("jetond.rules.yml")).unwrap()
}

fn tests() -> String {
    std::fs::read_to_string(directory().join("jetond.rules.test.yml")).unwrap()
}

/// What stands behind a key, on each line that has it.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().map(|l| l.trim().trim_start_matches("- "));
    lines
        .filter_map(|l| l.strip_prefix(key)?.strip_prefix(": "))
        .collect()
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("jetond_"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_or_its_test_asks_for_is_given() {
    // Nobody listens at this port, so that a mail waits.
    let config = head(1)
        + &token("a", "2026-11-23", &["a@ville.example"])
        + &token("b", "2026-12-23", &["b@ville.example"]);
    let town = Town::start(&config, at("2026-11-16T08:00:00Z")).await;
    act(&town, "b", Verb::File(Filing::default())).await;
    let volume = Volume {
        limit: 1000,
        remaining: 41,
        resets: town.now + TimeDelta::hours(1),
    };
    let answer = Reading {
        volume: Some(volume),
        ..alive(&[])
    };
    hear(&town, "b", &answer).await;
    let mut watch = Watch::start(town, clock!()).await;
    watch.pass(vec![]).await;
    watch.pass_time(TimeDelta::minutes(2));
    let meter = watch.town.rig().sender.meter().clone();
    meter.reloaded(watch.town.now, Ended::Well);
    meter.heartbeat(watch.town.now, Ended::Well);
    let metrics = watch.metrics().await;
    let given = metrics_in(&metrics);
    let (rules, tests) = (rules(), tests());
    let asked = values(&rules, "expr").join("\n") + &values(&tests, "series").join("\n");
    for name in metrics_in(&asked) {
        assert!(given.contains(name), "{name} is nowhere in\n{metrics}");
    }
    watch.server.stop().await;
}

#[test]
fn each_alert_says_what_to_do_in_both_languages_and_is_tried() {
    let (rules, tests) = (rules(), tests());
    let alerts = values(&rules, "alert");
    assert!(alerts.len() > 15, "{alerts:?}");
    let unique: BTreeSet<&&str> = alerts.iter().collect();
    assert_eq!(unique.len(), alerts.len());
    for key in [
        "expr",
        "severity",
        "summary",
        "description",
        "summary_en",
        "description_en",
    ] {
        let said = values(&rules, key);
        assert_eq!(said.len(), alerts.len(), "{key}");
        assert!(said.iter().all(|s| s.len() > 3), "{key}");
    }
    for alert in alerts {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert}");
    }
    // Nothing that they say could name a person.
    for label in ["recipient", "address", "email"] {
        assert!(!rules.contains(&format!("labels.{label}")), "{label}");
    }
}

#[test]
fn prometheus_takes_the_rules_and_they_do_what_their_tests_say() {
    let Some(root) = debian::unpacked(&["prometheus"]) else {
        return;
    };
    for args in [
        ["check", "rules", "jetond.rules.yml"],
        ["test", "rules", "jetond.rules.test.yml"],
    ] {
        let output = Command::new(root.join("usr/bin/promtool"))
            .args(args)
            .current_dir(directory())
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        assert!(said(&output).contains("SUCCESS"), "{}", said(&output));
    }
}
