//! What the notes, the report and the lists need of what is on record of the API's answers.
//!
//! A death is known by the instant of its first answer: the notes about it have it in their
//! cause, so that the same death is told once, and its end to those who were told of it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::probing::{Belief, outlives};
use crate::domain::verdict::{Bearing, Case, Verdict};
use crate::store::error::Result;
use crate::store::outbox::{NOTE_DEAD, NOTE_HEALED, count};
use crate::store::plan::json;
use crate::store::probe::Probed;
use crate::store::{Store, Tx, instant, seconds};

/// After so long without an answer that bears on a token, what is believed of it is old.
pub const OLD: Duration = Duration::days(7);

/// A note that was queued about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Its cause.
    pub cause: String,
    /// The address as written.
    pub address: String,
    /// Its words, as a row; `None`: retention has taken them.
    pub words: Option<String>,
}

/// What the notes and posts about a death that began then have as their cause.
pub fn death_cause(id: &str, since: DateTime<Utc>) -> String {
    format!("{}{}", deaths(id), since.timestamp())
}

/// What the causes of a token's deaths begin with.
fn deaths(id: &str) -> String {
    format!("death:{id}:")
}

/// That a cause is `prefix` (`$2`) and an instant: an id may go on where another one ends.
macro_rules! of_cause {
    () => {
        "cause >= $2 AND cause < $2 || char(1114111) AND substr(cause, length($2) + 1) NOT GLOB '*[^0-9]*'"
    };
}

/// Nobody has read it, and nobody has to.
const CANCEL_UNREAD: &str = concat!(
    "UPDATE mail SET state = 'cancelled', next_at = NULL, settled_at = $3 \
     WHERE kind <> 'reminder' AND kind IN ($1, 'post_alarm') AND ",
    of_cause!(),
    " AND state IN ('queued', 'deferred', 'held') AND doubts = 0"
);

/// Whom the last death that left has reached, where its end was told to nobody.
const UNHEALED: &str = concat!(
    "WITH dead AS MATERIALIZED ( \
       SELECT cause, address, recipient, note FROM mail WHERE kind <> 'reminder' AND kind = $1 AND ",
    of_cause!(),
    " AND (counted_at IS NOT NULL OR state = 'claimed')) \
     SELECT cause, address, note FROM dead WHERE cause = (SELECT max(cause) FROM dead) \
       AND recipient NOT LIKE '%@forgotten.invalid' AND NOT EXISTS ( \
         SELECT 1 FROM mail m WHERE m.kind <> 'reminder' AND m.kind = $3 AND m.cause = dead.cause) \
     ORDER BY recipient"
);

impl Probed {
    /// The death that is believed of it, if any is.
    pub fn death(&self) -> Option<Belief> {
        let belief = self.known.belief?;
        (belief.verdict.bearing() == Bearing::Dead).then_some(belief)
    }

    /// Since when nothing was learnt of it, where that is [`OLD`]: it may be dead since.
    pub fn unheard_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let believed = self.known.belief.map(|b| b.at);
        let learnt = believed.max(self.known.suspicion.map(|(_, at)| at));
        let since = learnt.or(self.in_vain_since)?;
        (now - since >= OLD).then_some(since)
    }

    /// Whether it works although it has expired by `expires`; not while one answer says that it
    /// does not.
    pub fn outlives(&self, expires: DateTime<Utc>) -> bool {
        self.known.suspicion.is_none()
            && self
                .known
                .belief
                .is_some_and(|b| b.verdict.bearing() == Bearing::Lives && outlives(b.at, expires))
    }
}

/// A watched token that was asked about, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its row.
    pub no: i64,
    /// Its name.
    pub name: String,
    /// The client's name.
    pub client: Option<String>,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Its contact.
    pub contact: String,
    /// What is on record.
    pub probed: Probed,
}

impl Heard {
    /// The death that is believed of it. One that its own date has ended counts as expired, and
    /// not as refused.
    pub fn refused(&self, now: DateTime<Utc>) -> Option<Belief> {
        let is_early = |death: &Belief| death.verdict != Verdict::Expired || now <= self.expires;
        self.probed.death().filter(is_early)
    }
}

