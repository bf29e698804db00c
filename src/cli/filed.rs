//! `filed ID`: the renewal request was filed; `--undo`: it was not; `--refused`: it was refused.

use crate::cli::verb::{Dry, Event, date_if, perform};
use crate::cli::when::Bare;
use crate::cli::{Context, Exit, Failure};
use crate::domain::language::text;
use crate::renewal::verbs::{self, Filing, Verb};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    /// Who filed it, if that is not you
    #[arg(long, value_name = "NAME", conflicts_with_all = ["undo", "refused"])]
    by: Option<String>,
    /// The day on which it was filed [default: now]
    #[arg(long, value_name = "DATE", conflicts_with_all = ["undo", "refused"])]
    on: Option<String>,
    /// The number of the request, as Data Pass shows it
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["undo", "refused"])]
    reference: Option<String>,
    /// It was not filed after all: reminders resume
    #[arg(long, conflicts_with = "refused")]
    undo: bool,
    /// It was refused: reminders resume
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let verb = match (args.undo, args.refused) {
        (true, _) => Verb::Unfile,
        (false, true) => Verb::RefuseFiled,
        (false, false) => Verb::File(Filing {
            at: date_if(args.on.as_ref(), &config.calendar, Bare::StartOfDay)?,
            by: words("--by", args.by.as_ref())?,
            reference: words("--reference", args.reference.as_ref())?,
        }),
    };
    let event = Event {
        command: "filed",
        id: &args.id,
        verb,
        dry_run: args.dry.dry_run,
    };
    perform(&config, &event, context).await
}

/// A name or a number that mails and terminals can show.
fn words(option: &str, written: Option<&String>) -> Result<Option<String>, Failure> {
    let Some(written) = written.map(|w| w.trim()) else {
        return Ok(None);
    };
    match verbs::words::unfit(&text!("{option}", "{option}"), written) {
        None => Ok(Some(written.to_owned())),
        Some(why) => Err(Failure::usage(why).hint(text!(
            "write a name or a number on one line, or leave it out",
            "écrire un nom ou un numéro sur une ligne, ou s’en passer"
        ))),
    }
}
