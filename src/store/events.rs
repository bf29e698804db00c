//! What an event does to the notices that are owed: suppressed with the reason, reopened, or
//! taken back because they are not due any more.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::{By, State, Suppression};
use crate::domain::schedule::{Period, Told};
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Tx, instant, quiet, seconds};

/// A notice that has not left, with what decides whether it is still due.
#[derive(Debug, Clone)]
pub struct NotLeft {
    /// Token's row, period, stage, recipient.
    pub key: (i64, i64, i32, String),
    /// Where it stands.
    pub standing: Standing,
    /// The token's current period.
    pub period: Period,
    /// Which stages are the recipient's.
    pub told: Told,
}

/// Where a notice that has not left stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is owed.
    Owed,
    /// It was absorbed, and a more urgent notice spoke, or will speak, for it.
    SpokenFor,
    /// It was absorbed by a notice that was taken back or suppressed.
    Unspoken,
}

/// The mail of a notice, if the commit before its dot was made and no answer is on record: its
/// bytes may have arrived, whatever becomes of the notice.
macro_rules! in_flight {
    () => {
        "(SELECT m.no FROM mail m WHERE m.no = notice.mail AND m.doubts > 0 AND m.state IN ('claimed', 'in_doubt'))"
    };
}
pub(crate) use in_flight;

/// What was suppressed in flight, and still is, has its mail's fate again.
macro_rules! owe_again {
    () => {
        "UPDATE notice SET state = 'owed', reason = NULL, settled_at = NULL, flight = NULL \
         WHERE state = 'suppressed' AND flight IN \
           (SELECT m.no FROM mail m WHERE m.no = notice.flight AND m.doubts > 0 AND m.state IN ('claimed', 'in_doubt'))"
    };
}

impl Tx {
    /// Suppresses everything that is owed for these tokens. What is already in flight keeps
    /// its mail's fate; nothing of it is sent again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn suppress_tokens(
        &mut self,
        tokens: &[i64],
        why: Suppression,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        if tokens.is_empty() {
            return Ok(0);
        }
        let done = sqlx::query(concat!(
            "UPDATE notice SET state = 'suppressed', reason = $2, settled_at = $3, flight = ",
            in_flight!(),
            " FROM json_each($1) j WHERE notice.token = j.value AND notice.state = 'owed'"
        ))
        .bind(json(tokens))
        .bind(why.word())
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Suppresses what is owed to recipients who are no longer told: (token, key).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn suppress_recipients(
        &mut self,
        recipients: &[(i64, String)],
        now: DateTime<Utc>,
    ) -> Result<u64> {
        if recipients.is_empty() {
            return Ok(0);
        }
        let done = sqlx::query(
            concat!(
                "UPDATE notice SET state = 'suppressed', reason = 'recipient_removed', settled_at = $2, flight = ",
                in_flight!(),
                " FROM jsonb_each($1) j WHERE notice.token = j.value ->> 0 AND notice.recipient = j.value ->> 1 \
                 AND notice.state = 'owed'"
            ),
        )
        .bind(json(recipients))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets what was suppressed for this reason in the current period of these tokens, so
    /// that the next tick owes the most urgent of it again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn reopen_tokens(&mut self, tokens: &[i64], why: Suppression) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        for sql in [
            concat!(
                owe_again!(),
                " AND (token, period) IN \
               (SELECT t.no, t.period FROM json_each($1) j CROSS JOIN token t ON t.no = j.value) AND reason = $2"
            ),
            "DELETE FROM notice WHERE (token, period) IN \
               (SELECT t.no, t.period FROM json_each($1) j CROSS JOIN token t ON t.no = j.value) \
             AND state = 'suppressed' AND reason = $2",
        ] {
            sqlx::query(sql)
                .bind(json(tokens))
                .bind(why.word())
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }

