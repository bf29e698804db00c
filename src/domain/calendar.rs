//! When mails may leave: time zone, sending window, working days, and the slot of each stage.
//!
//! A *slot* is the window's opening on a day when mails may leave. All arithmetic is done on
//! local calendar days and turned into instants last, so that a change of clocks moves no slot.

use chrono::{
    DateTime, Days as ChronoDays, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime,
    TimeZone, Utc,
};
use chrono_tz::Tz;

use crate::domain::holidays::is_working_day;
use crate::domain::language::{Invalid, text};
use crate::domain::stage::Stage;

/// The hours of the day in which mails leave, in minutes since local midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    open: u32,
    close: u32,
}

impl Window {
    /// Reads `HH:MM-HH:MM`; `00:00-24:00` is the whole day.
    ///
    /// # Errors
    /// Another form, an hour that does not exist, an end that is not after the beginning
    /// (a window cannot cross midnight).
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let minutes = |part: &str| -> Option<u32> {
            let (h, m) = part.trim().split_once(':')?;
            let two = |s: &str| {
                (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| s.parse::<u32>().ok())
                    .flatten()
            };
            let (h, m) = (two(h)?, two(m)?);
            (m < 60 && (h < 24 || (h == 24 && m == 0))).then_some(h * 60 + m)
        };
        let parsed = written
            .split_once('-')
            .and_then(|(a, b)| Some((minutes(a)?, minutes(b)?)));
        let Some((open, close)) = parsed else {
            return Err(Invalid(text!(
                "{written:?} is not a window: write it as \"09:00-18:00\"",
                "{written:?} n’est pas une plage horaire : l’écrire \"09:00-18:00\""
            )));
        };
        if open >= close {
            return Err(Invalid(text!(
                "the window {written:?} ends before it begins: it cannot cross midnight, write it as \"09:00-18:00\"",
                "la plage {written:?} finit avant de commencer : elle ne peut pas passer minuit, l’écrire \"09:00-18:00\""
            )));
        }
        Ok(Self { open, close })
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (o, c) = (self.open, self.close);
        write!(f, "{:02}:{:02}-{:02}:{:02}", o / 60, o % 60, c / 60, c % 60)
    }
}

/// The days on which mails leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// Every day.
    Any,
    /// Monday to Friday, France's public holidays excepted.
    Working,
}

/// When mails may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The zone of all local dates and hours.
    pub tz: Tz,
    /// The hours in which mails leave.
    pub window: Window,
    /// The days on which mails leave.
    pub days: Days,
    /// The renewal form opens when strictly less than this number of days of 24 h remain.
    pub opens: Option<u32>,
}

impl Calendar {
    /// The form in which the store remembers a calendar, to notice when it changes.
    pub fn to_spec(&self) -> String {
        let days = match self.days {
            Days::Any => "any",
            Days::Working => "working",
        };
        let opens = self.opens.map_or(String::new(), |n| n.to_string());
        format!("{};{};{days};{opens}", self.tz.name(), self.window)
    }

