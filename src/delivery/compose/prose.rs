//! Dates, numbers and names as a mail writes them, in French and English typography.
//!
//! As `docs/rules.md`, *What a mail says*, has it: U+00A0 between a number and its unit, "1er", hours as
//! "16 h 45", plural from 2. Names come from the config and are data: [`tidy_name`] makes them
//! fit to stand in a sentence.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, is_hazardous, looks_like_jwt};
use crate::domain::urgency::Urgency;

const MONTHS_FR: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS_FR: [&str; 7] = [
    "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
];

const DAYS_EN: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// "1er novembre 2026", "22 November 2026".
pub(super) fn date(lang: Lang, date: NaiveDate) -> String {
    let (day, year) = (date.day(), date.year());
    let month = date.month0() as usize;
    match lang {
        Lang::Fr if day == 1 => format!("1er {} {year}", MONTHS_FR[month]),
        Lang::Fr => format!("{day} {} {year}", MONTHS_FR[month]),
        Lang::En => format!("{day} {} {year}", MONTHS_EN[month]),
    }
}

/// "dimanche 22 novembre 2026", "Sunday 22 November 2026".
pub(super) fn weekday_date(lang: Lang, on: NaiveDate) -> String {
    format!("{} {}", weekday(lang, on), date(lang, on))
}

/// "dimanche", "Sunday".
pub(super) fn weekday(lang: Lang, on: NaiveDate) -> &'static str {
    let weekday = on.weekday().num_days_from_monday() as usize;
    lang.pick(DAYS_EN[weekday], DAYS_FR[weekday])
}

/// The local hour, "16 h 45" or "16:45"; `None` at 23:59:59, which means that only the date is
/// known.
pub(super) fn hour(lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> Option<String> {
    hour_of(lang, at.with_timezone(&calendar.tz).time())
}

fn hour_of(lang: Lang, time: NaiveTime) -> Option<String> {
    if Some(time.with_nanosecond(0)?) == NaiveTime::from_hms_opt(23, 59, 59) {
        return None;
    }
    Some(clock_time(lang, time))
}

fn clock_time(lang: Lang, time: NaiveTime) -> String {
    let (h, m) = (time.hour(), time.minute());
    match lang {
        Lang::Fr if m == 0 => format!("{h}\u{a0}h"),
        Lang::Fr => format!("{h}\u{a0}h\u{a0}{m:02}"),
        Lang::En => format!("{h:02}:{m:02}"),
    }
}

/// A date and its hour, whichever it is: "22 novembre 2026 à 9 h", "22 November 2026 at 09:00".
pub(super) fn date_and_hour(lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> String {
    let day = date(lang, calendar.date(at));
    let hour = clock_time(lang, at.with_timezone(&calendar.tz).time());
    format!("{day} {} {hour}", lang.pick("at", "à"))
}

/// Weekday, date, and the hour with its zone where it is known.
pub(super) fn moment(lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&calendar.tz).naive_local();
    let day = weekday_date(lang, local.date());
    let Some(hour) = hour_of(lang, local.time()) else {
        return day;
    };
    let zone = if calendar.tz == chrono_tz::Europe::Paris {
        lang.pick("Paris time", "heure de Paris")
    } else {
        calendar.tz.name()
    };
    let before_hour = lang.pick("at", "à");
    format!("{day} {before_hour} {hour} ({zone})")
}

/// "15 jours", "1 day".
pub(super) fn days(lang: Lang, n: i64) -> String {
    count(lang, n, ("day", "days"), ("jour", "jours"))
}

/// "2 jetons", "1 token".
pub(super) fn tokens(lang: Lang, n: usize) -> String {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    count(lang, n, ("token", "tokens"), ("jeton", "jetons"))
}

/// A number with its unit. The plural begins at 2 in French, and everywhere but at 1 in English.
fn count(lang: Lang, n: i64, en: (&str, &str), fr: (&str, &str)) -> String {
    let word = match lang {
        Lang::Fr if n.abs() < 2 => fr.0,
        Lang::Fr => fr.1,
        Lang::En if n == 1 => en.0,
        Lang::En => en.1,
    };
    format!("{n}\u{a0}{word}")
}

/// How far the expiry is, to be read after "expires": "dans 15 jours", "demain"; once expired,
/// since when access is cut: "depuis 7 jours".
pub(super) fn left(lang: Lang, urgency: Urgency, days_left: i64) -> String {
    match urgency {
        Urgency::Information | Urgency::Reminder | Urgency::Urgent => {
            let days = days(lang, days_left);
            match lang {
                Lang::Fr => format!("dans {days}"),
                Lang::En => format!("in {days}"),
            }
        }
        Urgency::Tomorrow => lang.pick("tomorrow", "demain").to_owned(),
        Urgency::Today => lang.pick("today", "aujourd’hui").to_owned(),
        Urgency::Expired => match -days_left {
            ..=0 => lang.pick("since today", "depuis aujourd’hui").to_owned(),
            1 => lang.pick("since yesterday", "depuis hier").to_owned(),
            n => {
                let days = days(lang, n);
                match lang {
                    Lang::Fr => format!("depuis {days}"),
                    Lang::En => format!("for {days}"),
                }
            }
        },
    }
}

/// The word above the title, so that colour is never the only sign of urgency.
pub(super) fn urgency_label(lang: Lang, urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Information => lang.pick("To plan", "À prévoir"),
        Urgency::Reminder => lang.pick("Reminder", "Rappel"),
        Urgency::Urgent => lang.pick("Urgent", "Urgent"),
        Urgency::Tomorrow => lang.pick("Tomorrow", "Demain"),
        Urgency::Today => lang.pick("Today", "Aujourd’hui"),
        Urgency::Expired => lang.pick("Access cut", "Accès coupé"),
    }
}

