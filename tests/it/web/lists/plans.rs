//! What a page costs follows what it shows: how SQLite finds the first page of each list.

use jetond::domain::calendar::Calendar;
use jetond::store::Store;
use jetond::store::board::mails::{Fate, MailFilter};
use jetond::store::board::tokens::{Standing, Today, TokenFilter, TokenOrder};
use jetond::store::outbox::MailState;

use super::{PRESENT, lived_in};

fn has(plan: &[String], words: &str) -> bool {
    plan.iter().any(|step| step.contains(words))
}

async fn tokens(store: &Store, calendar: &Calendar, standing: Standing) -> Vec<String> {
    let filter = TokenFilter {
        standing,
        ..TokenFilter::default()
    };
    let today = Today::at(calendar, PRESENT());
    store
        .plan_of_tokens(&filter, TokenOrder::Expiry, &today)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_a_list_ends_with_the_page() {
    let (board, _server) = lived_in().await;
    let (store, calendar) = (board.town.store(), &board.town.config().calendar);
    for standing in [Standing::Active, Standing::All, Standing::Archived] {
        let plan = tokens(store, calendar, standing).await;
        let ends = "SCAN p USING COVERING INDEX period_end";
        assert!(has(&plan, ends), "{plan:?}");
        let states = "SEARCH t USING COVERING INDEX token_state";
        assert!(has(&plan, states), "{plan:?}");
        assert!(!has(&plan, "TEMP B-TREE"), "{plan:?}");
    }
    // By how near their end is they are found, not only sorted.
    for standing in [Standing::Expired, Standing::Urgent, Standing::ToRenew] {
        let plan = tokens(store, calendar, standing).await;
        assert!(
            has(&plan, "SEARCH p USING COVERING INDEX period_end (expires"),
            "{plan:?}"
        );
        assert!(!has(&plan, "SCAN"), "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_is_found_among_any_number_of_mails() {
    let (board, _server) = lived_in().await;
    let store = board.town.store();
    let plan = async |fate, recipient: Option<&str>| {
        let filter = MailFilter {
            fate,
            recipient: recipient.map(str::to_owned),
            ..MailFilter::default()
        };
        store.plan_of_mails(&filter).await.unwrap()
    };
    let unfinished = plan(Fate::Unfinished, None).await;
    assert!(has(&unfinished, "mail_due"), "{unfinished:?}");
    assert!(has(&unfinished, "mail_stuck"), "{unfinished:?}");
    for state in [MailState::Refused, MailState::Parked, MailState::Failed] {
        let stuck = plan(Fate::In(state), None).await;
        assert!(has(&stuck, "mail_stuck"), "{stuck:?}");
    }
    for state in [MailState::Held, MailState::Deferred] {
        let open = plan(Fate::In(state), None).await;
        assert!(has(&open, "mail_due"), "{open:?}");
    }
    for fate in [Fate::All, Fate::In(MailState::Sent)] {
        let latest = plan(fate, None).await;
        assert!(!has(&latest, "TEMP B-TREE"), "{latest:?}");
        let theirs = plan(fate, Some("c.martin@ville.example")).await;
        assert!(has(&theirs, "mail_recipient"), "{theirs:?}");
    }
}
