//! How a watched token stands, in the five words by which dashboards and monitoring count: what
//! burns, what is to be done, what waits for its outcome.
//!
//! A token has one standing at a time, the most pressing one. What is filed counts as such until
//! the last words are due: from then on it is urgent again.

use chrono::{DateTime, Days, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{LAST_WORDS, words};

/// So many days before its expiry a token is to be renewed.
pub const TO_RENEW: i32 = 90;

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The access is cut.
    Expired,
    /// [`LAST_WORDS`] days are left, or fewer.
    Urgent,
    /// The renewal was filed, or declared, and nothing has come of it yet.
    Filed,
    /// [`TO_RENEW`] days are left, or fewer.
    ToRenew,
    /// Nothing is to be done yet.
    Active,
}

words!(Standing {
    Expired = "expired",
    Urgent = "urgent",
    Filed = "filed",
    ToRenew = "to_renew",
    Active = "active",
});

/// Whether somebody said that the renewal is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filing {
    /// It was filed, or declared.
    Pending,
    /// Nobody said so.
    None,
}

/// The instants between two standings on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// What ends before this is expired.
    pub now: DateTime<Utc>,
    /// What ends before this is urgent.
    pub urgent: DateTime<Utc>,
    /// What ends before this is to be renewed.
    pub to_renew: DateTime<Utc>,
}

impl Horizon {
    /// The horizon of a moment: days left are counted in local dates.
    pub fn at(calendar: &Calendar, now: DateTime<Utc>) -> Self {
        let after = |days: i32| {
            let days = Days::new(u64::from(days.unsigned_abs()) + 1);
            let today = calendar.date(now);
            calendar.start_of_day(today.checked_add_days(days).unwrap_or(today))
        };
        Self {
            now,
            urgent: after(LAST_WORDS),
            to_renew: after(TO_RENEW),
        }
    }
}

impl Standing {
    /// How a watched token stands whose period ends at `expires`.
    pub fn of(expires: DateTime<Utc>, filing: Filing, horizon: &Horizon) -> Self {
        if expires < horizon.now {
            Self::Expired
        } else if expires < horizon.urgent {
            Self::Urgent
        } else if filing == Filing::Pending {
            Self::Filed
        } else if expires < horizon.to_renew {
            Self::ToRenew
        } else {
            Self::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days as MailDays, Window};

    fn at(written: &str) -> DateTime<Utc> {
        written.parse().unwrap()
    }

    #[test]
    fn a_token_stands_by_local_days_left_and_the_most_pressing_word_wins() {
        let calendar = Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: MailDays::Any,
            opens: None,
        };
        // 23:30 in Paris, where it is still the 22nd.
        let horizon = Horizon::at(&calendar, at("2026-11-22T22:30:00Z"));
        let of = |expires, filing| Standing::of(at(expires), filing, &horizon);
        for (expires, alone, filed) in [
            ("2026-11-22T22:29:59Z", Standing::Expired, Standing::Expired),
            ("2026-11-22T22:30:00Z", Standing::Urgent, Standing::Urgent),
            // The end of the 15th day after, and the beginning of the 16th.
            ("2026-12-07T22:59:59Z", Standing::Urgent, Standing::Urgent),
            ("2026-12-07T23:00:00Z", Standing::ToRenew, Standing::Filed),
            // The 90th day after, and the 91st.
            ("2027-02-20T22:59:59Z", Standing::ToRenew, Standing::Filed),
            ("2027-02-20T23:00:00Z", Standing::Active, Standing::Filed),
        ] {
            assert_eq!(of(expires, Filing::None), alone, "{expires}");
            assert_eq!(of(expires, Filing::Pending), filed, "{expires}, filed");
        }
    }
}
