//! Takes back what a new date, schedule or `from_stage` makes undue, so that the next tick owes
//! anew what is due.
//!
//! It costs, and holds in memory, a page of tokens at a time: what speaks for a notice is of the
//! same token, so no page depends on another.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::schedule;
use crate::domain::stage::{Schedule, Stage};
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::events::{NotLeft, Standing};

/// Tokens looked at in one statement.
const PAGE: usize = 1000;

/// Of these tokens: owed notices that are not due any more, absorbed ones whose slot is to come
/// again, and those that lost the notice which was to speak for them.
pub(super) async fn take_back_what_is_not_due(
    tx: &mut Tx,
    calendar: &Calendar,
    tokens: &[i64],
    now: DateTime<Utc>,
) -> Result<()> {
    let Some(schedule) = tx.schedule().await? else {
        return Ok(());
    };
    for page in tokens.chunks(PAGE) {
        take_back(tx, calendar, &schedule, page, now).await?;
    }
    Ok(())
}

/// As [`take_back_what_is_not_due`], of every token.
pub(super) async fn take_back_from_all(
    tx: &mut Tx,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Result<()> {
    let Some(schedule) = tx.schedule().await? else {
        return Ok(());
    };
    let mut last = i64::MIN;
    loop {
        let page = tx.token_rows_after(last, PAGE).await?;
        let Some(end) = page.last() else {
            return Ok(());
        };
        last = *end;
        take_back(tx, calendar, &schedule, &page, now).await?;
    }
}

async fn take_back(
    tx: &mut Tx,
    calendar: &Calendar,
    schedule: &Schedule,
    tokens: &[i64],
    now: DateTime<Utc>,
) -> Result<()> {
    let is_due = |n: &NotLeft| {
        let due = schedule::due(calendar, schedule, &n.period, now);
        let theirs = schedule::due_for(schedule, &n.period, &n.told, &due);
        theirs.iter().any(|d| d.stage.days() == n.key.2)
    };
    let is_to_come = |n: &NotLeft| calendar.slot(Stage::new(n.key.2), n.period.expires) > now;
    let undue: Vec<_> = tx
        .not_left(tokens)
        .await?
        .into_iter()
        .filter(|n| match n.standing {
            Standing::Owed => !is_due(n),
            Standing::SpokenFor | Standing::Unspoken => is_to_come(n),
        })
        .map(|n| n.key)
        .collect();
    tx.take_back(&undue).await?;
    // Only now is it known what has lost its speaker.
    let unspoken: Vec<_> = tx
        .not_left(tokens)
        .await?
        .into_iter()
        .filter(|n| n.standing == Standing::Unspoken && is_due(n))
        .map(|n| n.key)
        .collect();
    tx.take_back(&unspoken).await
}
