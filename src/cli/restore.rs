//! `restore ID`: what an archive, a revocation or a successor ended goes on.

use crate::cli::verb::{Dry, Event, perform};
use crate::cli::{Context, Exit, Failure};
use crate::config::Config;
use crate::domain::language::text;
use crate::domain::lifecycle::Origin;
use crate::renewal::verbs::Verb;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let event = Event {
        command: "restore",
        id: &args.id,
        verb: Verb::Restore,
        dry_run: args.dry.dry_run,
    };
    let exit = perform(&config, &event, context).await?;
    warn_if_missing(&config, &args.id, context).await?;
    Ok(exit)
}

/// A token of the file that the file no longer declares is archived with the next reading.
async fn warn_if_missing(config: &Config, id: &str, context: &mut Context) -> Result<(), Failure> {
    if config.tokens.iter().any(|t| t.id.as_str() == id) {
        return Ok(());
    }
    let store = Store::open_to_read(&config.store).await?;
    context.keep(&store);
    let token = store.token(id).await?;
    if token.is_some_and(|t| t.origin == Origin::File) {
        context.out.note(&text!(
            "warning: `{id}` is not in the file, and the next reload archives it again; declare it there",
            "attention : `{id}` n’est pas dans le fichier, et la prochaine relecture l’archivera de nouveau ; l’y déclarer"
        ));
    }
    Ok(())
}
