//! Recording what became of mails that were taken up: outcomes in one transaction, one
//! statement for all that were accepted.

use chrono::{DateTime, Utc};

use crate::domain::reach::Way;
use crate::domain::retry;
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Store, Tx, seconds};

/// What became of a claimed mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// A server answered 250 to it.
    Sent {
        /// The subject it left with.
        subject: String,
        /// The bytes it left with, unless the commit before the dot has written them.
        body: Option<Vec<u8>>,
    },
    /// Refused for the time being.
    Deferred {
        /// When it is tried again.
        next_at: DateTime<Utc>,
    },
    /// Refused for good because of its recipient.
    Refused,
    /// Refused for good because of itself, or in doubt too often.
    Parked,
    /// Deferred for too long.
    Failed,
    /// Nobody knows whether it was accepted; it is sent again at `next_at`.
    InDoubt {
        /// When the same bytes are sent again.
        next_at: DateTime<Utc>,
    },
    /// It did not leave, through no fault of its own; it is not charged for it.
    Returned {
        /// When it may be taken up again.
        next_at: DateTime<Utc>,
        /// Whether the commit before the dot was made although no dot was written.
        doubt_entered: bool,
    },
    /// A rule makes it wait.
    Postponed {
        /// Until when.
        next_at: DateTime<Utc>,
    },
    /// It carries nothing any more.
    Cancelled,
}

impl Settlement {
    /// The word of the record of attempts; `None` when nothing was attempted.
    pub fn attempt_word(&self) -> Option<&'static str> {
        match self {
            Self::Sent { .. } => Some("sent"),
            Self::Deferred { .. } => Some("deferred"),
            Self::Refused => Some("refused"),
            Self::Parked => Some("parked"),
            Self::Failed => Some("failed"),
            Self::InDoubt { .. } => Some("in_doubt"),
            Self::Returned { .. } => Some("returned"),
            Self::Postponed { .. } | Self::Cancelled => None,
        }
    }
}

/// One outcome to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The mail's row.
    pub mail: i64,
    /// The fence of the claim. It guards every record but that of an acceptance.
    pub fence: i64,
    /// What became of it.
    pub outcome: Settlement,
    /// The server's reply, or what went wrong.
    pub reply: String,
}

/// A note to be queued: the row that (kind, cause, recipient) makes unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNote {
    /// Its kind, a word.
    pub kind: &'static str,
    /// What it is about.
    pub cause: String,
    /// The recipient's key.
    pub recipient: String,
    /// The address as written.
    pub address: String,
    /// Its Message-ID.
    pub message_id: String,
    /// Its words, as JSON.
    pub words: String,
    /// When it may leave.
    pub next_at: DateTime<Utc>,
}

impl Store {
    /// Records outcomes, and queues the notes that tell people about them.
    ///
    /// # Errors
    /// When the store cannot be written; then nothing is recorded, and what was accepted stays
    /// in doubt.
    pub async fn settle(
        &self,
        settled: &[Settled],
        notes: &[NewNote],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.settle(settled, notes, now).await?;
        tx.commit().await
    }
}

