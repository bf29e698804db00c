//! Dates as lists of tokens write them: ISO, with or without an hour, and French `dd/mm/yyyy`
//! where a column shows that it is not `mm/dd/yyyy`.
//!
//! A day that could be read in two ways is refused: a reminder that leaves on the wrong day is
//! worse than a question.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};

/// The years in which a token can be issued or end.
const YEARS: RangeInclusive<i32> = 2000..=2199;

/// What the dates of one column that are written with slashes have shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Nothing: each of them could be read in two ways.
    #[default]
    Unknown,
    /// A first number is above 12, or a person said so: the day comes first.
    DayFirst,
    /// A second number is above 12.
    MonthFirst,
}

impl Order {
    /// Learns from one more date of the column.
    pub(super) fn observe(&mut self, written: &str) {
        if let Some((a, b, _, _)) = slashed(written) {
            match self {
                Self::Unknown if a > 12 => *self = Self::DayFirst,
                Self::Unknown if b > 12 => *self = Self::MonthFirst,
                Self::Unknown | Self::DayFirst | Self::MonthFirst => {}
            }
        }
    }
}

/// Reads an instant; a date without an hour means the last second of that local day.
pub(super) fn read(
    written: &str,
    order: Order,
    calendar: &Calendar,
) -> Result<DateTime<Utc>, Text> {
    let written = written.trim();
    let read = match slashed(written) {
        Some(parts) => local(in_order(parts, order, written)?, calendar),
        None => iso(written, calendar),
    };
    read.filter(|at| YEARS.contains(&at.year())).ok_or_else(|| {
        let shown: String = written.chars().take(40).collect();
        text!(
            "{shown:?} is not a date: write it as 2026-11-22 or 2026-11-22T14:30:00",
            "{shown:?} n’est pas une date : l’écrire 2026-11-22 ou 2026-11-22T14:30:00"
        )
    })
}

/// A date, with its hour where one is written.
type Local = (Option<NaiveDate>, Option<NaiveTime>);

/// The numbers of a date whose year comes last, and what follows it.
fn slashed(written: &str) -> Option<(u32, u32, i32, &str)> {
    let written = written.trim();
    let (date, time) = match written.find([' ', 'T']) {
        Some(at) => (&written[..at], written[at + 1..].trim()),
        None => (written, ""),
    };
    let mut parts = date.split(['/', '.', '-']);
    let (a, b, year) = (parts.next()?, parts.next()?, parts.next()?);
    let short = |s: &str| (1..=2).contains(&s.len());
    if parts.next().is_some() || !short(a) || !short(b) || year.len() != 4 {
        return None;
    }
    Some((a.parse().ok()?, b.parse().ok()?, year.parse().ok()?, time))
}

fn in_order(
    (a, b, year, time): (u32, u32, i32, &str),
    order: Order,
    written: &str,
) -> Result<Local, Text> {
    let month_first = || {
        text!(
            "{written:?} is not written day/month/year: write the dates of this column as 2026-11-22",
            "{written:?} n’est pas écrit jour/mois/année : écrire les dates de cette colonne comme 2026-11-22"
        )
    };
    match order {
        Order::DayFirst => {}
        Order::Unknown if a == b => {}
        Order::MonthFirst => return Err(month_first()),
        Order::Unknown => {
            return Err(text!(
                "{written:?} can be read in two ways: write it as {year}-{b:02}-{a:02}, or say `--day-first`",
                "{written:?} peut se lire de deux façons : l’écrire {year}-{b:02}-{a:02}, ou préciser `--day-first`"
            ));
        }
    }
    if b > 12 {
        return Err(month_first());
    }
    let date = NaiveDate::from_ymd_opt(year, b, a);
    if time.is_empty() {
        return Ok((date, None));
    }
    let read = ["%H:%M:%S", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(time, form).ok());
    // An hour that cannot be read makes the whole unreadable.
    Ok((date.filter(|_| read.is_some()), read))
}

