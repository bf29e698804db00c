//! What Data Pass says happened to a request: one event, with the fields that are used of it.
//!
//! Events arrive twice, late and in any order. What they mean together is their [`fold`]; what
//! that changes of a token, against what people and the file said, is decided in [`merge`].

pub mod fold;
pub mod merge;

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::domain::address::Address;
use crate::domain::token::{DatapassId, Role, Siret};

/// What happened, in the order in which two events of one second count: what ends a matter
/// comes after what opens it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A request was begun.
    Create,
    /// It was changed.
    Update,
    /// It has another applicant.
    Transfer,
    /// A decided request is being filled in again.
    Reopen,
    /// It was filed.
    Submit,
    /// The instructor wants changes.
    RequestChanges,
    /// It was refused; after a reopening the old authorization stays valid.
    Refuse,
    /// The reopening was given up.
    CancelReopening,
    /// It was approved (`validate` in the older format).
    Approve,
    /// The authorization was taken back.
    Revoke,
    /// The request was put away.
    Archive,
    /// An event that means nothing here; kept by its name.
    Other(String),
}

impl Kind {
    /// Those that mean something, by their word.
    const KNOWN: [(&'static str, Self); 11] = [
        ("create", Self::Create),
        ("update", Self::Update),
        ("transfer", Self::Transfer),
        ("reopen", Self::Reopen),
        ("submit", Self::Submit),
        ("request_changes", Self::RequestChanges),
        ("refuse", Self::Refuse),
        ("cancel_reopening", Self::CancelReopening),
        ("approve", Self::Approve),
        ("revoke", Self::Revoke),
        ("archive", Self::Archive),
    ];

    /// Reads the name of an event: up to 40 letters, digits, dots, dashes and underscores.
    /// `None`: it cannot be one.
    pub fn parse(written: &str) -> Option<Self> {
        let ok = !written.is_empty()
            && written.len() <= 40
            && written
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        let word = written.to_ascii_lowercase();
        if word == "validate" {
            return Some(Self::Approve);
        }
        let known = Self::KNOWN.into_iter().find(|(w, _)| *w == word);
        ok.then(|| known.map_or(Self::Other(word), |(_, kind)| kind))
    }

    /// The word of store, journal and JSON.
    pub fn word(&self) -> &str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Transfer => "transfer",
            Self::Reopen => "reopen",
            Self::Submit => "submit",
            Self::RequestChanges => "request_changes",
            Self::Refuse => "refuse",
            Self::CancelReopening => "cancel_reopening",
            Self::Approve => "approve",
            Self::Revoke => "revoke",
            Self::Archive => "archive",
            Self::Other(word) => word,
        }
    }
}

/// Someone whom a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// What they are to it.
    pub role: Role,
    /// Their address; `None`: they were forgotten, and only that there was someone is known.
    pub address: Option<Address>,
    /// Their name.
    pub name: Option<String>,
}

/// One event, with the fields that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The number of the request (`model_id`).
    pub number: DatapassId,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub fired_at: DateTime<Utc>,
    /// What the request is called (*intitulé*).
    pub name: Option<String>,
    /// The SIRET of the body that makes it.
    pub siret: Option<Siret>,
    /// What it asks for.
    pub scopes: Option<Vec<String>>,
    /// Applicant and contacts.
    pub people: Vec<Contact>,
}

impl Event {
    /// The order in which events count: by `fired_at`, then by what happened. Two that share
    /// both are one event; where they differ all the same, the rest decides, so that no order of
    /// arrival does.
    pub fn order(&self, other: &Self) -> Ordering {
        let rest = |e: &Self| {
            let people: Vec<_> = e
                .people
                .iter()
                .map(|c| {
                    let key = c.address.as_ref().map(Address::key);
                    (c.role.word(), key, c.name.clone())
                })
                .collect();
            let siret = e.siret.as_ref().map(|s| s.as_str().to_owned());
            (e.name.clone(), siret, e.scopes.clone(), people)
        };
        self.fired_at
            .cmp(&other.fired_at)
            .then_with(|| self.kind.cmp(&other.kind))
            .then_with(|| rest(self).cmp(&rest(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_from_its_word() {
        for (word, kind) in Kind::KNOWN {
            assert_eq!(Kind::parse(word), Some(kind.clone()));
            assert_eq!(kind.word(), word);
        }
        assert_eq!(Kind::parse("validate"), Some(Kind::Approve));
        assert_eq!(
            Kind::parse("Notify").unwrap().word(),
            "notify",
            "kept by its name"
        );
        for no in ["", "a b", "é", "<script>", &"x".repeat(41)] {
            assert_eq!(Kind::parse(no), None, "{no}");
        }
    }
}