impl Store {
    /// The causes of the deaths of which notes were made since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deaths_told_since(&self, since: DateTime<Utc>) -> Result<HashSet<String>> {
        let causes: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT cause FROM mail WHERE kind <> 'reminder' AND kind = $1 AND created_at > $2",
        )
        .bind(NOTE_DEAD)
        .bind(seconds(since))
        .fetch_all(&self.pool)
        .await?;
        Ok(causes.into_iter().collect())
    }

    /// What is on record of the answers about watched tokens, by their ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn heard(&self) -> Result<Vec<Heard>> {
        let all = self.all_probed().await?;
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT t.id, t.no, t.name, t.client_name, p.expires, t.contact \
             FROM probe b JOIN token t ON t.no = b.token AND t.state = 'active' \
             JOIN period p ON p.token = t.no AND p.no = t.period",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut watched = HashMap::new();
        for r in &rows {
            let id: String = r.try_get(0)?;
            watched.insert(id, r);
        }
        let heard = all.into_iter().filter_map(|probed| {
            let r = watched.get(&probed.id)?;
            let read = || -> Result<Heard> {
                Ok(Heard {
                    no: r.try_get(1)?,
                    name: r.try_get(2)?,
                    client: r.try_get(3)?,
                    expires: instant(r.try_get(4)?),
                    contact: r.try_get(5)?,
                    probed,
                })
            };
            Some(read())
        });
        heard.collect()
    }
}

impl Tx {
    /// Since which answer this death of a token is on record, suspected or believed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_since(
        &mut self,
        token: i64,
        verdict: Verdict,
    ) -> Result<Option<DateTime<Utc>>> {
        let since: Option<Option<i64>> = sqlx::query_scalar(
            "SELECT CASE WHEN verdict = $2 THEN verdict_since WHEN suspected = $2 THEN suspected_at END \
             FROM probe WHERE token = $1",
        )
        .bind(token)
        .bind(verdict.word())
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(since.flatten().map(instant))
    }

    /// How many other tokens are refused before their date since no longer than two days, where
    /// those are all of the others that were asked about in the last one, and two or more: then
    /// the fault may be at the API. `None`: it is this token alone, or some of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn others_refused(&mut self, token: i64, now: DateTime<Utc>) -> Result<Option<u32>> {
        let dead = |case: &&Case| case.verdict().bearing() == Bearing::Dead;
        let dead: Vec<&str> = Case::ALL.iter().filter(dead).map(|c| c.word()).collect();
        let (refused, all): (i64, i64) = sqlx::query_as(
            "WITH heard AS ( \
               SELECT b.answer_case IN (SELECT value FROM json_each($2)) AS refused, \
                 CASE WHEN b.suspected IS NULL THEN b.verdict_since ELSE b.suspected_at END AS since \
               FROM probe b JOIN token t ON t.no = b.token AND t.state = 'active' \
               JOIN period p ON p.token = t.no AND p.no = t.period \
               WHERE b.token <> $1 AND p.expires > $3 AND b.answered_at > $3 - 86400) \
             SELECT coalesce(sum(refused), 0), count(*) FROM heard WHERE NOT (refused AND since < $3 - 2 * 86400)",
        )
        .bind(token)
        .bind(json(&dead))
        .bind(seconds(now))
        .fetch_one(&mut *self.inner)
        .await?;
        Ok((refused >= 2 && refused == all).then(|| count(refused)))
    }

    /// The notes of a kind whose cause is the last one of those that are `prefix` and an instant,
    /// in the order of their texts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn noted_last(&mut self, kind: &str, prefix: &str) -> Result<Vec<Noted>> {
        let rows = sqlx::query(concat!(
            "SELECT cause, address, note FROM mail WHERE kind <> 'reminder' AND kind = $1 AND cause = ( \
               SELECT max(cause) FROM mail WHERE kind <> 'reminder' AND kind = $1 AND ",
            of_cause!(),
            ") ORDER BY recipient"
        ))
        .bind(kind)
        .bind(prefix)
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter().map(noted).collect()
    }

    /// Ends what is told of a token's deaths: what has not left is cancelled. Answers the notes
    /// whose readers are to be told that it works again; none, once they were.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_death(&mut self, token: i64, now: DateTime<Utc>) -> Result<Vec<Noted>> {
        let id: Option<String> = sqlx::query_scalar("SELECT id FROM token WHERE no = $1")
            .bind(token)
            .fetch_optional(&mut *self.inner)
            .await?;
        let Some(id) = id else {
            return Ok(Vec::new());
        };
        let prefix = deaths(&id);
        sqlx::query(CANCEL_UNREAD)
            .bind(NOTE_DEAD)
            .bind(&prefix)
            .bind(seconds(now))
            .execute(&mut *self.inner)
            .await?;
        let rows = sqlx::query(UNHEALED)
            .bind(NOTE_DEAD)
            .bind(&prefix)
            .bind(NOTE_HEALED)
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(noted).collect()
    }
}

fn noted(r: &SqliteRow) -> Result<Noted> {
    Ok(Noted {
        cause: r.try_get(0)?,
        address: r.try_get(1)?,
        words: r.try_get(2)?,
    })
}
