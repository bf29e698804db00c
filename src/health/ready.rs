//! Readiness: whether promise 1 holds and can go on holding, from what the daemon last found and
//! what it measures of itself.
//!
//! Stricter than being alive, and quicker than an illness: a pass that could not be written counts
//! at once. Nothing is looked up here, and nothing that is said names a person or repeats a server.

use chrono::{DateTime, Duration, Utc};

use crate::domain::language::{Text, text};
use crate::health::{Bulletin, Checkup, Ill, PASS_PATIENCE, span};
use crate::meter::{Ended, Meter};

/// The delivery loop looks each quarter of a minute, and the final dot of one mail may take ten
/// minutes: without a sign for this long nothing leaves.
pub const DELIVERY_PATIENCE: Duration = Duration::minutes(15);

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Everything owed is covered, as the last look found.
    Promise,
    /// The last pass is recent.
    Tick,
    /// The last sign of delivery is recent.
    Delivery,
    /// The store can be written.
    Store,
    /// An illness.
    Ill(&'static str),
}

impl Check {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Promise => "promise",
            Self::Tick => "tick",
            Self::Delivery => "delivery",
            Self::Store => "store",
            Self::Ill(_) => "ill",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// All is well.
    Well,
    /// A person should know, and the promise holds all the same.
    Troubled,
    /// The promise does not hold, or will not.
    NotReady,
}

/// One check, and what it found, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was looked at.
    pub check: Check,
    /// What was found.
    pub found: Finding,
    /// The same in a few words.
    pub said: Text,
}

/// Whether the watch is ready.
pub fn is_ready(checked: &[Checked]) -> bool {
    checked.iter().all(|c| c.found != Finding::NotReady)
}

/// Everything that was looked at, in a fixed order: the illnesses last.
pub fn readiness(bulletin: &Bulletin, meter: &Meter, now: DateTime<Utc>) -> Vec<Checked> {
    let last = bulletin.last();
    let last = last.as_deref();
    let mut checked = vec![
        promise(last, now),
        tick(last, now),
        delivery(meter, now),
        store(meter, last),
    ];
    let ills = last.map_or(&[][..], |checkup| &checkup.ills);
    // The promise has told of this one.
    let others = ills.iter().filter(|ill| !matches!(ill, Ill::Uncovered(_)));
    checked.extend(others.map(|ill| Checked {
        check: Check::Ill(ill.word()),
        found: gravity(ill),
        said: ill.headline(now),
    }));
    checked
}

/// Whether an illness keeps what is owed from leaving.
fn gravity(ill: &Ill) -> Finding {
    match ill {
        Ill::Passes { .. }
        | Ill::Deliveries { .. }
        | Ill::Relay { .. }
        | Ill::Uncovered(_)
        | Ill::ClockHeld(_)
        | Ill::Disk { .. } => Finding::NotReady,
        // What is held leaves by itself at its time; the others are for a person to mend.
        Ill::StormHeld(_)
        | Ill::Unread(_)
        | Ill::OutOfReach(_)
        | Ill::Bounces { .. }
        | Ill::Channel { .. } => Finding::Troubled,
    }
}

fn well(check: Check, said: Text) -> Checked {
    Checked {
        check,
        found: Finding::Well,
        said,
    }
}

fn not_ready(check: Check, said: Text) -> Checked {
    Checked {
        check,
        found: Finding::NotReady,
        said,
    }
}

fn promise(last: Option<&Checkup>, now: DateTime<Utc>) -> Checked {
    let check = Check::Promise;
    let Some(checkup) = last else {
        return not_ready(
            check,
            text!(
                "nothing has been looked at yet",
                "rien n’a encore été vérifié"
            ),
        );
    };
    let age = now - checkup.at;
    if age >= PASS_PATIENCE {
        let Text { en, fr } = span(age);
        return not_ready(
            check,
            text!(
                "nothing has been looked at for {en}",
                "rien n’a été vérifié depuis {fr}"
            ),
        );
    }
    match &checkup.vitals {
        None => not_ready(
            check,
            text!(
                "the record cannot be read",
                "le registre ne peut pas être lu"
            ),
        ),
        Some(vitals) if !vitals.uncovered.is_empty() => {
            not_ready(check, Ill::Uncovered(vitals.uncovered.len()).headline(now))
        }
        Some(_) => well(
            check,
            text!(
                "everything owed is covered",
                "tout ce qui est dû est couvert"
            ),
        ),
    }
}

fn tick(last: Option<&Checkup>, now: DateTime<Utc>) -> Checked {
    let check = Check::Tick;
    let pass = last
        .and_then(|c| c.vitals.as_ref())
        .and_then(|v| v.last_pass);
    let Some(at) = pass else {
        return not_ready(
            check,
            text!("no pass is on record", "aucun passage n’est consigné"),
        );
    };
    let Text { en, fr } = span(now - at);
    if now - at >= PASS_PATIENCE {
        not_ready(
            check,
            text!("no pass for {en}", "aucun passage depuis {fr}"),
        )
    } else {
        well(
            check,
            text!("last pass {en} ago", "dernier passage il y a {fr}"),
        )
    }
}

fn delivery(meter: &Meter, now: DateTime<Utc>) -> Checked {
    let check = Check::Delivery;
    let Some(at) = meter.last_delivery() else {
        return not_ready(
            check,
            text!("delivery has not begun", "l’envoi n’a pas commencé"),
        );
    };
    let Text { en, fr } = span(now - at);
    if now - at >= DELIVERY_PATIENCE {
        not_ready(
            check,
            text!(
                "no sign of delivery for {en}",
                "aucun signe d’envoi depuis {fr}"
            ),
        )
    } else {
        well(
            check,
            text!("delivery turned {en} ago", "l’envoi tournait il y a {fr}"),
        )
    }
}

fn store(meter: &Meter, last: Option<&Checkup>) -> Checked {
    let check = Check::Store;
    let is_read = last.is_some_and(|checkup| checkup.vitals.is_some());
    match meter.last_pass().map(|pass| pass.ended) {
        Some(Ended::Well) if is_read => well(
            check,
            text!(
                "the last pass was written",
                "le dernier passage a été consigné"
            ),
        ),
        Some(Ended::Well) => not_ready(
            check,
            text!("the store cannot be read", "la base ne peut pas être lue"),
        ),
        Some(Ended::Badly) => not_ready(
            check,
            text!(
                "the last pass could not be written",
                "le dernier passage n’a pas pu être consigné"
            ),
        ),
        None => not_ready(
            check,
            text!(
                "nothing has been written yet",
                "rien n’a encore été consigné"
            ),
        ),
    }
}
