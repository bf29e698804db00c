//! The links in mails: what a recipient says through one.
//!
//! A ticket is believed only while the record agrees: its token is active, its period runs, its
//! recipient is still told. That is looked at again in the transaction of what they say. What
//! they say silences early stages at most; the last ones go on until a person has confirmed.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{News, Silence, State, Who};
use crate::domain::ticket::{Holder, Keyring, Ticket};
use crate::domain::token::DatapassId;
use crate::renewal::verbs::{Filing, Hand, Refused, Verb, act_in};
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::outbox::Person;
use crate::store::quiet::Said;
use crate::store::record::Token;
use crate::store::{Store, Tx};

/// What a genuine ticket opens.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The token, as it is on record.
    pub token: Token,
    /// Who reads it.
    pub reader: Person,
    /// What was said of its period, by anyone.
    pub said: Vec<Said>,
    /// When the reader said that it is not for them.
    pub not_for_me: Option<DateTime<Utc>>,
}

impl Opened {
    /// What was said of this kind.
    pub fn said(&self, kind: Silence) -> Option<&Said> {
        self.said.iter().find(|s| s.kind == kind)
    }

    /// Whether the reader said it: only then do they take it back.
    pub fn is_mine(&self, said: &Said) -> bool {
        said.who == Who::Recipient(self.reader.key.clone()).to_string()
    }
}

/// What a reader says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// "I have filed the request", perhaps with its number.
    Filed(Option<DatapassId>),
    /// "I have not filed it after all."
    NotFiled,
    /// "It is renewed", perhaps until then.
    Renewed(Option<DateTime<Utc>>),
    /// "It is not renewed after all."
    NotRenewed,
    /// "Not for me."
    NotForMe,
}

/// What became of it.
#[derive(Debug)]
pub enum Heard {
    /// It is on record, or was.
    Recorded(Box<Opened>),
    /// The date is not after the record's, which is this one.
    NotLater(DateTime<Utc>),
    /// The ticket opens nothing, or nothing any more.
    Gone,
}

/// What a ticket opens; `None`: it is wrong, or its time is over.
///
/// # Errors
/// When the store cannot be read.
pub async fn open(store: &Store, keys: &Keyring, written: &str) -> Result<Option<Opened>> {
    // Nothing is looked up for a ticket that is not genuine.
    let Some(ticket) = keys.read(written) else {
        return Ok(None);
    };
    let Some(token) = store.token_of(ticket.token).await? else {
        return Ok(None);
    };
    let people = store.people(&[token.no]).await?;
    let Some(reader) = reader(keys, &ticket, &token, people) else {
        return Ok(None);
    };
    Ok(Some(Opened {
        said: store.said(token.no).await?,
        not_for_me: store
            .not_for_me(token.no, token.period_no, &reader.key)
            .await?,
        token,
        reader,
    }))
}

