//! What silences the early stages of a period, revocations whose day comes, and the news that
//! people are to be told.
//!
//! Of several silences the strongest counts: a declared renewal, then a filed request, then a
//! snooze. The rows say what holds now; what held before is in the journal.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Row, SqliteConnection};

use crate::domain::lifecycle::{LAST_WORDS, News, Silence, Suppression};
use crate::domain::schedule::{End, Quiet};
use crate::store::error::{Result, StoreError};
use crate::store::events::in_flight;
use crate::store::outbox::{Person, count};
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, seconds};

/// The strongest silence of the period `p` of token `t`, and the end of its snooze, as two
/// columns: the words are in the order of their strength.
macro_rules! quiet_columns {
    () => {
        "(SELECT min(q.kind) FROM quiet q WHERE q.token = t.no AND q.period = t.period), \
         (SELECT q.until FROM quiet q WHERE q.token = t.no AND q.period = t.period AND q.kind = 'snoozed')"
    };
}
pub(crate) use quiet_columns;

/// What was said of a period that silences its early stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What.
    pub kind: Silence,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Who recorded it, as the journal names them.
    pub who: String,
    /// Filed: when.
    pub filed_at: Option<DateTime<Utc>>,
    /// Filed: by whom.
    pub filed_by: Option<String>,
    /// Filed: the reference of the request.
    pub reference: Option<String>,
    /// Declared: the new expiry, if it was given.
    pub expires: Option<DateTime<Utc>>,
    /// Snoozed: until when.
    pub until: Option<DateTime<Utc>>,
}

impl Said {
    /// Something said by `who`, without particulars.
    pub fn by(kind: Silence, who: String, at: DateTime<Utc>) -> Self {
        Self {
            kind,
            at,
            who,
            filed_at: None,
            filed_by: None,
            reference: None,
            expires: None,
            until: None,
        }
    }

    /// What it is to the schedule.
    pub fn quiet(&self) -> Quiet {
        Quiet {
            why: self.kind,
            until: match self.kind {
                Silence::Snoozed => self.until,
                Silence::Declared | Silence::Filed => None,
            },
        }
    }
}

/// An event that people are to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its row.
    pub no: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: News,
    /// Who said so, as the journal names them.
    pub who: String,
    /// The token's row.
    pub token: Option<i64>,
    /// The period it is about.
    pub period: Option<i64>,
    /// A JSON object.
    pub detail: Value,
}

/// Reads [`quiet_columns`].
pub(crate) fn quiet(kind: Option<&str>, until: Option<i64>) -> Result<Option<Quiet>> {
    let Some(kind) = kind else { return Ok(None) };
    let why = silence(kind)?;
    let until = match why {
        Silence::Snoozed => until.map(instant),
        Silence::Declared | Silence::Filed => None,
    };
    Ok(Some(Quiet { why, until }))
}

/// Reads whether `p.revoked_from` is set.
pub(crate) fn end(is_revoked: bool) -> End {
    if is_revoked {
        End::Revoked
    } else {
        End::Renewable
    }
}

fn silence(word: &str) -> Result<Silence> {
    Silence::from_word(word).ok_or_else(|| StoreError::Corrupt(format!("a silence {word:?}")))
}

pub(in crate::store) const SAID: &str = "SELECT token, kind, at, who, filed_at, filed_by, reference, expires, until FROM quiet q \
     WHERE period = (SELECT t.period FROM token t WHERE t.no = q.token)";

pub(in crate::store) fn said(r: &sqlx::sqlite::SqliteRow) -> Result<(i64, Said)> {
    let at = |i: &str| Ok::<_, StoreError>(r.try_get::<Option<i64>, _>(i)?.map(instant));
    let said = Said {
        kind: silence(r.try_get("kind")?)?,
        at: instant(r.try_get("at")?),
        who: r.try_get("who")?,
        filed_at: at("filed_at")?,
        filed_by: r.try_get("filed_by")?,
        reference: r.try_get("reference")?,
        expires: at("expires")?,
        until: at("until")?,
    };
    Ok((r.try_get("token")?, said))
}

async fn said_of(connection: &mut SqliteConnection, token: i64) -> Result<Vec<Said>> {
    let sql = sqlx::AssertSqlSafe(format!("{SAID} AND token = $1 ORDER BY kind"));
    let rows = sqlx::query(sql).bind(token).fetch_all(connection).await?;
    rows.iter().map(|r| Ok(said(r)?.1)).collect()
}

