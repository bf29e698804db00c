//! Recording what became of mails that were taken up: outcomes in one transaction, one
//! statement for all of a kind. What did not leave is in `unsent`.

use chrono::{DateTime, Utc};

use crate::domain::body::Body;
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Store, Tx, seconds};

macro_rules! sent {
    ($counted:literal) => {
        concat!(
            "UPDATE mail SET state = 'sent', next_at = NULL, settled_at = $2, ",
            $counted,
            "reply = j.value ->> 1, subject = j.value ->> 2, attempts = attempts + 1 \
             FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0"
        )
    };
}

/// Of mails whose commit before the dot was made: it has counted them already.
const SENT: &str = sent!("");

/// Of mails that no doubt can arise of.
const SENT_AT_ONCE: &str = sent!("counted_at = $2, ");

/// A mail that was accepted: its row, the reply, the subject it left with.
type Accepted<'a> = (i64, &'a str, &'a str);

/// What became of a claimed mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// A server answered 250 to it.
    Sent {
        /// The subject it left with.
        subject: String,
        /// The bytes it left with, unless the commit before the dot has written them.
        body: Option<Body>,
    },
    /// Refused for the time being.
    Deferred {
        /// When it is tried again.
        next_at: DateTime<Utc>,
    },
    /// Refused for good because of its recipient.
    Refused,
    /// Refused for good because of itself.
    Parked,
    /// Nobody knows whether it was accepted, once too often: it is parked.
    StuckInDoubt,
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
            Self::Parked | Self::StuckInDoubt => Some("parked"),
            Self::Failed => Some("failed"),
            Self::InDoubt { .. } => Some("in_doubt"),
            Self::Returned { .. } => Some("returned"),
            Self::Postponed { .. } | Self::Cancelled => None,
        }
    }
}

/// Whether the commit before the dot was made for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It was: the attempt has a doubt of its own. A definite answer other than an acceptance
    /// takes it back, and no earlier one.
    Yes,
    /// It was not: no dot was written, or none is.
    No,
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
    /// Whether the commit before the dot was made for this attempt.
    pub entered: Entered,
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

    /// Whether a note was queued before, under its key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_note(&self, note: &NewNote) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM mail WHERE kind <> 'reminder' AND kind = $1 AND cause = $2 AND recipient = $3)",
        )
        .bind(note.kind)
        .bind(&note.cause)
        .bind(&note.recipient)
        .fetch_one(&self.pool)
        .await?;
        Ok(found == 1)
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
        self.settle_sent(settled, now).await?;
        self.settle_unsent(settled, now).await?;
        let attempts: Vec<(i64, &str, &str)> = settled
            .iter()
            .filter_map(|s| {
                s.outcome
                    .attempt_word()
                    .map(|word| (s.mail, word, s.reply.as_str()))
            })
            .collect();
        self.insert_attempts(&attempts, now).await?;
        self.queue_notes(notes, now).await
    }

    async fn settle_sent(&mut self, settled: &[Settled], now: DateTime<Utc>) -> Result<()> {
        let (mut sent, mut at_once): (Vec<Accepted<'_>>, Vec<Accepted<'_>>) = Default::default();
        let mut bodies: Vec<(i64, &Body)> = Vec::new();
        for s in settled {
            if let Settlement::Sent { subject, body } = &s.outcome {
                let row = (s.mail, s.reply.as_str(), subject.as_str());
                match s.entered {
                    Entered::Yes => sent.push(row),
                    Entered::No => at_once.push(row),
                }
                bodies.extend(body.as_ref().map(|body| (s.mail, body)));
            }
        }
        self.write_bodies(&bodies).await?;
        for (sql, rows) in [(SENT, sent), (SENT_AT_ONCE, at_once)] {
            if rows.is_empty() {
                continue;
            }
            let rows = json(&rows);
            sqlx::query(sql)
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
            self.accepted(&rows, now).await?;
        }
        Ok(())
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
        self.queue_notes(std::slice::from_ref(note), now).await
    }

    async fn queue_notes(&mut self, notes: &[NewNote], now: DateTime<Utc>) -> Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = notes
            .iter()
            .map(|n| {
                let key = (n.kind, &n.cause, &n.recipient);
                (&n.message_id, key, &n.address, seconds(n.next_at), &n.words)
            })
            .collect();
        sqlx::query(
            "INSERT INTO mail (message_id, kind, cause, recipient, address, state, urgency, created_at, next_at, note, domain) \
             SELECT value ->> 0, value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]', value ->> 2, 'queued', 0, \
               $2, value ->> 3, value ->> 4, \
               substr(value ->> '$[1][2]', instr(value ->> '$[1][2]', '@') + 1) FROM jsonb_each($1) WHERE true ORDER BY key ON CONFLICT DO NOTHING",
        )
        .bind(json(&rows))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
