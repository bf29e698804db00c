//! Clients and recipients as the pages list them.
//!
//! A recipient counts as long as they are told about an active token; a client as long as a
//! token names it.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::reach::{TRIAL, Way};
use crate::store::board::tokens::Today;
use crate::store::board::{Count, Search, Slice, Sql, cut};
use crate::store::error::{Result, StoreError};
use crate::store::outbox::list;
use crate::store::plan::json;
use crate::store::{Store, instant, seconds};

/// A client of a list, or the tokens without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRow {
    /// Its key; `None`: the tokens without a client.
    pub key: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its tokens, whatever became of them.
    pub tokens: i64,
    /// Those that are watched.
    pub active: i64,
    /// Watched and expired.
    pub expired: i64,
    /// Watched and in their last 15 days.
    pub urgent: i64,
    /// When the next of the watched ones expires.
    pub next: Option<DateTime<Utc>>,
    /// Whom to ask about them, each once.
    pub contacts: Vec<String>,
}

/// Which recipients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonFilter {
    /// By address or name.
    pub search: Search,
    /// By whether they can be reached.
    pub reach: Reachable,
    /// Told about a token of this client.
    pub client: Option<String>,
}

/// Whether they can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reachable {
    /// All the same.
    #[default]
    Any,
    /// They cannot.
    No,
}

/// A recipient of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    /// The key.
    pub key: String,
    /// The address as written.
    pub address: String,
    /// Their name, if any token knows it.
    pub name: Option<String>,
    /// Their roles, as words, each once.
    pub roles: Vec<String>,
    /// Active tokens about which they are told.
    pub tokens: i64,
    /// Since which stage, of the token that tells them first; `None`: from the first.
    pub from_stage: Option<i64>,
    /// When a server last accepted a mail to them.
    pub accepted_at: Option<DateTime<Utc>>,
    /// Since when they cannot be reached, and how that was seen.
    pub unreachable: Option<(DateTime<Utc>, Way)>,
}

/// How long it is watched, and by whom, of one token and one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The token's row.
    pub token: i64,
    /// They are told from this stage on.
    pub from_stage: Option<u32>,
    /// Since when they are told.
    pub since: DateTime<Utc>,
    /// Their role, as a word.
    pub role: String,
}

const CLIENTS: &str = "SELECT t.client, max(t.client_name), count(*), \
      sum(t.state = 'active'), \
      sum(t.state = 'active' AND p.expires < $1), \
      sum(t.state = 'active' AND p.expires >= $1 AND p.expires < $2), \
      min(CASE WHEN t.state = 'active' AND p.expires >= $1 THEN p.expires END), \
      json_group_array(DISTINCT t.contact) \
    FROM token t CROSS JOIN period p ON p.token = t.no AND p.no = t.period";

const IS_TOLD: &str = "r.removed_at IS NULL AND EXISTS \
    (SELECT 1 FROM token t WHERE t.no = r.token AND t.state = 'active'";

fn client(r: &sqlx::sqlite::SqliteRow) -> Result<ClientRow> {
    Ok(ClientRow {
        key: r.try_get(0)?,
        name: r.try_get(1)?,
        tokens: r.try_get(2)?,
        active: r.try_get(3)?,
        expired: r.try_get(4)?,
        urgent: r.try_get(5)?,
        next: r.try_get::<Option<i64>, _>(6)?.map(instant),
        contacts: list(r.try_get(7)?),
    })
}

impl PersonFilter {
    /// The people `r` of these, as `FROM …`: in the order of the index that has their keys.
    fn narrow(&self, sql: &mut Sql, trial: i64) {
        match self.reach {
            Reachable::Any => sql.push(" FROM recipient r WHERE true"),
            Reachable::No => sql
                .push(" FROM unreachable u CROSS JOIN recipient r ON r.key = u.recipient WHERE (u.accepted_at IS NULL OR u.accepted_at > ")
                .push_bind(trial)
                .push(")"),
        };
        // What costs less comes first.
        let text = "(r.address || char(10) || coalesce(r.name, ''))";
        self.search.narrow(sql, text, "");
        sql.push(" AND ").push(IS_TOLD);
        if let Some(client) = &self.client {
            sql.push(" AND t.client = ").push_bind(client.clone());
        }
        sql.push(")");
    }
}

