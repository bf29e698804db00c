//! How often a connection is taken: clients who come without end take no more of the processor
//! than a known share, and mails leave meanwhile.
//!
//! The generic cell rate algorithm (ITU-T I.371): one instant is all that it keeps.

use std::time::Duration;

use tokio::time::Instant;

/// What may come at once after a quiet time.
const BURST: Duration = Duration::from_secs(1);

/// The pace of one listener.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    /// When the next one would come if all came evenly.
    due: Option<Instant>,
}

impl Pace {
    /// So many in a second, at least one.
    pub(super) fn of(rate: u32) -> Self {
        Self {
            every: Duration::from_secs(1) / rate.max(1),
            due: None,
        }
    }

    /// From when on another one may be taken; it counts as taken.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + self.every);
        due.checked_sub(BURST).map_or(now, |from| from.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_long_run_keeps_the_rate() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut pace = Pace::of(100);
        let mut now = start;
        let mut at_once = 0;
        for _ in 0..1_000 {
            now = pace.next(now);
            at_once += u32::from(now == start);
        }
        // What comes without end: 100 at once, then 100 in each second.
        assert_eq!(at_once, 101);
        let took = now - start;
        assert_eq!(took.as_millis(), 8_990);
        // Who comes slowly never waits.
        for _ in 0..100 {
            now += Duration::from_millis(10);
            let from = pace.next(now).max(now);
            now = from;
        }
        let late = now + Duration::from_secs(5);
        assert_eq!(pace.next(late), late);
    }
}
