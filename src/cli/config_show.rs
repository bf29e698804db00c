//! `config show`: what is in force, and where each value comes from.

use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::domain::language::text;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Print the effective values with where each comes from, secrets masked
    Show,
}

pub(super) fn run(context: &mut Context) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    context.out.diagnostics(&loaded.warnings, &loaded.sources);
    if context.out.json {
        let rows = loaded
            .effective
            .iter()
            .map(|e| json!({"key": e.key, "value": e.value, "from": e.origin.to_string()}))
            .collect();
        context.out.data("config", rows)?;
        return Ok(Exit::Done);
    }
    let unset = text!("(not set)", "(non défini)");
    let default = text!("default", "par défaut");
    let rows = loaded
        .effective
        .iter()
        .map(|e| {
            let value = e
                .value
                .clone()
                .unwrap_or_else(|| context.out.pick(&unset).to_owned());
            let from = match &e.origin {
                crate::config::Origin::Default => context.out.pick(&default).to_owned(),
                written @ crate::config::Origin::Written { .. } => written.to_string(),
            };
            vec![e.key.clone(), value, from]
        })
        .collect();
    let head = context
        .out
        .lang
        .pick(["KEY", "VALUE", "FROM"], ["CLÉ", "VALEUR", "ORIGINE"]);
    context.out.table(&head, rows, &[])?;
    Ok(Exit::Done)
}
