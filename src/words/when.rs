//! Instants in writing: for people the local date, with the minute where it matters; for programs
//! RFC 3339.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::calendar::Calendar;

/// An instant for programs: RFC 3339 with the local offset, whole seconds.
pub(crate) fn rfc3339(at: DateTime<Utc>, calendar: &Calendar) -> String {
    at.with_timezone(&calendar.tz)
        .to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// An instant for people: local date and hour.
pub(crate) fn minute(at: DateTime<Utc>, calendar: &Calendar) -> String {
    at.with_timezone(&calendar.tz)
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

/// A local date for people.
pub(crate) fn day(at: DateTime<Utc>, calendar: &Calendar) -> String {
    calendar.date(at).format("%Y-%m-%d").to_string()
}
