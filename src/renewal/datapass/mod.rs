//! What Data Pass says happened to a request, taken over into the record.
//!
//! An event is kept in the same transaction that changes its tokens: what was answered for is on
//! record, and what is not on record comes again. Only tokens with the number of the request are
//! touched, through the same verbs as by hand.

pub mod adopt;
pub mod payload;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::address::Address;
use crate::domain::calendar::Calendar;
use crate::domain::datapass::fold::{Filing, Fold, fold};
use crate::domain::datapass::merge::{
    self, Act, Alone, Known, OnApprove, Recorded, Said, Speaker, Terms, Told,
};
use crate::domain::datapass::{Contact, Event, Kind};
use crate::domain::lifecycle::{News, State, Who};
use crate::domain::token::Role;
use crate::renewal::undue::take_back_what_is_not_due;
use crate::renewal::verbs::{self, Hand, Renewal, Verb};
use crate::store::datapass::{Arrival, Numbered};
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::told::{KnownRecipient, RecipientOrigin};
use crate::store::{Store, Tx};

/// The journal's words about the filing of a token.
const FILING: [&str; 4] = ["filed", "filed_undone", "filed_refused", "renewed"];

/// The journal's words about what a token is.
const LIFE: [&str; 5] = [
    "archived",
    "restored",
    "revoked",
    "revocation_planned",
    "superseded",
];

/// By what an event is measured.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The calendar in force.
    pub calendar: Calendar,
    /// Months from issue to expiry.
    pub validity_months: u32,
    /// What an approval does.
    pub on_approve: OnApprove,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Whether it had come before.
    pub arrival: Arrival,
    /// The ids of the tokens with its number.
    pub tokens: Vec<String>,
}

/// Keeps an event and brings its tokens to what all events of the request say together.
///
/// # Errors
/// When the store cannot be written; then nothing is changed, and the event is to come again.
pub async fn receive(
    store: &Store,
    rules: &Rules,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<Received> {
    let mut tx = store.begin().await?;
    let arrival = tx.keep_webhook_event(event, now).await?;
    let tokens = tx.tokens_of_number(event.number.as_str()).await?;
    if arrival == Arrival::First {
        journal(&mut tx, event, &tokens, now).await?;
    }
    let folded = fold(&tx.webhook_events(event.number.as_str()).await?);
    let hand = Hand {
        calendar: &rules.calendar,
        who: Who::Webhook,
        now,
    };
    for token in &tokens {
        let recorded = recorded(&mut tx, token, &tokens).await?;
        let acts = merge::acts(&folded, &recorded, &rules.terms());
        let is_news =
            arrival == Arrival::First && merge::is_news(&folded, &recorded, event, &rules.terms());
        carry_out(&mut tx, &hand, token, acts).await?;
        hush(&mut tx, &folded, token).await?;
        if is_news {
            tell(&mut tx, event, token, now).await?;
        }
    }
    tx.commit().await?;
    Ok(Received {
        arrival,
        tokens: tokens.into_iter().map(|t| t.id).collect(),
    })
}

/// Writes into the journal that an event came.
async fn journal(
    tx: &mut Tx,
    event: &Event,
    tokens: &[Numbered],
    now: DateTime<Utc>,
) -> Result<()> {
    let detail = json!({
        "number": event.number.as_str(), "event": event.kind.word(),
        "fired_at": event.fired_at.to_rfc3339(),
    });
    let entry = |token| Entry {
        what: "webhook_received",
        token,
        detail: detail.clone(),
    };
    let entries: Vec<Entry> = if tokens.is_empty() {
        vec![entry(None)]
    } else {
        tokens.iter().map(|t| entry(Some(t.no))).collect()
    };
    tx.journal(&Who::Webhook.to_string(), &entries, now).await
}

impl Rules {
    /// What an approval is worth.
    fn terms(&self) -> Terms<'_> {
        Terms {
            on_approve: self.on_approve,
            calendar: &self.calendar,
            validity_months: self.validity_months,
        }
    }
}

/// Who spoke, by the journal's word for them.
fn speaker(who: &str) -> Speaker {
    if who == Who::Webhook.to_string() {
        Speaker::DataPass
    } else {
        Speaker::Other
    }
}

/// What is on record of a token, as far as Data Pass speaks of it.
async fn recorded(tx: &mut Tx, token: &Numbered, all: &[Numbered]) -> Result<Recorded> {
    let said = |word: Option<(String, DateTime<Utc>)>| {
        word.map(|(who, at)| Said {
            by: speaker(&who),
            at,
        })
    };
    let filing_said = said(tx.last_word(token.no, &FILING).await?);
    let state_said = said(tx.last_word(token.no, &LIFE).await?);
    let taken_off = tx
        .taken_off_by_others(token.no, &Who::Webhook.to_string())
        .await?;
    let people = tx.known_recipients_of(&[token.no]).await?;
    let known = |r: KnownRecipient| Known {
        by: match r.origin {
            RecipientOrigin::Webhook => Speaker::DataPass,
            RecipientOrigin::File | RecipientOrigin::Import | RecipientOrigin::Inherited => {
                Speaker::Other
            }
        },
        contact: (Role::parse(&r.role).unwrap_or_default(), r.name),
        told: if r.removed { Told::No } else { Told::Yes },
        taken_off: taken_off.get(&r.key).copied(),
        key: r.key,
    };
    let active = all.iter().filter(|t| t.state == State::Active);
    // What was first declared is what was known then, and no word about a later event.
    let dates_said = token.dated.as_ref().map(|(who, at)| Said {
        by: speaker(who),
        at: *at,
    });
    Ok(Recorded {
        state: token.state,
        state_said,
        filed_at: token.filed_at,
        filing_said,
        issued: token.issued,
        expires: token.expires,
        dates_said,
        people: people.into_iter().map(known).collect(),
        alone: if active.count() > 1 {
            Alone::No
        } else {
            Alone::Yes
        },
    })
}

