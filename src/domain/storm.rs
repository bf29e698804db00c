//! The storm brake: when many mails are late at once, a person is asked before they leave.
//!
//! Only a gap in the watch makes a storm: a long downtime, a restored backup, a clock that was
//! wrong. Mails that are late because a relay was out of reach while the watch went on were
//! planned on their day, and leave when it is back. A hold always ends by itself.

use chrono::{DateTime, Duration, Utc};

use crate::domain::calendar::Calendar;

/// A mail is late when every notice that it carries should have left longer ago than this.
pub const LATE: Duration = Duration::hours(24);

/// Without a pass for longer than this the watch has a gap. One pass a day (`run --once`) leaves
/// none, not even where a day has 25 hours.
const GAP: Duration = Duration::hours(26);

/// A mail whose most urgent stage is this or less waits for the next slot only.
const SOON_FROM_STAGE: i64 = 15;

/// Without an answer the other mails are held for this long.
const UNANSWERED: Duration = Duration::hours(24);

/// Fewer late mails than this are no storm, however few tokens there are.
const LEAST: usize = 50;

/// Whether a pass at `now` comes after a gap in the watch; a watch without a past has none
/// behind it that could be trusted.
pub fn is_gap(last_pass: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last_pass.is_none_or(|last| now - last > GAP)
}

/// How many late mails may leave without a person: `configured`, or the larger of 50 and a
/// fifth of the tokens; `None`: any number.
pub fn limit(configured: Option<u32>, tokens: usize) -> Option<usize> {
    match configured {
        Some(0) => None,
        Some(n) => Some(usize::try_from(n).unwrap_or(usize::MAX)),
        None => Some(LEAST.max(tokens / 5)),
    }
}

/// Whether a mail with this most urgent stage is held for a slot only.
pub fn is_urgent(urgency: i64) -> bool {
    urgency <= SOON_FROM_STAGE
}

/// When a mail held at `now` leaves by itself; `urgency` is its most urgent stage.
pub fn leaves_unanswered(calendar: &Calendar, urgency: i64, now: DateTime<Utc>) -> DateTime<Utc> {
    if is_urgent(urgency) {
        calendar.first_slot_after(now)
    } else {
        calendar.next_leave(now + UNANSWERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days, Window};

    fn at(s: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(s).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn the_limit_is_a_fifth_of_the_tokens_and_at_least_fifty() {
        let cases = [
            (None, 1, Some(50)),
            (None, 250, Some(50)),
            (None, 500, Some(100)),
            (Some(7), 500, Some(7)),
            (Some(0), 500, None),
        ];
        for (configured, tokens, expected) in cases {
            assert_eq!(limit(configured, tokens), expected);
        }
    }

    #[test]
    fn a_pass_a_day_leaves_no_gap() {
        let now = at("2026-11-20T10:00:00Z");
        assert!(is_gap(None, now));
        assert!(!is_gap(Some(now - GAP), now));
        assert!(is_gap(Some(now - GAP - Duration::seconds(1)), now));
        assert!(!is_gap(Some(now + GAP * 40), now));
    }

    #[test]
    fn what_is_urgent_waits_for_a_slot_and_the_rest_for_a_day() {
        let mut calendar = Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: Days::Any,
            opens: None,
        };
        let friday = at("2026-11-20T10:00:00Z");
        let leaves = |calendar: &Calendar, urgency| leaves_unanswered(calendar, urgency, friday);
        let (slot, day) = (at("2026-11-21T08:00:00Z"), at("2026-11-21T10:00:00Z"));
        for (urgency, expected) in [(90, day), (16, day), (15, slot), (0, slot), (-90, slot)] {
            assert_eq!(leaves(&calendar, urgency), expected, "{urgency}");
        }
        calendar.days = Days::Working;
        let monday = at("2026-11-23T08:00:00Z");
        assert_eq!(leaves(&calendar, 1), monday);
        assert_eq!(leaves(&calendar, 90), monday);
    }
}
