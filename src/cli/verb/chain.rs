//! Which token took whose place: the chain of a token, the newest first.

use serde_json::{Value, json};

use crate::cli::{Failure, when};
use crate::domain::calendar::Calendar;
use crate::store::Store;
use crate::store::lineage::Link;

/// The chain of a token; empty where it is alone.
pub(in crate::cli) async fn of(store: &Store, id: &str) -> Result<Vec<Link>, Failure> {
    let Some(token) = store.token(id).await? else {
        return Ok(Vec::new());
    };
    let chain = store.chain(token.no).await?;
    Ok(if chain.len() > 1 { chain } else { Vec::new() })
}

/// In one line: `new (2028-06-15) ← old (2026-12-15)`.
pub(in crate::cli) fn drawn(chain: &[Link], calendar: &Calendar) -> String {
    let links: Vec<String> = chain
        .iter()
        .map(|l| format!("{} ({})", l.id, when::day(l.expires, calendar)))
        .collect();
    links.join(" ← ")
}

/// For programs.
pub(in crate::cli) fn rows(chain: &[Link], calendar: &Calendar) -> Value {
    let row = |l: &Link| {
        json!({
            "id": l.id, "state": l.state.word(), "expires": when::rfc3339(l.expires, calendar),
            "superseded_by": l.superseded_by,
        })
    };
    chain.iter().map(row).collect()
}
