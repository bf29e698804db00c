//! Whether the wall clock is to be believed: it is held against the time since the machine's
//! start, which suspend does not stop, and against the latest pass on record.
//!
//! A clock that jumped ahead could make reminders leave too early, one that fell back could
//! make them say too many days. Both are held until the clock is right again, has been steady
//! for a while, or a person believes it (`docs/rules.md`, *Clock*). Nothing is read or written
//! here.

use chrono::{DateTime, Duration, Utc};

/// Ahead of the time since the machine's start by more than this, the clock has jumped.
pub const FORWARD: Duration = Duration::hours(1);

/// A clock that jumped ahead and then kept pace for this long is believed.
pub const STEADY: Duration = Duration::minutes(15);

/// Two clocks keep pace as long as they differ by no more than this.
const PACE: Duration = Duration::seconds(10);

/// A step back of this much or less is no jump: time stands still until it is made up for.
pub const SMALL_STEP: Duration = Duration::minutes(1);

/// A hold that has lasted this long is told to the contact.
pub const TOLD_AFTER: Duration = Duration::minutes(15);

/// No clock that is set says less: 1 January 2020.
const FLOOR: i64 = 1_577_836_800;

/// What both clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: DateTime<Utc>,
    /// The time since the machine's start, suspend included.
    pub boot: Duration,
}

/// Why the wall clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It jumped ahead while this process ran.
    Ahead {
        /// When it jumped, by the time that was believed.
        since: DateTime<Utc>,
        /// By how much.
        by: Duration,
    },
    /// It says less than the latest pass on record.
    Behind {
        /// That pass.
        until: DateTime<Utc>,
        /// By how much.
        by: Duration,
    },
}

impl Hold {
    /// The word of JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ahead { .. } => "ahead",
            Self::Behind { .. } => "behind",
        }
    }

    /// What the time may be while the clock says `wall`.
    pub fn best_known(self, wall: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ahead { by, .. } => wall - by,
            Self::Behind { until, .. } => until,
        }
    }
}

/// The answer to one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The time to go by: the wall clock's where it is believed, else the best that is known.
    pub at: DateTime<Utc>,
    /// Set while the clock is not believed: nothing is planned, and no reminder leaves.
    pub hold: Option<Hold>,
    /// For how long it has not been believed.
    pub lasted: Duration,
    /// The hold that this reading ended, and what ended it.
    pub ended: Option<(Hold, End)>,
}

/// What ended a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The clock is back, or has reached the mark.
    Right,
    /// It was steady for [`STEADY`].
    Steady,
    /// A person believes it.
    Person,
}

/// The hold of a clock that says `wall` when the latest pass on record was at `mark`.
pub fn behind(mark: Option<DateTime<Utc>>, wall: DateTime<Utc>) -> Option<Hold> {
    let floor = || DateTime::from_timestamp(FLOOR, 0).unwrap_or_default();
    let until = mark.unwrap_or_else(floor);
    let by = until - wall;
    (by > SMALL_STEP).then_some(Hold::Behind { until, by })
}

/// What one process knows of the clock.
#[derive(Debug, Default)]
pub struct Timekeeper {
    /// The last reading that was believed.
    trusted: Option<Reading>,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    hold: Hold,
    /// The first reading of the hold.
    first: Reading,
    /// The reading since which the clocks have kept pace.
    steady: Reading,
}

impl Timekeeper {
    /// The hold in force after the last reading.
    pub fn hold(&self) -> Option<Hold> {
        self.held.map(|h| h.hold)
    }

    /// Judges a reading. `mark` is the latest pass on record; without one a clock is believed
    /// unless it was obviously never set.
    pub fn look(&mut self, reading: Reading, mark: Option<DateTime<Utc>>) -> Look {
        if let Some(hold @ Hold::Behind { until, .. }) = behind(mark, reading.wall) {
            return self.hold_back(hold, reading, until);
        }
        // A small step back: no instant comes twice, and nothing is undone.
        let believed = Reading {
            wall: mark.map_or(reading.wall, |m| m.max(reading.wall)),
            ..reading
        };
        let Some(expected) = self.expected(reading) else {
            return self.trust(believed, End::Right);
        };
        let ahead = reading.wall - expected;
        if ahead <= FORWARD {
            return self.trust(believed, End::Right);
        }
        let since = match self.held {
            Some(Held {
                hold: Hold::Ahead { since, .. },
                steady,
                ..
            }) => {
                if kept_pace(steady, reading) && reading.boot - steady.boot >= STEADY {
                    return self.trust(believed, End::Steady);
                }
                since
            }
            _ => expected,
        };
        self.hold_back(Hold::Ahead { since, by: ahead }, reading, expected)
    }