fn local((date, time): Local, calendar: &Calendar) -> Option<DateTime<Utc>> {
    let date = date.filter(|d| YEARS.contains(&d.year()))?;
    Some(match time {
        None => calendar.end_of_day(date),
        Some(time) => calendar.instant(NaiveDateTime::new(date, time)),
    })
}

fn iso(written: &str, calendar: &Calendar) -> Option<DateTime<Utc>> {
    if let Ok(date) = NaiveDate::parse_from_str(written, "%Y-%m-%d") {
        return local((Some(date), None), calendar);
    }
    // Seconds since 1970, as a token writes its own dates.
    if (9..=10).contains(&written.len()) && written.bytes().all(|b| b.is_ascii_digit()) {
        return DateTime::from_timestamp(written.parse().ok()?, 0);
    }
    if let Some(utc) = written.strip_suffix(" UTC") {
        let at = NaiveDateTime::parse_from_str(utc, "%Y-%m-%d %H:%M:%S%.f").ok()?;
        return whole(at.and_utc());
    }
    for form in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(at) = NaiveDateTime::parse_from_str(written, form) {
            let sound = YEARS.contains(&at.year());
            return sound.then(|| calendar.instant(at)).and_then(whole);
        }
    }
    let with_zone = DateTime::parse_from_rfc3339(written)
        .or_else(|_| DateTime::parse_from_str(written, "%Y-%m-%d %H:%M:%S%.f %z"))
        .ok()?;
    whole(with_zone.with_timezone(&Utc))
}

/// The store keeps whole seconds.
fn whole(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.timestamp(), 0)
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
    fn the_forms_that_lists_use_are_read() {
        for (written, at) in [
            ("2026-07-01", "2026-07-01T21:59:59Z"),
            (" 2026-07-01 ", "2026-07-01T21:59:59Z"),
            ("2026-07-01T02:00", "2026-07-01T00:00:00Z"),
            ("2026-07-01 02:00:00", "2026-07-01T00:00:00Z"),
            ("2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            ("2026-07-01T02:00:00.123+02:00", "2026-07-01T00:00:00Z"),
            ("2026-07-01 00:00:00 UTC", "2026-07-01T00:00:00Z"),
            ("2026-07-01 02:00:00 +0200", "2026-07-01T00:00:00Z"),
            ("1782864000", "2026-07-01T00:00:00Z"),
            ("13/07/2026", "2026-07-13T21:59:59Z"),
            ("13.7.2026 16:45", "2026-07-13T14:45:00Z"),
            ("05/05/2026", "2026-05-05T21:59:59Z"),
        ] {
            let mut order = Order::default();
            order.observe(written);
            let read = read(written, order, &calendar()).unwrap();
            assert_eq!(read, DateTime::parse_from_rfc3339(at).unwrap(), "{written}");
        }
        for bad in [
            "",
            "demain",
            "2026-02-30",
            "30/02/2026",
            "13/07/26",
            "2026/07/01",
            "1999-01-01",
            "13/07/2026 25:00",
            "99999-01-01",
            "178286400000",
        ] {
            let mut order = Order::default();
            order.observe(bad);
            assert!(read(bad, order, &calendar()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_that_can_be_read_in_two_ways_is_refused_unless_its_column_tells() {
        let mut order = Order::default();
        order.observe("03/04/2026");
        let said = read("03/04/2026", order, &calendar()).unwrap_err();
        assert!(said.en.contains("2026-04-03") && said.fr.contains("--day-first"));
        order.observe("28/04/2026");
        let read_now = read("03/04/2026", order, &calendar()).unwrap();
        assert_eq!(calendar().date(read_now).to_string(), "2026-04-03");
        assert!(read("04/28/2026", order, &calendar()).is_err());
        let mut american = Order::default();
        american.observe("04/28/2026");
        assert!(read("03/04/2026", american, &calendar()).is_err());
    }
}
