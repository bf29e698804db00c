//! The outbox as a person sees it, and what a person may do with its mails.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row;

use crate::domain::lifecycle::Suppression;
use crate::store::error::{Result, StoreError};
use crate::store::journal::Entry;
use crate::store::outbox::{MailState, count};
use crate::store::privacy::NOWHERE;
use crate::store::{Store, Tx, instant, seconds};

/// A mail as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRow {
    /// Its number.
    pub no: i64,
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
    /// `reminder` or the kind of a note.
    pub kind: String,
    /// The address as written.
    pub address: String,
    /// Its state.
    pub state: MailState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it is taken up next.
    pub next_at: Option<DateTime<Utc>>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// The server's last reply.
    pub reply: Option<String>,
    /// The subject with which it left.
    pub subject: Option<String>,
    /// What it carries, or carried: token ids and stages, the most urgent first.
    pub notices: Vec<(String, i32)>,
    /// A note's words.
    pub note: Option<String>,
}

/// One attempt to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: DateTime<Utc>,
    /// What it came to.
    pub outcome: String,
    /// The server's reply.
    pub reply: String,
}

/// Which mails to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are not settled, and those that need a person: refused, parked, failed.
    Unfinished,
    /// All of them.
    All,
}

/// What a person asked for could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such mail.
    #[error("there is no mail {0}")]
    NotFound(i64),
    /// The mail is not in a state that allows it.
    #[error("mail {0} is {state}", state = .1.word())]
    State(i64, MailState),
    /// A later reminder, a renewal or a removal came after everything that it carried.
    #[error("nothing of mail {0} is owed any more")]
    NothingOwed(i64),
    /// Nobody knows any more whom it went to.
    #[error("the recipient of mail {0} was forgotten")]
    Forgotten(i64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for Refusal {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

/// Every open mail has a next time: its partial index answers, however many are settled. Posts
/// are no mails.
pub const OPEN_MAILS: &str = "SELECT state, count(*) FROM mail WHERE next_at IS NOT NULL AND urgency > -1000000000000 GROUP BY state ORDER BY state";

impl Store {
    /// The mails of the outbox, the next to leave first, then the latest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mails(&self, which: Which, limit: i64) -> Result<Vec<MailRow>> {
        let sql = match which {
            Which::Unfinished => {
                "SELECT * FROM mail WHERE state NOT IN ('sent', 'cancelled') \
                 ORDER BY next_at IS NULL, next_at, urgency, no LIMIT $1"
            }
            Which::All => "SELECT * FROM mail ORDER BY next_at IS NULL, next_at, no DESC LIMIT $1",
        };
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await?;
        let mut mails = Vec::with_capacity(rows.len());
        for r in &rows {
            mails.push(self.mail_row(r).await?);
        }
        Ok(mails)
    }

    /// One mail with its attempts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mail(&self, no: i64) -> Result<Option<(MailRow, Vec<Attempt>)>> {
        let Some(row) = sqlx::query("SELECT * FROM mail WHERE no = $1")
            .bind(no)
            .fetch_optional(&self.pool)
            .await?
        else {
            return Ok(None);
        };
        let attempts =
            sqlx::query("SELECT at, outcome, reply FROM attempt WHERE mail = $1 ORDER BY no")
                .bind(no)
                .fetch_all(&self.pool)
                .await?;
        let attempts = attempts
            .iter()
            .map(|r| {
                Ok(Attempt {
                    at: instant(r.try_get(0)?),
                    outcome: r.try_get(1)?,
                    reply: r.try_get(2)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Some((self.mail_row(&row).await?, attempts)))
    }

    /// How many open mails are in each state: for each pass.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_mail_counts(&self) -> Result<Vec<(MailState, u32)>> {
        self.counts_of_mails(OPEN_MAILS).await
    }

    /// How many mails are in each state. Reads every mail: for a person's question.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mail_counts(&self) -> Result<Vec<(MailState, u32)>> {
        self.counts_of_mails("SELECT state, count(*) FROM mail WHERE urgency > -1000000000000 GROUP BY state ORDER BY state")
            .await
    }

    async fn counts_of_mails(&self, sql: &'static str) -> Result<Vec<(MailState, u32)>> {
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|r| Ok((MailState::read(r.try_get(0)?)?, count(r.try_get(1)?))))
            .collect()
    }

    /// How many notices are in each state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notice_counts(&self) -> Result<Vec<(String, u32)>> {
        let rows = sqlx::query("SELECT state, count(*) FROM notice GROUP BY state ORDER BY state")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|r| Ok((r.try_get(0)?, count(r.try_get(1)?))))
            .collect()
    }

    /// Makes a mail leave at the next occasion: an open one now, a refused, parked or failed one
    /// again with those of its notices that failed and are still of the current period.
    ///
    /// # Errors
    /// When there is no such mail, it is settled otherwise, on its way, or nothing of it is owed.
    pub async fn retry(
        &self,
        no: i64,
        who: &str,
        now: DateTime<Utc>,
    ) -> std::result::Result<(), Refusal> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT state, kind, recipient, address FROM mail WHERE no = $1")
            .bind(no)
            .fetch_optional(&mut *tx.inner)
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
                    .execute(&mut *tx.inner)
                    .await?;
            }
            MailState::Refused | MailState::Parked | MailState::Failed if kind == "reminder" => {
                tx.owe_again(no, now).await?;
            }
            MailState::Refused | MailState::Parked | MailState::Failed => {
                tx.open_again(no, now).await?
            }
            MailState::Claimed | MailState::Sent | MailState::Cancelled => {
                return Err(Refusal::State(no, state));
            }
        }
        tx.journal(
            who,
            &[Entry {
                what: "mail_retried",
                token: None,
                detail: json!({"mail": no, "was": state.word()}),
            }],
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Cancels an open mail; its notices are suppressed. One that was refused, parked or given up
    /// is put aside: its notices have failed, and nobody need look at it any more.
    ///
    /// # Errors
    /// When there is no such mail, or it is on its way, sent or cancelled.
    pub async fn cancel(
        &self,
        no: i64,
        who: &str,
        now: DateTime<Utc>,
    ) -> std::result::Result<(), Refusal> {
        let mut tx = self.begin().await?;
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM mail WHERE no = $1")
            .bind(no)
            .fetch_optional(&mut *tx.inner)
            .await?;
        let state = MailState::read(&state.ok_or(Refusal::NotFound(no))?)?;
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
        .execute(&mut *tx.inner)
        .await?;
        sqlx::query("UPDATE notice SET state = 'suppressed', reason = $2, settled_at = $3 WHERE mail = $1 AND state = 'owed'")
            .bind(no)
            .bind(Suppression::Cancelled.word())
            .bind(seconds(now))
            .execute(&mut *tx.inner)
            .await?;
        tx.journal(
            who,
            &[Entry {
                what: "mail_cancelled",
                token: None,
                detail: json!({"mail": no, "was": state.word()}),
            }],
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn mail_row(&self, r: &sqlx::sqlite::SqliteRow) -> Result<MailRow> {
        let no: i64 = r.try_get("no")?;
        let carried = sqlx::query(
            "SELECT t.id, n.stage FROM notice n JOIN token t ON t.no = n.token WHERE n.mail = $1 ORDER BY n.stage, t.id",
        )
        .bind(no)
        .fetch_all(&self.pool)
        .await?;
        let notices = carried
            .iter()
            .map(|c| Ok((c.try_get(0)?, c.try_get(1)?)))
            .collect::<Result<_>>()?;
        mail_of(r, notices)
    }
}

/// A row of `mail` with what it carries.
pub(in crate::store) fn mail_of(
    r: &sqlx::sqlite::SqliteRow,
    notices: Vec<(String, i32)>,
) -> Result<MailRow> {
    Ok(MailRow {
        no: r.try_get("no")?,
        message_id: r.try_get("message_id")?,
        kind: r.try_get("kind")?,
        address: r.try_get("address")?,
        state: MailState::read(r.try_get("state")?)?,
        created_at: instant(r.try_get("created_at")?),
        next_at: r.try_get::<Option<i64>, _>("next_at")?.map(instant),
        attempts: count(r.try_get("attempts")?),
        settled_at: r.try_get::<Option<i64>, _>("settled_at")?.map(instant),
        reply: r.try_get("reply")?,
        subject: r.try_get("subject")?,
        notices,
        note: r.try_get("note")?,
    })
}

impl Tx {
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
