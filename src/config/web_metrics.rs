//! `[web.metrics]`: what `/metrics` shows of each token, and the secret by which a program asks.
//!
//! Without a secret `/metrics` and `/readyz` are open to whoever may look at the pages. The secret
//! itself does not stand in the file: what is written is where it is.

use std::path::Path;

use toml::de::DeValue;

use crate::config::Metrics;
use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::secret::{self, Need};
use crate::domain::language::text;

/// What a monitor on a small machine still takes of one target at each scrape.
const MOST_TOKENS: u32 = 100_000;

/// Tokens with a series of their own, unless the file says otherwise.
const TOKENS: u32 = 10_000;

impl Default for Metrics {
    fn default() -> Self {
        Self {
            tokens: true,
            max_tokens: TOKENS,
            token: None,
        }
    }
}

pub(super) fn read(web: &Table<'_>, directory: &Path, report: &mut Report) -> Metrics {
    let mut metrics = Metrics::default();
    let Some(table) = web.table("metrics", "web.metrics", report) else {
        return metrics;
    };
    table.check_keys(report);
    if let Some(value) = table.get("tokens") {
        match value.value {
            DeValue::Boolean(tokens) => metrics.tokens = *tokens,
            _ => {
                let what = text!(
                    "true or false, without quotes",
                    "true ou false, sans guillemets"
                );
                value.wrong_type(&what, value.example(), report);
            }
        }
    }
    if let Some(value) = table.get("max_tokens")
        && let Some(most) = value.number(1..=MOST_TOKENS, report)
    {
        metrics.max_tokens = most;
        if !metrics.tokens {
            report.warning(
                &value.span,
                text!(
                    "tokens = false: no token has a series, whatever max_tokens says",
                    "tokens = false : aucun jeton n’a de série, quoi que dise max_tokens"
                ),
            );
        }
    }
    if let Some(value) = table.get("token") {
        metrics.token = secret::source(&value, &secret::METRICS, directory, Need::Now, report);
    }
    metrics
}
