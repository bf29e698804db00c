//! Civil dates, local times and slots, computed with integers only.
//!
//! A day is a count of days since 1970-01-01, an instant a count of seconds since then in UTC, a
//! local time the same count as read on the clock of a zone. Easter is Gauss's, valid for
//! 1900–2099, which bounds the oracle; a zone is a table of the offsets that the tz database
//! gives for UTC instants, and local times are found by trying those offsets.

use std::fmt;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) type Instant = i64;
/// Days since 1970-01-01.
pub(crate) type Day = i64;

pub(crate) const MINUTE: i64 = 60;
pub(crate) const DAY: i64 = 86_400;
const LAST_SECOND: i64 = DAY - 1;
const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The length of a month in days.
pub(crate) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of a date of the Gregorian calendar, from the year 1 on.
pub(crate) fn day_of(year: i64, month: i64, day: i64) -> Day {
    let past = year - 1;
    let before_year = past * 365 + past / 4 - past / 100 + past / 400 - 719_162;
    let leap_day = i64::from(month > 2 && is_leap(year));
    let index = usize::try_from(month - 1).expect("a month from 1 to 12");
    before_year + BEFORE_MONTH[index] + leap_day + day - 1
}

/// The year, month and day of the month of a day, from 1970 on.
pub(crate) fn civil(day: Day) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366);
    while day_of(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 12;
    while day_of(year, month, 1) > day {
        month -= 1;
    }
    (year, month, day - day_of(year, month, 1) + 1)
}

/// The same day `months` later (or earlier), clamped to the end of its month.
pub(crate) fn shift_months(day: Day, months: i64) -> Day {
    let (y, m, d) = civil(day);
    let count = y * 12 + (m - 1) + months;
    let (y, m) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    day_of(y, m, d.min(month_length(y, m)))
}

/// Easter Sunday, by Gauss's rule with the constants of 1900–2099.
pub(crate) fn easter(year: i64) -> Day {
    assert!(
        (1900..2100).contains(&year),
        "Gauss's constants hold for 1900–2099"
    );
    let (a, b, c) = (year % 19, year % 4, year % 7);
    let d = (19 * a + 24) % 30;
    let e = (2 * b + 4 * c + 6 * d + 5) % 7;
    let after_22_march = match (d, e) {
        (29, 6) => 28,
        (28, 6) if a > 10 => 27,
        _ => d + e,
    };
    day_of(year, 3, 22) + after_22_march
}

/// Whether a day is a public holiday in the whole of France.
pub(crate) fn is_holiday(day: Day) -> bool {
    let (year, month, of_month) = civil(day);
    match (month, of_month) {
        (1 | 5 | 11, 1) | (5, 8) | (7, 14) | (8, 15) | (11, 11) | (12, 25) => true,
        // Easter Monday, Ascension Day and Whit Monday fall from 23 March to 14 June.
        (3..=6, _) => matches!(day - easter(year), 1 | 39 | 50),
        _ => false,
    }
}

/// Whether a day is neither a Saturday, nor a Sunday, nor a public holiday.
pub(crate) fn is_working(day: Day) -> bool {
    // Day 0 was a Thursday.
    (day + 3).rem_euclid(7) < 5 && !is_holiday(day)
}

/// A zone: from each instant on, its offset from UTC in seconds.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    offsets: Vec<(Instant, i64)>,
}

