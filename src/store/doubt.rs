//! The commit before the dot: mails go in doubt before anything of them can have been accepted.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::domain::body::Body;
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Store, Tx, seconds};

/// One entry of the commit before the dot.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// The mail's row.
    pub mail: i64,
    /// The fence of the claim.
    pub fence: i64,
    /// The bytes about to be in flight.
    pub content: Body,
    /// The number of notices in them (0 for a note).
    pub carried: i64,
}

/// Goes from the mails of the batch to their rows; a test looks at its plan.
pub const ENTER_DOUBT: &str = "UPDATE mail SET doubts = doubts + 1, doubt_at = $1, \
       counted_at = CASE WHEN urgency > -1000000000000 THEN $1 END, carried = j.value ->> 2 \
     FROM jsonb_each($2) j WHERE mail.no = j.value ->> 0 AND mail.fence = j.value ->> 1 \
       AND mail.state = 'claimed' AND (mail.kind <> 'reminder' OR j.value ->> 2 = ( \
         SELECT count(*) FROM notice n JOIN token t ON t.no = n.token AND t.period = n.period \
           AND t.state = 'active' WHERE n.mail = mail.no AND n.state = 'owed')) \
     RETURNING mail.no, mail.fence";

impl Store {
    /// As [`Tx::enter_doubt`], in a transaction of its own.
    ///
    /// # Errors
    /// When the store cannot be written; then no dot may be written.
    pub async fn enter_doubt(&self, doubts: &[Doubt], now: DateTime<Utc>) -> Result<Vec<bool>> {
        let mut tx = self.begin().await?;
        let may_leave = tx.enter_doubt(doubts, now).await?;
        tx.commit().await?;
        Ok(may_leave)
    }
}

impl Tx {
    /// The commit before the dot: records that these mails are about to be in doubt. Answers,
    /// for each, whether it still may leave: the claim holds and all of its notices are still
    /// owed. No mail's dot may be written unless this answered true and was committed.
    ///
    /// # Errors
    /// When the store cannot be written; then no dot may be written.
    pub async fn enter_doubt(&mut self, doubts: &[Doubt], now: DateTime<Utc>) -> Result<Vec<bool>> {
        if doubts.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, i64, i64)> = doubts
            .iter()
            .map(|d| (d.mail, d.fence, d.carried))
            .collect();
        let entered: Vec<(i64, i64)> = sqlx::query_as(ENTER_DOUBT)
            .bind(seconds(now))
            .bind(json(&rows))
            .fetch_all(&mut *self.inner)
            .await?;
        let entered: HashSet<(i64, i64)> = entered.into_iter().collect();
        let may_leave: Vec<bool> = doubts
            .iter()
            .map(|d| entered.contains(&(d.mail, d.fence)))
            .collect();
        let bodies: Vec<(i64, &Body)> = doubts
            .iter()
            .zip(&may_leave)
            .filter(|(_, may)| **may)
            .map(|(d, _)| (d.mail, &d.content))
            .collect();
        self.write_bodies(&bodies).await?;
        Ok(may_leave)
    }
}