impl Tx {
    /// As [`Store::settle`], within a transaction.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn settle(
        &mut self,
        settled: &[Settled],
        notes: &[NewNote],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let sent: Vec<(i64, &str, &str)> = settled
            .iter()
            .filter_map(|s| match &s.outcome {
                Settlement::Sent { subject, .. } => {
                    Some((s.mail, s.reply.as_str(), subject.as_str()))
                }
                _ => None,
            })
            .collect();
        self.settle_sent(&sent, now).await?;
        let bodies: Vec<(i64, &[u8])> = settled
            .iter()
            .filter_map(|s| match &s.outcome {
                Settlement::Sent { body, .. } => Some((s.mail, body.as_deref()?)),
                _ => None,
            })
            .collect();
        self.write_bodies(&bodies).await?;
        for s in settled {
            self.settle_one(s, now).await?;
        }
        let attempts: Vec<(i64, &str, &str)> = settled
            .iter()
            .filter_map(|s| {
                s.outcome
                    .attempt_word()
                    .map(|word| (s.mail, word, s.reply.as_str()))
            })
            .collect();
        self.insert_attempts(&attempts, now).await?;
        for note in notes {
            self.queue_note(note, now).await?;
        }
        Ok(())
    }

    async fn settle_sent(&mut self, sent: &[(i64, &str, &str)], now: DateTime<Utc>) -> Result<()> {
        if sent.is_empty() {
            return Ok(());
        }
        let rows = json(sent);
        sqlx::query(
            "UPDATE mail SET state = 'sent', next_at = NULL, settled_at = $2, counted_at = $2, \
               reply = j.value ->> 1, subject = j.value ->> 2, attempts = attempts + 1 \
             FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0",
        )
        .bind(&rows)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query(
            "UPDATE notice SET state = 'sent', settled_at = $2, reason = NULL, flight = NULL FROM jsonb_each($1) j \
             WHERE notice.mail = j.value ->> 0 AND (notice.state = 'owed' \
               OR notice.state = 'suppressed' AND notice.flight = notice.mail)",
        )
        .bind(&rows)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        self.accepted(&rows, now).await
    }

    async fn settle_one(&mut self, s: &Settled, now: DateTime<Utc>) -> Result<()> {
        match &s.outcome {
            Settlement::Sent { .. } => Ok(()),
            Settlement::Deferred { next_at } => {
                self.update_claimed(
                    "UPDATE mail SET state = 'deferred', next_at = $3, deferrals = deferrals + 1, attempts = attempts + 1, \
                       deferred_since = coalesce(deferred_since, $4), reply = $5, counted_at = NULL, doubts = 0 \
                     WHERE no = $1 AND fence = $2 AND state = 'claimed'",
                    s,
                    *next_at,
                    now,
                )
                .await
            }
            Settlement::InDoubt { next_at } => {
                self.update_claimed(
                    "UPDATE mail SET state = 'in_doubt', next_at = $3, attempts = attempts + 1, \
                       counted_at = coalesce(counted_at, $4), reply = $5 \
                     WHERE no = $1 AND fence = $2 AND state = 'claimed'",
                    s,
                    *next_at,
                    now,
                )
                .await
            }
            Settlement::Returned { next_at, doubt_entered: false } => {
                self.update_claimed(
                    "UPDATE mail SET state = CASE WHEN doubts > 0 THEN 'in_doubt' \
                       WHEN deferred_since IS NOT NULL THEN 'deferred' ELSE 'queued' END, \
                       next_at = CASE WHEN $4 IS NULL THEN NULL ELSE $3 END, reply = $5 \
                     WHERE no = $1 AND fence = $2 AND state = 'claimed'",
                    s,
                    *next_at,
                    now,
                )
                .await
            }
            Settlement::Returned { next_at, doubt_entered: true } => {
                self.update_claimed(
                    "UPDATE mail SET doubts = max(doubts - 1, 0), \
                       state = CASE WHEN doubts > 1 THEN 'in_doubt' WHEN deferred_since IS NOT NULL THEN 'deferred' ELSE 'queued' END, \
                       counted_at = CASE WHEN doubts > 1 THEN counted_at ELSE NULL END, \
                       next_at = CASE WHEN $4 IS NULL THEN NULL ELSE $3 END, reply = $5 \
                     WHERE no = $1 AND fence = $2 AND state = 'claimed'",
                    s,
                    *next_at,
                    now,
                )
                .await
            }
            Settlement::Postponed { next_at } => {
                self.update_claimed(
                    "UPDATE mail SET state = CASE WHEN deferred_since IS NOT NULL THEN 'deferred' ELSE 'queued' END, \
                       next_at = CASE WHEN $4 IS NULL THEN NULL ELSE $3 END, reply = coalesce(nullif($5, ''), reply) \
                     WHERE no = $1 AND fence = $2 AND state = 'claimed'",
                    s,
                    *next_at,
                    now,
                )
                .await?;
                self.promise_later(&[(s.mail, seconds(*next_at))]).await
            }
            Settlement::Refused => {
                if self.settle_lost(s, "refused", now).await? {
                    self.refused_for_good(s.mail, Way::Refused, now).await?;
                }
                Ok(())
            }
            Settlement::Parked => self.settle_lost(s, "parked", now).await.map(drop),
            Settlement::Failed => self.settle_failed(s, now).await,
            Settlement::Cancelled => self.settle_lost(s, "cancelled", now).await.map(drop),
        }
    }

    async fn update_claimed(
        &mut self,
        sql: &'static str,
        s: &Settled,
        next_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(sql)
            .bind(s.mail)
            .bind(s.fence)
            .bind(seconds(next_at))
            .bind(seconds(now))
            .bind(&s.reply)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Gives a mail up, unless notices joined it that have not waited long enough: then only the
    /// old ones have failed, and the mail goes on with the others.
    async fn settle_failed(&mut self, s: &Settled, now: DateTime<Utc>) -> Result<()> {
        let long_ago = seconds(now - retry::GIVEN_UP_AFTER);
        let young: Option<i64> = sqlx::query_scalar(
            "SELECT min(leaves_at) FROM notice WHERE mail = $1 AND state = 'owed' AND leaves_at > $2",
        )
        .bind(s.mail)
        .bind(long_ago)
        .fetch_one(&mut *self.inner)
        .await?;
        let Some(since) = young else {
            return self.settle_lost(s, "failed", now).await.map(drop);
        };
        sqlx::query(
            "UPDATE notice SET state = 'failed', reason = 'failed', settled_at = $3 \
             WHERE mail = $1 AND state = 'owed' AND leaves_at <= $2",
        )
        .bind(s.mail)
        .bind(long_ago)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query(
            "UPDATE mail SET state = 'deferred', next_at = $3, deferred_since = $4, attempts = attempts + 1, \
               deferrals = deferrals + 1, counted_at = NULL, doubts = 0, reply = $5 \
             WHERE no = $1 AND fence = $2 AND state = 'claimed'",
        )
        .bind(s.mail)
        .bind(s.fence)
        .bind(seconds(now + retry::LONGEST_PAUSE))
        .bind(since)
        .bind(&s.reply)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Ends a mail that was not sent; its notices, if it still has any, have failed. Answers
    /// whether the claim still held.
    async fn settle_lost(
        &mut self,
        s: &Settled,
        state: &'static str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE mail SET state = $3, next_at = NULL, settled_at = $4, \
               attempts = attempts + CASE WHEN $3 = 'cancelled' THEN 0 ELSE 1 END, \
               counted_at = CASE WHEN $3 = 'parked' AND doubts > 1 THEN counted_at ELSE NULL END, \
               reply = coalesce(nullif($5, ''), reply) \
             WHERE no = $1 AND fence = $2 AND state = 'claimed'",
        )
        .bind(s.mail)
        .bind(s.fence)
        .bind(state)
        .bind(seconds(now))
        .bind(&s.reply)
        .execute(&mut *self.inner)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("UPDATE notice SET state = 'failed', reason = $2, settled_at = $3 WHERE mail = $1 AND state = 'owed'")
            .bind(s.mail)
            .bind(state)
            .bind(seconds(now))
            .execute(&mut *self.inner)
            .await?;
        Ok(true)
    }

    async fn insert_attempts(
        &mut self,
        attempts: &[(i64, &str, &str)],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if attempts.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO attempt (mail, at, outcome, reply) \
             SELECT value ->> 0, $2, value ->> 1, value ->> 2 FROM jsonb_each($1)",
        )
        .bind(json(attempts))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Queues a note; one that was queued before under the same key is not repeated.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn queue_note(&mut self, note: &NewNote, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "INSERT INTO mail (message_id, kind, cause, recipient, address, state, urgency, created_at, next_at, note) \
             VALUES ($1, $2, $3, $4, $5, 'queued', 0, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(&note.message_id)
        .bind(note.kind)
        .bind(&note.cause)
        .bind(&note.recipient)
        .bind(&note.address)
        .bind(seconds(now))
        .bind(seconds(note.next_at))
        .bind(&note.words)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
