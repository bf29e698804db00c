//! The database is locked by another process while mails leave.
//!
//! Locked before the commit that comes before the dot: no dot. Locked after it: the outcome is
//! recorded once the lock is gone, or the mail stays in doubt and comes once more.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::campaign::{Form, each_by, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, PATIENCE, Site};
use crate::support::program::Running;
use crate::support::smtp_server::{Act, Gate, Phase, Script};

const MAILS: usize = 12;

/// Until when the lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The server has taken the mail, and answered.
    Taken,
    /// The program has given up and ended.
    Ended,
}

fn locked(phase: Phase, until: Until, lanes: Lanes) -> Option<Judged> {
    let gate = Gate::new();
    let script = Script::new().first(1, phase, Act::Wait(gate.clone()));
    let mut site = Site::new(script, MAILS, lanes)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let running = site.begin();
    let (running, code, taken_under_lock) = runtime.block_on(async {
        gate.reached().await;
        let options = SqliteConnectOptions::new().filename(site.store());
        let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut holder)
            .await
            .unwrap();
        let before = site.server.count();
        gate.open();
        let (running, code) = match until {
            Until::Taken => {
                site.server.wait_for(before + 1, 0);
                (Some(running), None)
            }
            Until::Ended => (None, running.ended()),
        };
        let taken = site.server.count() - before;
        sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
        holder.close().await.unwrap();
        (running, code, taken)
    });
    let code = running.map_or(code, Running::ended);
    let mut broken = Vec::new();
    // One connection: whatever is taken now had its commit before.
    let most = usize::from(phase == Phase::Dot) * lanes.flight;
    if taken_under_lock > most {
        broken.push(format!("{taken_under_lock} mails left under the lock"));
    }
    let expected: &[i32] = match until {
        Until::Taken => &[0],
        Until::Ended => &[6, 8],
    };
    if !code.is_some_and(|code| expected.contains(&code)) {
        broken.push(format!("the run ended with {code:?}"));
    }
    site.now += PATIENCE;
    let settled = site.settle();
    let repeats = match until {
        Until::Taken => 0,
        Until::Ended => lanes.in_flight(),
    };
    let allowed = Allowed {
        repeats,
        ..Allowed::default()
    };
    let mut judged = oracle::judge(&site, allowed).and(settled);
    judged.broken.extend(broken);
    Some(judged.at(&format!("{phase:?}, {until:?}, {lanes:?}")))
}

#[test]
fn a_store_that_another_process_holds() {
    let (one, flight) = (Lanes::new(1, 1), Lanes::new(1, 16));
    let mut cases = vec![
        (Phase::Dot, Until::Taken, one),
        (Phase::Dot, Until::Taken, flight),
    ];
    // The program waits for the lock, 10 s each time.
    if Form::asked_for() == Form::Long {
        cases.extend([
            (Phase::Data, Until::Ended, one),
            (Phase::Data, Until::Ended, flight),
            (Phase::Dot, Until::Ended, one),
            (Phase::Dot, Until::Ended, flight),
        ]);
    }
    let done = each_by(cases.len(), &cases, |(phase, until, lanes)| {
        locked(*phase, *until, *lanes)
    });
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("locked", cases.len(), &Judged::sum(done));
}
