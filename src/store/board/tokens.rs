//! Tokens as the pages list them: which, and in what order.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{LAST_WORDS, Silence, State};
use crate::domain::probing::AGREEING;
use crate::domain::reach::TRIAL;
use crate::domain::verdict::{Bearing, Verdict};
use crate::store::board::{Count, Search, Slice, Sql, cut, fold};
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::probe::STANDS;
use crate::store::{Store, seconds};

/// From so many days before expiry on a token counts as to be renewed.
pub const TO_RENEW: i64 = 90;

/// Which tokens, by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Watched.
    #[default]
    Active,
    /// Watched, and past its end.
    Expired,
    /// Watched, and in its last 15 days.
    Urgent,
    /// Watched, and in its last 90 days.
    ToRenew,
    /// Watched, with a request that was filed.
    Filed,
    /// Watched, with a renewal that was declared and is to be confirmed.
    Declared,
    /// Watched, and put off.
    Snoozed,
    /// No longer watched.
    Archived,
    /// Another one took its place.
    Superseded,
    /// Revoked.
    Revoked,
    /// Every one.
    All,
}

/// Which tokens, by their client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfClient {
    /// Those of this client.
    Key(String),
    /// Those without a client.
    None,
}

/// Which tokens, by who can be reached about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One person only, their contact aside.
    One,
    /// Nobody.
    Nobody,
}

/// Which tokens, by what API Entreprise says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It accepts them.
    Works,
    /// It refuses them.
    Refused,
    /// It accepts them although their date has passed.
    Outlives,
    /// This is what is believed.
    Is(Verdict),
    /// They cannot be asked about.
    Hindered,
}

/// Which tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// By what they are.
    pub standing: Standing,
    /// By words of theirs.
    pub search: Search,
    /// By their client.
    pub client: Option<OfClient>,
    /// By a tag.
    pub tag: Option<String>,
    /// By somebody who is told, by the key.
    pub recipient: Option<String>,
    /// By who can be reached.
    pub reach: Option<Reach>,
    /// By what the API says.
    pub heard: Option<Heard>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenOrder {
    /// The first to expire first.
    #[default]
    Expiry,
    /// By name.
    Name,
    /// By client, then by expiry; those without one last.
    Client,
}

/// The present as the filters need it.
#[derive(Debug, Clone, Copy)]
pub struct Today {
    now: i64,
    /// The first instant that is more than 15 days away, and more than 90.
    calm: i64,
    far: i64,
    /// An acceptance after this may still come back.
    pub(super) trial: i64,
}

impl Today {
    /// The present by a calendar.
    pub fn at(calendar: &Calendar, now: DateTime<Utc>) -> Self {
        let today = calendar.date(now);
        let after = |days: i64| {
            let day = u64::try_from(days + 1)
                .ok()
                .and_then(|n| today.checked_add_days(chrono::Days::new(n)));
            day.map_or(i64::MAX, |d| seconds(calendar.start_of_day(d)))
        };
        Self {
            now: seconds(now),
            calm: after(i64::from(LAST_WORDS)),
            far: after(TO_RENEW),
            trial: seconds(now - TRIAL),
        }
    }

    /// The present, and the first instant that is more than 15 days away.
    pub(super) fn ends(&self) -> (i64, i64) {
        (self.now, self.calm)
    }
}

/// What a search looks at.
const TEXT: &str = "(t.id || char(10) || t.name || char(10) || coalesce(t.client, '') || char(10) || \
    coalesce(t.client_name, '') || char(10) || coalesce(t.datapass_id, '') || char(10) || \
    coalesce(t.siret, '') || char(10) || \
    CASE t.used_by WHEN '[]' THEN '' ELSE (SELECT group_concat(value, char(10)) FROM json_each(t.used_by)) END || char(10) || \
    CASE t.tags WHEN '[]' THEN '' ELSE (SELECT group_concat(value, char(10)) FROM json_each(t.tags)) END)";

const TEXT_OF_PEOPLE: &str = "t.no IN (SELECT r.token FROM recipient r WHERE r.removed_at IS NULL \
    AND {(r.address || char(10) || coalesce(r.name, ''))})";

