//! How much may leave now: what the circuit of the relay and the quotas leave.
//!
//! Quotas count what is on record, over a window that slides: a restart changes nothing, and
//! what is over one waits.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};

use super::Shop;
use crate::store::error::Result;
use crate::store::outbox::Bounds;

/// How much may be taken up.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// Mails altogether; `None`: any number.
    mails: Option<u32>,
    /// … and by domain.
    domains: Bounds,
    /// Connections.
    pub(super) lanes: usize,
    /// A probe is rather made with a mail to another domain than this.
    suspect: Option<String>,
}

impl Allowance {
    /// Whether nothing may leave.
    pub(super) fn is_none(&self) -> bool {
        self.lanes == 0 || self.mails == Some(0)
    }

    /// The mails that may be taken up, `most` at most.
    pub(super) fn mails(&self, most: u32) -> u32 {
        self.mails.map_or(most, |mails| mails.min(most))
    }

    /// What is left of each domain, where `others` bound some besides.
    pub(super) fn bounds(&self, others: &HashMap<String, u32>) -> Bounds {
        let mut bounds = self.domains.clone();
        for (domain, most) in others {
            let mine = bounds.by_domain.get(domain).copied().or(bounds.default);
            let most = mine.map_or(*most, |mine| mine.min(*most));
            bounds.by_domain.insert(domain.clone(), most);
        }
        bounds
    }

    /// What another domain than the suspect one is left; `None` when nobody is suspected, and
    /// nothing after the first question.
    pub(super) fn besides_suspect(&mut self) -> Option<Bounds> {
        let suspect = self.suspect.take()?;
        Some(self.bounds(&HashMap::from([(suspect, 0)])))
    }

    /// Mails to these domains were taken up.
    pub(super) fn took(&mut self, domains: &[String]) {
        let number = u32::try_from(domains.len()).unwrap_or(u32::MAX);
        if let Some(mails) = &mut self.mails {
            *mails = mails.saturating_sub(number);
        }
        let Bounds { default, by_domain } = &mut self.domains;
        for domain in domains {
            if let Some(left) = by_domain.get_mut(domain) {
                *left = left.saturating_sub(1);
            } else if let Some(default) = default {
                by_domain.insert(domain.clone(), default.saturating_sub(1));
            }
        }
    }
}

impl Shop {
    /// What may be taken up at `now`: nothing while the circuit is open, one mail as a probe
    /// after it, the rest of the quotas otherwise.
    pub(super) async fn allowance(&self, now: DateTime<Utc>) -> Result<Allowance> {
        let (open, probing, suspect) = {
            let relay = self.relay();
            (
                relay.circuit.open_until(now).is_some(),
                relay.circuit.failing().is_some(),
                relay.suspect().map(str::to_owned),
            )
        };
        if open || self.stopping.is_cancelled() {
            return Ok(Allowance::default());
        }
        let mails = match self.rate {
            None => None,
            Some(rate) => {
                let used = self.clerk.store.used_since(before(now, rate.per)).await?;
                Some(rate.mails.saturating_sub(used))
            }
        };
        let allowance = Allowance {
            mails,
            domains: self.domains(now).await?,
            lanes: self.connections,
            suspect: None,
        };
        Ok(if probing {
            Allowance {
                mails: Some(allowance.mails(1)),
                lanes: 1,
                suspect,
                ..allowance
            }
        } else {
            allowance
        })
    }

    /// What the quotas of domains leave.
    async fn domains(&self, now: DateTime<Utc>) -> Result<Bounds> {
        let mut used = HashMap::new();
        for span in self.per_domain.spans() {
            let by_domain = self
                .clerk
                .store
                .used_by_domain_since(before(now, span))
                .await?;
            used.insert(span, by_domain);
        }
        let (default, by_domain) = self.per_domain.left(&used);
        Ok(Bounds { default, by_domain })
    }
}

/// The beginning of a window over which a quota counts.
fn before(now: DateTime<Utc>, span: std::time::Duration) -> DateTime<Utc> {
    now - Duration::from_std(span).unwrap_or(Duration::hours(1))
}
