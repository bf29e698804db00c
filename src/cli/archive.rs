//! `archive ID`: a token is put away until `restore`. `archive --missing`: a person confirms that
//! tokens were taken out of the file on purpose.

use serde_json::json;

use crate::cli::outbox::writable;
use crate::cli::verb::{Dry, Event, perform};
use crate::cli::{Context, Exit, Failure};
use crate::config::Config;
use crate::domain::language::{Text, text};
use crate::renewal::reconcile::{Brake, reconcile};
use crate::renewal::verbs::Verb;
use crate::words::count;
use crate::{app, clock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    #[arg(required_unless_present = "missing", conflicts_with = "missing")]
    id: Option<String>,
    /// Archive every token that came from the file and is no longer in it
    #[arg(long)]
    missing: bool,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let dry_run = args.dry.dry_run;
    let Some(id) = &args.id else {
        return missing(&config, dry_run, context).await;
    };
    let event = Event {
        command: "archive",
        id,
        verb: Verb::Archive,
        dry_run,
    };
    perform(&config, &event, context).await
}

async fn missing(config: &Config, dry_run: bool, context: &mut Context) -> Result<Exit, Failure> {
    let now = clock::now();
    let store = writable(config, dry_run, context).await?;
    let report = reconcile(&store, app::declaration(config), Brake::Archive, now).await?;
    if context.out.json {
        let rows = report
            .archived
            .iter()
            .map(|id| json!({"id": id, "dry_run": dry_run}))
            .collect();
        context.out.data("archive", rows)?;
        return Ok(Exit::Done);
    }
    for id in &report.archived {
        context.out.line(id)?;
    }
    let n = report.archived.len();
    let Text { en, fr } = count::tokens(n);
    context.out.note(&match (n, dry_run) {
        (0, _) => text!(
            "every token on record is in the file: nothing to archive",
            "chaque jeton enregistré est dans le fichier : rien à archiver"
        ),
        (_, true) => text!(
            "{en} would be archived; nothing was changed",
            "{fr} à archiver ; essai à blanc, rien n’a changé"
        ),
        (_, false) => text!(
            "{en} archived: no further reminder leaves",
            "{fr} à l’archive : plus aucun rappel ne partira"
        ),
    });
    Ok(Exit::Done)
}