/// The people who can be reached about token `t`, as conditions on `r` and `u`; the end of the
/// trial follows.
const REACHED: &str = "SELECT 1 FROM recipient r LEFT JOIN unreachable u ON u.recipient = r.key \
    WHERE r.token = t.no AND r.removed_at IS NULL AND (u.recipient IS NULL OR u.accepted_at <= ";

impl TokenFilter {
    /// Whether nothing but their state and their end decides.
    fn is_plain(&self) -> bool {
        let Self {
            standing: _,
            search,
            client,
            tag,
            recipient,
            reach,
            heard,
        } = self;
        search.is_empty()
            && client.is_none()
            && tag.is_none()
            && recipient.is_none()
            && reach.is_none()
            && heard.is_none()
    }

    /// The tokens `t` with their current periods `p`, the way that costs least.
    fn source(&self, order: TokenOrder) -> &'static str {
        match order {
            // By their ends, until the page is full; of a token only what an index holds.
            TokenOrder::Expiry if self.is_plain() => {
                "period p CROSS JOIN token t INDEXED BY token_state ON t.no = p.token AND t.period = p.no WHERE true"
            }
            // One after the other as they lie on the disk, or by an index of the filter.
            TokenOrder::Expiry | TokenOrder::Name | TokenOrder::Client => {
                "token t CROSS JOIN period p ON p.token = t.no AND p.no = t.period WHERE true"
            }
        }
    }

    fn narrow(&self, sql: &mut Sql, today: &Today) {
        let state = |sql: &mut Sql, state: State| {
            sql.push(" AND t.state = ").push_bind(state.word());
        };
        let quiet = |sql: &mut Sql, kind: Silence| {
            state(sql, State::Active);
            sql.push(
                " AND EXISTS (SELECT 1 FROM quiet q WHERE q.token = t.no AND q.period = t.period AND q.kind = ",
            );
            sql.push_bind(kind.word()).push(")");
        };
        let ends_within = |sql: &mut Sql, end: i64| {
            state(sql, State::Active);
            sql.push(" AND p.expires >= ").push_bind(today.now);
            sql.push(" AND p.expires < ").push_bind(end);
        };
        match self.standing {
            // Said to the index, which begins with the state.
            Standing::All => {
                sql.push(" AND t.state IN ('active', 'archived', 'superseded', 'revoked')");
            }
            Standing::Active => state(sql, State::Active),
            Standing::Archived => state(sql, State::Archived),
            Standing::Superseded => state(sql, State::Superseded),
            Standing::Revoked => state(sql, State::Revoked),
            Standing::Filed => quiet(sql, Silence::Filed),
            Standing::Declared => quiet(sql, Silence::Declared),
            Standing::Snoozed => quiet(sql, Silence::Snoozed),
            Standing::Expired => {
                state(sql, State::Active);
                sql.push(" AND p.expires < ").push_bind(today.now);
            }
            Standing::Urgent => ends_within(sql, today.calm),
            Standing::ToRenew => ends_within(sql, today.far),
        }
        match &self.client {
            None => {}
            Some(OfClient::Key(key)) => {
                sql.push(" AND t.client = ").push_bind(key.clone());
            }
            Some(OfClient::None) => {
                sql.push(" AND t.client IS NULL");
            }
        }
        if let Some(tag) = &self.tag {
            sql.push(" AND EXISTS (SELECT 1 FROM json_each(t.tags) j WHERE j.value = ");
            sql.push_bind(tag.clone()).push(")");
        }
        if let Some(key) = &self.recipient {
            sql.push(" AND t.no IN (SELECT r.token FROM recipient r WHERE r.removed_at IS NULL AND r.key = ");
            sql.push_bind(key.clone()).push(")");
        }
        match self.reach {
            None => {}
            Some(Reach::One) => {
                sql.push(" AND 1 = (SELECT count(*) FROM (").push(REACHED);
                sql.push_bind(today.trial);
                sql.push(") AND r.key <> lower(t.contact) AND lower(r.address) <> lower(t.contact) LIMIT 2))");
            }
            Some(Reach::Nobody) => {
                sql.push(" AND EXISTS (SELECT 1 FROM recipient r WHERE r.token = t.no AND r.removed_at IS NULL)");
                sql.push(" AND NOT EXISTS (").push(REACHED);
                sql.push_bind(today.trial).push("))");
            }
        }
        if let Some(heard) = self.heard {
            said(sql, heard);
        }
        self.search.narrow(sql, TEXT, TEXT_OF_PEOPLE);
    }

    /// The statement that finds the rows of a page: a test reads how it is answered.
    fn page(&self, order: TokenOrder, today: &Today, slice: Slice) -> Sql {
        let mut sql = Sql::new("SELECT p.token FROM ");
        sql.push(self.source(order));
        self.narrow(&mut sql, today);
        match order {
            TokenOrder::Expiry => sql.push(" ORDER BY p.expires, p.token"),
            TokenOrder::Name => sql.push(format!(
                " ORDER BY {}, p.expires, p.token",
                fold::order("t.name")
            )),
            TokenOrder::Client => sql.push(format!(
                " ORDER BY t.client IS NULL, {}, t.client, p.expires, p.token",
                fold::order("coalesce(t.client_name, t.client, '')")
            )),
        };
        cut(&mut sql, slice);
        sql
    }
}

