//! A glance at a config: what can be read of it without judging it.
//!
//! For help that must be quick and must not fail because of a mistake elsewhere in the file:
//! nothing is reported, and what cannot be read is left out.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::config::diagnostic::Report;
use crate::config::load::{drop_ins, read};
use crate::config::values::sqlite;

/// What was seen.
#[derive(Debug)]
pub struct Glance {
    /// The SQLite file, absolute.
    pub store: PathBuf,
    /// The ids and names of the tokens, in order of declaration.
    pub tokens: Vec<(String, String)>,
}

/// Looks at `file` and the `conf.d/*.toml` beside it; `None` when it cannot be read.
pub fn glance(file: &Path) -> Option<Glance> {
    let main = text(file)?;
    let (root, _) = DeTable::parse_recoverable(&main);
    let absolute = std::path::absolute(file).ok()?;
    let directory = absolute.parent()?;
    let url = root
        .get_ref()
        .get("store")
        .and_then(|store| store.get_ref().as_table()?.get("url")?.get_ref().as_str());
    let store = match url {
        None => directory.join("jetond.db"),
        Some(url) => sqlite(url, directory).ok()?,
    };
    let mut tokens = tokens(root.get_ref());
    for file in drop_ins(file, &mut Report::default()) {
        let Some(text) = text(&file) else { continue };
        let (root, _) = DeTable::parse_recoverable(&text);
        tokens.extend(self::tokens(root.get_ref()));
    }
    Some(Glance { store, tokens })
}

fn text(file: &Path) -> Option<String> {
    let text = String::from_utf8(read(file).ok()?).ok()?;
    Some(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn tokens(root: &DeTable<'_>) -> Vec<(String, String)> {
    let Some(DeValue::Array(tokens)) = root.get("token").map(|t| t.get_ref()) else {
        return Vec::new();
    };
    tokens
        .iter()
        .filter_map(|token| {
            let token = token.get_ref().as_table()?;
            let text = |key| Some(token.get(key)?.get_ref().as_str()?.to_owned());
            Some((text("id")?, text("name").unwrap_or_default()))
        })
        .collect()
}
