//! Claims take the most urgent mails first, of each domain no more than its bound, and cost what
//! they take.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use jetond::store::Store;
use jetond::store::outbox::{Bounds, Wanted};
use jetond::store::plan::NewMail;
use jetond::store::settle::{Entered, Settled, Settlement};
use proptest::prelude::*;

use crate::support::daemon::at;

/// A mail to be: its urgency, how many seconds ago its time came, its domain.
type Due = (i64, i64, u8);

fn domain(n: u8) -> String {
    format!("agence-{n}.example")
}

fn mails() -> impl Strategy<Value = Vec<Due>> {
    // More than are read at once, of few domains, at few instants; some are not due yet.
    let one = (0_i64..4, -2_i64..5, 0_u8..5);
    prop::collection::vec(one, 0..900)
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let few = || prop_oneof![Just(0_u32), 0_u32..9, 100_u32..400];
    let named = prop::collection::hash_map((0_u8..6).prop_map(domain), few(), 0..4);
    (prop::option::of(few()), named).prop_map(|(default, by_domain)| Bounds { default, by_domain })
}

async fn store_with(mails: &[Due], now: DateTime<Utc>) -> Store {
    let store = Store::in_memory().await.unwrap();
    let rows: Vec<NewMail> = (1_i64..)
        .zip(mails)
        .map(|(no, (urgency, ago, of))| NewMail {
            no,
            message_id: format!("{no}@ville.example"),
            recipient: format!("p{no}@{}", domain(*of)),
            address: format!("p{no}@{}", domain(*of)),
            urgency: *urgency,
            next_at: (now - Duration::seconds(*ago)).timestamp(),
        })
        .collect();
    let mut tx = store.begin().await.unwrap();
    tx.insert_mails(&rows, now).await.unwrap();
    tx.commit().await.unwrap();
    store
}

/// The same by looking at every mail.
fn expected(mails: &[Due], bounds: &Bounds, limit: usize) -> Vec<i64> {
    let mut due: Vec<(i64, i64, i64, String)> = (1_i64..)
        .zip(mails)
        .filter(|(_, (_, ago, _))| *ago >= 0)
        .map(|(no, (urgency, ago, of))| (*urgency, -ago, no, domain(*of)))
        .collect();
    due.sort();
    let mut taken: HashMap<String, u32> = HashMap::new();
    let may = due.into_iter().filter(|(.., of)| {
        let bound = bounds.by_domain.get(of).copied().or(bounds.default);
        let taken = taken.entry(of.clone()).or_default();
        *taken += 1;
        bound.is_none_or(|bound| *taken <= bound)
    });
    may.take(limit).map(|(_, _, no, _)| no).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_claim_takes_what_looking_at_every_mail_would(
        mails in mails(), bounds in bounds(), limit in prop_oneof![0_usize..12, 200..700_usize],
    ) {
        let now = at("2026-11-16T09:00:00Z");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = store_with(&mails, now).await;
            let most = i64::try_from(limit).unwrap();
            let claimed = store.claim(Wanted::All, now, most, &bounds).await.unwrap();
            let rows: Vec<i64> = claimed.iter().map(|m| m.no).collect();
            assert_eq!(rows, expected(&mails, &bounds, limit));
            for mail in &claimed {
                assert!(mail.address.ends_with(&format!("@{}", mail.domain)), "{mail:?}");
            }
            // What is left waits: the rest leaves once nothing is bounded.
            let all = expected(&mails, &Bounds::default(), usize::MAX);
            let rest = store.claim(Wanted::All, now, 10_000, &Bounds::default()).await.unwrap();
            assert_eq!(rest.len() + rows.len(), all.len());
            let both: HashSet<i64> = rest.iter().map(|m| m.no).chain(rows).collect();
            assert_eq!(both.len(), all.len());
        });
    }
}

#[tokio::test]
async fn what_went_out_or_may_have_is_counted_by_domain_and_what_was_put_off_is_not() {
    let now = at("2026-11-16T09:00:00Z");
    let store = store_with(&[(90, 0, 0), (90, 0, 0), (90, 0, 1), (90, 0, 2)], now).await;
    let claimed = store
        .claim(Wanted::All, now, 10, &Bounds::default())
        .await
        .unwrap();
    let outcomes = [
        Settlement::Sent {
            subject: String::new(),
            body: None,
        },
        Settlement::InDoubt {
            next_at: now + Duration::minutes(30),
        },
        Settlement::Deferred {
            next_at: now + Duration::minutes(5),
        },
        Settlement::Refused,
    ];
    let settled: Vec<Settled> = claimed
        .iter()
        .zip(outcomes)
        .map(|(mail, outcome)| Settled {
            mail: mail.no,
            fence: mail.fence,
            outcome,
            entered: Entered::No,
            reply: String::new(),
        })
        .collect();
    store.settle(&settled, &[], now).await.unwrap();
    let minute_ago = now - Duration::minutes(1);
    assert_eq!(store.used_since(minute_ago).await.unwrap(), 2);
    let by_domain = store.used_by_domain_since(minute_ago).await.unwrap();
    assert_eq!(by_domain, HashMap::from([(domain(0), 2)]));
    assert_eq!(store.used_since(now).await.unwrap(), 0, "the window slides");
}