impl Store {
    /// How many clients there are whose key or name holds these words, with the tokens without a
    /// client as one more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_clients(&self, search: &Search) -> Result<Count> {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM token t WHERE true");
        of_name(&mut sql, search);
        sql.push(" GROUP BY t.client)");
        let rows = sql.build_query_scalar().fetch_one(&self.pool).await?;
        Ok(Count::exactly(rows))
    }

    /// A part of the list of clients, by their keys; the tokens without one come first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn clients(
        &self,
        search: &Search,
        today: &Today,
        slice: Slice,
    ) -> Result<Vec<ClientRow>> {
        let (now, calm) = today.ends();
        let mut sql = Sql::new(filled(CLIENTS, now, calm));
        sql.push(" WHERE true");
        of_name(&mut sql, search);
        // In the order of the index, which ends with the page.
        sql.push(" GROUP BY t.client ORDER BY t.client");
        cut(&mut sql, slice);
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(client).collect()
    }

    /// One client, or the tokens without one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn client(&self, key: Option<&str>, today: &Today) -> Result<Option<ClientRow>> {
        let (now, calm) = today.ends();
        let mut sql = Sql::new(filled(CLIENTS, now, calm));
        sql.push(" WHERE t.client IS ")
            .push_bind(key.map(str::to_owned));
        sql.push(" GROUP BY t.client");
        let row = sql.build().fetch_optional(&self.pool).await?;
        row.as_ref().map(client).transpose()
    }

    /// How many people there are of these.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_people(&self, filter: &PersonFilter, now: DateTime<Utc>) -> Result<Count> {
        let mut sql = Sql::new("SELECT count(DISTINCT r.key)");
        filter.narrow(&mut sql, seconds(now - TRIAL));
        let rows = sql.build_query_scalar().fetch_one(&self.pool).await?;
        Ok(Count::exactly(rows))
    }

    /// The keys of a part of the list of these people, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_people(
        &self,
        filter: &PersonFilter,
        now: DateTime<Utc>,
        slice: Slice,
    ) -> Result<Vec<String>> {
        let mut sql = Sql::new("SELECT r.key");
        filter.narrow(&mut sql, seconds(now - TRIAL));
        sql.push(" GROUP BY r.key ORDER BY r.key");
        cut(&mut sql, slice);
        Ok(sql.build_query_scalar().fetch_all(&self.pool).await?)
    }

    /// These people, in this order, with what a list shows of them. Also those who were told once
    /// and no longer are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn people_of(&self, keys: &[String], now: DateTime<Utc>) -> Result<Vec<PersonRow>> {
        let rows = sqlx::query(
            "SELECT r.key, max(r.address), max(r.name), \
               json_group_array(DISTINCT r.role) FILTER (WHERE r.removed_at IS NULL AND t.state = 'active'), \
               count(*) FILTER (WHERE r.removed_at IS NULL AND t.state = 'active'), \
               CASE WHEN NOT max(r.from_stage IS NULL AND r.removed_at IS NULL AND t.state = 'active') \
                 THEN max(r.from_stage) FILTER (WHERE r.removed_at IS NULL AND t.state = 'active') END, \
               (SELECT m.counted_at FROM mail m WHERE m.recipient = r.key AND m.counted_at IS NOT NULL \
                  AND m.state = 'sent' ORDER BY m.counted_at DESC LIMIT 1), \
               max(u.since), max(u.how) \
             FROM json_each($1) j CROSS JOIN recipient r ON r.key = j.value CROSS JOIN token t ON t.no = r.token \
             LEFT JOIN unreachable u ON u.recipient = r.key AND (u.accepted_at IS NULL OR u.accepted_at > $2) \
             GROUP BY j.key ORDER BY j.key",
        )
        .bind(json(keys))
        .bind(seconds(now - TRIAL))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                let unreachable = match r.try_get::<Option<i64>, _>(7)? {
                    None => None,
                    Some(since) => {
                        let how: &str = r.try_get(8)?;
                        let how = Way::from_word(how)
                            .ok_or_else(|| StoreError::Corrupt(format!("a refusal {how:?}")))?;
                        Some((instant(since), how))
                    }
                };
                Ok(PersonRow {
                    key: r.try_get(0)?,
                    address: r.try_get(1)?,
                    name: r.try_get(2)?,
                    roles: list(r.try_get(3)?),
                    tokens: r.try_get(4)?,
                    from_stage: r.try_get(5)?,
                    accepted_at: r.try_get::<Option<i64>, _>(6)?.map(instant),
                    unreachable,
                })
            })
            .collect()
    }

    /// What one person is told of these tokens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn told(&self, key: &str, tokens: &[i64]) -> Result<Vec<Told>> {
        let rows = sqlx::query(
            "SELECT r.token, r.from_stage, r.since, r.role FROM json_each($1) j \
             CROSS JOIN recipient r ON r.token = j.value AND r.key = $2 WHERE r.removed_at IS NULL",
        )
        .bind(json(tokens))
        .bind(key)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Told {
                    token: r.try_get(0)?,
                    from_stage: r
                        .try_get::<Option<i64>, _>(1)?
                        .and_then(|n| u32::try_from(n).ok()),
                    since: instant(r.try_get(2)?),
                    role: r.try_get(3)?,
                })
            })
            .collect()
    }
}

/// The statement with two instants in place of its first two parameters: a statement that is
/// being written counts its parameters from where they stand.
fn filled(sql: &str, now: i64, calm: i64) -> String {
    sql.replace("$1", &now.to_string())
        .replace("$2", &calm.to_string())
}

fn of_name(sql: &mut Sql, search: &Search) {
    search.narrow(
        sql,
        "(coalesce(t.client, '') || char(10) || coalesce(t.client_name, ''))",
        "",
    );
}