/// Records what the holder of a ticket says, in one transaction. Said twice, it is recorded once.
///
/// # Errors
/// When the store cannot be written; then nothing is changed.
pub async fn say(
    store: &Store,
    keys: &Keyring,
    written: &str,
    saying: &Saying,
    (calendar, now): (&Calendar, DateTime<Utc>),
) -> Result<Heard> {
    let Some(ticket) = keys.read(written) else {
        return Ok(Heard::Gone);
    };
    let mut tx = store.begin().await?;
    let Some(opened) = open_in(&mut tx, keys, &ticket).await? else {
        tx.rollback().await?;
        return Ok(Heard::Gone);
    };
    if is_said(&opened, saying) {
        tx.rollback().await?;
        return Ok(Heard::Recorded(Box::new(opened)));
    }
    let who = Who::Recipient(opened.reader.key.clone());
    let verb = match saying {
        Saying::NotForMe => None,
        Saying::Filed(reference) => Some(Verb::File(Filing {
            reference: reference.as_ref().map(|r| r.as_str().to_owned()),
            ..Filing::default()
        })),
        Saying::NotFiled => Some(Verb::Unfile),
        Saying::Renewed(expires) => Some(Verb::Declare { expires: *expires }),
        Saying::NotRenewed => Some(Verb::Undeclare),
    };
    let done = match verb {
        Some(verb) => {
            let hand = Hand { calendar, who, now };
            act_in(&mut tx, &hand, &opened.token.id, &verb)
                .await?
                .map(drop)
        }
        None => {
            not_for_me(&mut tx, &opened, &who, now).await?;
            Ok(())
        }
    };
    match done {
        Ok(()) => {
            let after = open_in(&mut tx, keys, &ticket).await?;
            tx.commit().await?;
            Ok(after.map_or(Heard::Gone, |o| Heard::Recorded(Box::new(o))))
        }
        Err(refused) => {
            tx.rollback().await?;
            // A ticket of an active token in its present period leaves no other reason.
            Ok(if let Refused::NotLater { recorded, .. } = refused {
                Heard::NotLater(recorded)
            } else {
                Heard::Gone
            })
        }
    }
}

/// Whether there is nothing to record: it was said already, by this reader with as much to it, or
/// by someone else, whose word stays theirs; or what would be taken back was not said by this
/// reader.
fn is_said(opened: &Opened, saying: &Saying) -> bool {
    let not_mine = |kind| !opened.said(kind).is_some_and(|s| opened.is_mine(s));
    match saying {
        Saying::Filed(reference) => opened.said(Silence::Filed).is_some_and(|s| {
            !opened.is_mine(s)
                || reference.is_none()
                || s.reference.as_deref() == reference.as_ref().map(DatapassId::as_str)
        }),
        Saying::Renewed(expires) => opened
            .said(Silence::Declared)
            .is_some_and(|s| !opened.is_mine(s) || expires.is_none() || s.expires == *expires),
        Saying::NotFiled => not_mine(Silence::Filed),
        Saying::NotRenewed => not_mine(Silence::Declared),
        Saying::NotForMe => opened.not_for_me.is_some(),
    }
}

async fn open_in(tx: &mut Tx, keys: &Keyring, ticket: &Ticket) -> Result<Option<Opened>> {
    let Some(token) = tx.token_of(ticket.token).await? else {
        return Ok(None);
    };
    let people = tx.people_of(token.no).await?;
    let Some(reader) = reader(keys, ticket, &token, people) else {
        return Ok(None);
    };
    Ok(Some(Opened {
        said: tx.said(token.no).await?,
        not_for_me: tx
            .not_for_me(token.no, token.period_no, &reader.key)
            .await?,
        token,
        reader,
    }))
}

/// The recipient for whom a ticket was signed, if it still counts.
fn reader(keys: &Keyring, ticket: &Ticket, token: &Token, people: Vec<Person>) -> Option<Person> {
    if token.state != State::Active {
        return None;
    }
    people.into_iter().find(|p| {
        let holder = Holder {
            token: token.no,
            id: &token.id,
            period: token.period_no,
            opened_at: token.period.opened_at,
            recipient: &p.key,
        };
        ticket.is_for(keys, &holder)
    })
}

/// Has the contact and the token's other recipients told, once for each reader and period.
async fn not_for_me(tx: &mut Tx, opened: &Opened, who: &Who, now: DateTime<Utc>) -> Result<()> {
    let (no, period) = (opened.token.no, opened.token.period_no);
    if !tx
        .say_not_for_me(no, period, &opened.reader.key, now)
        .await?
    {
        return Ok(());
    }
    let who = who.to_string();
    let entry = Entry {
        what: "not_for_me",
        token: Some(no),
        detail: json!({}),
    };
    tx.journal(&who, &[entry], now).await?;
    tx.news(News::NotForMe, &who, Some((no, period)), &json!({}), now)
        .await
}
