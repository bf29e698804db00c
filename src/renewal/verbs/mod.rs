//! The verbs: what a person, a link, an import or Data Pass says happened to one token.
//!
//! Each is one transaction, or part of one: the record, the journal, what is owed and the news
//! of it change together or not at all. A verb that says what is already on record changes
//! nothing; one that contradicts it is refused, and says what to do instead.

mod dates;
mod forecast;
mod place;
pub mod refusal;
pub mod seen;
mod silence;
pub mod words;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{State, Who};
use crate::domain::token::Jti;
use crate::renewal::undue::take_back_what_is_not_due;
use crate::store::error::{Result, StoreError};
use crate::store::journal::Entry;
use crate::store::quiet::Said;
use crate::store::record::Token;
use crate::store::{Store, Tx};

pub use forecast::Planned;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// The same token lives on until a later date.
    Renew(Renewal),
    /// The dates on record are wrong: the same period gets others, and nothing is sent again.
    Correct(Renewal),
    /// Another token takes its place.
    Supersede {
        /// The id of that token.
        by: String,
    },
    /// The renewal request was filed.
    File(Filing),
    /// It was not filed after all.
    Unfile,
    /// The request that was filed was refused.
    RefuseFiled,
    /// A recipient declares a renewal; a person has to confirm it with [`Verb::Renew`].
    Declare {
        /// The new expiry, if they know it.
        expires: Option<DateTime<Utc>>,
    },
    /// They take it back.
    Undeclare,
    /// The early stages are put off.
    Snooze {
        /// Until when; 15 days before expiry at the latest.
        until: DateTime<Utc>,
    },
    /// They are put off no more.
    Wake,
    /// The token is revoked.
    Revoke {
        /// When; `None`: now. A future instant becomes the end of the period.
        at: Option<DateTime<Utc>>,
    },
    /// The token is put away.
    Archive,
    /// It is watched again: what an archive, a revocation or a successor ended goes on.
    Restore,
}

impl Verb {
    /// Its word in the log, without particulars: they may name people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Renew(_) => "renew",
            Self::Correct(_) => "correct",
            Self::Supersede { .. } => "supersede",
            Self::File(_) => "file",
            Self::Unfile => "unfile",
            Self::RefuseFiled => "refuse_filed",
            Self::Declare { .. } => "declare",
            Self::Undeclare => "undeclare",
            Self::Snooze { .. } => "snooze",
            Self::Wake => "wake",
            Self::Revoke { .. } => "revoke",
            Self::Archive => "archive",
            Self::Restore => "restore",
        }
    }
}

/// The dates of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// When the token was issued anew, if known.
    pub issued: Option<DateTime<Utc>>,
    /// Its new expiry.
    pub expires: DateTime<Utc>,
    /// The `jti` of the token that was read, if one was.
    pub jti: Option<Jti>,
    /// What it may ask for, if known.
    pub scopes: Option<Vec<String>>,
    /// SHA-256 of its text in hex, if one was read.
    pub fingerprint: Option<String>,
}

impl Renewal {
    /// A renewal until `expires`.
    pub fn until(expires: DateTime<Utc>, issued: Option<DateTime<Utc>>) -> Self {
        Self {
            issued,
            expires,
            jti: None,
            scopes: None,
            fingerprint: None,
        }
    }
}

/// The particulars of a request that was filed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filing {
    /// When; `None`: now.
    pub at: Option<DateTime<Utc>>,
    /// By whom.
    pub by: Option<String>,
    /// Its number.
    pub reference: Option<String>,
}

/// Whose hand does it, and when.
#[derive(Debug, Clone)]
pub struct Hand<'a> {
    /// The calendar in force.
    pub calendar: &'a Calendar,
    /// Who says so.
    pub who: Who,
    /// The present.
    pub now: DateTime<Utc>,
}

/// A token as it stands: what a verb changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub state: State,
    /// When it was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Whether it is revoked at that end.
    pub ends_revoked: bool,
    /// Its `jti`.
    pub jti: Option<String>,
    /// The token that took its place.
    pub superseded_by: Option<String>,
    /// What silences its early stages.
    pub said: Vec<Said>,
}

impl Standing {
    fn of(token: &Token, said: Vec<Said>) -> Self {
        Self {
            state: token.state,
            issued: token.issued,
            expires: token.period.expires,
            ends_revoked: token.revoked_from.is_some(),
            jti: token.jti.clone(),
            superseded_by: token.superseded_by.clone(),
            said,
        }
    }

