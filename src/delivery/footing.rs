//! On what footing we stand with the relay: who it is, and as whom we come.
//!
//! As long as it stays the same, what was learnt of the relay stays true over a reload: a relay
//! that is out of reach or an account that is locked is not asked more often because somebody
//! edits a file. A password that was changed, in its file too, is another footing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::{SecretSource, Tls, Transport};

/// What a fault of the relay may have depended on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Footing {
    /// A directory.
    File(PathBuf),
    /// A command.
    Sendmail(PathBuf),
    /// A relay.
    Smtp(Box<Relay>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relay {
    place: (String, u16, Tls),
    helo: Option<String>,
    authorities: Option<(PathBuf, Stamp)>,
    account: Option<(String, SecretSource, Stamp)>,
}

/// Tells one content of a file from another without reading it: inode, size, and the time of
/// change; `None` when it cannot be looked at.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Footing {
    /// The footing of a transport, with its files as they are now.
    pub(super) fn of(transport: &Transport) -> Self {
        match transport {
            Transport::File { directory } => Self::File(directory.clone()),
            Transport::Sendmail { command } => Self::Sendmail(command.clone()),
            Transport::Smtp(smtp) => Self::Smtp(Box::new(Relay {
                place: (smtp.host.clone(), smtp.port, smtp.tls),
                helo: smtp.helo.clone(),
                authorities: smtp.ca_file.as_ref().map(|f| (f.clone(), stamp(f))),
                account: smtp.auth.as_ref().map(|auth| {
                    let stamp = match &auth.password {
                        SecretSource::File(path) => stamp(path),
                        // Neither changes while a process lives.
                        SecretSource::Credential(_) | SecretSource::Env(_) => None,
                    };
                    (auth.username.clone(), auth.password.clone(), stamp)
                }),
            })),
        }
    }
}

fn stamp(file: &Path) -> Stamp {
    let m = std::fs::metadata(file).ok()?;
    Some((m.ino(), m.size(), m.mtime(), m.mtime_nsec()))
}
