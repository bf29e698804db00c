//! How near an end is, and how long ago something was, as the overview, the timeline and the page
//! of health say it.

use chrono::{DateTime, Duration, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::health;
use crate::words::when;

/// The hour of an instant of today; with its date on another day.
pub(in crate::web::board) fn hour(
    at: DateTime<Utc>,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> String {
    if calendar.date(at) == calendar.date(now) {
        at.with_timezone(&calendar.tz).format("%H:%M").to_string()
    } else {
        when::minute(at, calendar)
    }
}

/// How long ago something was, in its largest fitting unit.
pub(in crate::web::board) fn ago(span: Duration) -> Text {
    if span < Duration::minutes(1) {
        return text!("less than a minute ago", "il y a moins d’une minute");
    }
    text!("{{}} ago", "il y a {{}}").with(&health::span(span))
}

/// How far an end is, in days.
pub(in crate::web::board) fn left(days: i64) -> Text {
    let count = |n| counted(n, ["day", "days"], ["jour", "jours"]);
    match days {
        2.. => text!("in {{}}", "dans {{}}").with(&count(days)),
        1 => text!("tomorrow", "demain"),
        0 => text!("today", "aujourd’hui"),
        -1 => text!("yesterday", "hier"),
        ..-1 => text!("{{}} ago", "il y a {{}}").with(&count(days.saturating_neg())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
