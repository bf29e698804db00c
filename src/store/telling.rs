//! What the alarms, the weekly report and `status` ask of the store, and what it remembers of
//! what was told.
//!
//! Questions asked at each pass cost what is ill or open; those that read every mail or token
//! are asked once a week, by a person, or after a failure.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row;

use crate::store::error::Result;
use crate::store::outbox::{MailState, count};
use crate::store::{Store, Tx, instant, seconds};

/// Notes of a kind to a recipient: by the partial index of notes.
const RECENT: &str = "SELECT EXISTS (SELECT 1 FROM mail WHERE kind <> 'reminder' AND kind = $1 AND recipient = $2 \
     AND (created_at > $3 OR state IN ('queued', 'claimed', 'in_doubt', 'deferred', 'held')))";

/// How many active tokens expire when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Expired, and neither renewed nor put aside.
    pub expired: u32,
    /// By the first bound.
    pub soon: u32,
    /// After it, by the second.
    pub next: u32,
    /// After it, by the third.
    pub later: u32,
    /// After that.
    pub far: u32,
}

impl Standing {
    /// All active tokens.
    pub fn all(&self) -> u32 {
        self.expired + self.soon + self.next + self.later + self.far
    }
}

/// A token as a list names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The client's name.
    pub client: Option<String>,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Its contact.
    pub contact: String,
}

/// A mail that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its number.
    pub no: i64,
    /// The address as written.
    pub address: String,
    /// Refused, parked or failed.
    pub state: MailState,
    /// When it was given up.
    pub at: DateTime<Utc>,
}

/// The mails that are not settled, by what makes them wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// All of them.
    pub open: u32,
    /// When the oldest was made.
    pub oldest: Option<DateTime<Utc>>,
    /// Those that a server has been putting off since before the asked instant.
    pub put_off: u32,
}

impl Store {
    /// How many active tokens have expired before `now`, expire by each of the bounds, and later.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn standing(
        &self,
        now: DateTime<Utc>,
        bounds: [DateTime<Utc>; 3],
    ) -> Result<Standing> {
        let row = sqlx::query(
            "SELECT coalesce(sum(p.expires < $1), 0), \
                    coalesce(sum(p.expires >= $1 AND p.expires <= $2), 0), \
                    coalesce(sum(p.expires > $2 AND p.expires <= $3), 0), \
                    coalesce(sum(p.expires > $3 AND p.expires <= $4), 0), \
                    coalesce(sum(p.expires > $4), 0) \
             FROM token t JOIN period p ON p.token = t.no AND p.no = t.period WHERE t.state = 'active'",
        )
        .bind(seconds(now))
        .bind(seconds(bounds[0]))
        .bind(seconds(bounds[1]))
        .bind(seconds(bounds[2]))
        .fetch_one(&self.pool)
        .await?;
        Ok(Standing {
            expired: count(row.try_get(0)?),
            soon: count(row.try_get(1)?),
            next: count(row.try_get(2)?),
            later: count(row.try_get(3)?),
            far: count(row.try_get(4)?),
        })
    }

    /// The active tokens that have expired before `now`, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn expired(&self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Named>> {
        let rows = sqlx::query(
            "SELECT t.id, t.name, t.client_name, p.expires, t.contact \
             FROM token t JOIN period p ON p.token = t.no AND p.no = t.period \
             WHERE t.state = 'active' AND p.expires < $1 ORDER BY p.expires DESC, t.id LIMIT $2",
        )
        .bind(seconds(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(named).collect()
    }

    /// The names of these tokens, by their ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn names(&self, ids: &[&str]) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query(
            "SELECT t.id, t.name FROM json_each($1) j CROSS JOIN token t ON t.id = j.value",
        )
        .bind(json!(ids).to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect()
    }

    /// The mails that were refused, parked or given up since `since`, and that nobody has put
    /// aside: how many, and the latest of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lost(&self, since: DateTime<Utc>, limit: i64) -> Result<(u32, Vec<Lost>)> {
        const WHICH: &str = "state IN ('refused', 'parked', 'failed') AND settled_at >= $1 AND urgency > -1000000000000";
        let of = |what: &str| sqlx::AssertSqlSafe(format!("{what} WHERE {WHICH}"));
        let all: i64 = sqlx::query_scalar(of("SELECT count(*) FROM mail"))
            .bind(seconds(since))
            .fetch_one(&self.pool)
            .await?;
        if all == 0 || limit == 0 {
            return Ok((count(all), Vec::new()));
        }
        let latest = sqlx::AssertSqlSafe(format!(
            "SELECT no, address, state, settled_at FROM mail WHERE {WHICH} ORDER BY settled_at DESC, no LIMIT $2"
        ));
        let rows = sqlx::query(latest)
            .bind(seconds(since))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let lost = rows.iter().map(|r| {
            Ok(Lost {
                no: r.try_get(0)?,
                address: r.try_get(1)?,
                state: MailState::read(r.try_get(2)?)?,
                at: instant(r.try_get(3)?),
            })
        });
        Ok((count(all), lost.collect::<Result<_>>()?))
    }

    /// How many mails were accepted since `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sent_since(&self, since: DateTime<Utc>) -> Result<u32> {
        let n: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM mail WHERE state = 'sent' AND settled_at >= $1 AND urgency > -1000000000000",
        )
        .bind(seconds(since))
        .fetch_one(&self.pool)
        .await?;
        Ok(count(n))
    }

    /// The mails that are not settled; as put off count those deferred since before `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting(&self, since: DateTime<Utc>) -> Result<Waiting> {
        let row = sqlx::query(
            "SELECT count(*), min(created_at), coalesce(sum(state = 'deferred' AND deferred_since < $1), 0) \
             FROM mail WHERE state IN ('queued', 'claimed', 'in_doubt', 'deferred', 'held') AND urgency > -1000000000000",
        )
        .bind(seconds(since))
        .fetch_one(&self.pool)
        .await?;
        Ok(Waiting {
            open: count(row.try_get(0)?),
            oldest: row.try_get::<Option<i64>, _>(1)?.map(instant),
            put_off: count(row.try_get(2)?),
        })
    }

    /// How many notes to a recipient were refused, parked or given up, and not put aside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lost_notes(&self, recipient: &str) -> Result<u32> {
        let n: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM mail WHERE kind <> 'reminder' AND recipient = $1 \
             AND state IN ('refused', 'parked', 'failed')",
        )
        .bind(recipient)
        .fetch_one(&self.pool)
        .await?;
        Ok(count(n))
    }

    /// Whether a note of this kind to this recipient is open, or was made after `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn told_since(
        &self,
        kind: &str,
        recipient: &str,
        since: DateTime<Utc>,
    ) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(RECENT)
            .bind(kind)
            .bind(recipient)
            .bind(seconds(since))
            .fetch_one(&self.pool)
            .await?;
        Ok(found == 1)
    }

    /// Since when the relay has been failing, and what it first said, as far as it is on record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn relay_trouble(&self) -> Result<Option<(DateTime<Utc>, String)>> {
        let Some(said) = self.setting("relay_trouble").await? else {
            return Ok(None);
        };
        let read = || {
            let (since, why) = said.split_once(' ')?;
            Some((instant(since.parse().ok()?), why.to_owned()))
        };
        Ok(read())
    }
}