/// Narrows to the tokens of which the API says this.
fn said(sql: &mut Sql, heard: Heard) {
    let among = |sql: &mut Sql, bearing: Bearing| {
        sql.push(format!(
            " AND {STANDS} AND b.verdict IN (SELECT value FROM json_each("
        ));
        let words = Verdict::ALL.iter().filter(|v| v.bearing() == bearing);
        let words: Vec<&str> = words.map(|v| v.word()).collect();
        sql.push_bind(json(&words)).push("))");
    };
    sql.push(
        " AND EXISTS (SELECT 1 FROM probe b CROSS JOIN period p ON p.token = t.no AND p.no = t.period \
           WHERE b.token = t.no",
    );
    match heard {
        Heard::Works => among(sql, Bearing::Lives),
        Heard::Refused => among(sql, Bearing::Dead),
        Heard::Outlives => {
            among(sql, Bearing::Lives);
            let patience = AGREEING.num_seconds();
            sql.push(format!(
                " AND b.verdict_at > p.expires + {patience} AND b.suspected IS NULL"
            ));
        }
        Heard::Is(verdict) => {
            sql.push(format!(" AND {STANDS} AND b.verdict = "))
                .push_bind(verdict.word());
        }
        Heard::Hindered => {
            sql.push(" AND b.hindrance IS NOT NULL");
        }
    }
    sql.push(")");
}

impl Store {
    /// Whether any token was ever asked about, or could not be.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_probed(&self) -> Result<bool> {
        let found: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM probe)")
            .fetch_one(&self.pool)
            .await?;
        Ok(found == 1)
    }

    /// How many tokens there are of these.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_tokens(&self, filter: &TokenFilter, today: &Today) -> Result<Count> {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.push(match filter.standing {
            Standing::Expired | Standing::Urgent | Standing::ToRenew => {
                filter.source(TokenOrder::Expiry)
            }
            Standing::Active
            | Standing::Filed
            | Standing::Declared
            | Standing::Snoozed
            | Standing::Archived
            | Standing::Superseded
            | Standing::Revoked
            | Standing::All => "token t WHERE true",
        });
        filter.narrow(&mut sql, today);
        let rows = sql.build_query_scalar().fetch_one(&self.pool).await?;
        Ok(Count::exactly(rows))
    }

    /// The rows of a part of the list of these tokens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        today: &Today,
        slice: Slice,
    ) -> Result<Vec<i64>> {
        let mut sql = filter.page(order, today, slice);
        Ok(sql.build_query_scalar().fetch_all(&self.pool).await?)
    }

    /// How the first page of a list of tokens is found, step by step.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn plan_of_tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        today: &Today,
    ) -> Result<Vec<String>> {
        let slice = Slice { from: 0, rows: 200 };
        let mut sql = Sql::new("EXPLAIN QUERY PLAN ");
        sql.push(filter.page(order, today, slice).sql().as_str());
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(|r| Ok(r.try_get("detail")?)).collect()
    }

    /// Whether any token has this tag.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_tag(&self, tag: &str) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM token t, json_each(t.tags) j WHERE t.tags <> '[]' AND j.value = $1)",
        )
        .bind(tag)
        .fetch_one(&self.pool)
        .await?;
        Ok(found == 1)
    }
}
