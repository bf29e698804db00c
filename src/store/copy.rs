//! A copy of the store in memory: what `simulate` and `preview` change without leaving a trace.

use std::path::Path;

use crate::store::error::{Result, StoreError};
use crate::store::{Reading, Store, known_schema};

/// The tables, referenced ones first. Of the bodies only those that may go out again.
const COPIES: [&str; 23] = [
    "INSERT INTO main.setting SELECT * FROM source.setting",
    "INSERT INTO main.schedule SELECT * FROM source.schedule",
    "INSERT INTO main.token SELECT * FROM source.token",
    "INSERT INTO main.period SELECT * FROM source.period",
    "INSERT INTO main.quiet SELECT * FROM source.quiet",
    "INSERT INTO main.news SELECT * FROM source.news",
    "INSERT INTO main.recipient SELECT * FROM source.recipient",
    "INSERT INTO main.mail SELECT * FROM source.mail",
    "INSERT INTO main.form SELECT * FROM source.form",
    "INSERT INTO main.body SELECT b.* FROM source.mail m CROSS JOIN source.body b ON b.mail = m.no \
       WHERE m.doubts > 0 AND m.settled_at IS NULL",
    "INSERT INTO main.notice SELECT * FROM source.notice",
    "INSERT INTO main.stage_news SELECT * FROM source.stage_news",
    "INSERT INTO main.channel_trouble SELECT * FROM source.channel_trouble",
    "INSERT INTO main.post_stage SELECT * FROM source.post_stage",
    "INSERT INTO main.attempt SELECT * FROM source.attempt",
    "INSERT INTO main.journal SELECT * FROM source.journal",
    "INSERT INTO main.not_for_me SELECT * FROM source.not_for_me",
    "INSERT INTO main.unreachable SELECT * FROM source.unreachable",
    "INSERT INTO main.untold SELECT * FROM source.untold",
    "INSERT INTO main.bounce SELECT * FROM source.bounce",
    "INSERT INTO main.webhook_event SELECT * FROM source.webhook_event",
    "INSERT INTO main.probe SELECT * FROM source.probe",
    "INSERT INTO main.service SELECT * FROM source.service",
];

impl Store {
    /// Copies the store at `path` into memory, as one moment of it; the file is only read.
    ///
    /// # Errors
    /// As [`Store::open_to_read`].
    pub async fn copy_of(path: &Path) -> Result<Self> {
        Self::copied(path, &[], &COPIES).await
    }

    /// As [`Store::copy_of`], of what `copies` take from `source` to `main`, after a statement for
    /// each of the `numbers` has been told it.
    pub(in crate::store) async fn copied(
        path: &Path,
        numbers: &[(&'static str, i64)],
        copies: &[&'static str],
    ) -> Result<Self> {
        // Its schema and soundness are judged by the ordinary way of opening it.
        let (source, reading) = Self::open_reading(path).await?;
        source.close().await;
        let copy = Self::in_memory().await?;
        let mode = match reading {
            Reading::Live => "mode=rw",
            Reading::Frozen => "immutable=1",
        };
        let uri = format!("file:{}?{mode}", percent_encode(path));
        sqlx::query("ATTACH DATABASE $1 AS source")
            .bind(uri)
            .execute(&copy.pool)
            .await?;
        let found: i64 =
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM source._sqlx_migrations")
                .fetch_one(&copy.pool)
                .await?;
        let known = known_schema();
        if found != known {
            return Err(StoreError::Newer { found, known });
        }
        let mut tx = copy.pool.begin().await?;
        for (sql, number) in numbers {
            sqlx::query(*sql).bind(number).execute(&mut *tx).await?;
        }
        for sql in copies {
            sqlx::query(*sql).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        sqlx::query("DETACH DATABASE source")
            .execute(&copy.pool)
            .await?;
        Ok(copy)
    }
}

/// A path as it stands in an SQLite URI (<https://sqlite.org/uri.html>).
pub(in crate::store) fn percent_encode(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => {
                let _ = write!(uri, "%{byte:02X}");
            }
            b if b.is_ascii_graphic() => uri.push(char::from(*b)),
            b => {
                let _ = write!(uri, "%{b:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_table_is_copied() {
        let store = Store::in_memory().await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'table' \
             AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'",
        )
        .fetch_all(&store.pool)
        .await
        .unwrap();
        assert_eq!(tables.len(), COPIES.len());
        for table in tables {
            let into = format!("INSERT INTO main.{table} SELECT");
            assert!(COPIES.iter().any(|c| c.starts_with(&into)), "{table}");
        }
    }
}
