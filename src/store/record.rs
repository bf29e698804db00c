//! What is on record, for the commands that show it: tokens, notices, the journal.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use crate::domain::lifecycle::{By, Origin, State};
use crate::domain::schedule::{Period, Told};
use crate::domain::stage::{Schedule, Stages};
use crate::store::declared::Facts;
use crate::store::error::{Result, StoreError};
use crate::store::outbox::{MailState, Person, list};
use crate::store::{Store, Tx, instant, quiet};

/// A token on record.
#[derive(Debug, Clone)]
pub struct Token {
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
    /// Since when.
    pub state_at: DateTime<Utc>,
    /// The number of its current period.
    pub period_no: i64,
    /// When that period's token was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// Its current period.
    pub period: Period,
    /// Set: it is revoked at the end of this period, which was to end then.
    pub revoked_from: Option<DateTime<Utc>>,
    /// Who said the dates of this period, as the journal names them.
    pub source: String,
    /// What the file said of its expiry when it was last read.
    pub file_expires: Option<DateTime<Utc>>,
    /// Its `jti`.
    pub jti: Option<String>,
    /// What it may ask for, if known.
    pub scopes: Option<Vec<String>>,
    /// SHA-256 of its text in hex, if known.
    pub fingerprint: Option<String>,
    /// The id of the token that took its place.
    pub superseded_by: Option<String>,
    /// When it was first declared.
    pub declared_at: DateTime<Utc>,
    /// Its facts.
    pub facts: Facts,
}

/// A notice on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The token's row.
    pub token: i64,
    /// The period.
    pub period: i64,
    /// The stage.
    pub stage: i32,
    /// The recipient's key.
    pub recipient: String,
    /// Its slot.
    pub slot: DateTime<Utc>,
    /// When it may leave by the rules.
    pub leaves_at: DateTime<Utc>,
    /// `owed`, `sent`, `absorbed`, `suppressed` or `failed`.
    pub state: String,
    /// Why, for what is neither owed nor sent.
    pub reason: Option<String>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// Its mail: row, state, next time.
    pub mail: Option<(i64, MailState, Option<DateTime<Utc>>)>,
}

/// One line of a token's, or of the store's, history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `file`, `daemon`, `user:NAME`, or a mail server.
    pub who: String,
    /// What, a word.
    pub what: String,
    /// The token's id.
    pub token: Option<String>,
    /// A JSON object.
    pub detail: serde_json::Value,
}

pub(in crate::store) const TOKENS: &str = "SELECT t.no, t.id, t.origin, t.state, t.state_by, t.state_at, t.period, p.issued, p.expires, \
      p.opened_at, p.dated_at, t.file_expires, t.jti, t.declared_at, t.name, t.client, t.client_name, t.datapass_id, \
      t.siret, t.used_by, t.tags, t.language, t.contact, p.revoked_from, p.source, t.scopes, t.fingerprint, \
      (SELECT s.id FROM token s WHERE s.no = t.superseded_by) \
    FROM token t JOIN period p ON p.token = t.no AND p.no = t.period";

const NOTICES: &str = "SELECT n.token, n.period, n.stage, n.recipient, n.slot, n.leaves_at, n.state, n.reason, n.settled_at, \
      m.no, m.state, m.next_at FROM notice n LEFT JOIN mail m ON m.no = n.mail \
    WHERE n.token = $1 AND n.period = $2 ORDER BY n.stage DESC, n.recipient";

