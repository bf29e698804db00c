//! What a person asks of a mail: that it leave at the next occasion, or not at all.
//!
//! Within a transaction of the caller's, who may look at what would happen and take it back.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row;

use crate::domain::lifecycle::Suppression;
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::mailbook::Refusal;
use crate::store::outbox::MailState;
use crate::store::privacy::NOWHERE;
use crate::store::{Tx, seconds};

impl Tx {
    /// The state of a mail.
    ///
    /// # Errors
    /// When there is no such mail.
    pub async fn mail_state(&mut self, no: i64) -> std::result::Result<MailState, Refusal> {
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM mail WHERE no = $1")
            .bind(no)
            .fetch_optional(&mut *self.inner)
            .await?;
        Ok(MailState::read(&state.ok_or(Refusal::NotFound(no))?)?)
    }

    /// Makes a mail leave at the next occasion: an open one now, a refused, parked or failed one
    /// again with those of its notices that failed and are still of the current period.
    ///
    /// # Errors
    /// When there is no such mail, it is settled otherwise, on its way, or nothing of it is owed.
    pub async fn retry(
        &mut self,
        no: i64,
        who: &str,
        now: DateTime<Utc>,
    ) -> std::result::Result<(), Refusal> {
        let row = sqlx::query("SELECT state, kind, recipient, address FROM mail WHERE no = $1")
            .bind(no)
            .fetch_optional(&mut *self.inner)
            .await?
            .ok_or(Refusal::NotFound(no))?;
        let state = MailState::read(row.try_get(0)?)?;
        let kind: String = row.try_get(1)?;
        if row.try_get::<String, _>(3)?.ends_with(NOWHERE) {
            return Err(Refusal::Forgotten(no));
        }
        match state {
            MailState::Queued | MailState::Deferred | MailState::InDoubt | MailState::Held => {
                sqlx::query("UPDATE mail SET next_at = $2, state = CASE WHEN state = 'held' THEN 'queued' ELSE state END WHERE no = $1")
                    .bind(no)
                    .bind(seconds(now))
                    .execute(&mut *self.inner)
                    .await?;
            }
            MailState::Refused | MailState::Parked | MailState::Failed if kind == "reminder" => {
                self.owe_again(no, now).await?;
            }
            MailState::Refused | MailState::Parked | MailState::Failed => {
                self.open_again(no, now).await?;
            }
            MailState::Claimed | MailState::Sent | MailState::Cancelled => {
                return Err(Refusal::State(no, state));
            }
        }
        self.journal(
            who,
            &[Entry {
                what: "mail_retried",
                token: None,
                detail: json!({"mail": no, "was": state.word()}),
            }],
            now,
        )
        .await?;
        Ok(())
    }

    /// Cancels an open mail; its notices are suppressed. One that was refused, parked or given up
    /// is put aside: its notices have failed, and nobody need look at it any more.
    ///
    /// # Errors
    /// When there is no such mail, or it is on its way, sent or cancelled.
    pub async fn cancel(
        &mut self,
        no: i64,
        who: &str,
        now: DateTime<Utc>,
    ) -> std::result::Result<(), Refusal> {
        let state = self.mail_state(no).await?;
        match state {
            MailState::Queued
            | MailState::Deferred
            | MailState::InDoubt
            | MailState::Held
            | MailState::Refused
            | MailState::Parked
            | MailState::Failed => {}
            MailState::Claimed | MailState::Sent | MailState::Cancelled => {
                return Err(Refusal::State(no, state));
            }
        }
        sqlx::query(
            "UPDATE mail SET state = 'cancelled', next_at = NULL, settled_at = $2 WHERE no = $1",
        )
        .bind(no)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("UPDATE notice SET state = 'suppressed', reason = $2, settled_at = $3 WHERE mail = $1 AND state = 'owed'")
            .bind(no)
            .bind(Suppression::Cancelled.word())
            .bind(seconds(now))
            .execute(&mut *self.inner)
            .await?;
        self.journal(
            who,
            &[Entry {
                what: "mail_cancelled",
                token: None,
                detail: json!({"mail": no, "was": state.word()}),
            }],
            now,
        )
        .await?;
        Ok(())
    }

    /// Puts the failed notices of a lost reminder back on their way: into the recipient's open
    /// mail if there is one, else into the same mail, which is opened again. A notice for which
    /// a later stage has been recorded meanwhile stays as it is.
    async fn owe_again(&mut self, no: i64, now: DateTime<Utc>) -> std::result::Result<(), Refusal> {
        let open: Option<(i64, String)> = sqlx::query_as(
            "SELECT o.no, o.state FROM mail m JOIN mail o ON o.recipient = m.recipient WHERE m.no = $1 \
             AND o.kind = 'reminder' AND o.settled_at IS NULL",
        )
        .bind(no)
        .fetch_optional(&mut *self.inner)
        .await?;
        let into = match &open {
            None => Some(no),
            // While that mail is on its way they wait, and the next tick takes them up.
            Some((open, state)) => MailState::read(state)?.takes_notices().then_some(*open),
        };
        let owed = sqlx::query(
            "UPDATE notice SET state = 'owed', reason = NULL, mail = $3, settled_at = NULL, leaves_at = $2 \
             WHERE mail = $1 AND state = 'failed' \
               AND EXISTS (SELECT 1 FROM token t WHERE t.no = notice.token AND t.period = notice.period AND t.state = 'active') \
               AND EXISTS (SELECT 1 FROM recipient r WHERE r.token = notice.token AND r.key = notice.recipient AND r.removed_at IS NULL) \
               AND NOT EXISTS (SELECT 1 FROM notice l WHERE l.token = notice.token AND l.period = notice.period \
                 AND l.recipient = notice.recipient AND l.stage < notice.stage)",
        )
        .bind(no)
        .bind(seconds(now))
        .bind(into)
        .execute(&mut *self.inner)
        .await?;
        if owed.rows_affected() == 0 {
            return Err(Refusal::NothingOwed(no));
        }
        match (&open, into) {
            (None, _) => self.open_again(no, now).await?,
            (Some(_), Some(open)) => {
                sqlx::query(
                    "UPDATE mail SET next_at = min(next_at, $2), urgency = min(urgency, \
                       (SELECT min(stage) FROM notice WHERE mail = $1 AND state = 'owed')) WHERE no = $1",
                )
                .bind(open)
                .bind(seconds(now))
                .execute(&mut *self.inner)
                .await?;
            }
            (Some(_), None) => {}
        }
        Ok(())
    }

    /// Opens a settled mail again, as if it had never been tried.
    async fn open_again(&mut self, no: i64, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "UPDATE mail SET state = 'queued', next_at = $2, settled_at = NULL, deferred_since = NULL, \
               deferrals = 0, doubts = 0 WHERE no = $1",
        )
        .bind(no)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
