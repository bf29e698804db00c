//! A person says that the clock is right: what was done by a later date is taken back, so that
//! every stage comes on its day, whatever was planned while the clock ran ahead.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::renewal::undue::take_back_from_all;
use crate::store::error::Result;
use crate::store::watch::Released;
use crate::store::{Store, Tx};

/// Has everyone believe the clock as it is: the high-water mark becomes `now`, a running daemon's
/// hold ends, and what a clock that ran ahead has left on record is put right. Mails that are
/// held stay so.
///
/// # Errors
/// When the store cannot be written; then nothing is changed.
pub async fn believe(
    store: &Store,
    calendar: &Calendar,
    who: &str,
    now: DateTime<Utc>,
) -> Result<Released> {
    let mut tx = store.begin().await?;
    let released = believe_in(&mut tx, calendar, who, now).await?;
    tx.commit().await?;
    Ok(released)
}

/// The same within a transaction.
///
/// # Errors
/// As [`believe`].
pub async fn believe_in(
    tx: &mut Tx,
    calendar: &Calendar,
    who: &str,
    now: DateTime<Utc>,
) -> Result<Released> {
    let released = tx.believe_clock(who, now).await?;
    if released.was_behind() {
        take_back_from_all(tx, calendar, now).await?;
        tx.cancel_empty_mails(now).await?;
        tx.look_at_all_again(now).await?;
    }
    Ok(released)
}
