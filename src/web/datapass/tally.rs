//! How often webhooks were refused: the journal hears of the first in an hour, the tenth, the
//! hundredth and so on, so that nobody fills the disk by asking.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, Utc};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::web) enum Matter {
    /// The body is too large.
    TooLarge,
    /// There is no signature, or a wrong one.
    Unsigned,
    /// It is not JSON.
    NotJson,
    /// It is JSON of another shape.
    Shape,
    /// No secret can be read.
    NoSecret,
    /// A test call: no refusal.
    Test,
}

impl Matter {
    /// The word of the journal.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Unsigned => "unsigned",
            Self::NotJson => "not_json",
            Self::Shape => "unknown_shape",
            Self::NoSecret => "no_secret",
            Self::Test => "test",
        }
    }
}

/// The counts of the present hour.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<HashMap<Matter, (i64, u64)>>);

impl Tally {
    /// Counts one more; answers how many there were in this hour when that is worth a line.
    pub(super) fn count(&self, matter: Matter, now: DateTime<Utc>) -> Option<u64> {
        let hour = now.timestamp().div_euclid(3600);
        let mut counts = self.0.lock().expect("no holder panics");
        let (of, count) = counts.entry(matter).or_insert((hour, 0));
        if *of != hour {
            (*of, *count) = (hour, 0);
        }
        *count += 1;
        let is_round = 10_u64.checked_pow(count.ilog10()) == Some(*count);
        is_round.then_some(*count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_refusals_in_an_hour_are_seven_lines() {
        let tally = Tally::default();
        let at = |s: i64| DateTime::from_timestamp(7200 + s, 0).unwrap();
        let told: Vec<u64> = (0..1_000_000)
            .filter_map(|n| tally.count(Matter::Unsigned, at(n % 3600)))
            .collect();
        assert_eq!(told, [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]);
        assert_eq!(tally.count(Matter::NotJson, at(0)), Some(1));
        assert_eq!(
            tally.count(Matter::Unsigned, at(3600)),
            Some(1),
            "the next hour"
        );
    }
}
