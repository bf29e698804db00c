//! What a call tells of the service itself: how long it is to be left alone, and what is wrong.
//!
//! One circuit for the whole service: a call that says nothing of its token opens it, an answer
//! closes it. What the service asks for (`Retry-After`, `RateLimit-*`) counts besides, and is
//! shortened by nothing.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::domain::incident::{Incident, Side, Witness};
use crate::domain::retry::{Outage, circuit_pause};
use crate::domain::verdict::{Asked, Bearing, Case, LONGEST_WAIT, Reading, Verdict};
use crate::http::{Answer, Fault, StatusCode};
use crate::probe::read::{Written, read};
use crate::store::probe::Service;

/// An outage is no older than this, whatever a source says of itself.
const OLDEST: Duration = Duration::days(365);

/// What `/ping/<provider>/<source>` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ping {
    /// The API answered, and knows of no fault.
    Fine,
    /// The source is down, where that is known since then.
    Down(Option<DateTime<Utc>>),
    /// The API failed at this, too.
    Failed,
    /// What answered is not the API.
    Foreign,
    /// Too much was asked.
    Busy,
    /// Nobody answered.
    Silence,
}

/// A ping's answer, and until when it asked to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pinged {
    pub(super) said: Ping,
    pub(super) return_at: Option<DateTime<Utc>>,
}

impl Pinged {
    pub(super) fn of(answer: &Result<Answer, Fault>, now: DateTime<Utc>) -> Self {
        let return_at = answer
            .as_ref()
            .ok()
            .and_then(|answer| read(&Written::of(answer), Asked::Anything, &[], now).return_at);
        Self {
            said: Ping::of(answer, now),
            return_at,
        }
    }
}

impl Ping {
    fn of(answer: &Result<Answer, Fault>, now: DateTime<Utc>) -> Self {
        let Ok(answer) = answer else {
            return Self::Silence;
        };
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Self::Busy;
        }
        let body = serde_json::from_slice::<Value>(&answer.body).ok();
        let status = body.as_ref().and_then(|b| b.get("status")?.as_str());
        match status {
            Some("ok" | "unknown") => Self::Fine,
            Some("bad_gateway" | "maintenance") => {
                let last_ok = body
                    .as_ref()
                    .and_then(|b| instant(b.get("last_ok_status")?));
                Self::Down(last_ok.filter(|at| *at <= now && *at > now - OLDEST))
            }
            Some(_) | None if answer.status.is_server_error() => Self::Failed,
            Some(_) | None => Self::Foreign,
        }
    }
}

