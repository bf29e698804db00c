//! The axis of time under the bars: from three months back to eighteen months ahead, in percents
//! of its width, so that a chart is as wide as its page.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;

/// Months before the present one, for the stages that were told.
const BEHIND: u32 = 3;

/// Months after it.
pub(in crate::web::board) const AHEAD: u32 = 18;

const MONTHS_EN: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const MONTHS_FR: [&str; 12] = [
    "jan", "fév", "mar", "avr", "mai", "juin", "juil", "août", "sep", "oct", "nov", "déc",
];

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
pub(in crate::web::board) struct Axis {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// Where a month begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::web::board) struct Tick {
    /// Where, in percents.
    x: String,
    /// Its name, short.
    name: &'static str,
    /// The year, where it begins or the axis does.
    year: Option<i32>,
    /// Every other one: what a narrow chart leaves out.
    odd: bool,
}

/// The first day of a month, so many months from that of `date`.
pub(in crate::web::board) fn month(date: NaiveDate, from_now: i64) -> NaiveDate {
    let first = date.with_day(1).unwrap_or(date);
    let n = Months::new(u32::try_from(from_now.unsigned_abs()).unwrap_or(0));
    let moved = if from_now < 0 {
        first.checked_sub_months(n)
    } else {
        first.checked_add_months(n)
    };
    moved.unwrap_or(first)
}

/// The name of a month, short.
pub(in crate::web::board) fn month_name(lang: Lang, date: NaiveDate) -> &'static str {
    lang.pick(MONTHS_EN, MONTHS_FR)[date.month0() as usize]
}

impl Axis {
    /// The axis of a day.
    pub(in crate::web::board) fn around(calendar: &Calendar, now: DateTime<Utc>) -> Self {
        let today = calendar.date(now);
        Self {
            from: calendar.start_of_day(month(today, -i64::from(BEHIND))),
            to: calendar.start_of_day(month(today, i64::from(AHEAD) + 1)),
        }
    }

    /// Where an instant stands, from 0 to 100; what lies beyond stands at the end.
    pub(super) fn at(&self, instant: DateTime<Utc>) -> f64 {
        let whole = (self.to - self.from).num_seconds().max(1);
        let part = (instant - self.from).num_seconds().clamp(0, whole);
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds of two years, for a picture"
        )]
        let place = part as f64 * 100.0 / whole as f64;
        place
    }

    pub(super) fn covers(&self, instant: DateTime<Utc>) -> bool {
        self.from <= instant && instant < self.to
    }

    /// The months, from the first day of each.
    pub(super) fn months(&self, calendar: &Calendar, lang: Lang) -> Vec<Tick> {
        let first = calendar.date(self.from);
        (0..)
            .map(|n| month(first, n))
            .take_while(|m| calendar.start_of_day(*m) < self.to)
            .enumerate()
            .map(|(n, m)| Tick {
                x: percent(self.at(calendar.start_of_day(m))),
                name: month_name(lang, m),
                year: (n == 0 || m.month() == 1).then(|| m.year()),
                odd: n % 2 == 1,
            })
            .collect()
    }
}

/// A place as SVG takes it.
pub(in crate::web::board) fn percent(place: f64) -> String {
    format!("{place:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days, Window};

    fn calendar() -> Calendar {
        Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: Days::Any,
            opens: None,
        }
    }

    #[test]
    fn the_axis_reaches_from_three_months_back_to_eighteen_ahead() {
        let (calendar, now) = (calendar(), "2026-11-23T08:00:00Z".parse().unwrap());
        let axis = Axis::around(&calendar, now);
        let months = axis.months(&calendar, Lang::En);
        assert_eq!(months.len(), 3 + 1 + 18);
        assert_eq!((months[0].name, months[0].year), ("Aug", Some(2026)));
        assert_eq!((months[5].name, months[5].year), ("Jan", Some(2027)));
        assert_eq!(months[21].name, "May");
        assert!(axis.covers("2028-05-31T21:59:59Z".parse().unwrap()));
        assert!(!axis.covers("2028-05-31T22:00:00Z".parse().unwrap()));
    }

    #[test]
    fn what_lies_beyond_stands_at_the_end() {
        let (calendar, now) = (calendar(), "2026-11-23T08:00:00Z".parse().unwrap());
        let axis = Axis::around(&calendar, now);
        assert_eq!(percent(axis.at(DateTime::UNIX_EPOCH)), "0.00%");
        assert_eq!(percent(axis.at(DateTime::<Utc>::MAX_UTC)), "100.00%");
    }
}
