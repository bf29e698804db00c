//! What an event does to a token: dates that change in the file, and the reasons for which a
//! notice that was owed is no longer mailed.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::token::Jti;

/// An expiry this many days later, or more, is a renewal; less is a correction.
pub const RENEWAL_DAYS: i64 = 30;

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The config file: its absence from the file archives it.
    File,
    /// An import.
    Import,
    /// A webhook.
    Webhook,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is watched.
    Active,
    /// It is no longer in the file, or a person put it away.
    Archived,
    /// Another token took its place.
    Superseded,
    /// It was revoked.
    Revoked,
}

/// Who put a token into its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The file, by presence or absence.
    File,
    /// A person; the file does not undo it.
    Person,
}

/// Why an owed notice is not mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suppression {
    /// The token lives on with a later date.
    Renewed,
    /// Another token took its place.
    Superseded,
    /// The token was revoked.
    Revoked,
    /// The token was archived.
    Archived,
    /// The recipient is no longer told about this token.
    RecipientRemoved,
    /// A person cancelled it.
    Cancelled,
    /// The renewal request was filed.
    Filed,
    /// A recipient declared a renewal that nobody has confirmed yet.
    Declared,
    /// A person put the reminders off.
    Snoozed,
}

/// What silences the stages above [`LAST_WORDS`] of a period, until it is undone or renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Silence {
    /// A recipient declared a renewal that nobody has confirmed yet.
    Declared,
    /// The renewal request was filed.
    Filed,
    /// A person put the reminders off until a date.
    Snoozed,
}

/// This stage and the later ones are told whatever was filed, declared or put off.
pub const LAST_WORDS: i32 = 15;

impl Silence {
    /// Why a notice that it silences is not mailed.
    pub fn reason(self) -> Suppression {
        match self {
            Self::Declared => Suppression::Declared,
            Self::Filed => Suppression::Filed,
            Self::Snoozed => Suppression::Snoozed,
        }
    }
}

/// Who says that something happened. [`fmt::Display`] is the word of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// The config file.
    File,
    /// The daemon by itself: a date has come.
    Daemon,
    /// A person at the command line, by the name of the system.
    User(String),
    /// A person at the pages, by the name of their login.
    Web(String),
    /// A recipient by a link in a mail: their key.
    Recipient(String),
    /// An import: the file's name, or `-`.
    Import(String),
    /// Data Pass.
    Webhook,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Daemon => f.write_str("daemon"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Web(name) => write!(f, "web:{name}"),
            Self::Recipient(key) => write!(f, "recipient:{key}"),
            Self::Import(name) => write!(f, "import:{name}"),
            Self::Webhook => f.write_str("webhook"),
        }
    }
}

/// An event of which people are told by a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// The token lives on: those who were reminded hear that it is done.
    Renewed,
    /// Another token took its place: the same.
    Superseded,
    /// A recipient declared a renewal: the contact is asked to confirm it.
    Declared,
    /// A recipient said that the token is not for them: the contact and the others are told.
    NotForMe,
    /// Data Pass says that the request was refused.
    RequestRefused,
    /// Data Pass says that the instructor wants changes.
    ChangesRequested,
    /// Data Pass says that the request was approved: the contact is asked for the renewal.
    RequestApproved,
}

/// A closed enum and the words by which config, store and JSON know it.
macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every variant, in order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word of store and JSON.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads [`Self::word`] back.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use words;

words!(Origin { File = "file", Import = "import", Webhook = "webhook" });
words!(State { Active = "active", Archived = "archived", Superseded = "superseded", Revoked = "revoked" });
words!(By { File = "file", Person = "person" });
words!(Suppression {
    Renewed = "renewed",
    Superseded = "superseded",
    Revoked = "revoked",
    Archived = "archived",
    RecipientRemoved = "recipient_removed",
    Cancelled = "cancelled",
    Filed = "filed",
    Declared = "declared",
    Snoozed = "snoozed",
});
words!(Silence { Declared = "declared", Filed = "filed", Snoozed = "snoozed" });
words!(News {
    Renewed = "renewed",
    Superseded = "superseded",
    Declared = "declared",
    NotForMe = "not_for_me",
    RequestRefused = "request_refused",
    ChangesRequested = "changes_requested",
    RequestApproved = "request_approved",
});

/// What the file said of a token when it was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDates {
    /// Its expiry.
    pub expires: DateTime<Utc>,
    /// Its `jti`.
    pub jti: Option<Jti>,
}

