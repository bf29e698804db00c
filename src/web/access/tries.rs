//! How often a password may be tried: five times for a name, then after ever longer waits; and
//! so many times in a minute for all names together.
//!
//! A try counts before it is made, so that many at once gain nothing; one that succeeds is taken
//! back. Names that nobody has are counted like the others.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

/// Tries for a name without waiting.
const FREE: u32 = 5;

/// The wait after the next one; it doubles each time.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// No wait is longer. Whoever goes on guessing keeps the name shut, also for the right person:
/// `docs/rules.md` says so.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);

/// After that a name starts anew.
const FORGOTTEN: TimeDelta = TimeDelta::hours(1);

/// Failures for all names together in a minute.
const TOGETHER: u32 = 60;

/// Names that are counted; the one that was tried least lately goes.
const MOST_NAMES: usize = 1_000;

/// A name, by a keyed hash.
pub(super) type Name = [u8; 32];

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

/// The tries that failed or are not decided.
#[derive(Debug, Default)]
pub(super) struct Tries {
    of: HashMap<Name, Failures>,
    minute: i64,
    in_minute: u32,
}

impl Tries {
    /// Counts a try that begins now.
    ///
    /// # Errors
    /// In how much time another one may be made.
    pub(super) fn admit(&mut self, name: Name, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let minute = now.timestamp().div_euclid(60);
        if self.minute != minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if self.in_minute >= TOGETHER {
            return Err(TimeDelta::seconds(60 - now.timestamp().rem_euclid(60)));
        }
        self.of.retain(|_, f| now - f.last < FORGOTTEN);
        if !self.of.contains_key(&name)
            && self.of.len() >= MOST_NAMES
            && let Some(stalest) = self.of.iter().min_by_key(|(_, f)| f.last).map(|(n, _)| *n)
        {
            self.of.remove(&stalest);
        }
        let failures = self.of.entry(name).or_insert(Failures {
            count: 0,
            last: now,
        });
        // A clock that was put back must not make a wait longer.
        failures.last = failures.last.min(now);
        let left = wait(failures.count) - (now - failures.last);
        if left > TimeDelta::zero() {
            return Err(left);
        }
        failures.count += 1;
        failures.last = now;
        self.in_minute += 1;
        Ok(())
    }

    /// Takes the tries of a name back: one was right.
    pub(super) fn succeeded(&mut self, name: &Name) {
        self.of.remove(name);
        self.in_minute = self.in_minute.saturating_sub(1);
    }

    /// Takes one try back that was never made.
    pub(super) fn not_made(&mut self, name: &Name) {
        if let Some(failures) = self.of.get_mut(name) {
            failures.count = failures.count.saturating_sub(1);
        }
        self.in_minute = self.in_minute.saturating_sub(1);
    }
}

/// For how long nobody tries after so many failures.
fn wait(failures: u32) -> TimeDelta {
    match failures.checked_sub(FREE) {
        None => TimeDelta::zero(),
        Some(more) => (FIRST_WAIT * (1 << more.min(5))).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    const CAMILLE: Name = [1; 32];

    #[test]
    fn the_waits_of_a_name_double_up_to_a_quarter_of_an_hour() {
        let mut tries = Tries::default();
        let mut now = 0;
        for _ in 0..5 {
            tries.admit(CAMILLE, at(now)).unwrap();
        }
        for wait in [30, 60, 120, 240, 480, 900, 900, 900] {
            let told = tries.admit(CAMILLE, at(now)).unwrap_err();
            assert_eq!(told.num_seconds(), wait);
            assert!(tries.admit(CAMILLE, at(now + wait - 1)).is_err());
            assert!(
                tries.admit([2; 32], at(now)).is_ok(),
                "others wait for nobody"
            );
            tries.succeeded(&[2; 32]);
            now += wait;
            tries.admit(CAMILLE, at(now)).unwrap();
        }
        // Whoever was right, or silent for an hour, starts anew.
        now += 900;
        tries.admit(CAMILLE, at(now)).unwrap();
        tries.succeeded(&CAMILLE);
        for _ in 0..5 {
            tries.admit(CAMILLE, at(now)).unwrap();
        }
        assert!(tries.admit(CAMILLE, at(now + 29)).is_err());
        assert!(tries.admit(CAMILLE, at(now + 3600)).is_ok());
    }

    #[test]
    fn all_names_together_have_so_many_tries_in_a_minute() {
        let mut tries = Tries::default();
        let name = |n: u32| {
            let mut name = [0; 32];
            name[..4].copy_from_slice(&n.to_be_bytes());
            name
        };
        for n in 0..60 {
            tries.admit(name(n), at(10)).unwrap();
        }
        assert_eq!(tries.admit(name(99), at(13)).unwrap_err().num_seconds(), 47);
        // One that was never made, or was right, makes room.
        tries.not_made(&name(3));
        tries.admit(name(99), at(13)).unwrap();
        assert!(tries.admit(name(100), at(59)).is_err());
        assert!(tries.admit(name(100), at(60)).is_ok());
    }

    #[test]
    fn a_clock_that_is_put_back_locks_nobody_out() {
        let mut tries = Tries::default();
        for _ in 0..5 {
            tries.admit(CAMILLE, at(40 * 86_400)).unwrap();
        }
        let wait = tries.admit(CAMILLE, at(0)).unwrap_err();
        assert_eq!(wait.num_seconds(), 30);
        tries.admit(CAMILLE, at(30)).unwrap();
    }

    #[test]
    fn names_that_nobody_has_take_no_memory_without_end() {
        let mut tries = Tries::default();
        for n in 0..5_000_u32 {
            let mut name = [0; 32];
            name[..4].copy_from_slice(&n.to_be_bytes());
            // Forty in each minute of the hour.
            let _waits = tries.admit(name, at(i64::from(n) * 60 / 40));
            assert!(tries.of.len() <= MOST_NAMES);
        }
        assert_eq!(tries.of.len(), MOST_NAMES);
    }
}
