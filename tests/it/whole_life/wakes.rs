//! A wake-up is only a hint: doubled, late, out of order or at the same time in two places, it
//! plans nothing twice and forgets nothing.

use jetond::store::Store;
use jetond::tick::Ticked;

use crate::oracle::civil::MINUTE;
use crate::oracle::life::{expected, interesting};
use crate::oracle::report;
use crate::oracle::scenario::Scenario;
use crate::whole_life::drive::{Daemon, Medium, utc, without_mails};

/// Nothing happens but time.
fn quiet(seed: u64, tokens: usize, months: i64) -> Scenario {
    let mut scenario = Scenario::random(seed, tokens, months);
    scenario.edits.clear();
    scenario.outages.clear();
    scenario
}

#[tokio::test]
async fn doubled_late_and_reordered_wakes_plan_nothing_twice() {
    let late = 17 * MINUTE;
    let scenario = quiet(51, 60, 1);
    let mut daemon = Daemon::first_start(&scenario, Medium::Memory).await;
    let mut now = scenario.start;
    let mut last = now;
    while now < scenario.end {
        daemon.tick(now).await;
        assert_eq!(daemon.tick(now).await, Ticked::default(), "twice at {now}");
        assert_eq!(daemon.tick(last).await, Ticked::default(), "back at {now}");
        daemon.deliver(now).await;
        // The same wake-up comes once more, after the mails have left.
        assert_eq!(daemon.tick(now).await, Ticked::default(), "after {now}");
        assert_eq!(daemon.take_up(now).await.claimed(), 0);
        last = now;
        now += late;
    }
    let (wanted, found) = (expected(&scenario), daemon.outcome().await);
    let fates = [&wanted, &found].map(without_mails);
    assert_eq!(report::diff(&scenario, &fates[0], &fates[1], 6), None);
    assert_eq!(wanted.mails.len(), daemon.accepted.len(), "a mail twice");
    for mail in &wanted.mails {
        let same = |m: &&crate::oracle::life::Mail| {
            m.recipient == mail.recipient && m.notices == mail.notices
        };
        let found = found.mails.iter().find(same).expect("the same digest");
        assert!((mail.at..mail.at + late).contains(&found.at), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_planners_on_one_store_plan_nothing_twice() {
    let scenario = quiet(52, 40, 4);
    let scheduled = interesting(&scenario, &scenario.hours());
    let mut daemon = Daemon::first_start(&scenario, Medium::File).await;
    // A second connection, as another process would have.
    let other = Store::open(&daemon.config.store).await.unwrap();
    let mut now = scenario.start;
    while now < scenario.end {
        let ticks = [daemon.store.clone(), other.clone()].map(|store| {
            let planner = daemon.planner.clone();
            tokio::spawn(async move { planner.tick(&store, utc(now)).await })
        });
        for tick in ticks {
            tick.await.unwrap().unwrap();
        }
        daemon.deliver(now).await;
        now = daemon.wait(&scheduled, now).await;
    }
    let found = daemon.outcome().await;
    if let Some(difference) = report::diff(&scenario, &expected(&scenario), &found, 6) {
        panic!("{difference}");
    }
    assert_eq!(found.mails.len(), daemon.accepted.len(), "a mail twice");
}
