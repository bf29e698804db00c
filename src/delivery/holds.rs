//! The notes that tell the contact of a hold: a storm of late mails, a clock that is not
//! believed. Each is queued once for its event; what it asks for is `jetond outbox release`.

use chrono::{DateTime, Utc};

use crate::delivery::desk::Desk;
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
            let from = self.moment(at?);
            let unanswered = text!(
                "Without an answer, {{}} leave from {{}} on.",
                "Sans réponse, {{}} partent à partir du {{}}."
            );
            Some(unanswered.with(&of).with(&from))
        };
        let urgent = text!(
            "those of tokens that expire within 15 days or have expired",
            "ceux des jetons qui expirent dans 15 jours au plus, ou ont expiré,"
        );
        let others = match urgent_at {
            Some(_) => text!("the others", "les autres"),
            None => text!("they", "ils"),
        };
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
        let (cause, subject, what, held, act) = match hold {
            Hold::Ahead { since, by } => (
                format!("ahead:{}", since.timestamp()),
                text!("The clock jumped ahead", "L’horloge a sauté en avant"),
                text!(
                    "On {{}} the clock of this machine jumped ahead to {{}} while jetond was running.",
                    "Le {{}}, l’horloge de cette machine a sauté en avant, au {{}}, pendant que jetond tournait."
                )
                .with(&self.moment(since))
                .with(&self.moment(since + by)),
                text!(
                    "Nothing is planned or sent until it is back, or has been steady for 15 minutes.",
                    "Rien n’est préparé ni envoyé avant qu’elle ne revienne, ou qu’elle n’ait été stable pendant 15 minutes."
                ),
                text!(
                    "If the new date is right, `jetond outbox release` has it believed at once. If it is wrong, please correct the clock.",
                    "Si la nouvelle date est juste, `jetond outbox release` la fait accepter aussitôt. Si elle est fausse, merci de corriger l’horloge."
                ),
            ),
            // The last pass on record shows it, or a date that no clock which is set can say.
            Hold::Behind { until, by } => (
                format!("behind:{}", until.timestamp()),
                text!("The clock is behind", "L’horloge retarde"),
                text!(
                    "The clock of this machine said {{}}, although {{}} is already past.",
                    "L’horloge de cette machine indiquait le {{}}, alors que le {{}} est déjà passé."
                )
                .with(&self.moment(until - by))
                .with(&self.moment(until)),
                text!(
                    "Nothing is planned or sent before it has reached that moment.",
                    "Rien n’est préparé ni envoyé avant qu’elle n’ait atteint ce moment."
                ),
                text!(
                    "Please correct the clock. If its present date is right, `jetond outbox release --clock` has it believed.",
                    "Merci de corriger l’horloge. Si sa date actuelle est juste, `jetond outbox release --clock` la fait accepter."
                ),
            ),
        };
        let rest = match end {
            None => vec![held, act],
            Some(End::Right) => vec![text!(
                "Nothing was planned or sent meanwhile. It is right again, and mails leave.",
                "Entre-temps, rien n’a été préparé ni envoyé. Elle est de nouveau juste, et les courriels partent."
            )],
            Some(End::Steady) => vec![text!(
                "Nothing was planned or sent meanwhile. It has been steady for 15 minutes: it is believed, and mails leave by the new date. If that date is wrong, please correct the clock.",
                "Entre-temps, rien n’a été préparé ni envoyé. Elle a été stable pendant 15 minutes : elle est acceptée, et les courriels partent selon la nouvelle date. Si cette date est fausse, merci de corriger l’horloge."
            )],
            Some(End::Person) => vec![text!(
                "Nothing was planned or sent meanwhile. A person has confirmed it, and mails leave.",
                "Entre-temps, rien n’a été préparé ni envoyé. Une personne l’a confirmée, et les courriels partent."
            )],
        };
        let body = [what].into_iter().chain(rest).collect();
        self.note_to_contact(NOTE_CLOCK, cause, subject, body, now)
    }
}