/// A SIRET in the groups in which people read it.
pub(super) fn siret(digits: &str) -> String {
    let group = |from, to| digits.get(from..to).unwrap_or_default();
    let groups = [
        group(0, 3),
        group(3, 6),
        group(6, 9),
        group(9, digits.len()),
    ];
    groups.join("\u{a0}")
}

/// A name from the config, fit to stand in a sentence: on one line, without controls, with
/// typographic apostrophes. Whatever looks like a JWT is left out: no secret travels.
pub(super) fn tidy_name(name: &str) -> Cow<'_, str> {
    if is_tidy(name) {
        return name.into();
    }
    if looks_like_jwt(name) {
        return "…".into();
    }
    let mut tidy = String::with_capacity(name.len());
    let mut chars = name.trim().chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let letter_after = chars.peek().is_some_and(|c| c.is_alphabetic());
        match c {
            '\'' if before.is_alphabetic() && letter_after => tidy.push('’'),
            c if c.is_whitespace() && c != '\u{a0}' && c != '\u{202f}' => tidy.push(' '),
            c if is_hazardous(c) => {}
            c => tidy.push(c),
        }
        before = c;
    }
    tidy.into()
}

/// Whether a name is known at a glance to be tidy: letters and signs that European languages
/// use, no apostrophe to set, no blank to trim, no beginning of a JWT.
fn is_tidy(name: &str) -> bool {
    let tidy = |c: char| match c {
        '\'' => false,
        ' '..='~' | '\u{a1}'..='\u{24f}' | '\u{2010}'..='\u{2027}' => true,
        _ => false,
    };
    name.chars().all(tidy)
        && !name.starts_with(' ')
        && !name.ends_with(' ')
        && !memchr::memchr_iter(b'J', name.as_bytes()).any(|at| name[..at].ends_with("ey"))
}