impl Zone {
    /// Reads the changes of offset of 2010–2059 out of the tz database. No zone changes twice
    /// within six hours.
    pub(crate) fn of(tz: Tz) -> Self {
        let offset = |at: Instant| {
            let utc = DateTime::from_timestamp(at, 0).expect("an instant of this century");
            i64::from(
                tz.offset_from_utc_datetime(&utc.naive_utc())
                    .fix()
                    .local_minus_utc(),
            )
        };
        let (first, last) = (day_of(2010, 1, 1) * DAY, day_of(2060, 1, 1) * DAY);
        let mut offsets = vec![(first, offset(first))];
        let mut known = first;
        while known < last {
            let next = known + 6 * 60 * MINUTE;
            let (before, after) = (offset(known), offset(next));
            if before != after {
                let (mut low, mut high) = (known, next);
                while high - low > 1 {
                    let middle = low.midpoint(high);
                    if offset(middle) == before {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
                offsets.push((high, after));
            }
            known = next;
        }
        Self { offsets }
    }

    /// The offset from UTC at an instant, in seconds.
    pub(crate) fn offset(&self, at: Instant) -> i64 {
        let next = self.offsets.partition_point(|(from, _)| *from <= at);
        assert!(next > 0, "an instant before 2010");
        self.offsets[next - 1].1
    }

    /// The time on the local clock.
    pub(crate) fn local(&self, at: Instant) -> i64 {
        at + self.offset(at)
    }

    /// The local day of an instant.
    pub(crate) fn day(&self, at: Instant) -> Day {
        self.local(at).div_euclid(DAY)
    }

    /// The instant of a local time: the earlier of two, the first one after a gap.
    pub(crate) fn first(&self, local: i64) -> Instant {
        let found = self.instants(local);
        found[0]
            .or(found[1])
            .unwrap_or_else(|| self.after_gap(local))
    }

    /// The instant of a local time: the later of two, the first one after a gap.
    pub(crate) fn last(&self, local: i64) -> Instant {
        let found = self.instants(local);
        found[1]
            .or(found[0])
            .unwrap_or_else(|| self.after_gap(local))
    }

    /// The last second of a local day: 23:59:59, or what comes before the gap that skips it.
    pub(crate) fn end_of_day(&self, day: Day) -> Instant {
        let end = self.last(day * DAY + LAST_SECOND);
        if self.day(end) == day { end } else { end - 1 }
    }

    /// The same local time `months` later, the day clamped to the month's end; what ends a day
    /// goes on ending one.
    pub(crate) fn add_months(&self, at: Instant, months: i64) -> Instant {
        let local = self.local(at);
        let (day, time) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let later = shift_months(day, months);
        if time == LAST_SECOND {
            self.end_of_day(later)
        } else {
            self.first(later * DAY + time)
        }
    }

    /// The stretches of constant offset that can hold an instant whose local time is `local`:
    /// offsets stay within a day, and no zone changes more than once a day.
    fn near(&self, local: i64) -> std::ops::Range<usize> {
        let low = self
            .offsets
            .partition_point(|(from, _)| *from <= local - DAY);
        let high = self
            .offsets
            .partition_point(|(from, _)| *from <= local + DAY);
        low.saturating_sub(1)..high
    }

    /// Both instants with this local time; one of them is missing most of the time.
    fn instants(&self, local: i64) -> [Option<Instant>; 2] {
        let mut found = [None, None];
        for i in self.near(local) {
            let (from, offset) = self.offsets[i];
            let until = self
                .offsets
                .get(i + 1)
                .map_or(Instant::MAX, |(next, _)| *next);
            let at = local - offset;
            if (from..until).contains(&at) {
                let place = usize::from(found[0].is_some());
                found[place] = Some(at);
            }
        }
        found
    }

    fn after_gap(&self, local: i64) -> Instant {
        self.near(local)
            .skip(1)
            .find(|i| {
                let (change, after) = self.offsets[*i];
                let before = self.offsets[i - 1].1;
                (change + before..change + after).contains(&local)
            })
            .map(|i| self.offsets[i].0)
            .expect("a local time that no instant has lies in a gap")
    }
}

/// The hours in which mails leave, in minutes of the local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) open: i64,
    pub(crate) close: i64,
}

impl Window {
    /// Reads `09:00-18:00`, as a test writes it.
    pub(crate) fn of(written: &str) -> Self {
        let minutes = |part: &str| {
            let (h, m) = part.split_once(':').expect("HH:MM");
            h.parse::<i64>().expect("hours") * 60 + m.parse::<i64>().expect("minutes")
        };
        let (open, close) = written.split_once('-').expect("HH:MM-HH:MM");
        Self {
            open: minutes(open),
            close: minutes(close),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (o, c) = (self.open, self.close);
        write!(f, "{:02}:{:02}-{:02}:{:02}", o / 60, o % 60, c / 60, c % 60)
    }
}

/// The days on which mails leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Days {
    Any,
    Working,
}

/// When mails may leave.
#[derive(Debug, Clone)]
pub(crate) struct Hours {
    pub(crate) zone: Zone,
    pub(crate) window: Window,
    pub(crate) days: Days,
    pub(crate) opens: Option<i64>,
}

impl Hours {
    /// Whether mails leave on a day.
    pub(crate) fn is_mail_day(&self, day: Day) -> bool {
        match self.days {
            Days::Any => true,
            Days::Working => is_working(day),
        }
    }

