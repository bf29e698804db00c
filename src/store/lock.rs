//! One sender per store: an advisory lock on a file beside the database.
//!
//! The lock is the kernel's (`flock`): it ends with the process, however that ends, and a
//! leftover file means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::error::{Result, StoreError};
use crate::store::with_suffix;

/// Who asks whether the lock is held takes it for an instant; a sender waits that long.
const PATIENCE: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(10);

/// Held for as long as this process may send from the store.
#[derive(Debug)]
pub struct SenderLock {
    file: File,
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
        let mut patience = PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self { file };
                    lock.sign();
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) if !patience.is_zero() => {
                    std::thread::sleep(STEP);
                    patience = patience.saturating_sub(STEP);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::SecondSender(path.to_owned()));
                }
                Err(TryLockError::Error(e)) => {
                    return Err(StoreError::ReadOnly(format!("{}: {e}", beside.display())));
                }
            }
        }
    }

    /// Writes down who holds it, for [`SenderLock::holder`].
    fn sign(&self) {
        // A full disk may refuse: the lock holds all the same, only its holder is not known.
        let _unsigned = self
            .file
            .set_len(0)
            .and_then(|()| writeln!(&self.file, "{}", std::process::id()));
    }

    /// The process that sends from the store at `path` now, if one does and is known. What stands
    /// in a leftover file is not believed.
    pub fn holder(path: &Path) -> Option<u32> {
        let mut file = File::open(beside(path)).ok()?;
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let mut written = String::new();
        file.read_to_string(&mut written).ok()?;
        written.trim().parse().ok()
    }

    /// Whether some process sends from the store at `path` now. Asking needs no right to write.
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(beside(path)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// The lock file of a store.
pub(in crate::store) fn beside(path: &Path) -> PathBuf {
    with_suffix(path, ".lock")
}