    /// A person believes the clock.
    pub fn believe(&mut self, reading: Reading) -> Look {
        self.trust(reading, End::Person)
    }

    /// What the wall clock would say if it had kept pace since it was last believed.
    fn expected(&self, reading: Reading) -> Option<DateTime<Utc>> {
        self.trusted.map(|t| t.wall + (reading.boot - t.boot))
    }

    fn hold_back(&mut self, hold: Hold, reading: Reading, least: DateTime<Utc>) -> Look {
        let same_kind = |h: &Held| std::mem::discriminant(&h.hold) == std::mem::discriminant(&hold);
        let before = self.held.filter(same_kind);
        let first = before.map_or(reading, |h| h.first);
        let steady = before
            .map(|h| h.steady)
            .filter(|s| kept_pace(*s, reading))
            .unwrap_or(reading);
        self.held = Some(Held {
            hold,
            first,
            steady,
        });
        let lasted = reading.boot - first.boot;
        let at = match (self.expected(reading), hold) {
            (Some(expected), _) => expected.max(least),
            // A process that started with a wrong clock knows only that time goes on.
            (None, Hold::Ahead { .. } | Hold::Behind { .. }) => least + lasted,
        };
        Look {
            at,
            hold: Some(hold),
            lasted,
            ended: None,
        }
    }

    fn trust(&mut self, reading: Reading, end: End) -> Look {
        self.trusted = Some(reading);
        let held = self.held.take();
        Look {
            at: reading.wall,
            hold: None,
            lasted: held.map_or(Duration::zero(), |h| reading.boot - h.first.boot),
            ended: held.map(|h| (h.hold, end)),
        }
    }
}

