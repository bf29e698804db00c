//! The journal: who changed what and when, append-only.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Tx, seconds};

/// One entry to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What happened, a word.
    pub what: &'static str,
    /// The token's row, if it is about one.
    pub token: Option<i64>,
    /// Before and after, as a JSON object.
    pub detail: Value,
}

impl Tx {
    /// Writes entries to the journal.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn journal(
        &mut self,
        who: &str,
        entries: &[Entry],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let rows: Vec<(&str, Option<i64>, String)> = entries
            .iter()
            .map(|e| (e.what, e.token, e.detail.to_string()))
            .collect();
        sqlx::query(
            "INSERT INTO journal (at, who, what, token, detail) \
             SELECT $2, $3, value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each($1)",
        )
        .bind(json(&rows))
        .bind(seconds(now))
        .bind(who)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
