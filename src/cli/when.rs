//! Instants on the command line, and how they are shown.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

use crate::cli::failure::Failure;
use crate::domain::calendar::Calendar;
use crate::domain::language::text;

/// What a date without an hour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    StartOfDay,
    EndOfDay,
}

/// Reads a date, a local date-time or an RFC 3339 instant.
pub(super) fn instant(
    written: &str,
    calendar: &Calendar,
    bare: Bare,
) -> Result<DateTime<Utc>, Failure> {
    if let Ok(date) = written.parse::<NaiveDate>() {
        return Ok(match bare {
            Bare::StartOfDay => calendar.start_of_day(date),
            Bare::EndOfDay => calendar.end_of_day(date),
        });
    }
    for form in [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(local) = NaiveDateTime::parse_from_str(written, form) {
            return Ok(calendar.instant(local));
        }
    }
    DateTime::parse_from_rfc3339(written)
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| {
            let shown = written.escape_debug();
            Failure::usage(text!("{shown} is not a date", "{shown} n’est pas une date")).hint(
                text!(
                    "write it as 2026-11-22, 2026-11-22T09:00 or 2026-11-22T09:00:00+01:00",
                    "l’écrire 2026-11-22, 2026-11-22T09:00 ou 2026-11-22T09:00:00+01:00"
                ),
            )
        })
}

/// An instant for programs: RFC 3339 with the local offset, whole seconds.
pub(super) fn rfc3339(at: DateTime<Utc>, calendar: &Calendar) -> String {
    at.with_timezone(&calendar.tz)
        .to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// An instant for people: local date and hour.
pub(super) fn minute(at: DateTime<Utc>, calendar: &Calendar) -> String {
    at.with_timezone(&calendar.tz)
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

/// A local date for people.
pub(super) fn day(at: DateTime<Utc>, calendar: &Calendar) -> String {
    calendar.date(at).format("%Y-%m-%d").to_string()
}
