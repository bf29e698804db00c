//! The outbox as a person sees it, and what a person may do with its mails.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::store::error::{Result, StoreError};
use crate::store::outbox::{MailState, count};
use crate::store::{Store, instant};

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

    /// Makes a mail leave at the next occasion: see [`retry`](crate::store::Tx::retry).
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
        tx.retry(no, who, now).await?;
        Ok(tx.commit().await?)
    }

    /// Cancels an open mail, or puts a lost one aside: see [`cancel`](crate::store::Tx::cancel).
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
        tx.cancel(no, who, now).await?;
        Ok(tx.commit().await?)
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