impl Store {
    /// What silences the current periods: the token's row with each, the strongest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all_said(&self) -> Result<Vec<(i64, Said)>> {
        let sql = sqlx::AssertSqlSafe(format!("{SAID} ORDER BY token, kind"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(said).collect()
    }

    /// Whether there is something to tell: an event, or a request that was filed before `since`
    /// and not asked about.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_news(&self, since: DateTime<Utc>) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM news) OR EXISTS \
               (SELECT 1 FROM quiet q JOIN token t ON t.no = q.token AND t.period = q.period \
                 AND t.state = 'active' WHERE q.filed_at <= $1 AND q.asked_at IS NULL)",
        )
        .bind(seconds(since))
        .fetch_one(&self.pool)
        .await?;
        Ok(found == 1)
    }

    /// What silences the current period of a token, the strongest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn said(&self, token: i64) -> Result<Vec<Said>> {
        let mut connection = self.pool.acquire().await?;
        said_of(&mut connection, token).await
    }
}

impl Tx {
    /// As [`Store::said`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn said(&mut self, token: i64) -> Result<Vec<Said>> {
        said_of(&mut self.inner, token).await
    }

    /// Records what was said of the current period of a token; it replaces what was said of the
    /// same kind before.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn say(&mut self, token: i64, said: &Said) -> Result<()> {
        sqlx::query(
            "INSERT OR REPLACE INTO quiet (token, period, kind, at, who, filed_at, filed_by, reference, expires, until) \
             SELECT no, period, $2, $3, $4, $5, $6, $7, $8, $9 FROM token WHERE no = $1",
        )
        .bind(token)
        .bind(said.kind.word())
        .bind(seconds(said.at))
        .bind(&said.who)
        .bind(said.filed_at.map(seconds))
        .bind(&said.filed_by)
        .bind(&said.reference)
        .bind(said.expires.map(seconds))
        .bind(said.until.map(seconds))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Takes back what was said of the current period of a token; whether there was something.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn unsay(&mut self, token: i64, kind: Silence) -> Result<bool> {
        let done = sqlx::query(
            "DELETE FROM quiet WHERE token = $1 AND kind = $2 \
             AND period = (SELECT period FROM token WHERE no = $1)",
        )
        .bind(token)
        .bind(kind.word())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Suppresses what is owed of a token's early stages.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn silence(
        &mut self,
        token: i64,
        why: Suppression,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let done = sqlx::query(concat!(
            "UPDATE notice SET state = 'suppressed', reason = $2, settled_at = $3, flight = ",
            in_flight!(),
            " WHERE token = $1 AND state = 'owed' AND stage > $4"
        ))
        .bind(token)
        .bind(why.word())
        .bind(seconds(now))
        .bind(LAST_WORDS)
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Ends the snoozes whose time has come; answers the rows of their tokens.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_snoozes(&mut self, now: DateTime<Utc>) -> Result<Vec<i64>> {
        let ended: Vec<Option<i64>> = sqlx::query_scalar(
            "DELETE FROM quiet WHERE until <= $1 RETURNING \
               CASE WHEN period = (SELECT t.period FROM token t WHERE t.no = quiet.token) THEN token END",
        )
        .bind(seconds(now))
        .fetch_all(&mut *self.inner)
        .await?;
        // A snooze of a period that was renewed since silences nothing.
        Ok(ended.into_iter().flatten().collect())
    }

    /// The active tokens whose revocation has come.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn revoked_by(&mut self, now: DateTime<Utc>) -> Result<Vec<i64>> {
        Ok(sqlx::query_scalar(
            "SELECT t.no FROM period p JOIN token t ON t.no = p.token AND t.period = p.no \
             WHERE p.revoked_from IS NOT NULL AND p.expires < $1 AND t.state = 'active'",
        )
        .bind(seconds(now))
        .fetch_all(&mut *self.inner)
        .await?)
    }

    /// Notes an event that people are to be told. `detail` is a JSON object.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn news(
        &mut self,
        kind: News,
        who: &str,
        about: Option<(i64, i64)>,
        detail: &Value,
        now: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO news (at, kind, who, token, period, detail) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(seconds(now))
        .bind(kind.word())
        .bind(who)
        .bind(about.map(|(token, _)| token))
        .bind(about.map(|(_, period)| period))
        .bind(detail.to_string())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Notes that the present periods of these tokens end well, for those of which somebody was
    /// reminded; answers how many people that are. Called before the period closes.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn closing_news(
        &mut self,
        kind: News,
        tokens: &[i64],
        who: &str,
        detail: &Value,
        now: DateTime<Utc>,
    ) -> Result<u32> {
        let rows = json(tokens);
        let people: i64 = sqlx::query_scalar(
            "SELECT count(DISTINCT n.recipient) FROM json_each($1) j CROSS JOIN token t ON t.no = j.value \
               AND t.state = 'active' \
             CROSS JOIN notice n ON n.token = t.no AND n.period = t.period AND (n.state = 'sent' OR n.state = 'owed' \
               AND EXISTS (SELECT 1 FROM mail m WHERE m.no = n.mail AND m.doubts > 0)) \
             CROSS JOIN recipient r ON r.token = t.no AND r.key = n.recipient AND r.removed_at IS NULL",
        )
        .bind(&rows)
        .fetch_one(&mut *self.inner)
        .await?;
        if people > 0 {
            sqlx::query(
                "INSERT INTO news (at, kind, who, token, period, detail) \
                 SELECT $2, $3, $4, t.no, t.period, $5 FROM json_each($1) j \
                 CROSS JOIN token t ON t.no = j.value AND t.state = 'active' \
                 WHERE EXISTS (SELECT 1 FROM notice n WHERE n.token = t.no AND n.period = t.period \
                   AND (n.state = 'sent' OR n.state = 'owed' \
                     AND EXISTS (SELECT 1 FROM mail m WHERE m.no = n.mail AND m.doubts > 0)))",
            )
            .bind(&rows)
            .bind(seconds(now))
            .bind(kind.word())
            .bind(who)
            .bind(detail.to_string())
            .execute(&mut *self.inner)
            .await?;
        }
        Ok(count(people))
    }

    /// The events that nobody was told yet, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read or holds a word that does not exist.
    pub async fn untold(&mut self, limit: i64) -> Result<Vec<Item>> {
        let rows = sqlx::query(
            "SELECT no, at, kind, who, token, period, detail FROM news ORDER BY no LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                let kind: &str = r.try_get("kind")?;
                let detail: &str = r.try_get("detail")?;
                Ok(Item {
                    no: r.try_get("no")?,
                    at: instant(r.try_get("at")?),
                    kind: News::from_word(kind)
                        .ok_or_else(|| StoreError::Corrupt(format!("news {kind:?}")))?,
                    who: r.try_get("who")?,
                    token: r.try_get("token")?,
                    period: r.try_get("period")?,
                    detail: serde_json::from_str(detail)
                        .map_err(|e| StoreError::Corrupt(format!("news: {e}")))?,
                })
            })
            .collect()
    }

    /// The people who were reminded in a period of a token and are still told about it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reminded(&mut self, token: i64, period: i64) -> Result<Vec<Person>> {
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT recipient FROM notice WHERE token = $1 AND period = $2 \
             AND (state = 'sent' OR flight IS NOT NULL)",
        )
        .bind(token)
        .bind(period)
        .fetch_all(&mut *self.inner)
        .await?;
        let mut people = self.people_of(token).await?;
        people.retain(|p| keys.contains(&p.key));
        Ok(people)
    }

    /// The requests that were filed by `since` for the present periods of active tokens, and
    /// that nobody was asked about; from `now` on they count as asked: (token, period, filed).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn filed_before(
        &mut self,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<(i64, i64, DateTime<Utc>)>> {
        let rows = sqlx::query(
            "UPDATE quiet SET asked_at = $2 WHERE filed_at <= $1 AND asked_at IS NULL \
             AND EXISTS (SELECT 1 FROM token t \
               WHERE t.no = quiet.token AND t.period = quiet.period AND t.state = 'active') \
             RETURNING token, period, filed_at",
        )
        .bind(seconds(since))
        .bind(seconds(now))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?, instant(r.try_get(2)?))))
            .collect()
    }

    /// Forgets an event that nobody was told yet and that is no longer true.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn untell(&mut self, token: i64, kind: News) -> Result<()> {
        sqlx::query("DELETE FROM news WHERE token = $1 AND kind = $2")
            .bind(token)
            .bind(kind.word())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Forgets events of which the notes are queued.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn told(&mut self, news: &[i64]) -> Result<()> {
        sqlx::query("DELETE FROM news WHERE no IN (SELECT value FROM json_each($1))")
            .bind(json(news))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
