//! Tokens that leave their place and come back: superseded, archived, restored.

use serde_json::json;

use super::{Answer, Hand, Refused, Remark, Subject, Written, dates, written};
use crate::domain::lifecycle::{By, News, RENEWAL_DAYS, State, Suppression};
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::periods::Dates;
use crate::store::record::Token;
use crate::store::seconds;

pub(super) async fn supersede(tx: &mut Tx, hand: &Hand<'_>, subject: &Subject, by: &str) -> Answer {
    let old = &subject.token;
    let Some(new) = tx.token(by).await? else {
        return Ok(Err(Refused::Unknown(by.to_owned())));
    };
    if old.state == State::Superseded {
        let successor = old.superseded_by.clone().unwrap_or_default();
        return Ok(if successor == new.id {
            Ok(None)
        } else {
            Err(Refused::Superseded(successor))
        });
    }
    if new.no == old.no || leads_to(tx, &new, &old.id).await? {
        return Ok(Err(Refused::Circle(old.id.clone())));
    }
    if new.state != State::Active {
        return Ok(Err(Refused::NotWatched(new.id, new.state)));
    }
    let who = hand.who.to_string();
    let detail = json!({"by": new.id, "expires": new.period.expires.to_rfc3339()});
    let told = tx
        .closing_news(News::Superseded, &[old.no], &who, &detail, hand.now)
        .await?;
    tx.set_state(&[old.no], State::Superseded, By::Person, hand.now)
        .await?;
    tx.set_successor(old.no, Some(new.no)).await?;
    tx.suppress_tokens(&[old.no], Suppression::Superseded, hand.now)
        .await?;
    let mut remarks = dates::compare_scopes(old.scopes.as_deref(), new.scopes.as_deref());
    let inherited = tx.inherit_recipients(old.no, new.no, hand.now).await?;
    if !inherited.is_empty() {
        tx.look_again(&[new.no], hand.now).await?;
        remarks.push(Remark::Inherited(inherited));
    }
    if told > 0 {
        remarks.push(Remark::ClosingNotes(told));
    }
    if new.period.expires < old.period.expires {
        remarks.push(Remark::EndsEarlier);
    }
    Ok(Ok(Some(Written {
        what: "superseded",
        remarks,
    })))
}

/// Whether the chain of successors from `token` comes to `id`.
async fn leads_to(tx: &mut Tx, token: &Token, id: &str) -> Result<bool> {
    let mut next = token.superseded_by.clone();
    while let Some(successor) = next {
        if successor == id {
            return Ok(true);
        }
        next = tx.token(&successor).await?.and_then(|t| t.superseded_by);
    }
    Ok(false)
}

pub(super) async fn archive(tx: &mut Tx, hand: &Hand<'_>, subject: &Subject) -> Answer {
    let token = &subject.token;
    match token.state {
        // What the file had put away is now put away by a person: the file does not restore it.
        State::Archived if token.state_by == By::Person => return Ok(Ok(None)),
        State::Archived | State::Active => {}
        State::Superseded | State::Revoked => {
            return Ok(Err(subject.ended().expect("it is not active")));
        }
    }
    tx.set_state(&[token.no], State::Archived, By::Person, hand.now)
        .await?;
    tx.suppress_tokens(&[token.no], Suppression::Archived, hand.now)
        .await?;
    written("archived")
}

pub(super) async fn restore(tx: &mut Tx, hand: &Hand<'_>, subject: &Subject) -> Answer {
    let token = &subject.token;
    let revocation = match token.state {
        State::Active | State::Revoked => token.revoked_from,
        // Only what put it away is taken back.
        State::Archived | State::Superseded => None,
    };
    if token.state == State::Active && revocation.is_none() {
        return Ok(Ok(None));
    }
    if token.state != State::Active {
        tx.set_state(&[token.no], State::Active, By::Person, hand.now)
            .await?;
        tx.set_successor(token.no, None).await?;
        tx.untell(token.no, News::Superseded).await?;
        // One end may have come on top of another one.
        for why in [
            Suppression::Archived,
            Suppression::Superseded,
            Suppression::Revoked,
        ] {
            tx.reopen_tokens(&[token.no], why).await?;
        }
        tx.tell_from_now(&[token.no], hand.now).await?;
    }
    if let Some(end) = revocation {
        let dates = Dates {
            no: token.no,
            issued: token.issued.map(seconds),
            expires: seconds(end),
        };
        let who = hand.who.to_string();
        // Far from the day of the revocation its last stages are due once more, in a period of
        // their own.
        if hand.calendar.days_between(token.period.expires, end) >= RENEWAL_DAYS {
            tx.suppress_tokens(&[token.no], Suppression::Renewed, hand.now)
                .await?;
            tx.open_periods(&[dates], &who, hand.now).await?;
        } else {
            tx.correct_periods(&[dates], &who, hand.now).await?;
        }
    }
    written("restored")
}
