//! Who can be reached: how a mail did not reach its recipient, for how long a doubtful
//! acceptance is on trial, and what keeps bounces from being read.

use chrono::Duration;
use serde_json::{Value, json};

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::words;

/// A mail that is accepted after a bounce may still come back: the mark ends after this long.
pub const TRIAL: Duration = Duration::days(1);

/// How a mail did not reach its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The server refused the recipient for good.
    Refused,
    /// It was accepted, and came back: the recipient was refused for good further on.
    Bounced,
    /// It was accepted, and came back: further on it was tried for too long.
    Expired,
}

words!(Way {
    Refused = "refused",
    Bounced = "bounced",
    Expired = "expired",
});

impl Way {
    /// Whether the recipient is refused for good.
    pub fn is_for_good(self) -> bool {
        match self {
            Self::Refused | Self::Bounced => true,
            Self::Expired => false,
        }
    }
}

/// What keeps the bounces from being read, or from being put away once read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// There is nothing at that path.
    Missing,
    /// What is there is no Maildir.
    NotAMaildir,
    /// The directory, or a message in it, cannot be read.
    Unreadable(String),
    /// What was read cannot be moved from `new` to `cur`.
    Unmovable(String),
    /// The directory does not answer in time.
    Slow,
}

impl Hindrance {
    /// Its word, and what the system said.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Missing => ("missing", ""),
            Self::NotAMaildir => ("not_a_maildir", ""),
            Self::Unreadable(why) => ("unreadable", why),
            Self::Unmovable(why) => ("unmovable", why),
            Self::Slow => ("slow", ""),
        }
    }

    /// As the store keeps it.
    pub fn to_row(&self) -> String {
        let (word, why) = self.parts();
        json!([word, why]).to_string()
    }

    /// Reads [`Self::to_row`] back.
    pub fn from_row(row: &str) -> Option<Self> {
        let row: Value = serde_json::from_str(row).ok()?;
        let why = || row[1].as_str().unwrap_or_default().to_owned();
        match row[0].as_str()? {
            "missing" => Some(Self::Missing),
            "not_a_maildir" => Some(Self::NotAMaildir),
            "unreadable" => Some(Self::Unreadable(why())),
            "unmovable" => Some(Self::Unmovable(why())),
            "slow" => Some(Self::Slow),
            _ => None,
        }
    }

    /// In a few words.
    pub fn said(&self) -> Text {
        match self {
            Self::Missing => text!("there is no such directory", "ce dossier n’existe pas"),
            Self::NotAMaildir => text!(
                "it is no Maildir: `new` and `cur` are not in it",
                "ce n’est pas un Maildir : `new` et `cur` n’y sont pas"
            ),
            Self::Unreadable(why) => {
                text!("it cannot be read: {why}", "lecture impossible : {why}")
            }
            Self::Unmovable(why) => text!(
                "what was read cannot be moved to `cur`: {why}",
                "ce qui a été lu ne peut pas être déplacé vers `cur` : {why}"
            ),
            Self::Slow => text!("it does not answer", "il ne répond pas"),
        }
    }

    /// What a person should do about it.
    pub fn advice(&self) -> Text {
        match self {
            Self::Missing | Self::NotAMaildir => text!(
                "write in `[mail] bounces` the Maildir into which the mail server delivers what is sent to `from`; the server makes it with the first mail",
                "écrire dans `[mail] bounces` le Maildir où le serveur de messagerie dépose ce qui est adressé à `from` ; le serveur le crée au premier courriel"
            ),
            Self::Unreadable(_) | Self::Unmovable(_) => text!(
                "let the user of the daemon read and write there; under systemd a drop-in with ReadWritePaths= and that path",
                "permettre à l’utilisateur du service d’y lire et d’y écrire ; sous systemd, un complément avec ReadWritePaths= et ce chemin"
            ),
            Self::Slow => text!(
                "see to the disk or the network that it lies on",
                "voir le disque ou le réseau où il se trouve"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hindrance_is_read_back_as_it_was_kept() {
        for hindrance in [
            Hindrance::Missing,
            Hindrance::NotAMaildir,
            Hindrance::Unreadable("Permission denied".to_owned()),
            Hindrance::Unmovable("Read-only file system".to_owned()),
            Hindrance::Slow,
        ] {
            assert_eq!(Hindrance::from_row(&hindrance.to_row()), Some(hindrance));
        }
        assert_eq!(Hindrance::from_row("[\"other\"]"), None);
        assert_eq!(Hindrance::from_row(""), None);
    }
}
