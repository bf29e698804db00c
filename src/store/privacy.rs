//! Names that end: retention, and forgetting one person. What was sent, when and with which
//! answer stays on record; whom it went to becomes a pseudonym.
//!
//! The same person gets one pseudonym in all rows that are rewritten together, and nothing kept
//! here leads back to the address. What decides whether a reminder is still owed is never
//! rewritten by retention: a notice of a period that goes on keeps its recipient.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row;

use crate::domain::address::Address;
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::plan;
use crate::store::{Store, Tx, seconds};

/// Pseudonyms are addresses of a domain that cannot exist (RFC 2606).
pub(super) const NOWHERE: &str = "@forgotten.invalid";

/// Whose records are looked for in the rows of texts.
const IN_TEXTS: &str = "%@%";

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
        done.add(tx.rename(&key, &name, now).await?);
        done.texts = tx.rename_in_texts(&key, address.as_str(), &name).await?;
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

    /// Puts pseudonyms in the place of the people in what was settled before an instant: mails
    /// and notices of periods that are over, recipients that are no longer told, the journal,
    /// servers' replies.
    ///
    /// # Errors
    /// When the store cannot be written; then nothing was changed.
    pub async fn forget_names(&self, before: DateTime<Utc>) -> Result<Forgotten> {
        let mut tx = self.begin().await?;
        let mut names = Vec::new();
        for key in tx.keys_of_the_past(before).await? {
            names.push((key, tx.next_pseudonym().await? + NOWHERE));
        }
        let mut done = tx.rename_the_past(&names, before).await?;
        done.texts = tx.mask_texts(before).await?;
        if done == Forgotten::default() {
            tx.rollback().await?;
        } else {
            tx.commit().await?;
        }
        Ok(done)
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

/// Who gets which pseudonym, as a table that SQLite may index for the statement.
const NEW_NAMES: &str =
    "WITH j (key, name) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM jsonb_each($2))";

/// Mails whose record is of the past: settled before `$1`, and of no period that goes on.
const PAST_MAILS: &str = "m.settled_at < $1 AND m.recipient NOT LIKE '%@forgotten.invalid' AND NOT EXISTS ( \
    SELECT 1 FROM notice n JOIN token t ON t.no = n.token AND t.period = n.period \
    LEFT JOIN recipient r ON r.token = n.token AND r.key = n.recipient \
    WHERE n.mail = m.no AND NOT (t.state <> 'active' AND t.state_at < $1) \
      AND NOT coalesce(r.removed_at < $1, false))";

/// Notices of the past, by the same rule.
const PAST_NOTICES: &str = "n.settled_at < $1 AND n.recipient NOT LIKE '%@forgotten.invalid' AND EXISTS ( \
    SELECT 1 FROM token t LEFT JOIN recipient r ON r.token = t.no AND r.key = n.recipient \
    WHERE t.no = n.token AND (n.period < t.period OR (t.state <> 'active' AND t.state_at < $1) \
      OR coalesce(r.removed_at < $1, false)))";

/// Recipients of the past.
const PAST_RECIPIENTS: &str = "r.key NOT LIKE '%@forgotten.invalid' AND (r.removed_at < $1 OR EXISTS ( \
    SELECT 1 FROM token t WHERE t.no = r.token AND t.state <> 'active' AND t.state_at < $1))";

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
            sqlx::query("UPDATE mail SET recipient = $2, address = $2 WHERE recipient = $1")
                .bind(key)
                .bind(&pseudonym)
                .execute(&mut *self.inner)
                .await?;
        let notices = sqlx::query("UPDATE notice SET recipient = $2 WHERE recipient = $1")
            .bind(key)
            .bind(&pseudonym)
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
        Ok(Forgotten {
            mails: mails.rows_affected(),
            notices: notices.rows_affected(),
            recipients: recipients.rows_affected(),
            ..Forgotten::default()
        })
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

    /// Everyone who is named in rows of the past only by their key.
    async fn keys_of_the_past(&mut self, before: DateTime<Utc>) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT m.recipient FROM mail m WHERE {PAST_MAILS} \
             UNION SELECT n.recipient FROM notice n WHERE {PAST_NOTICES} \
             UNION SELECT r.key FROM recipient r WHERE {PAST_RECIPIENTS} ORDER BY 1"
        );
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(seconds(before))
            .fetch_all(&mut *self.inner)
            .await?)
    }

    async fn rename_the_past(
        &mut self,
        names: &[(String, String)],
        before: DateTime<Utc>,
    ) -> Result<Forgotten> {
        if names.is_empty() {
            return Ok(Forgotten::default());
        }
        // The recipients last: the others are judged by them.
        let statements = [
            format!(
                "{NEW_NAMES} DELETE FROM body WHERE mail IN (SELECT m.no FROM j JOIN mail m ON m.recipient = j.key WHERE {PAST_MAILS})"
            ),
            format!(
                "{NEW_NAMES} UPDATE mail AS m SET recipient = j.name, address = j.name, \
                   note = CASE WHEN note IS NULL THEN NULL ELSE '{{}}' END, \
                   subject = CASE WHEN kind = 'reminder' THEN subject END \
                 FROM j WHERE m.recipient = j.key AND {PAST_MAILS}"
            ),
            format!(
                "{NEW_NAMES} UPDATE notice AS n SET recipient = j.name FROM j WHERE n.recipient = j.key AND {PAST_NOTICES}"
            ),
            format!(
                "{NEW_NAMES} UPDATE recipient AS r SET key = j.name, address = j.name, name = NULL, \
                   removed_at = coalesce(removed_at, $1) \
                 FROM j WHERE r.key = j.key AND {PAST_RECIPIENTS}"
            ),
        ];
        let mut count = [0; 4];
        for (done, sql) in count.iter_mut().zip(statements) {
            *done = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(seconds(before))
                .bind(plan::json(names))
                .execute(&mut *self.inner)
                .await?
                .rows_affected();
        }
        let [bodies, mails, notices, recipients] = count;
        Ok(Forgotten {
            mails,
            notices,
            recipients,
            bodies,
            texts: 0,
        })
    }

    /// Masks every address in the texts of the past, and the names of the users who acted.
    async fn mask_texts(&mut self, before: DateTime<Utc>) -> Result<u64> {
        let mut done = 0;
        for (select, update) in PAST_TEXTS {
            let rows: Vec<(i64, String)> = sqlx::query(select)
                .bind(seconds(before))
                .fetch_all(&mut *self.inner)
                .await?
                .iter()
                .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
                .collect::<Result<_>>()?;
            done += self.write_texts(update, &rows, &masked).await?;
        }
        done += sqlx::query(
            "UPDATE journal SET who = 'user:forgotten' WHERE at < $1 AND who LIKE 'user:%' AND who <> 'user:forgotten'",
        )
        .bind(seconds(before))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        done += sqlx::query(
            "UPDATE token SET contact = 'forgotten@forgotten.invalid' \
             WHERE state <> 'active' AND state_at < $1 AND contact NOT LIKE '%@forgotten.invalid'",
        )
        .bind(seconds(before))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        Ok(done)
    }

    async fn rewrite(
        &mut self,
        select: &'static str,
        update: &'static str,
        change: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<u64> {
        let rows: Vec<(i64, String)> = sqlx::query(select)
            .bind(IN_TEXTS)
            .fetch_all(&mut *self.inner)
            .await?
            .iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect::<Result<_>>()?;
        self.write_texts(update, &rows, change).await
    }

    /// Writes back the texts that a change makes different, in one statement.
    async fn write_texts(
        &mut self,
        update: &'static str,
        rows: &[(i64, String)],
        change: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<u64> {
        let changed: BTreeMap<i64, String> = rows
            .iter()
            .map(|(no, text)| (*no, change(text)))
            .zip(rows)
            .filter(|((_, new), (_, old))| new != old)
            .map(|(new, _)| new)
            .collect();
        if changed.is_empty() {
            return Ok(0);
        }
        let changed: Vec<(i64, String)> = changed.into_iter().collect();
        Ok(sqlx::query(update)
            .bind(plan::json(&changed))
            .execute(&mut *self.inner)
            .await?
            .rows_affected())
    }
}

const SET_DETAIL: &str = "UPDATE journal SET detail = j.value ->> 1 FROM jsonb_each($1) j WHERE journal.no = j.value ->> 0";
const SET_REPLY: &str = "UPDATE attempt SET reply = j.value ->> 1 FROM jsonb_each($1) j WHERE attempt.no = j.value ->> 0";
const SET_LAST_REPLY: &str =
    "UPDATE mail SET reply = j.value ->> 1 FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0";
const SET_SUBJECT: &str =
    "UPDATE mail SET subject = j.value ->> 1 FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0";
const SET_NOTE: &str =
    "UPDATE mail SET note = j.value ->> 1 FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0";

/// Every text that may hold an address: how its rows are found, how they are written back.
const TEXTS: [(&str, &str); 5] = [
    (
        "SELECT no, detail FROM journal WHERE detail LIKE $1",
        SET_DETAIL,
    ),
    (
        "SELECT no, reply FROM attempt WHERE reply LIKE $1",
        SET_REPLY,
    ),
    (
        "SELECT no, reply FROM mail WHERE reply LIKE $1",
        SET_LAST_REPLY,
    ),
    (
        "SELECT no, subject FROM mail WHERE subject LIKE $1",
        SET_SUBJECT,
    ),
    ("SELECT no, note FROM mail WHERE note LIKE $1", SET_NOTE),
];

/// The same of the past; what a mask left holds no `@`.
const PAST_TEXTS: [(&str, &str); 3] = [
    (
        "SELECT no, detail FROM journal WHERE at < $1 AND detail LIKE '%@%'",
        SET_DETAIL,
    ),
    (
        "SELECT no, reply FROM attempt WHERE at < $1 AND reply LIKE '%@%'",
        SET_REPLY,
    ),
    (
        "SELECT no, reply FROM mail WHERE settled_at < $1 AND reply LIKE '%@%'",
        SET_LAST_REPLY,
    ),
];

/// The text with an address replaced, however its letters are written. Only whole addresses
/// count: that of `anne@ville.example` is no part of `marianne@ville.example`.
fn replaced(text: &str, address: &str, by: &str) -> String {
    let wanted: Vec<char> = address.chars().flat_map(char::to_lowercase).collect();
    let is_part = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(c);
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let found = if is_part(before) {
            None
        } else {
            length_of(rest, &wanted).filter(|n| {
                let mut after = rest[*n..].chars();
                match after.next() {
                    // A full stop may end the sentence instead of going on with the domain.
                    Some('.') => !after.next().is_some_and(is_part),
                    Some(next) => !is_part(next),
                    None => true,
                }
            })
        };
        match found {
            Some(length) => {
                out.push_str(by);
                rest = &rest[length..];
                before = ' ';
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                before = c;
            }
        }
    }
    out
}

