//! `demo`: a token's whole life in seconds, then the real daemon on samples.

use crate::cli::{Context, Exit, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the life in seconds, without the daemon
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(_args: Args, _context: &mut Context) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
