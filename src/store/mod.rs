//! The store: every SQL statement of the program, domain types in and out.
//!
//! SQLite in WAL mode with full synchronisation, one connection, writes in `BEGIN IMMEDIATE`
//! transactions. Time is always passed in. Nothing outside this module writes SQL.

pub mod ahead;
pub mod asked;
pub mod backup;
pub mod board;
pub mod bodies;
pub mod bounce;
pub mod calendars;
pub mod claim;
pub mod copy;
pub mod coverage;
pub mod datapass;
pub mod declared;
pub mod doubt;
pub mod error;
pub mod events;
pub mod feed;
pub mod gauge;
pub mod heard;
pub mod imported;
pub mod journal;
pub mod keys;
pub mod lineage;
pub mod lock;
pub mod mailbook;
pub mod not_for_me;
pub mod outbox;
mod own_file;
pub mod periods;
pub mod plan;
pub mod posts;
pub mod privacy;
pub mod probe;
pub mod quiet;
pub mod quota;
pub mod record;
pub mod settle;
pub mod telling;
pub mod told;
pub mod unreachable;
mod unsent;
pub mod untold;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row, SqlStr, Sqlite, Transaction};

pub use crate::store::error::{Result, StoreError};
use crate::store::own_file::FileId;

/// The schema, step by step; a step that has been released is never edited.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |version, description: &'static str, sql: &'static str| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    };
    Migrator::with_migrations(vec![
        step(
            1,
            "initial",
            include_str!("../../migrations/0001_initial.sql"),
        ),
        step(
            2,
            "bodies",
            include_str!("../../migrations/0002_bodies.sql"),
        ),
        step(
            3,
            "events",
            include_str!("../../migrations/0003_events.sql"),
        ),
        step(
            4,
            "wire_speed",
            include_str!("../../migrations/0004_wire_speed.sql"),
        ),
        step(
            5,
            "channels",
            include_str!("../../migrations/0005_channels.sql"),
        ),
        step(6, "lists", include_str!("../../migrations/0006_lists.sql")),
        step(7, "probe", include_str!("../../migrations/0007_probe.sql")),
    ])
});

/// Connections that were left with a transaction of their own and are replaced, for one begin.
const MOST_REPLACED: u32 = 5;

/// SQLite before this version can corrupt a database in WAL mode (the WAL-reset bug).
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Rows that SQLite's thread may read ahead of ours; with sqlx's 50 the two wait in turn.
const ROW_BUFFER: usize = 4096;

/// An open store.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    path: Option<PathBuf>,
    /// What was opened there.
    file: Option<FileId>,
}

/// How an existing store can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// With SQLite's locks and log beside the file.
    Live,
    /// As a file that nobody writes: beside it nothing can be made, and there is no log.
    Frozen,
}

/// A write transaction: taken with `BEGIN IMMEDIATE`, undone when dropped without commit.
pub struct Tx {
    inner: Transaction<'static, Sqlite>,
}

impl Tx {
    /// Makes the changes durable.
    ///
    /// # Errors
    /// When they could not be written; then nothing is changed.
    pub async fn commit(self) -> Result<()> {
        Ok(self.inner.commit().await?)
    }

    /// Takes the changes back.
    ///
    /// # Errors
    /// When the database is out of reach.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.inner.rollback().await?)
    }
}

impl Store {
    /// Opens the store for writing; makes it, and brings its schema up to date, when needed.
    /// Before that, a store with something in it is copied (see [`backup`]).
    ///
    /// # Errors
    /// When the file cannot be made or written, is no sound database, or a later version of the
    /// program wrote it.
    pub async fn open(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent()
            && !parent.as_os_str().is_empty()
        {
            std::fs::create_dir_all(parent)
                .map_err(|e| StoreError::ReadOnly(format!("{}: {e}", parent.display())))?;
        }
        create_private(path);
        require_writable(path)?;
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let store = Self::connect_to_file(options, path).await?;
        match store.migrate(path).await {
            Ok(()) => Ok(store),
            Err(e) => {
                store.close().await;
                Err(e.of_file(path))
            }
        }
    }

