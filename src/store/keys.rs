//! The keys that sign the links in mails, in a file beside the store that only its owner may
//! read: `jetond.db.keys`.
//!
//! Two keys are in force: the first signs, both are believed. Where one is missing it is made,
//! and stands first: so deleting the last line rotates, and deleting the file ends every link.
//! The keys are not part of the store: no backup of it holds them.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::domain::language::{Text, text};
use crate::domain::ticket::{KEY, Keyring};
use crate::store::with_suffix;

/// Keys in force.
const LIVE: usize = 2;

const HEAD: &str = "\
# The keys of the links in jetond's mails, a secret: the first signs, both are believed.
# To change them: delete the last line, then `systemctl reload jetond`; links that were signed
# by it end. To end all links, delete this file. Neither touches a reminder.
";

type Secret = Zeroizing<[u8; KEY]>;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others than its owner may read it.
    #[error("{}: others than its owner may read or write it", .0.display())]
    Exposed(PathBuf),
    /// A line is no key.
    #[error("{}: line {line} is not a key", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl KeysError {
    /// What happened and what to do.
    pub fn told(&self) -> (Text, Text) {
        match self {
            Self::File { path, error } => {
                let path = path.display();
                (
                    text!(
                        "the keys of the links in mails: {path}: {error}",
                        "les clés des liens des courriels : {path} : {error}"
                    ),
                    text!(
                        "give the user of the daemon the right to write this file and its directory",
                        "donner à l’utilisateur du service le droit d’écrire ce fichier et son dossier"
                    ),
                )
            }
            Self::Exposed(path) => {
                let path = path.display();
                (
                    text!(
                        "others than its owner may read or write {path}, the keys of the links in mails",
                        "d’autres que son propriétaire peuvent lire ou écrire {path}, les clés des liens des courriels"
                    ),
                    text!(
                        "if nobody else has read it: chmod 600 {path}; else delete it, and new keys are made",
                        "si personne d’autre ne l’a lu : chmod 600 {path} ; sinon le supprimer, et de nouvelles clés sont créées"
                    ),
                )
            }
            Self::Damaged { path, line } => {
                let path = path.display();
                (
                    text!(
                        "line {line} of {path} is not a key: 64 hexadecimal digits are",
                        "la ligne {line} de {path} n’est pas une clé : 64 chiffres hexadécimaux le sont"
                    ),
                    text!(
                        "delete that line; a new key takes its place",
                        "supprimer cette ligne ; une nouvelle clé prend sa place"
                    ),
                )
            }
        }
    }
}

/// The file of the keys of the store at `path`.
pub fn beside(store: &Path) -> PathBuf {
    with_suffix(store, ".keys")
}

/// The keys of the store at `store`; those that are missing are made. Only the holder of the
/// sender's lock may call this: two at once would make two sets.
///
/// # Errors
/// When the file cannot be read or written, is open to others, or holds something else.
pub fn open(store: &Path) -> Result<Keyring, KeysError> {
    let path = beside(store);
    let mut keys = read(&path)?;
    if keys.len() < LIVE {
        let failed = |error| KeysError::File {
            path: path.clone(),
            error,
        };
        while keys.len() < LIVE {
            keys.insert(0, fresh().map_err(failed)?);
        }
        replace(&path, &keys).map_err(failed)?;
        tracing::info!(path = %path.display(), "keys for the links in mails were made");
    }
    let mut keys = keys.into_iter();
    let first = keys.next().expect("two keys are at least one");
    Ok(Keyring::new(first, keys.collect()))
}

fn read(path: &Path) -> Result<Vec<Secret>, KeysError> {
    let failed = |error| KeysError::File {
        path: path.to_owned(),
        error,
    };
    let text = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
        Ok(file) => {
            if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
                return Err(KeysError::Exposed(path.to_owned()));
            }
            Zeroizing::new(io::read_to_string(file).map_err(failed)?)
        }
    };
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, written)| {
            secret(written).ok_or_else(|| KeysError::Damaged {
                path: path.to_owned(),
                line,
            })
        })
        .collect()
}

fn secret(written: &str) -> Option<Secret> {
    let mut key = Secret::default();
    if written.len() != 2 * KEY || !written.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&written[at..at + 2], 16).ok()?;
    }
    Some(key)
}

fn fresh() -> io::Result<Secret> {
    let mut key = Secret::default();
    getrandom::fill(key.as_mut_slice()).map_err(io::Error::other)?;
    Ok(key)
}

/// Puts the file in place whole, or not at all.
fn replace(path: &Path, keys: &[Secret]) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str(HEAD);
    for key in keys {
        for byte in key.iter() {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    let new = with_suffix(path, ".new");
    // What a crash left behind may have another mode.
    match fs::remove_file(&new) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    let placed = written.and_then(|()| fs::rename(&new, path));
    if placed.is_err() {
        let _ = fs::remove_file(&new);
        return placed;
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ticket::Holder;
    use chrono::DateTime;

    fn ticket(ring: &Keyring) -> String {
        let opened_at = DateTime::UNIX_EPOCH;
        let holder = Holder {
            token: 1,
            id: "t",
            period: 1,
            opened_at,
            recipient: "a@b.example",
        };
        ring.sign(&holder).unwrap()
    }

    #[test]
    fn keys_are_made_once_for_their_owner_and_rotate_by_deleting_a_line() {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("jetond.db");
        let path = beside(&store);
        let first = open(&store).unwrap();
        let old = ticket(&first);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(ticket(&open(&store).unwrap()), old);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);

        let text = fs::read_to_string(&path).unwrap();
        let without_last = text.trim_end().rsplit_once('\n').unwrap().0;
        fs::write(&path, without_last).unwrap();
        let rotated = open(&store).unwrap();
        assert_ne!(ticket(&rotated), old);
        assert!(rotated.read(&old).is_some(), "the former key is believed");
        fs::remove_file(&path).unwrap();
        assert!(open(&store).unwrap().read(&old).is_none());
    }

    #[test]
    fn a_file_that_is_open_to_others_or_holds_something_else_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("jetond.db");
        let path = beside(&store);
        open(&store).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(&store), Err(KeysError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for bad in ["x", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            fs::write(&path, format!("# a\n\n{bad}\n")).unwrap();
            let Err(e @ KeysError::Damaged { line: 3, .. }) = open(&store) else {
                panic!("{bad} was taken");
            };
            assert!(!e.to_string().contains(bad), "{e}");
        }
        assert!(matches!(
            open(&place.path().join("no/where.db")),
            Err(KeysError::File { .. })
        ));
    }
}
