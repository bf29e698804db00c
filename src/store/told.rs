//! The recipients of tokens: who is told, since when, and who says so.
//!
//! The file ends only those that it declared; what an import, Data Pass or a predecessor added
//! stays. A removed recipient keeps its row, so that one who comes back is known again.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row;

use crate::domain::lifecycle::words;
use crate::store::declared::damaged;
use crate::store::error::Result;
use crate::store::outbox::{Person, people};
use crate::store::plan::json;
use crate::store::{Tx, seconds};

/// A recipient of a token, on record or declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownRecipient {
    /// The token's row.
    pub token: i64,
    /// Its key.
    pub key: String,
    /// The address as written.
    pub address: String,
    /// Their name.
    pub name: Option<String>,
    /// Their role, as a word.
    pub role: String,
    /// Their language, as a word.
    pub language: String,
    /// They are told from this stage on.
    pub from_stage: Option<u32>,
    /// Where they come from: the file ends only its own.
    pub origin: RecipientOrigin,
    /// Whether they are no longer told.
    pub removed: bool,
}

/// Where a recipient comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientOrigin {
    /// The config file.
    File,
    /// An import.
    Import,
    /// Data Pass.
    Webhook,
    /// The token that was superseded.
    Inherited,
}

words!(RecipientOrigin {
    File = "file",
    Import = "import",
    Webhook = "webhook",
    Inherited = "inherited",
});

fn known_recipient(r: &sqlx::sqlite::SqliteRow) -> Result<KnownRecipient> {
    Ok(KnownRecipient {
        token: r.try_get(0)?,
        key: r.try_get(1)?,
        address: r.try_get(2)?,
        name: r.try_get(3)?,
        role: r.try_get(4)?,
        language: r.try_get(5)?,
        from_stage: r
            .try_get::<Option<i64>, _>(6)?
            .and_then(|n| u32::try_from(n).ok()),
        removed: r.try_get(7)?,
        origin: RecipientOrigin::from_word(r.try_get(8)?)
            .ok_or_else(|| damaged("origin of a recipient"))?,
    })
}

const RECIPIENTS: &str = "SELECT token, key, address, name, role, language, from_stage, \
     removed_at IS NOT NULL, origin FROM recipient";

impl Tx {
    /// Every recipient on record, those who were removed included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn known_recipients(&mut self) -> Result<Vec<KnownRecipient>> {
        let rows = sqlx::query(RECIPIENTS).fetch_all(&mut *self.inner).await?;
        rows.iter().map(known_recipient).collect()
    }

    /// The recipients of these tokens, those who were removed included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn known_recipients_of(&mut self, tokens: &[i64]) -> Result<Vec<KnownRecipient>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{RECIPIENTS} WHERE token IN (SELECT value FROM json_each($1)) ORDER BY token, key"
        ));
        let rows = sqlx::query(sql)
            .bind(json(tokens))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(known_recipient).collect()
    }

    /// Adds recipients, or those who were removed again, and changes the facts of those who
    /// stay; `since` moves only for those who were not told until now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_recipients(
        &mut self,
        recipients: &[KnownRecipient],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if recipients.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO recipient (token, key, address, name, role, language, from_stage, since, origin) \
             SELECT value ->> 'token', value ->> 'key', value ->> 'address', value ->> 'name', value ->> 'role', \
               value ->> 'language', value ->> 'from_stage', $2, value ->> 'origin' FROM jsonb_each($1) WHERE true \
             ON CONFLICT (token, key) DO UPDATE SET address = excluded.address, name = excluded.name, \
               role = excluded.role, language = excluded.language, from_stage = excluded.from_stage, origin = excluded.origin, \
               since = CASE WHEN recipient.removed_at IS NULL THEN recipient.since ELSE excluded.since END, \
               removed_at = NULL",
        )
        .bind(json(recipients))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The people who are told about a token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn people_of(&mut self, token: i64) -> Result<Vec<Person>> {
        people(&mut self.inner, &[token]).await
    }

    /// Tells the people of one token about another one that has nobody but its contact, as those
    /// of the one are told; answers their addresses. For whom the other once had, what their
    /// leaving has suppressed in its current period is open again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn inherit_recipients(
        &mut self,
        from: i64,
        to: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "INSERT INTO recipient (token, key, address, name, role, language, from_stage, since, origin) \
             SELECT $2, r.key, r.address, r.name, r.role, r.language, r.from_stage, $3, 'inherited' \
             FROM recipient r WHERE r.token = $1 AND r.removed_at IS NULL AND NOT EXISTS \
               (SELECT 1 FROM recipient o JOIN token t ON t.no = o.token WHERE o.token = $2 \
                 AND o.removed_at IS NULL AND lower(o.address) <> lower(t.contact)) \
             ON CONFLICT (token, key) DO UPDATE SET address = excluded.address, name = excluded.name, \
               role = excluded.role, language = excluded.language, from_stage = excluded.from_stage, \
               origin = excluded.origin, since = excluded.since, removed_at = NULL \
               WHERE recipient.removed_at IS NOT NULL \
             RETURNING key, address",
        )
        .bind(from)
        .bind(to)
        .bind(seconds(now))
        .fetch_all(&mut *self.inner)
        .await?;
        let (mut told, mut addresses) = (Vec::new(), Vec::new());
        for r in &rows {
            told.push((to, r.try_get("key")?));
            addresses.push(r.try_get("address")?);
        }
        self.reopen_recipients(&told).await?;
        Ok(addresses)
    }

    /// Tells the recipients of restored tokens from now on: while a token was put away, nobody
    /// was told about it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn tell_from_now(&mut self, tokens: &[i64], now: DateTime<Utc>) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE recipient SET since = $2 FROM json_each($1) j \
             WHERE recipient.token = j.value AND recipient.removed_at IS NULL",
        )
        .bind(json(tokens))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Ends the telling of recipients: (token, key).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remove_recipients(
        &mut self,
        recipients: &[(i64, String)],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if recipients.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE recipient SET removed_at = $2 FROM jsonb_each($1) j \
             WHERE recipient.token = j.value ->> 0 AND recipient.key = j.value ->> 1",
        )
        .bind(json(recipients))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
