//! What the events of one request mean together, whatever the order in which they arrived.
//!
//! Each matter has its last word: the filing, the approval, the standing of the authorization,
//! the people of each role. An event that comes late changes only what no later one spoke of.

use chrono::{DateTime, Utc};

use crate::domain::address::Address;
use crate::domain::datapass::{Contact, Event, Kind};
use crate::domain::token::{Role, Siret};

/// Something that was said, and when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<T> {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub what: T,
}

/// Where the filing of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filing {
    /// It is with the instructor.
    Filed,
    /// The instructor wants changes.
    ChangesRequested,
    /// It was refused.
    Refused,
    /// It was given up, or the authorization ended.
    Withdrawn,
    /// It was approved.
    Approved,
}

/// Whether the authorization holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was approved after whatever ended it.
    Valid,
    /// It was revoked.
    Revoked,
    /// The request was archived.
    Archived,
}

/// What the events mean together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    /// The last word about the filing.
    pub filing: Option<Word<Filing>>,
    /// The last approval.
    pub approved: Option<DateTime<Utc>>,
    /// The last word about the authorization.
    pub standing: Option<Word<Standing>>,
    /// The people whom the last event that names anyone of their role names.
    pub people: Vec<Word<Contact>>,
    /// The last name.
    pub name: Option<String>,
    /// The last SIRET.
    pub siret: Option<Siret>,
    /// The last scopes.
    pub scopes: Option<Vec<String>>,
    /// The last event.
    pub last: Option<Word<Kind>>,
}

/// Folds the events of one request, in whatever order they are given, duplicates included.
pub fn fold(events: &[Event]) -> Fold {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by(|a, b| a.order(b));
    let mut fold = Fold::default();
    for event in events {
        fold.take(event);
    }
    fold
}

impl Fold {
    fn take(&mut self, event: &Event) {
        let at = event.fired_at;
        if let Some(what) = filing(&event.kind) {
            self.filing = Some(Word { at, what });
        }
        if let Some(what) = standing(&event.kind) {
            self.standing = Some(Word { at, what });
        }
        if event.kind == Kind::Approve {
            self.approved = Some(at);
        }
        for role in Role::ALL {
            let named: Vec<&Contact> = event.people.iter().filter(|c| c.role == role).collect();
            if !named.is_empty() {
                self.people.retain(|w| w.what.role != role);
                self.people.extend(named.into_iter().map(|c| Word {
                    at,
                    what: c.clone(),
                }));
            }
        }
        if event.name.is_some() {
            self.name.clone_from(&event.name);
        }
        if event.siret.is_some() {
            self.siret.clone_from(&event.siret);
        }
        if event.scopes.is_some() {
            self.scopes.clone_from(&event.scopes);
        }
        self.last = Some(Word {
            at,
            what: event.kind.clone(),
        });
    }

    /// The people to be told, by key: each once, as the first of their roles; those who were
    /// forgotten are nobody. `counts` says whether it still counts that someone was named then.
    pub fn told(&self, counts: impl Fn(&str, DateTime<Utc>) -> bool) -> Vec<(String, &Contact)> {
        let mut told: Vec<(String, &Contact)> = Vec::new();
        for role in Role::ALL {
            for word in self.people.iter().filter(|w| w.what.role == role) {
                if let Some(key) = word.what.address.as_ref().map(Address::key)
                    && told.iter().all(|(k, _)| *k != key)
                    && counts(&key, word.at)
                {
                    told.push((key, &word.what));
                }
            }
        }
        told
    }

    /// Whether someone whom the request names was forgotten: then who is missing from it is
    /// not known.
    pub fn has_forgotten(&self) -> bool {
        self.people.iter().any(|w| w.what.address.is_none())
    }
}

/// What an event says of the filing.
fn filing(kind: &Kind) -> Option<Filing> {
    match kind {
        Kind::Submit => Some(Filing::Filed),
        Kind::RequestChanges => Some(Filing::ChangesRequested),
        Kind::Refuse => Some(Filing::Refused),
        Kind::Approve => Some(Filing::Approved),
        Kind::CancelReopening | Kind::Revoke | Kind::Archive => Some(Filing::Withdrawn),
        // A request that is filled in again is not filed yet, and one that is filed may be
        // changed or handed over.
        Kind::Create | Kind::Update | Kind::Transfer | Kind::Reopen | Kind::Other(_) => None,
    }
}

/// What an event says of the authorization. A refusal says nothing: during a reopening the old
/// one stays valid, and before the first approval there is none.
fn standing(kind: &Kind) -> Option<Standing> {
    match kind {
        Kind::Approve => Some(Standing::Valid),
        Kind::Revoke => Some(Standing::Revoked),
        Kind::Archive => Some(Standing::Archived),
        Kind::Create
        | Kind::Update
        | Kind::Transfer
        | Kind::Reopen
        | Kind::Submit
        | Kind::RequestChanges
        | Kind::Refuse
        | Kind::CancelReopening
        | Kind::Other(_) => None,
    }
}
