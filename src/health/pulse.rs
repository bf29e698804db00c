//! The signs of life of the daemon's loops: whether they turn, whatever comes of it.
//!
//! A loop shows life whenever its task is polled. Every wait in it ends by itself within a known
//! time (a deadline of the dialogue with the relay, a statement of the store, the pause between
//! two passes), so a loop that is not polled for longer than the longest of them is stuck; and so
//! is one that has been inside one poll for [`SLACK`]. It is read from any thread, without a lock
//! that a stuck loop could hold.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a statement of the store, or a computation, may take on a very slow machine; far more
/// than was ever measured.
pub const SLACK: Duration = Duration::from_secs(300);

/// The signs of life of a loop.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// Milliseconds after `began` of the last sign.
    last: AtomicU64,
    inside: AtomicBool,
    /// Milliseconds of the longest single wait that the loop may legally be in.
    longest: AtomicU64,
}

/// What a pulse says at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// For how long there was no sign.
    silent: Duration,
    /// Whether the loop is inside a poll.
    inside: bool,
}

impl Pulse {
    /// A pulse whose first sign was at `began`, of a loop whose longest wait is `longest`.
    pub fn new(began: Instant, longest: Duration) -> Self {
        Self {
            began,
            last: AtomicU64::new(0),
            inside: AtomicBool::new(false),
            longest: AtomicU64::new(millis(longest)),
        }
    }

    /// Does the work of a loop, and takes its pulse meanwhile.
    pub async fn of<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.sign(true);
            let polled = work.as_mut().poll(context);
            self.sign(false);
            polled
        })
        .await
    }

    fn sign(&self, inside: bool) {
        self.inside.store(inside, Ordering::Relaxed);
        self.last
            .store(millis(self.began.elapsed()), Ordering::Release);
    }

    fn read(&self) -> Reading {
        let last = Duration::from_millis(self.last.load(Ordering::Acquire));
        Reading {
            silent: self.began.elapsed().saturating_sub(last),
            inside: self.inside.load(Ordering::Relaxed),
        }
    }

    /// Allows for longer waits, if need be. Shorter ones are not taken over: what began before
    /// still has the old deadlines.
    pub fn allow(&self, longest: Duration) {
        self.longest.fetch_max(millis(longest), Ordering::Relaxed);
    }

    /// Whether the loop is stuck.
    pub fn is_stuck(&self) -> bool {
        let longest = Duration::from_millis(self.longest.load(Ordering::Relaxed));
        stuck(self.read(), longest)
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

fn stuck(reading: Reading, longest: Duration) -> bool {
    let patience = if reading.inside {
        SLACK
    } else {
        longest + SLACK
    };
    reading.silent > patience
}

/// The loops of the daemon. Clones are about the same loops.
#[derive(Debug, Clone)]
pub struct Loops {
    /// Plans.
    pub tick: Arc<Pulse>,
    /// Sends.
    pub delivery: Arc<Pulse>,
    /// Asks API Entreprise.
    pub probe: Arc<Pulse>,
}

impl Loops {
    /// Loops that begin now, whose longest waits are these.
    pub fn new(tick: Duration, delivery: Duration, probe: Duration) -> Self {
        let now = Instant::now();
        Self {
            tick: Arc::new(Pulse::new(now, tick)),
            delivery: Arc::new(Pulse::new(now, delivery)),
            probe: Arc::new(Pulse::new(now, probe)),
        }
    }

    /// Each loop, by its name.
    pub fn each(&self) -> [(&'static str, &Pulse); 3] {
        [
            ("tick", &self.tick),
            ("delivery", &self.delivery),
            ("probe", &self.probe),
        ]
    }

    /// The first loop that is stuck, if one is.
    pub fn stuck(&self) -> Option<&'static str> {
        let stuck = |(name, pulse): (&'static str, &Pulse)| pulse.is_stuck().then_some(name);
        self.each().into_iter().find_map(stuck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOT: Duration = Duration::from_secs(600);

    fn reading(seconds: u64, inside: bool) -> Reading {
        Reading {
            silent: Duration::from_secs(seconds),
            inside,
        }
    }

    #[test]
    fn a_relay_that_hangs_within_its_deadlines_is_not_a_stuck_loop() {
        assert!(!stuck(reading(600, false), DOT));
        assert!(!stuck(reading(900, false), DOT));
    }

    #[test]
    fn a_wait_beyond_every_deadline_is_a_stuck_loop() {
        assert!(stuck(reading(901, false), DOT));
    }

    #[test]
    fn a_poll_that_does_not_end_is_a_stuck_loop_whatever_the_deadlines() {
        assert!(!stuck(reading(300, true), DOT));
        assert!(stuck(reading(301, true), DOT));
    }

    #[tokio::test]
    async fn each_poll_is_a_sign_of_life_and_an_endless_one_is_seen_from_outside() {
        let pulse = Pulse::new(Instant::now(), DOT);
        let inside = pulse
            .of(async {
                tokio::task::yield_now().await;
                pulse.read().inside
            })
            .await;
        assert!(inside && !pulse.read().inside);
    }

    #[tokio::test]
    async fn what_was_silent_is_not_any_more_after_a_poll() {
        let began = Instant::now().checked_sub(Duration::from_secs(1000));
        let pulse = Pulse::new(began.unwrap(), DOT);
        assert!(pulse.is_stuck());
        pulse.of(tokio::task::yield_now()).await;
        assert!(!pulse.is_stuck());
    }

    #[test]
    fn longer_waits_are_allowed_at_once_and_shorter_ones_never() {
        let began = Instant::now().checked_sub(Duration::from_secs(1000));
        let pulse = Pulse::new(began.unwrap(), Duration::ZERO);
        assert!(pulse.is_stuck());
        pulse.allow(Duration::from_secs(3600));
        pulse.allow(Duration::ZERO);
        assert!(!pulse.is_stuck());
    }

    #[test]
    fn the_loop_that_is_stuck_is_named() {
        let loops = Loops::new(DOT, DOT, DOT);
        assert_eq!(loops.stuck(), None);
        let began = Instant::now().checked_sub(Duration::from_secs(1000));
        let stuck = Arc::new(Pulse::new(began.unwrap(), DOT));
        let probe = Loops {
            probe: Arc::clone(&stuck),
            ..loops
        };
        assert_eq!(probe.stuck(), Some("probe"));
        let delivery = Loops {
            delivery: stuck,
            ..probe
        };
        assert_eq!(delivery.stuck(), Some("delivery"));
    }
}
