//! A file in the making: beside the place where it will stand, under a hidden name, locked.
//!
//! It gets its own name only when it is whole and synced; a crash leaves the hidden name, which
//! the next writer of the same file takes away. Readable for its owner and group only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::store::backup::copying::Over;
use crate::store::with_suffix;

/// The file in the making; gone when it is dropped without being published.
pub(super) struct Part {
    path: PathBuf,
    target: PathBuf,
    file: File,
}

impl Part {
    /// Makes an empty one for `target`.
    ///
    /// # Errors
    /// [`ErrorKind::ResourceBusy`] when another process is writing the same file.
    pub(super) fn beside(target: &Path) -> io::Result<Self> {
        let target = resolved(target)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".part");
        let path = target.with_file_name(name);
        loop {
            // Never through a link that somebody put there.
            let new = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o640)
                .open(&path);
            let file = match new {
                Ok(file) => file,
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    remove_leftover(&path)?;
                    continue;
                }
                Err(e) => return Err(e),
            };
            lock(&file)?;
            // Between the two steps it may have been taken for a leftover.
            if is_at(&file, &path) {
                return Ok(Self { path, target, file });
            }
        }
    }

    /// Where it is being written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Syncs it and gives it its name; from then on it stands there, crash or not.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when the name is taken and must not be.
    pub(super) fn publish(self, over: Over) -> io::Result<()> {
        let target = self.target.clone();
        self.publish_as(&target, over)
    }

    /// The same, under another name of the same directory.
    pub(super) fn publish_as(self, target: &Path, over: Over) -> io::Result<()> {
        self.file.sync_all()?;
        match over {
            Over::Nothing => link_or_rename(&self.path, target)?,
            Over::AnOlderOne => fs::rename(&self.path, target)?,
        }
        sync_directory_of(target)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Once renamed it is no longer there, and the name may be another writer's; what cannot
        // be removed goes with the next one.
        if is_at(&self.file, &self.path) {
            let _removed = fs::remove_file(with_suffix(&self.path, "-journal"));
            let _removed = fs::remove_file(&self.path);
        }
    }
}

/// A link refuses a name that is taken, whoever took it since we looked.
fn link_or_rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(e),
        // Not every file system has links.
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

fn remove_leftover(path: &Path) -> io::Result<()> {
    let gone = |e: io::Error| match e.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(e),
    };
    if fs::symlink_metadata(path).is_ok_and(|m| m.is_file()) {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) => return gone(e),
        };
        lock(&file)?;
        if !is_at(&file, path) {
            return Ok(());
        }
    }
    fs::remove_file(with_suffix(path, "-journal")).or_else(gone)?;
    fs::remove_file(path).or_else(gone)
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ErrorKind::ResourceBusy.into()),
        // Best effort: not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// The path with its directory made absolute, links followed; the last name stays.
pub(super) fn resolved(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
    Ok(directory_of(path).canonicalize()?.join(name))
}

/// The directory that a file stands in.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a file's directory durable.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// A name that is not taken: the one given, else with `-2`, `-3` …
pub(super) fn free_name(wanted: &Path) -> PathBuf {
    let taken = |p: &Path| fs::symlink_metadata(p).is_ok();
    let mut name = wanted.to_owned();
    let mut n = 1;
    while taken(&name) || taken(&with_suffix(&name, "-wal")) {
        n += 1;
        name = with_suffix(wanted, &format!("-{n}"));
    }
    name
}

/// The files of a directory whose name begins with that of `path` and `infix`.
pub(super) fn siblings(path: &Path, infix: &str) -> io::Result<Vec<PathBuf>> {
    use std::os::unix::ffi::OsStrExt as _;
    let start = with_suffix(path, infix);
    let start = start.file_name().unwrap_or_default().as_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir(directory_of(path))? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(start) && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
