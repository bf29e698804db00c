//! The fold of the events and what it changes, without a store: the order in which they arrive
//! is worth nothing, and the last word counts, whoever's it is.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use jetond::domain::calendar::{Calendar, Days, Window};
use jetond::domain::datapass::fold::fold;
use jetond::domain::datapass::merge::{
    Act, Alone, Known, OnApprove, Recorded, Said, Speaker, Terms, Told, acts, is_news,
};
use jetond::domain::datapass::{Event, Kind};
use jetond::domain::lifecycle::State;
use jetond::domain::token::{DatapassId, Role};
use proptest::prelude::*;

use super::events::{NUMBER, SPAN, start, two_deliveries};

const DATA_PASS: Speaker = Speaker::DataPass;

/// A token before anything is heard of it; what a person did then counts from `said`.
fn token(said: Option<DateTime<Utc>>) -> Recorded {
    let said = said.map(|at| Said {
        by: Speaker::Other,
        at,
    });
    Recorded {
        state: State::Active,
        state_said: said,
        filed_at: None,
        filing_said: said,
        issued: None,
        expires: start() + Duration::days(30),
        dates_said: said,
        people: vec![Known {
            key: "p0@ville.example".to_owned(),
            by: Speaker::Other,
            contact: (Role::Observer, None),
            told: said.map_or(Told::Yes, |_| Told::No),
            taken_off: said.map(|s| s.at),
        }],
        alone: Alone::Yes,
    }
}

fn calendar() -> Calendar {
    Calendar {
        tz: chrono_tz::Europe::Paris,
        window: Window::parse("09:00-18:00").unwrap(),
        days: Days::Any,
        opens: None,
    }
}

/// A renewal lasts three months here.
fn terms(calendar: &Calendar, on_approve: OnApprove) -> Terms<'_> {
    Terms {
        on_approve,
        calendar,
        validity_months: 3,
    }
}

fn until(issued: DateTime<Utc>) -> DateTime<Utc> {
    terms(&calendar(), OnApprove::Renew).until(issued)
}

/// Carries out what was decided, as the verbs do.
fn apply(record: &mut Recorded, acts: Vec<Act>, now: DateTime<Utc>) {
    let said = Said {
        by: DATA_PASS,
        at: now,
    };
    for act in acts {
        match act {
            Act::Restore => (record.state, record.state_said) = (State::Active, Some(said)),
            Act::Revoke => (record.state, record.state_said) = (State::Revoked, Some(said)),
            Act::Archive => (record.state, record.state_said) = (State::Archived, Some(said)),
            Act::File(at) => (record.filed_at, record.filing_said) = (Some(at), Some(said)),
            Act::Unfile(_) => (record.filed_at, record.filing_said) = (None, Some(said)),
            Act::Renew { expires, .. } => {
                assert!(expires > record.expires, "never shortened");
                (record.expires, record.dates_said) = (expires, Some(said));
                (record.filed_at, record.filing_said) = (None, Some(said));
            }
            Act::Tell(contact) => {
                let key = contact.address.as_ref().unwrap().key();
                let before = record.people.iter().position(|k| k.key == key);
                let before = before.map(|at| record.people.remove(at));
                record.people.push(Known {
                    key,
                    by: DATA_PASS,
                    contact: (contact.role, contact.name),
                    told: Told::Yes,
                    taken_off: before.and_then(|k| k.taken_off),
                });
            }
            Act::Leave(key) => {
                let gone = record.people.iter_mut().find(|k| k.key == key);
                let gone = gone.expect("only who is told can leave");
                assert_eq!(gone.by, DATA_PASS, "the file's people stay");
                gone.told = Told::No;
            }
        }
    }
}

/// What of a record counts: of what is not watched, only that.
fn state(record: &Recorded) -> impl PartialEq + std::fmt::Debug {
    let told: BTreeMap<_, _> = record
        .people
        .iter()
        .filter(|k| k.told == Told::Yes)
        .map(|k| {
            (
                k.key.clone(),
                (k.by == DATA_PASS).then(|| (k.contact.0.word(), k.contact.1.clone())),
            )
        })
        .collect();
    let watched = (record.state == State::Active).then_some((record.filed_at, record.expires));
    (record.state, watched, told)
}

/// The record after a delivery, event by event, each folded with those before it.
fn after(delivery: &[Event], on_approve: OnApprove, said: Option<DateTime<Utc>>) -> Recorded {
    let mut record = token(said);
    let calendar = calendar();
    let terms = terms(&calendar, on_approve);
    for n in 1..=delivery.len() {
        let now = start() + Duration::days(1) + Duration::seconds(i64::try_from(n).unwrap());
        let decided = acts(&fold(&delivery[..n]), &record, &terms);
        apply(&mut record, decided, now);
        let again = acts(&fold(&delivery[..n]), &record, &terms);
        assert_eq!(again, [], "what was done is not done again");
    }
    record
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_events_in_any_order_end_in_the_same_state(
        [one, other] in two_deliveries(9),
        renew in any::<bool>(),
        person in proptest::option::of(0..SPAN),
    ) {
        prop_assert_eq!(fold(&one), fold(&other));
        let on_approve = if renew { OnApprove::Renew } else { OnApprove::Ask };
        let said = person.map(|s| start() + Duration::seconds(s));
        let (a, b) = (after(&one, on_approve, said), after(&other, on_approve, said));
        prop_assert_eq!(state(&a), state(&b));
    }
}

