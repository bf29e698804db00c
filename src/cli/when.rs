//! Instants on the command line, and how they are shown.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};

use crate::cli::failure::Failure;
use crate::domain::calendar::Calendar;
use crate::domain::language::{looks_like_jwt, text};
pub(super) use crate::words::when::{day, minute, rfc3339};

/// What a date without an hour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    StartOfDay,
    EndOfDay,
}

/// The years of a date on the command line: a mail can carry them, and so can every sum.
const YEARS: RangeInclusive<i32> = 1..=9000;

/// Reads a date, a local date-time or an RFC 3339 instant.
pub(super) fn instant(
    written: &str,
    calendar: &Calendar,
    bare: Bare,
) -> Result<DateTime<Utc>, Failure> {
    if looks_like_jwt(written) {
        return Err(Failure::token_instead_of(&text!("a date", "d’une date")));
    }
    parse(written, calendar, bare)
        .filter(|at| YEARS.contains(&at.year()))
        .ok_or_else(|| {
            let shown = written.escape_debug();
            Failure::usage(text!(
                "`{shown}` is not a date",
                "`{shown}` n’est pas une date"
            ))
            .hint(text!(
                "write it as 2026-11-22, 2026-11-22T09:00 or 2026-11-22T09:00:00+01:00",
                "l’écrire 2026-11-22, 2026-11-22T09:00 ou 2026-11-22T09:00:00+01:00"
            ))
        })
}

fn parse(written: &str, calendar: &Calendar, bare: Bare) -> Option<DateTime<Utc>> {
    let sound = |date: &NaiveDate| YEARS.contains(&date.year());
    if let Ok(date) = written.parse::<NaiveDate>() {
        return sound(&date).then(|| match bare {
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
            return sound(&local.date()).then(|| calendar.instant(local));
        }
    }
    let at = DateTime::parse_from_rfc3339(written).ok()?;
    Some(at.with_timezone(&Utc))
}
