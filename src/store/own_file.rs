//! Whether the open store is still the file at its path.
//!
//! A file that is renamed, deleted or replaced while it is open goes on taking commits that
//! nobody finds again: what leaves then leaves twice. So no mail is taken up, and none goes in
//! doubt, unless the path still leads to the file that was opened. What has left before is
//! recorded all the same: the file may be put back.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::store::Store;
use crate::store::error::{Result, StoreError};

/// One file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file at a path.
    pub(super) fn at(path: &Path) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl Store {
    /// That a commit of now will be found at the store's path.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] when another file, or none, is there.
    pub fn require_own_file(&self) -> Result<()> {
        let (Some(path), Some(opened)) = (&self.path, self.file) else {
            return Ok(());
        };
        match FileId::at(path) {
            Ok(there) if there == opened => Ok(()),
            Err(e) if e.kind() != ErrorKind::NotFound => Ok(()),
            Ok(_) | Err(_) => Err(StoreError::Replaced(path.clone())),
        }
    }
}
