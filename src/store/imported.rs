//! What an import writes: tokens and their facts in bulk, a statement for thousands of rows; and
//! the handing over of a token to the file.
//!
//! Dates and recipients are written as `declared` writes those of the file.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row;

use crate::domain::lifecycle::Origin;
use crate::store::declared::Facts;
use crate::store::error::Result;
use crate::store::periods::Dates;
use crate::store::plan::json;
use crate::store::{Store, Tx, seconds};

/// A token as an import gives it, to be written.
#[derive(Debug, Clone, Serialize)]
pub struct Arrival {
    /// Its row.
    pub no: i64,
    /// Its id.
    pub id: String,
    /// Its facts.
    pub facts: Facts,
    /// Its `jti`.
    pub jti: Option<String>,
    /// When it was issued.
    #[serde(serialize_with = "some_seconds")]
    pub issued: Option<DateTime<Utc>>,
    /// When it expires.
    #[serde(serialize_with = "as_seconds")]
    pub expires: DateTime<Utc>,
    /// Its rights.
    #[serde(serialize_with = "some_json")]
    pub scopes: Option<Vec<String>>,
    /// SHA-256 of its text.
    pub fingerprint: Option<String>,
    /// Where it comes from.
    #[serde(serialize_with = "as_word")]
    pub origin: Origin,
}

impl Arrival {
    /// Its dates.
    pub fn dates(&self) -> Dates {
        Dates {
            no: self.no,
            issued: self.issued.map(seconds),
            expires: seconds(self.expires),
        }
    }
}

fn as_seconds<S: serde::Serializer>(
    at: &DateTime<Utc>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_i64(seconds(*at))
}

fn some_seconds<S: serde::Serializer>(
    at: &Option<DateTime<Utc>>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    at.map(seconds).serialize(to)
}

fn some_json<S: serde::Serializer>(
    words: &Option<Vec<String>>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    words.as_ref().map(json).serialize(to)
}

fn as_word<S: serde::Serializer>(origin: &Origin, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(origin.word())
}

impl Tx {
    /// Adds tokens, each with its first period, said by `who`; due to be looked at now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn insert_arrivals(
        &mut self,
        tokens: &[Arrival],
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let rows = json(tokens);
        sqlx::query(
            "INSERT INTO token (no, id, name, client, client_name, datapass_id, jti, siret, used_by, tags, language, \
               contact, scopes, fingerprint, origin, state, state_by, state_at, period, declared_at, next_due_at) \
             SELECT value ->> 'no', value ->> 'id', value ->> '$.facts.name', value ->> '$.facts.client', \
               value ->> '$.facts.client_name', value ->> '$.facts.datapass_id', value ->> 'jti', \
               value ->> '$.facts.siret', value ->> '$.facts.used_by', value ->> '$.facts.tags', \
               value ->> '$.facts.language', value ->> '$.facts.contact', value ->> 'scopes', \
               value ->> 'fingerprint', value ->> 'origin', 'active', 'file', $2, 1, $2, $2 \
             FROM jsonb_each($1)",
        )
        .bind(&rows)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query(
            "INSERT INTO period (token, no, issued, expires, opened_at, dated_at, source) \
             SELECT value ->> 'no', 1, value ->> 'issued', value ->> 'expires', $2, $2, $3 FROM jsonb_each($1)",
        )
        .bind(&rows)
        .bind(seconds(now))
        .bind(who)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Takes over what an import says of tokens on record; their history is untouched.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn update_arrivals(&mut self, tokens: &[Arrival]) -> Result<()> {
        sqlx::query(
            "UPDATE token SET name = j.value ->> '$.facts.name', client = j.value ->> '$.facts.client', \
               client_name = j.value ->> '$.facts.client_name', datapass_id = j.value ->> '$.facts.datapass_id', \
               siret = j.value ->> '$.facts.siret', used_by = j.value ->> '$.facts.used_by', \
               tags = j.value ->> '$.facts.tags', language = j.value ->> '$.facts.language', \
               contact = j.value ->> '$.facts.contact', jti = j.value ->> 'jti', scopes = j.value ->> 'scopes', \
               fingerprint = j.value ->> 'fingerprint', origin = j.value ->> 'origin' \
             FROM jsonb_each($1) j WHERE token.no = j.value ->> 'no'",
        )
        .bind(json(tokens))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Has the file take these tokens over, by their ids, that came from elsewhere, with the
    /// recipients that an import gave them; tells their rows.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn give_to_file(&mut self, ids: &[&str]) -> Result<Vec<i64>> {
        let rows = sqlx::query(
            "UPDATE token SET origin = 'file' FROM json_each($1) j \
             WHERE token.id = j.value AND token.origin <> 'file' RETURNING token.no",
        )
        .bind(json(ids))
        .fetch_all(&mut *self.inner)
        .await?;
        let taken: Vec<i64> = rows
            .iter()
            .map(|r| Ok(r.try_get(0)?))
            .collect::<Result<_>>()?;
        if !taken.is_empty() {
            sqlx::query(
                "UPDATE recipient SET origin = 'file' FROM json_each($1) j \
                 WHERE recipient.token = j.value AND recipient.origin = 'import'",
            )
            .bind(json(&taken))
            .execute(&mut *self.inner)
            .await?;
        }
        Ok(taken)
    }
}

/// A token that came from elsewhere than the file and lacks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// Its id.
    pub id: String,
    /// Whether only the contact is told.
    pub no_people: bool,
    /// Whether its Data Pass number is not known.
    pub no_number: bool,
}

impl Store {
    /// The watched tokens that came from elsewhere than the file and are to be completed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incomplete(&self) -> Result<Vec<Incomplete>> {
        let rows = sqlx::query(
            "SELECT id, no_people, no_number FROM (SELECT t.id AS id, t.datapass_id IS NULL AS no_number, \
               NOT EXISTS (SELECT 1 FROM recipient r WHERE r.token = t.no AND r.removed_at IS NULL \
                 AND NOT (r.address = t.contact AND r.name IS NULL AND r.role = 'observer')) AS no_people \
             FROM token t WHERE t.origin <> 'file' AND t.state = 'active') WHERE no_people OR no_number ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Incomplete {
                    id: r.try_get(0)?,
                    no_people: r.try_get(1)?,
                    no_number: r.try_get(2)?,
                })
            })
            .collect()
    }

    /// Watched tokens that came from elsewhere than the file, each with another one that has
    /// its `jti`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn known_twice(&self) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query(
            "SELECT t.id, max(o.id) FROM token t JOIN token o ON o.jti = t.jti AND o.no <> t.no \
             WHERE t.origin <> 'file' AND t.state = 'active' AND o.state = 'active' \
               AND (o.origin = 'file' OR o.no < t.no) GROUP BY t.id ORDER BY t.id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect()
    }
}
