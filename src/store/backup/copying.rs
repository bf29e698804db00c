//! Making a backup: one consistent copy, proved before it gets its name.

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;

use crate::store::backup::part::{Part, directory_of, resolved};
use crate::store::backup::verify::{MAGIC, has_log_beside, verify};
use crate::store::backup::{BackupError, Contents};
use crate::store::copy::percent_encode;
use crate::store::error::{Result as StoreResult, StoreError};
use crate::store::{Store, has_log, known_schema, options, with_suffix};

/// What a new file may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Nothing: a name that is taken is refused.
    Nothing,
    /// An older file of the same name.
    AnOlderOne,
}

/// Copies the store into `file`, as one moment of it; whoever writes the store goes on.
///
/// # Errors
/// When the store cannot be read, or the file must not or cannot be written; then there is no
/// new file.
pub async fn make(store: &Path, file: &Path, over: Over) -> Result<Contents, BackupError> {
    if !store.exists() {
        return Err(StoreError::Missing(store.to_owned()).into());
    }
    may_stand_at(store, file, over)?;
    let source = open_source(store).await?;
    let made = make_from(&source, file, over).await;
    source.close().await;
    made
}

async fn make_from(source: &Store, file: &Path, over: Over) -> Result<Contents, BackupError> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::ResourceBusy => BackupError::Busy(file.to_owned()),
        ErrorKind::AlreadyExists => BackupError::Exists(file.to_owned()),
        _ => BackupError::CannotWrite {
            file: file.to_owned(),
            why: error.to_string(),
        },
    };
    let part = Part::beside(file).map_err(cannot)?;
    source.vacuum_into(part.path()).await.map_err(|e| match e {
        // The source was read well a moment ago: this is about the new file.
        StoreError::Full(why) | StoreError::ReadOnly(why) => BackupError::CannotWrite {
            file: file.to_owned(),
            why,
        },
        other => other.into(),
    })?;
    let contents = verify(part.path()).await?;
    part.publish(over).map_err(cannot)?;
    Ok(contents)
}

impl Store {
    /// Writes a copy into an empty file: a read transaction of one connection; the new file
    /// has no log, no free pages, and is synced like the store.
    pub(super) async fn vacuum_into(&self, empty: &Path) -> StoreResult<()> {
        sqlx::query("VACUUM INTO $1")
            .bind(format!("file:{}", percent_encode(empty)))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Opens a store of any schema that this program knows, to be copied as it is.
async fn open_source(path: &Path) -> StoreResult<Store> {
    // `query_only` would forbid the new file too.
    match open_known(options(path), path).await {
        Err(StoreError::ReadOnly(_) | StoreError::Full(_)) if !has_log(path) => {
            let frozen = options(path).read_only(true).immutable(true);
            open_known(frozen, path).await
        }
        result => result,
    }
}

async fn open_known(options: SqliteConnectOptions, path: &Path) -> StoreResult<Store> {
    let source = Store::connect_to_file(options, path).await?;
    let known = known_schema();
    let wrong = match source.schema().await {
        Ok(found) if found > known => StoreError::Newer { found, known },
        Ok(0) => StoreError::Older { found: 0, known },
        Ok(_) => return Ok(source),
        Err(e) => e,
    };
    source.close().await;
    Err(wrong.of_file(path))
}

/// Whether a backup may stand at this place.
fn may_stand_at(store: &Path, file: &Path, over: Over) -> Result<(), BackupError> {
    let cannot = |why: String| BackupError::CannotWrite {
        file: file.to_owned(),
        why,
    };
    if !directory_of(file).is_dir() {
        return Err(BackupError::NoDirectory(directory_of(file).to_owned()));
    }
    if is_the_store(store, file) {
        return Err(BackupError::IsTheStore(file.to_owned()));
    }
    let Ok(there) = std::fs::symlink_metadata(file) else {
        return Ok(());
    };
    if there.is_dir() {
        let why = std::io::Error::from(ErrorKind::IsADirectory);
        return Err(cannot(why.to_string()));
    }
    if over == Over::Nothing {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let mut start = Vec::new();
    if there.is_file() {
        std::fs::File::open(file)
            .and_then(|f| f.take(16).read_to_end(&mut start))
            .map_err(|e| cannot(e.to_string()))?;
    }
    let replaceable = there.is_file() && (start.is_empty() || start == MAGIC);
    if !replaceable || has_log_beside(file) {
        return Err(BackupError::NotABackup(file.to_owned()));
    }
    Ok(())
}

/// Whether a path leads to the store, or to one of the files that belong to it.
pub(super) fn is_the_store(store: &Path, file: &Path) -> bool {
    let same_file = |a: &Path, b: &Path| match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    let same_name = |a: &Path, b: &Path| match (resolved(a), resolved(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    let own: [PathBuf; 5] =
        ["", "-wal", "-shm", "-journal", ".lock"].map(|suffix| with_suffix(store, suffix));
    own.iter()
        .any(|own| same_file(own, file) || same_name(own, file))
}
