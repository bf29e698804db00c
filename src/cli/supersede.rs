//! `supersede OLD NEW`: another token takes the place of this one, whatever its dates.

use crate::cli::verb::{Dry, Event, perform};
use crate::cli::{Context, Exit, Failure};
use crate::renewal::verbs::Verb;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The id of the token that is replaced
    old: String,
    /// The id of the token that takes its place
    new: String,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let event = Event {
        command: "supersede",
        id: &args.old,
        verb: Verb::Supersede {
            by: args.new.clone(),
        },
        dry_run: args.dry.dry_run,
    };
    perform(&config, &event, context).await
}