    /// The form of journal and JSON.
    pub fn to_json(&self) -> Value {
        let at = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339());
        let said = |s: &Said| {
            json!({
                "kind": s.kind.word(), "at": s.at.to_rfc3339(), "by": s.who, "filed_at": at(s.filed_at),
                "filed_by": s.filed_by, "reference": s.reference, "expires": at(s.expires), "until": at(s.until),
            })
        };
        json!({
            "state": self.state.word(), "issued": at(self.issued), "expires": self.expires.to_rfc3339(),
            "revoked_at_end": self.ends_revoked, "jti": self.jti, "superseded_by": self.superseded_by,
            "said": self.said.iter().map(said).collect::<Vec<_>>(),
        })
    }
}

/// What a verb did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The token's id.
    pub token: String,
    /// As it stood.
    pub before: Standing,
    /// As it stands now; the same when it was on record already.
    pub after: Standing,
    /// The reminders that would have left and no longer do.
    pub no_longer: Vec<Planned>,
    /// The reminders that leave from now on and would not have.
    pub from_now: Vec<Planned>,
    /// The reminders that are to leave as things stand now, the earliest first.
    pub coming: Vec<Planned>,
    /// What is worth knowing besides.
    pub remarks: Vec<Remark>,
}

impl Done {
    /// Whether anything changed.
    pub fn changed(&self) -> bool {
        self.before != self.after
    }
}

/// What is worth knowing besides a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// The new date has passed already.
    AlreadyExpired,
    /// The new date is more than three years after the one on record, and after now.
    FarAhead,
    /// A revocation that was planned is taken back by it.
    RevocationTakenBack,
    /// The token that takes the place ends before the other one.
    EndsEarlier,
    /// Reminders from 15 days on go on all the same.
    LastWordsGoOn,
    /// The new token may ask for less: these scopes are lost.
    ScopesLost(Vec<String>),
    /// The new token may ask for more: these scopes are gained.
    ScopesGained(Vec<String>),
    /// The new token had no recipients, and has these now.
    Inherited(Vec<String>),
    /// One short closing note goes to so many people who had been reminded.
    ClosingNotes(u32),
    /// The contact is asked to confirm what a recipient declared.
    ToBeConfirmed,
}

/// Why a verb is refused: it contradicts what is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such token.
    Unknown(String),
    /// The token is superseded by this one.
    Superseded(String),
    /// The token is revoked since then.
    Revoked(DateTime<Utc>),
    /// The token is archived since then.
    Archived(DateTime<Utc>),
    /// The date is not after that of the record.
    NotLater {
        /// The record's expiry.
        recorded: DateTime<Utc>,
        /// The one that was given.
        given: DateTime<Utc>,
    },
    /// The token that was read is another one: its `jti` differs from the record's.
    AnotherToken {
        /// The record's.
        recorded: String,
        /// The other one's.
        given: String,
    },
    /// A token cannot take its own place, not by way of others either.
    Circle(String),
    /// The token that is to take the place is not watched: its state.
    NotWatched(String, State),
    /// The date lies in the future.
    InTheFuture(DateTime<Utc>),
    /// The date is before the beginning of the period.
    BeforeThePeriod {
        /// The beginning.
        opened: DateTime<Utc>,
        /// The one that was given.
        given: DateTime<Utc>,
    },
    /// No request is on record as filed.
    NothingFiled,
    /// A snooze has to end after now.
    InThePast(DateTime<Utc>),
    /// A snooze can end on this date at the latest: 15 days before expiry. `None`: it has passed.
    TooLate(Option<chrono::NaiveDate>),
    /// The token expires before the day of its revocation.
    ExpiresBefore(DateTime<Utc>),
}

/// Does what a verb says, in a transaction of its own.
///
/// # Errors
/// When the store cannot be written; then nothing is changed. The inner error is a refusal, and
/// nothing is changed either.
pub async fn act(
    store: &Store,
    hand: &Hand<'_>,
    token: &str,
    verb: &Verb,
) -> Result<std::result::Result<Done, Refused>> {
    let mut tx = store.begin().await?;
    let done = act_in(&mut tx, hand, token, verb).await?;
    match &done {
        Ok(_) => tx.commit().await?,
        Err(_) => tx.rollback().await?,
    }
    Ok(done)
}

