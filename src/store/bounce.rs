//! Mails that came back: which of ours a delivery status notification is about, and what it
//! changes.
//!
//! The acceptance stays on record as an attempt; the bounce is another one. Each notification
//! counts once, known by the digest of its bytes.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::reach::{Hindrance, Way};
use crate::store::error::Result;
use crate::store::outbox::MailState;
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, seconds};

/// A mail of ours that may have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Its row.
    pub mail: i64,
    /// The key of the recipient to whom it went.
    pub recipient: String,
}

/// What a notification says of one of our mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The SHA-256 of its bytes, in hex.
    pub digest: &'a str,
    /// The mail's row.
    pub mail: i64,
    /// What became of it; `None`: it is only late.
    pub lost: Option<Way>,
    /// What the server said.
    pub said: &'a str,
}

/// What a notification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is recorded.
    New,
    /// It was recorded before.
    Again,
    /// The mail is being sent at this moment: to be looked at again.
    Later,
}

impl Store {
    /// The mails with one of these Message-IDs that have been offered to a server up to the final
    /// dot at least once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn returned(&self, message_ids: &[String]) -> Result<Vec<Returned>> {
        let rows = sqlx::query(
            "SELECT m.no, m.recipient FROM json_each($1) j CROSS JOIN mail m ON m.message_id = j.value \
             WHERE m.doubts > 0 OR m.state = 'claimed' \
               OR EXISTS (SELECT 1 FROM attempt a WHERE a.mail = m.no AND a.outcome IN ('sent', 'in_doubt'))",
        )
        .bind(json(message_ids))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Returned {
                    mail: r.try_get(0)?,
                    recipient: r.try_get(1)?,
                })
            })
            .collect()
    }

    /// Records a notification: a mail that came back has failed with its notices, and one that is
    /// late has another line in its history.
    ///
    /// # Errors
    /// When the store cannot be written; then nothing is changed.
    pub async fn note_bounce(&self, of: &Notification<'_>, now: DateTime<Utc>) -> Result<Noted> {
        let mut tx = self.begin().await?;
        let noted = tx.note_bounce(of, now).await?;
        match noted {
            Noted::New => tx.commit().await?,
            Noted::Again | Noted::Later => tx.rollback().await?,
        }
        Ok(noted)
    }

    /// Since when the bounces cannot be read or put away, and why.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn bounces_trouble(&self) -> Result<Option<(DateTime<Utc>, Hindrance)>> {
        let said = self.setting("bounces_trouble").await?.unwrap_or_default();
        let read = || {
            let (since, what) = said.split_once(' ')?;
            Some((instant(since.parse().ok()?), Hindrance::from_row(what)?))
        };
        Ok(read())
    }

    /// Records what keeps the bounces from being read, or that nothing does; since when is kept
    /// as long as something does.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_bounces_trouble(
        &self,
        what: Option<&Hindrance>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let before = self.bounces_trouble().await?;
        if before.as_ref().map(|(_, b)| b) == what {
            return Ok(());
        }
        let since = before.map_or(now, |(since, _)| since);
        let said = what.map_or_else(String::new, |w| {
            format!("{} {}", seconds(since), w.to_row())
        });
        let mut tx = self.begin().await?;
        tx.set("bounces_trouble", &said).await?;
        tx.commit().await
    }
}

impl Tx {
    async fn note_bounce(&mut self, of: &Notification<'_>, now: DateTime<Utc>) -> Result<Noted> {
        let state: &str = &sqlx::query_scalar::<_, String>("SELECT state FROM mail WHERE no = $1")
            .bind(of.mail)
            .fetch_one(&mut *self.inner)
            .await?;
        if MailState::read(state)? == MailState::Claimed {
            return Ok(Noted::Later);
        }
        let new = sqlx::query(
            "INSERT INTO bounce (digest, mail, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(of.digest)
        .bind(of.mail)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        if new.rows_affected() == 0 {
            return Ok(Noted::Again);
        }
        let word = if of.lost.is_some() {
            "bounced"
        } else {
            "delayed"
        };
        sqlx::query("INSERT INTO attempt (mail, at, outcome, reply) VALUES ($1, $2, $3, $4)")
            .bind(of.mail)
            .bind(seconds(now))
            .bind(word)
            .bind(of.said)
            .execute(&mut *self.inner)
            .await?;
        match of.lost {
            None => {}
            Some(way) => {
                let lost = self.lose(of, way, now).await?;
                if way.is_for_good() {
                    self.refused_for_good(&[of.mail], way, now).await?;
                }
                if lost && !way.is_for_good() {
                    self.tell_others_of(&[of.mail], way, now).await?;
                }
            }
        }
        Ok(Noted::New)
    }

    /// What was accepted, or may have been, has failed. Answers whether it was so until now.
    async fn lose(&mut self, of: &Notification<'_>, way: Way, now: DateTime<Utc>) -> Result<bool> {
        let state = if way.is_for_good() {
            MailState::Refused
        } else {
            MailState::Failed
        };
        let done = sqlx::query(
            "UPDATE mail SET state = $2, next_at = NULL, settled_at = $3, counted_at = NULL, doubts = 0, reply = $4 \
             WHERE no = $1 AND state IN ('sent', 'in_doubt')",
        )
        .bind(of.mail)
        .bind(state.word())
        .bind(seconds(now))
        .bind(of.said)
        .execute(&mut *self.inner)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE notice SET state = 'failed', reason = 'bounced', settled_at = $2 \
             WHERE mail = $1 AND state IN ('sent', 'owed')",
        )
        .bind(of.mail)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(true)
    }
}
