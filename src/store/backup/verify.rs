//! Whether a file is a sound backup: read only, nothing made beside it.
//!
//! SQLite's whole check, the references between rows, and the tables that the schema of that
//! number has. What is uncovered in it is not asked here.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use sqlx::Row as _;

use crate::store::backup::{BackupError, Contents, Flaw};
use crate::store::error::StoreError;
use crate::store::{MIGRATIONS, Store, instant, known_schema, options, with_suffix};

/// How every SQLite file begins (<https://sqlite.org/fileformat.html>).
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The tables with their columns.
const TABLES: &str = "SELECT name, (SELECT group_concat(c.name) FROM pragma_table_info(t.name) c) AS columns \
     FROM sqlite_schema t WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
       AND name <> '_sqlx_migrations' ORDER BY name";

/// Proves a backup, and says what it holds.
///
/// # Errors
/// [`BackupError::Missing`] when there is no such file, [`BackupError::Unsound`] with the flaw,
/// [`BackupError::Newer`] when a later version wrote it.
pub async fn verify(file: &Path) -> Result<Contents, BackupError> {
    let bytes = look_at(file)?;
    let frozen = options(file)
        .read_only(true)
        .immutable(true)
        .foreign_keys(false);
    let store = Store::connect(frozen, None)
        .await
        .map_err(|e| damaged(file, e))?;
    let proved = prove(&store, file).await;
    let contents = match proved {
        Ok(schema) => counted(&store, schema, bytes)
            .await
            .map_err(|e| damaged(file, e)),
        Err(e) => Err(e),
    };
    store.close().await;
    contents
}

/// What can be seen without SQLite; answers the size.
fn look_at(file: &Path) -> Result<u64, BackupError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => BackupError::Missing(file.to_owned()),
        _ => BackupError::Unreadable {
            file: file.to_owned(),
            error,
        },
    };
    let unsound = |flaw| BackupError::Unsound {
        file: file.to_owned(),
        flaw,
    };
    let meta = std::fs::metadata(file).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unsound(Flaw::NoFile));
    }
    let mut start = Vec::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(16).read_to_end(&mut start))
        .map_err(unreadable)?;
    if start.is_empty() {
        return Err(unsound(Flaw::Empty));
    }
    if start != MAGIC {
        return Err(unsound(Flaw::NoDatabase));
    }
    // What is in a log is not in the file: SQLite would have to write to join them.
    if has_log_beside(file) {
        return Err(unsound(Flaw::Log));
    }
    Ok(meta.len())
}

/// Whether a log lies beside a database: it is in use, or the process that used it died.
pub(super) fn has_log_beside(file: &Path) -> bool {
    ["-wal", "-journal"]
        .iter()
        .any(|s| std::fs::metadata(with_suffix(file, s)).is_ok_and(|m| m.len() > 0))
}

async fn prove(store: &Store, file: &Path) -> Result<i64, BackupError> {
    let unsound = |flaw| BackupError::Unsound {
        file: file.to_owned(),
        flaw,
    };
    let failed = |e: sqlx::Error| damaged(file, e.into());
    let found = store.schema().await.map_err(|e| damaged(file, e))?;
    let known = known_schema();
    if found > known {
        return Err(BackupError::Newer {
            file: file.to_owned(),
            found,
            known,
        });
    }
    let said: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&store.pool)
        .await
        .map_err(failed)?;
    if said != "ok" {
        return Err(unsound(Flaw::Damaged(said)));
    }
    if found == 0 {
        return Err(unsound(Flaw::NoStore));
    }
    has_our_steps(store, found)
        .await
        .map_err(failed)?
        .map_err(unsound)?;
    let wanted = tables_of(found).await?;
    if tables(store).await.map_err(failed)? != wanted {
        return Err(unsound(Flaw::NoStore));
    }
    let dangling = sqlx::query("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
        .fetch_optional(&store.pool)
        .await
        .map_err(failed)?;
    if let Some(row) = dangling {
        return Err(unsound(Flaw::Dangling(row.try_get(0).map_err(failed)?)));
    }
    Ok(found)
}

/// Whether every step of the schema was made, by the text that this program has.
async fn has_our_steps(store: &Store, found: i64) -> sqlx::Result<Result<(), Flaw>> {
    let made =
        sqlx::query("SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&store.pool)
            .await?;
    let mut steps = MIGRATIONS.iter().filter(|m| m.version <= found);
    for row in &made {
        let (version, checksum, success): (i64, Vec<u8>, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let ours = steps
            .next()
            .is_some_and(|m| m.version == version && *m.checksum == *checksum);
        if !ours || !success {
            return Ok(Err(Flaw::OtherStep(version)));
        }
    }
    Ok(match steps.next() {
        None => Ok(()),
        Some(missing) => Err(Flaw::OtherStep(missing.version)),
    })
}

async fn tables(store: &Store) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as(TABLES).fetch_all(&store.pool).await
}

/// The tables that a schema of this number has.
async fn tables_of(schema: i64) -> Result<Vec<(String, String)>, StoreError> {
    let store = Store::in_memory_with(schema).await?;
    let tables = tables(&store).await?;
    store.close().await;
    Ok(tables)
}

async fn counted(store: &Store, schema: i64, bytes: u64) -> Result<Contents, StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM token), (SELECT count(*) FROM mail), \
           (SELECT CAST(value AS INTEGER) FROM setting WHERE key = 'last_pass')",
    )
    .fetch_one(&store.pool)
    .await?;
    Ok(Contents {
        bytes,
        schema,
        tokens: row.try_get(0)?,
        mails: row.try_get(1)?,
        last_pass: row.try_get::<Option<i64>, _>(2)?.map(instant),
    })
}

/// What SQLite says while it reads a file is about that file.
fn damaged(file: &Path, e: StoreError) -> BackupError {
    match e {
        StoreError::Corrupt(why) => BackupError::Unsound {
            file: file.to_owned(),
            flaw: Flaw::Damaged(why),
        },
        other => BackupError::Store(other.of_file(file)),
    }
}
