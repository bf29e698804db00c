//! What `show` asks besides the record itself: which token took whose place, and where each
//! recipient comes from.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::State;
use crate::store::error::{Result, StoreError};
use crate::store::told::RecipientOrigin;
use crate::store::{Store, instant};

/// Links of a chain that are followed, in each direction.
const LONGEST: i64 = 1000;

/// One token of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: String,
    /// What it is.
    pub state: State,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// The id of the token that took its place.
    pub superseded_by: Option<String>,
}

impl Store {
    /// The chain of a token: those that took its place, itself, and those whose place it took;
    /// the newest first. A token alone is a chain of one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn chain(&self, token: i64) -> Result<Vec<Link>> {
        let rows = sqlx::query(
            "WITH RECURSIVE \
               later (no, far) AS (SELECT $1, 0 UNION ALL \
                 SELECT t.superseded_by, far + 1 FROM later JOIN token t ON t.no = later.no \
                 WHERE t.superseded_by IS NOT NULL AND far < $2), \
               earlier (no, far) AS (SELECT $1, 0 UNION ALL \
                 SELECT t.no, far - 1 FROM earlier JOIN token t ON t.superseded_by = earlier.no \
                 WHERE far > -$2) \
             SELECT t.id, t.state, p.expires, (SELECT s.id FROM token s WHERE s.no = t.superseded_by) \
             FROM (SELECT no, far FROM later UNION SELECT no, far FROM earlier) c \
             JOIN token t ON t.no = c.no JOIN period p ON p.token = t.no AND p.no = t.period \
             ORDER BY c.far DESC, p.expires DESC, t.id",
        )
        .bind(token)
        .bind(LONGEST)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                let state: &str = r.try_get(1)?;
                Ok(Link {
                    id: r.try_get(0)?,
                    state: State::from_word(state)
                        .ok_or_else(|| StoreError::Corrupt(format!("token state {state:?}")))?,
                    expires: instant(r.try_get(2)?),
                    superseded_by: r.try_get(3)?,
                })
            })
            .collect()
    }

    /// Where the recipients of a token come from, by their keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn origins(&self, token: i64) -> Result<HashMap<String, RecipientOrigin>> {
        let rows = sqlx::query(
            "SELECT key, origin FROM recipient WHERE token = $1 AND removed_at IS NULL",
        )
        .bind(token)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                let origin: &str = r.try_get(1)?;
                let origin = RecipientOrigin::from_word(origin)
                    .ok_or_else(|| StoreError::Corrupt(format!("an origin {origin:?}")))?;
                Ok((r.try_get(0)?, origin))
            })
            .collect()
    }
}
