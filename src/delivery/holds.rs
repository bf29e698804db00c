//! The notes that tell the contact of a hold: a storm of late mails, a clock that is not
//! believed. Each is queued once for its event; what it asks for is `jetond outbox release`.

use chrono::{DateTime, Utc};

use crate::delivery::desk::Desk;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::timekeeping::{End, Hold};
use crate::store::settle::NewNote;

/// The kind of the note about the clock: the only mail that may leave while it is held.
pub const NOTE_CLOCK: &str = "note_clock";

/// The kind of the note about a storm.
pub const NOTE_STORM: &str = "note_storm";

/// What is held because of a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// How many mails.
    pub mails: usize,
    /// When the urgent ones leave unanswered; `None` when there are none.
    pub urgent_at: Option<DateTime<Utc>>,
    /// When the others do.
    pub others_at: Option<DateTime<Utc>>,
}

impl Desk {
    /// The note about a storm that was held at `now`.
    pub fn note_about_storm(&self, storm: Storm, now: DateTime<Utc>) -> NewNote {
        let Storm {
            mails,
            urgent_at,
            others_at,
        } = storm;
        let subject = text!(
            "{mails} late reminders are held",
            "{mails} rappels en retard sont retenus"
        );
        let what = text!(
            "After a gap in the watch (a long stop, a restored backup, a clock that was wrong) {mails} reminders are more than a day late. So many at once may be a mistake, so they are held.",
            "Après une interruption de la veille (un long arrêt, une sauvegarde restaurée, une horloge fausse), {mails} rappels ont plus d’un jour de retard. Un si grand nombre d’un coup peut être une erreur : ils sont retenus."
        );
        let unanswered = |at: Option<DateTime<Utc>>, of: Text| {
            let minute = minute(at?, &self.calendar);
            let Text { en, fr } = of;
            Some(text!(
                "Without an answer, {en} leave from {minute} on.",
                "Sans réponse, {fr} partent à partir du {minute}."
            ))
        };
        let urgent = text!(
            "those of tokens that expire within 15 days or have expired",
            "ceux des jetons qui expirent dans 15 jours au plus, ou ont expiré,"
        );
        let others = text!("the others", "les autres");
        let act = text!(
            "`jetond outbox list` shows them, `jetond outbox release` lets them leave at once, `jetond outbox cancel` stops one. Mails on their day are not held.",
            "`jetond outbox list` les montre, `jetond outbox release` les laisse partir aussitôt, `jetond outbox cancel` en arrête un. Les courriels du jour ne sont pas retenus."
        );
        let body = [
            Some(what),
            unanswered(urgent_at, urgent),
            unanswered(others_at, others),
            Some(act),
        ];
        let cause = format!("storm:{}", now.timestamp());
        let body = body.into_iter().flatten().collect();
        self.note_to_contact(NOTE_STORM, cause, subject, body, now)
    }

    /// The note about a clock that has not been believed for a while; `end` once it is.
    pub fn note_about_clock(&self, hold: Hold, end: Option<End>, now: DateTime<Utc>) -> NewNote {
        let minute = |at| minute(at, &self.calendar);
        let (cause, subject, what, act) = match hold {
            Hold::Ahead { since, by } => {
                let (from, to) = (minute(since), minute(since + by));
                let what = text!(
                    "At {from} the clock of this machine jumped ahead to {to} while jetond was running. Nothing is planned or sent until it is back, or has been steady for 15 minutes.",
                    "Le {from}, l’horloge de cette machine a sauté en avant, au {to}, pendant que jetond tournait. Rien n’est préparé ni envoyé avant qu’elle ne revienne, ou qu’elle n’ait été stable pendant 15 minutes."
                );
                let act = text!(
                    "If the new date is right, `jetond outbox release` has it believed at once. If it is wrong, correct the clock.",
                    "Si la nouvelle date est juste, `jetond outbox release` la fait accepter aussitôt. Si elle est fausse, corriger l’horloge."
                );
                (
                    format!("ahead:{}", since.timestamp()),
                    text!("The clock jumped ahead", "L’horloge a sauté en avant"),
                    what,
                    act,
                )
            }
            Hold::Behind { until, by } => {
                let (from, to) = (minute(until), minute(until - by));
                let what = text!(
                    "The clock of this machine said {to}, although a pass was made at {from}. Nothing is planned or sent before it has reached that moment.",
                    "L’horloge de cette machine indiquait {to}, alors qu’un passage a eu lieu le {from}. Rien n’est préparé ni envoyé avant qu’elle n’ait atteint ce moment."
                );
                let act = text!(
                    "Correct the clock. If its present date is right, `jetond outbox release --clock` has it believed.",
                    "Corriger l’horloge. Si sa date actuelle est juste, `jetond outbox release --clock` la fait accepter."
                );
                (
                    format!("behind:{}", until.timestamp()),
                    text!("The clock is behind", "L’horloge retarde"),
                    what,
                    act,
                )
            }
        };
        let over = end.map(|end| match end {
            End::Right => text!("It is right again, and mails leave.", "Elle est de nouveau juste, et les courriels partent."),
            End::Steady => text!(
                "It has been steady for 15 minutes: it is believed, and mails leave by the new date.",
                "Elle a été stable pendant 15 minutes : elle est acceptée, et les courriels partent selon la nouvelle date."
            ),
            End::Person => text!("A person has confirmed it, and mails leave.", "Une personne l’a confirmée, et les courriels partent."),
        });
        let body = [Some(what), over, Some(act)]
            .into_iter()
            .flatten()
            .collect();
        self.note_to_contact(NOTE_CLOCK, cause, subject, body, now)
    }
}

fn minute(at: DateTime<Utc>, calendar: &Calendar) -> String {
    let local = at.with_timezone(&calendar.tz);
    local.format("%Y-%m-%d %H:%M").to_string()
}
