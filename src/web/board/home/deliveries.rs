//! What attempts to deliver came to, by the day.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::store::board::home::Attempts;

/// Days that are shown, today included.
const DAYS: u64 = 30;

/// A day's attempts by what they came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(in crate::web::board) struct Tally {
    /// A server answered 250.
    pub(in crate::web::board) accepted: u32,
    /// Put off: they are tried again.
    pub(in crate::web::board) deferred: u32,
    /// Broken off, before or after a reply that was lost: they are tried again.
    pub(in crate::web::board) broken_off: u32,
    /// Given up: refused, parked, failed, or come back.
    pub(in crate::web::board) lost: u32,
}

impl Tally {
    pub(in crate::web::board) fn all(&self) -> u32 {
        self.accepted + self.deferred + self.broken_off + self.lost
    }

    fn add(&mut self, of: &Attempts) {
        match of.outcome.as_str() {
            "sent" => self.accepted += of.count,
            "deferred" | "delayed" => self.deferred += of.count,
            "in_doubt" | "returned" => self.broken_off += of.count,
            _ => self.lost += of.count,
        }
    }
}

/// The first instant that is shown.
pub(in crate::web::board) fn since(calendar: &Calendar, now: DateTime<Utc>) -> DateTime<Utc> {
    calendar.start_of_day(first(calendar, now))
}

fn first(calendar: &Calendar, now: DateTime<Utc>) -> NaiveDate {
    let today = calendar.date(now);
    let back = Days::new(DAYS - 1);
    today.checked_sub_days(back).unwrap_or(today)
}

/// Every day until today with what was attempted on it.
pub(in crate::web::board) fn by_day(
    attempts: &[Attempts],
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Vec<(NaiveDate, Tally)> {
    let mut days: Vec<(NaiveDate, Tally)> = first(calendar, now)
        .iter_days()
        .take_while(|day| *day <= calendar.date(now))
        .map(|day| (day, Tally::default()))
        .collect();
    for of in attempts {
        let date = calendar.date(of.at);
        if let Some((_, tally)) = days.iter_mut().find(|(day, _)| *day == date) {
            tally.add(of);
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days as MailDays, Window};

    #[test]
    fn attempts_count_on_their_local_day() {
        let calendar = Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: MailDays::Any,
            opens: None,
        };
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        let of = |at: &str, outcome: &str, count| Attempts {
            at: at.parse().unwrap(),
            outcome: outcome.to_owned(),
            count,
        };
        let attempts = [
            of("2026-11-22T22:45:00Z", "sent", 3),
            of("2026-11-22T23:00:00Z", "sent", 2),
            of("2026-11-23T07:00:00Z", "bounced", 1),
            of("2026-11-23T07:00:00Z", "delayed", 4),
            of("2026-11-23T07:00:00Z", "returned", 5),
            of("2026-01-01T07:00:00Z", "sent", 9),
        ];
        let days = by_day(&attempts, &calendar, now);
        assert_eq!(days.len(), 30);
        let today = Tally {
            accepted: 2,
            deferred: 4,
            broken_off: 5,
            lost: 1,
        };
        assert_eq!(days[29].1, today);
        assert_eq!((days[28].1.accepted, days[28].1.all()), (3, 3));
        assert_eq!(days[..28].iter().map(|(_, t)| t.all()).sum::<u32>(), 0);
    }
}
