//! The process dies at every seam between its steps, at random, and another one goes on.

use std::collections::{BTreeMap, BTreeSet};

use jetond::domain::body::Body;
use jetond::store::outbox::Doubt;

use crate::oracle::life::{Mail, expected, interesting};
use crate::oracle::random::Dice;
use crate::oracle::report;
use crate::oracle::scenario::Scenario;
use crate::whole_life::drive::{Daemon, Medium, utc, without_mails};

/// Out of a hundred chances to die.
const DEATHS: i64 = 15;

/// The copies of each mail that was accepted more than once.
fn repeated(daemon: &Daemon<'_>) -> BTreeMap<String, Vec<Mail>> {
    let mut copies: BTreeMap<String, Vec<Mail>> = BTreeMap::new();
    for (id, mail) in &daemon.accepted {
        copies.entry(id.clone()).or_default().push(mail.clone());
    }
    copies.retain(|_, mails| mails.len() > 1);
    copies
}

#[tokio::test]
async fn a_crash_between_any_two_steps_loses_nothing_and_repeats_what_was_claimed() {
    for seed in [40, 41] {
        let scenario = Scenario::random(seed, 12, 12);
        let scheduled = interesting(&scenario, &scenario.hours());
        let mut dice = Dice(seed);
        let mut daemon = Daemon::first_start(&scenario, Medium::File).await;
        let mut in_flight: BTreeSet<String> = BTreeSet::new();
        let mut now = scenario.start;
        while now < scenario.end {
            daemon.tick(now).await;
            if dice.happens(1) {
                daemon.crash_and_start_again(now).await;
            }
            loop {
                let batch = daemon.take_up(now).await;
                if batch.claimed() == 0 {
                    break;
                }
                if dice.happens(DEATHS) {
                    daemon.crash_and_start_again(now).await;
                    continue;
                }
                daemon.accept(&batch, now);
                if dice.happens(DEATHS) {
                    in_flight.extend(batch.ready.iter().map(|r| r.mail.message_id.clone()));
                    daemon.crash_and_start_again(now).await;
                    continue;
                }
                daemon.settle(batch, now).await;
            }
            now = daemon.wait(&scheduled, now).await;
        }
        let found = daemon.outcome().await;
        if let Some(difference) = report::diff(&scenario, &expected(&scenario), &found, 6) {
            panic!("seed {seed}\n{difference}");
        }
        let repeated = repeated(&daemon);
        assert!(!repeated.is_empty(), "nothing was in flight at any crash");
        for (id, copies) in repeated {
            assert!(in_flight.contains(&id), "{id} was repeated without a crash");
            assert!(copies.windows(2).all(|w| w[0] == w[1]), "{copies:?}");
        }
    }
}

#[tokio::test]
async fn what_was_in_doubt_comes_again_once_with_the_same_id_and_bytes() {
    let mut scenario = Scenario::random(44, 12, 12);
    scenario.edits.clear();
    scenario.outages.clear();
    let scheduled = interesting(&scenario, &scenario.hours());
    let mut dice = Dice(44);
    let mut daemon = Daemon::first_start(&scenario, Medium::File).await;
    let mut in_doubt: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut now = scenario.start;
    while now < scenario.end {
        daemon.tick(now).await;
        loop {
            let mut batch = daemon.take_up(now).await;
            if batch.claimed() == 0 {
                break;
            }
            for ready in &batch.ready {
                let content = ready.mail.content.as_ref().map(|c| &c.bytes);
                assert_eq!(content, in_doubt.get(&ready.mail.message_id));
            }
            let is_first = batch.ready.iter().all(|r| r.mail.doubts == 0);
            if is_first && dice.happens(DEATHS) {
                let doubts: Vec<Doubt> = batch
                    .ready
                    .iter()
                    .map(|r| Doubt {
                        mail: r.mail.no,
                        fence: r.mail.fence,
                        content: Body::Whole(
                            format!("the bytes of {}", r.mail.message_id).into_bytes(),
                        ),
                        carried: i64::try_from(batch.matter.carried(r.mail.no).len()).unwrap(),
                    })
                    .collect();
                let may_leave = daemon.store.enter_doubt(&doubts, utc(now)).await.unwrap();
                assert!(may_leave.iter().all(|may| *may));
                for (ready, doubt) in batch.ready.iter().zip(doubts) {
                    let bytes = doubt.content.bytes().unwrap();
                    in_doubt.insert(ready.mail.message_id.clone(), bytes);
                }
                // Half of the dots were written before the process died.
                let written = batch.ready.len().div_ceil(2);
                batch.ready.truncate(written);
                daemon.accept(&batch, now);
                daemon.crash_and_start_again(now).await;
                continue;
            }
            daemon.accept(&batch, now);
            daemon.settle(batch, now).await;
        }
        now = daemon.wait(&scheduled, now).await;
    }
    let (wanted, found) = (expected(&scenario), daemon.outcome().await);
    // A doubt moves mails by half an hour, never their fate.
    let fates = [&wanted, &found].map(without_mails);
    assert_eq!(report::diff(&scenario, &fates[0], &fates[1], 6), None);
    let repeated = repeated(&daemon);
    assert!(!repeated.is_empty(), "nothing was in doubt at any crash");
    for (id, copies) in repeated {
        assert!(in_doubt.contains_key(&id) && copies.len() == 2, "{id}");
        assert_eq!(copies[0].notices, copies[1].notices);
        assert!(copies[1].at >= copies[0].at + 1800);
    }
}
