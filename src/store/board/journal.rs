//! The journal as the pages list it: what was changed, and what became of mails, the newest
//! first.
//!
//! Two records grow side by side, each by its own numbers. A page takes up where the one before
//! it ended in both, so that the hundredth costs what the first does and nothing stands twice or
//! not at all, also where a clock was put back.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::store::board::Sql;
use crate::store::error::{Result, StoreError};
use crate::store::record::Event;
use crate::store::{Store, instant, seconds};

/// A place between two entries: the numbers in both records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of what was changed.
    pub entry: i64,
    /// Of what became of mails.
    pub attempt: i64,
}

/// Where to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the latest.
    Latest,
    /// With what is older than this.
    Before(Place),
    /// With what is newer than this.
    After(Place),
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// By who: a whole name, or what stands before its colon.
    pub who: Option<String>,
    /// By what, a word.
    pub what: Option<String>,
    /// By a token's row.
    pub token: Option<i64>,
    /// From this instant on.
    pub since: Option<DateTime<Utc>>,
    /// Until before this one.
    pub until: Option<DateTime<Utc>>,
}

/// A page of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The newest first.
    pub events: Vec<Event>,
    /// Where the older ones begin, if there are any.
    pub older: Option<Place>,
    /// Where the newer ones begin, if there may be any.
    pub newer: Option<Place>,
}

/// One of the two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    Changes,
    Mails,
}

/// An entry with its number in its record.
struct Entry {
    no: i64,
    record: Record,
    event: Event,
}

impl Store {
    /// A page of the journal: `most` entries at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn journal_page(
        &self,
        filter: &EventFilter,
        from: Start,
        most: usize,
    ) -> Result<Page> {
        let wanted = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let mut entries = self.entries(filter, from, wanted).await?;
        let mut attempts = self.attempts(filter, from, wanted).await?;
        // Both are read from their ends: the last one comes next.
        entries.reverse();
        attempts.reverse();
        let mut page = Vec::new();
        while page.len() < most {
            let is_attempt = match (entries.last(), attempts.last()) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(e), Some(a)) => match from {
                    Start::Latest | Start::Before(_) => a.event.at >= e.event.at,
                    Start::After(_) => a.event.at < e.event.at,
                },
            };
            let next = if is_attempt {
                attempts.pop()
            } else {
                entries.pop()
            };
            page.extend(next);
        }
        let is_more = !entries.is_empty() || !attempts.is_empty();
        let edge = |record: Record| {
            let nos = page.iter().filter(|e| e.record == record);
            let nos = nos.map(|e| e.no);
            (nos.clone().min(), nos.max())
        };
        let (entry, attempt) = (edge(Record::Changes), edge(Record::Mails));
        // The bounds of the page in both records, `no` between them.
        let (lower, upper) = match from {
            Start::Latest => (None, place(i64::MAX, i64::MAX)),
            Start::Before(place) => (None, place),
            Start::After(p) => (
                Some(place(
                    p.entry.saturating_add(1),
                    p.attempt.saturating_add(1),
                )),
                p,
            ),
        };
        let (older, newer) = match from {
            Start::Latest | Start::Before(_) => (
                place(
                    entry.0.unwrap_or(upper.entry),
                    attempt.0.unwrap_or(upper.attempt),
                ),
                place(
                    entry.1.unwrap_or(upper.entry.saturating_sub(1)),
                    attempt.1.unwrap_or(upper.attempt.saturating_sub(1)),
                ),
            ),
            Start::After(p) => {
                let lower = lower.unwrap_or(p);
                (
                    lower,
                    place(
                        entry.1.unwrap_or(lower.entry.saturating_sub(1)),
                        attempt.1.unwrap_or(lower.attempt.saturating_sub(1)),
                    ),
                )
            }
        };
        let (has_older, has_newer) = match from {
            Start::Latest => (is_more, false),
            Start::Before(_) => (is_more, true),
            Start::After(_) => (true, is_more),
        };
        if matches!(from, Start::After(_)) {
            page.reverse();
        }
        Ok(Page {
            events: page.into_iter().map(|e| e.event).collect(),
            older: has_older.then_some(older),
            newer: has_newer.then_some(newer),
        })
    }

    async fn entries(&self, filter: &EventFilter, from: Start, most: i64) -> Result<Vec<Entry>> {
        let mut sql = Sql::new(
            "SELECT j.no, j.at, j.who, j.what, (SELECT t.id FROM token t WHERE t.no = j.token), j.detail \
             FROM journal j WHERE true",
        );
        if let Some(who) = &filter.who {
            sql.push(" AND (j.who = ").push_bind(who.clone());
            sql.push(" OR substr(j.who, 1, length(");
            sql.push_bind(who.clone()).push(") + 1) = ");
            sql.push_bind(format!("{who}:")).push(")");
        }
        if let Some(what) = &filter.what {
            sql.push(" AND j.what = ").push_bind(what.clone());
        }
        if let Some(token) = filter.token {
            sql.push(" AND j.token = ").push_bind(token);
        }
        within(&mut sql, filter, ("j.at", "j.no"), from, |p| p.entry, most);
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(|r| read(r, Record::Changes)).collect()
    }

    async fn attempts(&self, filter: &EventFilter, from: Start, most: i64) -> Result<Vec<Entry>> {
        if filter.who.as_deref().is_some_and(|who| who != "mail") {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new(
            "SELECT a.no, a.at, 'mail', 'mail_' || a.outcome, \
               (SELECT CASE count(DISTINCT t.id) WHEN 1 THEN min(t.id) END \
                 FROM notice n JOIN token t ON t.no = n.token WHERE n.mail = m.no), \
               json_object('mail', m.no, 'recipient', m.address, 'kind', m.kind, 'reply', a.reply) \
             FROM attempt a CROSS JOIN mail m ON m.no = a.mail WHERE true",
        );
        if let Some(what) = &filter.what {
            let Some(outcome) = what.strip_prefix("mail_") else {
                return Ok(Vec::new());
            };
            sql.push(" AND a.outcome = ").push_bind(outcome.to_owned());
        }
        if let Some(token) = filter.token {
            sql.push(" AND a.mail IN (SELECT n.mail FROM notice n WHERE n.mail IS NOT NULL AND n.token = ");
            sql.push_bind(token).push(")");
        }
        within(
            &mut sql,
            filter,
            ("a.at", "a.no"),
            from,
            |p| p.attempt,
            most,
        );
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(|r| read(r, Record::Mails)).collect()
    }

    /// The words for what happened that the journal has, in their order, without what became of
    /// mails.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn kinds_of_events(&self) -> Result<Vec<String>> {
        Ok(
            sqlx::query_scalar("SELECT DISTINCT what FROM journal ORDER BY what")
                .fetch_all(&self.pool)
                .await?,
        )
    }
}

