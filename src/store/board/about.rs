//! What a support request says of the store: versions, sizes, how much is in it.

use chrono::{DateTime, Utc};

use crate::store::error::Result;
use crate::store::{Store, instant, with_suffix};

/// The tables that are counted, in reading order.
const TABLES: [(&str, &str); 8] = [
    ("tokens", "SELECT count(*) FROM token"),
    ("periods", "SELECT count(*) FROM period"),
    ("recipients", "SELECT count(*) FROM recipient"),
    ("notices", "SELECT count(*) FROM notice"),
    ("mails", "SELECT count(*) FROM mail"),
    ("attempts", "SELECT count(*) FROM attempt"),
    ("bodies", "SELECT count(*) FROM body"),
    ("journal", "SELECT count(*) FROM journal"),
];

/// The store, from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The version of SQLite.
    pub sqlite: String,
    /// The version of the schema.
    pub schema: i64,
    /// Bytes of the file, as SQLite counts them.
    pub bytes: u64,
    /// Bytes of it that are free.
    pub free: u64,
    /// Bytes of the log beside it.
    pub log: u64,
    /// How many rows there are of what.
    pub rows: Vec<(&'static str, i64)>,
}

impl Store {
    /// Looks at the store. Counts every row: for a person's question.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn about(&self) -> Result<About> {
        let number = async |sql: &'static str| -> Result<i64> {
            Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
        };
        let page = number("PRAGMA page_size").await?;
        let bytes = |pages: i64| u64::try_from(pages.saturating_mul(page)).unwrap_or(0);
        let mut rows = Vec::with_capacity(TABLES.len());
        for (name, sql) in TABLES {
            rows.push((name, number(sql).await?));
        }
        let log = self
            .path()
            .and_then(|path| std::fs::metadata(with_suffix(path, "-wal")).ok())
            .map_or(0, |log| log.len());
        Ok(About {
            sqlite: sqlx::query_scalar("SELECT sqlite_version()")
                .fetch_one(&self.pool)
                .await?,
            schema: self.schema().await?,
            bytes: bytes(number("PRAGMA page_count").await?),
            free: bytes(number("PRAGMA freelist_count").await?),
            log,
            rows,
        })
    }

    /// When a mail was last accepted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_acceptance(&self) -> Result<Option<DateTime<Utc>>> {
        let sql = "SELECT at FROM attempt WHERE outcome = 'sent' ORDER BY no DESC LIMIT 1";
        let at: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&self.pool).await?;
        Ok(at.map(instant))
    }
}
