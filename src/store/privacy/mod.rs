//! Names that end: retention, and forgetting one person. What was sent, when and with which
//! answer stays on record; whom it went to becomes a pseudonym.
//!
//! The same person gets one pseudonym in all rows that are rewritten together, and nothing kept
//! here leads back to the address. What decides whether a reminder is still owed is never
//! rewritten by retention: a notice of a period that goes on keeps its recipient.

mod retention;
mod texts;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::address::Address;
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::plan;
use crate::store::privacy::texts::{FILINGS, TEXTS, replaced};
use crate::store::{Store, Tx, seconds};

/// Pseudonyms are addresses of a domain that cannot exist (RFC 2606).
pub(in crate::store) const NOWHERE: &str = "@forgotten.invalid";

/// How many rows were rewritten or cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Mails that went, or were to go, to such an address.
    pub mails: u64,
    /// Notices.
    pub notices: u64,
    /// Entries as a token's recipient.
    pub recipients: u64,
    /// Entries of the journal, servers' replies and notes that named an address.
    pub texts: u64,
    /// Bodies of mails.
    pub bodies: u64,
}

/// Why a person cannot be forgotten now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StillNeeded {
    /// They are told about these tokens, which are watched.
    Told(Vec<String>),
    /// They are the contact of these tokens.
    Contact(Vec<String>),
    /// A mail to them is on its way, or in doubt.
    OnItsWay(i64),
    /// Nothing on record names them.
    Unknown,
}

impl Store {
    /// Puts a pseudonym in the place of an address everywhere, and clears the bodies of mails
    /// that may name the person. Cancels what was still to go there.
    ///
    /// With `commit` being [`Commit::No`] everything is counted and nothing is kept.
    ///
    /// # Errors
    /// When the store cannot be written; the inner one says why the person is still needed.
    pub async fn forget(
        &self,
        address: &Address,
        who: &str,
        commit: Commit,
        now: DateTime<Utc>,
    ) -> Result<std::result::Result<(String, Forgotten), StillNeeded>> {
        let mut tx = self.begin().await?;
        let key = address.key();
        if let Some(why) = tx.still_needed(&key, address.as_str()).await? {
            tx.rollback().await?;
            return Ok(Err(why));
        }
        let name = tx.next_pseudonym().await?;
        let mut done = tx.clear_bodies_about(&key).await?;
        tx.drop_unused_forms().await?;
        let filings = tx.rename_in_filings(&key, address.as_str(), &name).await?;
        done.add(tx.rename(&key, &name, now).await?);
        done.texts += filings + tx.rename_in_texts(&key, address.as_str(), &name).await?;
        done.texts += tx.forget_in_webhook_events(&key).await?;
        if done == Forgotten::default() {
            tx.rollback().await?;
            return Ok(Err(StillNeeded::Unknown));
        }
        let detail = json!({"as": name, "mails": done.mails, "notices": done.notices});
        let entry = Entry {
            what: "person_forgotten",
            token: None,
            detail,
        };
        tx.journal(who, &[entry], now).await?;
        match commit {
            Commit::Yes => {
                tx.commit().await?;
                // What was rewritten is overwritten in the file (`secure_delete`); what the log
                // still holds of the old pages goes too.
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                    .execute(&self.pool)
                    .await?;
            }
            Commit::No => tx.rollback().await?,
        }
        Ok(Ok((name, done)))
    }
}

/// Whether what was done is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// It is.
    Yes,
    /// It is only counted.
    No,
}

impl Forgotten {
    fn add(&mut self, other: Self) {
        self.mails += other.mails;
        self.notices += other.notices;
        self.recipients += other.recipients;
        self.texts += other.texts;
        self.bodies += other.bodies;
    }
}

