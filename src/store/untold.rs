//! Reminders that did not reach their recipient for good, and of which the others are to be
//! told: written with the refusal, gone with the transaction that queues the notes, so that a
//! crash between the two loses neither.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::LAST_WORDS;
use crate::domain::reach::Way;
use crate::store::error::{Result, StoreError};
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, seconds};

/// A reminder that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Its row.
    pub mail: i64,
    /// When it was lost.
    pub at: DateTime<Utc>,
    /// How.
    pub way: Way,
    /// Its Message-ID.
    pub message_id: String,
    /// The key of its recipient.
    pub recipient: String,
    /// The address as written.
    pub address: String,
    /// What the server said.
    pub said: String,
    /// What it was about, as far as that still matters.
    pub tokens: Vec<LostToken>,
}

/// An active token of which a reminder was lost, in its current period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostToken {
    /// Its row.
    pub token: i64,
    /// Its name.
    pub name: String,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Its contact.
    pub contact: String,
    /// Whether people know already that reminders of it do not reach this person.
    pub known: bool,
}

/// What a lost reminder was about. People know of it when, since the person is marked, another
/// one about the same token was told; of the last stages they are told once more.
const TOKENS: &str = "SELECT n.mail, t.no, t.name, p.expires, t.contact, min(EXISTS ( \
      SELECT 1 FROM unreachable u JOIN notice e ON e.recipient = u.recipient \
      WHERE u.recipient = n.recipient AND e.token = n.token AND e.period = n.period AND e.state = 'failed' \
        AND e.reason IN ('refused', 'bounced') AND e.settled_at >= u.since AND e.mail <> n.mail \
        AND (e.stage <= $1) = (n.stage <= $1) \
        AND NOT EXISTS (SELECT 1 FROM untold o WHERE o.mail = e.mail))) \
    FROM untold x JOIN notice n ON n.mail = x.mail AND n.state = 'failed' \
    JOIN token t ON t.no = n.token AND t.period = n.period AND t.state = 'active' \
    JOIN period p ON p.token = n.token AND p.no = n.period \
    GROUP BY n.mail, t.no ORDER BY n.mail, p.expires, t.id";

impl Store {
    /// The reminders of whose loss people are to be told, the earliest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn untold(&self) -> Result<Vec<Untold>> {
        let rows = sqlx::query(
            "SELECT x.mail, x.at, x.way, m.message_id, m.recipient, m.address, coalesce(m.reply, '') \
             FROM untold x JOIN mail m ON m.no = x.mail ORDER BY x.at, x.mail",
        )
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let tokens = sqlx::query(TOKENS)
            .bind(LAST_WORDS)
            .fetch_all(&self.pool)
            .await?;
        let mut about: HashMap<i64, Vec<LostToken>> = HashMap::new();
        for r in &tokens {
            about.entry(r.try_get(0)?).or_default().push(LostToken {
                token: r.try_get(1)?,
                name: r.try_get(2)?,
                expires: instant(r.try_get(3)?),
                contact: r.try_get(4)?,
                known: r.try_get(5)?,
            });
        }
        rows.iter()
            .map(|r| {
                let (mail, way): (i64, &str) = (r.try_get(0)?, r.try_get(2)?);
                Ok(Untold {
                    mail,
                    at: instant(r.try_get(1)?),
                    way: Way::from_word(way)
                        .ok_or_else(|| StoreError::Corrupt(format!("a loss {way:?}")))?,
                    message_id: r.try_get(3)?,
                    recipient: r.try_get(4)?,
                    address: r.try_get(5)?,
                    said: r.try_get(6)?,
                    tokens: about.remove(&mail).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Whether mails are leaving, or may leave, at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_sending(&self, now: DateTime<Utc>) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM mail WHERE next_at IS NOT NULL AND urgency > -1000000000000 AND (next_at <= $1 OR state = 'claimed'))",
        )
        .bind(seconds(now))
        .fetch_one(&self.pool)
        .await?;
        Ok(found == 1)
    }
}

impl Tx {
    /// Has people told of the reminders among these mails that they did not reach their recipients.
    pub(super) async fn tell_others_of(
        &mut self,
        mails: &[i64],
        way: Way,
        now: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO untold (mail, at, way) SELECT m.no, $2, $3 FROM json_each($1) j \
               CROSS JOIN mail m ON m.no = j.value WHERE m.kind = 'reminder' \
             ON CONFLICT (mail) DO UPDATE SET at = excluded.at, way = excluded.way",
        )
        .bind(json(mails))
        .bind(seconds(now))
        .bind(way.word())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// People have been told of these mails.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn told_of(&mut self, mails: &[i64]) -> Result<()> {
        sqlx::query("DELETE FROM untold WHERE mail IN (SELECT value FROM json_each($1))")
            .bind(json(mails))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
