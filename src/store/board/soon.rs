//! A copy of what the next days can touch: enough for [`crate::simulate`] to announce the mails
//! that leave until an instant, however many tokens are stored beside it.
//!
//! Until then a pass looks at the tokens whose time comes, at those that something silences or
//! revokes, and at those that wait for a mail; mails matter when they are open, when they count
//! for the one a day, and when they are notes, which are never queued twice. That both copies
//! announce the same is held by a test; only the figures of the weekly report are not found out
//! from this one.

use std::path::Path;

use chrono::{DateTime, Duration, Utc};

use crate::store::error::Result;
use crate::store::{Store, seconds};

/// A day on which a reminder counts has begun less than this long ago.
const COUNTS: Duration = Duration::days(2);

/// The bounds: until when, and since when an acceptance counts.
const BOUNDS: [&str; 2] = [
    "CREATE TEMP TABLE until AS SELECT $1 AS at",
    "CREATE TEMP TABLE counts AS SELECT $1 AS at",
];

/// The tokens and mails that matter, then the tables, referenced ones first.
const COPIES: [&str; 23] = [
    "CREATE TEMP TABLE soon (no INTEGER PRIMARY KEY)",
    "INSERT OR IGNORE INTO temp.soon \
       SELECT no FROM source.token WHERE next_due_at <= (SELECT at FROM temp.until) \
       UNION SELECT token FROM source.quiet \
       UNION SELECT token FROM source.period WHERE revoked_from IS NOT NULL \
       UNION SELECT token FROM source.notice WHERE state = 'owed' \
       UNION SELECT token FROM source.stage_news \
       UNION SELECT token FROM source.news WHERE token IS NOT NULL \
       UNION SELECT t.superseded_by FROM source.news n JOIN source.token t ON t.no = n.token \
         WHERE t.superseded_by IS NOT NULL",
    "CREATE TEMP TABLE soon_mail (no INTEGER PRIMARY KEY)",
    "INSERT OR IGNORE INTO temp.soon_mail \
       SELECT no FROM source.mail WHERE next_at IS NOT NULL \
       UNION SELECT no FROM source.mail WHERE kind = 'reminder' AND settled_at IS NULL \
       UNION SELECT no FROM source.mail WHERE kind <> 'reminder' AND kind NOT IN ('post', 'post_alarm') \
       UNION SELECT no FROM source.mail WHERE counted_at >= (SELECT at FROM temp.counts) \
       UNION SELECT mail FROM source.notice WHERE state = 'owed' AND mail IS NOT NULL \
       UNION SELECT mail FROM source.unreachable UNION SELECT mail FROM source.untold",
    "INSERT INTO main.setting SELECT * FROM source.setting",
    "INSERT INTO main.schedule SELECT * FROM source.schedule",
    "INSERT INTO main.token SELECT t.* FROM temp.soon s CROSS JOIN source.token t ON t.no = s.no",
    "INSERT INTO main.period SELECT p.* FROM temp.soon s CROSS JOIN source.period p ON p.token = s.no",
    "INSERT INTO main.probe SELECT b.* FROM temp.soon s CROSS JOIN source.probe b ON b.token = s.no",
    "INSERT INTO main.quiet SELECT * FROM source.quiet",
    "INSERT INTO main.news SELECT * FROM source.news",
    "INSERT INTO main.recipient SELECT r.* FROM temp.soon s CROSS JOIN source.recipient r ON r.token = s.no",
    "INSERT INTO main.mail SELECT m.* FROM temp.soon_mail s CROSS JOIN source.mail m ON m.no = s.no",
    "INSERT INTO main.form SELECT f.* FROM source.form f WHERE f.no IN (SELECT b.form FROM temp.soon_mail s \
       CROSS JOIN source.mail m ON m.no = s.no AND m.doubts > 0 AND m.settled_at IS NULL \
       JOIN source.body b ON b.mail = m.no)",
    "INSERT INTO main.body SELECT b.* FROM temp.soon_mail s \
       CROSS JOIN source.mail m ON m.no = s.no AND m.doubts > 0 AND m.settled_at IS NULL \
       JOIN source.body b ON b.mail = m.no",
    "INSERT INTO main.notice SELECT n.* FROM temp.soon s CROSS JOIN source.notice n ON n.token = s.no",
    "INSERT INTO main.stage_news SELECT * FROM source.stage_news",
    "INSERT INTO main.post_stage SELECT p.* FROM source.post_stage p WHERE p.token IN (SELECT no FROM temp.soon)",
    "INSERT INTO main.not_for_me SELECT n.* FROM temp.soon s CROSS JOIN source.not_for_me n ON n.token = s.no",
    "INSERT INTO main.unreachable SELECT * FROM source.unreachable",
    "INSERT INTO main.untold SELECT * FROM source.untold",
    "DROP TABLE temp.soon",
    "DROP TABLE temp.soon_mail",
];

impl Store {
    /// Copies what a simulation from `now` until `until` needs of the store at `path` into
    /// memory, as one moment of it; the file is only read.
    ///
    /// # Errors
    /// As [`Store::open_to_read`].
    pub async fn copy_until(path: &Path, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<Self> {
        let numbers = [
            (BOUNDS[0], seconds(until)),
            (BOUNDS[1], seconds(now - COUNTS)),
        ];
        Self::copied(path, &numbers, &COPIES).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables that no pass of the simulation reads.
    const LEFT_OUT: [&str; 6] = [
        "attempt",
        "journal",
        "bounce",
        "webhook_event",
        "channel_trouble",
        "service",
    ];

    #[tokio::test]
    async fn of_every_table_it_is_known_whether_it_matters() {
        let store = Store::in_memory().await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'table' \
             AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'",
        )
        .fetch_all(&store.pool)
        .await
        .unwrap();
        for table in tables {
            let into = format!("INSERT INTO main.{table} SELECT");
            let copied = COPIES.iter().filter(|c| c.starts_with(&into)).count();
            let left_out = LEFT_OUT.contains(&table.as_str());
            assert_eq!(copied, usize::from(!left_out), "{table}");
        }
    }

    #[tokio::test]
    async fn a_copy_of_an_empty_store_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("jetond.db");
        Store::open(&path).await.unwrap().close().await;
        let now = DateTime::UNIX_EPOCH;
        let copy = Store::copy_until(&path, now, now + Duration::days(14))
            .await
            .unwrap();
        assert!(copy.tokens().await.unwrap().is_empty());
    }
}
