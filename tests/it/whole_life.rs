//! The headline test: whole lives of tokens through the real product, against the oracle.
//!
//! `JETOND_LIFE_SEEDS=100 cargo test --test it whole_life` runs a hundred random scenarios
//! instead of the few of every run.

mod crashes;
mod drive;
mod files;
mod invariants;
mod table;
mod wakes;

use drive::{Audit, live};

use crate::oracle::life::expected;
use crate::oracle::report;
use crate::oracle::scenario::Scenario;

/// Differences shown for each token.
const SHOWN: usize = 6;

async fn agrees(scenario: &Scenario, audit: Audit, name: &str) {
    let found = live(scenario, audit).await;
    let wanted = expected(scenario);
    if let Some(difference) = report::diff(scenario, &wanted, &found, SHOWN) {
        panic!("{name}\n{difference}");
    }
}

#[tokio::test]
async fn small_lives_agree_in_every_calendar() {
    let seeds = std::env::var("JETOND_LIFE_SEEDS").map_or(4, |n| n.parse().unwrap());
    for seed in 0..seeds {
        let scenario = Scenario::random(seed, 40, 19);
        agrees(&scenario, Audit(1), &format!("seed {seed}")).await;
    }
}

/// Lets people save the file once for so many edits: reading it is what takes the time.
fn save_together(scenario: &mut Scenario, edits: usize) {
    for group in scenario.edits.chunks_mut(edits) {
        let saved = group[group.len() - 1].0;
        group.iter_mut().for_each(|(at, _)| *at = saved);
    }
}

#[tokio::test]
async fn a_thousand_tokens_over_nineteen_months_agree() {
    let mut scenario = Scenario::random(20, 1_000, 19);
    save_together(&mut scenario, 12);
    agrees(&scenario, Audit(25), "seed 20").await;
}
