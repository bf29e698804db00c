//! Instants in writing: for people the local date, with the minute where it matters; for programs
//! RFC 3339.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

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

/// A local date and time for people, to the second where that is near: a pause may be half a
/// minute.
pub(crate) fn soon(at: DateTime<Utc>, calendar: &Calendar, now: DateTime<Utc>) -> String {
    let form = if at - now < TimeDelta::hours(1) {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.with_timezone(&calendar.tz).format(form).to_string()
}

/// A local date for people.
pub(crate) fn day(at: DateTime<Utc>, calendar: &Calendar) -> String {
    calendar.date(at).format("%Y-%m-%d").to_string()
}