impl Store {
    /// Every token, the first to expire first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let sql = sqlx::AssertSqlSafe(format!("{TOKENS} ORDER BY p.expires, t.id"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(token).collect()
    }

    /// The ids and names of the tokens whose ids begin so, the first to expire first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn names_of_tokens(&self, start: &str) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query(
            "SELECT t.id, t.name FROM token t JOIN period p ON p.token = t.no AND p.no = t.period \
             WHERE substr(t.id, 1, length($1)) = $1 ORDER BY p.expires, t.id",
        )
        .bind(start)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| Ok((r.try_get("id")?, r.try_get("name")?)))
            .collect()
    }

    /// One token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token(&self, id: &str) -> Result<Option<Token>> {
        let sql = sqlx::AssertSqlSafe(format!("{TOKENS} WHERE t.id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(token).transpose()
    }

    /// One token by its row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_of(&self, no: i64) -> Result<Option<Token>> {
        let sql = sqlx::AssertSqlSafe(format!("{TOKENS} WHERE t.no = $1"));
        let row = sqlx::query(sql).bind(no).fetch_optional(&self.pool).await?;
        row.as_ref().map(token).transpose()
    }

    /// The notices of one period of a token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notices(&self, token: i64, period: i64) -> Result<Vec<Notice>> {
        let rows = sqlx::query(NOTICES)
            .bind(token)
            .bind(period)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(notice).collect()
    }

    /// Every notice of every period: what an audit compares.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all_notices(&self) -> Result<Vec<(String, Notice)>> {
        let rows = sqlx::query(
            "SELECT n.token, n.period, n.stage, n.recipient, n.slot, n.leaves_at, n.state, n.reason, n.settled_at, \
               m.no, m.state, m.next_at, t.id FROM notice n JOIN token t ON t.no = n.token \
             LEFT JOIN mail m ON m.no = n.mail ORDER BY n.token, n.period, n.stage DESC, n.recipient",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| Ok((r.try_get(12)?, notice(r)?)))
            .collect()
    }

    /// The people who were once told about a token and no longer are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn former_people(&self, token: i64) -> Result<Vec<Person>> {
        let rows = sqlx::query(
            "SELECT token, key, address, name, role, language, from_stage, since FROM recipient \
             WHERE token = $1 AND removed_at IS NOT NULL ORDER BY key",
        )
        .bind(token)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Person {
                    token: r.try_get(0)?,
                    key: r.try_get(1)?,
                    address: r.try_get(2)?,
                    name: r.try_get(3)?,
                    role: r.try_get(4)?,
                    language: r.try_get(5)?,
                    from_stage: r
                        .try_get::<Option<i64>, _>(6)?
                        .and_then(|n| u32::try_from(n).ok()),
                    since: instant(r.try_get(7)?),
                })
            })
            .collect()
    }

    /// The schedule with its history; `None` in a store that has never been reconciled.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn schedule(&self) -> Result<Option<Schedule>> {
        let mut connection = self.pool.acquire().await?;
        schedule(&mut connection).await
    }

    /// What happened, the oldest first: the journal, and what became of each mail; of one token
    /// or of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, token: Option<i64>, limit: i64) -> Result<Vec<Event>> {
        let rows = sqlx::query(
            "SELECT * FROM ( \
               SELECT j.at AS at, j.who AS who, j.what AS what, t.id AS token, j.detail AS detail, j.no AS no, 0 AS kind \
                 FROM journal j LEFT JOIN token t ON t.no = j.token WHERE $1 IS NULL OR j.token = $1 \
               UNION ALL \
               SELECT a.at, 'mail', 'mail_' || a.outcome, \
                 (SELECT CASE count(DISTINCT t.id) WHEN 1 THEN min(t.id) END \
                   FROM notice n JOIN token t ON t.no = n.token WHERE n.mail = m.no), \
                 json_object('mail', m.no, 'recipient', m.address, 'kind', m.kind, 'reply', a.reply, \
                   'subject', m.subject, 'notices', \
                   (SELECT json_group_array(json_object('token', t.id, 'stage', n.stage)) \
                     FROM notice n JOIN token t ON t.no = n.token WHERE n.mail = m.no)), \
                 a.no, 1 \
                 FROM attempt a JOIN mail m ON m.no = a.mail \
                 WHERE $1 IS NULL OR EXISTS (SELECT 1 FROM notice n WHERE n.mail = m.no AND n.token = $1) \
             ) ORDER BY at DESC, kind DESC, no DESC LIMIT $2",
        )
        .bind(token)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let mut events = rows
            .iter()
            .map(|r| {
                let detail: String = r.try_get("detail")?;
                Ok(Event {
                    at: instant(r.try_get("at")?),
                    who: r.try_get("who")?,
                    what: r.try_get("what")?,
                    token: r.try_get("token")?,
                    detail: serde_json::from_str(&detail)
                        .map_err(|e| StoreError::Corrupt(format!("a journal entry: {e}")))?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        events.reverse();
        Ok(events)
    }

    /// The instants at which something is to be looked at next: a token, a mail. `None`:
    /// nothing ever, as things are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_instants(&self) -> Result<(Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
        let row = sqlx::query(
            "WITH RECURSIVE open (urgency) AS ( \
               SELECT min(urgency) FROM mail WHERE next_at IS NOT NULL AND urgency > -1000000000000 \
               UNION ALL SELECT (SELECT min(m.urgency) FROM mail m WHERE m.next_at IS NOT NULL AND m.urgency > open.urgency) \
                 FROM open WHERE open.urgency IS NOT NULL) \
             SELECT (SELECT min(at) FROM (SELECT min(next_due_at) AS at FROM token WHERE next_due_at IS NOT NULL \
                      UNION ALL SELECT min(until) FROM quiet WHERE until IS NOT NULL \
                      UNION ALL SELECT min(q.filed_at) + 1728000 FROM quiet q JOIN token t ON t.no = q.token \
                        AND t.period = q.period AND t.state = 'active' \
                        WHERE q.filed_at IS NOT NULL AND q.asked_at IS NULL)), \
                    (SELECT min((SELECT min(m.next_at) FROM mail m WHERE m.urgency = open.urgency AND m.next_at IS NOT NULL)) FROM open)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((
            row.try_get::<Option<i64>, _>(0)?.map(instant),
            row.try_get::<Option<i64>, _>(1)?.map(instant),
        ))
    }

    /// Whether a notice waits for its recipient's present mail to be settled.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_waiting(&self) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM notice WHERE state = 'owed' AND mail IS NULL)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(found == 1)
    }
}

