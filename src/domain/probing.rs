//! When a token's API is asked, and what follows from what it answered.
//!
//! A token is asked once a local day at most, at its own moment of the hour of asking. A first
//! answer of death is a suspicion: the second one, an hour later and with the next day's call,
//! makes it what is believed. What says nothing of the token changes nothing that is believed.

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::verdict::{Bearing, Reading, Verdict, Volume};

/// Two answers of death lie at least so far apart; and the API keeps what it knows of a token for
/// as long, so nothing is asked sooner after a change.
pub const AGREEING: Duration = Duration::hours(1);

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
    /// When its record was last changed: a renewal, a correction, another secret.
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
    /// It works again.
    Healed(Verdict),
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
    let patient = dates.changed_at + AGREEING;
    let today = calendar.date(now);
    let next_day = |date: NaiveDate| date.succ_opt().unwrap_or(date);
    let at = match (known.asked_at, known.suspicion) {
        (None, _) => own(today),
        // The next day's call is taken as soon as it may confirm.
        (Some(asked), Some((_, suspected))) => {
            let day = calendar.start_of_day(next_day(calendar.date(asked)));
            day.max(suspected + AGREEING)
        }
        // A clock that was ahead has asked for days to come: they are left out.
        (Some(asked), None) => own(next_day(calendar.date(asked)).max(today)),
    };
    at.max(patient)
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
        Bearing::Lives => {
            next.suspicion = None;
            next.belief = Some(believe(known.belief, verdict, now));
            if let Some(dead) = believed.filter(|v| v.bearing() == Bearing::Dead) {
                follows.push(Consequence::Healed(dead));
            }
            if verdict == Verdict::AddressNotAllowed && believed != Some(verdict) {
                follows.push(Consequence::AddressNotAllowed);
            }
            if now > expires {
                follows.push(Consequence::Prolonged);
            }
        }
        Bearing::Dead => match known.suspicion {
            _ if believed == Some(verdict) => {
                next.suspicion = None;
                next.belief = Some(believe(known.belief, verdict, now));
                if now > expires && verdict == Verdict::Expired {
                    follows.push(Consequence::ExpiryProven);
                }
            }
            Some((suspected, at)) if suspected == verdict && now >= at + AGREEING => {
                next.suspicion = None;
                next.belief = Some(Belief {
                    verdict,
                    since: at,
                    at: now,
                });
                follows.push(if now > expires && verdict == Verdict::Expired {
                    Consequence::ExpiryProven
                } else {
                    Consequence::DeadEarly(verdict)
                });
            }
            Some((suspected, _)) if suspected == verdict => {}
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
