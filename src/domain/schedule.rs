//! What is due: for one period of one token and one recipient, which stages have come, which
//! of them is owed, and when the next one comes.
//!
//! Slots rise as stages fall, so the stages that are due always form a beginning of the
//! schedule; the most urgent of them is owed and speaks for the others
//! (`docs/rules.md`, *Catch-up*).

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{LAST_WORDS, Silence};
use crate::domain::stage::{Schedule, Stage};

/// A token first declared more than this number of days after its expiry is not mailed.
pub const FORGOTTEN_AFTER_DAYS: i64 = 365;

/// One validity of a token, as far as the schedule is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The last instant at which the token works.
    pub expires: DateTime<Utc>,
    /// When the token was first declared, whatever was renewed since.
    pub declared_at: DateTime<Utc>,
    /// When the token was first declared, or renewed.
    pub opened_at: DateTime<Utc>,
    /// When its dates were last corrected; `opened_at` when they never were.
    pub dated_at: DateTime<Utc>,
    /// What comes after its end.
    pub end: End,
}

/// What comes after the end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A renewal, if it is asked for: the stages of that day and after it are due.
    Renewable,
    /// Nothing: the token is revoked from then on.
    Revoked,
}

/// What silences a period's stages above [`LAST_WORDS`], and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// What was said.
    pub why: Silence,
    /// Its end; `None`: until it is undone, or the token renewed.
    pub until: Option<DateTime<Utc>>,
}

impl Quiet {
    /// Whether it silences a stage whose slot is at `slot`.
    pub fn silences(&self, stage: Stage, slot: DateTime<Utc>) -> bool {
        stage.days() > LAST_WORDS && self.until.is_none_or(|until| slot < until)
    }
}

/// One recipient of a token, as far as the schedule is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Stages above this one are not theirs; `None`: all are.
    pub from_stage: Option<u32>,
    /// Since when they are told about this token.
    pub since: DateTime<Utc>,
}

impl Told {
    fn takes(&self, stage: Stage) -> bool {
        self.from_stage
            .is_none_or(|from| i64::from(stage.days()) <= i64::from(from))
    }
}

/// A stage that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The stage.
    pub stage: Stage,
    /// Its slot.
    pub slot: DateTime<Utc>,
}

/// What becomes of a newly due notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is to be mailed.
    Owed,
    /// A more urgent stage speaks for it.
    Absorbed,
    /// Something silences it.
    Silent(Silence),
}

/// A due stage that is not on record yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewNotice {
    /// The stage.
    pub stage: Stage,
    /// Its slot.
    pub slot: DateTime<Utc>,
    /// When it could leave at the earliest by the rules: its slot, or, if it became due only
    /// later (a late start, a new recipient, a correction), the next moment of a window.
    pub leaves_at: DateTime<Utc>,
    /// What becomes of it.
    pub fate: Fate,
}

/// Whether reminders are mailed for this period at all.
pub fn is_mailed(calendar: &Calendar, period: &Period) -> bool {
    calendar.days_between(period.expires, period.declared_at) <= FORGOTTEN_AFTER_DAYS
}

/// The stages whose slot has come at `now`, the earliest first.
pub fn due(
    calendar: &Calendar,
    schedule: &Schedule,
    period: &Period,
    now: DateTime<Utc>,
) -> Vec<Due> {
    if !is_mailed(calendar, period) {
        return Vec::new();
    }
    stages(schedule, period)
        .map(|stage| Due {
            stage,
            slot: calendar.slot(stage, period.expires),
        })
        .take_while(|d| d.slot <= now)
        .collect()
}

/// The stages of this period, the earliest first.
fn stages(schedule: &Schedule, period: &Period) -> impl Iterator<Item = Stage> {
    let last = match period.end {
        End::Renewable => i32::MIN,
        End::Revoked => 1,
    };
    schedule
        .stages()
        .iter()
        .take_while(move |s| s.days() >= last)
}

/// Those of the `due` stages that concern one recipient.
///
/// A stage added to the schedule counts only for later slots, unless the token or the
/// recipient came after it.
pub fn due_for(schedule: &Schedule, period: &Period, told: &Told, due: &[Due]) -> Vec<Due> {
    let from = told.since.max(period.opened_at);
    let counts = |d: &Due| {
        schedule
            .known_since(d.stage)
            .is_none_or(|since| d.slot >= since || from >= since)
    };
    due.iter()
        .filter(|d| told.takes(d.stage) && counts(d))
        .copied()
        .collect()
}

