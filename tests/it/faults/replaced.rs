//! The store's file is taken away under the running daemon: renamed, deleted, or another put in
//! its place.
//!
//! Nothing leaves any more but what had its commit before. Put back, nothing is lost and nothing
//! comes twice; with another in its place the new record knows nothing of what left before.

use super::campaign::{Form, each, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, PATIENCE, Site};
use crate::support::program::Running;
use crate::support::smtp_server::{Act, Gate, Phase, Script};

const MAILS: usize = 20;

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Renamed, and put back after the daemon's end.
    Away,
    /// Renamed, with a copy from before in its place.
    Another,
    /// Deleted.
    Deleted,
}

const FILES: [&str; 3] = ["jetond.db", "jetond.db-wal", "jetond.db-shm"];

fn replaced(fate: Fate, phase: Phase, lanes: Lanes) -> Option<Judged> {
    let gate = Gate::new();
    let script = Script::new().first(1, phase, Act::Wait(gate.clone()));
    let mut site = Site::new(script, MAILS, lanes)?;
    let place = site.program.place().to_owned();
    let (older, away) = (place.join("older"), place.join("away"));
    std::fs::create_dir(&away).unwrap();
    // A store from before anything was due.
    let due = site.now;
    site.now = due - chrono::Duration::days(100);
    let mut broken = Vec::new();
    broken.extend(super::site::ended_in(&site.once(), &[0]).err());
    std::fs::copy(site.store(), &older).unwrap();
    site.now = due;

    let running = Running::start(site.program.command_at(site.now, &["run"]));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(gate.reached());
    for name in FILES {
        let file = place.join(name);
        // There may be no log.
        let _absent = match fate {
            Fate::Away | Fate::Another => std::fs::rename(file, away.join(name)),
            Fate::Deleted => std::fs::remove_file(file),
        };
    }
    if fate == Fate::Another {
        std::fs::copy(&older, site.store()).unwrap();
    }
    let before = site.server.count();
    gate.open();
    // The next commit finds out; what had its commit before leaves.
    running.wait_for("was moved, deleted or replaced");
    running.signal("TERM");
    let code = running.ended();
    if !matches!(code, Some(0 | 8)) {
        broken.push(format!("it ended with {code:?}"));
    }
    let after = site.server.count() - before;
    if after > lanes.in_flight() {
        broken.push(format!("{after} mails left after the file had gone"));
    }
    if fate == Fate::Away {
        for name in FILES {
            let _absent = std::fs::remove_file(place.join(name));
            let _absent = std::fs::rename(away.join(name), place.join(name));
        }
    }
    site.now += PATIENCE;
    let settled = site.settle();
    let unrecorded = match fate {
        Fate::Away => 0,
        Fate::Another | Fate::Deleted => before + lanes.in_flight(),
    };
    let allowed = Allowed {
        unrecorded,
        ..Allowed::default()
    };
    let mut judged = oracle::judge(&site, allowed).and(settled);
    judged.broken.extend(broken);
    Some(judged.at(&format!("{fate:?} at {phase:?}, {lanes:?}")))
}

#[test]
fn the_store_is_taken_away_under_the_daemon() {
    let mut cases = vec![
        (Fate::Away, Phase::Mail, Lanes::new(4, 16)),
        (Fate::Another, Phase::Data, Lanes::new(1, 1)),
        (Fate::Deleted, Phase::Dot, Lanes::new(1, 16)),
    ];
    if Form::asked_for() == Form::Long {
        for fate in [Fate::Away, Fate::Another, Fate::Deleted] {
            for phase in [Phase::Mail, Phase::Data, Phase::Dot] {
                cases.extend(Lanes::ALL.map(|lanes| (fate, phase, lanes)));
            }
        }
    }
    let done = each(&cases, |(fate, phase, lanes)| {
        replaced(*fate, *phase, *lanes)
    });
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("replaced", cases.len(), &Judged::sum(done));
}