    /// The local date of an instant.
    pub fn date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.tz).date_naive()
    }

    /// The instant of a local time; the earlier of two, and the first one after a gap.
    pub fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        self.resolve(local, false)
    }

    /// The last second of a local day: what a bare date in the config means. Where the clocks
    /// skip the last hour of a day (Nuuk), it is the one before the gap, so that the day of
    /// expiry is still the date that was written.
    pub fn end_of_day(&self, date: NaiveDate) -> DateTime<Utc> {
        let last = NaiveTime::from_hms_opt(23, 59, 59).expect("a time of day");
        let end = self.resolve(date.and_time(last), true);
        if self.date(end) == date {
            end
        } else {
            end - Duration::seconds(1)
        }
    }

    /// The first instant of a local day.
    pub fn start_of_day(&self, date: NaiveDate) -> DateTime<Utc> {
        self.instant(date.and_time(NaiveTime::MIN))
    }

    /// The difference of two instants in local calendar days, `to` minus `from`.
    pub fn days_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        self.date(to)
            .signed_duration_since(self.date(from))
            .num_days()
    }

    /// `months` calendar months after an instant, at the same local time, the day clamped to
    /// the month's end (31 August and 18 months: 29 or 28 February).
    pub fn add_months(&self, at: DateTime<Utc>, months: u32) -> DateTime<Utc> {
        let local = at.with_timezone(&self.tz).naive_local();
        let end_of_day =
            local.time() == NaiveTime::from_hms_opt(23, 59, 59).expect("a time of day");
        let later = local
            .checked_add_months(chrono::Months::new(months))
            .unwrap_or(local);
        if end_of_day {
            self.end_of_day(later.date())
        } else {
            self.instant(later)
        }
    }

    /// Whether mails may leave on this local date.
    pub fn is_mail_day(&self, date: NaiveDate) -> bool {
        match self.days {
            Days::Any => true,
            Days::Working => is_working_day(date),
        }
    }

    /// The slot of a local date: the window's opening.
    pub fn opening(&self, date: NaiveDate) -> DateTime<Utc> {
        self.at_minute(date, self.window.open)
    }

    /// The window's end on a local date.
    pub fn closing(&self, date: NaiveDate) -> DateTime<Utc> {
        self.at_minute(date, self.window.close)
    }

    /// Whether a mail may leave at `now`.
    pub fn may_leave(&self, now: DateTime<Utc>) -> bool {
        self.is_mail_day(self.date(now)) && self.is_in_hours(now)
    }

    /// The earliest instant from `now` on at which a mail may leave: `now` itself inside the
    /// window, else the next slot.
    pub fn next_leave(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.may_leave(now) {
            now
        } else {
            self.first_slot_after(now)
        }
    }

    /// Whether the window is open at `now`, were it a day of mails: what is urgent waits for no day.
    pub fn is_in_hours(&self, now: DateTime<Utc>) -> bool {
        let date = self.date(now);
        self.opening(date) <= now && now < self.closing(date)
    }

    /// The earliest instant from `now` on at which something urgent may leave: on any day, within
    /// the hours of the window.
    pub fn next_urgent(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let date = self.date(now);
        if now >= self.closing(date) {
            return self.opening(next_day(date));
        }
        now.max(self.opening(date))
    }

    /// The first slot on a later local day than that of `now`.
    pub fn next_day_slot(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let tomorrow = next_day(self.date(now));
        self.opening(self.mail_day_from(tomorrow))
    }

    /// The first slot strictly after `at`.
    pub fn first_slot_after(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let mut date = self.date(at);
        loop {
            date = self.mail_day_from(date);
            let slot = self.opening(date);
            if slot > at {
                return slot;
            }
            date = next_day(date);
        }
    }

    /// The slot at which `stage` of a token that expires at `expires` is due
    /// (`docs/rules.md`, *Slots*): the opening on the N-th calendar day before the day of expiry;
    /// on working days only, the working day before it (stages 0 and after: the one after it);
    /// never before the renewal form opens.
    pub fn slot(&self, stage: Stage, expires: DateTime<Utc>) -> DateTime<Utc> {
        let mut date = shift(self.date(expires), -i64::from(stage.days()));
        while !self.is_mail_day(date) {
            date = if stage.days() > 0 {
                shift(date, -1)
            } else {
                next_day(date)
            };
        }
        let slot = self.opening(date);
        match self.opens {
            Some(days) => {
                let form_opens = expires - Duration::days(i64::from(days));
                if slot > form_opens {
                    slot
                } else {
                    self.first_slot_after(form_opens)
                }
            }
            None => slot,
        }
    }

    fn mail_day_from(&self, mut date: NaiveDate) -> NaiveDate {
        while !self.is_mail_day(date) {
            date = next_day(date);
        }
        date
    }

    fn at_minute(&self, date: NaiveDate, minute: u32) -> DateTime<Utc> {
        if minute == 24 * 60 {
            return self.start_of_day(next_day(date));
        }
        let time = NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0)
            .expect("a minute of the day");
        self.instant(date.and_time(time))
    }

    fn resolve(&self, local: NaiveDateTime, latest: bool) -> DateTime<Utc> {
        // The longest gap on record is a whole day (Samoa, 30 December 2011).
        let mut tried = local;
        for _ in 0..=(25 * 60) {
            match self.tz.from_local_datetime(&tried) {
                MappedLocalTime::Single(at) => return at.with_timezone(&Utc),
                MappedLocalTime::Ambiguous(first, last) => {
                    return if latest { last } else { first }.with_timezone(&Utc);
                }
                MappedLocalTime::None => {
                    let minute = tried.and_utc().timestamp().div_euclid(60) + 1;
                    tried =
                        DateTime::from_timestamp(minute * 60, 0).map_or(tried, |t| t.naive_utc());
                }
            }
        }
        local.and_utc()
    }
}