/// The due stages of one recipient that have no notice yet, and what becomes of each.
///
/// `theirs` is the result of [`due_for`]; `due_from` is the earliest instant at which they can
/// have become due: a declaration, a correction, any edit that made a look necessary;
/// `is_recorded` tells which stages have a notice.
pub fn newly_due(
    calendar: &Calendar,
    theirs: &[Due],
    due_from: DateTime<Utc>,
    is_recorded: impl Fn(Stage) -> bool,
) -> Vec<NewNotice> {
    let most_urgent = theirs.last().map(|d| d.stage);
    theirs
        .iter()
        .filter(|d| !is_recorded(d.stage))
        .map(|d| NewNotice {
            stage: d.stage,
            slot: d.slot,
            leaves_at: calendar.next_leave(d.slot.max(due_from)),
            fate: if Some(d.stage) == most_urgent {
                Fate::Owed
            } else {
                Fate::Absorbed
            },
        })
        .collect()
}

/// The first slot of any stage strictly after `now`; `None` when the schedule has ended or
/// nothing is mailed.
pub fn next_slot(
    calendar: &Calendar,
    schedule: &Schedule,
    period: &Period,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if !is_mailed(calendar, period) {
        return None;
    }
    stages(schedule, period)
        .map(|stage| calendar.slot(stage, period.expires))
        .find(|slot| *slot > now)
}

/// The next slot of one recipient strictly after `now`, with its stage, as nothing but time
/// passes.
pub fn next_for(
    calendar: &Calendar,
    schedule: &Schedule,
    period: &Period,
    told: &Told,
    now: DateTime<Utc>,
) -> Option<Due> {
    coming(calendar, schedule, period, told, now).next()
}

/// The stages of one recipient whose slots come strictly after `now`, the earliest first;
/// endless where the schedule is.
pub fn coming<'a>(
    calendar: &'a Calendar,
    schedule: &'a Schedule,
    period: &'a Period,
    told: &'a Told,
    now: DateTime<Utc>,
) -> impl Iterator<Item = Due> + 'a {
    // An endless schedule of which nothing is mailed would be looked through to its end.
    let is_mailed = is_mailed(calendar, period);
    // A filter alone would look for ever among the stages of a schedule without an end.
    stages(schedule, period)
        .take_while(move |_| is_mailed)
        .filter(move |stage| told.takes(*stage))
        .map(|stage| Due {
            stage,
            slot: calendar.slot(stage, period.expires),
        })
        .skip_while(move |d| d.slot <= now)
}

/// What silence makes of the newly due notices of one recipient: where the most urgent of them
/// is silenced at `now`, none of them is mailed.
pub fn silenced(
    mut new: Vec<NewNotice>,
    quiet: Option<Quiet>,
    now: DateTime<Utc>,
) -> Vec<NewNotice> {
    let Some(quiet) = quiet else { return new };
    let owed = |n: &&NewNotice| n.fate == Fate::Owed;
    let is_silent = new
        .iter()
        .find(owed)
        .is_some_and(|n| quiet.silences(n.stage, now));
    if is_silent {
        for n in &mut new {
            n.fate = Fate::Silent(quiet.why);
        }
    }
    new
}

/// When a recipient's open reminder mail may leave at the earliest: one a day, and a second
/// one only for stages 1 and 0.
///
/// `counted_today` is the number of reminders accepted, or gone in doubt, for that recipient
/// on the local day of `now`.
pub fn earliest_leave(
    calendar: &Calendar,
    now: DateTime<Utc>,
    counted_today: u32,
    carries_last_stages: Urgent,
) -> DateTime<Utc> {
    let allowed = match carries_last_stages {
        Urgent::Yes => 2,
        Urgent::No => 1,
    };
    if counted_today < allowed {
        calendar.next_leave(now)
    } else {
        calendar.next_day_slot(now)
    }
}

