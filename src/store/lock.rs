//! One sender per store: an advisory lock on a file beside the database.
//!
//! The lock is the kernel's (`flock`): it ends with the process, however that ends, and a
//! leftover file means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::error::{Result, StoreError};

/// Held for as long as this process may send from the store.
#[derive(Debug)]
pub struct SenderLock {
    _file: File,
}

impl SenderLock {
    /// Takes the lock of the store at `path`.
    ///
    /// # Errors
    /// [`StoreError::SecondSender`] when another process holds it; [`StoreError::ReadOnly`] when
    /// the lock file cannot be made.
    pub fn take(path: &Path) -> Result<Self> {
        let beside = beside(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|e| StoreError::ReadOnly(format!("{}: {e}", parent.display())))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&beside)
            .map_err(|e| StoreError::ReadOnly(format!("{}: {e}", beside.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::SecondSender(path.to_owned())),
            Err(TryLockError::Error(e)) => {
                Err(StoreError::ReadOnly(format!("{}: {e}", beside.display())))
            }
        }
    }

    /// Whether some process sends from the store at `path` now.
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = OpenOptions::new().write(true).open(beside(path)) else {
            return false;
        };
        matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