/// At most `max` characters, cut with an ellipsis where two graphemes meet.
pub(super) fn shorten(s: &str, max: usize) -> String {
    if s.chars().count() <= max {
        return s.to_owned();
    }
    let mut end = 0;
    let mut used = 1;
    for grapheme in s.graphemes(true) {
        used += grapheme.chars().count();
        if used > max {
            break;
        }
        end += grapheme.len();
    }
    format!("{}…", s[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days, Window};

    fn calendar(tz: chrono_tz::Tz) -> Calendar {
        Calendar {
            tz,
            window: Window::parse("09:00-18:00").unwrap(),
            days: Days::Any,
            opens: None,
        }
    }

    fn utc(s: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(s).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn a_moment_is_written_in_the_calendars_zone() {
        let paris = calendar(chrono_tz::Europe::Paris);
        let at = utc("2026-11-22T15:45:00Z");
        assert_eq!(
            moment(Lang::Fr, &paris, at),
            "dimanche 22 novembre 2026 à 16\u{a0}h\u{a0}45 (heure de Paris)"
        );
        assert_eq!(
            moment(Lang::En, &paris, at),
            "Sunday 22 November 2026 at 16:45 (Paris time)"
        );
        let reunion = calendar(chrono_tz::Indian::Reunion);
        assert_eq!(
            moment(Lang::Fr, &reunion, at),
            "dimanche 22 novembre 2026 à 19\u{a0}h\u{a0}45 (Indian/Reunion)"
        );
        assert_eq!(
            moment(Lang::Fr, &paris, utc("2026-11-01T15:00:00Z")),
            "dimanche 1er novembre 2026 à 16\u{a0}h (heure de Paris)"
        );
    }

    #[test]
    fn the_last_second_of_a_day_means_that_the_hour_is_not_known() {
        let paris = calendar(chrono_tz::Europe::Paris);
        let at = paris.end_of_day("2026-11-22".parse().unwrap());
        assert_eq!(moment(Lang::Fr, &paris, at), "dimanche 22 novembre 2026");
        assert_eq!(hour(Lang::En, &paris, at), None);
    }

    #[test]
    fn an_event_has_its_hour_also_in_the_last_minute_of_a_day() {
        let paris = calendar(chrono_tz::Europe::Paris);
        let said = |lang, at| date_and_hour(lang, &paris, utc(at));
        assert_eq!(
            said(Lang::Fr, "2026-11-01T08:00:00Z"),
            "1er novembre 2026 à 9\u{a0}h"
        );
        assert_eq!(
            said(Lang::Fr, "2026-11-22T22:59:59Z"),
            "22 novembre 2026 à 23\u{a0}h\u{a0}59"
        );
        assert_eq!(
            said(Lang::En, "2026-11-22T08:00:00Z"),
            "22 November 2026 at 09:00"
        );
    }

    #[test]
    fn the_plural_begins_at_two() {
        let said: Vec<String> = (0..3).map(|n| days(Lang::Fr, n)).collect();
        assert_eq!(said, ["0\u{a0}jour", "1\u{a0}jour", "2\u{a0}jours"]);
        let said: Vec<String> = (0..3).map(|n| days(Lang::En, n)).collect();
        assert_eq!(said, ["0\u{a0}days", "1\u{a0}day", "2\u{a0}days"]);
    }

    #[test]
    fn a_name_is_shortened_between_graphemes() {
        assert_eq!(shorten("Marchés publics", 15), "Marchés publics");
        assert_eq!(shorten("Marchés publics", 9), "Marchés…");
        // A family is one grapheme of seven characters.
        assert_eq!(shorten("ab👨‍👩‍👧‍👦cd", 8), "ab…");
        assert_eq!(shorten("e\u{301}e\u{301}e\u{301}", 4), "e\u{301}…");
    }

    #[test]
    fn a_name_loses_its_controls_and_never_shows_a_token() {
        assert_eq!(tidy_name("Ville d'Exemple"), "Ville d’Exemple");
        assert_eq!(tidy_name(" a\r\nBcc: b\u{202e}\u{0} "), "a  Bcc: b");
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";
        assert_eq!(tidy_name(&format!("x {jwt}")), "…");
    }
}