fn kept_pace(a: Reading, b: Reading) -> bool {
    ((b.wall - a.wall) - (b.boot - a.boot)).abs() <= PACE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    /// 2026-11-22T08:00:00Z.
    const START: i64 = 1_795_334_400;

    fn wall(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(START + seconds, 0).unwrap()
    }

    /// The wall clock's jump against the machine's, and the seconds since its start.
    fn reading(boot: i64, jump: i64) -> Reading {
        Reading {
            wall: wall(boot + jump),
            boot: Duration::seconds(boot),
        }
    }

    /// One line for each reading (seconds since the start, jump of the wall clock), as passes
    /// do it: a pass that is believed raises the mark.
    fn story(mark: Option<i64>, readings: &[(i64, i64)]) -> Vec<&'static str> {
        let mut keeper = Timekeeper::default();
        let mut mark = mark.map(wall);
        let mut said = Vec::new();
        for (boot, jump) in readings {
            let look = keeper.look(reading(*boot, *jump), mark);
            said.push(match look.hold {
                None => {
                    mark = mark.max(Some(look.at));
                    "trusted"
                }
                Some(Hold::Ahead { .. }) => "ahead",
                Some(Hold::Behind { .. }) => "behind",
            });
        }
        said
    }

    #[test]
    fn clocks_and_what_is_believed_of_them() {
        type Case = (
            &'static str,
            Option<i64>,
            &'static [(i64, i64)],
            &'static str,
        );
        let cases: [Case; 17] = [
            ("a steady clock", None, &[(0, 0), (60, 0), (120, 0)], "ttt"),
            ("an hour is no jump", None, &[(0, 0), (60, HOUR)], "tt"),
            ("more is one", None, &[(0, 0), (60, HOUR + 1)], "ta"),
            (
                "40 days ahead, and back",
                None,
                &[(0, 0), (60, 40 * DAY), (120, 40 * DAY), (180, 0), (240, 0)],
                "taatt",
            ),
            (
                "two hours ahead, steady for 15 minutes",
                None,
                &[
                    (0, 0),
                    (60, 2 * HOUR),
                    (959, 2 * HOUR),
                    (960, 2 * HOUR),
                    (961, 2 * HOUR),
                ],
                "taatt",
            ),
            (
                "a clock that keeps jumping is never steady",
                None,
                &[
                    (0, 0),
                    (60, 2 * HOUR),
                    (600, 3 * HOUR),
                    (960, 3 * HOUR),
                    (1499, 3 * HOUR),
                    (1500, 3 * HOUR),
                ],
                "taaaat",
            ),
            (
                "a few seconds of drift are no jump",
                None,
                &[
                    (0, 0),
                    (60, 2 * HOUR),
                    (500, 2 * HOUR + 5),
                    (960, 2 * HOUR + 9),
                ],
                "taat",
            ),
            (
                "suspended for three days: both clocks went on",
                None,
                &[(0, 0), (3 * DAY, 0), (3 * DAY + 60, 0)],
                "ttt",
            ),
            ("a start is never ahead", Some(0), &[(60, 400 * DAY)], "t"),
            (
                "seconds back: time stands still",
                Some(0),
                &[(60, 0), (70, -30), (130, -30)],
                "ttt",
            ),
            (
                "an hour back",
                Some(0),
                &[(60, 0), (120, -HOUR), (HOUR, -HOUR), (HOUR + 60, -HOUR)],
                "tbtt",
            ),
            (
                "400 days back, and forth",
                Some(0),
                &[(60, 0), (120, -400 * DAY), (9000, -400 * DAY), (9060, 0)],
                "tbbt",
            ),
            (
                "started in 1970",
                Some(0),
                &[(60, -START), (120, -START), (180, 0)],
                "bbt",
            ),
            (
                "started in 1970 without a record",
                None,
                &[(60, -START), (120, 0)],
                "bt",
            ),
            (
                "back, then ahead of where it was",
                Some(0),
                &[
                    (60, 0),
                    (120, -DAY),
                    (180, DAY),
                    (240, DAY),
                    (1079, DAY),
                    (1080, DAY),
                ],
                "tbaaat",
            ),
            (
                "ahead, then behind, then right",
                Some(0),
                &[(60, 0), (120, DAY), (180, -DAY), (240, 0)],
                "tabt",
            ),
            (
                "ahead on and on begins anew after a fall",
                Some(0),
                &[
                    (60, 0),
                    (120, DAY),
                    (600, -DAY),
                    (660, DAY),
                    (1020, DAY),
                    (1560, DAY),
                ],
                "tabaat",
            ),
        ];
        for (name, mark, readings, expected) in cases {
            let said: String = story(mark, readings).iter().map(|w| &w[..1]).collect();
            assert_eq!(said, expected, "{name}");
        }
    }

    #[test]
    fn under_a_hold_time_goes_on_from_what_was_believed() {
        let mut keeper = Timekeeper::default();
        keeper.look(reading(0, 0), None);
        for jump in [40 * DAY, -400 * DAY] {
            let look = keeper.look(reading(600, jump), Some(wall(0)));
            assert_eq!(look.at, wall(600), "{look:?}");
            assert!(look.hold.is_some());
        }
        // After a start nothing is known but the mark.
        let mut keeper = Timekeeper::default();
        keeper.look(reading(60, -START), Some(wall(0)));
        let look = keeper.look(reading(660, -START), Some(wall(0)));
        assert_eq!((look.at, look.lasted.num_minutes()), (wall(600), 10));
    }

    #[test]
    fn a_small_step_back_repeats_no_instant() {
        let mut keeper = Timekeeper::default();
        keeper.look(reading(60, 0), Some(wall(0)));
        let look = keeper.look(reading(70, -30), Some(wall(60)));
        assert_eq!((look.at, look.hold), (wall(60), None));
    }

    #[test]
    fn a_person_can_believe_a_clock_that_jumped() {
        let mut keeper = Timekeeper::default();
        keeper.look(reading(0, 0), None);
        assert!(keeper.look(reading(60, 40 * DAY), None).hold.is_some());
        let look = keeper.believe(reading(61, 40 * DAY));
        assert!(matches!(
            look.ended,
            Some((Hold::Ahead { .. }, End::Person))
        ));
        assert_eq!(keeper.look(reading(120, 40 * DAY), None).hold, None);
        // And from then on it is held against that.
        assert!(keeper.look(reading(180, 80 * DAY), None).hold.is_some());
    }
}
