//! Weeks of passes through the gate, as the daemon's loops go: nothing piles up. Each pass is half
//! an hour after the last one, so that a day's and a week's work come around, too.

use chrono::Duration;
use jetond::app::gate::Gate;
use jetond::domain::timekeeping::Reading;
use jetond::health::Vitals;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

/// Six weeks. `JETOND_PASSES` makes them more.
const PASSES: i64 = 2_000;

/// After the first weekly report the store has been read in every way.
const SETTLED: i64 = 48 * 9;

/// The open file descriptors of this process that are of files, the store's among them.
fn files_of(town: &Town) -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .map(|path| path.display().to_string())
        .filter(|path| path.starts_with(town.dir().to_str().unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn weeks_of_passes_open_nothing_that_stays_open() {
    let server = SmtpServer::start(Script::new());
    let config = head(server.port()) + &token("t", "2027-03-01", &["c.martin@ville.example"]);
    let town = Town::start(&config, at("2026-11-22T08:00:00Z")).await;
    let (store, rig) = (town.store(), town.rig());
    let passes = std::env::var("JETOND_PASSES").map_or(PASSES, |n| n.parse().unwrap());
    let reading = |pass: i64| Reading {
        wall: town.now + Duration::minutes(30 * pass),
        boot: Duration::minutes(1000 + 30 * pass),
    };
    let (gate, _) = Gate::open(store.clone(), reading(0)).await.unwrap();
    let mut before = Vec::new();
    for n in 0..passes {
        let passed = gate.tick(rig, reading(n)).await;
        assert_eq!(passed.hold, None);
        passed.done.unwrap();
        rig.tell(passed.at).await.unwrap();
        gate.deliver(rig, reading(n)).await.done.unwrap();
        let calendar = &town.config().calendar;
        let vitals = Vitals::look(store, calendar, passed.at).await.unwrap();
        assert_eq!(vitals.uncovered, []);
        if n == SETTLED {
            before = files_of(&town);
        }
    }
    assert!(!before.is_empty());
    assert_eq!(files_of(&town), before);
    // The log is folded into the file as it grows, by SQLite itself: each 4,000 pages of 4 kB.
    let log = std::fs::metadata(town.dir().join("jetond.db-wal")).unwrap();
    assert!(log.len() < 20_000_000, "{} bytes", log.len());
}