impl Tx {
    /// Records since when the relay has been failing, or that it answers.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_relay_trouble(
        &mut self,
        trouble: Option<(DateTime<Utc>, &str)>,
    ) -> Result<()> {
        let said = trouble.map_or_else(String::new, |(since, why)| {
            format!("{} {why}", seconds(since))
        });
        self.set("relay_trouble", &said).await
    }

    /// The active tokens of which a notice has failed since `since` while, at its stage and at
    /// every later one, nobody else was reached or will be.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unreached(&mut self, since: DateTime<Utc>) -> Result<Vec<(Named, i32)>> {
        let rows = sqlx::query(
            "SELECT t.id, t.name, t.client_name, p.expires, t.contact, min(n.stage) \
             FROM notice n JOIN token t ON t.no = n.token AND t.period = n.period AND t.state = 'active' \
             JOIN period p ON p.token = n.token AND p.no = n.period \
             WHERE n.state = 'failed' AND n.settled_at >= $1 AND NOT EXISTS ( \
               SELECT 1 FROM notice o WHERE o.token = n.token AND o.period = n.period \
                 AND o.stage <= n.stage AND o.state IN ('owed', 'sent')) \
             GROUP BY t.no ORDER BY p.expires, t.id",
        )
        .bind(seconds(since))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| Ok((named(r)?, r.try_get(5)?)))
            .collect()
    }

    /// An instant that the program keeps for itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mark(&mut self, key: &str) -> Result<Option<DateTime<Utc>>> {
        let said = self.setting(key).await?;
        Ok(said.and_then(|s| s.parse().ok()).map(instant))
    }

    /// Keeps an instant.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_mark(&mut self, key: &str, at: DateTime<Utc>) -> Result<()> {
        self.set(key, &seconds(at).to_string()).await
    }
}

fn named(r: &sqlx::sqlite::SqliteRow) -> Result<Named> {
    Ok(Named {
        id: r.try_get(0)?,
        name: r.try_get(1)?,
        client: r.try_get(2)?,
        expires: instant(r.try_get(3)?),
        contact: r.try_get(4)?,
    })
}
