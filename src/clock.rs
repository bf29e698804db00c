//! The clocks: the one place where the present is read.

use chrono::{DateTime, Duration, Utc};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::timekeeping::Reading;

/// The present, in whole seconds: nothing here is decided by less.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the clock is read"
)]
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}

/// What both clocks say now.
pub fn reading() -> Reading {
    Reading {
        wall: now(),
        boot: since_boot(),
    }
}

/// The time since the machine's start. Suspend does not stop it, and nobody can set it.
fn since_boot() -> Duration {
    let since = clock_gettime(ClockId::Boottime);
    Duration::seconds(since.tv_sec)
}
