//! `history [ID]`: what happened, the oldest first.

use serde_json::json;

use crate::cli::list::view;
use crate::cli::{Context, Exit, Failure, lookup, when};
use crate::clock;
use crate::words::event::{said, who};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id; without it, everything
    id: Option<String>,
    /// The latest N entries
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let view = view(&config, context, clock::now()).await?;
    let token = match &args.id {
        None => None,
        Some(id) => Some(lookup::token(&view.store, id).await?.no),
    };
    let events = view.store.history(token, args.limit).await?;
    if context.out.json {
        let rows = events
            .iter()
            .map(|e| {
                json!({
                    "at": when::rfc3339(e.at, &config.calendar), "who": e.who, "what": e.what,
                    "token": e.token, "detail": e.detail,
                })
            })
            .collect();
        context.out.data("history", rows)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|e| {
            vec![
                when::minute(e.at, &config.calendar),
                context.out.pick(&who(&e.who)).to_owned(),
                e.token.clone().unwrap_or_default(),
                context.out.pick(&said(e, &config.calendar)).to_owned(),
            ]
        })
        .collect();
    let head = context.out.lang.pick(
        ["WHEN", "WHO", "TOKEN", "WHAT"],
        ["QUAND", "QUI", "JETON", "QUOI"],
    );
    context.out.table(&head, &rows, 3)?;
    Ok(Exit::Done)
}
