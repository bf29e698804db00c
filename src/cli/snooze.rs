//! `snooze ID --until DATE`: the early reminders of a token are put off, never its last ones.

use crate::cli::verb::{Dry, Event, date, perform};
use crate::cli::when::Bare;
use crate::cli::{Context, Exit, Failure};
use crate::renewal::verbs::Verb;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    /// The day on which reminders speak again, 15 days before expiry at the latest
    #[arg(
        long,
        value_name = "DATE",
        required_unless_present = "undo",
        conflicts_with = "undo"
    )]
    until: Option<String>,
    /// Put them off no longer
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let verb = match &args.until {
        Some(until) => Verb::Snooze {
            until: date(until, &config.calendar, Bare::StartOfDay)?,
        },
        None => Verb::Wake,
    };
    let event = Event {
        command: "snooze",
        id: &args.id,
        verb,
        dry_run: args.dry.dry_run,
    };
    perform(&config, &event, context).await
}
