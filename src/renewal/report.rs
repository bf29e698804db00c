//! What a declaration changed of the record: which tokens, and by kind what of them.
//!
//! For the words that a reload, a start and a pass say. No value is kept, only its kind.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::declared::Facts;

/// What reconciliation changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Tokens declared for the first time.
    pub added: Vec<String>,
    /// Tokens whose new period began.
    pub renewed: Vec<String>,
    /// Tokens whose dates were corrected.
    pub corrected: Vec<String>,
    /// What is declared otherwise of tokens that were on record: facts, dates, recipients. A
    /// renewal counts for itself.
    pub changed: BTreeMap<String, BTreeSet<Change>>,
    /// Tokens that are back in the file.
    pub restored: Vec<String>,
    /// Tokens that are no longer in the file.
    pub archived: Vec<String>,
    /// Tokens missing from the file that the brake keeps active.
    pub kept: Vec<String>,
    /// Set when the brake refused the file: the tokens that are missing. Nothing was changed.
    pub refused: Vec<String>,
}

/// A kind of change of a token in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Its dates, without a renewal.
    Dates,
    /// The people to be told.
    Recipients,
    /// Its name.
    Name,
    /// Its Data Pass number.
    DatapassId,
    /// The SIRET.
    Siret,
    /// Its client, or the client's name.
    Client,
    /// Its contact.
    Contact,
    /// The language of its mails.
    Language,
    /// What uses it.
    UsedBy,
    /// Its labels.
    Tags,
}

impl Report {
    /// Whether anything was changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What of a token's facts is declared otherwise.
pub(super) fn differences(before: &Facts, after: &Facts) -> Vec<Change> {
    let Facts {
        name,
        client,
        client_name,
        datapass_id,
        siret,
        used_by,
        tags,
        language,
        contact,
    } = before;
    [
        (Change::Name, *name != after.name),
        (
            Change::Client,
            *client != after.client || *client_name != after.client_name,
        ),
        (Change::DatapassId, *datapass_id != after.datapass_id),
        (Change::Siret, *siret != after.siret),
        (Change::UsedBy, *used_by != after.used_by),
        (Change::Tags, *tags != after.tags),
        (Change::Language, *language != after.language),
        (Change::Contact, *contact != after.contact),
    ]
    .into_iter()
    .filter_map(|(change, differs)| differs.then_some(change))
    .collect()
}
