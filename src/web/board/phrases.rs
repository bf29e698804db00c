//! The words and marks that several pages use: days and moments, how near an end is, a name as a
//! piece of a path.

use std::fmt::Write as _;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::health;

/// A local date for people.
pub(in crate::web) fn day(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

/// An instant for people: local date and hour.
pub(in crate::web) fn minute(at: DateTime<Utc>, calendar: &Calendar) -> String {
    let local = at.with_timezone(&calendar.tz);
    local.format("%Y-%m-%d %H:%M").to_string()
}

/// The hour of an instant of today; with its date on another day.
pub(in crate::web) fn hour(at: DateTime<Utc>, calendar: &Calendar, now: DateTime<Utc>) -> String {
    if calendar.date(at) == calendar.date(now) {
        at.with_timezone(&calendar.tz).format("%H:%M").to_string()
    } else {
        minute(at, calendar)
    }
}

/// How long ago something was, in its largest fitting unit.
pub(in crate::web) fn ago(span: Duration) -> Text {
    if span < Duration::minutes(1) {
        return text!("less than a minute ago", "il y a moins d’une minute");
    }
    text!("{{}} ago", "il y a {{}}").with(&health::span(span))
}

/// How far an end is, in days.
pub(in crate::web) fn left(days: i64) -> Text {
    let count = |n| counted(n, ["day", "days"], ["jour", "jours"]);
    match days {
        2.. => text!("in {{}}", "dans {{}}").with(&count(days)),
        1 => text!("tomorrow", "demain"),
        0 => text!("today", "aujourd’hui"),
        -1 => text!("yesterday", "hier"),
        ..-1 => text!("{{}} ago", "il y a {{}}").with(&count(days.saturating_neg())),
    }
}

/// A name as one piece of a path: what is not plain is written as its bytes.
pub(in crate::web) fn segment(name: &str) -> String {
    // A piece that is only dots would be a step of the path.
    let only_dots = name.bytes().all(|b| b == b'.');
    let mut written = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'.' if only_dots => written.push_str("%2E"),
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => written.push(char::from(b)),
            b => {
                let _ = write!(written, "%{b:02X}");
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_piece_of_a_path() {
        assert_eq!(segment("marches-publics"), "marches-publics");
        assert_eq!(segment("a/b?c#é"), "a%2Fb%3Fc%23%C3%A9");
        assert_eq!(segment(".."), "%2E%2E");
    }

    #[test]
    fn days_are_counted_as_each_language_does() {
        let said = |n| {
            let Text { en, fr } = left(n);
            format!("{en} | {}", fr.replace('\u{a0}', "~"))
        };
        assert_eq!(said(2), "in 2 days | dans 2~jours");
        assert_eq!(said(1), "tomorrow | demain");
        assert_eq!(said(-1), "yesterday | hier");
        assert_eq!(said(0), "today | aujourd’hui");
        assert_eq!(said(-7), "7 days ago | il y a 7~jours");
    }
}