    /// As [`Tx::reopen_tokens`], for recipients who are told again: (token, key).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn reopen_recipients(&mut self, recipients: &[(i64, String)]) -> Result<()> {
        if recipients.is_empty() {
            return Ok(());
        }
        for sql in [
            concat!(
                owe_again!(),
                " AND reason = 'recipient_removed' \
             AND (token, period, recipient) IN (SELECT t.no, t.period, j.value ->> 1 \
               FROM jsonb_each($1) j CROSS JOIN token t ON t.no = j.value ->> 0)"
            ),
            "DELETE FROM notice WHERE state = 'suppressed' AND reason = 'recipient_removed' \
             AND (token, period, recipient) IN (SELECT t.no, t.period, j.value ->> 1 \
               FROM jsonb_each($1) j CROSS JOIN token t ON t.no = j.value ->> 0)",
        ] {
            sqlx::query(sql)
                .bind(json(recipients))
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }

    /// The notices of these active tokens' current periods that have not left and belong to a
    /// present recipient. The caller decides which of them are still due.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn not_left(&mut self, tokens: &[i64]) -> Result<Vec<NotLeft>> {
        let rows = sqlx::query(
            "SELECT n.token, n.period, n.stage, n.recipient, n.state = 'owed', p.expires, p.opened_at, \
               p.dated_at, t.declared_at, p.revoked_from IS NOT NULL, r.from_stage, r.since, EXISTS (SELECT 1 FROM notice s \
                 WHERE s.token = n.token AND s.period = n.period AND s.recipient = n.recipient \
                 AND s.stage < n.stage AND s.state IN ('owed', 'sent', 'failed')) \
             FROM json_each($1) j CROSS JOIN token t ON t.no = j.value AND t.state = 'active' \
             CROSS JOIN period p ON p.token = t.no AND p.no = t.period \
             CROSS JOIN notice n ON n.token = t.no AND n.period = t.period \
             CROSS JOIN recipient r ON r.token = n.token AND r.key = n.recipient AND r.removed_at IS NULL \
             LEFT JOIN mail m ON m.no = n.mail \
             WHERE n.state IN ('owed', 'absorbed') AND coalesce(m.state, 'queued') NOT IN ('claimed', 'in_doubt')",
        )
        .bind(json(tokens))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(NotLeft {
                    key: (r.try_get(0)?, r.try_get(1)?, r.try_get(2)?, r.try_get(3)?),
                    standing: match (r.try_get(4)?, r.try_get(12)?) {
                        (true, _) => Standing::Owed,
                        (false, true) => Standing::SpokenFor,
                        (false, false) => Standing::Unspoken,
                    },
                    period: Period {
                        expires: instant(r.try_get(5)?),
                        opened_at: instant(r.try_get(6)?),
                        dated_at: instant(r.try_get(7)?),
                        declared_at: instant(r.try_get(8)?),
                        end: quiet::end(r.try_get(9)?),
                    },
                    told: Told {
                        from_stage: r
                            .try_get::<Option<i64>, _>(10)?
                            .and_then(|n| u32::try_from(n).ok()),
                        since: instant(r.try_get(11)?),
                    },
                })
            })
            .collect()
    }

    /// Takes notices back that are not due any more: (token, period, stage, recipient).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn take_back(&mut self, notices: &[(i64, i64, i32, String)]) -> Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM notice WHERE (token, period, stage, recipient) IN \
             (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each($1)) \
             AND state IN ('owed', 'absorbed')",
        )
        .bind(json(notices))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Sets the state of tokens, and when the tick must look at them next.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_state(
        &mut self,
        tokens: &[i64],
        state: State,
        by: By,
        now: DateTime<Utc>,
    ) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE token SET state = $2, state_by = $3, state_at = $4, \
               next_due_at = CASE WHEN $2 = 'active' THEN $4 ELSE NULL END \
             FROM json_each($1) j WHERE token.no = j.value",
        )
        .bind(json(tokens))
        .bind(state.word())
        .bind(by.word())
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