    async fn migrate(&self, path: &Path) -> Result<()> {
        self.refuse_a_newer_schema().await?;
        self.keep_before_migration(path).await?;
        Ok(MIGRATIONS.run(&self.pool).await?)
    }

    /// Opens an existing store for writing, without making or migrating it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none; a schema that is not this program's.
    pub async fn open_existing(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        require_writable(path)?;
        Self::connect_to_this_schema(options(path), path).await
    }

    /// Opens an existing store for reading; once it is closed, nothing is left beside the file.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none; a schema that is not this program's.
    pub async fn open_to_read(path: &Path) -> Result<Self> {
        Ok(Self::open_reading(path).await?.0)
    }

    async fn open_reading(path: &Path) -> Result<(Self, Reading)> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        if require_writable(path).is_err() {
            // Side files made by a reader would have the rights of the file, and stop its owner
            // from writing later: none may be made.
            let frozen = !with_suffix(path, "-wal").exists();
            let options = options(path).read_only(true).immutable(frozen);
            let store = Self::connect_to_this_schema(options, path).await?;
            let reading = if frozen {
                Reading::Frozen
            } else {
                Reading::Live
            };
            return Ok((store, reading));
        }
        // SQLite's own read-only mode would leave an empty log beside the file: only a
        // connection that may write takes it away again.
        let live = options(path).pragma("query_only", "ON");
        match Self::connect_to_this_schema(live, path).await {
            Ok(store) => Ok((store, Reading::Live)),
            Err(StoreError::ReadOnly(_) | StoreError::Full(_)) if !has_log(path) => {
                let frozen = options(path).read_only(true).immutable(true);
                let store = Self::connect_to_this_schema(frozen, path).await?;
                Ok((store, Reading::Frozen))
            }
            Err(e) => Err(e),
        }
    }

    async fn connect_to_this_schema(options: SqliteConnectOptions, path: &Path) -> Result<Self> {
        let store = Self::connect_to_file(options, path).await?;
        match store.require_this_schema().await {
            Ok(()) => Ok(store),
            Err(e) => {
                store.close().await;
                Err(e.of_file(path))
            }
        }
    }

    /// An empty store that lives in memory and leaves no trace.
    ///
    /// # Errors
    /// When memory or the schema fails.
    pub async fn in_memory() -> Result<Self> {
        Self::in_memory_with(known_schema()).await
    }

    async fn in_memory_with(schema: i64) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .row_buffer_size(ROW_BUFFER)
            .foreign_keys(false);
        let store = Self::connect(options, None).await?;
        MIGRATIONS.run_to(schema, &store.pool).await?;
        Ok(store)
    }

    /// The file, unless it lives in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Begins a write transaction.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process writes for more than 10 s.
    pub async fn begin(&self) -> Result<Tx> {
        // After a full disk or a failing one SQLite has rolled back by itself
        // (https://sqlite.org/lang_transaction.html §3), and the rollback that comes after it
        // fails: the connection would count that transaction for ever. A new one takes its place;
        // another task may spoil that one again meanwhile.
        let mut replaced = 0;
        let inner = loop {
            match self.pool.begin_with("BEGIN IMMEDIATE").await {
                Err(sqlx::Error::InvalidSavePointStatement | sqlx::Error::BeginFailed)
                    if self.path.is_some() && replaced < MOST_REPLACED =>
                {
                    replaced += 1;
                    let connection = self.pool.acquire().await?.detach();
                    if let Err(e) = connection.close().await {
                        tracing::warn!(error = %e, "a connection to the store did not close well");
                    }
                }
                begun => break begun?,
            }
        };
        Ok(Tx { inner })
    }

    /// Closes the connection; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// SQLite's own check of the file's soundness.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with SQLite's first complaint.
    pub async fn check_soundness(&self) -> Result<()> {
        let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.pool)
            .await?;
        if said == "ok" {
            Ok(())
        } else {
            Err(StoreError::Corrupt(said))
        }
    }

    /// A setting that the program keeps for itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(
            sqlx::query_scalar("SELECT value FROM setting WHERE key = $1")
                .bind(key)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    async fn connect_to_file(options: SqliteConnectOptions, path: &Path) -> Result<Self> {
        if path.is_dir() {
            let why = std::io::Error::from(std::io::ErrorKind::IsADirectory);
            return Err(StoreError::ReadOnly(why.to_string()).of_file(path));
        }
        Self::connect(options, Some(path))
            .await
            .map_err(|e| e.of_file(path))
    }

    /// The steps by which SQLite would answer a statement, one line each: a test reads in them
    /// that the cost follows the work.
    ///
    /// # Errors
    /// When SQLite does not understand the statement.
    pub async fn query_plan(&self, sql: &str) -> Result<Vec<String>> {
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(|r| Ok(r.try_get("detail")?)).collect()
    }

    async fn connect(options: SqliteConnectOptions, path: Option<&Path>) -> Result<Self> {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            // An in-memory store lives as long as its one connection.
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(BUSY_TIMEOUT * 3)
            .connect_with(options)
            .await?;
        let store = Self {
            pool,
            path: path.map(Path::to_owned),
            file: path.and_then(|path| FileId::at(path).ok()),
        };
        let version: String = sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&store.pool)
            .await?;
        if parse_version(&version) < OLDEST_SQLITE {
            return Err(StoreError::TooOld(version));
        }
        Ok(store)
    }

    async fn schema(&self) -> Result<i64> {
        let has: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        )
        .fetch_one(&self.pool)
        .await?;
        if has == 0 {
            return Ok(0);
        }
        Ok(
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&self.pool)
                .await?,
        )
    }

    async fn refuse_a_newer_schema(&self) -> Result<()> {
        let (found, known) = (self.schema().await?, known_schema());
        if found > known {
            Err(StoreError::Newer { found, known })
        } else {
            Ok(())
        }
    }

    async fn require_this_schema(&self) -> Result<()> {
        self.refuse_a_newer_schema().await?;
        let (found, known) = (self.schema().await?, known_schema());
        if found < known {
            Err(StoreError::Older { found, known })
        } else {
            Ok(())
        }
    }
}

