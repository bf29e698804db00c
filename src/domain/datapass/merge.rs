//! What the fold of a request changes of a token, against what is on record.
//!
//! Of what Data Pass and the others (people, links, imports, the file) said about the same
//! matter the last word counts: an event from when it was fired, theirs from when it was
//! recorded. So no event that arrives undoes what someone did after the event it repeats
//! (`docs/rules.md`, *Data Pass*).

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::datapass::fold::{Filing, Fold, Standing, Word};
use crate::domain::datapass::{Contact, Event, Kind};
use crate::domain::lifecycle::{RENEWAL_DAYS, State};
use crate::domain::token::Role;

/// Who spoke last about a matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// An event of Data Pass.
    DataPass,
    /// Anyone else.
    Other,
}

/// The last word about a matter on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// By whom.
    pub by: Speaker,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// Someone on record as a token's recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The key of their address.
    pub key: String,
    /// Who put them there.
    pub by: Speaker,
    /// What Data Pass last called them: role and name. Of others it does not count.
    pub contact: (Role, Option<String>),
    /// Whether they are told now.
    pub told: Told,
    /// When someone else last took them off.
    pub taken_off: Option<DateTime<Utc>>,
}

/// Whether someone on record is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// They are.
    Yes,
    /// No longer.
    No,
}

/// What is on record of a token, as far as Data Pass speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it is.
    pub state: State,
    /// The last word about that; `None`: none since it was first declared.
    pub state_said: Option<Said>,
    /// When the request was filed, if it counts as filed.
    pub filed_at: Option<DateTime<Utc>>,
    /// The last word about the filing.
    pub filing_said: Option<Said>,
    /// When it was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// Its expiry.
    pub expires: DateTime<Utc>,
    /// The last word about the dates; `None`: they are as first declared.
    pub dates_said: Option<Said>,
    /// Its recipients, those who are told no longer included.
    pub people: Vec<Known>,
    /// Whether no other active token has the same number: else nobody knows which of them an
    /// approval renews.
    pub alone: Alone,
}

/// Whether a number belongs to one active token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// It does.
    Yes,
    /// Several share it.
    No,
}

/// `[datapass] on_approve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnApprove {
    /// A note asks an admin to confirm.
    #[default]
    Ask,
    /// It renews.
    Renew,
}

/// What an approval is worth.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What it does.
    pub on_approve: OnApprove,
    /// The calendar in force.
    pub calendar: &'a Calendar,
    /// Months from issue to expiry.
    pub validity_months: u32,
}

impl Terms<'_> {
    /// The expiry that an approval gives.
    pub fn until(&self, approved: DateTime<Utc>) -> DateTime<Utc> {
        self.calendar.add_months(approved, self.validity_months)
    }

    /// Whether an approval means a longer life than the one on record: by as many days as make a
    /// renewal of a date in the file, and not by the approval from which the record's own issue
    /// follows. Where the record is Data Pass's own word its approvals are measured against each
    /// other, whatever the order in which they come.
    fn prolongs(&self, recorded: &Recorded, approved: DateTime<Utc>) -> bool {
        let expires = self.until(approved);
        if recorded
            .dates_said
            .is_some_and(|s| s.by == Speaker::DataPass)
        {
            return expires > recorded.expires;
        }
        let is_renewal = |from, to| self.calendar.days_between(from, to) >= RENEWAL_DAYS;
        is_renewal(recorded.expires, expires)
            && recorded
                .issued
                .is_none_or(|issued| is_renewal(issued, approved))
    }
}

/// One change of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It is watched again: what had ended it, by Data Pass's own word, is over.
    Restore,
    /// It is filed since then.
    File(DateTime<Utc>),
    /// It is not filed any more.
    Unfile(Filing),
    /// It lives on.
    Renew {
        /// From then.
        issued: DateTime<Utc>,
        /// Until then.
        expires: DateTime<Utc>,
    },
    /// It was revoked.
    Revoke,
    /// It was put away.
    Archive,
    /// Someone is told about it from now on, or as someone else.
    Tell(Contact),
    /// Someone whom Data Pass named, and names no longer.
    Leave(String),
}

/// The changes that bring a token to what the fold of its request says, in the order in which
/// they are to be made.
pub fn acts(fold: &Fold, recorded: &Recorded, terms: &Terms<'_>) -> Vec<Act> {
    let mut acts = people(fold, recorded);
    let (life, state) = life(fold, recorded);
    // What has ended has neither a filing nor a renewal: its dates stay as they were.
    if state == State::Active {
        if life.first() == Some(&Act::Restore) {
            acts.push(Act::Restore);
        }
        let renewal = renewal(fold, recorded, terms);
        // A renewal opens the next period, in which nothing is filed yet.
        let filed_at = recorded.filed_at.filter(|_| renewal.is_none());
        acts.extend(renewal);
        acts.extend(filing(fold, recorded, filed_at));
    } else {
        acts.extend(life);
    }
    acts
}

