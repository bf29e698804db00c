//! What Data Pass said, as it was kept, and what is on record of the tokens of a number.
//!
//! An event is kept once, whatever the number of its deliveries; of two that share their key and
//! differ all the same one is kept, the same one in whatever order they came.

mod people;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::address::Address;
use crate::domain::datapass::{Contact, Event, Kind};
use crate::domain::lifecycle::State;
use crate::domain::token::{DatapassId, Recipient, Role, Siret};
use crate::store::ahead::JOURNALLED_AT;
use crate::store::declared;
use crate::store::error::{Result, StoreError};
use crate::store::plan::json;
use crate::store::told::{KnownRecipient, RecipientOrigin};
use crate::store::{Store, Tx, instant, seconds};

/// Whether an event had come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It had not.
    First,
    /// It had: Data Pass sent it again.
    Again,
}

/// A token with a Data Pass number.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// Its row.
    pub no: i64,
    /// Its id.
    pub id: String,
    /// The number of its current period.
    pub period: i64,
    /// What it is.
    pub state: State,
    /// Its language, as a word.
    pub language: String,
    /// When it was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// Its expiry.
    pub expires: DateTime<Utc>,
    /// Who said so, as the journal names them, and when; `None`: it is as first declared.
    pub dated: Option<(String, DateTime<Utc>)>,
    /// When its request was filed, if it counts as filed.
    pub filed_at: Option<DateTime<Utc>>,
}

/// A request of which Data Pass spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub number: String,
    /// The ids of the tokens with that number.
    pub tokens: Vec<String>,
    /// How many events there are.
    pub events: i64,
    /// When its last event came.
    pub received_at: DateTime<Utc>,
}

/// What is kept of an event besides its key.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    siret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    people: Vec<Kept>,
}

/// Someone whom an event names; without an address: someone who was forgotten.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    role: String,
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Part of the content of an event of which someone was forgotten.
const FORGOTTEN: &str = "%\"email\":null%";

fn content(event: &Event) -> String {
    let people = event.people.iter().map(|c| Kept {
        role: c.role.word().to_owned(),
        email: c.address.as_ref().map(|a| a.as_str().to_owned()),
        name: c.name.clone(),
    });
    json(&Content {
        name: event.name.clone(),
        siret: event.siret.as_ref().map(|s| s.as_str().to_owned()),
        scopes: event.scopes.clone(),
        people: people.collect(),
    })
}

fn read(written: &str) -> Result<Content> {
    serde_json::from_str(written).map_err(|e| StoreError::Corrupt(format!("a webhook event: {e}")))
}

fn event(r: &SqliteRow) -> Result<Event> {
    let damaged = |what: &str| StoreError::Corrupt(format!("{what} of a webhook event"));
    let content = read(r.try_get("content")?)?;
    let contact = |kept: Kept| {
        Ok(Contact {
            role: Role::parse(&kept.role).map_err(|_| damaged("a role"))?,
            address: match kept.email {
                Some(email) => Some(Address::parse(&email).map_err(|_| damaged("an address"))?),
                None => None,
            },
            name: kept.name,
        })
    };
    Ok(Event {
        number: DatapassId::parse(r.try_get("model_id")?).map_err(|_| damaged("the number"))?,
        kind: Kind::parse(r.try_get("event")?).ok_or_else(|| damaged("the name"))?,
        fired_at: instant(r.try_get("fired_at")?),
        name: content.name,
        siret: content.siret.and_then(|s| Siret::parse(&s).ok()),
        scopes: content.scopes,
        people: content
            .people
            .into_iter()
            .map(contact)
            .collect::<Result<_>>()?,
    })
}

const EVENTS: &str = "SELECT model_id, event, fired_at, content FROM webhook_event \
     WHERE model_id = $1 ORDER BY fired_at, event";

const REQUESTS: &str = "SELECT e.model_id, count(*) AS events, max(e.received_at) AS received_at, \
       (SELECT json_group_array(t.id) FROM token t WHERE t.datapass_id = e.model_id) AS tokens \
     FROM webhook_event e GROUP BY e.model_id ORDER BY received_at DESC, e.model_id";

impl Store {
    /// The events of a number, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn webhook_events(&self, number: &str) -> Result<Vec<Event>> {
        let rows = sqlx::query(EVENTS)
            .bind(number)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(event).collect()
    }

    /// Every request of which Data Pass spoke, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn webhook_requests(&self) -> Result<Vec<Request>> {
        let rows = sqlx::query(REQUESTS).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|r| {
                let tokens: String = r.try_get("tokens")?;
                Ok(Request {
                    number: r.try_get("model_id")?,
                    tokens: serde_json::from_str(&tokens)
                        .map_err(|e| StoreError::Corrupt(e.to_string()))?,
                    events: r.try_get("events")?,
                    received_at: instant(r.try_get("received_at")?),
                })
            })
            .collect()
    }

    /// How many numbers Data Pass spoke of that no token has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unknown_numbers(&self) -> Result<u32> {
        let n: i64 = sqlx::query_scalar(
            "SELECT count(DISTINCT e.model_id) FROM webhook_event e \
             WHERE NOT EXISTS (SELECT 1 FROM token t WHERE t.datapass_id = e.model_id)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(u32::try_from(n).unwrap_or(u32::MAX))
    }
}

