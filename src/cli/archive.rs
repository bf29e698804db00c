//! `archive --missing`: a person confirms that tokens were taken out of the file on purpose.

use serde_json::json;

use crate::cli::{Context, Exit, Failure, words};
use crate::domain::language::{Text, text};
use crate::renewal::reconcile::{Brake, reconcile};
use crate::store::Store;
use crate::{app, clock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Archive every token that came from the file and is no longer in it
    #[arg(long, required = true)]
    missing: bool,
    /// Say what would be archived, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = clock::now();
    let store = if args.dry_run {
        Store::copy_of(&config.store).await?
    } else {
        Store::open_existing(&config.store).await?
    };
    context.keep(&store);
    let report = reconcile(&store, app::declaration(&config), Brake::Archive, now).await?;
    if context.out.json {
        let rows = report
            .archived
            .iter()
            .map(|id| json!({"id": id, "dry_run": args.dry_run}))
            .collect();
        context.out.data("archive", rows)?;
        return Ok(Exit::Done);
    }
    for id in &report.archived {
        context.out.line(id)?;
    }
    let n = report.archived.len();
    let Text { en, fr } = words::tokens(n);
    context.out.note(&match (n, args.dry_run) {
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
