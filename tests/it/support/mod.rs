//! What tests stand on: the program itself, and servers that do what they are told.

pub(crate) mod api_server;
pub(crate) mod awaited;
pub(crate) mod browser;
pub(crate) mod channel_server;
pub(crate) mod daemon;
pub(crate) mod debian;
pub(crate) mod exim;
pub(crate) mod http_client;
pub(crate) mod http_server;
pub(crate) mod name_server;
pub(crate) mod postfix;
pub(crate) mod program;
pub(crate) mod serving;
pub(crate) mod smtp_server;
pub(crate) mod systemd;
pub(crate) mod town;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A file that only its owner may read.
pub(crate) fn private_file(at: &Path, text: &str) {
    std::fs::write(at, text).unwrap();
    std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A pipe with a name, at which whoever opens it waits for the other side.
pub(crate) fn pipe(at: &Path) {
    mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
