//! What may be said of a token by the pages: which page offers what, and the words of its title,
//! its button and the note afterwards.

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::Silence;
use crate::renewal::verbs::Standing;
use crate::web::board::acts::flash::Note;

/// An act on a token: a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Filed,
    Renew,
    Snooze,
    Revoke,
}

impl Act {
    pub(super) const ALL: [Self; 4] = [Self::Filed, Self::Renew, Self::Snooze, Self::Revoke];

    /// Its word in addresses and forms.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Renew => "renew",
            Self::Snooze => "snooze",
            Self::Revoke => "revoke",
        }
    }
}

/// What a form says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    File,
    Unfile,
    RefuseFiled,
    Renew,
    Correct,
    Undeclare,
    Snooze,
    Wake,
    Revoke,
}

impl Choice {
    const ALL: [Self; 9] = [
        Self::File,
        Self::Unfile,
        Self::RefuseFiled,
        Self::Renew,
        Self::Correct,
        Self::Undeclare,
        Self::Snooze,
        Self::Wake,
        Self::Revoke,
    ];

    /// Its word in addresses and forms.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Unfile => "undo",
            Self::RefuseFiled => "refused",
            Self::Renew => "renew",
            Self::Correct => "correct",
            Self::Undeclare => "not-renewed",
            Self::Snooze => "snooze",
            Self::Wake => "wake",
            Self::Revoke => "revoke",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.word() == word)
    }
}

impl Act {
    /// What this page offers of a token that stands so; the first one is its own.
    pub(super) fn choices(self, standing: &Standing) -> Vec<Choice> {
        let is = |kind| standing.said.iter().any(|s| s.kind == kind);
        match self {
            Self::Filed if is(Silence::Filed) => {
                vec![Choice::File, Choice::RefuseFiled, Choice::Unfile]
            }
            Self::Filed => vec![Choice::File],
            Self::Renew if is(Silence::Declared) => {
                vec![Choice::Renew, Choice::Undeclare, Choice::Correct]
            }
            Self::Renew => vec![Choice::Renew, Choice::Correct],
            Self::Snooze if is(Silence::Snoozed) => vec![Choice::Snooze, Choice::Wake],
            Self::Snooze => vec![Choice::Snooze],
            Self::Revoke => vec![Choice::Revoke],
        }
    }

    /// What a form of this page says; `None`: no form of it.
    pub(super) fn choice(self, word: &str) -> Option<Choice> {
        let choice = Choice::from_word(word)?;
        let of = match choice {
            Choice::File | Choice::Unfile | Choice::RefuseFiled => Self::Filed,
            Choice::Renew | Choice::Correct | Choice::Undeclare => Self::Renew,
            Choice::Snooze | Choice::Wake => Self::Snooze,
            Choice::Revoke => Self::Revoke,
        };
        (of == self).then_some(choice)
    }

    /// What it says before anything was typed; `None`: it needs a date.
    pub(super) fn of_itself(self, standing: &Standing) -> Option<Choice> {
        let is_filed = standing.said.iter().any(|s| s.kind == Silence::Filed);
        match self {
            Self::Filed if !is_filed => Some(Choice::File),
            Self::Revoke => Some(Choice::Revoke),
            Self::Filed | Self::Renew | Self::Snooze => None,
        }
    }

    pub(super) fn title(self) -> Text {
        match self {
            Self::Filed => text!("Request filed: {{}}", "Demande déposée : {{}}"),
            Self::Renew => text!("Renew: {{}}", "Renouveler : {{}}"),
            Self::Snooze => text!("Put reminders off: {{}}", "Mettre en sommeil : {{}}"),
            Self::Revoke => text!("Revoke: {{}}", "Révoquer : {{}}"),
        }
    }
}

impl Choice {
    /// What is done by it, told afterwards.
    pub(super) fn note(self, is_planned: impl FnOnce() -> bool) -> Note {
        match self {
            Self::File => Note::Filed,
            Self::Unfile => Note::Unfiled,
            Self::RefuseFiled => Note::RefusedFiled,
            Self::Renew => Note::Renewed,
            Self::Correct => Note::Corrected,
            Self::Undeclare => Note::Undeclared,
            Self::Snooze => Note::Snoozed,
            Self::Wake => Note::Woken,
            Self::Revoke if is_planned() => Note::RevocationPlanned,
            Self::Revoke => Note::Revoked,
        }
    }

    /// The fields that it has.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::File => &["on", "by", "reference"],
            Self::Renew | Self::Correct => &["expires", "issued"],
            Self::Snooze => &["until"],
            Self::Revoke => &["on"],
            Self::Unfile | Self::RefuseFiled | Self::Undeclare | Self::Wake => &[],
        }
    }

    /// The button that does it.
    pub(super) fn button(self) -> Text {
        match self {
            Self::File => text!("Record: it is filed", "Enregistrer : elle est déposée"),
            Self::Unfile => text!(
                "Record: it is not filed",
                "Enregistrer : elle n’est pas déposée"
            ),
            Self::RefuseFiled => {
                text!("Record: it was refused", "Enregistrer : elle a été refusée")
            }
            Self::Renew => text!("Record: it is renewed", "Enregistrer : il est renouvelé"),
            Self::Correct => text!("Correct the date", "Corriger la date"),
            Self::Undeclare => {
                text!(
                    "Record: it is not renewed",
                    "Enregistrer : il n’est pas renouvelé"
                )
            }
            Self::Snooze => text!("Put reminders off", "Mettre les rappels en sommeil"),
            Self::Wake => text!("Have reminders leave again", "Faire repartir les rappels"),
            Self::Revoke => text!("Record: it is revoked", "Enregistrer : il est révoqué"),
        }
    }
}
