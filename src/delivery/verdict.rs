//! What an outcome means: for the mail, for the relay, and for the people to be told
//! (`docs/rules.md`, *A mail's life*). One exhaustive match; nothing is sent or recorded here.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

use crate::delivery::circuit::Circuit;
use crate::delivery::compose::letter::Draft;
use crate::delivery::notes::Trouble;
use crate::delivery::outcome::{Enhanced, Outcome, RelayFault, RelayFaultKind, Reply};
use crate::domain::retry::{self, AfterDeferral, Outage, Patience};
use crate::store::outbox::Claimed;
use crate::store::settle::{Entered, Settlement};

/// Policy refusals (5.7.x) of so many domains within [`SEVERAL_WITHIN`] are about us; silence
/// after RCPT of so many, with no mail accepted between, is about the relay.
const SEVERAL: usize = 3;
const SEVERAL_WITHIN: Duration = Duration::minutes(10);

/// What the connections of a sender know of the relay together.
#[derive(Debug, Default)]
pub(super) struct RelayState {
    pub(super) circuit: Circuit,
    policy: Suspicion,
    silence: Suspicion,
}

/// Domains of which the relay said the same lately: one or two of them are about themselves,
/// several are about the relay.
#[derive(Debug, Default)]
struct Suspicion {
    domains: VecDeque<(String, DateTime<Utc>)>,
}

impl Suspicion {
    /// Whether this domain makes it several.
    fn is_about_us(&mut self, domain: &str, now: DateTime<Utc>) -> bool {
        self.domains
            .retain(|(d, at)| d != domain && now - *at < SEVERAL_WITHIN);
        self.domains.push_back((domain.to_owned(), now));
        self.domains.len() >= SEVERAL
    }
}

/// The mail that an outcome is about.
pub(super) struct Case<'a> {
    pub(super) mail: &'a Claimed,
    /// What it carries.
    pub(super) letter: &'a Draft,
    /// The recipient's domain.
    pub(super) domain: &'a str,
    /// Whether the commit before the dot was made for this attempt.
    pub(super) entered: Entered,
    pub(super) now: DateTime<Utc>,
}

/// What becomes of the mail, and what people are to be told.
pub(super) struct Verdict {
    pub(super) settlement: Settlement,
    pub(super) trouble: Option<Trouble>,
}

impl From<Settlement> for Verdict {
    fn from(settlement: Settlement) -> Self {
        Self {
            settlement,
            trouble: None,
        }
    }
}

impl From<(Settlement, Trouble)> for Verdict {
    fn from((settlement, trouble): (Settlement, Trouble)) -> Self {
        Self {
            settlement,
            trouble: Some(trouble),
        }
    }
}

impl RelayState {
    /// Judges an outcome, which reads `said` in words.
    pub(super) fn judge(&mut self, outcome: Outcome, said: &str, case: &Case<'_>) -> Verdict {
        match outcome {
            Outcome::Accepted(_) => {
                self.circuit.close();
                self.silence = Suspicion::default();
                Settlement::Sent {
                    subject: case.letter.subject.clone(),
                    body: match case.entered {
                        Entered::Yes => None,
                        Entered::No => Some(case.letter.body.clone()),
                    },
                }
                .into()
            }
            Outcome::Deferred(_) => {
                self.circuit.close();
                deferred(case)
            }
            Outcome::RefusedRecipient(reply) => self.refused(&reply, said, case),
            Outcome::Parked(_) => {
                self.circuit.close();
                (Settlement::Parked, Trouble::Parked).into()
            }
            Outcome::InDoubt(_) => match retry::after_doubt(case.mail.doubts + 1, case.now) {
                Some(next_at) => Settlement::InDoubt { next_at }.into(),
                None => (Settlement::StuckInDoubt, Trouble::Parked).into(),
            },
            // The relay waits for a server of this domain, most likely: no reason to leave it alone.
            Outcome::Relay(fault)
                if fault.kind == RelayFaultKind::Unanswered
                    && !self.silence.is_about_us(case.domain, case.now) =>
            {
                deferred(case)
            }
            Outcome::Relay(fault) => self.returned(outage(&fault), said, case),
        }
    }

    fn refused(&mut self, reply: &Reply, said: &str, case: &Case<'_>) -> Verdict {
        let policy = reply.enhanced.is_some_and(Enhanced::is_policy);
        if policy && self.policy.is_about_us(case.domain, case.now) {
            return self.returned(Outage::Unreachable, said, case);
        }
        self.circuit.close();
        Settlement::Refused.into()
    }

    /// The relay itself failed: the mail is not charged for it.
    fn returned(&mut self, outage: Outage, said: &str, case: &Case<'_>) -> Verdict {
        // Connections that fail together are one failure.
        let next_at = match self.circuit.open_until(case.now) {
            Some(until) => until,
            None => self.circuit.fail(outage, said, case.now),
        };
        Settlement::Returned { next_at }.into()
    }
}

fn deferred(case: &Case<'_>) -> Verdict {
    let mail = case.mail;
    let since = mail.deferred_since.unwrap_or(case.now);
    match retry::after_deferral(
        mail.deferrals + 1,
        since,
        case.now,
        jitter(mail.no, mail.fence),
    ) {
        AfterDeferral::Again(next_at, Patience::Normal) => Settlement::Deferred { next_at }.into(),
        AfterDeferral::Again(next_at, Patience::Exhausted) => {
            (Settlement::Deferred { next_at }, Trouble::Deferred).into()
        }
        AfterDeferral::GiveUp => (Settlement::Failed, Trouble::Failed).into(),
    }
}

fn outage(fault: &RelayFault) -> Outage {
    match fault.kind {
        RelayFaultKind::Auth => Outage::LoginRefused,
        RelayFaultKind::Resolve
        | RelayFaultKind::Connect
        | RelayFaultKind::Tls
        | RelayFaultKind::Plaintext
        | RelayFaultKind::Greeting
        | RelayFaultKind::Hello
        | RelayFaultKind::Mail
        | RelayFaultKind::Closing421
        | RelayFaultKind::Dropped
        | RelayFaultKind::Timeout
        | RelayFaultKind::Unanswered
        | RelayFaultKind::Protocol
        | RelayFaultKind::Local => Outage::Unreachable,
    }
}

/// A number in −1 … 1 that differs from mail to mail and from attempt to attempt, so that mails
/// deferred together do not come back together (the finaliser of splitmix64).
#[expect(
    clippy::cast_precision_loss,
    reason = "an even spread needs no exact value"
)]
fn jitter(mail: i64, fence: i64) -> f64 {
    let mut x = mail
        .wrapping_mul(0x9e37)
        .wrapping_add(fence)
        .cast_unsigned()
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_spread_over_its_range() {
        let values: Vec<f64> = (0..1000).map(|n| jitter(n, n % 7)).collect();
        assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
        assert!(values.iter().any(|v| *v < -0.9) && values.iter().any(|v| *v > 0.9));
    }
}
