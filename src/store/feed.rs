//! What a calendar shows of the tokens.
//!
//! A token's *revision* is the number of entries that its journal has, above what the last
//! restore of a backup has set: it rises with whatever happens to the token, in the transaction
//! that makes it happen, and never falls.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::State;
use crate::domain::schedule::Quiet;
use crate::store::calendars::REVISIONS_FROM;
use crate::store::error::{Result, StoreError};
use crate::store::quiet::{self, quiet_columns};
use crate::store::{Store, instant, seconds};

/// Which tokens a calendar has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// Those of the client with this key.
    Client(&'a str),
}

/// What a calendar is to have.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which tokens.
    pub scope: Scope<'a>,
    /// Not those that expired, or ended, before this.
    pub since: DateTime<Utc>,
    /// Those that expire from here on come first.
    pub from: DateTime<Utc>,
    /// So many at most; `None`: all.
    pub most: Option<usize>,
}

/// One token, as far as a calendar shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its client's name.
    pub client_name: Option<String>,
    /// Its Data Pass number.
    pub datapass_id: Option<String>,
    /// Its `jti`.
    pub jti: Option<String>,
    /// Its language.
    pub language: String,
    /// What it is.
    pub state: State,
    /// Since when.
    pub state_at: DateTime<Utc>,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Whether it is revoked at that end.
    pub ends_revoked: bool,
    /// The name of the token that took its place.
    pub successor: Option<String>,
    /// When the renewal request was filed.
    pub filed_at: Option<DateTime<Utc>>,
    /// What silences its early stages.
    pub quiet: Option<Quiet>,
    /// Rises with whatever happens to it, and never falls.
    pub revision: i64,
    /// When that last happened.
    pub changed_at: DateTime<Utc>,
}

const DATED: &str = concat!(
    "WITH picked (no, later) AS MATERIALIZED ( \
       SELECT t.no, t.state <> 'active' OR p.expires < $2 FROM token t \
       JOIN period p ON p.token = t.no AND p.no = t.period \
       WHERE ($4 IS NULL OR t.client = $4) \
         AND CASE WHEN t.state = 'active' THEN p.expires ELSE t.state_at END >= $1 \
       ORDER BY 2, p.expires, t.id LIMIT $3) \
     SELECT t.id, t.name, t.client_name, t.datapass_id, t.jti, t.language, t.state, t.state_at, \
       p.expires, p.revoked_from IS NOT NULL, (SELECT s.name FROM token s WHERE s.no = t.superseded_by), \
       (SELECT q.filed_at FROM quiet q WHERE q.token = t.no AND q.period = t.period AND q.kind = 'filed'), ",
    quiet_columns!(),
    ", (SELECT count(*) FROM journal j WHERE j.token = t.no) \
         + coalesce((SELECT CAST(value AS INTEGER) FROM setting WHERE key = $5), 0), \
       coalesce((SELECT j.at FROM journal j WHERE j.token = t.no ORDER BY j.no DESC LIMIT 1), t.declared_at) \
     FROM picked JOIN token t ON t.no = picked.no JOIN period p ON p.token = t.no AND p.no = t.period \
     ORDER BY picked.later, p.expires, t.id"
);

impl Store {
    /// The tokens of a calendar: those to come first, the next one to expire at the head.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dated(&self, wanted: &Wanted<'_>) -> Result<Vec<Dated>> {
        let client = match wanted.scope {
            Scope::All => None,
            Scope::Client(key) => Some(key),
        };
        let most = wanted
            .most
            .map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let rows = sqlx::query(DATED)
            .bind(seconds(wanted.since))
            .bind(seconds(wanted.from))
            .bind(most)
            .bind(client)
            .bind(REVISIONS_FROM)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(dated).collect()
    }

    /// The keys of the clients that tokens on record have, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn clients_of_tokens(&self) -> Result<Vec<String>> {
        let rows = sqlx::query_scalar(
            "SELECT DISTINCT client FROM token WHERE client IS NOT NULL ORDER BY client",
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }
}

fn dated(r: &sqlx::sqlite::SqliteRow) -> Result<Dated> {
    let state: &str = r.try_get(6)?;
    Ok(Dated {
        id: r.try_get(0)?,
        name: r.try_get(1)?,
        client_name: r.try_get(2)?,
        datapass_id: r.try_get(3)?,
        jti: r.try_get(4)?,
        language: r.try_get(5)?,
        state: State::from_word(state)
            .ok_or_else(|| StoreError::Corrupt(format!("token state {state:?}")))?,
        state_at: instant(r.try_get(7)?),
        expires: instant(r.try_get(8)?),
        ends_revoked: r.try_get(9)?,
        successor: r.try_get(10)?,
        filed_at: r.try_get::<Option<i64>, _>(11)?.map(instant),
        quiet: quiet::quiet(r.try_get(12)?, r.try_get(13)?)?,
        revision: r.try_get(14)?,
        changed_at: instant(r.try_get(15)?),
    })
}
