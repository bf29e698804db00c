//! A token that was imported, or came by Data Pass, and now stands in the file too: the file takes
//! it over, with its history.
//!
//! From then on the file decides on its facts and people; the recipients of an import become the
//! file's, so that those it does not list are told no more. Other recipients stay.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::lifecycle::Who;
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::journal::Entry;

/// Gives these tokens to the file, by their ids.
pub(super) async fn take_over_declared(
    tx: &mut Tx,
    ids: &[&str],
    now: DateTime<Utc>,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let taken = tx.give_to_file(ids).await?;
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
