//! The Maildir into which bounces are delivered: what is new in it, and putting away what was
//! read (<https://cr.yp.to/proto/maildir.html>).
//!
//! Only `new` is looked at. A message that was acted upon goes to `cur`, as seen, by one rename;
//! every other one stays where it is, untouched.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{Access, OFlags};
use sha2::{Digest as _, Sha256};

use crate::delivery::bounces::dsn::Dsn;
use crate::domain::reach::Hindrance;

/// Larger messages are left alone: what comes back of a mail of ours is far smaller.
pub const LARGEST: u64 = 2 * 1024 * 1024;

/// Messages read at one look; the others wait for the next one.
const MOST_AT_ONCE: usize = 1000;

/// What is known of a message in `new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is none of ours.
    LeftAlone,
    /// It was acted upon, and is still to be put away.
    Done,
}

/// A notification in `new`.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: OsString,
    /// The SHA-256 of its bytes, in hex.
    pub(super) digest: String,
    pub(super) dsn: Dsn,
}

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Notifications, by their names.
    pub(super) found: Vec<Message>,
    /// What else was read for the first time, and is none.
    pub(super) others: Vec<OsString>,
    /// Every name in `new`.
    pub(super) names: HashSet<OsString>,
    /// The first message that could not be read.
    pub(super) hindrance: Option<Hindrance>,
}

/// Whether this is a Maildir that can be read and written.
///
/// # Errors
/// What is in the way.
pub fn inspect(maildir: &Path) -> Result<(), Hindrance> {
    let missing = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Hindrance::Missing,
        _ => Hindrance::Unreadable(e.to_string()),
    };
    if !std::fs::metadata(maildir).map_err(missing)?.is_dir() {
        return Err(Hindrance::NotAMaildir);
    }
    for part in ["new", "cur"] {
        let path = maildir.join(part);
        match std::fs::metadata(&path) {
            Ok(is) if is.is_dir() => {}
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Hindrance::Unreadable(e.to_string()));
            }
            Ok(_) | Err(_) => return Err(Hindrance::NotAMaildir),
        }
    }
    let io = |e: rustix::io::Errno| std::io::Error::from(e).to_string();
    let may = |part, access| rustix::fs::access(maildir.join(part), access).map_err(io);
    may("new", Access::READ_OK | Access::EXEC_OK).map_err(Hindrance::Unreadable)?;
    for part in ["new", "cur"] {
        may(part, Access::WRITE_OK | Access::EXEC_OK).map_err(Hindrance::Unmovable)?;
    }
    Ok(())
}

/// Looks at what is new and not known yet.
///
/// # Errors
/// What keeps `new` from being read.
pub(super) fn look(maildir: &Path, known: &HashMap<OsString, Known>) -> Result<Look, Hindrance> {
    let mut look = Look::default();
    match inspect(maildir) {
        // What cannot be put away can be read all the same.
        Err(Hindrance::Unmovable(why)) => look.hindrance = Some(Hindrance::Unmovable(why)),
        Err(other) => return Err(other),
        Ok(()) => {}
    }
    let unreadable = |e: std::io::Error| Hindrance::Unreadable(e.to_string());
    let new = maildir.join("new");
    for entry in std::fs::read_dir(&new).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            look.names.insert(name);
        }
    }
    let mut unknown: Vec<&OsString> = look
        .names
        .iter()
        .filter(|name| !known.contains_key(*name))
        .collect();
    // Names begin with the time of delivery.
    unknown.sort();
    for name in unknown.into_iter().take(MOST_AT_ONCE) {
        match read(&new.join(name)) {
            Ok(Some(bytes)) => match Dsn::read(&bytes) {
                Some(dsn) => look.found.push(Message {
                    name: name.clone(),
                    digest: digest(&bytes),
                    dsn,
                }),
                None => look.others.push(name.clone()),
            },
            Ok(None) => look.others.push(name.clone()),
            // Somebody else read it meanwhile.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => {
                look.hindrance
                    .get_or_insert_with(|| Hindrance::Unreadable(e.to_string()));
            }
        }
    }
    Ok(look)
}

/// The bytes of a message; `None` for what is no file, or too large.
fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    // Neither a link is followed, nor does a pipe make us wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(None);
        }
        opened => opened?,
    };
    let is = file.metadata()?;
    if !is.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n <= LARGEST) {
        return Ok(Some(bytes));
    }
    tracing::warn!(
        message = %path.display(),
        bytes = is.len(),
        "too large for a bounce: left alone"
    );
    Ok(None)
}

/// Moves a message from `new` to `cur`, as seen.
pub(super) fn put_away(maildir: &Path, name: &OsStr) -> std::io::Result<()> {
    let mut seen = name.to_owned();
    if !name.as_encoded_bytes().windows(3).any(|w| w == b":2,") {
        seen.push(":2,S");
    }
    let moved = std::fs::rename(
        maildir.join("new").join(name),
        maildir.join("cur").join(seen),
    );
    match moved {
        // Somebody else did meanwhile.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
