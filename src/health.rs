//! Whether the watch is well: what it measures of itself, and the illnesses that follow.
//!
//! Health follows promise 1, not the process being alive: STATUS, the heartbeat, `status` and
//! the notes to the contact all ask here. Nothing is decided or written here.

pub mod pulse;
pub mod ready;

use std::sync::{Arc, RwLock};

use chrono::{DateTime, Duration, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::domain::reach::Hindrance;
use crate::domain::timekeeping::Hold;
use crate::store::Store;
use crate::store::coverage::Uncovered;
use crate::store::error::Result;
use crate::store::outbox::MailState;
use crate::store::posts::ChannelTrouble;

/// A relay that fails is told after this long (`docs/rules.md`, *Reply classes*).
pub const RELAY_PATIENCE: Duration = Duration::minutes(15);

/// A pass comes each minute; without a good one for this long the watch is ill.
pub const PASS_PATIENCE: Duration = Duration::minutes(10);

/// What the store says of the watch.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Promise 1: what is uncovered.
    pub uncovered: Vec<Uncovered>,
    /// The tokens, by their ids, of which nobody can be reached.
    pub out_of_reach: Vec<String>,
    /// When the last pass ended well.
    pub last_pass: Option<DateTime<Utc>>,
    /// When a token is to be looked at next.
    pub next_due: Option<DateTime<Utc>>,
    /// When a mail is to be taken up next, by the window.
    pub next_mail: Option<DateTime<Utc>>,
    /// How many open mails are in each state.
    pub mails: Vec<(MailState, u32)>,
}

impl Vitals {
    /// Measures.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(store: &Store, calendar: &Calendar, now: DateTime<Utc>) -> Result<Self> {
        let (next_due, next_mail) = store.next_instants().await?;
        let mails = store.open_mail_counts().await?;
        // The time of a mail that is being sent is the end of its lease.
        let leaving = mails
            .iter()
            .any(|(s, n)| *s == MailState::Claimed && *n > 0);
        Ok(Self {
            uncovered: store.uncovered(calendar, now).await?,
            out_of_reach: store.out_of_reach(calendar, now).await?,
            last_pass: store.last_pass().await?,
            next_due,
            next_mail: if leaving {
                Some(now)
            } else {
                next_mail.map(|at| calendar.next_leave(at))
            },
            mails,
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

/// What the daemon's last look at the watch found.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// When it looked.
    pub at: DateTime<Utc>,
    /// What the store says; `None` when it cannot be read.
    pub vitals: Option<Vitals>,
    /// What is wrong; empty when all is well.
    pub ills: Vec<Ill>,
}

/// Where the last [`Checkup`] hangs out, for whoever asks between two looks.
#[derive(Debug, Clone, Default)]
pub struct Bulletin(Arc<RwLock<Option<Arc<Checkup>>>>);

impl Bulletin {
    /// Hangs out another one.
    pub fn put(&self, checkup: Checkup) {
        *self.0.write().expect("no holder panics") = Some(Arc::new(checkup));
    }

    /// The last one; `None` before the first look.
    pub fn last(&self) -> Option<Arc<Checkup>> {
        self.0.read().expect("no holder panics").clone()
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
    /// The disk is full: nothing can be recorded, so nothing leaves.
    Disk {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// So many notes to the contact did not arrive: the contact no longer learns of troubles.
    Unread(u32),
    /// Of so many tokens nobody can be reached.
    OutOfReach(usize),
    /// What comes back of mails cannot be read.
    Bounces {
        /// Since when.
        since: DateTime<Utc>,
        /// Why.
        what: Hindrance,
    },
    /// A chat room or a hook has taken nothing for [`RELAY_PATIENCE`] or more; mails go on.
    Channel {
        /// Its name.
        name: String,
        /// Since when.
        since: DateTime<Utc>,
        /// What it last said.
        why: String,
    },
}

impl Ill {
    /// Whether it is the same illness, whatever its figures.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.channel() == other.channel()
    }

    /// The channel that it is about, by its name.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Channel { name, .. } => Some(name),
            Self::Passes { .. }
            | Self::Deliveries { .. }
            | Self::Relay { .. }
            | Self::Uncovered(_)
            | Self::ClockHeld(_)
            | Self::StormHeld(_)
            | Self::Disk { .. }
            | Self::Unread(_)
            | Self::OutOfReach(_)
            | Self::Bounces { .. } => None,
        }
    }

    /// What the record says is wrong, without the loops of a daemon.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn on_record(
        store: &Store,
        calendar: &Calendar,
        contact: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Self>> {
        let vitals = Vitals::look(store, calendar, now).await?;
        let mut ills = Vec::new();
        match vitals.uncovered.len() {
            0 => {}
            n => ills.push(Self::Uncovered(n)),
        }
        match vitals.count(|s| s == MailState::Held) {
            0 => {}
            n => ills.push(Self::StormHeld(n)),
        }
        match vitals.out_of_reach.len() {
            0 => {}
            n => ills.push(Self::OutOfReach(n)),
        }
        match store.lost_notes(contact).await? {
            0 => {}
            n => ills.push(Self::Unread(n)),
        }
        ills.extend(Self::of_channels(store, now).await?);
        Ok(ills)
    }

    /// The channels of which nothing has been taken for [`RELAY_PATIENCE`] or more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of_channels(store: &Store, now: DateTime<Utc>) -> Result<Vec<Self>> {
        let failing = store.failing_channels(now - RELAY_PATIENCE).await?;
        let ill = |t: ChannelTrouble| Self::Channel {
            name: t.channel.trim_start_matches('#').to_owned(),
            since: t.since,
            why: t.why,
        };
        Ok(failing.into_iter().map(ill).collect())
    }