impl Tx {
    /// Every token, in the order in which they came.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&mut self) -> Result<Vec<Token>> {
        let sql = sqlx::AssertSqlSafe(format!("{TOKENS} ORDER BY t.no"));
        let rows = sqlx::query(sql).fetch_all(&mut *self.inner).await?;
        rows.iter().map(token).collect()
    }

    /// One token.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token(&mut self, id: &str) -> Result<Option<Token>> {
        let sql = sqlx::AssertSqlSafe(format!("{TOKENS} WHERE t.id = $1"));
        let row = sqlx::query(sql)
            .bind(id)
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(token).transpose()
    }

    /// One token by its row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_of(&mut self, no: i64) -> Result<Option<Token>> {
        let sql = sqlx::AssertSqlSafe(format!("{TOKENS} WHERE t.no = $1"));
        let row = sqlx::query(sql)
            .bind(no)
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(token).transpose()
    }

    /// The notices of one period of a token, the earliest stage first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notices(&mut self, token: i64, period: i64) -> Result<Vec<Notice>> {
        let rows = sqlx::query(NOTICES)
            .bind(token)
            .bind(period)
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(notice).collect()
    }
}

pub(crate) async fn schedule(connection: &mut SqliteConnection) -> Result<Option<Schedule>> {
    let rows = sqlx::query("SELECT since, spec FROM schedule ORDER BY no")
        .fetch_all(connection)
        .await?;
    let versions = rows
        .iter()
        .map(|r| {
            let spec: String = r.try_get("spec")?;
            let stages = Stages::from_spec(&spec)
                .ok_or_else(|| StoreError::Corrupt(format!("schedule {spec:?}")))?;
            Ok((instant(r.try_get("since")?), stages))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Schedule::with_history(versions))
}

pub(in crate::store) fn token(r: &sqlx::sqlite::SqliteRow) -> Result<Token> {
    let unknown = |what: &str| StoreError::Corrupt(format!("an unknown {what}"));
    let revoked_from = r.try_get::<Option<i64>, _>(23)?.map(instant);
    Ok(Token {
        no: r.try_get(0)?,
        id: r.try_get(1)?,
        origin: Origin::from_word(r.try_get(2)?).ok_or_else(|| unknown("origin"))?,
        state: State::from_word(r.try_get(3)?).ok_or_else(|| unknown("token state"))?,
        state_by: By::from_word(r.try_get(4)?).ok_or_else(|| unknown("state_by"))?,
        state_at: instant(r.try_get(5)?),
        period_no: r.try_get(6)?,
        issued: r.try_get::<Option<i64>, _>(7)?.map(instant),
        period: Period {
            expires: instant(r.try_get(8)?),
            opened_at: instant(r.try_get(9)?),
            dated_at: instant(r.try_get(10)?),
            declared_at: instant(r.try_get(13)?),
            end: quiet::end(revoked_from.is_some()),
        },
        revoked_from,
        source: r.try_get(24)?,
        scopes: r.try_get::<Option<&str>, _>(25)?.map(list),
        fingerprint: r.try_get(26)?,
        superseded_by: r.try_get(27)?,
        file_expires: r.try_get::<Option<i64>, _>(11)?.map(instant),
        jti: r.try_get(12)?,
        declared_at: instant(r.try_get(13)?),
        facts: Facts {
            name: r.try_get(14)?,
            client: r.try_get(15)?,
            client_name: r.try_get(16)?,
            datapass_id: r.try_get(17)?,
            siret: r.try_get(18)?,
            used_by: list(r.try_get(19)?),
            tags: list(r.try_get(20)?),
            language: r.try_get(21)?,
            contact: r.try_get(22)?,
        },
    })
}

fn notice(r: &sqlx::sqlite::SqliteRow) -> Result<Notice> {
    let mail = match r.try_get::<Option<i64>, _>(9)? {
        Some(no) => Some((
            no,
            MailState::read(r.try_get(10)?)?,
            r.try_get::<Option<i64>, _>(11)?.map(instant),
        )),
        None => None,
    };
    Ok(Notice {
        token: r.try_get(0)?,
        period: r.try_get(1)?,
        stage: r.try_get(2)?,
        recipient: r.try_get(3)?,
        slot: instant(r.try_get(4)?),
        leaves_at: instant(r.try_get(5)?),
        state: r.try_get(6)?,
        reason: r.try_get(7)?,
        settled_at: r.try_get::<Option<i64>, _>(8)?.map(instant),
        mail,
    })
}

impl Person {
    /// Which stages are theirs.
    pub fn told(&self) -> Told {
        Told {
            from_stage: self.from_stage,
            since: self.since,
        }
    }
}