/// Whether a mail carries a notice of stage 1 or 0, which may add a second mail to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgent {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl Urgent {
    /// Looks at the stages that a mail carries.
    pub fn of(stages: impl IntoIterator<Item = Stage>) -> Self {
        if stages.into_iter().any(Stage::may_be_second) {
            Self::Yes
        } else {
            Self::No
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days, Window};
    use crate::domain::stage::Stages;

    fn paris() -> Calendar {
        Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days: Days::Any,
            opens: None,
        }
    }

    fn at(s: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(s).unwrap().with_timezone(&Utc)
    }

    fn schedule() -> Schedule {
        Schedule::always(Stages::new(
            &[90, 60, 30, 15, 7, 1],
            &[0, 7, 30, 60, 90],
            30,
        ))
    }

    /// A token of 15 June 2025, told to one person from its issue, one mail a morning.
    #[test]
    fn of_a_token_that_is_not_mailed_no_stage_is_searched_for() {
        let calendar = paris();
        let declared = at("2026-11-23T08:00:00Z");
        let period = Period {
            expires: at("2024-01-01T00:00:00Z"),
            declared_at: declared,
            opened_at: declared,
            dated_at: declared,
            end: End::Renewable,
        };
        let told = Told {
            from_stage: None,
            since: declared,
        };
        // As many stages as days can be counted: searching them all takes minutes.
        let endless = Schedule::always(Stages::new(&[30], &[0], 1));
        assert_eq!(
            next_for(&calendar, &endless, &period, &told, declared),
            None
        );
    }

    #[test]
    fn the_life_of_a_token() {
        let (cal, schedule) = (paris(), schedule());
        let issued = cal.end_of_day("2025-06-15".parse().unwrap());
        let period = Period {
            expires: cal.add_months(issued, 18),
            declared_at: issued,
            opened_at: issued,
            dated_at: issued,
            end: End::Renewable,
        };
        let told = Told {
            from_stage: None,
            since: issued,
        };
        let mut recorded: Vec<Stage> = Vec::new();
        let mut life = String::new();
        let mut day = cal.date(issued);
        while day < "2027-07-01".parse().unwrap() {
            let now = cal.opening(day);
            let theirs = due_for(
                &schedule,
                &period,
                &told,
                &due(&cal, &schedule, &period, now),
            );
            for n in newly_due(&cal, &theirs, issued, |s| recorded.contains(&s)) {
                assert_eq!((n.slot, n.leaves_at, n.fate), (now, now, Fate::Owed));
                let left = cal.days_between(now, period.expires);
                life += &format!("{day} {:>5} {left:>5}\n", n.stage.to_string());
                recorded.push(n.stage);
            }
            day = day.succ_opt().unwrap();
        }
        let expected = "\
2026-09-16    90    90
2026-10-16    60    60
2026-11-15    30    30
2026-11-30    15    15
2026-12-08     7     7
2026-12-14     1     1
2026-12-15     0     0
2026-12-22    -7    -7
2027-01-14   -30   -30
2027-02-13   -60   -60
2027-03-15   -90   -90
2027-04-14  -120  -120
2027-05-14  -150  -150
2027-06-13  -180  -180
";
        assert_eq!(life, expected);
    }

    #[test]
    fn a_late_start_owes_the_most_urgent_stage_and_absorbs_the_others() {
        let (cal, schedule) = (paris(), schedule());
        let opened = at("2026-11-10T20:00:00Z");
        let period = Period {
            expires: at("2026-12-15T22:59:59Z"),
            declared_at: opened,
            opened_at: opened,
            dated_at: opened,
            end: End::Renewable,
        };
        let told = Told {
            from_stage: None,
            since: opened,
        };
        let theirs = due_for(
            &schedule,
            &period,
            &told,
            &due(&cal, &schedule, &period, opened),
        );
        let new = newly_due(&cal, &theirs, opened, |_| false);
        let fates: Vec<_> = new.iter().map(|n| (n.stage.days(), n.fate)).collect();
        assert_eq!(fates, [(90, Fate::Absorbed), (60, Fate::Owed)]);
        assert_eq!(new[1].leaves_at, at("2026-11-11T08:00:00Z"));
    }

    #[test]
    fn from_stage_hides_the_earlier_stages() {
        let (cal, schedule) = (paris(), schedule());
        let opened = at("2025-06-15T20:00:00Z");
        let period = Period {
            expires: at("2026-12-15T22:59:59Z"),
            declared_at: opened,
            opened_at: opened,
            dated_at: opened,
            end: End::Renewable,
        };
        let told = Told {
            from_stage: Some(15),
            since: opened,
        };
        let now = at("2026-11-20T09:00:00Z");
        assert!(
            due_for(
                &schedule,
                &period,
                &told,
                &due(&cal, &schedule, &period, now)
            )
            .is_empty()
        );
        assert_eq!(
            next_for(&cal, &schedule, &period, &told, now).map(|d| d.stage),
            Some(Stage::new(15))
        );
    }

    #[test]
    fn a_token_declared_a_year_after_its_end_is_not_mailed() {
        let (cal, schedule) = (paris(), schedule());
        let expires = at("2025-06-15T21:59:59Z");
        for (opened, mailed) in [
            ("2026-06-15T08:00:00Z", true),
            ("2026-06-16T08:00:00Z", false),
        ] {
            let period = Period {
                expires,
                declared_at: at(opened),
                opened_at: at(opened),
                dated_at: at(opened),
                end: End::Renewable,
            };
            assert_eq!(is_mailed(&cal, &period), mailed);
            assert_eq!(
                next_slot(&cal, &schedule, &period, at(opened)).is_some(),
                mailed
            );
        }
    }

    #[test]
    fn one_mail_a_day_and_a_second_for_the_last_stages() {
        let cal = paris();
        let now = at("2026-11-20T10:00:00Z");
        let tomorrow = at("2026-11-21T08:00:00Z");
        assert_eq!(earliest_leave(&cal, now, 0, Urgent::No), now);
        assert_eq!(earliest_leave(&cal, now, 1, Urgent::No), tomorrow);
        assert_eq!(earliest_leave(&cal, now, 1, Urgent::Yes), now);
        assert_eq!(earliest_leave(&cal, now, 2, Urgent::Yes), tomorrow);
    }
}
