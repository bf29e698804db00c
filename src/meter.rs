//! What delivery and the daemon measure of themselves, in memory, for `/metrics` and `/readyz`.
//!
//! A handle is cheap to clone, and what is told to it costs delivery a few relaxed additions: no
//! lock, no allocation, no text. It begins at zero with the process and outlives reloads. Nothing
//! here names a mail or a person, and nothing is decided by it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::lifecycle::words;
use crate::store::settle::Settlement;

/// Upper bounds of the time from claim to acceptance, in seconds.
const DURATIONS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];

/// Upper bounds of lateness, in seconds: from a pass to five days, with promise 1's day among them.
const LATENESSES: [f64; 13] = [
    60.0, 120.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 43_200.0, 86_400.0,
    172_800.0, 432_000.0,
];

/// Stands for an instant that has not been.
const NEVER: i64 = i64::MIN;

/// What an attempt to send a mail came to, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// A server answered 250.
    Sent,
    /// Refused for the time being.
    Deferred,
    /// Refused for good because of the recipient.
    Refused,
    /// Refused for good because of the message, or too often in doubt.
    Parked,
    /// Given up.
    Failed,
    /// Nobody knows whether it was accepted.
    InDoubt,
    /// Returned to the queue through no fault of its own.
    Returned,
}

words!(Attempt {
    Sent = "sent",
    Deferred = "deferred",
    Refused = "refused",
    Parked = "parked",
    Failed = "failed",
    InDoubt = "in_doubt",
    Returned = "returned",
});

impl Attempt {
    /// What is counted of an outcome; `None` when nothing was attempted.
    pub fn of(outcome: &Settlement) -> Option<Self> {
        match outcome {
            Settlement::Sent { .. } => Some(Self::Sent),
            Settlement::Deferred { .. } => Some(Self::Deferred),
            Settlement::Refused => Some(Self::Refused),
            Settlement::Parked | Settlement::StuckInDoubt => Some(Self::Parked),
            Settlement::Failed => Some(Self::Failed),
            Settlement::InDoubt { .. } => Some(Self::InDoubt),
            Settlement::Returned { .. } => Some(Self::Returned),
            Settlement::Postponed { .. } | Settlement::Cancelled => None,
        }
    }
}

/// How often values fell below each of some bounds, and their sum.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds: the last is for what is above all of them.
    counts: Box<[AtomicU64]>,
    micros: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            micros: AtomicU64::new(0),
        }
    }

    fn observe(&self, value: Duration) {
        let seconds = value.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn read(&self) -> Spread {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|n| n.load(Ordering::Relaxed));
        Spread {
            buckets: bounds.zip(counts).collect(),
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

/// A histogram as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Each upper bound in seconds, the last of them infinite, with how many values fell between
    /// it and the bound before.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all values, in seconds.
    pub sum: f64,
}

impl Spread {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, n)| n).sum()
    }
}

/// Something that the daemon did, when, and whether it succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: DateTime<Utc>,
    /// How it ended.
    pub ended: Ended,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Well,
    /// It failed.
    Badly,
}

impl Ended {
    /// How a result ended.
    pub fn of<T, E>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Well,
            Err(_) => Self::Badly,
        }
    }
}

#[derive(Debug)]
struct Counts {
    attempts: [AtomicU64; Attempt::ALL.len()],
    durations: Histogram,
    latenesses: Histogram,
    /// When delivery last looked well, and when it last had an outcome; seconds.
    delivered: AtomicI64,
    outcome: AtomicI64,
    pass: Mutex<Option<Mark>>,
    reload: Mutex<Option<Mark>>,
    heartbeat: Mutex<Option<Mark>>,
}

/// A handle to what one process measures; clones share it.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Counts>);

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Counts {
            attempts: Default::default(),
            durations: Histogram::new(&DURATIONS),
            latenesses: Histogram::new(&LATENESSES),
            delivered: AtomicI64::new(NEVER),
            outcome: AtomicI64::new(NEVER),
            pass: Mutex::default(),
            reload: Mutex::default(),
            heartbeat: Mutex::default(),
        }))
    }
}

impl Meter {
    /// An attempt had this outcome.
    pub fn settled(&self, outcome: &Settlement, now: DateTime<Utc>) {
        if let Some(attempt) = Attempt::of(outcome) {
            self.0.attempts[attempt as usize].fetch_add(1, Ordering::Relaxed);
            self.0.outcome.store(now.timestamp(), Ordering::Relaxed);
        }
    }

    /// A mail was accepted, so long after it was taken up; a reminder, so long after it could
    /// have left.
    pub fn accepted(&self, after: Duration, late: Option<chrono::Duration>) {
        self.0.durations.observe(after);
        if let Some(late) = late {
            // A clock that was set back meanwhile makes nothing early.
            self.0.latenesses.observe(late.to_std().unwrap_or_default());
        }
    }

