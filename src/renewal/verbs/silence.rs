//! What silences the stages above 15 of the present period, and what ends that: a request that
//! was filed, a renewal that a recipient declared, a snooze.
//!
//! The last stages are never silenced.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::{Answer, Filing, Hand, Refused, Remark, Subject, Written, written};
use crate::domain::lifecycle::{LAST_WORDS, News, Silence, Who};
use crate::store::Tx;
use crate::store::quiet::Said;

pub(super) async fn file(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    filing: &Filing,
) -> Answer {
    let token = &subject.token;
    if let Some(ended) = subject.ended() {
        return Ok(Err(ended));
    }
    let before = said(subject, Silence::Filed);
    let at = filing
        .at
        .or(before.and_then(|s| s.filed_at))
        .unwrap_or(hand.now);
    if at > hand.now {
        return Ok(Err(Refused::InTheFuture(at)));
    }
    // Of a token that was renewed: before that, another period was meant.
    let opened = token.period.opened_at;
    // Of Data Pass the fold of its events decides.
    let is_of_this_period = token.period_no == 1 || hand.who == Who::Webhook;
    if !is_of_this_period && at < opened - Duration::days(1) {
        return Ok(Err(Refused::BeforeThePeriod { opened, given: at }));
    }
    let mut filed = Said::by(Silence::Filed, hand.who.to_string(), hand.now);
    filed.filed_at = Some(at);
    filed.filed_by = filing.by.clone();
    filed.reference = filing.reference.clone();
    if let Some(b) = before {
        let particulars = |s: &Said| (s.filed_at, s.filed_by.clone(), s.reference.clone());
        filed.filed_by = filed.filed_by.or_else(|| b.filed_by.clone());
        filed.reference = filed.reference.or_else(|| b.reference.clone());
        if particulars(b) == particulars(&filed) {
            return Ok(Ok(None));
        }
    }
    say(tx, hand, subject, &filed, "filed").await
}

pub(super) async fn unfile(tx: &mut Tx, subject: &Subject) -> Answer {
    unsay(tx, subject, Silence::Filed, "filed_undone").await
}

pub(super) async fn refuse_filed(tx: &mut Tx, subject: &Subject) -> Answer {
    if said(subject, Silence::Filed).is_none() {
        return Ok(Err(Refused::NothingFiled));
    }
    unsay(tx, subject, Silence::Filed, "filed_refused").await
}

pub(super) async fn declare(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    expires: Option<DateTime<Utc>>,
) -> Answer {
    let token = &subject.token;
    if let Some(ended) = subject.ended() {
        return Ok(Err(ended));
    }
    let recorded = token.revoked_from.unwrap_or(token.period.expires);
    let is_later = |e: &DateTime<Utc>| hand.calendar.days_between(recorded, *e) > 0;
    if let Some(given) = expires.filter(|e| !is_later(e)) {
        return Ok(Err(Refused::NotLater { recorded, given }));
    }
    let mut declared = Said::by(Silence::Declared, hand.who.to_string(), hand.now);
    declared.expires = expires;
    if said(subject, Silence::Declared)
        .is_some_and(|b| b.expires == expires && b.who == declared.who)
    {
        return Ok(Ok(None));
    }
    let detail = json!({"expires": expires.map(|e| e.to_rfc3339())});
    tx.news(
        News::Declared,
        &declared.who,
        Some((token.no, token.period_no)),
        &detail,
        hand.now,
    )
    .await?;
    let done = say(tx, hand, subject, &declared, "renewal_declared").await?;
    Ok(done.map(|written| {
        written.map(|mut w| {
            w.remarks.push(Remark::ToBeConfirmed);
            w
        })
    }))
}

pub(super) async fn undeclare(tx: &mut Tx, subject: &Subject) -> Answer {
    tx.untell(subject.token.no, News::Declared).await?;
    unsay(tx, subject, Silence::Declared, "declaration_undone").await
}

pub(super) async fn snooze(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    until: DateTime<Utc>,
) -> Answer {
    if let Some(ended) = subject.ended() {
        return Ok(Err(ended));
    }
    if until <= hand.now {
        return Ok(Err(Refused::InThePast(until)));
    }
    let calendar = hand.calendar;
    let last = calendar.date(subject.token.period.expires) - Duration::days(i64::from(LAST_WORDS));
    if calendar.date(until) > last {
        let possible = (last > calendar.date(hand.now)).then_some(last);
        return Ok(Err(Refused::TooLate(possible)));
    }
    if said(subject, Silence::Snoozed).is_some_and(|b| b.until == Some(until)) {
        return Ok(Ok(None));
    }
    let mut snoozed = Said::by(Silence::Snoozed, hand.who.to_string(), hand.now);
    snoozed.until = Some(until);
    say(tx, hand, subject, &snoozed, "snoozed").await
}

pub(super) async fn wake(tx: &mut Tx, subject: &Subject) -> Answer {
    unsay(tx, subject, Silence::Snoozed, "snooze_undone").await
}

fn said(subject: &Subject, kind: Silence) -> Option<&Said> {
    subject.said.iter().find(|s| s.kind == kind)
}

async fn say(
    tx: &mut Tx,
    hand: &Hand<'_>,
    subject: &Subject,
    said: &Said,
    what: &'static str,
) -> Answer {
    let no = subject.token.no;
    tx.say(no, said).await?;
    tx.silence(no, said.kind.reason(), hand.now).await?;
    let left = hand
        .calendar
        .days_between(hand.now, subject.token.period.expires);
    let remarks = (left <= i64::from(LAST_WORDS))
        .then_some(Remark::LastWordsGoOn)
        .into_iter()
        .collect();
    Ok(Ok(Some(Written { what, remarks })))
}

async fn unsay(tx: &mut Tx, subject: &Subject, kind: Silence, what: &'static str) -> Answer {
    let no = subject.token.no;
    if !tx.unsay(no, kind).await? {
        return Ok(Ok(None));
    }
    // What it suppressed is looked at anew: the most urgent due stage goes out.
    tx.reopen_tokens(&[no], kind.reason()).await?;
    written(what)
}
