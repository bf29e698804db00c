//! What reconciliation reads and writes: tokens, periods and recipients as they are declared,
//! against those on record.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row;

use crate::domain::lifecycle::{By, FileDates, Origin, State};
use crate::domain::stage::Stages;
use crate::domain::token::{Declared, Jti};
use crate::store::error::{Result, StoreError};
use crate::store::outbox::list;
use crate::store::periods::Dates;
use crate::store::plan::{gathered, json};
use crate::store::{Tx, instant, seconds};

/// A token on record, as far as reconciliation compares it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its row.
    pub no: i64,
    /// Its id.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What it is.
    pub state: State,
    /// Who put it there.
    pub state_by: By,
    /// The number of its current period.
    pub period: i64,
    /// The record's dates.
    pub recorded: FileDates,
    /// What the file said when it was last read.
    pub file: Option<FileDates>,
    /// Its facts.
    pub facts: Facts,
}

/// The facts of a token that carry no history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its client's key.
    pub client: Option<String>,
    /// Its client's name.
    pub client_name: Option<String>,
    /// Its Data Pass number.
    pub datapass_id: Option<String>,
    /// Its SIRET.
    pub siret: Option<String>,
    /// Services that use it.
    pub used_by: Vec<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Language.
    pub language: String,
    /// Contact.
    pub contact: String,
}

impl Facts {
    /// The facts that the file declares.
    pub fn of(d: &Declared) -> Self {
        Self {
            name: d.name.clone(),
            client: d.client.as_ref().map(|c| c.key.clone()),
            client_name: d.client.as_ref().map(|c| c.name.clone()),
            datapass_id: d.datapass_id.as_ref().map(|p| p.as_str().to_owned()),
            siret: d.siret.as_ref().map(|s| s.as_str().to_owned()),
            used_by: d.used_by.clone(),
            tags: d.tags.clone(),
            language: d.language.code().to_owned(),
            contact: d.contact.as_str().to_owned(),
        }
    }
}

/// A token with its row, to be written.
#[derive(Debug)]
pub struct Numbered<'a> {
    /// Its row.
    pub no: i64,
    /// What the file declares.
    pub declared: &'a Declared,
}

impl Numbered<'_> {
    /// Its dates.
    pub fn dates(&self) -> Dates {
        Dates {
            no: self.no,
            issued: self.declared.issued.map(seconds),
            expires: seconds(self.declared.expires),
        }
    }
}

#[derive(Serialize)]
struct TokenRow<'a> {
    no: i64,
    id: &'a str,
    facts: Facts,
    used_by: String,
    tags: String,
    jti: Option<&'a str>,
    issued: Option<i64>,
    expires: i64,
}

fn row<'a>(n: &Numbered<'a>) -> TokenRow<'a> {
    let facts = Facts::of(n.declared);
    TokenRow {
        no: n.no,
        id: n.declared.id.as_str(),
        used_by: json(&facts.used_by),
        tags: json(&facts.tags),
        facts,
        jti: n.declared.jti.as_ref().map(Jti::as_str),
        issued: n.declared.issued.map(seconds),
        expires: seconds(n.declared.expires),
    }
}

