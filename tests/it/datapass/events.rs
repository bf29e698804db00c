//! Events drawn at random, and shuffled with duplicates: what a day of retries looks like.

use chrono::{DateTime, Utc};
use jetond::domain::address::Address;
use jetond::domain::datapass::{Contact, Event, Kind};
use jetond::domain::token::{DatapassId, Role};
use proptest::prelude::*;

/// The number that they all are about.
pub(super) const NUMBER: &str = "9001";

/// Seconds after [`start`] within which events fire; few, so that some share theirs.
pub(super) const SPAN: i64 = 12;

/// Before the first event.
pub(super) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap()
}

fn kind() -> impl Strategy<Value = Kind> {
    let words = [
        "create",
        "update",
        "transfer",
        "submit",
        "approve",
        "refuse",
        "request_changes",
        "revoke",
        "archive",
        "reopen",
        "cancel_reopening",
        "notify",
    ];
    proptest::sample::select(words.to_vec()).prop_map(|w| Kind::parse(w).unwrap())
}

fn contact() -> impl Strategy<Value = Contact> {
    let roles = vec![Role::Demandeur, Role::Metier, Role::Technique];
    (
        proptest::sample::select(roles),
        0..4_u8,
        proptest::option::of("[A-C]"),
    )
        .prop_map(|(role, who, name)| Contact {
            role,
            address: Some(Address::parse(&format!("p{who}@ville.example")).unwrap()),
            name,
        })
}

fn event() -> impl Strategy<Value = Event> {
    let people = proptest::collection::vec(contact(), 0..3);
    (kind(), 0..SPAN, proptest::option::of("[x-z]"), people).prop_map(|(kind, at, name, people)| {
        Event {
            number: DatapassId::parse(NUMBER).unwrap(),
            kind,
            fired_at: start() + chrono::Duration::seconds(at),
            name,
            siret: None,
            scopes: None,
            people,
        }
    })
}

/// Two deliveries of the same events: each in an order of its own, some of them twice.
pub(super) fn two_deliveries(most: usize) -> impl Strategy<Value = [Vec<Event>; 2]> {
    proptest::collection::vec(event(), 1..most).prop_flat_map(|events| {
        let again = proptest::sample::subsequence(events.clone(), 0..=events.len());
        let once = move |again: Vec<Event>| [events.clone(), again].concat();
        let one = again.prop_map(once);
        (one.clone().prop_shuffle(), one.prop_shuffle()).prop_map(|(a, b)| [a, b])
    })
}
