//! The note of what was just done, on the page to which an act goes back: a word of the address,
//! out of this list and no other.

use crate::domain::language::{Text, text};
use crate::web::board::Ask;

/// The parameter that carries the word.
pub(super) const DONE: &str = "done";

/// What an act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    Already,
    Filed,
    Unfiled,
    RefusedFiled,
    Renewed,
    Corrected,
    Undeclared,
    Snoozed,
    Woken,
    Revoked,
    RevocationPlanned,
    Retried,
    Cancelled,
    Released,
    Believed,
}

impl Note {
    const ALL: [Self; 15] = [
        Self::Already,
        Self::Filed,
        Self::Unfiled,
        Self::RefusedFiled,
        Self::Renewed,
        Self::Corrected,
        Self::Undeclared,
        Self::Snoozed,
        Self::Woken,
        Self::Revoked,
        Self::RevocationPlanned,
        Self::Retried,
        Self::Cancelled,
        Self::Released,
        Self::Believed,
    ];

    /// Its word in addresses and forms.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::Filed => "filed",
            Self::Unfiled => "unfiled",
            Self::RefusedFiled => "filing-refused",
            Self::Renewed => "renewed",
            Self::Corrected => "corrected",
            Self::Undeclared => "not-renewed",
            Self::Snoozed => "snoozed",
            Self::Woken => "woken",
            Self::Revoked => "revoked",
            Self::RevocationPlanned => "revocation-planned",
            Self::Retried => "retried",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Believed => "believed",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.word() == word)
    }
}

/// What an operator is told who comes back from an act.
pub(in crate::web::board) fn said(ask: &Ask) -> Option<Text> {
    if !ask.visitor.may_act() {
        return None;
    }
    Some(words(Note::from_word(ask.query.get(DONE)?)?))
}

fn words(note: Note) -> Text {
    match note {
        Note::Already => text!(
            "This was on record already: nothing changed.",
            "C’était déjà enregistré : rien n’a changé."
        ),
        Note::Filed => text!(
            "Recorded: the renewal request is filed.",
            "Enregistré : la demande de renouvellement est déposée."
        ),
        Note::Unfiled => text!(
            "Recorded: the request counts as filed no longer.",
            "Enregistré : la demande n’est plus considérée comme déposée."
        ),
        Note::RefusedFiled => text!(
            "Recorded: the request was refused, reminders resume.",
            "Enregistré : la demande a été refusée, les rappels reprennent."
        ),
        Note::Renewed => text!(
            "Recorded: the token is renewed.",
            "Enregistré : le jeton est renouvelé."
        ),
        Note::Corrected => text!(
            "Recorded: the date is corrected, nothing is sent again.",
            "Enregistré : la date est corrigée, rien n’est envoyé de nouveau."
        ),
        Note::Undeclared => text!(
            "Recorded: the token is not renewed, reminders go on.",
            "Enregistré : le jeton n’est pas renouvelé, les rappels continuent."
        ),
        Note::Snoozed => text!(
            "Recorded: reminders are put off.",
            "Enregistré : les rappels sont en sommeil."
        ),
        Note::Woken => text!(
            "Recorded: reminders are put off no longer.",
            "Enregistré : les rappels ne sont plus en sommeil."
        ),
        Note::Revoked => text!(
            "Recorded: the token is revoked.",
            "Enregistré : le jeton est révoqué."
        ),
        Note::RevocationPlanned => text!(
            "Recorded: the token is to be revoked.",
            "Enregistré : le jeton sera révoqué."
        ),
        Note::Retried => text!(
            "Recorded: this mail leaves at the next occasion.",
            "Enregistré : ce courriel part à la prochaine occasion."
        ),
        Note::Cancelled => text!(
            "Recorded: this mail is cancelled.",
            "Enregistré : ce courriel est annulé."
        ),
        Note::Released => text!(
            "Recorded: the held mails may leave.",
            "Enregistré : les courriels retenus peuvent partir."
        ),
        Note::Believed => text!(
            "Recorded: the clock is believed as it is now.",
            "Enregistré : l’horloge est acceptée telle qu’elle est."
        ),
    }
}
