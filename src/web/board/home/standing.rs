//! How many active tokens end when: the tiles of the overview, the groups of the timeline, the
//! ends by month.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, Days, Utc};
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::{LAST_WORDS, Silence};
use crate::store::board::home::{Ending, Spoken};
use crate::web::board::timeline::{AHEAD, month, month_name};

/// A token is to be renewed when it ends within so many days.
const TO_RENEW: u64 = 90;

/// A part of the active tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::board) enum Group {
    /// Their end has passed.
    Expired,
    /// They end within [`LAST_WORDS`] days.
    Urgent,
    /// They end within [`TO_RENEW`] days, the urgent ones among them.
    ToRenew,
    /// A request for their renewal was filed, and they are not renewed yet.
    Filed,
    /// All of them.
    Active,
}

impl Group {
    pub(in crate::web::board) const ALL: [Self; 5] = [
        Self::Expired,
        Self::Urgent,
        Self::ToRenew,
        Self::Filed,
        Self::Active,
    ];

    /// The word of the parameter `state`.
    pub(in crate::web::board) fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Urgent => "urgent",
            Self::ToRenew => "to-renew",
            Self::Filed => "filed",
            Self::Active => "active",
        }
    }

    pub(in crate::web::board) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.word() == word)
    }

    pub(in crate::web::board) fn name(self) -> Text {
        match self {
            Self::Expired => text!("Expired", "Expirés"),
            Self::Urgent => text!("Urgent", "Urgents"),
            Self::ToRenew => text!("To renew", "À renouveler"),
            Self::Filed => text!("Filed, pending", "Demande déposée"),
            Self::Active => text!("Active", "Actifs"),
        }
    }

    /// What belongs to it.
    pub(in crate::web::board) fn meaning(self) -> Text {
        match self {
            Self::Expired => text!("not renewed", "non renouvelés"),
            Self::Urgent => text!("15 days or less", "15\u{a0}jours ou moins"),
            Self::ToRenew => text!("90 days or less", "90\u{a0}jours ou moins"),
            Self::Filed => text!("not renewed yet", "pas encore renouvelés"),
            Self::Active => text!("watched in all", "sous veille en tout"),
        }
    }
}

/// The active tokens, the first to expire first.
#[derive(Debug, Clone)]
pub(in crate::web::board) struct Standing {
    endings: Vec<Ending>,
    filed: BTreeSet<i64>,
    /// Where those begin that have not ended, those that are not urgent, and the rest.
    bounds: [usize; 3],
}

/// How many tokens end in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::web::board) struct Month {
    pub(in crate::web::board) name: &'static str,
    pub(in crate::web::board) year: i32,
    pub(in crate::web::board) count: usize,
}

impl Standing {
    pub(in crate::web::board) fn of(
        mut endings: Vec<Ending>,
        spoken: &[Spoken],
        calendar: &Calendar,
        now: DateTime<Utc>,
    ) -> Self {
        endings.sort_unstable_by_key(|e| (e.expires, e.no));
        let today = calendar.date(now);
        let end_of = |days| {
            let date = today.checked_add_days(Days::new(days)).unwrap_or(today);
            calendar.end_of_day(date)
        };
        let urgent = end_of(u64::from(LAST_WORDS.unsigned_abs()));
        let to_renew = end_of(TO_RENEW);
        let first = |is_before: &dyn Fn(&Ending) -> bool| endings.partition_point(is_before);
        Self {
            bounds: [
                first(&|e| e.expires < now),
                first(&|e| e.expires <= urgent),
                first(&|e| e.expires <= to_renew),
            ],
            filed: spoken
                .iter()
                .filter(|s| s.kind == Silence::Filed)
                .map(|s| s.no)
                .collect(),
            endings,
        }
    }

    /// The rows of a group, the first to expire first.
    pub(in crate::web::board) fn rows(&self, of: Group) -> Vec<i64> {
        let [urgent, calm, rest] = self.bounds;
        let part = match of {
            Group::Expired => &self.endings[..urgent],
            Group::Urgent => &self.endings[urgent..calm],
            Group::ToRenew => &self.endings[urgent..rest],
            Group::Filed => {
                let filed = self.endings.iter().filter(|e| self.filed.contains(&e.no));
                return filed.map(|e| e.no).collect();
            }
            Group::Active => &self.endings[..],
        };
        part.iter().map(|e| e.no).collect()
    }

