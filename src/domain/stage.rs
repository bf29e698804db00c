//! Stages: the distances to the day of expiry at which a reminder is due.
//!
//! A schedule is a finite list and a tail that repeats for ever. Versions of it are kept with
//! the instant from which each held, because a stage that an admin adds counts only for later
//! slots.

use std::fmt;

use chrono::{DateTime, Utc};

/// A distance to the day of expiry in days: positive before it, 0 on it, negative after it.
/// A smaller stage is more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(i32);

impl Stage {
    /// The stage `days` days before the day of expiry.
    pub const fn new(days: i32) -> Self {
        Self(days)
    }

    /// Days before the day of expiry; negative after it.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// Whether this stage may add a second mail to a day (stages 1 and 0).
    pub fn may_be_second(self) -> bool {
        matches!(self.0, 0 | 1)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What repeats after the last listed stage: every `every` days from `last` days after expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail {
    last: i32,
    every: i32,
}

/// The stages of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages {
    /// Strictly decreasing: the earliest in time first.
    listed: Vec<Stage>,
    tail: Option<Tail>,
}

impl Stages {
    /// A schedule of `before` days before expiry, `after` days after it, and every `then_every`
    /// days from the last of `after` on (0: none). Order and repetitions do not matter.
    pub fn new(before: &[u32], after: &[u32], then_every: u32) -> Self {
        let days = |n: &u32| i32::try_from(*n).unwrap_or(i32::MAX);
        let mut listed: Vec<Stage> = before
            .iter()
            .map(|n| Stage(days(n)))
            .chain(after.iter().map(|n| Stage(-days(n))))
            .collect();
        listed.sort_unstable_by(|a, b| b.cmp(a));
        listed.dedup();
        let last = after.iter().map(days).max().unwrap_or(0);
        let tail = (then_every > 0).then(|| Tail {
            last,
            every: days(&then_every),
        });
        Self { listed, tail }
    }

    /// All stages, the earliest in time first; endless when there is a tail.
    pub fn iter(&self) -> impl Iterator<Item = Stage> + '_ {
        let tail = self.tail.into_iter().flat_map(|t| {
            (1..)
                .map_while(move |n: i32| t.every.checked_mul(n)?.checked_add(t.last))
                .map(|days| Stage(-days))
        });
        self.listed.iter().copied().chain(tail)
    }

    /// The stages of the list, without the tail.
    pub fn listed(&self) -> &[Stage] {
        &self.listed
    }

    /// Whether the schedule has this stage.
    pub fn contains(&self, stage: Stage) -> bool {
        self.listed.contains(&stage)
            || self.tail.is_some_and(|t| {
                let past = -stage.0 - t.last;
                past > 0 && past % t.every == 0
            })
    }

    /// The most distant stage before expiry, in days; 0 when there is none.
    pub fn earliest(&self) -> i32 {
        self.listed.first().map_or(0, |s| s.0.max(0))
    }

    /// The form in which the store keeps a schedule: `90,60,30;+90/30`, the tail after the `;`.
    pub fn to_spec(&self) -> String {
        let listed: Vec<String> = self.listed.iter().map(ToString::to_string).collect();
        match self.tail {
            Some(t) => format!("{};+{}/{}", listed.join(","), t.last, t.every),
            None => format!("{};", listed.join(",")),
        }
    }

    /// Reads [`Stages::to_spec`] back; `None` when it is damaged.
    pub fn from_spec(spec: &str) -> Option<Self> {
        let (listed, tail) = spec.split_once(';')?;
        let listed = listed
            .split(',')
            .filter(|s| !s.is_empty())
            .map(|s| s.parse().ok().map(Stage))
            .collect::<Option<Vec<_>>>()?;
        let tail = match tail.strip_prefix('+') {
            None => None,
            Some(t) => {
                let (last, every) = t.split_once('/')?;
                Some(Tail {
                    last: last.parse().ok()?,
                    every: every.parse().ok().filter(|n| *n > 0)?,
                })
            }
        };
        Some(Self { listed, tail })
    }
}

/// A schedule and those that held before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    current: Stages,
    /// Earlier versions and the current one, oldest first, each with the instant from which it
    /// held. The first one counts as having held always.
    versions: Vec<(DateTime<Utc>, Stages)>,
}

impl Schedule {
    /// A schedule that has always held.
    pub fn always(stages: Stages) -> Self {
        Self {
            versions: vec![(DateTime::UNIX_EPOCH, stages.clone())],
            current: stages,
        }
    }

    /// A schedule with its history, oldest first. `None` when the history is empty.
    pub fn with_history(versions: Vec<(DateTime<Utc>, Stages)>) -> Option<Self> {
        let current = versions.last()?.1.clone();
        Some(Self { current, versions })
    }

    /// The stages in force.
    pub fn stages(&self) -> &Stages {
        &self.current
    }

    /// Since when `stage` has been in the schedule without a break; `None`: always.
    pub fn known_since(&self, stage: Stage) -> Option<DateTime<Utc>> {
        let first = self
            .versions
            .iter()
            .rposition(|(_, s)| !s.contains(stage))?
            + 1;
        self.versions.get(first).map(|(since, _)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_goes_on_from_the_last_listed_stage() {
        let s = Stages::new(&[90, 1], &[0, 7, 90], 30);
        let first: Vec<i32> = s.iter().take(8).map(Stage::days).collect();
        assert_eq!(first, [90, 1, 0, -7, -90, -120, -150, -180]);
        assert!(
            s.contains(Stage::new(-120))
                && !s.contains(Stage::new(-121))
                && !s.contains(Stage::new(-60))
        );
        assert_eq!(Stages::from_spec(&s.to_spec()), Some(s));
        assert_eq!(Stages::new(&[5], &[], 0).iter().count(), 1);
    }

    #[test]
    fn a_stage_is_known_since_its_last_unbroken_stay() {
        let at = |s: i64| DateTime::from_timestamp(s, 0).unwrap();
        let h = Schedule::with_history(vec![
            (at(0), Stages::new(&[90, 45], &[0], 0)),
            (at(10), Stages::new(&[90], &[0], 0)),
            (at(20), Stages::new(&[90, 45], &[0], 0)),
        ])
        .unwrap();
        assert_eq!(h.known_since(Stage::new(90)), None);
        assert_eq!(h.known_since(Stage::new(45)), Some(at(20)));
    }
}
