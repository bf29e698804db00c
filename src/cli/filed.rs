//! `filed ID`: the renewal request was filed; `--undo`: it was not; `--refused`: it was refused.

use crate::cli::verb::{Dry, Event, date_if, perform};
use crate::cli::when::Bare;
use crate::cli::{Context, Exit, Failure};
use crate::domain::language::{is_hazardous, looks_like_jwt, text};
use crate::renewal::verbs::{Filing, Verb};

/// The longest name or number that is kept.
const LONGEST: usize = 200;

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
    let message = if looks_like_jwt(written) {
        text!(
            "{option} holds the text of a token, which is a secret",
            "{option} contient le texte d’un jeton, qui est un secret"
        )
    } else if written.is_empty() {
        text!("{option} is empty", "{option} est vide")
    } else if written.chars().count() > LONGEST {
        text!(
            "{option} has more than {LONGEST} characters",
            "{option} a plus de {LONGEST}\u{a0}caractères"
        )
    } else if written.chars().any(is_hazardous) {
        text!(
            "{option} holds a control character",
            "{option} contient un caractère de contrôle"
        )
    } else {
        return Ok(Some(written.to_owned()));
    };
    Err(Failure::usage(message).hint(text!(
        "write a name or a number on one line, or leave it out",
        "écrire un nom ou un numéro sur une ligne, ou s’en passer"
    )))
}