impl Tx {
    async fn still_needed(&mut self, key: &str, written: &str) -> Result<Option<StillNeeded>> {
        let told: Vec<String> = sqlx::query_scalar(
            "SELECT t.id FROM recipient r JOIN token t ON t.no = r.token \
             WHERE r.key = $1 AND r.removed_at IS NULL AND t.state = 'active' ORDER BY t.id",
        )
        .bind(key)
        .fetch_all(&mut *self.inner)
        .await?;
        if !told.is_empty() {
            return Ok(Some(StillNeeded::Told(told)));
        }
        let contact: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM token WHERE state = 'active' AND lower(contact) IN ($1, lower($2)) ORDER BY id",
        )
        .bind(key)
        .bind(written)
        .fetch_all(&mut *self.inner)
        .await?;
        if !contact.is_empty() {
            return Ok(Some(StillNeeded::Contact(contact)));
        }
        let on_its_way: Option<i64> = sqlx::query_scalar(
            "SELECT min(no) FROM mail WHERE recipient = $1 AND state IN ('claimed', 'in_doubt')",
        )
        .bind(key)
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(on_its_way.map(StillNeeded::OnItsWay))
    }

    /// A name that nobody had before.
    async fn next_pseudonym(&mut self) -> Result<String> {
        let last = self.setting("forgotten").await?;
        let no = last.and_then(|n| n.parse().ok()).unwrap_or(0_u64) + 1;
        self.set("forgotten", &no.to_string()).await?;
        Ok(format!("forgotten-{no}"))
    }

    /// Clears the bodies that may name the person: those that went to them, and those about
    /// tokens of theirs, which name who else is told.
    async fn clear_bodies_about(&mut self, key: &str) -> Result<Forgotten> {
        let cleared = sqlx::query(
            "DELETE FROM body WHERE mail IN (SELECT no FROM mail WHERE recipient = $1 \
               UNION SELECT n.mail FROM recipient r JOIN notice n ON n.token = r.token \
                 WHERE r.key = $1 AND n.mail IS NOT NULL) \
             AND mail NOT IN (SELECT no FROM mail WHERE state IN ('claimed', 'in_doubt'))",
        )
        .bind(key)
        .execute(&mut *self.inner)
        .await?;
        Ok(Forgotten {
            bodies: cleared.rows_affected(),
            ..Forgotten::default()
        })
    }

    /// Renames one person in every row that is keyed by them.
    async fn rename(&mut self, key: &str, name: &str, now: DateTime<Utc>) -> Result<Forgotten> {
        let pseudonym = format!("{name}{NOWHERE}");
        sqlx::query(
            "UPDATE mail SET state = 'cancelled', next_at = NULL, settled_at = $2 \
             WHERE recipient = $1 AND state IN ('queued', 'deferred', 'held')",
        )
        .bind(key)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        let mails =
            sqlx::query("UPDATE mail SET recipient = $2, address = $2, domain = substr($2, instr($2, '@') + 1) WHERE recipient = $1")
                .bind(key)
                .bind(&pseudonym)
                .execute(&mut *self.inner)
                .await?;
        let notices = sqlx::query("UPDATE notice SET recipient = $2 WHERE recipient = $1")
            .bind(key)
            .bind(&pseudonym)
            .execute(&mut *self.inner)
            .await?;
        sqlx::query("DELETE FROM unreachable WHERE recipient = $1")
            .bind(key)
            .execute(&mut *self.inner)
            .await?;
        let recipients = sqlx::query(
            "UPDATE recipient SET key = $2, address = $2, name = NULL, removed_at = coalesce(removed_at, $3) \
             WHERE key = $1",
        )
        .bind(key)
        .bind(&pseudonym)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        let not_for_me = sqlx::query("UPDATE not_for_me SET recipient = $2 WHERE recipient = $1")
            .bind(key)
            .bind(&pseudonym)
            .execute(&mut *self.inner)
            .await?;
        Ok(Forgotten {
            texts: not_for_me.rows_affected(),
            mails: mails.rows_affected(),
            notices: notices.rows_affected(),
            recipients: recipients.rows_affected(),
            ..Forgotten::default()
        })
    }

    /// Renames one person where it says who filed a request, by address or by name.
    async fn rename_in_filings(&mut self, key: &str, written: &str, name: &str) -> Result<u64> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT name FROM recipient WHERE key = $1 AND name IS NOT NULL",
        )
        .bind(key)
        .fetch_all(&mut *self.inner)
        .await?;
        let said = sqlx::query(
            "UPDATE quiet SET \
               who = CASE WHEN who = 'recipient:' || $1 THEN 'recipient:' || $3 ELSE who END, \
               filed_by = CASE WHEN lower(filed_by) IN ($1, lower($2)) \
                 OR filed_by IN (SELECT value FROM json_each($4)) THEN $3 ELSE filed_by END \
             WHERE who = 'recipient:' || $1 OR lower(filed_by) IN ($1, lower($2)) \
               OR filed_by IN (SELECT value FROM json_each($4))",
        )
        .bind(key)
        .bind(written)
        .bind(name)
        .bind(plan::json(&names))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        let renamed = |text: &str| {
            names
                .iter()
                .fold(text.to_owned(), |text, n| replaced(&text, n, name))
        };
        Ok(said + self.rewrite(FILINGS.0, FILINGS.1, &renamed).await?)
    }

    /// Renames one person in the texts that may name them.
    async fn rename_in_texts(&mut self, key: &str, written: &str, name: &str) -> Result<u64> {
        let renamed = |text: &str| {
            let once = replaced(text, key, name);
            replaced(&once, written, name)
        };
        let contacts = sqlx::query(
            "UPDATE token SET contact = $3 WHERE lower(contact) IN ($1, lower($2)) AND state <> 'active'",
        )
        .bind(key)
        .bind(written)
        .bind(format!("{name}{NOWHERE}"))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        let mut done = contacts;
        for (select, update) in TEXTS {
            done += self.rewrite(select, update, &renamed).await?;
        }
        // What such a note's mail said is no longer its words.
        sqlx::query(
            "DELETE FROM body WHERE mail IN (SELECT no FROM mail WHERE note LIKE '%' || $1 || '%')",
        )
        .bind(name)
        .execute(&mut *self.inner)
        .await?;
        Ok(done)
    }
}
