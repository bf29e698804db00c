//! An incident of API Entreprise, or on the way to it: where the fault lies, since when, and
//! when it was seen last. No token is ever held to be dead by it.

use chrono::{DateTime, Utc};

use crate::domain::lifecycle::words;

/// Where the fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A source of data is down.
    Provider,
    /// The API itself fails.
    Service,
    /// Nobody was reached, or somebody else: the way out of this machine is at fault.
    Ours,
}

words!(Side { Provider = "provider", Service = "service", Ours = "our_side" });

/// What showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A call with a token: no ping can tell that this is over, since it looks at none.
    Call,
    /// A ping.
    Ping,
}

words!(Witness { Call = "call", Ping = "ping" });

/// An incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// Where the fault lies.
    pub side: Side,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it was seen last.
    pub seen_at: DateTime<Utc>,
    /// What showed it.
    pub witness: Witness,
}

impl Incident {
    /// Whether a ping that finds no fault tells that it is over.
    pub fn ends_by_ping(self) -> bool {
        self.side != Side::Service || self.witness == Witness::Ping
    }
}