/// An instant as the API writes it: RFC 3339, or seconds since 1970.
fn instant(written: &Value) -> Option<DateTime<Utc>> {
    let of_text = |s: &str| Some(DateTime::parse_from_rfc3339(s).ok()?.with_timezone(&Utc));
    match written {
        Value::String(s) => of_text(s),
        Value::Number(n) => DateTime::from_timestamp(n.as_i64()?, 0),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether the API did what it is there for. To ask for one's rights takes no parameter that could
/// be wrong: whoever finds fault with that request is not the API, or is asked at a wrong address.
pub(super) fn is_well_by(reading: &Reading) -> bool {
    let verdict = reading.case.verdict();
    verdict.bearing() != Bearing::Nothing && verdict != Verdict::BadRequest
}

/// What is known of the service after a call; `ping` was asked where the call says nothing.
pub(super) fn after_call(
    before: &Service,
    reading: &Reading,
    ping: Option<Pinged>,
    now: DateTime<Utc>,
) -> Service {
    let said = match (reading.status, reading.said.as_str()) {
        (Some(status), "") => status.to_string(),
        (Some(status), said) => format!("{status} {said}"),
        (None, said) => said.to_owned(),
    };
    let patience = latest(
        [
            before.patience,
            reading.return_at,
            ping.and_then(|p| p.return_at),
        ],
        now,
    );
    let not_before = latest([before.not_before, patience], now);
    if is_well_by(reading) {
        // Who says again and again that it is too much is left alone for longer each time, though
        // it does not say for how long.
        let failures = match reading.case {
            Case::OverVolume => before.failures.saturating_add(1),
            _ => 0,
        };
        let pause = (failures > 0).then(|| now + circuit_pause(Outage::Unreachable, failures));
        return Service {
            not_before: latest([not_before, pause], now),
            patience,
            incident: None,
            seen_at: Some(now),
            failures,
            said,
        };
    }
    let found = incident(reading, ping.map_or(Ping::Silence, |p| p.said));
    let failed = failed(before, found, now);
    Service {
        not_before: latest([not_before, failed.not_before], now),
        patience,
        said,
        ..failed
    }
}

/// What is known of the service after a ping of its own.
pub(super) fn after_ping(before: &Service, ping: Pinged, now: DateTime<Utc>) -> Service {
    let after = match ping.said {
        Ping::Fine => Service {
            incident: None,
            seen_at: Some(now),
            failures: 0,
            ..before.clone()
        },
        Ping::Down(since) => failed(before, (Side::Provider, since, Witness::Ping), now),
        Ping::Failed => failed(before, (Side::Service, None, Witness::Ping), now),
        // Of what is wrong it says nothing, but that it is not over is not known either.
        Ping::Busy => Service {
            failures: before.failures.saturating_add(1),
            ..before.clone()
        },
        Ping::Foreign | Ping::Silence => failed(before, (Side::Ours, None, Witness::Ping), now),
    };
    Service {
        not_before: latest([after.not_before, ping.return_at], now),
        patience: latest([before.patience, ping.return_at], now),
        ..after
    }
}

/// What is at fault, since when where that was said, and what showed it.
type Found = (Side, Option<DateTime<Utc>>, Witness);

fn failed(before: &Service, (side, since, witness): Found, now: DateTime<Utc>) -> Service {
    let failures = before.failures.saturating_add(1);
    let pause = now + circuit_pause(Outage::Unreachable, failures);
    let known = before.incident.filter(|i| i.side == side);
    let since = since.or(known.map(|i| i.since)).unwrap_or(now);
    // What a call has shown, a ping of the same fault does not make one that pings can end.
    let by_call = known.filter(|i| i.witness == Witness::Call);
    Service {
        not_before: latest([before.not_before, Some(pause)], now),
        incident: Some(Incident {
            side,
            since,
            seen_at: now,
            witness: by_call.map_or(witness, |i| i.witness),
        }),
        failures,
        ..before.clone()
    }
}

/// What is wrong, by a call that says nothing of its token and the ping after it.
fn incident(reading: &Reading, ping: Ping) -> Found {
    let is_foreign = matches!(
        reading.case.verdict(),
        Verdict::NotUnderstood | Verdict::BadRequest
    );
    let answered = reading.status.is_some() && !is_foreign;
    match ping {
        Ping::Down(since) => (Side::Provider, since, Witness::Ping),
        // The API is well, and something between answered in its place.
        Ping::Fine if is_foreign => (Side::Ours, None, Witness::Call),
        Ping::Failed if !answered => (Side::Service, None, Witness::Ping),
        Ping::Fine | Ping::Failed | Ping::Busy => (Side::Service, None, Witness::Call),
        Ping::Foreign | Ping::Silence if answered => (Side::Service, None, Witness::Call),
        Ping::Foreign | Ping::Silence => (Side::Ours, None, Witness::Call),
    }
}

/// Whether an instant is still to come. None that was ever asked for lies further off; a clock that
/// was ahead may have written one.
pub(super) fn is_to_come(at: &DateTime<Utc>, now: DateTime<Utc>) -> bool {
    *at > now && *at <= now + LONGEST_WAIT + Duration::days(1)
}

/// The latest of these instants that is still to come.
fn latest<const N: usize>(
    instants: [Option<DateTime<Utc>>; N],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let instants = instants.into_iter().flatten();
    instants.filter(|at| is_to_come(at, now)).max()
}
