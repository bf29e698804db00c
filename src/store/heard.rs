//! What the notes, the report and the lists need of what is on record of the API's answers.
//!
//! A death is known by the instant of its first answer: the notes about it have it in their
//! cause, so that the same death is told once, and its end to those who were told of it.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::verdict::Verdict;
use crate::store::error::Result;
use crate::store::{Tx, instant};

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

    /// The notes of a kind whose cause is the last one of those that begin with `prefix`, in the
    /// order of their texts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn noted_last(&mut self, kind: &str, prefix: &str) -> Result<Vec<Noted>> {
        let rows = sqlx::query(
            "SELECT cause, address, note FROM mail WHERE kind <> 'reminder' AND kind = $1 AND cause = ( \
               SELECT max(cause) FROM mail WHERE kind <> 'reminder' AND kind = $1 AND cause >= $2 \
                 AND cause < $2 || char(1114111)) ORDER BY recipient",
        )
        .bind(kind)
        .bind(prefix)
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Noted {
                    cause: r.try_get(0)?,
                    address: r.try_get(1)?,
                    words: r.try_get(2)?,
                })
            })
            .collect()
    }
}
