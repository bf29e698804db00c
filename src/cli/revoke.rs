//! `revoke ID [--at DATE]`: the token is revoked; a day to come becomes its end.

use crate::cli::verb::{Dry, Event, date_if, perform};
use crate::cli::when::Bare;
use crate::cli::{Context, Exit, Failure};
use crate::renewal::verbs::Verb;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    /// The last day on which it works [default: it is revoked now]
    #[arg(long, value_name = "DATE")]
    at: Option<String>,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let at = date_if(args.at.as_ref(), &config.calendar, Bare::EndOfDay)?;
    let event = Event {
        command: "revoke",
        id: &args.id,
        verb: Verb::Revoke { at },
        dry_run: args.dry.dry_run,
    };
    perform(&config, &event, context).await
}