    /// The delivery loop has looked, and its step ended well.
    pub fn delivered(&self, now: DateTime<Utc>) {
        self.0.delivered.store(now.timestamp(), Ordering::Relaxed);
    }

    /// A pass of the tick loop has ended; well: what it did is on record.
    pub fn passed(&self, at: DateTime<Utc>, ended: Ended) {
        *self.0.pass.lock().expect("no holder panics") = Some(Mark { at, ended });
    }

    /// A configuration was read: at the start, or at a reload.
    pub fn reloaded(&self, at: DateTime<Utc>, ended: Ended) {
        *self.0.reload.lock().expect("no holder panics") = Some(Mark { at, ended });
    }

    /// The heartbeat of the pass at this moment was sent, and heard or not.
    pub fn heartbeat(&self, at: DateTime<Utc>, ended: Ended) {
        *self.0.heartbeat.lock().expect("no holder panics") = Some(Mark { at, ended });
    }

    /// There is no heartbeat any more.
    pub fn forget_heartbeat(&self) {
        *self.0.heartbeat.lock().expect("no holder panics") = None;
    }

    /// How many attempts came to this.
    pub fn attempts(&self, of: Attempt) -> u64 {
        self.0.attempts[of as usize].load(Ordering::Relaxed)
    }

    /// The times from claim to acceptance.
    pub fn durations(&self) -> Spread {
        self.0.durations.read()
    }

    /// The lateness of reminders.
    pub fn latenesses(&self) -> Spread {
        self.0.latenesses.read()
    }

    /// When the delivery loop last gave a sign of good work: a step that ended well, or, within a
    /// long one, an outcome.
    pub fn last_delivery(&self) -> Option<DateTime<Utc>> {
        let read = |at: &AtomicI64| at.load(Ordering::Relaxed);
        let last = read(&self.0.delivered).max(read(&self.0.outcome));
        (last != NEVER).then(|| DateTime::from_timestamp(last, 0))?
    }

    /// The last pass of this process.
    pub fn last_pass(&self) -> Option<Mark> {
        *self.0.pass.lock().expect("no holder panics")
    }

    /// The last reading of a configuration.
    pub fn last_reload(&self) -> Option<Mark> {
        *self.0.reload.lock().expect("no holder panics")
    }

    /// The last heartbeat.
    pub fn last_heartbeat(&self) -> Option<Mark> {
        *self.0.heartbeat.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_below_its_bound_and_one_above_all_is_counted_too() {
        let histogram = Histogram::new(&LATENESSES);
        for seconds in [0, 60, 61, 86_400, 432_001] {
            histogram.observe(Duration::from_secs(seconds));
        }
        let read = histogram.read();
        let filled: Vec<(f64, u64)> = read.buckets.iter().copied().filter(|b| b.1 > 0).collect();
        assert_eq!(
            filled,
            [(60.0, 2), (120.0, 1), (86_400.0, 1), (f64::INFINITY, 1)]
        );
        assert!((read.sum - 518_522.0).abs() < 1e-6, "{}", read.sum);
        assert_eq!(read.count(), 5);
    }

    #[test]
    fn bounds_rise() {
        assert!(DURATIONS.is_sorted() && LATENESSES.is_sorted());
    }

    #[test]
    fn each_outcome_is_counted_once_and_what_was_no_attempt_is_not() {
        let (meter, now) = (Meter::default(), DateTime::UNIX_EPOCH);
        assert_eq!(meter.last_delivery(), None);
        meter.settled(&Settlement::Cancelled, now);
        meter.settled(&Settlement::Postponed { next_at: now }, now);
        assert_eq!(meter.last_delivery(), None);
        for outcome in [
            Settlement::Sent {
                subject: String::new(),
                body: None,
            },
            Settlement::Deferred { next_at: now },
            Settlement::Refused,
            Settlement::Parked,
            Settlement::StuckInDoubt,
            Settlement::Failed,
            Settlement::InDoubt { next_at: now },
            Settlement::Returned { next_at: now },
        ] {
            meter.settled(&outcome, now);
            let word = Attempt::of(&outcome).map(Attempt::word);
            assert_eq!(word, outcome.attempt_word(), "one word for one thing");
        }
        let counted: Vec<u64> = Attempt::ALL.iter().map(|a| meter.attempts(*a)).collect();
        assert_eq!(counted, [1, 1, 1, 2, 1, 1, 1]);
        assert_eq!(meter.last_delivery(), Some(now));
    }

    #[test]
    fn a_sign_of_delivery_is_a_step_or_an_outcome_within_one() {
        let meter = Meter::default();
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        meter.delivered(at(100));
        meter.settled(&Settlement::Refused, at(160));
        assert_eq!(meter.last_delivery(), Some(at(160)));
        meter.delivered(at(200));
        assert_eq!(meter.last_delivery(), Some(at(200)));
    }
}
