//! Every date and slot of the calendar, against the oracle's own arithmetic.
//!
//! Exhaustive over the issue days of 2020–2045 for the default window in five zones, and thinner
//! over other windows, zones and openings of the renewal form; then the properties that hold for
//! any calendar.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use jetond::domain::calendar::{Calendar, Days, Window};
use jetond::domain::stage::Stage;
use proptest::prelude::*;

use crate::oracle::civil::{self, Hours, Zone, civil as date_of, day_of};

const STAGES: [i32; 12] = [90, 60, 30, 15, 7, 1, 0, -7, -30, -60, -90, -120];

fn naive(day: civil::Day) -> NaiveDate {
    let (y, m, d) = date_of(day);
    let part = |n: i64| u32::try_from(n).expect("a month or a day");
    let year = i32::try_from(y).expect("a year");
    NaiveDate::from_ymd_opt(year, part(m), part(d)).expect("a date of the oracle exists")
}

fn instant(at: civil::Instant) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).expect("an instant of this century")
}

/// The same calendar, as the product and as the oracle have it.
fn both(tz: Tz, zone: &Zone, window: &str, days: Days, opens: Option<u32>) -> (Calendar, Hours) {
    let calendar = Calendar {
        tz,
        window: Window::parse(window).expect("a window"),
        days,
        opens,
    };
    let hours = Hours {
        zone: zone.clone(),
        window: civil::Window::of(window),
        days: match days {
            Days::Any => civil::Days::Any,
            Days::Working => civil::Days::Working,
        },
        opens: opens.map(i64::from),
    };
    (calendar, hours)
}

