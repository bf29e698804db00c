//! A token that was imported, or came by Data Pass, and now stands in the file too: the file takes
//! it over, with its history.
//!
//! From then on the file decides on its facts and people; the recipients of an import become the
//! file's, so that those it does not list are told no more. Other recipients stay.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::lifecycle::{Origin, Who};
use crate::domain::token::Declared;
use crate::store::Tx;
use crate::store::declared::Known;
use crate::store::error::Result;
use crate::store::journal::Entry;

/// Gives those of the file's tokens to it that came from elsewhere.
pub(super) async fn take_over_declared(
    tx: &mut Tx,
    known: &[Known],
    declared: &[Declared],
    now: DateTime<Utc>,
) -> Result<()> {
    let elsewhere: std::collections::HashSet<&str> = known
        .iter()
        .filter(|k| k.origin != Origin::File)
        .map(|k| k.id.as_str())
        .collect();
    let ids: Vec<&str> = declared
        .iter()
        .map(|d| d.id.as_str())
        .filter(|id| elsewhere.contains(id))
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let taken = tx.give_to_file(&ids).await?;
    let entries: Vec<Entry> = taken
        .iter()
        .map(|no| Entry {
            what: "taken_over",
            token: Some(*no),
            detail: json!({}),
        })
        .collect();
    tx.journal(&Who::File.to_string(), &entries, now).await
}
