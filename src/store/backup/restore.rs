//! Putting a backup in the place of the store.
//!
//! At every moment a whole store stands under the store's name, the old one or the new one: the
//! copy is made, proved and brought up to date under a hidden name, the present store gets a
//! second name, and one rename changes which file has the first. A log is never left beside a
//! file that it does not belong to: SQLite would play it into the new store.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteJournalMode;

use crate::store::backup::copying::{Over, is_the_store};
use crate::store::backup::part::{Part, directory_of, free_name, siblings, sync_directory_of};
use crate::store::backup::{BackupError, Contents, stamp, verify};
use crate::store::calendars::Calendars;
use crate::store::error::{Result as StoreResult, StoreError};
use crate::store::journal::Entry;
use crate::store::lock::{SenderLock, beside};
use crate::store::{MIGRATIONS, Store, known_schema, options, seconds, with_suffix};

/// What a restore did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// The schema of the store now.
    pub schema: i64,
    /// Where the former store is now; `None` when there was none.
    pub set_aside: Option<PathBuf>,
    /// Whether the former store could not be opened; its log was set aside with it.
    pub was_damaged: bool,
}

/// The store that is to be replaced.
enum Present {
    None,
    /// Whole in one file, and nobody else may read or write it.
    Quiet(Store, PoolConnection<Sqlite>),
    /// SQLite cannot read it.
    Damaged,
}

/// What [`restore`] would do; nothing is changed, and no file is made.
///
/// # Errors
/// As [`restore`], as far as can be seen without writing.
pub async fn look(store: &Path, file: &Path, now: DateTime<Utc>) -> Result<Restored, BackupError> {
    refuse_at_once(store, file)?;
    if SenderLock::is_held(store) {
        return Err(StoreError::SecondSender(store.to_owned()).into());
    }
    let contents = verify(file).await?;
    Ok(Restored {
        contents,
        schema: known_schema(),
        set_aside: store.exists().then(|| name_aside(store, now)),
        was_damaged: false,
    })
}

/// Puts a copy of the backup in the place of the store; the former store gets a dated name.
///
/// # Errors
/// When a sender runs, the backup is not sound, or something cannot be written; then the store
/// is as it was.
pub async fn restore(
    store: &Path,
    file: &Path,
    who: &str,
    now: DateTime<Utc>,
) -> Result<Restored, BackupError> {
    look(store, file, now).await?;
    let _lock = SenderLock::take(store)?;
    let disk = |e: io::Error| of_disk(store, &e);

    let mut part = Part::beside(store).map_err(disk)?;
    File::open(file)
        .and_then(|mut from| io::copy(&mut from, part.file()))
        .map_err(disk)?;
    // What was proved may have changed since; what was copied does not.
    let contents = verify(part.path()).await?;
    let aside = store.exists().then(|| name_aside(store, now));
    let calendars = calendars_of(store).await;
    let from = (file, aside.as_deref());
    bring_up_to_date(&part, &contents, from, &calendars, who, now).await?;
    give_to_its_user(part.path(), store)?;
    let _not_ours = owned_like(&beside(store), part.path());

    let present = quiet(store).await?;
    let was_damaged = matches!(present, Present::Damaged);
    let installed = install(part, store, aside.as_deref(), now);
    if let Present::Quiet(old, connection) = present {
        drop(connection);
        old.close().await;
    }
    installed.map_err(disk)?;
    Ok(Restored {
        contents,
        schema: known_schema(),
        set_aside: aside,
        was_damaged,
    })
}

fn refuse_at_once(store: &Path, file: &Path) -> Result<(), BackupError> {
    if !file.exists() {
        return Err(BackupError::Missing(file.to_owned()));
    }
    if is_the_store(store, file) {
        return Err(BackupError::IsTheStore(file.to_owned()));
    }
    if store.is_dir() {
        let why = io::Error::from(ErrorKind::IsADirectory);
        return Err(of_disk(store, &why).into());
    }
    Ok(())
}

fn name_aside(store: &Path, now: DateTime<Utc>) -> PathBuf {
    free_name(&with_suffix(store, &format!(".replaced-{}", stamp(now))))
}

/// The calendars of the store that is to be replaced; none where it cannot be read.
async fn calendars_of(store: &Path) -> Calendars {
    if !store.exists() {
        return Calendars::default();
    }
    let read = async {
        let present = Store::connect_to_file(options(store).pragma("query_only", "ON"), store);
        let present = present.await?;
        let calendars = Calendars::of(&present).await;
        present.close().await;
        calendars
    };
    read.await.unwrap_or_else(|e: StoreError| {
        tracing::warn!(error = %e, "the addresses of the present calendars cannot be read");
        Calendars::default()
    })
}