impl Tx {
    /// Sets a setting that the program keeps for itself.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        sqlx::query("INSERT INTO setting (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(key)
            .bind(value)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// A setting, as this transaction sees it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn setting(&mut self, key: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT value FROM setting WHERE key = $1")
            .bind(key)
            .fetch_optional(&mut *self.inner)
            .await?;
        Ok(row.map(|r| r.try_get(0)).transpose()?)
    }
}

/// Makes a new database file readable for its owner and group only: it names people. SQLite
/// gives its side files the same mode.
fn create_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    // It may exist already, and whatever is wrong with the place, opening it says so in the
    // store's own words.
    let _ = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path);
}

/// SQLite opens a file that may not be written for reading only, and says so at the first write,
/// without its name. A directory is told by what follows.
fn require_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    // Asked, and not tried: to close a descriptor of the file gives up every lock that this
    // process has on it, those of its open connections too (https://sqlite.org/howtocorrupt.html
    // §2.2).
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).map_err(|e| {
        let e = std::io::Error::from(e);
        StoreError::ReadOnly(e.to_string()).of_file(path)
    })
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROW_BUFFER)
        .pragma("trusted_schema", "OFF")
        // A busy outbox comes back to the same pages, and rewrites them often: they stay in memory
        // (kB), and are folded into the file by the thousand (pages of 4 kB).
        .pragma("cache_size", "-8192")
        .pragma("wal_autocheckpoint", "4000")
        // What is deleted or rewritten is gone from the file too: it names people.
        .pragma("secure_delete", "ON")
}

/// Whether there is a log, with pages that the file does not have yet.
fn has_log(path: &Path) -> bool {
    std::fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// A file beside the store.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn known_schema() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

fn parse_version(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|p| p.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// An instant as the store keeps it.
pub(crate) fn seconds(at: DateTime<Utc>) -> i64 {
    at.timestamp()
}

/// The instants of the store: years 1 to 9999. What a damaged file says beyond them is brought
/// back to them, so that no sum of instants leaves the calendar.
const EARLIEST: i64 = -62_135_596_800;
const LATEST: i64 = 253_402_300_799;

/// An instant read back.
pub(crate) fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds.clamp(EARLIEST, LATEST), 0).unwrap_or_default()
}