fn place(entry: i64, attempt: i64) -> Place {
    Place { entry, attempt }
}

fn within(
    sql: &mut Sql,
    filter: &EventFilter,
    (at, no): (&str, &str),
    from: Start,
    own: fn(Place) -> i64,
    most: i64,
) {
    if let Some(since) = filter.since {
        sql.push(format!(" AND {at} >= ")).push_bind(seconds(since));
    }
    if let Some(until) = filter.until {
        sql.push(format!(" AND {at} < ")).push_bind(seconds(until));
    }
    match from {
        Start::Latest => sql.push(format!(" ORDER BY {no} DESC")),
        Start::Before(place) => sql
            .push(format!(" AND {no} < "))
            .push_bind(own(place))
            .push(format!(" ORDER BY {no} DESC")),
        Start::After(place) => sql
            .push(format!(" AND {no} > "))
            .push_bind(own(place))
            .push(format!(" ORDER BY {no}")),
    };
    sql.push(" LIMIT ").push_bind(most);
}

fn read(r: &sqlx::sqlite::SqliteRow, record: Record) -> Result<Entry> {
    let detail: &str = r.try_get(5)?;
    Ok(Entry {
        no: r.try_get(0)?,
        record,
        event: Event {
            at: instant(r.try_get(1)?),
            who: r.try_get(2)?,
            what: r.try_get(3)?,
            token: r.try_get(4)?,
            detail: serde_json::from_str(detail)
                .map_err(|e| StoreError::Corrupt(format!("a journal entry: {e}")))?,
        },
    })
}