    /// Every word of [`Ill::word`].
    pub const WORDS: [&str; 11] = [
        "passes",
        "deliveries",
        "relay",
        "uncovered",
        "disk",
        "unread",
        "clock",
        "storm",
        "out_of_reach",
        "bounces",
        "channel",
    ];

    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passes { .. } => "passes",
            Self::Deliveries { .. } => "deliveries",
            Self::Relay { .. } => "relay",
            Self::Uncovered(_) => "uncovered",
            Self::Disk { .. } => "disk",
            Self::Unread(_) => "unread",
            Self::ClockHeld(_) => "clock",
            Self::StormHeld(_) => "storm",
            Self::OutOfReach(_) => "out_of_reach",
            Self::Bounces { .. } => "bounces",
            Self::Channel { .. } => "channel",
        }
    }

    /// In a few words of our own: nothing that a server or the system said, so no address.
    pub fn headline(&self, now: DateTime<Utc>) -> Text {
        match self {
            Self::Passes { since, .. } => {
                let Text { en, fr } = span(now - *since);
                text!("no pass for {en}", "aucun passage depuis {fr}")
            }
            Self::Deliveries { since, .. } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "nothing can leave for {en}",
                    "rien ne peut partir depuis {fr}"
                )
            }
            Self::Relay { since, .. } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "relay unreachable for {en}",
                    "relais injoignable depuis {fr}"
                )
            }
            Self::Uncovered(n) => text!("{{}} not on the way", "{{}} en route").with(&counted(
                *n,
                ["owed reminder is", "owed reminders are"],
                ["rappel dû n’est pas", "rappels dus ne sont pas"],
            )),
            Self::ClockHeld(Hold::Ahead { by, .. }) => {
                let Text { en, fr } = span(*by);
                text!(
                    "clock {en} ahead: nothing leaves",
                    "horloge en avance de {fr} : rien ne part"
                )
            }
            Self::ClockHeld(Hold::Behind { by, .. }) => {
                let Text { en, fr } = span(*by);
                text!(
                    "clock {en} behind the last pass: nothing leaves",
                    "horloge en retard de {fr} sur le dernier passage : rien ne part"
                )
            }
            Self::StormHeld(n) => counted(
                *n,
                ["late mail is held", "late mails are held"],
                [
                    "courriel en retard est retenu",
                    "courriels en retard sont retenus",
                ],
            ),
            Self::Disk { since } => {
                let Text { en, fr } = span(now - *since);
                text!("disk full for {en}", "disque plein depuis {fr}")
            }
            Self::Unread(n) => counted(
                *n,
                [
                    "note to the contact did not arrive",
                    "notes to the contact did not arrive",
                ],
                [
                    "avis au contact n’est pas arrivé",
                    "avis au contact ne sont pas arrivés",
                ],
            ),
            Self::OutOfReach(n) => counted(
                *n,
                [
                    "token of which nobody can be reached",
                    "tokens of which nobody can be reached",
                ],
                [
                    "jeton dont personne ne peut être joint",
                    "jetons dont personne ne peut être joint",
                ],
            ),
            Self::Bounces { since, .. } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "bounces not read for {en}",
                    "retours de courriels non lus depuis {fr}"
                )
            }
            Self::Channel { name, since, .. } => {
                let Text { en, fr } = span(now - *since);
                text!(
                    "channel {name} takes nothing for {en}",
                    "le canal {name} ne prend rien depuis {fr}"
                )
            }
        }
    }

    /// In a few words, with the cause as it was told.
    pub fn told(&self, now: DateTime<Utc>) -> Text {
        let headline = self.headline(now);
        match self {
            Self::Passes { why, .. }
            | Self::Deliveries { why, .. }
            | Self::Relay { why, .. }
            | Self::Channel { why, .. } => {
                let Text { en, fr } = headline;
                text!("{en}: {why}", "{fr} : {why}")
            }
            Self::Bounces { what, .. } => {
                let Text { en, fr } = headline;
                text!("{en}: {{}}", "{fr} : {{}}").with(&what.said())
            }
            Self::Uncovered(_)
            | Self::ClockHeld(_)
            | Self::StormHeld(_)
            | Self::Disk { .. }
            | Self::Unread(_)
            | Self::OutOfReach(_) => headline,
        }
    }

    /// What a person should do about it.
    pub fn advice(&self) -> Text {
        match self {
            Self::Passes { .. } => text!(
                "`jetond check` says what is wrong with the store; the daemon’s log has the rest",
                "`jetond check` dit ce qui ne va pas dans la base ; le journal du service a le reste"
            ),
            Self::Deliveries { .. } => text!(
                "`jetond check` says what is wrong with the store; no mail leaves until it can be recorded",
                "`jetond check` dit ce qui ne va pas dans la base ; aucun courriel ne part tant qu’il ne peut pas être consigné"
            ),
            Self::Relay { .. } => text!(
                "`jetond check --online` tries the mail server; mails wait and leave when it answers",
                "`jetond check --online` essaie le serveur de messagerie ; les courriels attendent et partiront quand il répondra"
            ),
            Self::Uncovered(_) => text!(
                "`jetond explain ID` says why; `jetond outbox list` shows the mails that wait",
                "`jetond explain ID` dit pourquoi ; `jetond outbox list` montre les courriels en attente"
            ),
            Self::Disk { .. } => text!(
                "make room on the disk of the store; the watch goes on by itself",
                "faire de la place sur le disque de la base ; la veille reprend d’elle-même"
            ),
            Self::Unread(_) => text!(
                "`jetond outbox list` shows them: correct `contact`, then `jetond outbox retry` or `cancel`",
                "`jetond outbox list` les montre : corriger `contact`, puis `jetond outbox retry` ou `cancel`"
            ),
            Self::OutOfReach(_) => text!(
                "`jetond status` names them: tell these people by another way, and correct their addresses in the configuration",
                "`jetond status` les nomme : prévenir ces personnes autrement, et corriger leurs adresses dans la configuration"
            ),
            Self::Bounces { what, .. } => what.advice(),
            Self::Channel { name, .. } => text!(
                "`jetond send-test '#{name}'` tries it, `jetond check --online` looks at it; mails leave all the same",
                "`jetond send-test '#{name}'` l’essaie, `jetond check --online` le regarde ; les courriels partent quand même"
            ),
            Self::ClockHeld(Hold::Ahead { .. }) => text!(
                "correct the clock; if it is right, `jetond outbox release` has it believed, and so do 15 steady minutes",
                "corriger l’horloge ; si elle est juste, `jetond outbox release` la fait accepter, et 15 minutes stables aussi"
            ),
            Self::ClockHeld(Hold::Behind { .. }) => text!(
                "correct the clock; if it is right, `jetond outbox release --clock` has it believed",
                "corriger l’horloge ; si elle est juste, `jetond outbox release --clock` la fait accepter"
            ),
            Self::StormHeld(_) => text!(
                "`jetond outbox list` shows them; `jetond outbox release` lets them leave",
                "`jetond outbox list` les montre ; `jetond outbox release` les laisse partir"
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
