//! What quotas count: mails that went out or may have, all of them and by domain.
//!
//! It is in the store, so that a restart forgets nothing of it; the window slides.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::store::error::Result;
use crate::store::outbox::count;
use crate::store::{Store, seconds};

/// Must be answered by the index `mail_used` alone; a test looks at its plan.
pub const USED: &str = "SELECT count(*) FROM mail WHERE counted_at > $1";

/// As [`USED`].
pub const USED_BY_DOMAIN: &str =
    "SELECT domain, count(*) FROM mail WHERE counted_at > $1 GROUP BY domain";

impl Store {
    /// How many mails went out, or may have, since `since`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn used_since(&self, since: DateTime<Utc>) -> Result<u32> {
        let n: i64 = sqlx::query_scalar(USED)
            .bind(seconds(since))
            .fetch_one(&self.pool)
            .await?;
        Ok(count(n))
    }

    /// The same by the recipients' domains, as they travel.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn used_by_domain_since(&self, since: DateTime<Utc>) -> Result<HashMap<String, u32>> {
        let used: Vec<(String, i64)> = sqlx::query_as(USED_BY_DOMAIN)
            .bind(seconds(since))
            .fetch_all(&self.pool)
            .await?;
        Ok(used
            .into_iter()
            .map(|(domain, n)| (domain, count(n)))
            .collect())
    }
}
