//! When a token's API is asked, and what follows from what it answered.
//!
//! A token is asked once a local day at most, at its own moment of the hour of asking. A first
//! answer of death is a suspicion: the second one, an hour later and with the next day's call,
//! makes it what is believed. What says nothing of the token changes nothing that is believed.

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::verdict::{Bearing, Reading, Verdict, Volume};

/// Two answers of death lie at least so far apart, and nothing is asked sooner after a change: the
/// API keeps what it knows of a token for as long.
pub const AGREEING: Duration = Duration::hours(1);

/// It keeps it from a little after it was asked on; and its clock may be a little behind.
const MARGIN: Duration = Duration::minutes(2);

/// What is known of a token from the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// When the last call left.
    pub asked_at: Option<DateTime<Utc>>,
    /// What is believed.
    pub belief: Option<Belief>,
    /// A death that was told once.
    pub suspicion: Option<(Verdict, DateTime<Utc>)>,
    /// Its rights, sorted, as they were named last.
    pub scopes: Option<Vec<String>>,
    /// Its volume, as it was said last.
    pub volume: Option<Volume>,
}

/// What is believed of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belief {
    /// What it is.
    pub verdict: Verdict,
    /// Since which answer.
    pub since: DateTime<Utc>,
    /// By which answer last.
    pub at: DateTime<Utc>,
}

/// The dates of a token that bear on when it is asked, and on what its answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dates {
    /// The end of its period, as it is on record.
    pub expires: DateTime<Utc>,
    /// When its record was last changed: a renewal, a correction, its return.
    pub changed_at: DateTime<Utc>,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// It works although its date has passed: its date is asked for.
    Prolonged,
    /// It is dead before its date, and stays so until something changes.
    DeadEarly(Verdict),
    /// It is past its end, as its date says.
    ExpiryProven,
    /// Rights that it has now and had not, and rights that it had and has not.
    Scopes {
        /// Gained.
        gained: Vec<String>,
        /// Lost.
        lost: Vec<String>,
    },
    /// It works, but not from this machine's address.
    AddressNotAllowed,
}

/// When a token is to be asked next, by the hour of asking (0 to 23, local) and its own moment
/// within it (0 to 3599 seconds).
pub fn next_ask(
    known: &Known,
    dates: Dates,
    calendar: &Calendar,
    (hour, moment): (u32, u32),
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let own = |date: NaiveDate| {
        let at = date
            .and_hms_opt(hour.min(23), 0, 0)
            .expect("an hour of the day")
            + Duration::seconds(i64::from(moment.min(3599)));
        calendar.instant(at)
    };
    let today = calendar.date(now);
    let next_day = |date: NaiveDate| date.succ_opt().unwrap_or(date);
    // What a clock wrote that was far ahead would silence a token until then.
    let credible = |at: &DateTime<Utc>| *at <= now + Duration::days(1);
    let asked = known.asked_at.filter(credible);
    let suspected = known.suspicion.map(|(_, at)| at).filter(credible);
    let changed = Some(dates.changed_at).filter(credible);
    let at = match (asked, suspected) {
        (None, _) if known.asked_at.is_some() => own(today),
        // The first moment of its own since there is something to ask about.
        (None, _) => changed.map_or(own(today), |changed| {
            let first = calendar.date(changed);
            Some(own(first))
                .filter(|at| *at >= changed)
                .unwrap_or(own(next_day(first)))
        }),
        // The next day's call is taken as soon as it may confirm.
        (Some(asked), Some(suspected)) => {
            let day = calendar.start_of_day(next_day(calendar.date(asked)));
            (day + Duration::seconds(i64::from(moment.min(3599))))
                .max(suspected + AGREEING + MARGIN)
        }
        // A day that went by without its call is made good at once: the machine may sleep at
        // that hour.
        (Some(asked), None) => own(next_day(calendar.date(asked))),
    };
    changed.map_or(at, |changed| at.max(changed + AGREEING + MARGIN))
}

/// Whether an answer of death at `now` may be what the API knew of the token before its record was
/// changed: nothing follows from it.
pub fn may_be_of_before(verdict: Verdict, dates: Dates, now: DateTime<Utc>) -> bool {
    let since = now - dates.changed_at;
    verdict.bearing() == Bearing::Dead && (Duration::zero()..AGREEING).contains(&since)
}

/// What is known after an answer, and what follows.
pub fn follow(
    known: &Known,
    reading: &Reading,
    expires: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (Known, Vec<Consequence>) {
    let mut next = known.clone();
    let mut follows = Vec::new();
    if let Some(volume) = reading.volume {
        next.volume = Some(volume);
    }
    let verdict = reading.case.verdict();
    let believed = known.belief.map(|b| b.verdict);
    match verdict.bearing() {
        // Neither is a suspicion confirmed by it, nor taken back.
        Bearing::Nothing => {}
        Bearing::Lives if !verdict.proves_life() => {}
        Bearing::Lives => {
            next.suspicion = None;
            next.belief = Some(believe(known.belief, verdict, now));
            if verdict == Verdict::AddressNotAllowed && believed != Some(verdict) {
                follows.push(Consequence::AddressNotAllowed);
            }
            if outlives(now, expires) {
                follows.push(Consequence::Prolonged);
            }
        }
        Bearing::Dead => match known.suspicion {
            _ if believed == Some(verdict) => {
                next.suspicion = None;
                next.belief = Some(believe(known.belief, verdict, now));
                follows.extend(proven(verdict, expires, now));
            }
            Some((suspected, at)) if suspected == verdict && now >= at + AGREEING => {
                next.suspicion = None;
                next.belief = Some(Belief {
                    verdict,
                    since: at,
                    at: now,
                });
                if now <= expires {
                    follows.push(Consequence::DeadEarly(verdict));
                }
                follows.extend(proven(verdict, expires, now));
            }
            // Too soon to agree; a suspicion of days to come, by a clock that was ahead, is
            // begun anew.
            Some((suspected, at)) if suspected == verdict && at <= now => {}
            Some(_) | None => next.suspicion = Some((verdict, now)),
        },
    }
    if let Some(scopes) = &reading.scopes {
        let mut scopes = scopes.clone();
        scopes.sort();
        scopes.dedup();
        if let Some(before) = &known.scopes {
            let missing = |from: &[String], of: &[String]| -> Vec<String> {
                of.iter().filter(|s| !from.contains(s)).cloned().collect()
            };
            let (gained, lost) = (missing(before, &scopes), missing(&scopes, before));
            if !gained.is_empty() || !lost.is_empty() {
                follows.push(Consequence::Scopes { gained, lost });
            }
        }
        next.scopes = Some(scopes);
    }
    (next, follows)
}

/// Whether an answer at `at` that a token works says that it outlives its date: the API keeps what
/// it knows of a token for an hour.
pub fn outlives(at: DateTime<Utc>, expires: DateTime<Utc>) -> bool {
    at > expires + AGREEING
}

/// A death after the date on record is no early one; that it expired proves the date.
fn proven(verdict: Verdict, expires: DateTime<Utc>, now: DateTime<Utc>) -> Option<Consequence> {
    (now > expires && verdict == Verdict::Expired).then_some(Consequence::ExpiryProven)
}

fn believe(before: Option<Belief>, verdict: Verdict, now: DateTime<Utc>) -> Belief {
    let since = before
        .filter(|b| b.verdict == verdict)
        .map_or(now, |b| b.since);
    Belief {
        verdict,
        since,
        at: now,
    }
}