/// The bytes that `text` spends on `wanted` (lower case) at its start.
fn length_of(text: &str, wanted: &[char]) -> Option<usize> {
    let mut wanted = wanted.iter();
    for (at, c) in text.char_indices() {
        for lower in c.to_lowercase() {
            match wanted.next() {
                None => return Some(at),
                Some(w) if *w == lower => {}
                Some(_) => return None,
            }
        }
    }
    wanted.next().is_none().then_some(text.len())
}

/// The text without anything that looks like an address; the values of a JSON object stay JSON.
fn masked(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value @ Value::Object(_)) => {
            mask_value(&mut value);
            value.to_string()
        }
        _ => mask_words(text),
    }
}

fn mask_value(value: &mut Value) {
    match value {
        Value::String(s) if s.contains('@') => *s = mask_words(s),
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        Value::Object(map) => map.values_mut().for_each(mask_value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mask_words(text: &str) -> String {
    text.split(' ')
        .map(|word| {
            if word.contains('@') {
                "forgotten"
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_replaced_whole_and_in_any_case() {
        let said = "<C.Martin@Ville.Example>: c.martin@ville.example, marc.martin@ville.example \
                    c.martin@ville.example.org c.martin@ville.example.";
        assert_eq!(
            replaced(said, "c.martin@ville.example", "x"),
            "<x>: x, marc.martin@ville.example c.martin@ville.example.org x."
        );
        assert_eq!(replaced("Écrire à ÉLO@a.fr", "élo@a.fr", "x"), "Écrire à x");
        assert_eq!(replaced("", "a@b.c", "x"), "");
    }

    #[test]
    fn a_masked_text_holds_no_address_and_stays_json() {
        let detail = r#"{"contact":{"after":"b@c.d","before":"a@b.c"},"n":1}"#;
        assert_eq!(
            masked(detail),
            r#"{"contact":{"after":"forgotten","before":"forgotten"},"n":1}"#
        );
        assert_eq!(
            masked("550 5.1.1 <a@b.c>: unknown"),
            "550 5.1.1 forgotten unknown"
        );
    }
}
