//! What the service manager is told: the protocol of `sd_notify(3)`, and whether standard error is
//! its journal.
//!
//! Outside systemd every function does nothing. Nothing is decided here: what is well, what is
//! ready and what is said is the daemon's business. A message that cannot be delivered is only
//! logged, because the watch does not depend on who looks at it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// While work goes on beyond a deadline, more time is asked for this often …
const ASKED_EACH: Duration = Duration::from_secs(10);

/// … and this much of it. In microseconds, as the protocol wants it.
const EXTENSION: u32 = 60_000_000;

/// No work is given more time than this: what takes longer is stuck.
const LONGEST_WORK: Duration = Duration::from_secs(3600);

/// Everything stands, or stands again after a reload.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// How it is, in one line.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&line(status))]);
}

/// The configuration is being read anew; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end has begun.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&line(status))]);
}

/// The program is alive and its loops turn.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// Within which time a [`watchdog`] is expected from this process, if one is.
pub fn watchdog_expected_within() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|within| !within.is_zero())
}

/// Does work that may take longer than the manager would wait for it, as a migration or the
/// first reading of very many tokens: more time is asked for as long as it lasts, within an hour.
pub async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::pin!(work);
    let began = Instant::now();
    let mut asking = tokio::time::interval(ASKED_EACH);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = asking.tick() => {
                if began.elapsed() < LONGEST_WORK {
                    tell(&[NotifyState::ExtendTimeoutUsec(EXTENSION)]);
                }
            }
        }
    }
}

/// Whether standard error goes to the journal: the file that `$JOURNAL_STREAM` names is the one
/// that is open (systemd.exec(5)).
pub fn stderr_is_the_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else {
        return false;
    };
    let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() else {
        return false;
    };
    File::from(stderr)
        .metadata()
        .is_ok_and(|m| names(&stream, m.dev(), m.ino()))
}

fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(d, i)| {
        d.parse::<u64>().is_ok_and(|d| d == device) && i.parse::<u64>().is_ok_and(|i| i == inode)
    })
}

/// A status is one line: a second one would be a message of its own.
fn line(status: &str) -> String {
    status
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_stays_one_line() {
        assert_eq!(line("ill:\nREADY=1\r\n"), "ill: READY=1  ");
    }

    #[test]
    fn the_journal_is_known_by_its_device_and_inode() {
        assert!(names("8:1234", 8, 1234));
        for other in ["8:1235", "9:1234", "8", "", "8:x", ":"] {
            assert!(!names(other, 8, 1234), "{other}");
        }
    }
}