    /// The window's opening on a day.
    pub(crate) fn opening(&self, day: Day) -> Instant {
        self.zone.first(day * DAY + self.window.open * MINUTE)
    }

    /// The window's end on a day; 24:00 is the beginning of the next day.
    pub(crate) fn closing(&self, day: Day) -> Instant {
        self.zone.first(day * DAY + self.window.close * MINUTE)
    }

    /// Whether a mail may leave at an instant.
    pub(crate) fn may_leave(&self, at: Instant) -> bool {
        let day = self.zone.day(at);
        self.is_mail_day(day) && (self.opening(day)..self.closing(day)).contains(&at)
    }

    /// The slot of a stage: the opening on the N-th day before the day of expiry; on working
    /// days only, the working day before it, for stages 0 and after the one after it; a slot
    /// before the renewal form opens moves to the first slot after.
    pub(crate) fn slot(&self, stage: i64, expires: Instant) -> Instant {
        let mut day = self.zone.day(expires) - stage;
        let step = if stage > 0 { -1 } else { 1 };
        while !self.is_mail_day(day) {
            day += step;
        }
        let slot = self.opening(day);
        let Some(opens) = self.opens else { return slot };
        let is_open = |slot: Instant| expires - slot < opens * DAY;
        if is_open(slot) {
            return slot;
        }
        (self.zone.day(expires) - opens - 1..)
            .filter(|day| self.is_mail_day(*day))
            .map(|day| self.opening(day))
            .find(|slot| is_open(*slot))
            .expect("the form opens some day")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_a_century() {
        let mut day = 0;
        assert_eq!(day_of(2000, 3, 1), 11_017);
        for year in 1970..2100 {
            for month in 1..=12 {
                for of_month in 1..=month_length(year, month) {
                    assert_eq!(civil(day), (year, month, of_month));
                    assert_eq!(day_of(year, month, of_month), day);
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn easter_is_that_of_the_printed_tables() {
        for (y, m, d) in [
            (1954, 4, 18),
            (1981, 4, 19),
            (2020, 4, 12),
            (2021, 4, 4),
            (2022, 4, 17),
            (2023, 4, 9),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2028, 4, 16),
            (2038, 4, 25),
            (2049, 4, 18),
            (2076, 4, 19),
        ] {
            assert_eq!(civil(easter(y)), (y, m, d));
        }
    }

    #[test]
    fn eighteen_months_are_those_of_the_page() {
        for (issued, expires) in [
            ((2024, 8, 31), (2026, 2, 28)),
            ((2026, 8, 29), (2028, 2, 29)),
            ((2026, 8, 30), (2028, 2, 29)),
            ((2026, 8, 31), (2028, 2, 29)),
            ((2024, 2, 29), (2025, 8, 29)),
            ((2025, 12, 31), (2027, 6, 30)),
        ] {
            let (y, m, d) = issued;
            assert_eq!(civil(shift_months(day_of(y, m, d), 18)), expires);
        }
    }

    #[test]
    fn a_repeated_hour_has_two_instants_and_a_gap_none() {
        let paris = Zone::of(chrono_tz::Europe::Paris);
        let utc = |m, d, h: i64, min: i64| day_of(2026, m, d) * DAY + h * 3600 + min * 60;
        assert_eq!(paris.first(utc(10, 25, 2, 30)), utc(10, 25, 0, 30));
        assert_eq!(paris.last(utc(10, 25, 2, 30)), utc(10, 25, 1, 30));
        assert_eq!(paris.first(utc(3, 29, 2, 30)), utc(3, 29, 1, 0));
        assert_eq!(paris.first(utc(1, 1, 0, 0)), utc(1, 1, 0, 0) - 3600);
        // Beirut goes from 24:00 back to 23:00: the day ends at the second midnight.
        let beirut = Zone::of(chrono_tz::Asia::Beirut);
        assert_eq!(
            beirut.end_of_day(day_of(2026, 10, 24)),
            utc(10, 24, 21, 59) + 59
        );
    }
}
