//! The clock: the one place where the present is read.

use chrono::{DateTime, Utc};

/// The present, in whole seconds: nothing here is decided by less.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the clock is read"
)]
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}
