//! The overview: how many tokens end when, what was said of them, what became of their stages,
//! and what left by the day.
//!
//! Each question is one statement whose rows come gathered in one value: a hundred thousand
//! tokens cost a scan of their rows, and not one of them a word of its own.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::Silence;
use crate::store::declared::damaged;
use crate::store::error::Result;
use crate::store::outbox::{MailState, count};
use crate::store::plan::{gathered, json};
use crate::store::record::{TOKENS, Token, token};
use crate::store::{Store, instant, seconds};

/// Tells one state of the store from another: it is the same as long as nothing was written, by
/// whichever connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    others: i64,
    own: i64,
}

/// Of which active tokens; without a word: of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Among {
    /// Those of this client, by its key.
    pub client: Option<String>,
    /// Those with this tag.
    pub tag: Option<String>,
}

/// When an active token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its row.
    pub no: i64,
    /// The end of its period.
    pub expires: DateTime<Utc>,
}

/// What was said of the present period of an active token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The token's row.
    pub no: i64,
    /// What.
    pub kind: Silence,
    /// When it was said; of a request: when it was filed.
    pub at: DateTime<Utc>,
    /// By whom, as the journal names them.
    pub who: String,
    /// The end of a snooze.
    pub until: Option<DateTime<Utc>>,
}

/// How many notices of a stage of a token came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fates {
    /// The token's row.
    pub no: i64,
    /// The stage.
    pub stage: i32,
    /// `owed`, `sent`, `absorbed`, `suppressed` or `failed`.
    pub state: String,
    /// How many.
    pub notices: u32,
    /// When the latest of them was settled.
    pub settled_at: Option<DateTime<Utc>>,
}

/// Who is told about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience {
    /// The token's row.
    pub no: i64,
    /// How many people.
    pub people: u32,
    /// Stages above this one are nobody's; `None`: there are none.
    pub from_stage: Option<u32>,
}

/// How many attempts of a quarter of an hour came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    /// Where the quarter begins.
    pub at: DateTime<Utc>,
    /// The word of the record.
    pub outcome: String,
    /// How many.
    pub count: u32,
}