/// Migrates the copy and notes in its journal where it comes from.
async fn bring_up_to_date(
    part: &Part,
    contents: &Contents,
    (file, aside): (&Path, Option<&Path>),
    calendars: &Calendars,
    who: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    // Without a log, so that it is one file at every moment.
    let options = options(part.path()).journal_mode(SqliteJournalMode::Delete);
    let copy = Store::connect_to_file(options, part.path()).await?;
    let done = async {
        MIGRATIONS.run(&copy.pool).await?;
        let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
        let last_pass = contents
            .last_pass
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let mut tx = copy.begin().await?;
        // After a day the words of a mail in doubt are made anew; back in the queue, it takes up
        // what has fallen due since, and its recipient gets one mail instead of two.
        sqlx::query(
            "UPDATE mail SET state = CASE WHEN deferred_since IS NOT NULL THEN 'deferred' ELSE 'queued' END \
             WHERE state IN ('claimed', 'in_doubt') AND doubts > 0 AND doubt_at < $1",
        )
        .bind(seconds(now - chrono::Duration::days(1)))
        .execute(&mut *tx.inner)
        .await?;
        let entry = Entry {
            what: "store_restored",
            token: None,
            detail: json!({
                "last_pass": last_pass, "schema": contents.schema,
                "file": name(file), "set_aside": aside.and_then(name),
            }),
        };
        tx.journal(who, &[entry], now).await?;
        tx.take_calendars_over(calendars, now).await?;
        tx.commit().await
    };
    let done = done.await;
    copy.close().await;
    done.map_err(|e| e.of_file(part.path()))
}

/// Folds the log of the present store into its file, and keeps everybody else out of it.
async fn quiet(store: &Path) -> StoreResult<Present> {
    if !store.exists() {
        return Ok(Present::None);
    }
    let options = options(store).journal_mode(SqliteJournalMode::Delete);
    let old = match Store::connect_to_file(options, store).await {
        Ok(old) => old,
        Err(StoreError::Corrupt(why) | StoreError::Io(why)) => {
            tracing::warn!(%why, "the present store cannot be opened; it is set aside as it is");
            return Ok(Present::Damaged);
        }
        Err(e) => return Err(e),
    };
    let mut connection = old.pool.acquire().await?;
    let begun = sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut *connection)
        .await;
    match begun.map_err(StoreError::from) {
        Ok(_) => Ok(Present::Quiet(old, connection)),
        Err(StoreError::Corrupt(_) | StoreError::Io(_)) => {
            drop(connection);
            old.close().await;
            Ok(Present::Damaged)
        }
        Err(e) => Err(e.of_file(store)),
    }
}

/// The steps that can be seen from outside. A crash after any of them leaves the old store in
/// its place, or the new one.
fn install(part: Part, store: &Path, aside: Option<&Path>, now: DateTime<Utc>) -> io::Result<()> {
    let aside_or_log = aside.map_or_else(|| name_aside(store, now), Path::to_owned);
    if let Some(aside) = aside {
        forget_other_names(store)?;
        second_name(store, aside)?;
    }
    // After a quiet end there is none. Those of a damaged or vanished store would be played
    // into the new one.
    for suffix in ["-wal", "-journal"] {
        rename_if_there(
            &with_suffix(store, suffix),
            &with_suffix(&aside_or_log, suffix),
        )?;
    }
    remove_if_there(&with_suffix(store, "-shm"))?;
    sync_directory_of(store)?;
    part.publish(Over::AnOlderOne)
}

/// Takes away the second name that an interrupted restore gave to the present store: nobody
/// must open one database under two names.
fn forget_other_names(store: &Path) -> io::Result<()> {
    let present = fs::metadata(store)?;
    if present.nlink() < 2 {
        return Ok(());
    }
    for name in siblings(store, ".replaced-")? {
        let it = fs::metadata(&name)?;
        let same = (it.dev(), it.ino()) == (present.dev(), present.ino());
        // With a log of its own it is all that is left of a damaged store.
        let alone = !["-wal", "-journal"]
            .iter()
            .any(|s| with_suffix(&name, s).exists());
        if same && alone {
            fs::remove_file(&name)?;
        }
    }
    Ok(())
}

/// Gives the store a second name; where there are no links, a copy.
fn second_name(store: &Path, aside: &Path) -> io::Result<()> {
    match fs::hard_link(store, aside) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(e),
        Err(_) => {
            let mut copy = Part::beside(aside)?;
            io::copy(&mut File::open(store)?, copy.file())?;
            let _not_ours = owned_like(copy.path(), store);
            copy.publish(Over::Nothing)
        }
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Makes the new store one that the daemon can write: the user, group and mode of the present
/// one; without one, root gives it to the user of the directory.
fn give_to_its_user(part: &Path, store: &Path) -> Result<(), BackupError> {
    let owner = |error: io::Error| BackupError::Owner {
        file: store.to_owned(),
        error,
    };
    match fs::metadata(store) {
        Ok(present) => {
            owned_like(part, store).map_err(owner)?;
            let mode = fs::Permissions::from_mode(present.mode() & 0o777 | 0o600);
            fs::set_permissions(part, mode).map_err(owner)
        }
        Err(_) => {
            let is_root = fs::metadata(part).is_ok_and(|m| m.uid() == 0);
            if is_root {
                owned_like(part, directory_of(store)).map_err(owner)?;
            }
            Ok(())
        }
    }
}

/// Gives a file to the user and group of another.
pub(super) fn owned_like(file: &Path, model: &Path) -> io::Result<()> {
    let (file_is, wanted) = (fs::metadata(file)?, fs::metadata(model)?);
    if (file_is.uid(), file_is.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    let given = std::os::unix::fs::chown(file, Some(wanted.uid()), Some(wanted.gid()));
    // The user is what counts; a group that one is not in can be nobody's gift.
    if file_is.uid() == wanted.uid() {
        return Ok(());
    }
    given
}

/// A fault of the file system, as one of the store.
pub(super) fn of_disk(path: &Path, e: &io::Error) -> StoreError {
    let said = format!("{}: {e}", path.display());
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(said),
        ErrorKind::ResourceBusy => StoreError::Busy,
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory => StoreError::ReadOnly(said),
        _ => StoreError::Io(said),
    }
}
