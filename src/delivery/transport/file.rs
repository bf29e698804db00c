//! Mails as `.eml` files: each whole or not at all, a crash at any point notwithstanding.
//!
//! A mail is written under a hidden name in the same directory, synced, renamed, and the
//! directory synced; only then is it accepted. The name comes from the Message-ID, so a repeat
//! of a mail overwrites itself. Disk work runs off the async runtime.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::delivery::outcome::{Outcome, Outgoing, RelayFault, RelayFaultKind, Reply};

const TEMPORARY_PREFIX: &str = ".jetond-";
const TEMPORARY_SUFFIX: &str = ".part";

/// Longest stem taken from a Message-ID; file systems allow names of 255 bytes.
const STEM_LIMIT: usize = 120;

/// Tells the temporary files of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A directory that mails are written to.
#[derive(Debug, Clone)]
pub struct FileTransport {
    directory: Arc<Path>,
}

impl FileTransport {
    /// Makes the directory if it is missing, and removes what a crash left half written there.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`RelayFaultKind::Local`]: it cannot be made or read.
    pub fn open(directory: &Path) -> Result<Self, RelayFault> {
        let fault = |e: io::Error| local(directory, &e);
        // Mails name people: others on the machine do not read them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(directory)
            .map_err(fault)?;
        for entry in fs::read_dir(directory).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX) {
                remove_leftover(&entry.path()).map_err(fault)?;
            }
        }
        Ok(Self {
            directory: Arc::from(directory),
        })
    }

    /// Writes one mail.
    pub async fn deliver(&self, mail: &Outgoing<'_>) -> Outcome {
        let mut outcomes = self.deliver_batch(std::slice::from_ref(mail)).await;
        outcomes
            .pop()
            .unwrap_or_else(|| interrupted(&self.directory))
    }

    /// Writes several mails with one sync of the directory; one outcome each, in order.
    pub async fn deliver_batch(&self, mails: &[Outgoing<'_>]) -> Vec<Outcome> {
        let letters: Vec<(String, Vec<u8>)> = mails
            .iter()
            .map(|mail| (file_name(mail.message_id), mail.bytes.to_vec()))
            .collect();
        let directory = Arc::clone(&self.directory);
        let written = tokio::task::spawn_blocking(move || write_all(&directory, &letters)).await;
        // The task is never aborted; it is lost only when the runtime is shutting down.
        written.unwrap_or_else(|_| vec![interrupted(&self.directory); mails.len()])
    }
}

fn write_all(directory: &Path, letters: &[(String, Vec<u8>)]) -> Vec<Outcome> {
    let written: Vec<io::Result<()>> = letters
        .iter()
        .map(|(name, bytes)| write_one(directory, name, bytes))
        .collect();
    let synced = File::open(directory).and_then(|d| d.sync_all());
    letters
        .iter()
        .zip(written)
        .map(|((name, _), written)| match (written, &synced) {
            (Ok(()), Ok(())) => Outcome::Accepted(Reply::local(&format!("written as {name}"))),
            (Err(error), _) => Outcome::Relay(local(&directory.join(name), &error)),
            // The file may be gone after a power cut: it will be written again.
            (Ok(()), Err(error)) => Outcome::Relay(local(directory, error)),
        })
        .collect()
}

fn write_one(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let temporary = directory.join(format!(
        "{TEMPORARY_PREFIX}{process}-{number}{TEMPORARY_SUFFIX}"
    ));
    let written = write_synced(&temporary, bytes)
        .and_then(|held| fs::rename(&temporary, directory.join(name)).map(|()| drop(held)));
    if written.is_err() {
        // The first error is the one to tell; what cannot be removed goes at the next open.
        let _removed = fs::remove_file(&temporary);
    }
    written
}

/// Gives the file back open: its lock tells other processes that it is no leftover.
fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)?;
    // Best effort: not every file system has locks.
    let _locked = file.try_lock();
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

fn remove_leftover(path: &Path) -> io::Result<()> {
    let gone = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(e),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
        return Ok(());
    }
    fs::remove_file(path).or_else(gone)
}

/// The file name for a Message-ID: its local part, as far as that is safe as a name. Where
/// something had to be changed, a digest keeps different Message-IDs apart.
pub fn file_name(message_id: &str) -> String {
    let bare = message_id.trim().trim_matches(['<', '>']);
    let local = bare.rsplit_once('@').map_or(bare, |(local, _)| local);
    let mut stem: String = local
        .chars()
        .map(|c| match c {
            '.' | '-' | '_' | '+' | '=' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        })
        .take(STEM_LIMIT)
        .collect();
    if stem.starts_with(['.', '-']) {
        stem.replace_range(..1, "_");
    }
    if stem.is_empty() {
        stem.push('_');
    }
    if stem != local {
        let digest = Sha256::digest(bare.as_bytes());
        let short: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        stem.push('-');
        stem.push_str(&short);
    }
    stem.push_str(".eml");
    stem
}

fn local(place: &Path, error: &io::Error) -> RelayFault {
    let detail = format!("{}: {error}", place.display());
    RelayFault::new(RelayFaultKind::Local, &detail)
}

fn interrupted(directory: &Path) -> Outcome {
    let why = io::Error::other("the program is ending");
    Outcome::Relay(local(directory, &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_for_its_message() {
        assert_eq!(file_name("<a1b2.c3-4@ville.example>"), "a1b2.c3-4.eml");
        assert_eq!(file_name("a1b2@ville.example"), "a1b2.eml");
    }

    #[test]
    fn no_message_id_leads_out_of_the_directory() {
        let long = "x".repeat(500);
        for odd in [
            "<../../etc/passwd@x>",
            "<.jetond-1@x>",
            "<a/b@x>",
            "<a\0b@x>",
            "<@x>",
            "",
            "é",
            long.as_str(),
        ] {
            let name = file_name(odd);
            assert!(
                !name.starts_with(['.', '-']) && !name.contains(['/', '\0']),
                "{odd:?} → {name}"
            );
            assert!(name.len() < 200);
        }
        assert_ne!(file_name("<a/b@x>"), file_name("<a_b@x>"));
        assert_ne!(file_name("<a/b@x>"), file_name("<a?b@x>"));
    }
}
