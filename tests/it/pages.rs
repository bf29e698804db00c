//! A file and a record of any length: they are gone through by pages, and nothing at the edge of
//! one is left out.

use std::fmt::Write as _;

use chrono::Duration;
use jetond::store::coverage::Why;

use crate::support::daemon::{Town, at, head, token};

/// More than two pages, and not a whole number of them.
const TOKENS: usize = 2_300;

/// The tokens that `of` declares, below this schedule.
fn file(stages: &str, of: impl Iterator<Item = (usize, &'static str)>) -> String {
    let mut text = head(25) + "[schedule]\nstages = " + stages + "\n";
    for (n, recipient) in of {
        let _ = text.write_str(&token(&format!("t{n}"), "2026-12-15", &[recipient]));
    }
    text
}

fn all() -> impl Iterator<Item = (usize, &'static str)> {
    (0..TOKENS).map(|n| (n, "a@ville.example"))
}

async fn unseen(town: &Town) -> usize {
    let calendar = &town.config().calendar;
    let found = town.store().uncovered(calendar, town.now).await.unwrap();
    found.iter().filter(|u| u.why == Why::Unseen).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_looks_at_every_token_of_a_long_record() {
    let mut town = Town::start(&file("[30, 15]", all()), at("2026-11-29T08:00:00Z")).await;
    town.now += Duration::minutes(5);
    assert_eq!(unseen(&town).await, TOKENS);
    town.rig().tick(town.now).await.unwrap();
    assert_eq!(unseen(&town).await, 0);
    town.now = at("2026-11-30T08:05:00Z");
    assert_eq!(unseen(&town).await, TOKENS, "the next stage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_that_is_the_same_changes_nothing_and_each_change_is_found() {
    let mut town = Town::start(&file("[30, 15]", all()), at("2026-11-29T08:00:00Z")).await;
    let report = town.reload(&file("[30, 15]", all())).await;
    assert!(report.is_empty(), "{report:?}");

    // The first and the last of each page, but for the one that leaves.
    let edges = [0, 999, 1000, 1999, 2000, TOKENS - 1];
    let changed = all()
        .filter(|(n, _)| *n != 1500)
        .map(|(n, who)| match edges.contains(&n) {
            true => (n, "b@ville.example"),
            false => (n, who),
        })
        .chain([(TOKENS, "c@ville.example")]);
    let report = town.reload(&file("[30, 15]", changed)).await;
    assert_eq!(report.added, [format!("t{TOKENS}")]);
    assert_eq!(report.archived, ["t1500"]);
    let mut found: Vec<&str> = report.changed.keys().map(String::as_str).collect();
    found.sort_unstable_by_key(|id| id[1..].parse::<usize>().unwrap());
    assert_eq!(found, edges.map(|n| format!("t{n}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_schedule_takes_back_what_is_owed_of_every_token() {
    let mut town = Town::start(&file("[30, 15]", all()), at("2026-11-29T08:00:00Z")).await;
    let owed = town.rig().tick(town.now).await.unwrap().owed;
    assert_eq!(owed, TOKENS);
    town.reload(&file("[7]", all())).await;
    assert_eq!(town.store().all_notices().await.unwrap().len(), 0);
}