    pub(in crate::web::board) fn count(&self, of: Group) -> usize {
        let [urgent, calm, rest] = self.bounds;
        match of {
            Group::Expired => urgent,
            Group::Urgent => calm - urgent,
            Group::ToRenew => rest - urgent,
            Group::Filed => self.rows(of).len(),
            Group::Active => self.endings.len(),
        }
    }

    /// The first so many to expire of those that have not ended yet, after the latest of those
    /// that have.
    pub(in crate::web::board) fn nearest(&self, limit: usize) -> Vec<i64> {
        let past = self.bounds[0];
        // However many were left to expire, what is to come has most of the room.
        let from =
            past.saturating_sub((limit / 4).max(limit.saturating_sub(self.endings.len() - past)));
        let shown = self.endings[from..].iter().take(limit);
        shown.map(|e| e.no).collect()
    }

    /// How many end in the rest of this month and in each of the months after it.
    pub(in crate::web::board) fn months(
        &self,
        calendar: &Calendar,
        lang: Lang,
        now: DateTime<Utc>,
    ) -> Vec<Month> {
        let today = calendar.date(now);
        let mut from = self.bounds[0];
        (0..i64::from(AHEAD))
            .map(|n| {
                let next = calendar.start_of_day(month(today, n + 1));
                let to = self.endings.partition_point(|e| e.expires < next).max(from);
                let of = month(today, n);
                let count = to - from;
                from = to;
                Month {
                    name: month_name(lang, of),
                    year: of.year(),
                    count,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days as MailDays, Window};

    fn at(written: &str) -> DateTime<Utc> {
        written.parse().unwrap()
    }

    fn standing(ends: &[&str]) -> (Standing, Calendar) {
        let calendar = Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: MailDays::Any,
            opens: None,
        };
        let endings = ends.iter().zip(1..).map(|(end, no)| Ending {
            no,
            expires: at(end),
        });
        let filed = Spoken {
            no: 3,
            kind: Silence::Filed,
            at: at("2026-11-01T00:00:00Z"),
            who: "user:x".to_owned(),
            until: None,
        };
        let of = Standing::of(
            endings.collect(),
            &[filed],
            &calendar,
            at("2026-11-23T08:00:00Z"),
        );
        (of, calendar)
    }

    const ENDS: [&str; 6] = [
        "2026-11-23T07:59:59Z",
        "2026-12-08T22:59:59Z",
        "2026-12-08T23:00:00Z",
        "2027-02-21T22:59:59Z",
        "2027-02-21T23:00:00Z",
        "2030-01-01T00:00:00Z",
    ];

    #[test]
    fn the_groups_are_told_by_local_days() {
        let (of, _) = standing(&ENDS);
        assert_eq!(of.rows(Group::Expired), [1]);
        assert_eq!(of.rows(Group::Urgent), [2]);
        assert_eq!(of.rows(Group::ToRenew), [2, 3, 4]);
        assert_eq!(of.rows(Group::Filed), [3]);
        assert_eq!(of.count(Group::Active), 6);
        for group in Group::ALL {
            assert_eq!(of.count(group), of.rows(group).len());
        }
    }

    #[test]
    fn the_months_count_what_ends_in_them_and_nothing_that_has_ended() {
        let (of, calendar) = standing(&ENDS);
        let months = of.months(&calendar, Lang::En, at("2026-11-23T08:00:00Z"));
        let counts: Vec<_> = months.iter().map(|m| (m.name, m.count)).take(4).collect();
        assert_eq!(counts, [("Nov", 0), ("Dec", 2), ("Jan", 0), ("Feb", 2)]);
        assert_eq!(months.iter().map(|m| m.count).sum::<usize>(), 4);
    }

    #[test]
    fn the_nearest_are_bounded_and_leave_room_for_what_is_to_come() {
        let mut ends = vec!["2026-01-01T00:00:00Z"; 30];
        ends.extend(["2027-01-01T00:00:00Z"; 30]);
        let (of, _) = standing(&ends);
        let nearest = of.nearest(20);
        assert_eq!(nearest.len(), 20);
        assert_eq!(nearest.iter().filter(|no| **no > 30).count(), 15);
        let (few, _) = standing(&ENDS);
        assert_eq!(few.nearest(20).len(), 6);
        let (past, _) = standing(&["2026-01-01T00:00:00Z"; 30]);
        assert_eq!(past.nearest(20).len(), 20);
        assert!(standing(&[]).0.nearest(20).is_empty());
    }
}
