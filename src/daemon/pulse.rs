//! The watchdog's rule: it follows both loops turning, whatever the result.
//!
//! A loop shows life whenever its task is polled. Every wait in it ends by itself within a known
//! time (a deadline of the dialogue with the relay, a statement of the store, the pause between
//! two passes), so a loop that is not polled for longer than the longest of them is stuck; and so
//! is one that has been inside one poll for [`SLACK`]. A relay that hangs within its deadlines, a
//! full disk and a store that fails all leave the loops turning: they are told elsewhere, and
//! never become a restart.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::{Config, Deadlines, Transport};
use crate::daemon::Shared;
use crate::systemd;

/// What a statement of the store, or a computation, may take on a very slow machine; far more
/// than was ever measured.
pub(super) const SLACK: Duration = Duration::from_secs(300);

/// The signs of life of a loop.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// Milliseconds after `began` of the last sign.
    last: AtomicU64,
    inside: AtomicBool,
}

/// What a pulse says at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// For how long there was no sign.
    silent: Duration,
    /// Whether the loop is inside a poll.
    inside: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            inside: AtomicBool::new(false),
        }
    }
}

impl Pulse {
    /// Does the work of a loop, and takes its pulse meanwhile.
    pub(super) async fn of<F: Future>(&self, work: F) -> F::Output {
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
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(at, Ordering::Release);
    }

    fn read(&self) -> Reading {
        let last = Duration::from_millis(self.last.load(Ordering::Acquire));
        Reading {
            silent: self.began.elapsed().saturating_sub(last),
            inside: self.inside.load(Ordering::Relaxed),
        }
    }

    /// Whether the loop is stuck, whose longest wait is `longest`.
    pub(super) fn is_stuck(&self, longest: Duration) -> bool {
        stuck(self.read(), longest)
    }
}

fn stuck(reading: Reading, longest: Duration) -> bool {
    let patience = if reading.inside {
        SLACK
    } else {
        longest + SLACK
    };
    reading.silent > patience
}

/// The longest time that the delivery loop may legally see no sign of life of any connection: one
/// attempt in which every phase takes its deadline.
pub(super) fn longest_wait(config: &Config) -> Duration {
    let of = |deadlines: &Deadlines| {
        let Deadlines {
            connect,
            tls,
            command,
            data,
            body,
            dot,
            quit,
        } = *deadlines;
        // The farthest sign of life of a lane: connection, greeting, EHLO twice, STARTTLS, AUTH in
        // three steps, MAIL, RCPT, RSET …
        connect + tls + 12 * command + data + body + dot + quit
    };
    match &config.mail.transport {
        Transport::Smtp(smtp) => of(&smtp.deadlines),
        // A command may take as long as the reply to a final dot.
        Transport::Sendmail { .. } => of(&Deadlines::default()),
        Transport::File { .. } => Duration::ZERO,
    }
}

/// Tells the manager that all is turning, for as long as that is so: twice as often as it asks,
/// and three times for a start.
pub(super) async fn follow(shared: &Shared) {
    let Some(within) = systemd::watchdog_expected_within() else {
        return;
    };
    let mut known_stuck = false;
    let mut beat = tokio::time::interval(within / 3);
    loop {
        beat.tick().await;
        let stuck = shared.stuck_loop();
        match stuck {
            None => systemd::watchdog(),
            Some(which) if !known_stuck => {
                tracing::error!("the {which} loop is stuck; the watchdog is no longer answered");
            }
            Some(_) => {}
        }
        known_stuck = stuck.is_some();
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
        let pulse = Pulse::default();
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
        let ago = Duration::from_secs(1000);
        let pulse = Pulse {
            began: Instant::now().checked_sub(ago).unwrap(),
            ..Pulse::default()
        };
        assert!(pulse.is_stuck(DOT));
        pulse.of(tokio::task::yield_now()).await;
        assert!(!pulse.is_stuck(DOT));
    }
}
