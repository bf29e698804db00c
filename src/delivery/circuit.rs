//! The circuit of a relay: after a fault of the relay itself it is left alone, longer each
//! time, and one success closes it.

use chrono::{DateTime, Utc};

use crate::domain::retry::{Outage, circuit_pause};

/// Whether the relay is to be left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    since: Option<DateTime<Utc>>,
    open_until: Option<DateTime<Utc>>,
    why: String,
    answered: bool,
}

impl Circuit {
    /// The instant until which the relay is left alone, if that is after `now`.
    pub fn open_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.open_until.filter(|until| *until > now)
    }

    /// Since when the relay has been failing, and what it last said.
    pub fn failing(&self) -> Option<(DateTime<Utc>, &str)> {
        self.since.map(|since| (since, self.why.as_str()))
    }

    /// Whether the relay answered when it was last used.
    pub fn answered(&self) -> bool {
        self.answered
    }

    /// The relay failed; answers until when it is left alone.
    pub fn fail(&mut self, outage: Outage, why: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        self.failures += 1;
        self.answered = false;
        self.since.get_or_insert(now);
        why.clone_into(&mut self.why);
        let until = now + circuit_pause(outage, self.failures);
        self.open_until = Some(until);
        until
    }

    /// The relay answered a mail.
    pub fn close(&mut self) {
        *self = Self {
            answered: true,
            ..Self::default()
        };
    }
}