/// Carries out what was decided.
async fn carry_out(tx: &mut Tx, hand: &Hand<'_>, token: &Numbered, acts: Vec<Act>) -> Result<()> {
    let (mut come, mut leave) = (Vec::new(), Vec::new());
    let mut verbs = Vec::new();
    for act in acts {
        match act {
            Act::Tell(contact) => come.push(contact),
            Act::Leave(key) => leave.push(key),
            Act::Restore => verbs.push(Verb::Restore),
            Act::File(at) => verbs.push(Verb::File(verbs::Filing {
                // A clock that is a little ahead elsewhere.
                at: Some(at.min(hand.now)),
                ..verbs::Filing::default()
            })),
            Act::Unfile(Filing::Refused) => verbs.push(Verb::RefuseFiled),
            Act::Unfile(
                Filing::Filed | Filing::ChangesRequested | Filing::Withdrawn | Filing::Approved,
            ) => verbs.push(Verb::Unfile),
            Act::Renew { issued, expires } => {
                verbs.push(Verb::Renew(Renewal::until(expires, Some(issued))));
            }
            Act::Revoke => verbs.push(Verb::Revoke { at: None }),
            Act::Archive => verbs.push(Verb::Archive),
        }
    }
    change_people(tx, hand, token, &come, &leave).await?;
    for verb in verbs {
        match verbs::act_in(tx, hand, &token.id, &verb).await? {
            Ok(done) => {
                if done.changed() {
                    tracing::info!(token = %token.id, verb = verb.word(), "Data Pass says so");
                }
            }
            Err(refused) => {
                tracing::warn!(token = %token.id, verb = verb.word(), ?refused, "what Data Pass says contradicts the record");
            }
        }
    }
    Ok(())
}

/// Adds the people whom the request names, and takes off those whom it named before.
async fn change_people(
    tx: &mut Tx,
    hand: &Hand<'_>,
    token: &Numbered,
    come: &[Contact],
    leave: &[String],
) -> Result<()> {
    if come.is_empty() && leave.is_empty() {
        return Ok(());
    }
    let before = tx.known_recipients_of(&[token.no]).await?;
    let told = |key: &str| before.iter().find(|r| r.key == key);
    let (mut put, mut again, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let entry = |what, address: &str| Entry {
        what,
        token: Some(token.no),
        detail: json!({"recipient": address}),
    };
    for contact in come {
        let Some(address) = &contact.address else {
            continue;
        };
        let key = address.key();
        match told(&key) {
            Some(r) if r.removed => {
                again.push((token.no, key.clone()));
                entries.push(entry("recipient_added", address.as_str()));
            }
            Some(_) => {}
            None => entries.push(entry("recipient_added", address.as_str())),
        }
        put.push(recipient(token, address, contact));
    }
    let gone: Vec<(i64, String)> = leave.iter().map(|k| (token.no, k.clone())).collect();
    let left = leave.iter().filter_map(|key| told(key));
    entries.extend(left.map(|r| entry("recipient_removed", &r.address)));
    tx.suppress_recipients(&gone, hand.now).await?;
    tx.remove_recipients(&gone, hand.now).await?;
    tx.reopen_recipients(&again).await?;
    tx.put_recipients(&put, hand.now).await?;
    tx.look_again(&[token.no], hand.now).await?;
    tx.journal(&hand.who.to_string(), &entries, hand.now)
        .await?;
    take_back_what_is_not_due(tx, hand.calendar, &[token.no], hand.now).await?;
    tx.cancel_empty_mails(hand.now).await?;
    Ok(())
}

/// A contact of a request as a recipient.
fn recipient(token: &Numbered, address: &Address, contact: &Contact) -> KnownRecipient {
    KnownRecipient {
        token: token.no,
        key: address.key(),
        address: address.as_str().to_owned(),
        name: contact.name.clone(),
        role: contact.role.word().to_owned(),
        language: token.language.clone(),
        from_stage: None,
        origin: RecipientOrigin::Webhook,
        removed: false,
    }
}

/// What nobody was told yet and is over by now is told no more.
async fn hush(tx: &mut Tx, folded: &Fold, token: &Numbered) -> Result<()> {
    let filing = folded.filing.as_ref().map(|w| w.what);
    for (news, what) in [
        (News::RequestRefused, Filing::Refused),
        (News::ChangesRequested, Filing::ChangesRequested),
    ] {
        if filing != Some(what) {
            tx.untell(token.no, news).await?;
        }
    }
    Ok(())
}

/// Has people told of an event.
async fn tell(tx: &mut Tx, event: &Event, token: &Numbered, now: DateTime<Utc>) -> Result<()> {
    let kind = match event.kind {
        Kind::Refuse => News::RequestRefused,
        Kind::RequestChanges => News::ChangesRequested,
        Kind::Approve => News::RequestApproved,
        Kind::Create
        | Kind::Update
        | Kind::Transfer
        | Kind::Reopen
        | Kind::Submit
        | Kind::CancelReopening
        | Kind::Revoke
        | Kind::Archive
        | Kind::Other(_) => return Ok(()),
    };
    let detail = json!({
        "number": event.number.as_str(), "fired_at": event.fired_at.to_rfc3339(),
    });
    let about = Some((token.no, token.period));
    tx.news(kind, &Who::Webhook.to_string(), about, &detail, now)
        .await
}