impl Tx {
    /// Keeps an event.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep_webhook_event(
        &mut self,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Result<Arrival> {
        let before: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM webhook_event WHERE model_id = $1 AND event = $2 AND fired_at = $3",
        )
        .bind(event.number.as_str())
        .bind(event.kind.word())
        .bind(seconds(event.fired_at))
        .fetch_one(&mut *self.inner)
        .await?;
        // Who was forgotten does not come back with a delivery that is repeated.
        sqlx::query(
            "INSERT INTO webhook_event (model_id, event, fired_at, received_at, content) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (model_id, event, fired_at) DO UPDATE \
             SET content = max(content, excluded.content) WHERE content NOT LIKE $6",
        )
        .bind(event.number.as_str())
        .bind(event.kind.word())
        .bind(seconds(event.fired_at))
        .bind(seconds(now))
        .bind(content(event))
        .bind(FORGOTTEN)
        .execute(&mut *self.inner)
        .await?;
        Ok(if before == 0 {
            Arrival::First
        } else {
            Arrival::Again
        })
    }

    /// As [`Store::webhook_events`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn webhook_events(&mut self, number: &str) -> Result<Vec<Event>> {
        let rows = sqlx::query(EVENTS)
            .bind(number)
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(event).collect()
    }

    /// Every number that Data Pass spoke of.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn numbers_of_webhooks(&mut self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT model_id FROM webhook_event ORDER BY model_id";
        Ok(sqlx::query_scalar(sql).fetch_all(&mut *self.inner).await?)
    }

    /// Declares a token that came from Data Pass, with its recipients; `source` said its dates.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn insert_adopted(
        &mut self,
        token: &declared::Numbered<'_>,
        source: &str,
        scopes: Option<&[String]>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.insert_tokens(std::slice::from_ref(token), now).await?;
        sqlx::query(
            "UPDATE token SET origin = 'webhook', state_by = 'person', file_expires = NULL, file_jti = NULL, \
               scopes = $2 WHERE no = $1",
        )
        .bind(token.no)
        .bind(scopes.map(json))
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("UPDATE period SET source = $2 WHERE token = $1")
            .bind(token.no)
            .bind(source)
            .execute(&mut *self.inner)
            .await?;
        let known = |r: &Recipient| KnownRecipient {
            token: token.no,
            key: r.address.key(),
            address: r.address.as_str().to_owned(),
            name: r.name.clone(),
            role: r.role.word().to_owned(),
            language: r.language.code().to_owned(),
            from_stage: r.from_stage,
            origin: RecipientOrigin::Inherited,
            removed: false,
        };
        let people: Vec<_> = token.declared.recipients.iter().map(known).collect();
        self.put_recipients(&people, now).await
    }

    /// The tokens with a Data Pass number, whatever became of them, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens_of_number(&mut self, number: &str) -> Result<Vec<Numbered>> {
        let rows = sqlx::query(
            "SELECT t.no, t.id, t.period, t.state, t.language, p.issued, p.expires, p.source, p.dated_at, \
               t.period = 1 AND p.dated_at = t.declared_at AND (p.source = 'file' OR p.source LIKE 'import:%') AS is_first, \
               (SELECT q.filed_at FROM quiet q \
                  WHERE q.token = t.no AND q.period = t.period AND q.kind = 'filed') AS filed_at \
             FROM token t JOIN period p ON p.token = t.no AND p.no = t.period \
             WHERE t.datapass_id = $1 ORDER BY t.no",
        )
        .bind(number)
        .fetch_all(&mut *self.inner)
        .await?;
        let unknown = |what: &str| StoreError::Corrupt(format!("an unknown {what}"));
        rows.iter()
            .map(|r| {
                Ok(Numbered {
                    no: r.try_get("no")?,
                    id: r.try_get("id")?,
                    period: r.try_get("period")?,
                    state: State::from_word(r.try_get("state")?)
                        .ok_or_else(|| unknown("token state"))?,
                    language: r.try_get("language")?,
                    issued: r.try_get::<Option<i64>, _>("issued")?.map(instant),
                    expires: instant(r.try_get("expires")?),
                    dated: match r.try_get("is_first")? {
                        true => None,
                        false => Some((r.try_get("source")?, instant(r.try_get("dated_at")?))),
                    },
                    filed_at: r.try_get::<Option<i64>, _>("filed_at")?.map(instant),
                })
            })
            .collect()
    }

    /// The last entry of the journal about a token that has one of these words: who, and when.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_word(
        &mut self,
        token: i64,
        words: &[&str],
    ) -> Result<Option<(String, DateTime<Utc>)>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT who, {JOURNALLED_AT} AS happened_at FROM journal WHERE token = $1 \
               AND what IN (SELECT value FROM json_each($2)) ORDER BY no DESC LIMIT 1"
        ));
        let row = sqlx::query(sql)
            .bind(token)
            .bind(json(words))
            .fetch_optional(&mut *self.inner)
            .await?;
        row.map(|r| Ok((r.try_get("who")?, instant(r.try_get("happened_at")?))))
            .transpose()
    }

    /// When someone other than `who` last took people off a token, by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn taken_off_by_others(
        &mut self,
        token: i64,
        who: &str,
    ) -> Result<HashMap<String, DateTime<Utc>>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT detail ->> 'recipient' AS recipient, {JOURNALLED_AT} AS happened_at FROM journal \
             WHERE token = $1 AND what = 'recipient_removed' AND who <> $2 ORDER BY no"
        ));
        let rows = sqlx::query(sql)
            .bind(token)
            .bind(who)
            .fetch_all(&mut *self.inner)
            .await?;
        let mut taken_off = HashMap::new();
        for r in &rows {
            let written: Option<String> = r.try_get("recipient")?;
            // Who was forgotten since is nobody.
            if let Some(Ok(address)) = written.as_deref().map(Address::parse) {
                taken_off.insert(address.key(), instant(r.try_get("happened_at")?));
            }
        }
        Ok(taken_off)
    }
}
