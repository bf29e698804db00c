//! Telling people of reminders that did not reach somebody: one note to a reader for all that
//! were refused, or came back, at about the same time.
//!
//! They are gathered until nothing more is about to leave, at most `PATIENCE`: so a broken
//! address list, or a domain that went away, is one note and not hundreds.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use crate::delivery::desk::Desk;
use crate::store::Store;
use crate::store::error::Result;

/// A loss is told after this long, whatever else leaves.
const PATIENCE: Duration = Duration::minutes(15);

/// When to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// When nothing more is about to leave.
    WhenQuiet,
    /// Now.
    Now,
}

/// Queues the notes about what was lost and not told yet; answers how many.
///
/// # Errors
/// When the store fails; then nothing is queued, and the next time tells it.
pub async fn tell(store: &Store, desk: &Desk, haste: Haste, now: DateTime<Utc>) -> Result<usize> {
    let untold = store.untold().await?;
    let Some(first) = untold.first() else {
        return Ok(0);
    };
    if haste == Haste::WhenQuiet && now - first.at < PATIENCE && store.is_sending(now).await? {
        return Ok(0);
    }
    let mut tokens: Vec<i64> = untold
        .iter()
        .flat_map(|u| u.tokens.iter().map(|t| t.token))
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    let people = store.people(&tokens).await?;
    let marked: BTreeSet<String> = store
        .unreachable(now)
        .await?
        .into_iter()
        .map(|u| u.recipient)
        .collect();
    let notes = desk.notes_about_refusals(&untold, &people, &marked, now);
    let mails: Vec<i64> = untold.iter().map(|u| u.mail).collect();
    let mut tx = store.begin().await?;
    tx.settle(&[], &notes, now).await?;
    tx.told_of(&mails).await?;
    tx.commit().await?;
    Ok(notes.len())
}
