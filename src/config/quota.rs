//! `[mail] per_domain`: how many mails may go to one domain in so much time, for every domain or
//! by name. What has been used is counted in the store; here is only what is left of it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::config::Rate;
use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::scalar::{Value, is_safe};
use crate::config::values::rate;
use crate::domain::address::Address;
use crate::domain::language::{Invalid, text};

/// The name that stands for every domain that has none of its own.
const EVERY_OTHER: &str = "*";

/// The rates by domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PerDomain {
    default: Option<Rate>,
    by_domain: BTreeMap<String, Rate>,
}

impl PerDomain {
    /// The rate of a domain, given as its A-label in lower case; `None`: any number.
    pub fn rate(&self, domain: &str) -> Option<Rate> {
        self.by_domain.get(domain).copied().or(self.default)
    }

    /// Whether no domain has a rate.
    pub fn is_empty(&self) -> bool {
        self.default.is_none() && self.by_domain.is_empty()
    }

    /// The spans of time in which mails are counted, each once.
    pub fn spans(&self) -> Vec<Duration> {
        let rates = self.by_domain.values().chain(&self.default);
        let mut spans: Vec<Duration> = rates.map(|r| r.per).collect();
        spans.sort_unstable();
        spans.dedup();
        spans
    }

    /// How many mails may leave now to every domain that has none of its own number (`None`: any
    /// number), and to those that have, from what was used by domain in each of the spans.
    pub fn left(
        &self,
        used: &HashMap<Duration, HashMap<String, u32>>,
    ) -> (Option<u32>, HashMap<String, u32>) {
        let used_by = |domain: &str, per: Duration| {
            let used = used.get(&per).and_then(|by_domain| by_domain.get(domain));
            used.copied().unwrap_or(0)
        };
        let left = |domain: &str, rate: Rate| rate.mails.saturating_sub(used_by(domain, rate.per));
        let mut by_domain: HashMap<String, u32> = self
            .by_domain
            .iter()
            .map(|(domain, rate)| (domain.clone(), left(domain, *rate)))
            .collect();
        if let Some(rate) = self.default {
            for domain in used.get(&rate.per).into_iter().flat_map(HashMap::keys) {
                by_domain
                    .entry(domain.clone())
                    .or_insert_with(|| left(domain, rate));
            }
        }
        (self.default.map(|rate| rate.mails), by_domain)
    }
}

/// `per_domain = "60/min"`, or a table of domains.
pub(super) fn read(table: &Table<'_>, report: &mut Report) -> PerDomain {
    let Some(value) = table.get("per_domain") else {
        return PerDomain::default();
    };
    let Some(entries) = value.as_table("mail") else {
        return PerDomain {
            default: value.parsed(report, rate),
            by_domain: BTreeMap::new(),
        };
    };
    let mut read = PerDomain::default();
    let mut written: Vec<_> = entries.entries.iter().collect();
    written.sort_by_key(|(name, _)| name.span().start);
    for (name, of) in written {
        let written: &str = name.get_ref();
        let span = entries.file.span(name.span());
        if !is_safe(written, &span, report) {
            continue;
        }
        let of = Value {
            value: of.get_ref(),
            span: entries.file.span(of.span()),
            ..value.clone()
        };
        let rate = of.parsed(report, rate);
        if written == EVERY_OTHER {
            read.default = rate;
            continue;
        }
        let domain = match domain(written) {
            Ok(domain) => domain,
            Err(Invalid(message)) => {
                report.error(&span, message);
                continue;
            }
        };
        if read.by_domain.contains_key(&domain) {
            report.error(
                &span,
                text!(
                    "{written:?} is the domain {domain}, which stands here already",
                    "{written:?} est le domaine {domain}, qui figure déjà ici"
                ),
            );
        }
        if let Some(rate) = rate {
            read.by_domain.insert(domain, rate);
        }
    }
    if entries.entries.is_empty() {
        report
            .error(
                &value.span,
                text!(
                    "`per_domain` names no domain",
                    "`per_domain` ne nomme aucun domaine"
                ),
            )
            .help(value.example());
    }
    read
}

/// A domain as it travels.
fn domain(written: &str) -> Result<String, Invalid> {
    let of_an_address = || Address::parse(&format!("a@{written}")).ok();
    match of_an_address().filter(|_| !written.contains('@')) {
        Some(address) => Ok(address.ascii_domain().to_owned()),
        None => Err(Invalid(text!(
            "{written:?} is not a domain: write it as \"gmail.com\", or \"*\" for every other one",
            "{written:?} n’est pas un domaine : l’écrire \"gmail.com\", ou \"*\" pour tous les autres"
        ))),
    }
}
