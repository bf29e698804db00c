//! The watchdog's rule: it follows the loops turning that plan, deliver and ask the API, whatever
//! the result.
//!
//! What a sign of life is, and when a loop is stuck, is [`Pulse`](crate::health::pulse::Pulse)'s. A
//! relay that hangs within its deadlines, a full disk and a store that fails all leave the loops
//! turning: they are told elsewhere, and never become a restart.
//!
//! The loop of posts is not followed: it waits for its channels, each of which may have any number
//! of posts to put, one after the other.

use std::time::Duration;

use crate::config::{Config, Deadlines, Transport};
use crate::daemon::{Shared, loops};
use crate::health::pulse::Loops;
use crate::systemd;

/// The loops under a configuration; they begin now.
pub(super) fn begin(config: &Config) -> Loops {
    Loops::new(
        loops::WITHOUT_A_HINT,
        longest_wait(config),
        // A call and its ping end sooner.
        loops::ASK_AGAIN,
    )
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
    let sending = match &config.mail.transport {
        Transport::Smtp(smtp) => of(&smtp.deadlines),
        // A command may take as long as the reply to a final dot.
        Transport::Sendmail { .. } => of(&Deadlines::default()),
        Transport::File { .. } => Duration::ZERO,
    };
    sending.max(loops::LOOK_AGAIN)
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
        let stuck = shared.showing.loops.stuck();
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
