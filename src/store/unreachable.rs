//! The marks of people whom a mail server refuses for good, and what follows from them: tokens
//! of which nobody can be told.
//!
//! A mark never keeps a reminder from being tried. It ends when a later mail to that person is
//! accepted; after a bounce, once that mail has not come back for [`TRIAL`], because a relay that
//! accepts everything proves nothing. It also ends with the address: when the person is no longer
//! told anything, or is forgotten.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::address::Address;
use crate::domain::calendar::Calendar;
use crate::domain::reach::{TRIAL, Way};
use crate::domain::schedule::{Period, is_mailed};
use crate::store::error::{Result, StoreError};
use crate::store::outbox::list;
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, quiet, seconds};

/// Somebody who cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The key.
    pub recipient: String,
    /// The address, as it was last written to.
    pub address: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When a mail was last refused, or came back.
    pub at: DateTime<Utc>,
    /// How.
    pub how: Way,
    /// That mail.
    pub mail: i64,
    /// What the server said.
    pub said: String,
    /// When a later mail was accepted, which may still come back.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The active tokens about which they are told, by their ids.
    pub tokens: Vec<String>,
}

impl Store {
    /// The people who cannot be reached at `now`, by the time of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unreachable(&self, now: DateTime<Utc>) -> Result<Vec<Unreachable>> {
        let rows = sqlx::query(
            "SELECT u.recipient, m.address, u.since, u.at, u.how, u.mail, \
               coalesce((SELECT a.reply FROM attempt a WHERE a.mail = u.mail AND a.outcome IN ('refused', 'bounced') \
                 ORDER BY a.no DESC LIMIT 1), ''), u.accepted_at, \
               (SELECT json_group_array(t.id ORDER BY t.id) FROM recipient r JOIN token t ON t.no = r.token \
                 WHERE r.key = u.recipient AND r.removed_at IS NULL AND t.state = 'active') \
             FROM unreachable u JOIN mail m ON m.no = u.mail \
             WHERE u.accepted_at IS NULL OR u.accepted_at > $1 ORDER BY u.since, u.recipient",
        )
        .bind(seconds(now - TRIAL))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                let how: &str = r.try_get(4)?;
                Ok(Unreachable {
                    recipient: r.try_get(0)?,
                    address: r.try_get(1)?,
                    since: instant(r.try_get(2)?),
                    at: instant(r.try_get(3)?),
                    how: Way::from_word(how)
                        .ok_or_else(|| StoreError::Corrupt(format!("a refusal {how:?}")))?,
                    mail: r.try_get(5)?,
                    said: r.try_get(6)?,
                    accepted_at: r.try_get::<Option<i64>, _>(7)?.map(instant),
                    tokens: list(r.try_get(8)?),
                })
            })
            .collect()
    }

    /// The active tokens, by their ids, of which none of the present recipients can be reached;
    /// without those of which nobody is mailed anyway.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn out_of_reach(
        &self,
        calendar: &Calendar,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "SELECT t.id, p.expires, p.opened_at, p.dated_at, t.declared_at, p.revoked_from IS NOT NULL \
             FROM token t JOIN period p ON p.token = t.no AND p.no = t.period \
             WHERE t.state = 'active' AND t.no IN (SELECT r.token FROM unreachable u \
                 CROSS JOIN recipient r ON r.key = u.recipient AND r.removed_at IS NULL) \
               AND NOT EXISTS (SELECT 1 FROM recipient r LEFT JOIN unreachable u \
                   ON u.recipient = r.key AND (u.accepted_at IS NULL OR u.accepted_at > $1) \
                 WHERE r.token = t.no AND r.removed_at IS NULL AND u.recipient IS NULL) \
             ORDER BY p.expires, t.id",
        )
        .bind(seconds(now - TRIAL))
        .fetch_all(&self.pool)
        .await?;
        let mut tokens = Vec::new();
        for r in &rows {
            let period = Period {
                expires: instant(r.try_get(1)?),
                opened_at: instant(r.try_get(2)?),
                dated_at: instant(r.try_get(3)?),
                declared_at: instant(r.try_get(4)?),
                end: quiet::end(r.try_get(5)?),
            };
            if is_mailed(calendar, &period) {
                tokens.push(r.try_get(0)?);
            }
        }
        Ok(tokens)
    }

    /// Ends the marks of those who are told nothing any more: neither recipients of a token, nor
    /// its contact, nor one of `kept`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_marks_besides(&self, kept: &[String]) -> Result<()> {
        let marked: Vec<String> = sqlx::query_scalar(
            "SELECT u.recipient FROM unreachable u WHERE NOT EXISTS \
               (SELECT 1 FROM recipient r WHERE r.key = u.recipient AND r.removed_at IS NULL)",
        )
        .fetch_all(&self.pool)
        .await?;
        if marked.is_empty() {
            return Ok(());
        }
        let contacts: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT contact FROM token WHERE state = 'active'")
                .fetch_all(&self.pool)
                .await?;
        let contacts: Vec<String> = contacts
            .iter()
            .filter_map(|written| Address::parse(written).ok())
            .map(|contact| contact.key())
            .collect();
        let gone: Vec<&String> = marked
            .iter()
            .filter(|key| !contacts.contains(key) && !kept.contains(key))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM unreachable WHERE recipient IN (SELECT value FROM json_each($1))")
            .bind(json(&gone))
            .execute(&mut *tx.inner)
            .await?;
        tx.commit().await
    }
}

impl Tx {
    /// Marks the recipients of mails that were refused for good, and has the others told, unless
    /// it is a note: there are no notes about notes.
    pub(super) async fn refused_for_good(
        &mut self,
        mails: &[i64],
        how: Way,
        now: DateTime<Utc>,
    ) -> Result<()> {
        if mails.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO unreachable (recipient, since, at, how, mail) \
             SELECT m.recipient, $2, $2, $3, m.no FROM json_each($1) j CROSS JOIN mail m ON m.no = j.value WHERE true \
             ON CONFLICT (recipient) DO UPDATE SET \
               since = CASE WHEN unreachable.accepted_at <= $4 THEN excluded.since ELSE unreachable.since END, \
               at = excluded.at, how = excluded.how, mail = excluded.mail, accepted_at = NULL",
        )
        .bind(json(mails))
        .bind(seconds(now))
        .bind(how.word())
        .bind(seconds(now - TRIAL))
        .execute(&mut *self.inner)
        .await?;
        self.tell_others_of(mails, how, now).await
    }

    /// Notes that mails were accepted: `mails` is a JSON array of arrays that begin with their
    /// rows.
    pub(super) async fn accepted(&mut self, mails: &str, now: DateTime<Utc>) -> Result<()> {
        let marked: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM unreachable)")
            .fetch_one(&mut *self.inner)
            .await?;
        if marked == 0 {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM unreachable WHERE (how = 'refused' OR accepted_at <= $2) AND recipient IN \
               (SELECT m.recipient FROM jsonb_each($1) j JOIN mail m ON m.no = j.value ->> 0)",
        )
        .bind(mails)
        .bind(seconds(now - TRIAL))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query(
            "UPDATE unreachable SET accepted_at = $2 WHERE accepted_at IS NULL AND recipient IN \
               (SELECT m.recipient FROM jsonb_each($1) j JOIN mail m ON m.no = j.value ->> 0)",
        )
        .bind(mails)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
