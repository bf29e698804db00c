//! What the Debian package brings: its config, the manual, completion in shells, and itself.

mod completions;
mod config;
pub(crate) mod deb;
mod manual;

use std::path::PathBuf;

/// A file of the sources.
fn source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
