//! Dates that change: a renewal opens the next period, a revocation ends the present one.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Answer, Hand, Refused, Remark, Renewal, Subject, Written, written};
use crate::domain::lifecycle::{By, News, State, Suppression};
use crate::store::periods::Dates;
use crate::store::{Tx, seconds};

pub(super) async fn renew(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    renewal: &Renewal,
) -> Answer {
    let token = &subject.token;
    if let Some(ended) = subject.ended() {
        return Ok(Err(ended));
    }
    if let (Some(recorded), Some(given)) = (&token.jti, &renewal.jti)
        && recorded != given.as_str()
    {
        return Ok(Err(Refused::AnotherToken {
            recorded: recorded.clone(),
            given: given.as_str().to_owned(),
        }));
    }
    if renewal.expires == token.period.expires {
        return Ok(Ok(None));
    }
    // Of a token to be revoked the end that it had counts.
    let recorded = token.revoked_from.unwrap_or(token.period.expires);
    let later = hand.calendar.days_between(recorded, renewal.expires);
    if later == 0 && token.revoked_from.is_none() {
        return Ok(Ok(None));
    }
    if later <= 0 {
        return Ok(Err(Refused::NotLater {
            recorded,
            given: renewal.expires,
        }));
    }
    let who = hand.who.to_string();
    let told = tx
        .closing_news(
            News::Renewed,
            &[token.no],
            &who,
            &json!({"expires": renewal.expires.to_rfc3339()}),
            hand.now,
        )
        .await?;
    tx.suppress_tokens(&[token.no], Suppression::Renewed, hand.now)
        .await?;
    let dates = Dates {
        no: token.no,
        issued: renewal.issued.map(seconds),
        expires: seconds(renewal.expires),
    };
    tx.open_periods(&[dates], &who, hand.now).await?;
    let jti = renewal.jti.as_ref().map(|j| j.as_str());
    tx.identify(
        token.no,
        jti,
        renewal.scopes.as_deref(),
        renewal.fingerprint.as_deref(),
    )
    .await?;
    let mut remarks = Vec::new();
    if let Some(scopes) = &renewal.scopes {
        remarks.extend(compare_scopes(token.scopes.as_deref(), Some(scopes)));
    }
    remarks.extend(implausible(hand, recorded, renewal.expires));
    if token.revoked_from.is_some() {
        remarks.push(Remark::RevocationTakenBack);
    }
    if told > 0 {
        remarks.push(Remark::ClosingNotes(told));
    }
    Ok(Ok(Some(Written {
        what: "renewed",
        remarks,
    })))
}

/// Longer than any token of the API has ever been valid.
const FAR_AHEAD_DAYS: i64 = 3 * 366;

/// What is odd about a new date after the one on record, to whom knows how long tokens live.
fn implausible(hand: &Hand<'_>, recorded: DateTime<Utc>, expires: DateTime<Utc>) -> Option<Remark> {
    if expires < hand.now {
        return Some(Remark::AlreadyExpired);
    }
    let from = recorded.max(hand.now);
    let is_far = hand.calendar.days_between(from, expires) > FAR_AHEAD_DAYS;
    is_far.then_some(Remark::FarAhead)
}

pub(super) async fn correct(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    dates: &Renewal,
) -> Answer {
    let token = &subject.token;
    if let Some(ended) = subject.ended() {
        return Ok(Err(ended));
    }
    let later = hand
        .calendar
        .days_between(token.period.expires, dates.expires);
    if later == 0 && token.revoked_from.is_none() {
        return Ok(Ok(None));
    }
    let corrected = Dates {
        no: token.no,
        issued: dates.issued.map(seconds),
        expires: seconds(dates.expires),
    };
    tx.correct_periods(&[corrected], &hand.who.to_string(), hand.now)
        .await?;
    let mut remarks = Vec::from_iter(implausible(hand, hand.now, dates.expires));
    if token.revoked_from.is_some() {
        remarks.push(Remark::RevocationTakenBack);
    }
    Ok(Ok(Some(Written {
        what: "corrected",
        remarks,
    })))
}

/// What a token may ask for less, and more, than the one before it; nothing where one of them
/// is not known.
pub(super) fn compare_scopes(old: Option<&[String]>, new: Option<&[String]>) -> Vec<Remark> {
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let besides = |these: &[String], others: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|s| !others.contains(s))
            .cloned()
            .collect()
    };
    let (lost, gained) = (besides(old, new), besides(new, old));
    let mut remarks = Vec::new();
    if !lost.is_empty() {
        remarks.push(Remark::ScopesLost(lost));
    }
    if !gained.is_empty() {
        remarks.push(Remark::ScopesGained(gained));
    }
    remarks
}

pub(super) async fn revoke(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    at: Option<DateTime<Utc>>,
) -> Answer {
    let token = &subject.token;
    match token.state {
        State::Revoked => return Ok(Ok(None)),
        State::Superseded | State::Archived => {
            return Ok(Err(subject.ended().expect("it is not active")));
        }
        State::Active => {}
    }
    match at {
        Some(at) if at > hand.now => {
            let end = token.revoked_from.unwrap_or(token.period.expires);
            if at > end {
                return Ok(Err(Refused::ExpiresBefore(end)));
            }
            if token.revoked_from.is_some() && at == token.period.expires {
                return Ok(Ok(None));
            }
            let dates = Dates {
                no: token.no,
                issued: None,
                expires: seconds(at),
            };
            tx.revoke_periods(&[dates], &hand.who.to_string(), hand.now)
                .await?;
            written("revocation_planned")
        }
        Some(_) | None => {
            tx.set_state(&[token.no], State::Revoked, By::Person, hand.now)
                .await?;
            tx.suppress_tokens(&[token.no], Suppression::Revoked, hand.now)
                .await?;
            written("revoked")
        }
    }
}
