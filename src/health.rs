//! Whether the watch is well: what it measures of itself, and the illnesses that follow.
//!
//! Health follows promise 1, not the process being alive: STATUS, the heartbeat, `status` and
//! the notes to the contact all ask here. Nothing is decided or written here.

use chrono::{DateTime, Duration, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::timekeeping::Hold;
use crate::store::Store;
use crate::store::coverage::Uncovered;
use crate::store::error::Result;
use crate::store::outbox::MailState;

/// A relay that fails is told after this long (RELIABILITY, *A mail's life*).
pub const RELAY_PATIENCE: Duration = Duration::minutes(15);

/// A pass comes each minute; without a good one for this long the watch is ill.
pub const PASS_PATIENCE: Duration = Duration::minutes(10);

/// What the store says of the watch.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Promise 1: what is uncovered.
    pub uncovered: Vec<Uncovered>,
    /// When the last pass ended well.
    pub last_pass: Option<DateTime<Utc>>,
    /// When a token is to be looked at next.
    pub next_due: Option<DateTime<Utc>>,
    /// When a mail is to be taken up next, by the window.
    pub next_mail: Option<DateTime<Utc>>,
    /// How many mails are in each state.
    pub mails: Vec<(MailState, u32)>,
}

impl Vitals {
    /// Measures.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(store: &Store, calendar: &Calendar, now: DateTime<Utc>) -> Result<Self> {
        let (next_due, next_mail) = store.next_instants().await?;
        Ok(Self {
            uncovered: store.uncovered(calendar, now).await?,
            last_pass: store.last_pass().await?,
            next_due,
            next_mail: next_mail.map(|at| calendar.next_leave(at)),
            mails: store.mail_counts().await?,
        })
    }

    /// How many mails are in such a state.
    pub fn count(&self, of: impl Fn(MailState) -> bool) -> u32 {
        self.mails
            .iter()
            .filter(|(s, _)| of(*s))
            .map(|(_, n)| n)
            .sum()
    }
}

/// An illness of the watch: something that a person should mend, or know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ill {
    /// Passes fail, or none has ended well for [`PASS_PATIENCE`].
    Passes {
        /// Since when.
        since: DateTime<Utc>,
        /// What the store said.
        why: String,
    },
    /// Mails cannot be recorded, so none leaves.
    Deliveries {
        /// Since when.
        since: DateTime<Utc>,
        /// What the store said.
        why: String,
    },
    /// The relay has been failing for [`RELAY_PATIENCE`] or more.
    Relay {
        /// Since when.
        since: DateTime<Utc>,
        /// What it last said.
        why: String,
    },
    /// So many owed notices are not on their way.
    Uncovered(usize),
    /// The clock is not believed: nothing is planned, and no reminder leaves.
    ClockHeld(Hold),
    /// The storm brake holds so many late mails.
    StormHeld(u32),
}

impl Ill {
    /// Whether it is the same illness, whatever its figures.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// In a few words, without addresses.
    pub fn told(&self, now: DateTime<Utc>) -> Text {
        match self {
            Self::Passes { since, why } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "no pass for {en}: {why}",
                    "aucun passage depuis {fr} : {why}"
                )
            }
            Self::Deliveries { since, why } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "nothing can leave for {en}: {why}",
                    "rien ne peut partir depuis {fr} : {why}"
                )
            }
            Self::Relay { since, why } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "relay unreachable for {en}: {why}",
                    "relais injoignable depuis {fr} : {why}"
                )
            }
            Self::Uncovered(n) => text!(
                "{n} owed reminders not on their way",
                "rappels dus qui ne sont pas en route : {n}"
            ),
            Self::ClockHeld(hold) => clock_held(*hold),
            Self::StormHeld(n) => text!(
                "late mails held: {n}; `jetond outbox release` lets them leave",
                "courriels en retard retenus : {n} ; `jetond outbox release` les laisse partir"
            ),
        }
    }
}

/// That nothing leaves because of the clock, and how to answer.
pub fn clock_held(hold: Hold) -> Text {
    match hold {
        Hold::Ahead { by, .. } => {
            let Text { en, fr } = span(by);
            text!(
                "clock {en} ahead: nothing leaves until it is back or steady for 15 min; `jetond outbox release` believes it",
                "horloge en avance de {fr} : rien ne part avant qu’elle ne revienne ou soit stable 15 min ; `jetond outbox release` l’accepte"
            )
        }
        Hold::Behind { by, .. } => {
            let Text { en, fr } = span(by);
            text!(
                "clock {en} behind the last pass: nothing leaves until it is right; `jetond outbox release --clock` believes it",
                "horloge en retard de {fr} sur le dernier passage : rien ne part avant qu’elle ne soit juste ; `jetond outbox release --clock` l’accepte"
            )
        }
    }
}

/// A span of time in its largest fitting unit: minutes, hours, days.
pub fn span(of: Duration) -> Text {
    let minutes = of.num_minutes().max(0);
    match minutes {
        0..120 => text!("{minutes} min", "{minutes}\u{a0}min"),
        120..2880 => {
            let hours = minutes / 60;
            text!("{hours} h", "{hours}\u{a0}h")
        }
        _ => {
            let days = minutes / 1440;
            text!("{days} d", "{days}\u{a0}j")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_fitting_unit() {
        let said = |m| span(Duration::minutes(m)).en;
        assert_eq!(
            [-1, 0, 119, 120, 2879, 2880].map(said),
            ["0 min", "0 min", "119 min", "2 h", "47 h", "2 d"]
        );
    }
}