/// What a new reading of the file does to the dates of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateChange {
    /// The file says what it said before: the record of what happened stands.
    Unchanged,
    /// A new period begins.
    Renewal,
    /// The same period gets another date; nothing is sent again.
    Correction,
}

/// Compares what the file says now with what it said before and with the record
/// (`docs/rules.md`, *Dates: the file against the record*).
pub fn date_change(
    calendar: &Calendar,
    before: Option<&FileDates>,
    recorded: &FileDates,
    now_in_file: &FileDates,
) -> DateChange {
    if before == Some(now_in_file) {
        return DateChange::Unchanged;
    }
    let same_jti_in_file = before.is_some_and(|b| b.jti == now_in_file.jti);
    let another_jti = match (&recorded.jti, &now_in_file.jti) {
        (Some(old), Some(new)) => old != new && !same_jti_in_file,
        (None, _) | (_, None) => false,
    };
    if before.is_some_and(|b| b.expires == now_in_file.expires) {
        // The date stands as it stood: it is no event, and undoes nothing that happened since.
        let moved_on = before.is_some_and(|b| b.expires != recorded.expires);
        return if another_jti && !moved_on {
            DateChange::Renewal
        } else {
            DateChange::Unchanged
        };
    }
    let later = calendar.days_between(recorded.expires, now_in_file.expires);
    if another_jti || later >= RENEWAL_DAYS {
        DateChange::Renewal
    } else if recorded.expires != now_in_file.expires {
        DateChange::Correction
    } else {
        DateChange::Unchanged
    }
}

/// Whether archiving `leaving` of `active` tokens of the file at once looks like an accident:
/// more than a quarter of them, and at least three.
pub fn looks_like_an_accident(leaving: usize, active: usize) -> bool {
    leaving >= 3 && leaving * 4 > active
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days, Window};

    fn dates(expires: &str, jti: Option<&str>) -> FileDates {
        FileDates {
            expires: DateTime::parse_from_rfc3339(expires)
                .unwrap()
                .with_timezone(&Utc),
            jti: jti.map(|j| Jti::parse(j).unwrap()),
        }
    }

    #[test]
    fn a_change_in_the_file_is_a_renewal_or_a_correction() {
        let cal = Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: Days::Any,
            opens: None,
        };
        let old = dates("2026-06-15T21:59:59Z", Some("aaaa"));
        let change = |before: &FileDates, recorded: &FileDates, now: &FileDates| {
            date_change(&cal, Some(before), recorded, now)
        };
        assert_eq!(change(&old, &old, &old), DateChange::Unchanged);
        assert_eq!(
            change(&old, &old, &dates("2026-07-14T21:59:59Z", Some("aaaa"))),
            DateChange::Correction
        );
        assert_eq!(
            change(&old, &old, &dates("2026-07-15T21:59:59Z", Some("aaaa"))),
            DateChange::Renewal
        );
        assert_eq!(
            change(&old, &old, &dates("2026-05-15T21:59:59Z", Some("bbbb"))),
            DateChange::Renewal
        );
        assert_eq!(
            change(&old, &old, &dates("2026-05-15T21:59:59Z", Some("aaaa"))),
            DateChange::Correction
        );
        // The record moved on by itself: an unchanged file does not undo it …
        let renewed = dates("2027-12-15T22:59:59Z", Some("aaaa"));
        assert_eq!(change(&old, &renewed, &old), DateChange::Unchanged);
        // … and a file that catches up changes nothing.
        assert_eq!(change(&old, &renewed, &renewed), DateChange::Unchanged);
        // Nor does a file that only gets a jti, or another one: what it says of the day is old.
        assert_eq!(
            change(
                &dates("2026-06-15T21:59:59Z", None),
                &renewed,
                &dates("2026-06-15T21:59:59Z", Some("cccc"))
            ),
            DateChange::Unchanged
        );
        // A jti that is added, or left out, is no other jti.
        assert_eq!(
            change(
                &dates("2026-06-15T21:59:59Z", None),
                &dates("2026-06-15T21:59:59Z", None),
                &old
            ),
            DateChange::Unchanged
        );
    }

    #[test]
    fn a_quarter_and_three_tokens_are_the_brake() {
        assert!(!looks_like_an_accident(2, 2));
        assert!(looks_like_an_accident(3, 4));
        assert!(!looks_like_an_accident(3, 12));
        assert!(looks_like_an_accident(4, 12));
    }
}