impl Tx {
    /// The active tokens of the file: (row, id).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn active_tokens_of_file(&mut self) -> Result<Vec<(i64, String)>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(no, id)) FROM token \
             WHERE origin = 'file' AND state = 'active'",
        )
        .fetch_one(&mut *self.inner)
        .await?;
        gathered(&rows)
    }

    /// The rows of at most `limit` tokens after the row `last`, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_rows_after(&mut self, last: i64, limit: usize) -> Result<Vec<i64>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(no) FROM (SELECT no FROM token WHERE no > $1 ORDER BY no LIMIT $2)",
        )
        .bind(last)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_one(&mut *self.inner)
        .await?;
        gathered(&rows)
    }

    /// Those of these tokens, by their ids, that are on record.
    ///
    /// # Errors
    /// When the store cannot be read or holds a word that does not exist.
    pub async fn known_tokens(&mut self, ids: &[&str]) -> Result<Vec<Known>> {
        let rows = sqlx::query(
            "SELECT t.no, t.id, t.origin, t.state, t.state_by, t.period, p.expires, t.jti, t.file_expires, t.file_jti, \
               t.name, t.client, t.client_name, t.datapass_id, t.siret, t.used_by, t.tags, t.language, t.contact \
             FROM json_each($1) j CROSS JOIN token t ON t.id = j.value \
             CROSS JOIN period p ON p.token = t.no AND p.no = t.period",
        )
        .bind(json(ids))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                let jti = |s: Option<String>| s.and_then(|s| Jti::parse(&s).ok());
                let file_jti: Option<String> = r.try_get(9)?;
                Ok(Known {
                    no: r.try_get(0)?,
                    id: r.try_get(1)?,
                    origin: Origin::from_word(r.try_get(2)?).ok_or_else(|| damaged("origin"))?,
                    state: State::from_word(r.try_get(3)?).ok_or_else(|| damaged("token state"))?,
                    state_by: By::from_word(r.try_get(4)?).ok_or_else(|| damaged("state_by"))?,
                    period: r.try_get(5)?,
                    recorded: FileDates {
                        expires: instant(r.try_get(6)?),
                        jti: jti(r.try_get(7)?),
                    },
                    file: r.try_get::<Option<i64>, _>(8)?.map(|at| FileDates {
                        expires: instant(at),
                        jti: jti(file_jti),
                    }),
                    facts: Facts {
                        name: r.try_get(10)?,
                        client: r.try_get(11)?,
                        client_name: r.try_get(12)?,
                        datapass_id: r.try_get(13)?,
                        siret: r.try_get(14)?,
                        used_by: list(r.try_get(15)?),
                        tags: list(r.try_get(16)?),
                        language: r.try_get(17)?,
                        contact: r.try_get(18)?,
                    },
                })
            })
            .collect()
    }

    /// The number after that of the last token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_token_no(&mut self) -> Result<i64> {
        Ok(
            sqlx::query_scalar("SELECT coalesce(max(no), 0) + 1 FROM token")
                .fetch_one(&mut *self.inner)
                .await?,
        )
    }

    /// Declares new tokens of the file, each with its first period; due to be looked at now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn insert_tokens(
        &mut self,
        tokens: &[Numbered<'_>],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        let rows = json(&tokens.iter().map(row).collect::<Vec<_>>());
        sqlx::query(
            "INSERT INTO token (no, id, name, client, client_name, datapass_id, jti, siret, used_by, tags, language, \
               contact, origin, state, state_by, state_at, period, file_expires, file_jti, declared_at, next_due_at) \
             SELECT value ->> 'no', value ->> 'id', value ->> '$.facts.name', value ->> '$.facts.client', \
               value ->> '$.facts.client_name', value ->> '$.facts.datapass_id', value ->> 'jti', \
               value ->> '$.facts.siret', value ->> 'used_by', value ->> 'tags', value ->> '$.facts.language', \
               value ->> '$.facts.contact', 'file', 'active', 'file', $2, 1, value ->> 'expires', value ->> 'jti', $2, $2 \
             FROM jsonb_each($1)",
        )
        .bind(&rows)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query(
            "INSERT INTO period (token, no, issued, expires, opened_at, dated_at) \
             SELECT value ->> 'no', 1, value ->> 'issued', value ->> 'expires', $2, $2 FROM jsonb_each($1)",
        )
        .bind(&rows)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Takes over the facts that the file declares; history is untouched.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn update_facts(&mut self, tokens: &[Numbered<'_>]) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE token SET name = j.value ->> '$.facts.name', client = j.value ->> '$.facts.client', \
               client_name = j.value ->> '$.facts.client_name', datapass_id = j.value ->> '$.facts.datapass_id', \
               siret = j.value ->> '$.facts.siret', used_by = j.value ->> 'used_by', tags = j.value ->> 'tags', \
               language = j.value ->> '$.facts.language', contact = j.value ->> '$.facts.contact' \
             FROM jsonb_each($1) j WHERE token.no = j.value ->> 'no'",
        )
        .bind(json(&tokens.iter().map(row).collect::<Vec<_>>()))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Remembers what the file says of the dates of these tokens, and their `jti`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remember_file_dates(&mut self, tokens: &[Numbered<'_>]) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE token SET file_expires = j.value ->> 'expires', file_jti = j.value ->> 'jti', \
               jti = coalesce(j.value ->> 'jti', jti) \
             FROM jsonb_each($1) j WHERE token.no = j.value ->> 'no'",
        )
        .bind(json(&tokens.iter().map(row).collect::<Vec<_>>()))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Keeps what is known of the token itself; what is not given stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn identify(
        &mut self,
        token: i64,
        jti: Option<&str>,
        scopes: Option<&[String]>,
        fingerprint: Option<&str>,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE token SET jti = coalesce($2, jti), scopes = coalesce($3, scopes), \
               fingerprint = coalesce($4, fingerprint) WHERE no = $1",
        )
        .bind(token)
        .bind(jti)
        .bind(scopes.map(json))
        .bind(fingerprint)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Sets the token that took this one's place.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_successor(&mut self, token: i64, by: Option<i64>) -> Result<()> {
        sqlx::query("UPDATE token SET superseded_by = $2 WHERE no = $1")
            .bind(token)
            .bind(by)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Appends a version of the schedule.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn append_schedule(&mut self, stages: &Stages, since: DateTime<Utc>) -> Result<()> {
        sqlx::query("INSERT INTO schedule (since, spec) VALUES ($1, $2)")
            .bind(seconds(since))
            .bind(stages.to_spec())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Makes the next tick look at these tokens, if they are active. What was already to be
    /// looked at keeps its time: how late it is counts.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn look_again(&mut self, tokens: &[i64], now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "UPDATE token SET next_due_at = min(coalesce(next_due_at, $2), $2) \
             WHERE no IN (SELECT value FROM json_each($1)) AND +state = 'active'",
        )
        .bind(json(tokens))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Makes the next tick look at every active token: the schedule or the calendar changed.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn look_at_all_again(&mut self, now: DateTime<Utc>) -> Result<()> {
        sqlx::query("UPDATE token SET next_due_at = min(coalesce(next_due_at, $1), $1) WHERE state = 'active'")
            .bind(seconds(now))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Corrupt(format!("an unknown {what}"))
}
