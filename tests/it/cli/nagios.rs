//! `status --nagios` as a monitor reads it: state, figures and exit code, by a parser written
//! after the Monitoring Plugins Development Guidelines.

use std::collections::BTreeMap;

use super::place::{Place, Ran, at};

/// One line `SERVICE STATE - words | figures`, then lines for people.
struct Answer {
    state: String,
    figures: BTreeMap<String, Figure>,
    long: Vec<String>,
}

/// `'label'=value[unit];[warn];[crit];[min];[max]`
#[derive(Debug, PartialEq)]
struct Figure {
    value: f64,
    unit: String,
    bounds: Vec<Option<f64>>,
}

fn parse(ran: &Ran) -> Answer {
    let (first, long) = ran.out.split_once('\n').unwrap();
    assert!(
        !long.contains('|'),
        "figures stand in the first line only: {long}"
    );
    let (words, figures) = first.split_once('|').unwrap_or((first, ""));
    assert!(!figures.contains('|'), "{first}");
    let state = words
        .strip_prefix("JETOND ")
        .unwrap()
        .split_once(" - ")
        .unwrap()
        .0;
    let code = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]
        .iter()
        .position(|s| *s == state);
    assert_eq!(
        code.map(|c| i32::try_from(c).unwrap()),
        Some(ran.code),
        "{ran:?}"
    );
    assert!(!ran.out.contains('@'), "{ran:?}");
    Answer {
        state: state.to_owned(),
        figures: figures.split_whitespace().map(figure).collect(),
        long: long.lines().map(str::to_owned).collect(),
    }
}

fn figure(written: &str) -> (String, Figure) {
    let (label, rest) = written.split_once('=').unwrap();
    assert!(
        label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
        "{label}"
    );
    let mut parts = rest.split(';');
    let value = parts.next().unwrap();
    let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = &value[digits.len()..];
    assert!(["", "s", "%", "B", "c"].contains(&unit), "{written}");
    let bounds: Vec<_> = parts
        .map(|b| (!b.is_empty()).then(|| b.parse().unwrap()))
        .collect();
    assert!(bounds.len() <= 4, "{written}");
    let figure = Figure {
        value: digits.parse().unwrap(),
        unit: unit.to_owned(),
        bounds,
    };
    (label.to_owned(), figure)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_well_is_ok() {
    let place = Place::with("2025-06-15", "2099-06-15");
    place.pass(jetond::clock::now()).await;
    let ran = place.run("status --nagios --nagios-max-age 26h --lang en");
    let answer = parse(&ran);
    assert_eq!(
        (answer.state.as_str(), answer.long.len()),
        ("OK", 0),
        "{ran:?}"
    );
    let critical = |label: &str| answer.figures[label].bounds[1];
    assert_eq!(
        (critical("uncovered"), critical("pass_age")),
        (Some(0.0), Some(93_600.0))
    );
    assert_eq!(answer.figures["pass_age"].unit, "s");
    assert_eq!(
        answer.figures["expired"].bounds,
        [Some(0.0), None, Some(0.0)]
    );
    // Where a daemon is expected, it is missed.
    let ran = place.run("status --nagios --lang en");
    assert_eq!(parse(&ran).state, "CRITICAL");
    assert!(ran.out.contains("the daemon does not run"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_too_old_and_reminders_that_are_missing_are_critical() {
    let place = Place::new();
    let ran = place.run("status --nagios --lang fr");
    assert_eq!(parse(&ran).state, "CRITICAL");
    assert!(
        ran.out.contains("aucun passage n’a encore eu lieu"),
        "{ran:?}"
    );
    place.pass(at("2026-09-01T08:00:00Z")).await;
    let ran = place.run("status --nagios --nagios-max-age 26h --lang en");
    let answer = parse(&ran);
    assert_eq!(answer.state, "CRITICAL", "{ran:?}");
    assert!(answer.figures["uncovered"].value > 0.0, "{ran:?}");
    assert!(answer.figures["pass_age"].value > 93_600.0, "{ran:?}");
    assert!(
        answer
            .long
            .iter()
            .all(|l| l.starts_with("CRITICAL: ") || l.starts_with("WARNING: "))
    );
}

#[test]
fn what_cannot_be_found_out_is_unknown_in_one_line() {
    let place = Place::new();
    let broken = Place::with("organisation", "organisaton");
    let damaged = Place::new();
    std::fs::write(
        damaged.store(),
        "this is no database, however one looks at it",
    )
    .unwrap();
    let missing = Place::with_config("");
    std::fs::remove_file(missing.path("config.toml")).unwrap();
    for (place, words) in [
        (&place, "status --nagios --nagios-max-age soon"),
        (&place, "status --nagios --at 2026-11-22"),
        (&place, "status --nagios --json"),
        (&place, "status --nagios --no-such-word"),
        (&broken, "status --nagios"),
        (&damaged, "status --nagios --lang en"),
        (&missing, "status --nagios"),
    ] {
        let ran = place.run(words);
        let answer = parse(&ran);
        assert_eq!(answer.state, "UNKNOWN", "{words}: {ran:?}");
        assert_eq!(answer.long, Vec::<String>::new(), "{words}: {ran:?}");
    }
}
