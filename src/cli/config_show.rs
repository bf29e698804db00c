//! `config show`: what is in force, and where each value comes from; a line a key, as it would
//! be written.

use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::config::Origin;

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
    let rows: Vec<(String, String)> = loaded
        .effective
        .iter()
        .map(|e| {
            let from = match &e.origin {
                Origin::Default => context.out.lang.pick("default", "par défaut").to_owned(),
                written @ Origin::Written { .. } => written.to_string(),
            };
            let said = match &e.value {
                Some(value) => format!("{} = {value}", e.key),
                None => format!("# {} =", e.key),
            };
            (from, said)
        })
        .collect();
    let facts: Vec<(&str, String)> = rows.iter().map(|(f, s)| (f.as_str(), s.clone())).collect();
    context.out.facts(&facts)?;
    Ok(Exit::Done)
}
