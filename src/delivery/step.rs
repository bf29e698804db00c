//! What a step of delivery did, counted in mails.

use crate::store::settle::Settlement;

/// What a step did, in mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Taken up.
    pub claimed: usize,
    /// Accepted by a server.
    pub sent: usize,
    /// Refused for the time being.
    pub deferred: usize,
    /// Refused for good because of the recipient.
    pub refused: usize,
    /// Refused for good because of the message, or too often in doubt.
    pub parked: usize,
    /// Given up.
    pub failed: usize,
    /// In doubt.
    pub in_doubt: usize,
    /// Returned to the queue: the relay is out of reach.
    pub returned: usize,
    /// Waiting because of a rule.
    pub postponed: usize,
    /// Carried nothing any more.
    pub cancelled: usize,
}

impl Step {
    /// Counts another step.
    pub fn add(&mut self, other: Self) {
        self.claimed += other.claimed;
        self.sent += other.sent;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.parked += other.parked;
        self.failed += other.failed;
        self.in_doubt += other.in_doubt;
        self.returned += other.returned;
        self.postponed += other.postponed;
        self.cancelled += other.cancelled;
    }

    /// Whether a mail that was taken up did not reach a server's 250.
    pub fn is_troubled(&self) -> bool {
        self.deferred + self.refused + self.parked + self.failed + self.in_doubt + self.returned > 0
    }

    /// Whether a mail ended without having been accepted.
    pub fn has_lost(&self) -> bool {
        self.refused + self.parked + self.failed > 0
    }

    /// Counts what became of a mail.
    pub fn count(&mut self, settlement: &Settlement) {
        match settlement {
            Settlement::Sent { .. } => self.sent += 1,
            Settlement::Deferred { .. } => self.deferred += 1,
            Settlement::Refused => self.refused += 1,
            Settlement::Parked | Settlement::StuckInDoubt => self.parked += 1,
            Settlement::Failed => self.failed += 1,
            Settlement::InDoubt { .. } => self.in_doubt += 1,
            Settlement::Returned { .. } => self.returned += 1,
            Settlement::Postponed { .. } => self.postponed += 1,
            Settlement::Cancelled => self.cancelled += 1,
        }
    }
}
