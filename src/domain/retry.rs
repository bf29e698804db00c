//! When a mail that did not leave is tried again, and when it is given up.
//!
//! Every function is total and takes its randomness as an argument, so that a test can walk
//! the whole life of a mail. The figures are those that operators know from Postfix, shorter
//! at the beginning because of greylisting.

use chrono::{DateTime, Duration, Utc};

/// Minutes before each further attempt; the last one repeats.
const BACKOFF_MINUTES: [i64; 6] = [5, 15, 30, 60, 120, 240];

/// The pause between two attempts once a mail has been deferred often.
pub const LONGEST_PAUSE: Duration = Duration::hours(4);

/// Minutes of patience with a relay that is out of reach; the last one repeats. The first
/// step is 30 seconds.
const CIRCUIT_SECONDS: [i64; 6] = [30, 60, 120, 300, 600, 900];

/// Minutes of patience after a refused login: accounts get locked.
const AUTH_MINUTES: [i64; 3] = [15, 30, 60];

/// A mail in doubt is sent again at most this many times.
pub const DOUBT_REPEATS: u32 = 2;

/// A mail in doubt is not looked at for this long.
pub const DOUBT_PATIENCE: Duration = Duration::minutes(30);

/// A claim holds for this long.
pub const LEASE: Duration = Duration::minutes(15);

/// The contact is told of a mail that has been deferred for this long.
pub const TOLD_AFTER: Duration = Duration::hours(24);

/// A mail that has been deferred for this long has failed.
pub const GIVEN_UP_AFTER: Duration = Duration::days(5);

/// What follows a temporary refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDeferral {
    /// Try again at this instant; the flag says that the contact must hear of it.
    Again(DateTime<Utc>, Patience),
    /// It has failed.
    GiveUp,
}

/// Whether a deferred mail has waited long enough for the contact to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not yet.
    Normal,
    /// For a day.
    Exhausted,
}

/// What follows the `deferrals`-th (1 = first) temporary refusal of a mail that has been
/// deferred since `since`. `jitter` lies in −1.0 … 1.0 and moves the time by up to a fifth.
pub fn after_deferral(
    deferrals: u32,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    jitter: f64,
) -> AfterDeferral {
    if now - since >= GIVEN_UP_AFTER {
        return AfterDeferral::GiveUp;
    }
    let minutes = step(&BACKOFF_MINUTES, deferrals);
    let patience = if now - since >= TOLD_AFTER {
        Patience::Exhausted
    } else {
        Patience::Normal
    };
    AfterDeferral::Again(now + spread(Duration::minutes(minutes), jitter), patience)
}

/// What follows the `times`-th time (1 = first) that a mail went in doubt: the instant at
/// which it is sent again, or `None` when it is parked for a person to look at.
pub fn after_doubt(times: u32, went_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (times <= DOUBT_REPEATS).then(|| went_at + DOUBT_PATIENCE)
}

/// Why the relay is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Connection, greeting, TLS, a closing 421, a refused MAIL.
    Unreachable,
    /// The login was refused.
    LoginRefused,
}

/// How long to leave a relay alone after `failures` (1 = first) in a row.
pub fn circuit_pause(outage: Outage, failures: u32) -> Duration {
    match outage {
        Outage::Unreachable => Duration::seconds(step(&CIRCUIT_SECONDS, failures)),
        Outage::LoginRefused => Duration::minutes(step(&AUTH_MINUTES, failures)),
    }
}

fn step(steps: &[i64], nth: u32) -> i64 {
    let last = steps.len() - 1;
    steps[usize::try_from(nth.saturating_sub(1)).map_or(last, |n| n.min(last))]
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a jitter of some minutes fits any integer"
)]
fn spread(pause: Duration, jitter: f64) -> Duration {
    let seconds = pause.num_seconds();
    pause + Duration::seconds((0.2 * jitter.clamp(-1.0, 1.0) * seconds as f64) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_deferred_mail() {
        let since = DateTime::UNIX_EPOCH;
        let (mut now, mut n, mut waits, mut told) = (since, 0, Vec::new(), None);
        loop {
            n += 1;
            match after_deferral(n, since, now, 0.0) {
                AfterDeferral::Again(at, patience) => {
                    waits.push((at - now).num_minutes());
                    if patience == Patience::Exhausted && told.is_none() {
                        told = Some((now - since).num_hours());
                    }
                    now = at;
                }
                AfterDeferral::GiveUp => break,
            }
        }
        assert_eq!(waits[..8], [5, 15, 30, 60, 120, 240, 240, 240]);
        assert_eq!(told, Some(27));
        assert_eq!((now - since).num_days(), 5);
    }

    #[test]
    fn jitter_moves_a_time_by_a_fifth_at_most() {
        let now = DateTime::UNIX_EPOCH;
        for (jitter, minutes) in [(-1.0, 4), (0.0, 5), (1.0, 6), (9.0, 6)] {
            let expected = AfterDeferral::Again(now + Duration::minutes(minutes), Patience::Normal);
            assert_eq!(after_deferral(1, now, now, jitter), expected);
        }
    }

    #[test]
    fn a_mail_in_doubt_is_sent_three_times_at_most() {
        let at = DateTime::UNIX_EPOCH;
        assert_eq!(after_doubt(1, at), Some(at + DOUBT_PATIENCE));
        assert_eq!(after_doubt(2, at), Some(at + DOUBT_PATIENCE));
        assert_eq!(after_doubt(3, at), None);
    }

    #[test]
    fn a_relay_is_left_alone_longer_and_longer() {
        let seconds: Vec<i64> = (1..=8)
            .map(|n| circuit_pause(Outage::Unreachable, n).num_seconds())
            .collect();
        assert_eq!(seconds, [30, 60, 120, 300, 600, 900, 900, 900]);
        assert_eq!(
            circuit_pause(Outage::LoginRefused, 1),
            Duration::minutes(15)
        );
    }
}
