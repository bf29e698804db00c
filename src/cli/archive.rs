//! `archive --missing`: a person confirms that tokens were taken out of the file on purpose.

use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::domain::language::text;
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
    let report = reconcile(&store, app::declaration(&config), Brake::Archive, now).await?;
    store.close().await;
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
    context.out.note(&if args.dry_run {
        text!(
            "{n} tokens would be archived; nothing was changed",
            "jetons qui seraient archivés : {n} ; rien n’a changé"
        )
    } else {
        text!(
            "{n} tokens archived: no further reminder leaves for them",
            "jetons archivés : {n} ; plus aucun rappel ne partira pour eux"
        )
    });
    Ok(Exit::Done)
}
