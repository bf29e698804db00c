//! Doubts are counted truly: whatever happens to a mail, no more than three copies of it may have
//! been accepted, and its bytes stay as long as one may have been.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::body::Body;
use jetond::domain::retry::{self, DOUBT_REPEATS};
use jetond::store::Store;
use jetond::store::outbox::{Bounds, Claimed, Doubt, MailState, Wanted};
use jetond::store::settle::{Entered, NewNote, Settled, Settlement};
use proptest::prelude::*;

use crate::support::daemon::at;

/// What becomes of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Sent,
    Deferred,
    Refused,
    Parked,
    Failed,
    Returned,
    InDoubt,
    /// The sender dies before it records anything.
    Death,
    /// The sender falls silent for longer than its claim holds, and its answer is void.
    Silence,
}

fn attempts() -> impl Strategy<Value = Vec<(Entered, End)>> {
    let entered = prop_oneof![3 => Just(Entered::Yes), 1 => Just(Entered::No)];
    let end = prop_oneof![
        1 => Just(End::Sent),
        4 => Just(End::Deferred),
        1 => Just(End::Refused),
        1 => Just(End::Parked),
        1 => Just(End::Failed),
        4 => Just(End::Returned),
        4 => Just(End::InDoubt),
        2 => Just(End::Death),
        1 => Just(End::Silence),
    ];
    prop::collection::vec((entered, end), 1..24)
}

/// A store with one mail.
async fn store_with_a_mail(place: &std::path::Path, now: DateTime<Utc>) -> Store {
    let store = Store::open(&place.join("jetond.db")).await.unwrap();
    let note = NewNote {
        kind: "note_test",
        cause: String::new(),
        recipient: "dsi@ville.example".to_owned(),
        address: "dsi@ville.example".to_owned(),
        message_id: "1@ville.example".to_owned(),
        words: "{}".to_owned(),
        next_at: now,
    };
    store.settle(&[], &[note], now).await.unwrap();
    store
}

/// Records the outcome of an attempt; answers whether a copy may have been accepted by it.
async fn record(
    store: &Store,
    mail: &Claimed,
    attempt: (Entered, End),
    now: DateTime<Utc>,
) -> bool {
    let (entered, end) = attempt;
    let next_at = now + retry::DOUBT_PATIENCE;
    let outcome = match end {
        End::Sent => Settlement::Sent {
            subject: "test".to_owned(),
            body: None,
        },
        End::Deferred => Settlement::Deferred { next_at },
        End::Refused => Settlement::Refused,
        End::Parked => Settlement::Parked,
        End::Failed => Settlement::Failed,
        End::Returned => Settlement::Returned { next_at },
        // Without the commit there was no dot of which to doubt.
        End::InDoubt if entered == Entered::No => Settlement::Returned { next_at },
        End::InDoubt => match retry::after_doubt(mail.doubts + 1, now) {
            Some(next_at) => Settlement::InDoubt { next_at },
            None => Settlement::StuckInDoubt,
        },
        End::Death => {
            store.void_claims(now).await.unwrap();
            return entered == Entered::Yes;
        }
        End::Silence => return entered == Entered::Yes,
    };
    let settled = Settled {
        mail: mail.no,
        fence: mail.fence,
        outcome,
        entered,
        reply: "as the test says".to_owned(),
    };
    store.settle(&[settled], &[], now).await.unwrap();
    entered == Entered::Yes && matches!(end, End::Sent | End::InDoubt)
}

async fn live(attempts: &[(Entered, End)]) {
    let place = tempfile::tempdir().unwrap();
    let mut now = at("2026-11-16T09:00:00Z");
    let store = store_with_a_mail(place.path(), now).await;
    let (mut copies, mut bytes, mut counted) = (0_u32, None, false);
    for (n, attempt) in attempts.iter().enumerate() {
        now += retry::DOUBT_PATIENCE + Duration::minutes(1);
        let claimed = store
            .claim(Wanted::All, now, 10, &Bounds::default())
            .await
            .unwrap();
        let Some(mail) = claimed.first() else {
            let (row, _) = store.mail(1).await.unwrap().unwrap();
            assert!(!row.state.is_open(), "an open mail is taken up: {row:?}");
            break;
        };
        assert_eq!(mail.doubts, copies, "as many doubts as copies");
        let in_flight = mail.content.as_ref().map(|c| c.bytes.clone());
        assert_eq!(in_flight, bytes.clone().filter(|_| copies > 0));
        let used = store.used_since(now - Duration::days(2)).await.unwrap();
        assert_eq!(used == 1, counted, "it counts while a copy may be there");
        if mail.doubts > DOUBT_REPEATS {
            let parked = (Entered::No, End::Parked);
            assert!(!record(&store, mail, parked, now).await);
            continue;
        }
        if attempt.0 == Entered::Yes {
            let content = format!("attempt {n}").into_bytes();
            let doubt = Doubt {
                mail: mail.no,
                fence: mail.fence,
                content: Body::Whole(content.clone()),
                carried: 0,
            };
            assert_eq!(store.enter_doubt(&[doubt], now).await.unwrap(), [true]);
            bytes = Some(content);
        }
        copies += u32::from(record(&store, mail, *attempt, now).await);
        counted = copies > 0 || attempt.1 == End::Sent;
        assert!(copies <= 3, "{copies} copies");
        let (row, _) = store.mail(1).await.unwrap().unwrap();
        let used = store.used_since(now - Duration::days(2)).await.unwrap();
        assert_eq!(used == 1, counted, "{row:?}");
        match row.state {
            MailState::Queued | MailState::Deferred => assert_eq!(copies, 0, "{row:?}"),
            MailState::InDoubt => assert!(copies > 0, "{row:?}"),
            MailState::Claimed => assert_eq!(attempt.1, End::Silence),
            MailState::Sent => assert_eq!(attempt.1, End::Sent),
            MailState::Refused | MailState::Parked | MailState::Failed => {}
            MailState::Held | MailState::Cancelled => panic!("{row:?}"),
        }
    }
    if copies > 0 {
        assert_eq!(store.body(1).await.unwrap(), bytes);
    }
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_more_than_three_copies_may_have_been_accepted(attempts in attempts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(&attempts));
    }
}

#[tokio::test]
async fn a_refusal_for_now_of_a_mail_in_doubt_allows_no_fourth_copy() {
    use End::{Deferred, InDoubt};
    let entered = |end| (Entered::Yes, end);
    live(&[
        entered(InDoubt),
        entered(Deferred),
        entered(InDoubt),
        entered(Deferred),
        (Entered::No, Deferred),
        entered(InDoubt),
        entered(InDoubt),
    ])
    .await;
}
