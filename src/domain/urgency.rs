//! The six urgencies of a reminder, by the time left at the moment of sending.
//!
//! The wording of a mail is chosen by an exhaustive match on this enum, so that no configured
//! stage can lack a text.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;

/// How a reminder speaks. Later variants are more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// More than 60 days left.
    Information,
    /// 16 to 60 days left.
    Reminder,
    /// 2 to 15 days left.
    Urgent,
    /// It expires tomorrow.
    Tomorrow,
    /// It expires today and still works.
    Today,
    /// The access is cut.
    Expired,
}

impl Urgency {
    /// All urgencies, the least first.
    pub const ALL: [Self; 6] = [
        Self::Information,
        Self::Reminder,
        Self::Urgent,
        Self::Tomorrow,
        Self::Today,
        Self::Expired,
    ];

    /// The urgency at `now` of a token that expires at `expires`.
    pub fn at(calendar: &Calendar, expires: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        if now > expires {
            return Self::Expired;
        }
        match calendar.days_between(now, expires) {
            ..=0 => Self::Today,
            1 => Self::Tomorrow,
            2..=15 => Self::Urgent,
            16..=60 => Self::Reminder,
            61.. => Self::Information,
        }
    }

    /// The word used in JSON and in template contexts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Reminder => "reminder",
            Self::Urgent => "urgent",
            Self::Tomorrow => "tomorrow",
            Self::Today => "today",
            Self::Expired => "expired",
        }
    }
}
