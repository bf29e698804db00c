//! What API Entreprise says of tokens, and of itself, as it is on record.
//!
//! That a call leaves is written down before it does, so that no restart repeats it. An answer,
//! what is believed since, and the notes that it asks for are one transaction. No secret is kept.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::incident::{Incident, Side, Witness};
use crate::domain::probing::{Belief, Dates, Known};
use crate::domain::verdict::{Bearing, Case, Reading, Verdict, Volume};
use crate::store::error::{Result, StoreError};
use crate::store::outbox::{count, list};
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, seconds};

/// A token that may be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its row.
    pub no: i64,
    /// Its id.
    pub id: String,
    /// Its `jti`, where it is on record.
    pub jti: Option<String>,
    /// Its dates.
    pub dates: Dates,
    /// What is known of it.
    pub known: Known,
}

/// The last answer about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAnswer {
    /// When.
    pub at: DateTime<Utc>,
    /// Which case it is.
    pub case: Case,
    /// The status; `None`: no answer.
    pub status: Option<u16>,
    /// The API's own codes.
    pub codes: Vec<String>,
    /// The first printable characters of the body, or why there was no answer.
    pub said: String,
}

/// What is on record of the API's answers about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The token's id.
    pub id: String,
    /// What is known of it.
    pub known: Known,
    /// The last answer.
    pub last: Option<LastAnswer>,
    /// Why it cannot be asked about.
    pub hindrance: Option<String>,
    /// Since when.
    pub hindered_at: Option<DateTime<Utc>>,
    /// Since which answer nothing was learnt of it, by the last one either.
    pub in_vain_since: Option<DateTime<Utc>>,
}

/// What is on record of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Nothing is asked before.
    pub not_before: Option<DateTime<Utc>>,
    /// … and until then because it asked for that itself.
    pub patience: Option<DateTime<Utc>>,
    /// What is wrong with it.
    pub incident: Option<Incident>,
    /// When it was last heard of.
    pub seen_at: Option<DateTime<Utc>>,
    /// Calls in a row without an answer that says something.
    pub failures: u32,
    /// What was said last.
    pub said: String,
}

/// That what is believed of a token by a row `b` of `probe` still stands: its record `t`, with its
/// period `p`, was not changed since.
pub(super) const STANDS: &str = "b.of_record = max(p.opened_at, p.dated_at, t.state_at)";

const PROBED: &str = "SELECT t.id, b.asked_at, b.verdict, b.verdict_since, b.verdict_at, b.suspected, b.suspected_at, \
     b.scopes, b.volume_limit, b.volume_remaining, b.volume_resets, b.answered_at, b.answer_case, b.status, b.codes, \
     b.said, b.hindrance, max(p.opened_at, p.dated_at, t.state_at), b.of_record, b.hindered_at, b.in_vain_since";

const OF_TOKENS: &str = "FROM probe b JOIN token t ON t.no = b.token JOIN period p ON p.token = t.no AND p.no = t.period";

const SERVICE: &str = "SELECT not_before, patience, incident, since, failed_at, witness, seen_at, failures, said FROM service WHERE one = 1";

/// The active tokens that this condition finds in a list of values `j`.
fn watched_by(condition: &str) -> String {
    format!(
        "{PROBED}, t.no, t.jti, p.expires \
         FROM json_each($1) j CROSS JOIN token t ON {condition} AND t.state = 'active' \
         CROSS JOIN period p ON p.token = t.no AND p.no = t.period LEFT JOIN probe b ON b.token = t.no ORDER BY t.no"
    )
}

impl Store {
    /// The active tokens among these ids, with what is known of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn watched(&self, ids: &[&str]) -> Result<Vec<Watched>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(watched_by("t.id = j.value")))
            .bind(json(ids))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(watched).collect()
    }

    /// What is on record of the answers about a token; `None`: it was never asked about.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn probed(&self, id: &str) -> Result<Option<Probed>> {
        let sql = sqlx::AssertSqlSafe(format!("{PROBED} {OF_TOKENS} WHERE t.id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(probed).transpose()
    }

    /// … about every token that was ever asked about, by their ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all_probed(&self) -> Result<Vec<Probed>> {
        let sql = sqlx::AssertSqlSafe(format!("{PROBED} {OF_TOKENS} ORDER BY t.id"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(probed).collect()
    }

    /// Writes down that a call leaves at `now`; false: another one left since `before` was read,
    /// and this one must not.
    ///
    /// # Errors
    /// When the store cannot be written; the call must not leave.
    pub async fn ask_begins(
        &self,
        token: i64,
        before: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        self.require_own_file()?;
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO probe (token, asked_at) VALUES ($1, $3) \
             ON CONFLICT (token) DO UPDATE SET asked_at = $3 WHERE probe.asked_at IS $2",
        )
        .bind(token)
        .bind(before.map(seconds))
        .bind(seconds(now))
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets why the daemon could not ask about a token: it could. A person's call says nothing
    /// of that, who may read what the daemon may not.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_hindrance(&self, token: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE probe SET hindrance = NULL WHERE token = $1 AND hindrance IS NOT NULL")
            .bind(token)
            .execute(&mut *tx.inner)
            .await?;
        tx.commit().await
    }

    /// Whether something is on record of tokens besides these.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_unasked(&self, asked: &[&str]) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM probe WHERE (answered_at IS NOT NULL OR hindrance IS NOT NULL) \
               AND token NOT IN (SELECT t.no FROM json_each($1) j CROSS JOIN token t ON t.id = j.value))",
        )
        .bind(json(asked))
        .fetch_one(&self.pool)
        .await?;
        Ok(found == 1)
    }

    /// What is on record of the service.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn service(&self) -> Result<Service> {
        let row = sqlx::query(SERVICE).fetch_optional(&self.pool).await?;
        row.as_ref().map_or(Ok(Service::default()), service)
    }
}

