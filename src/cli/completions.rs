//! `completions SHELL`: the script that makes a shell ask this program what can follow.

use crate::cli::{Context, Exit, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell that is to complete
    shell: Shell,
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let script: &str = match args.shell {
        Shell::Bash => include_str!("../../packaging/completions/jetond.bash"),
        Shell::Zsh => include_str!("../../packaging/completions/_jetond"),
        Shell::Fish => include_str!("../../packaging/completions/jetond.fish"),
    };
    context.out.bytes(script.as_bytes())?;
    Ok(Exit::Done)
}
