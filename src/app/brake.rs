//! The storm brake at the end of a pass that comes after a gap in the watch: late mails are
//! held when there are more of them than may leave without a person.
//!
//! It comes before anything leaves, because delivery waits for that pass. All that is late
//! counts together, whatever the pass has planned and whatever was in the outbox before.

use chrono::{DateTime, Utc};

use crate::delivery::desk::Desk;
use crate::delivery::holds;
use crate::domain::storm;
use crate::store::error::Result;
use crate::store::{Store, Tx};

/// Holds the late mails at `now` if they are a storm, and queues the note that tells of it;
/// answers how many are held. `configured` is `[mail] storm`.
///
/// # Errors
/// When the store cannot be written; then nothing is held, and the pass has not ended well.
pub(super) async fn apply(
    store: &Store,
    desk: &Desk,
    configured: Option<u32>,
    now: DateTime<Utc>,
) -> Result<usize> {
    if configured == Some(0) || !storm::is_gap(store.last_pass().await?, now) {
        return Ok(0);
    }
    let mut tx = store.begin().await?;
    let held = hold(&mut tx, desk, configured, now).await?;
    if held == 0 {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(held)
}

async fn hold(
    tx: &mut Tx,
    desk: &Desk,
    configured: Option<u32>,
    now: DateTime<Utc>,
) -> Result<usize> {
    let late = tx.late_mails(now).await?;
    let tokens = usize::try_from(tx.active_tokens().await?).unwrap_or(usize::MAX);
    if storm::limit(configured, tokens).is_none_or(|limit| late.len() <= limit) {
        return Ok(0);
    }
    let until: Vec<(i64, DateTime<Utc>)> = late
        .iter()
        .map(|m| {
            let at = storm::leaves_unanswered(&desk.calendar, m.urgency, now);
            (m.no, at)
        })
        .collect();
    let rows: Vec<(i64, i64)> = until.iter().map(|(no, at)| (*no, at.timestamp())).collect();
    tx.hold(&rows).await?;
    let first = |soon: bool| {
        let of = late.iter().zip(&until);
        of.filter(|(m, _)| storm::is_urgent(m.urgency) == soon)
            .map(|(_, (_, at))| *at)
            .min()
    };
    let told = holds::Storm {
        mails: late.len(),
        urgent_at: first(true),
        others_at: first(false),
    };
    tx.queue_note(&desk.note_about_storm(told, now), now)
        .await?;
    Ok(late.len())
}