/// Compares the expiry and all slots of the tokens issued on every `step`-th day.
fn compare(tz: Tz, window: &str, opens: Option<u32>, step: usize) {
    let zone = Zone::of(tz);
    let calendars = [Days::Any, Days::Working].map(|days| both(tz, &zone, window, days, opens));
    let mut checked = 0;
    for issued in (day_of(2020, 1, 1)..=day_of(2045, 12, 31)).step_by(step) {
        let (calendar, _) = &calendars[0];
        let end = zone.end_of_day(issued);
        assert_eq!(
            calendar.end_of_day(naive(issued)),
            instant(end),
            "{tz} {:?}",
            date_of(issued)
        );
        // The day as a person writes it, and an instant at an hour that changes from day to day.
        let during = zone.first(issued * civil::DAY + issued % 1440 * civil::MINUTE);
        for from in [end, during] {
            let expires = zone.add_months(from, 18);
            let found = calendar.add_months(instant(from), 18);
            assert_eq!(
                found,
                instant(expires),
                "{tz}: 18 months after {}",
                instant(from)
            );
            if from == during && step == 1 {
                continue;
            }
            for (calendar, hours) in &calendars {
                for stage in STAGES {
                    let expected = instant(hours.slot(i64::from(stage), expires));
                    let found = calendar.slot(Stage::new(stage), instant(expires));
                    assert!(
                        found == expected,
                        "{tz} {window} {:?} {opens:?}: stage {stage} of {}: {found}, expected {expected}",
                        calendar.days,
                        instant(expires),
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 9_000 / step * 2 * STAGES.len());
}

#[test]
fn every_slot_of_26_years_is_right_in_paris() {
    compare(chrono_tz::Europe::Paris, "09:00-18:00", None, 1);
}

#[test]
fn every_slot_of_26_years_is_right_in_martinique() {
    compare(chrono_tz::America::Martinique, "09:00-18:00", None, 1);
}

#[test]
fn every_slot_of_26_years_is_right_on_reunion() {
    compare(chrono_tz::Indian::Reunion, "09:00-18:00", None, 1);
}

#[test]
fn every_slot_of_26_years_is_right_in_noumea() {
    compare(chrono_tz::Pacific::Noumea, "09:00-18:00", None, 1);
}

#[test]
fn every_slot_of_26_years_is_right_where_midnight_comes_twice_or_never() {
    compare(chrono_tz::Asia::Beirut, "09:00-18:00", None, 1);
}

/// Zones whose clocks change at midnight, by half an hour, twice around Ramadan, or not at all.
const ZONES: [Tz; 10] = [
    chrono_tz::Europe::Paris,
    chrono_tz::America::Martinique,
    chrono_tz::America::Miquelon,
    chrono_tz::Pacific::Noumea,
    chrono_tz::Asia::Beirut,
    chrono_tz::Africa::Casablanca,
    chrono_tz::America::Havana,
    chrono_tz::Africa::Cairo,
    chrono_tz::Australia::Lord_Howe,
    // The hour from 23:00 on is skipped in March: these days end at 22:59:59.
    chrono_tz::America::Nuuk,
];

#[test]
fn other_windows_open_at_the_right_instants() {
    for tz in ZONES {
        compare(tz, "00:00-24:00", None, 13);
        compare(tz, "02:30-12:00", None, 7);
    }
}

#[test]
fn slots_before_the_form_opens_move_to_the_first_slot_after() {
    for tz in ZONES {
        compare(tz, "09:00-18:00", Some(90), 17);
        compare(tz, "00:00-24:00", Some(90), 29);
        compare(tz, "02:30-12:00", Some(20), 23);
    }
}

#[test]
fn a_form_that_opens_at_the_very_opening_is_still_closed() {
    let tz = chrono_tz::Europe::Paris;
    let zone = Zone::of(tz);
    for days in [Days::Any, Days::Working] {
        let (calendar, hours) = both(tz, &zone, "09:00-18:00", days, Some(30));
        for day in day_of(2026, 1, 1)..day_of(2028, 1, 1) {
            let expires = hours.opening(day);
            for stage in [90, 31, 30, 29, 0] {
                assert_eq!(
                    calendar.slot(Stage::new(stage), instant(expires)),
                    instant(hours.slot(i64::from(stage), expires)),
                    "stage {stage} of {}",
                    instant(expires)
                );
            }
        }
    }
}

#[test]
fn the_window_holds_the_same_instants() {
    for tz in ZONES {
        let zone = Zone::of(tz);
        for window in ["09:00-18:00", "00:00-24:00", "02:30-12:00"] {
            let (calendar, hours) = both(tz, &zone, window, Days::Working, None);
            // A step that is prime to the day comes past every quarter of an hour.
            let year = day_of(2026, 1, 1) * civil::DAY..day_of(2027, 1, 1) * civil::DAY;
            for at in year.step_by(7 * 15 * 60) {
                assert_eq!(
                    calendar.may_leave(instant(at)),
                    hours.may_leave(at),
                    "{tz} {window} at {}",
                    instant(at)
                );
            }
        }
    }
}

#[test]
fn every_working_day_of_2020_to_2050_is_the_same() {
    for day in day_of(2020, 1, 1)..day_of(2051, 1, 1) {
        assert_eq!(
            jetond::domain::holidays::is_working_day(naive(day)),
            civil::is_working(day),
            "{:?}",
            date_of(day)
        );
    }
}

/// Any calendar whose window is longer than any gap of its zone's clocks.
fn calendars() -> impl Strategy<Value = Calendar> {
    let days = prop_oneof![Just(Days::Any), Just(Days::Working)];
    let opens = prop_oneof![Just(None), (1..200_u32).prop_map(Some)];
    (0..ZONES.len(), 0..22 * 60_u32, 0..24 * 60_u32, days, opens).prop_map(
        |(zone, open, length, days, opens)| {
            let close = (open + 120 + length).min(24 * 60);
            let hour = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
            let window =
                Window::parse(&format!("{}-{}", hour(open), hour(close))).expect("a window");
            Calendar {
                tz: ZONES[zone],
                window,
                days,
                opens,
            }
        },
    )
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (day_of(2020, 1, 1) * civil::DAY..day_of(2046, 1, 1) * civil::DAY).prop_map(instant)
}

proptest! {
    #[test]
    fn a_more_urgent_stage_is_never_due_earlier(
        calendar in calendars(), expires in instants(), a in -400..400_i32, b in -400..400_i32,
    ) {
        let (urgent, early) = (a.min(b), a.max(b));
        prop_assert!(calendar.slot(Stage::new(early), expires) <= calendar.slot(Stage::new(urgent), expires));
    }

    #[test]
    fn a_slot_is_the_opening_of_a_mail_day(
        calendar in calendars(), expires in instants(), stage in -400..400_i32,
    ) {
        let slot = calendar.slot(Stage::new(stage), expires);
        let date = calendar.date(slot);
        prop_assert!(calendar.is_mail_day(date));
        prop_assert_eq!(calendar.opening(date), slot);
        prop_assert!(calendar.may_leave(slot));
        if let Some(opens) = calendar.opens {
            prop_assert!((expires - slot).num_seconds() < i64::from(opens) * civil::DAY);
        } else if calendar.days == Days::Any {
            prop_assert_eq!(calendar.days_between(slot, expires), i64::from(stage));
        }
    }

    #[test]
    fn what_waits_leaves_at_the_first_moment_that_is_allowed(
        calendar in calendars(), now in instants(), probe in 0.0..1.0_f64,
    ) {
        let leave = calendar.next_leave(now);
        prop_assert!(leave >= now);
        prop_assert!(calendar.may_leave(leave));
        // Nothing between now and then was allowed already.
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any instant between serves")]
        let between = now + chrono::Duration::seconds(((leave - now).num_seconds() as f64 * probe) as i64);
        prop_assert!(between == leave || !calendar.may_leave(between));
        prop_assert_eq!(calendar.next_leave(leave), leave);
    }

    #[test]
    fn slots_come_one_after_the_other(calendar in calendars(), now in instants()) {
        let next = calendar.first_slot_after(now);
        prop_assert!(next > now);
        prop_assert_eq!(calendar.opening(calendar.date(next)), next);
        let tomorrow = calendar.next_day_slot(now);
        prop_assert!(calendar.date(tomorrow) > calendar.date(now));
        prop_assert!(tomorrow >= next);
        prop_assert!(calendar.may_leave(next) && calendar.may_leave(tomorrow));
    }

    #[test]
    fn a_day_holds_its_own_ends(calendar in calendars(), now in instants()) {
        let date = calendar.date(now);
        prop_assert!(calendar.start_of_day(date) <= now && now <= calendar.end_of_day(date));
        prop_assert_eq!(calendar.date(calendar.start_of_day(date)), date);
        prop_assert_eq!(calendar.date(calendar.end_of_day(date)), date);
    }
}