fn next_day(date: NaiveDate) -> NaiveDate {
    shift(date, 1)
}

/// A date moved by whole days; at the ends of the calendar it stays where it is.
fn shift(date: NaiveDate, days: i64) -> NaiveDate {
    let n = ChronoDays::new(days.unsigned_abs());
    if days < 0 {
        date.checked_sub_days(n)
    } else {
        date.checked_add_days(n)
    }
    .unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paris(window: &str, days: Days, opens: Option<u32>) -> Calendar {
        Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse(window).unwrap(),
            days,
            opens,
        }
    }

    fn utc(s: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(s).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn eighteen_months_clamp_to_the_end_of_the_month() {
        let cal = paris("09:00-18:00", Days::Any, None);
        for (issued, expires) in [
            ("2024-08-31", "2026-02-28"),
            ("2026-08-29", "2028-02-29"),
            ("2026-08-30", "2028-02-29"),
            ("2026-08-31", "2028-02-29"),
            ("2024-02-29", "2025-08-29"),
            ("2025-12-31", "2027-06-30"),
        ] {
            let issued = cal.end_of_day(issued.parse().unwrap());
            assert_eq!(cal.date(cal.add_months(issued, 18)).to_string(), expires);
        }
    }

    #[test]
    fn an_expiry_late_in_the_evening_utc_belongs_to_the_local_day() {
        let cal = paris("09:00-18:00", Days::Any, None);
        assert_eq!(
            cal.slot(Stage::new(15), utc("2026-12-31T23:30:00Z")),
            utc("2026-12-17T08:00:00Z")
        );
    }

    #[test]
    fn a_slot_before_the_form_opens_moves_to_the_first_slot_after() {
        let cal = paris("09:00-18:00", Days::Any, Some(90));
        let expires = utc("2026-06-15T14:45:00Z");
        // Day 90 at 09:00 has 90 × 24 h and more left: the form is still closed.
        assert_eq!(
            cal.slot(Stage::new(90), expires),
            utc("2026-03-18T08:00:00Z")
        );
        assert_eq!(
            cal.slot(Stage::new(60), expires),
            utc("2026-04-16T07:00:00Z")
        );
    }

    #[test]
    fn on_working_days_a_slot_moves_before_and_stage_0_after() {
        let cal = paris("09:00-18:00", Days::Working, None);
        let sunday = cal.end_of_day("2026-11-01".parse().unwrap());
        assert_eq!(
            cal.date(cal.slot(Stage::new(1), sunday)).to_string(),
            "2026-10-30"
        );
        assert_eq!(
            cal.date(cal.slot(Stage::new(0), sunday)).to_string(),
            "2026-11-02"
        );
        assert!(!cal.may_leave(utc("2026-11-01T10:00:00Z")));
    }

    #[test]
    fn an_opening_that_the_clocks_skip_is_the_first_instant_after() {
        let cal = paris("02:30-18:00", Days::Any, None);
        assert_eq!(
            cal.opening("2026-03-29".parse().unwrap()),
            utc("2026-03-29T01:00:00Z")
        );
        // In October 02:30 comes twice: the first one opens.
        assert_eq!(
            cal.opening("2026-10-25".parse().unwrap()),
            utc("2026-10-25T00:30:00Z")
        );
    }

    #[test]
    fn a_day_whose_last_hour_is_skipped_ends_before_the_gap() {
        let cal = Calendar {
            tz: chrono_tz::America::Nuuk,
            ..paris("09:00-18:00", Days::Any, None)
        };
        let date = "2026-03-28".parse().unwrap();
        assert_eq!(cal.end_of_day(date), utc("2026-03-29T00:59:59Z"));
        assert_eq!(cal.date(cal.end_of_day(date)), date);
    }

    #[test]
    fn a_window_is_read_strictly() {
        assert!(Window::parse("00:00-24:00").is_ok());
        for bad in [
            "22:00-06:00",
            "9:00-18:00",
            "09:00",
            "09:00-24:01",
            "09:60-10:00",
            "18:00-18:00",
            "",
        ] {
            assert!(Window::parse(bad).is_err(), "{bad}");
        }
    }
}
