//! What an outcome means: for the mail, for the relay, and for the people to be told
//! (`docs/rules.md`, *A mail's life*). One exhaustive match; nothing is sent or recorded here.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Duration, Utc};

use crate::delivery::circuit::Circuit;
use crate::delivery::compose::letter::Draft;
use crate::delivery::notes::Trouble;
use crate::delivery::outcome::{Enhanced, Outcome, RelayFault, RelayFaultKind, Reply};
use crate::domain::retry::{self, AfterDeferral, Outage, Patience};
use crate::store::outbox::Claimed;
use crate::store::settle::{Entered, Settlement};

/// Policy refusals (5.7.x) of so many domains within [`POLICY_WITHIN`] are about us; silence after
/// RCPT of so many, and so many lost replies in a row, are about the relay.
const SEVERAL: usize = 3;
const POLICY_WITHIN: Duration = Duration::minutes(10);

/// What the connections of a sender know of the relay together.
#[derive(Debug, Default)]
pub(super) struct RelayState {
    pub(super) circuit: Circuit,
    /// Domains whose policy refused lately, and when.
    policy: VecDeque<(String, DateTime<Utc>)>,
    /// Domains for which RCPT was not answered, since a mail was accepted.
    silent: BTreeSet<String>,
    /// Final dots without an answer, since one had an answer.
    unanswered_dots: usize,
    /// The mail on which a session last broke, and whether another was accepted since.
    breaker: Option<Breaker>,
    /// Rises with each opening of the circuit: what an older session says does not close it.
    openings: u64,
}

/// A mail on which a session broke.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Breaker {
    mail: i64,
    domain: String,
    others_pass: bool,
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
    /// [`RelayState::openings`] when the connection was made.
    pub(super) session: u64,
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
    /// How often the circuit was opened so far.
    pub(super) fn openings(&self) -> u64 {
        self.openings
    }

    /// The domain that is not to be probed with, because a session broke on it: another mail says
    /// more of the relay.
    pub(super) fn suspect(&self) -> Option<&str> {
        self.breaker.as_ref().map(|b| b.domain.as_str())
    }

    /// Judges an outcome, which reads `said` in words.
    pub(super) fn judge(&mut self, outcome: Outcome, said: &str, case: &Case<'_>) -> Verdict {
        match outcome {
            Outcome::Accepted(_) => {
                self.answered(case);
                self.silent.clear();
                match &mut self.breaker {
                    Some(b) if b.mail == case.mail.no => self.breaker = None,
                    Some(b) => b.others_pass = true,
                    None => {}
                }
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
                self.answered(case);
                deferred(case)
            }
            Outcome::RefusedRecipient(reply) => self.refused(&reply, said, case),
            Outcome::Parked(_) => {
                self.answered(case);
                (Settlement::Parked, Trouble::Parked).into()
            }
            Outcome::InDoubt(_) => self.in_doubt(said, case),
            // The relay waits for a server of this domain, most likely: no reason to leave it alone.
            Outcome::Relay(fault)
                if fault.kind == RelayFaultKind::Unanswered && !self.is_silent_to_all(case) =>
            {
                deferred(case)
            }
            Outcome::Relay(fault) if is_amid(&fault) && self.is_this_mail_again(case) => {
                deferred(case)
            }
            Outcome::Relay(fault) => self.returned(outage(&fault), said, case),
        }
    }

    /// The relay answered about a mail: it is there, unless that session is older than its fault.
    fn answered(&mut self, case: &Case<'_>) {
        self.unanswered_dots = 0;
        if case.session == self.openings {
            self.circuit.close();
        }
    }

    fn refused(&mut self, reply: &Reply, said: &str, case: &Case<'_>) -> Verdict {
        let policy = reply.enhanced.is_some_and(Enhanced::is_policy);
        if policy && self.is_about_us(case.domain, case.now) {
            return self.returned(Outage::Unreachable, said, case);
        }
        self.answered(case);
        Settlement::Refused.into()
    }

    /// A relay that loses its replies one after another is left alone: each costs a mail one of
    /// its three copies.
    fn in_doubt(&mut self, said: &str, case: &Case<'_>) -> Verdict {
        self.unanswered_dots += 1;
        if self.unanswered_dots >= SEVERAL {
            self.fail(Outage::Unreachable, said, case.now);
        }
        match retry::after_doubt(case.mail.doubts + 1, case.now) {
            Some(next_at) => Settlement::InDoubt { next_at }.into(),
            None => (Settlement::StuckInDoubt, Trouble::Parked).into(),
        }
    }

    /// The relay itself failed: the mail is not charged for it.
    fn returned(&mut self, outage: Outage, said: &str, case: &Case<'_>) -> Verdict {
        let next_at = self.fail(outage, said, case.now);
        Settlement::Returned { next_at }.into()
    }

    /// Opens the circuit; connections that fail together are one failure.
    fn fail(&mut self, outage: Outage, said: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.circuit.open_until(now) {
            Some(until) => until,
            None => {
                self.openings += 1;
                self.circuit.fail(outage, said, now)
            }
        }
    }

    /// Whether policy refusals by several domains within minutes say that it is about us.
    fn is_about_us(&mut self, domain: &str, now: DateTime<Utc>) -> bool {
        self.policy
            .retain(|(d, at)| d != domain && now - *at < POLICY_WITHIN);
        self.policy.push_back((domain.to_owned(), now));
        self.policy.len() >= SEVERAL
    }

    /// Whether the relay has been silent after RCPT for several domains, and took nothing since.
    fn is_silent_to_all(&mut self, case: &Case<'_>) -> bool {
        self.silent.insert(case.domain.to_owned());
        self.silent.len() >= SEVERAL
    }

    /// Whether a session breaks on this mail once more, although another was accepted since: then
    /// it is this mail's, and keeps nobody else waiting.
    fn is_this_mail_again(&mut self, case: &Case<'_>) -> bool {
        let mail = case.mail.no;
        if matches!(&self.breaker, Some(b) if b.mail == mail && b.others_pass) {
            return true;
        }
        self.breaker = Some(Breaker {
            mail,
            domain: case.domain.to_owned(),
            others_pass: false,
        });
        false
    }
}

/// Whether a session was established when it broke.
fn is_amid(fault: &RelayFault) -> bool {
    match fault.kind {
        RelayFaultKind::Closing421
        | RelayFaultKind::Dropped
        | RelayFaultKind::Timeout
        | RelayFaultKind::Unanswered
        | RelayFaultKind::Protocol
        | RelayFaultKind::Mail => true,
        RelayFaultKind::Resolve
        | RelayFaultKind::Connect
        | RelayFaultKind::Tls
        | RelayFaultKind::Plaintext
        | RelayFaultKind::Greeting
        | RelayFaultKind::Hello
        | RelayFaultKind::Auth
        | RelayFaultKind::Local => false,
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
pub fn jitter(mail: i64, fence: i64) -> f64 {
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