/// Does what a verb says within a transaction. On a refusal nothing was written.
///
/// # Errors
/// As [`act`].
pub async fn act_in(
    tx: &mut Tx,
    hand: &Hand<'_>,
    id: &str,
    verb: &Verb,
) -> Result<std::result::Result<Done, Refused>> {
    let Some(token) = tx.token(id).await? else {
        return Ok(Err(Refused::Unknown(id.to_owned())));
    };
    let subject = Subject {
        said: tx.said(token.no).await?,
        token,
    };
    let planned = forecast::of(tx, hand, &subject).await?;
    let written = match verb {
        Verb::Renew(renewal) => dates::renew(tx, hand, &subject, renewal).await?,
        Verb::Correct(dates) => dates::correct(tx, hand, &subject, dates).await?,
        Verb::Revoke { at } => dates::revoke(tx, hand, &subject, *at).await?,
        Verb::Supersede { by } => place::supersede(tx, hand, &subject, by).await?,
        Verb::Archive => place::archive(tx, hand, &subject).await?,
        Verb::Restore => place::restore(tx, hand, &subject).await?,
        Verb::File(filing) => silence::file(tx, hand, &subject, filing).await?,
        Verb::Unfile => silence::unfile(tx, &subject).await?,
        Verb::RefuseFiled => silence::refuse_filed(tx, &subject).await?,
        Verb::Declare { expires } => silence::declare(tx, hand, &subject, *expires).await?,
        Verb::Undeclare => silence::undeclare(tx, &subject).await?,
        Verb::Snooze { until } => silence::snooze(tx, hand, &subject, *until).await?,
        Verb::Wake => silence::wake(tx, &subject).await?,
    };
    let before = Standing::of(&subject.token, subject.said.clone());
    let Written { what, remarks } = match written {
        Ok(Some(written)) => written,
        Ok(None) => {
            return Ok(Ok(Done {
                token: id.to_owned(),
                after: before.clone(),
                before,
                no_longer: Vec::new(),
                from_now: Vec::new(),
                coming: planned,
                remarks: Vec::new(),
            }));
        }
        Err(refused) => return Ok(Err(refused)),
    };
    take_back_what_is_not_due(tx, hand.calendar, &[subject.token.no], hand.now).await?;
    tx.cancel_empty_mails(hand.now).await?;
    let no = subject.token.no;
    // What was taken back may be due all the same, with another fate.
    tx.look_again(&[no], hand.now).await?;
    let token = tx
        .token_of(no)
        .await?
        .ok_or_else(|| StoreError::Corrupt("a token is gone".to_owned()))?;
    let now = Subject {
        said: tx.said(no).await?,
        token,
    };
    let after = Standing::of(&now.token, now.said.clone());
    let entry = Entry {
        what,
        token: Some(no),
        detail: json!({"before": before.to_json(), "after": after.to_json()}),
    };
    tx.journal(&hand.who.to_string(), &[entry], hand.now)
        .await?;
    let planned_now = forecast::of(tx, hand, &now).await?;
    Ok(Ok(Done {
        token: id.to_owned(),
        before,
        after,
        no_longer: forecast::without(&planned, &planned_now),
        from_now: forecast::without(&planned_now, &planned),
        coming: planned_now,
        remarks,
    }))
}

/// The token that a verb is about, and what silences it.
struct Subject {
    token: Token,
    said: Vec<Said>,
}

/// What a verb wrote: the word of the journal, and what is worth knowing. `None`: it was on
/// record already.
struct Written {
    what: &'static str,
    remarks: Vec<Remark>,
}

type Answer = Result<std::result::Result<Option<Written>, Refused>>;

fn written(what: &'static str) -> Answer {
    Ok(Ok(Some(Written {
        what,
        remarks: Vec::new(),
    })))
}

impl Subject {
    /// Why nothing can happen to this token any more, unless it is restored first.
    fn ended(&self) -> Option<Refused> {
        match self.token.state {
            State::Active => None,
            State::Archived => Some(Refused::Archived(self.token.state_at)),
            State::Revoked => Some(Refused::Revoked(self.token.state_at)),
            State::Superseded => Some(Refused::Superseded(
                self.token.superseded_by.clone().unwrap_or_default(),
            )),
        }
    }
}
