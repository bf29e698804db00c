//! Backups: a consistent copy of the store while mails leave, its proof, and the way back.
//!
//! A copy is one file without a log beside it, made by SQLite's `VACUUM INTO`: a read
//! transaction, so the sender's commits go on meanwhile. Whatever is written here is whole and
//! synced under its name or not there at all; a store is never deleted, only set aside.

mod before;
mod copying;
mod error;
mod part;
mod restore;
mod verify;

use chrono::{DateTime, Utc};

pub use self::copying::{Over, make};
pub use self::error::{BackupError, Flaw};
pub use self::restore::{Restored, look, restore};
pub use self::verify::verify;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The schema that it was made with.
    pub schema: i64,
    /// Its tokens, archived ones included.
    pub tokens: i64,
    /// Its mails, settled ones included.
    pub mails: i64,
    /// The last pass that ended well before it was made.
    pub last_pass: Option<DateTime<Utc>>,
}

/// An instant in the name of a file.
fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}
