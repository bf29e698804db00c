//! A tick at 10,000 and at 1,000,000 stored tokens, with nothing due and with 100 due; goal: the
//! larger store within 1.2 times the smaller one (promise 11: cost follows the work).
//!
//! `cargo bench --bench tick -- 10000000` has a third store of so many tokens beside them, which
//! takes some 5 GB of the temporary directory and ten minutes.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::path::Path;

use chrono::{DateTime, Days, Utc};
use jetond::app;
use jetond::config::{self, Config, Surroundings};
use jetond::renewal::reconcile::{Brake, reconcile};
use jetond::store::Store;
use jetond::tick::Planner;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use support::{TO_FILES, date, head, median, ms, person, place, ratio, timed, token};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const TOKENS: u64 = 10_000;
const DUE: u64 = 100;
const ROUNDS: u64 = 9;
const IDLE: usize = 101;

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let start = Start::new();
    let mut sizes = vec![TOKENS, 100 * TOKENS];
    sizes.extend(std::env::args().skip(1).flat_map(|a| a.parse::<u64>()));
    let stores: Vec<(Store, TempDir)> = sizes
        .iter()
        .map(|tokens| runtime.block_on(start.store(tokens / TOKENS)))
        .collect();
    let planner = app::planner(&start.config);
    let tick = |store: &Store, now| runtime.block_on(planner_tick(&planner, store, now));
    let times = || vec![Vec::new(); stores.len()];

    let (mut idle, mut due, mut audit) = (times(), times(), times());
    for _ in 0..IDLE {
        for (i, (store, _)) in stores.iter().enumerate() {
            let (time, owed) = timed(|| tick(store, start.now));
            assert_eq!(owed, 0, "nothing is due");
            idle[i].push(time);
        }
    }
    for round in 1..=ROUNDS {
        let now = start
            .config
            .calendar
            .opening(date(FIRST_DUE) + Days::new(round));
        for (i, (store, _)) in stores.iter().enumerate() {
            let (time, owed) = timed(|| tick(store, now));
            assert_eq!(owed, usize::try_from(DUE * 2).expect("a small number"));
            due[i].push(time);
        }
    }
    for _ in 0..3 {
        for (i, (store, _)) in stores.iter().enumerate() {
            let calendar = &start.config.calendar;
            let (time, uncovered) =
                timed(|| runtime.block_on(store.uncovered(calendar, start.now)));
            uncovered.expect("the store can be read");
            audit[i].push(time);
        }
    }
    println!("| tick | tokens | ms | of the smallest | goal |\n|---|---|---|---|---|");
    for (name, goal, times) in [
        ("nothing due", "≤ 1.2", &idle),
        ("100 due, 2 recipients each", "≤ 1.2", &due),
        ("audit of `status` (not a tick)", "", &audit),
    ] {
        for (tokens, taken) in sizes.iter().zip(times) {
            let (least, time) = (median(&times[0]), median(taken));
            println!(
                "| {name} | {tokens} | {} | {} | {goal} |",
                ms(time),
                ratio(time, least)
            );
        }
    }
}

/// The day before the first one on which something is due.
const FIRST_DUE: &str = "2026-12-01";

async fn planner_tick(planner: &Planner, store: &Store, now: DateTime<Utc>) -> usize {
    planner
        .tick(store, now)
        .await
        .expect("the store works")
        .owed
}

/// What both stores begin with.
struct Start {
    config: Config,
    now: DateTime<Utc>,
}

impl Start {
    /// 100 tokens for each of the rounds, and others whose first stage is far away.
    fn new() -> Self {
        let mut text = head(TO_FILES);
        for round in 1..=ROUNDS {
            // 18 months after its issue, 90 days before which its first stage is due.
            let expires = date(FIRST_DUE) + Days::new(round + 90);
            let issued = expires - chrono::Months::new(18);
            for n in 0..DUE {
                let n = usize::try_from(round * DUE + n).expect("a small number");
                let recipients = [person(2 * n), person(2 * n + 1)];
                token(&mut text, &format!("due-{n}"), issued, &recipients);
            }
        }
        for n in 0..TOKENS - ROUNDS * DUE {
            let issued = date("2026-11-01") - Days::new(n % 300);
            let n = usize::try_from(n).expect("a small number");
            let recipients = [person(2 * n % 3000), person((2 * n + 1) % 3000)];
            token(&mut text, &format!("far-{n}"), issued, &recipients);
        }
        let (_place, file) = place(&text);
        let surroundings = Surroundings {
            now: jetond::clock::now(),
        };
        let config = config::load(&file, &surroundings)
            .expect("a sound configuration")
            .config;
        let now = config.calendar.opening(date("2026-11-15"));
        Self { config, now }
    }

    /// A store on disk: declared and looked at once by the real functions, then multiplied.
    async fn store(&self, times: u64) -> (Store, TempDir) {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("jetond.db");
        let store = Store::open(&path).await.expect("a new store");
        reconcile(
            &store,
            app::declaration(&self.config),
            Brake::Archive,
            self.now,
        )
        .await
        .expect("the store works");
        planner_tick(&app::planner(&self.config), &store, self.now).await;
        store.close().await;
        multiply(&path, times).await;
        (Store::open(&path).await.expect("the store"), place)
    }
}

/// Copies of the tokens that are not due, each with its period and its recipients.
async fn multiply(path: &Path, times: u64) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("synchronous", "OFF")
        .pragma("cache_size", "-500000");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .expect("the store");
    for k in 1..times {
        let offset = i64::try_from(k * TOKENS).expect("a small number");
        for sql in [
            "INSERT INTO token (no, id, name, client, client_name, datapass_id, jti, siret, used_by, tags, language, \
               contact, origin, state, state_by, state_at, period, file_expires, file_jti, declared_at, next_due_at) \
             SELECT no + $1, id || '-' || $1, name, client, client_name, datapass_id, jti, siret, used_by, tags, language, \
               contact, origin, state, state_by, state_at, period, file_expires, file_jti, declared_at, next_due_at \
             FROM token WHERE no <= 10000 AND id LIKE 'far-%'",
            "INSERT INTO period (token, no, issued, expires, opened_at, dated_at, closed_at) \
             SELECT token + $1, no, issued, expires, opened_at, dated_at, closed_at \
             FROM period WHERE token IN (SELECT no FROM token WHERE no <= 10000 AND id LIKE 'far-%')",
            "INSERT INTO recipient (token, key, address, name, role, language, from_stage, since, removed_at) \
             SELECT token + $1, key, address, name, role, language, from_stage, since, removed_at \
             FROM recipient WHERE token IN (SELECT no FROM token WHERE no <= 10000 AND id LIKE 'far-%')",
        ] {
            sqlx::query(sql)
                .bind(offset)
                .execute(&pool)
                .await
                .expect("the copy");
        }
    }
    pool.close().await;
}