impl Tx {
    /// A token as it is at this moment; `None`: it is not watched any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn watched_now(&mut self, token: i64) -> Result<Option<Watched>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(watched_by("t.no = j.value")))
            .bind(json(&[token]))
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(watched).transpose()
    }

    /// What is on record of the service at this moment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn service_now(&mut self) -> Result<Service> {
        let row = sqlx::query(SERVICE)
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map_or(Ok(Service::default()), service)
    }

    /// Writes down an answer about a token as it was at its last change, and what is known since;
    /// answers since when nothing is learnt of it, where that is so.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_answer(
        &mut self,
        token: &Watched,
        known: &Known,
        reading: &Reading,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>> {
        let belief = known.belief;
        let volume = known.volume;
        let verdict = reading.case.verdict();
        let says_something = verdict.proves_life() || verdict.bearing() == Bearing::Dead;
        let in_vain: Option<Option<i64>> = sqlx::query_scalar(
            "UPDATE probe SET answered_at = $2, answer_case = $3, status = $4, codes = $5, said = $6, \
               verdict = $7, verdict_since = $8, verdict_at = $9, suspected = $10, suspected_at = $11, scopes = $12, \
               volume_limit = $13, volume_remaining = $14, volume_resets = $15, of_record = $16, \
               in_vain_since = CASE WHEN NOT $17 THEN coalesce(in_vain_since, $2) END WHERE token = $1 \
             RETURNING in_vain_since",
        )
        .bind(token.no)
        .bind(seconds(now))
        .bind(reading.case.word())
        .bind(reading.status.map(i64::from))
        .bind(json(&reading.codes))
        .bind(&reading.said)
        .bind(belief.map(|b| b.verdict.word()))
        .bind(belief.map(|b| seconds(b.since)))
        .bind(belief.map(|b| seconds(b.at)))
        .bind(known.suspicion.map(|(v, _)| v.word()))
        .bind(known.suspicion.map(|(_, at)| seconds(at)))
        .bind(known.scopes.as_ref().map(json))
        .bind(volume.map(|v| i64::from(v.limit)))
        .bind(volume.map(|v| i64::from(v.remaining)))
        .bind(volume.map(|v| seconds(v.resets)))
        .bind(seconds(token.dates.changed_at))
        .bind(says_something)
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(in_vain.flatten().map(instant))
    }

    /// Forgets what was said of tokens that are not asked about any more, and of the service when
    /// none is: nobody would ever correct it. When they were asked is kept.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_unasked(&mut self, asked: &[&str]) -> Result<()> {
        sqlx::query(
            "UPDATE probe SET verdict = NULL, verdict_since = NULL, verdict_at = NULL, suspected = NULL, \
               suspected_at = NULL, answered_at = NULL, answer_case = NULL, said = '', scopes = NULL, \
               volume_limit = NULL, volume_remaining = NULL, volume_resets = NULL, hindrance = NULL, \
               in_vain_since = NULL \
             WHERE token NOT IN (SELECT t.no FROM json_each($1) j CROSS JOIN token t ON t.id = j.value)",
        )
        .bind(json(asked))
        .execute(&mut *self.inner)
        .await?;
        if asked.is_empty() {
            sqlx::query("UPDATE service SET incident = NULL")
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }

    /// Writes down why a token cannot be asked about, where that is news.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_hindrance(&mut self, token: i64, why: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "INSERT INTO probe (token, hindrance, hindered_at) VALUES ($1, $2, $3) \
             ON CONFLICT (token) DO UPDATE SET hindrance = $2, \
               hindered_at = CASE WHEN probe.hindrance IS NULL THEN $3 ELSE probe.hindered_at END",
        )
        .bind(token)
        .bind(why)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Writes down what is known of the service.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_service(&mut self, service: &Service) -> Result<()> {
        sqlx::query(
            "INSERT INTO service (one, not_before, patience, incident, since, failed_at, witness, seen_at, failures, said) \
             VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (one) DO UPDATE SET not_before = $1, \
               patience = $2, incident = $3, since = $4, failed_at = $5, witness = $6, seen_at = $7, failures = $8, \
               said = $9",
        )
        .bind(service.not_before.map(seconds))
        .bind(service.patience.map(seconds))
        .bind(service.incident.map(|i| i.side.word()))
        .bind(service.incident.map(|i| seconds(i.since)))
        .bind(service.incident.map(|i| seconds(i.seen_at)))
        .bind(service.incident.map(|i| i.witness.word()))
        .bind(service.seen_at.map(seconds))
        .bind(i64::from(service.failures))
        .bind(&service.said)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

fn watched(r: &SqliteRow) -> Result<Watched> {
    Ok(Watched {
        no: r.try_get(21)?,
        id: r.try_get(0)?,
        jti: r.try_get(22)?,
        dates: Dates {
            expires: instant(r.try_get(23)?),
            changed_at: instant(r.try_get(17)?),
        },
        known: known(r)?,
    })
}

fn service(r: &SqliteRow) -> Result<Service> {
    let at = |i: usize| -> Result<Option<DateTime<Utc>>> {
        Ok(r.try_get::<Option<i64>, _>(i)?.map(instant))
    };
    let side: Option<&str> = r.try_get(2)?;
    let incident = side.map(|word| -> Result<Incident> {
        let witness: &str = r.try_get(5)?;
        Ok(Incident {
            side: Side::from_word(word).ok_or_else(|| odd("incident", word))?,
            since: instant(r.try_get(3)?),
            seen_at: instant(r.try_get(4)?),
            witness: Witness::from_word(witness).ok_or_else(|| odd("witness", witness))?,
        })
    });
    Ok(Service {
        not_before: at(0)?,
        patience: at(1)?,
        incident: incident.transpose()?,
        seen_at: at(6)?,
        failures: count(r.try_get(7)?),
        said: r.try_get(8)?,
    })
}

fn probed(r: &SqliteRow) -> Result<Probed> {
    let case: Option<String> = r.try_get(12)?;
    let last = match (r.try_get::<Option<i64>, _>(11)?, case) {
        (Some(at), Some(case)) => Some(LastAnswer {
            at: instant(at),
            case: Case::from_word(&case).ok_or_else(|| odd("case", &case))?,
            status: r
                .try_get::<Option<i64>, _>(13)?
                .and_then(|s| u16::try_from(s).ok()),
            codes: r
                .try_get::<Option<&str>, _>(14)?
                .map(list)
                .unwrap_or_default(),
            said: r.try_get(15)?,
        }),
        _ => None,
    };
    Ok(Probed {
        id: r.try_get(0)?,
        known: known(r)?,
        last,
        hindrance: r.try_get(16)?,
        hindered_at: r.try_get::<Option<i64>, _>(19)?.map(instant),
        in_vain_since: r.try_get::<Option<i64>, _>(20)?.map(instant),
    })
}

fn known(r: &SqliteRow) -> Result<Known> {
    let at = |i: usize| -> Result<Option<DateTime<Utc>>> {
        Ok(r.try_get::<Option<i64>, _>(i)?.map(instant))
    };
    let verdict = |i: usize| -> Result<Option<Verdict>> {
        let word: Option<&str> = r.try_get(i)?;
        word.map(|w| Verdict::from_word(w).ok_or_else(|| odd("verdict", w)))
            .transpose()
    };
    let number =
        |i: usize| -> Result<Option<u32>> { Ok(r.try_get::<Option<i64>, _>(i)?.map(count)) };
    let belief = match (verdict(2)?, at(3)?, at(4)?) {
        (Some(verdict), Some(since), Some(at)) => Some(Belief { verdict, since, at }),
        _ => None,
    };
    let volume = match (number(8)?, number(9)?, at(10)?) {
        (Some(limit), Some(remaining), Some(resets)) => Some(Volume {
            limit,
            remaining,
            resets,
        }),
        _ => None,
    };
    // What was heard before the record changed is not held against what it says now: a death
    // after a renewal is another one, and is told again.
    let stands = r.try_get::<Option<i64>, _>(18)? == r.try_get(17)?;
    Ok(Known {
        asked_at: at(1)?,
        belief: belief.filter(|_| stands),
        suspicion: verdict(5)?.zip(at(6)?).filter(|_| stands),
        scopes: r.try_get::<Option<&str>, _>(7)?.map(list),
        volume,
    })
}

fn odd(what: &str, word: &str) -> StoreError {
    StoreError::Corrupt(format!(
        "an unknown {what} among what the API said: {word:?}"
    ))
}