/// Whether people are to hear of an event, now that it is kept: it is the last word about its
/// matter, the token is watched, and nobody else spoke of it since. An approval is news when it
/// would make the token live longer, and does not by itself.
pub fn is_news(fold: &Fold, recorded: &Recorded, event: &Event, terms: &Terms<'_>) -> bool {
    let at = event.fired_at;
    let is_filing = |what| fold.filing == Some(Word { at, what });
    let matters = match event.kind {
        Kind::Refuse => is_filing(Filing::Refused) && is_newer(recorded.filing_said, at),
        Kind::RequestChanges => {
            is_filing(Filing::ChangesRequested) && is_newer(recorded.filing_said, at)
        }
        Kind::Approve => {
            fold.approved == Some(at)
                && is_newer(recorded.dates_said, at)
                && terms.prolongs(recorded, at)
                && (terms.on_approve == OnApprove::Ask || recorded.alone == Alone::No)
        }
        Kind::Create
        | Kind::Update
        | Kind::Transfer
        | Kind::Reopen
        | Kind::Submit
        | Kind::CancelReopening
        | Kind::Revoke
        | Kind::Archive
        | Kind::Other(_) => false,
    };
    matters && life(fold, recorded).1 == State::Active
}

/// Whether an event is a later word than the last on record. Data Pass's own words are always
/// measured against each other in the fold.
fn is_newer(said: Option<Said>, at: DateTime<Utc>) -> bool {
    match said {
        None => true,
        Some(said) => match said.by {
            Speaker::DataPass => true,
            Speaker::Other => said.at < at,
        },
    }
}

/// What the fold does to the state of a token, and the state that it then has.
fn life(fold: &Fold, recorded: &Recorded) -> (Vec<Act>, State) {
    let unchanged = (Vec::new(), recorded.state);
    let Some(word) = &fold.standing else {
        return unchanged;
    };
    let (wanted, end) = match word.what {
        Standing::Valid => (State::Active, None),
        Standing::Revoked => (State::Revoked, Some(Act::Revoke)),
        Standing::Archived => (State::Archived, Some(Act::Archive)),
    };
    // Only what Data Pass itself ended is opened again by it, or ended in another way.
    let is_ours = recorded
        .state_said
        .is_some_and(|s| s.by == Speaker::DataPass);
    match recorded.state {
        State::Active if end.is_some() && is_newer(recorded.state_said, word.at) => {
            (end.into_iter().collect(), wanted)
        }
        State::Revoked | State::Archived if wanted != recorded.state && is_ours => {
            let acts = std::iter::once(Act::Restore).chain(end).collect();
            (acts, wanted)
        }
        State::Active | State::Revoked | State::Archived | State::Superseded => unchanged,
    }
}

/// Whether an approval renews an active token: if it may, and the token then lives longer.
fn renewal(fold: &Fold, recorded: &Recorded, terms: &Terms<'_>) -> Option<Act> {
    let issued = fold.approved?;
    let renews = terms.on_approve == OnApprove::Renew
        && recorded.alone == Alone::Yes
        && is_newer(recorded.dates_said, issued)
        && terms.prolongs(recorded, issued);
    renews.then(|| Act::Renew {
        issued,
        expires: terms.until(issued),
    })
}

/// What the fold does to the filing of an active token.
fn filing(fold: &Fold, recorded: &Recorded, filed_at: Option<DateTime<Utc>>) -> Option<Act> {
    let Word { at, what } = fold.filing.as_ref()?;
    if !is_newer(recorded.filing_said, *at) {
        return None;
    }
    match (what, filed_at) {
        (Filing::Filed, before) if before != Some(*at) => Some(Act::File(*at)),
        (Filing::Filed, _) => None,
        (_, None) => None,
        (
            Filing::ChangesRequested | Filing::Refused | Filing::Withdrawn | Filing::Approved,
            Some(_),
        ) => Some(Act::Unfile(*what)),
    }
}

/// Who comes, who is called otherwise, who leaves.
fn people(fold: &Fold, recorded: &Recorded) -> Vec<Act> {
    let known = |key: &str| recorded.people.iter().find(|k| k.key == key);
    // Whom someone took off is told again only when a later event names them.
    let named = fold.told(|key, at| known(key).is_none_or(|k| k.taken_off.is_none_or(|t| t < at)));
    let mut acts = Vec::new();
    for (key, contact) in &named {
        let called = (contact.role, contact.name.clone());
        let is_right = known(key).is_some_and(|k| {
            // Whom someone else put there is theirs.
            k.told == Told::Yes && (k.by == Speaker::Other || k.contact == called)
        });
        if !is_right {
            acts.push(Act::Tell((*contact).clone()));
        }
    }
    if !fold.has_forgotten() {
        let leave = recorded.people.iter().filter(|k| {
            k.by == Speaker::DataPass
                && k.told == Told::Yes
                && named.iter().all(|(key, _)| *key != k.key)
        });
        acts.extend(leave.map(|k| Act::Leave(k.key.clone())));
    }
    acts
}
