//! The outbox by state, kind, recipient and token, against the record; and on whom tokens hang.

use jetond::store::board::Slice;
use jetond::store::board::mails::{Fate, MailFilter};
use jetond::store::board::people::{PersonFilter, Reachable};
use jetond::store::board::tokens::{Reach, Standing, Today, TokenFilter, TokenOrder};
use jetond::store::mailbook::MailRow;
use jetond::store::outbox::MailState;

use super::{PRESENT, lived_in};

const STATES: [MailState; 10] = [
    MailState::Queued,
    MailState::Claimed,
    MailState::InDoubt,
    MailState::Deferred,
    MailState::Held,
    MailState::Sent,
    MailState::Refused,
    MailState::Parked,
    MailState::Failed,
    MailState::Cancelled,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_of_mails_finds_what_the_record_has() {
    let (board, _server) = lived_in().await;
    let store = board.town.store();
    let all = board.town.mails().await;
    let marches = store.token("marches").await.unwrap().unwrap().no;
    let mut fates = vec![Fate::Unfinished, Fate::All];
    fates.extend(STATES.map(Fate::In));
    let mut found_some = 0;
    for fate in fates {
        for kind in [None, Some("reminder"), Some("note_refused")] {
            for recipient in [None, Some("c.martin@ville.example")] {
                for token in [None, Some(marches)] {
                    let filter = MailFilter {
                        fate,
                        kind: kind.map(str::to_owned),
                        recipient: recipient.map(str::to_owned),
                        token,
                    };
                    let fits = |m: &&MailRow| {
                        let fate = match fate {
                            Fate::All => true,
                            Fate::In(state) => m.state == state,
                            Fate::Unfinished => {
                                !matches!(m.state, MailState::Sent | MailState::Cancelled)
                            }
                        };
                        fate && kind.is_none_or(|k| m.kind == k)
                            && recipient.is_none_or(|r| m.address == r)
                            && (token.is_none() || m.notices.iter().any(|(t, _)| t == "marches"))
                    };
                    let mut expected: Vec<i64> = all.iter().filter(fits).map(|m| m.no).collect();
                    let mut found = Vec::new();
                    for from in (0..).step_by(3) {
                        let part = store
                            .find_mails(&filter, Slice { from, rows: 3 })
                            .await
                            .unwrap();
                        if part.is_empty() {
                            break;
                        }
                        found.extend(part);
                    }
                    let count = store.count_mails(&filter).await.unwrap();
                    assert_eq!(usize::try_from(count.rows).unwrap(), found.len());
                    assert!(!count.is_more);
                    if fate != Fate::Unfinished {
                        expected.reverse();
                        assert_eq!(found, expected, "{filter:?}");
                    }
                    // Every page row is the record's own.
                    let rows = store.mails_of(&found).await.unwrap();
                    for row in &rows {
                        assert!(all.contains(row), "{row:?}");
                    }
                    found.sort_unstable();
                    expected.sort_unstable();
                    assert_eq!(found, expected, "{filter:?}");
                    found_some += usize::from(!found.is_empty());
                }
            }
        }
    }
    assert!(found_some > 15, "{found_some}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_hang_on_the_one_person_who_can_be_reached() {
    let (board, _server) = lived_in().await;
    let store = board.town.store();
    let today = Today::at(&board.town.config().calendar, PRESENT());
    let ids = async |reach| {
        let filter = TokenFilter {
            standing: Standing::Active,
            reach: Some(reach),
            ..TokenFilter::default()
        };
        let all = Slice { from: 0, rows: 99 };
        let nos = store
            .find_tokens(&filter, TokenOrder::Expiry, &today, all)
            .await
            .unwrap();
        let listed = store.listed(&nos, &today).await.unwrap();
        listed.into_iter().map(|l| l.token.id).collect::<Vec<_>>()
    };
    // Two are told about `urbanisme`; of the three of `marches` one is refused, two remain.
    assert_eq!(ids(Reach::One).await, ["cantine", "aides", "taxe"]);
    assert_eq!(ids(Reach::Nobody).await, ["etat-civil"]);
    let page = board.page("/tokens?reach=nobody&lang=en").await;
    assert!(page.contains("urgent, nobody in reach"), "{page}");

    let refused = PersonFilter {
        reach: Reachable::No,
        ..PersonFilter::default()
    };
    let all = Slice { from: 0, rows: 99 };
    let keys = store.find_people(&refused, PRESENT(), all).await.unwrap();
    assert_eq!(keys, ["parti@ville.example"]);
    let everybody = PersonFilter::default();
    let keys = store.find_people(&everybody, PRESENT(), all).await.unwrap();
    assert_eq!(
        keys,
        [
            "c.martin@ville.example",
            "parti@ville.example",
            "tech@editeur.example"
        ]
    );
    let count = store.count_people(&everybody, PRESENT()).await.unwrap();
    assert_eq!(count.rows, 3);
    let people = store.people_of(&keys, PRESENT()).await.unwrap();
    let active: Vec<i64> = people.iter().map(|p| p.tokens).collect();
    // Camille: marches, cantine, urbanisme, aides; `ancien` is superseded.
    assert_eq!(active, [4, 2, 3]);
    assert!(people[0].accepted_at.is_some() && people[1].accepted_at.is_none());
    // `tech` is told from 30 days on, Camille from the first stage.
    assert_eq!(
        (people[2].from_stage, people[0].from_stage),
        (Some(30), None)
    );
}
