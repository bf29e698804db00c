//! A file that is written whole beside another one, and takes its place in one step, with its
//! mode and its owner. Until then nothing of the other one changes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, fchown};

use crate::config::load::read;

/// A file beside another one that is to take its place; gone if it does not.
#[derive(Debug)]
pub(super) struct Beside(Option<PathBuf>);

/// Why a file could not be written.
pub(super) enum WriteError {
    /// The owner of the other one cannot be kept.
    Owner,
    /// The file system.
    Io(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl Beside {
    /// Writes these bytes, whole and on the disk, with the mode and the owner of `path`.
    pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<Self, WriteError> {
        let like = fs::metadata(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Hidden, and not *.toml: no reading of conf.d takes it for a file of its own.
        let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        let this = Self(Some(beside.clone()));
        file.write_all(bytes)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
            let (uid, gid) = (Uid::from_raw(like.uid()), Gid::from_raw(like.gid()));
            fchown(&file, Some(uid), Some(gid)).map_err(|_| WriteError::Owner)?;
        }
        file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        file.sync_all()?;
        if read(&beside)? != bytes {
            return Err(io::Error::other("what was written does not read back").into());
        }
        Ok(this)
    }

    /// Takes the place of `path`.
    pub(super) fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if let Some(beside) = &self.0 {
            fs::rename(beside, path)?;
        }
        self.0 = None;
        let directory = path.parent().unwrap_or(Path::new("/"));
        // The new name holds without it as long as the machine does.
        let _unsynced = File::open(directory).and_then(|d| d.sync_all());
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(beside) = &self.0 {
            // It holds nothing that the file does not.
            let _left = fs::remove_file(beside);
        }
    }
}