fn at(second: i64) -> DateTime<Utc> {
    start() + Duration::seconds(second)
}

fn event(word: &str, second: i64) -> Event {
    Event {
        number: DatapassId::parse(NUMBER).unwrap(),
        kind: Kind::parse(word).unwrap(),
        fired_at: at(second),
        name: None,
        siret: None,
        scopes: None,
        people: Vec::new(),
    }
}

fn decided(events: &[Event], record: &Recorded) -> Vec<Act> {
    acts(&fold(events), record, &terms(&calendar(), OnApprove::Renew))
}

#[test]
fn a_refusal_during_a_reopening_leaves_the_token_as_it_is() {
    let life = [event("approve", 0), event("reopen", 1), event("submit", 2)];
    let mut record = token(None);
    let filed = decided(&life, &record);
    apply(&mut record, filed, at(3));
    assert_eq!(
        (record.filed_at, record.expires),
        (Some(at(2)), until(at(0)))
    );
    let refused = [&life[..], &[event("refuse", 4)]].concat();
    let unfiled = decided(&refused, &record);
    apply(&mut record, unfiled, at(5));
    assert_eq!((record.filed_at, record.expires), (None, until(at(0))));
    assert_eq!(record.state, State::Active);
}

#[test]
fn what_a_person_did_after_an_event_is_not_undone_by_the_next_one() {
    let other = |second| {
        Some(Said {
            by: Speaker::Other,
            at: at(second),
        })
    };
    // Restored after the revocation, taken out of "filed" after the submission, dated after the
    // approval: an update that comes later changes none of it.
    let mut record = token(None);
    (record.state_said, record.filing_said) = (other(5), other(5));
    record.dates_said = other(5);
    for word in ["revoke", "archive", "submit", "approve"] {
        let events = [event(word, 4), event("update", 6)];
        assert_eq!(decided(&events, &record), [], "{word}");
        let news = is_news(
            &fold(&events),
            &record,
            &events[0],
            &terms(&calendar(), OnApprove::Ask),
        );
        assert!(!news, "{word} is no news any more");
        // The same second counts for the person; a later event counts.
        assert_eq!(decided(&[event(word, 5)], &record), [], "{word}");
        assert_ne!(decided(&[event(word, 6)], &record), [], "{word}");
    }
    // What a person put away is not brought back by an approval.
    record.state = State::Archived;
    assert_eq!(decided(&[event("approve", 9)], &record), []);
}

#[test]
fn an_approval_never_shortens_and_never_guesses_which_token_it_renews() {
    let mut record = token(None);
    let days = |days: i64| days * 86_400;
    // The approval that made the token comes seconds or days after its own issue.
    record.expires = until(at(0));
    for second in [0, 7, days(1), days(29)] {
        assert_eq!(decided(&[event("approve", second)], &record), []);
    }
    let later = days(40);
    let renewed = [Act::Renew {
        issued: at(later),
        expires: until(at(later)),
    }];
    assert_eq!(decided(&[event("approve", later)], &record), renewed);
    // Nor does it where the token lasts less long than the rule says.
    record.expires = at(days(20));
    record.issued = Some(at(-7));
    assert_eq!(decided(&[event("approve", 0)], &record), []);
    assert_eq!(decided(&[event("approve", later)], &record), renewed);
    let mut record = token(None);
    record.alone = Alone::No;
    assert_eq!(decided(&[event("approve", 8)], &record), []);
    let approve = event("approve", 8);
    let is_news = |record: &Recorded, on_approve| {
        let folded = fold(std::slice::from_ref(&approve));
        is_news(&folded, record, &approve, &terms(&calendar(), on_approve))
    };
    assert!(
        is_news(&record, OnApprove::Renew),
        "somebody has to say which"
    );
    record.alone = Alone::Yes;
    assert!(!is_news(&record, OnApprove::Renew), "it renews by itself");
    assert!(is_news(&record, OnApprove::Ask));
    record.expires = until(at(8));
    assert!(
        !is_news(&record, OnApprove::Ask),
        "it is the present validity"
    );
}

#[test]
fn what_came_too_late_to_matter_is_no_news() {
    let record = token(None);
    let refuse = event("refuse", 2);
    let news = |events: &[Event]| {
        is_news(
            &fold(events),
            &record,
            &refuse,
            &terms(&calendar(), OnApprove::Ask),
        )
    };
    assert!(news(std::slice::from_ref(&refuse)));
    assert!(news(&[
        refuse.clone(),
        event("submit", 1),
        event("update", 3)
    ]));
    assert!(!news(&[refuse.clone(), event("submit", 3)]));
    assert!(!news(&[refuse.clone(), event("revoke", 3)]));
}
