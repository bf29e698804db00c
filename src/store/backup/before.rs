//! The backup before a migration: beside the store, proved, never written over.
//!
//! It is named for the new schema and for the last instant on record in it. A start that fails
//! and is tried again makes no second copy of the same bytes; the last three are kept.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::store::backup::copying::Over;
use crate::store::backup::part::{Part, free_name, siblings};
use crate::store::backup::restore::{of_disk, owned_like};
use crate::store::backup::{BackupError, Flaw, stamp, verify};
use crate::store::error::{Result, StoreError};
use crate::store::{Store, instant, known_schema, with_suffix};

/// How many are kept.
const KEPT: usize = 3;

impl Store {
    /// Copies the store at `path` as it is, if its schema is older than this program's and
    /// there is something in it.
    pub(in crate::store) async fn keep_before_migration(&self, path: &Path) -> Result<()> {
        let (found, known) = (self.schema().await?, known_schema());
        if found == 0 || found >= known || self.is_blank().await? {
            return Ok(());
        }
        let infix = format!(".before-{known}.");
        let wanted = with_suffix(path, &format!("{infix}{}", stamp(self.as_of().await?)));
        let disk = |e: io::Error| of_disk(&wanted, &e);
        let part = Part::beside(&wanted).map_err(disk)?;
        self.vacuum_into(part.path())
            .await
            .map_err(|e| e.of_file(&wanted))?;
        match verify(part.path()).await {
            Ok(_) => {}
            // The copy is as true as the store; that is no reason never to start again.
            Err(BackupError::Unsound {
                flaw: Flaw::Dangling(table),
                ..
            }) => {
                tracing::warn!(%table, "rows of the store refer to others that are missing");
            }
            Err(BackupError::Unsound { flaw, .. }) => {
                return Err(StoreError::Corrupt(format!("{}: {flaw:?}", path.display())));
            }
            Err(BackupError::Store(e)) => return Err(e),
            Err(other) => return Err(StoreError::Io(other.to_string())),
        }
        // Whoever runs it, the daemon's user must be able to read it.
        let _not_ours = owned_like(part.path(), path);
        if let Some(same) = same_as(part.path(), path, &infix).map_err(disk)? {
            tracing::info!(file = %same.display(), "the store was copied before by an earlier start");
            return Ok(());
        }
        let kept = publish(part, &wanted).map_err(disk)?;
        tracing::info!(
            file = %kept.display(), from = found, to = known,
            "the store was copied before its schema is brought up to date"
        );
        forget_all_but_the_last(path, &kept);
        Ok(())
    }

    /// Whether nothing has happened in it yet.
    async fn is_blank(&self) -> Result<bool> {
        let something: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM token) OR EXISTS (SELECT 1 FROM mail) OR EXISTS (SELECT 1 FROM journal)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(something == 0)
    }

    /// The last instant on record.
    async fn as_of(&self) -> Result<chrono::DateTime<chrono::Utc>> {
        let at: i64 = sqlx::query_scalar(
            "SELECT max(coalesce((SELECT CAST(value AS INTEGER) FROM setting WHERE key = 'last_pass'), 0), \
               coalesce((SELECT at FROM journal ORDER BY no DESC LIMIT 1), 0))",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(instant(at))
    }
}

/// An earlier copy with the same bytes.
fn same_as(part: &Path, store: &Path, infix: &str) -> io::Result<Option<PathBuf>> {
    for earlier in siblings(store, infix)? {
        if same_bytes(part, &earlier)? {
            return Ok(Some(earlier));
        }
    }
    Ok(None)
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let mut blocks = [vec![0; 1 << 16], vec![0; 1 << 16]];
    loop {
        let n = a.read(&mut blocks[0])?;
        if n == 0 {
            return Ok(true);
        }
        b.read_exact(&mut blocks[1][..n])?;
        if blocks[0][..n] != blocks[1][..n] {
            return Ok(false);
        }
    }
}

fn publish(part: Part, wanted: &Path) -> io::Result<PathBuf> {
    let name = free_name(wanted);
    part.publish_as(&name, Over::Nothing)?;
    Ok(name)
}

/// Takes the oldest away. Only what is named as this file names it is looked at.
fn forget_all_but_the_last(store: &Path, just_made: &Path) {
    let mut earlier: Vec<_> = siblings(store, ".before-")
        .unwrap_or_default()
        .into_iter()
        .filter(|f| f.file_name() != just_made.file_name() && is_ours(f, store))
        .filter_map(|f| Some((fs::metadata(&f).ok()?.modified().ok()?, f)))
        .collect();
    earlier.sort();
    let too_many = (earlier.len() + 1).saturating_sub(KEPT);
    for (_, file) in earlier.into_iter().take(too_many) {
        match fs::remove_file(&file) {
            Ok(()) => tracing::info!(file = %file.display(), "an old copy was removed"),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => tracing::warn!(file = %file.display(), error = %e, "an old copy stays"),
        }
    }
}

/// Whether a name is `<store>.before-<schema>.<instant>`, with or without `-<n>`.
fn is_ours(file: &Path, store: &Path) -> bool {
    let name = |p: &Path| Some(p.file_name()?.to_str()?.to_owned());
    let (Some(file), Some(store)) = (name(file), name(store)) else {
        return false;
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let parts = file
        .strip_prefix(&format!("{store}.before-"))
        .and_then(|rest| rest.split_once('.'));
    let Some((schema, when)) = parts else {
        return false;
    };
    let (when, n) = when.split_once('-').unwrap_or((when, "1"));
    let day_and_time = when.strip_suffix('Z').and_then(|w| w.split_once('T'));
    digits(schema)
        && digits(n)
        && day_and_time.is_some_and(|(day, time)| digits(day) && digits(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        let is = |name: &str| is_ours(&Path::new("/x").join(name), Path::new("/x/jetond.db"));
        assert!(is("jetond.db.before-2.20261122T203440Z"));
        assert!(is("jetond.db.before-12.20261122T203440Z-2"));
        for other in [
            "jetond.db.before-holidays",
            "jetond.db.before-2.old",
            "jetond.db.before-2.20261122T203440Z.gz",
            "jetond.db.before-2.20261122T203440Z-x",
            "jetond.db.before-2.20261122",
            "other.db.before-2.20261122T203440Z",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
