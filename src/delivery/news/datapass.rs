//! What people are told of Data Pass's decisions: a refusal, changes that are wanted, an approval
//! that somebody has to confirm.
//!
//! Data Pass tells the applicant itself; these notes say what it means for the reminders.

use chrono::{DateTime, NaiveDate, Utc};

use super::{day, draft, name_of, to_contact, to_people};
use crate::delivery::desk::Desk;
use crate::domain::language::{Text, text};
use crate::domain::token::Role;
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::outbox::Person;
use crate::store::quiet::Item;
use crate::store::record::Token;
use crate::store::settle::NewNote;

/// What Data Pass decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Refused,
    ChangesRequested,
    Approved,
}

impl Decision {
    fn kind(self) -> &'static str {
        match self {
            Self::Refused => "note_request_refused",
            Self::ChangesRequested => "note_changes_requested",
            Self::Approved => "note_request_approved",
        }
    }
}

/// The notes about a decision that still matters. An approval is for the contact to confirm; the
/// rest is also for whoever has to file again.
pub(super) async fn notes(
    tx: &mut Tx,
    desk: &Desk,
    (item, decision): (&Item, Decision),
    token: &Token,
    now: DateTime<Utc>,
) -> Result<Vec<NewNote>> {
    let of = |key: &str| item.detail[key].as_str().unwrap_or_default();
    let fired = DateTime::parse_from_rfc3339(of("fired_at"));
    let fired = fired.map_or(item.at, |at| at.with_timezone(&Utc));
    let told = Told {
        desk,
        token,
        number: of("number"),
        on: desk.calendar.date(fired),
        day: day(desk, fired),
    };
    let (subject, body) = match decision {
        Decision::Refused => told.refused(),
        Decision::ChangesRequested => told.changes_requested(),
        Decision::Approved => told.approved(),
    };
    let cause = format!("datapass:{}:{}", token.id, fired.timestamp());
    let draft = draft(decision.kind(), cause, subject, body);
    let people: Vec<Person> = match decision {
        Decision::Approved => Vec::new(),
        Decision::Refused | Decision::ChangesRequested => tx
            .people_of(token.no)
            .await?
            .into_iter()
            .filter(|p| p.role == Role::Demandeur.word())
            .collect(),
    };
    let mut notes = to_people(desk, &people, &draft, now);
    let contact = to_contact(desk, token, draft, now);
    let is_told = |n: &NewNote| people.iter().any(|p| p.key == n.recipient);
    notes.extend(contact.into_iter().filter(|n| !is_told(n)));
    Ok(notes)
}

/// What a note is made from.
struct Told<'a> {
    desk: &'a Desk,
    token: &'a Token,
    number: &'a str,
    on: NaiveDate,
    day: Text,
}

impl Told<'_> {
    fn refused(&self) -> (Text, Vec<Text>) {
        let (name, number) = (name_of(self.token), self.number);
        let Text { en, fr } = &self.day;
        let subject = text!(
            "Refused by Data Pass: renewal of token “{name}”",
            "Refusée par Data Pass : demande pour le jeton « {name} »"
        );
        let body = vec![
            text!(
                "On {en} Data Pass refused request {number} for the token “{name}”. Its reason is in Data Pass.",
                "Le {fr}, Data Pass a refusé la demande {number} pour le jeton « {name} ». Le motif se trouve dans Data Pass."
            ),
            self.goes_on(),
        ];
        (subject, body)
    }

    fn changes_requested(&self) -> (Text, Vec<Text>) {
        let (name, number) = (name_of(self.token), self.number);
        let Text { en, fr } = &self.day;
        let subject = text!(
            "Changes requested by Data Pass: token “{name}”",
            "Modifications demandées par Data Pass : jeton « {name} »"
        );
        let body = vec![
            text!(
                "On {en} the instructor asked for changes of request {number} for the token “{name}”. Until they are made and the request is filed again, nothing is examined.",
                "Le {fr}, l’instructeur a demandé des modifications de la demande {number} pour le jeton « {name} ». Tant qu’elles ne sont pas faites et la demande redéposée, rien n’est examiné."
            ),
            self.goes_on(),
        ];
        (subject, body)
    }

    /// What a request that is not filed any more means for the token.
    fn goes_on(&self) -> Text {
        let Text { en, fr } = day(self.desk, self.token.period.expires);
        text!(
            "The token still expires on {en}, and the request no longer counts as filed: the reminders go on.",
            "Le jeton expire toujours le {fr}, et la demande ne compte plus comme déposée : les rappels reprennent."
        )
    }

    fn approved(&self) -> (Text, Vec<Text>) {
        let (name, number, id, on) = (name_of(self.token), self.number, &self.token.id, self.on);
        let dashboard = &self.desk.dashboard;
        let Text { en, fr } = &self.day;
        let subject = text!(
            "To confirm: approved by Data Pass, token “{name}”",
            "À confirmer : jeton « {name} », validé par Data Pass"
        );
        let end = day(self.desk, self.token.period.expires);
        let (end_en, end_fr) = (end.en, end.fr);
        let body = vec![
            text!(
                "On {en} Data Pass approved request {number} for the token “{name}”.",
                "Le {fr}, Data Pass a validé la demande {number} pour le jeton « {name} »."
            ),
            text!(
                "If the same token was prolonged, confirm it with the following command; its new date is on the dashboard ({dashboard}).",
                "Si le même jeton est prolongé, le confirmer avec la commande suivante ; sa nouvelle date figure sur le tableau de bord ({dashboard})."
            ),
            // By itself, so that no line break falls into it.
            text!(
                "`jetond renew {id} --issued {on}`",
                "`jetond renew {id} --issued {on}`"
            ),
            text!(
                "If a new token was made, declare that one.",
                "Si un nouveau jeton a été créé, déclarer celui-ci."
            ),
            text!(
                "Until then the token counts as expiring on {end_en}, and its reminders go on. With `on_approve = \"renew\"` in [datapass] an approval renews by itself.",
                "D’ici là, le jeton compte comme expirant le {end_fr}, et les rappels continuent. Avec `on_approve = \"renew\"` dans [datapass], une validation renouvelle d’elle-même."
            ),
        ];
        (subject, body)
    }
}