impl Store {
    /// What is equal as long as nothing is written.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn change(&self) -> Result<Change> {
        // A store has one connection: both are about the same.
        let others = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&self.pool)
            .await?;
        let own = sqlx::query_scalar("SELECT total_changes()")
            .fetch_one(&self.pool)
            .await?;
        Ok(Change { others, own })
    }

    /// When the active tokens end, in no order: by the order of their rows each page of the file
    /// is read once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn endings(&self, among: &Among) -> Result<Vec<Ending>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(t.no, p.expires)) FROM token t \
             CROSS JOIN period p ON p.token = t.no AND p.no = t.period WHERE t.state = 'active' \
               AND ($1 IS NULL OR t.client = $1) \
               AND ($2 IS NULL OR EXISTS (SELECT 1 FROM json_each(t.tags) j WHERE j.value = $2))",
        )
        .bind(&among.client)
        .bind(&among.tag)
        .fetch_one(&self.pool)
        .await?;
        Ok(gathered::<(i64, i64)>(&rows)?
            .into_iter()
            .map(|(no, expires)| Ending {
                no,
                expires: instant(expires),
            })
            .collect())
    }

    /// What silences active tokens, the earliest said first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn spoken(&self) -> Result<Vec<Spoken>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(q.token, q.kind, coalesce(q.filed_at, q.at), q.who, q.until) \
               ORDER BY coalesce(q.filed_at, q.at), q.token) \
             FROM quiet q JOIN token t ON t.no = q.token AND t.period = q.period AND t.state = 'active'",
        )
        .fetch_one(&self.pool)
        .await?;
        gathered::<(i64, String, i64, String, Option<i64>)>(&rows)?
            .into_iter()
            .map(|(no, kind, at, who, until)| {
                Ok(Spoken {
                    no,
                    kind: Silence::from_word(&kind).ok_or_else(|| damaged("kind of silence"))?,
                    at: instant(at),
                    who,
                    until: until.map(instant),
                })
            })
            .collect()
    }

    /// These tokens, the first to expire first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens_among(&self, rows: &[i64]) -> Result<Vec<Token>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{TOKENS} WHERE t.no IN (SELECT value FROM json_each($1)) ORDER BY p.expires, t.id"
        ));
        let rows = sqlx::query(sql)
            .bind(json(rows))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(token).collect()
    }

    /// What became of the stages of these (token, period) pairs, the earliest stage first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn fates(&self, periods: &[(i64, i64)]) -> Result<Vec<Fates>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(token, stage, state, notices, at) ORDER BY token, stage DESC, state) \
             FROM (SELECT n.token, n.stage, n.state, count(*) AS notices, max(n.settled_at) AS at \
               FROM jsonb_each($1) j CROSS JOIN notice n ON n.token = j.value ->> 0 AND n.period = j.value ->> 1 \
               GROUP BY n.token, n.stage, n.state)",
        )
        .bind(json(periods))
        .fetch_one(&self.pool)
        .await?;
        Ok(gathered::<(i64, i32, String, i64, Option<i64>)>(&rows)?
            .into_iter()
            .map(|(no, stage, state, notices, at)| Fates {
                no,
                stage,
                state,
                notices: count(notices),
                settled_at: at.map(instant),
            })
            .collect())
    }

    /// What attempts came to since an instant, by quarters of an hour: every zone's midnight is
    /// the beginning of one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn attempts_since(&self, since: DateTime<Utc>) -> Result<Vec<Attempts>> {
        // Attempts stand in the order of time: those before are not read.
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(quarter, outcome, n)) \
             FROM (SELECT at / 900 * 900 AS quarter, outcome, count(*) AS n FROM attempt \
               WHERE no > coalesce((SELECT no FROM attempt WHERE at < $1 ORDER BY no DESC LIMIT 1), 0) \
                 AND mail NOT IN (SELECT no FROM mail WHERE kind <> 'reminder' AND kind IN ('post', 'post_alarm')) \
               GROUP BY quarter, outcome)",
        )
        .bind(seconds(since))
        .fetch_one(&self.pool)
        .await?;
        Ok(gathered::<(i64, String, i64)>(&rows)?
            .into_iter()
            .map(|(at, outcome, n)| Attempts {
                at: instant(at),
                outcome,
                count: count(n),
            })
            .collect())
    }

    /// How many mails were given up, by what became of them, and have neither been sent again nor
    /// put aside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn given_up(&self) -> Result<Vec<(MailState, u32)>> {
        let rows = sqlx::query(
            "SELECT state, count(*) FROM mail WHERE state IN ('refused', 'parked', 'failed') \
               AND urgency > -1000000000000 \
             GROUP BY state ORDER BY state",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| Ok((MailState::read(r.try_get(0)?)?, count(r.try_get(1)?))))
            .collect()
    }

    /// How many people are told about each of these tokens, and from which stage on the first of
    /// them is; `None`: from the earliest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn audiences(&self, tokens: &[i64]) -> Result<Vec<Audience>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(token, people, anybody, earliest)) FROM (SELECT r.token, \
                 count(*) AS people, max(r.from_stage IS NULL) AS anybody, max(r.from_stage) AS earliest \
               FROM json_each($1) j CROSS JOIN recipient r ON r.token = j.value \
               WHERE r.removed_at IS NULL GROUP BY r.token)",
        )
        .bind(json(tokens))
        .fetch_one(&self.pool)
        .await?;
        Ok(gathered::<(i64, i64, i64, Option<i64>)>(&rows)?
            .into_iter()
            .map(|(no, people, anybody, earliest)| Audience {
                no,
                people: count(people),
                from_stage: earliest
                    .filter(|_| anybody == 0)
                    .and_then(|n| u32::try_from(n).ok()),
            })
            .collect())
    }
}
