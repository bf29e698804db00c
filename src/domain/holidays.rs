//! France's public holidays: eight fixed days and three that follow Easter.
//!
//! Source: code du travail, article L3133-1 (the list for the whole territory; the local
//! holidays of Alsace-Moselle and overseas are not counted).

use chrono::{Datelike, Days, NaiveDate, Weekday};

/// Easter Sunday of a year of the Gregorian calendar (the anonymous algorithm, as printed in
/// Meeus, *Astronomical Algorithms*, chapter 8).
pub fn easter(year: i32) -> NaiveDate {
    let a = year.rem_euclid(19);
    let (b, c) = (year.div_euclid(100), year.rem_euclid(100));
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    let (month, day) = (n / 31, n % 31 + 1);
    NaiveDate::from_ymd_opt(year, month.unsigned_abs(), day.unsigned_abs())
        .expect("the algorithm yields a day of March or April")
}

/// Whether `date` is a public holiday in France.
pub fn is_holiday(date: NaiveDate) -> bool {
    let fixed = [
        (1, 1),
        (5, 1),
        (5, 8),
        (7, 14),
        (8, 15),
        (11, 1),
        (11, 11),
        (12, 25),
    ];
    if fixed.contains(&(date.month(), date.day())) {
        return true;
    }
    let easter = easter(date.year());
    // Easter Monday, Ascension Day, Whit Monday.
    [1, 39, 50]
        .iter()
        .any(|after| easter.checked_add_days(Days::new(*after)) == Some(date))
}

/// Whether `date` is neither a Saturday, a Sunday nor a public holiday.
pub fn is_working_day(date: NaiveDate) -> bool {
    !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) && !is_holiday(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap()
    }

    #[test]
    fn easter_falls_on_the_published_days() {
        for (y, m, d) in [
            (2000, 4, 23),
            (2008, 3, 23),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
            (2043, 3, 29),
        ] {
            assert_eq!(easter(y), day(y, m, d));
        }
    }

    #[test]
    fn the_eleven_holidays_of_2026_are_known() {
        let found: Vec<_> = day(2026, 1, 1)
            .iter_days()
            .take(365)
            .filter(|d| is_holiday(*d))
            .map(|d| (d.month(), d.day()))
            .collect();
        assert_eq!(
            found,
            [
                (1, 1),
                (4, 6),
                (5, 1),
                (5, 8),
                (5, 14),
                (5, 25),
                (7, 14),
                (8, 15),
                (11, 1),
                (11, 11),
                (12, 25)
            ]
        );
    }
}
