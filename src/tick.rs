//! One pass that turns due stages into notices and mails, in one transaction a batch.
//!
//! The wake-up is only a hint: what is due is decided by `domain::schedule` from timestamps and
//! from what is on record, so that a lost, late or doubled wake-up changes nothing. The cost
//! follows the tokens whose time has come, not those that are stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{By, State, Suppression, Who};
use crate::domain::message_id::message_id;
use crate::domain::schedule::{self, Fate, Urgent};
use crate::domain::stage::{Schedule, Stage};
use crate::domain::storm;
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::outbox::MailState;
use crate::store::plan::{
    DueRecipient, DueToken, MailUpdate, NewMail, NoticeRow, OpenMail, Recorded,
};
use crate::store::{Store, Tx, seconds};

/// Tokens looked at in one transaction.
const BATCH: i64 = 2000;

/// What the tick needs besides the store.
#[derive(Debug, Clone)]
pub struct Planner {
    /// When mails may leave.
    pub calendar: Calendar,
    /// The right-hand side of Message-IDs: the domain of the sender's address.
    pub message_id_domain: String,
    /// Stages from this many days before expiry on are noted for the channels; `None`: none is.
    pub told_from: Option<u32>,
}

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Notices that became owed.
    pub owed: usize,
    /// Notices for which a more urgent stage speaks.
    pub absorbed: usize,
    /// Mails made.
    pub mails: usize,
    /// Notices that waited for a mail on its way and have one now.
    pub joined: usize,
}

impl Planner {
    /// Plans everything that is due at `now`.
    ///
    /// # Errors
    /// When the store cannot be written; what earlier batches planned stands.
    pub async fn tick(&self, store: &Store, now: DateTime<Utc>) -> Result<Ticked> {
        let mut total = Ticked::default();
        loop {
            let mut tx = store.begin().await?;
            let Some(schedule) = tx.schedule().await? else {
                return Ok(total);
            };
            let turned = turn(&mut tx, now).await?;
            let due = tx.due_tokens(now, BATCH).await?;
            let more = i64::try_from(due.len()).is_ok_and(|n| n == BATCH);
            let done = self.plan(&mut tx, &schedule, &due, now).await?;
            if due.is_empty() && turned == Turned::Nothing && done == Ticked::default() {
                tx.rollback().await?;
            } else {
                tx.commit().await?;
            }
            total.owed += done.owed;
            total.absorbed += done.absorbed;
            total.mails += done.mails;
            total.joined += done.joined;
            if !more {
                return Ok(total);
            }
        }
    }

    async fn plan(
        &self,
        tx: &mut Tx,
        schedule: &Schedule,
        due: &[DueToken],
        now: DateTime<Utc>,
    ) -> Result<Ticked> {
        let rows: Vec<i64> = due.iter().map(|t| t.no).collect();
        let periods: Vec<(i64, i64)> = due.iter().map(|t| (t.no, t.period_no)).collect();
        let (recipients, recorded) = if due.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            (tx.recipients_of(&rows).await?, tx.recorded(&periods).await?)
        };
        let mut batch = Batch::default();
        batch.owe(&self.calendar, schedule, due, &recipients, &recorded, now);
        for w in tx.waiting().await? {
            let already =
                batch
                    .absorbed_keys
                    .contains(&(w.key.0, w.key.1, w.key.2, w.recipient.clone()));
            if !already {
                let owed = batch
                    .owed
                    .entry(w.recipient)
                    .or_insert_with(|| Owed::of(w.address));
                owed.stages.push(w.key.2);
                owed.waiting.push(w.key);
            }
        }
        self.mail(tx, batch, due, schedule, now).await
    }

    /// Gives every owed notice its mail: the recipient's open one, or a new one; while that is
    /// on its way the notice waits.
    async fn mail(
        &self,
        tx: &mut Tx,
        mut batch: Batch,
        due: &[DueToken],
        schedule: &Schedule,
        now: DateTime<Utc>,
    ) -> Result<Ticked> {
        let keys: Vec<&str> = batch.owed.keys().map(String::as_str).collect();
        let (open, counted) = if keys.is_empty() {
            (HashMap::new(), HashMap::new())
        } else {
            let today = self.calendar.date(now);
            let (from, to) = (
                self.calendar.start_of_day(today),
                self.calendar
                    .start_of_day(today.succ_opt().unwrap_or(today)),
            );
            let open: HashMap<String, OpenMail> = tx.open_mails(&keys).await?.into_iter().collect();
            let counted: HashMap<String, u32> = tx
                .counted(&keys, from, to, &[])
                .await?
                .into_iter()
                .collect();
            (open, counted)
        };

        let ids: HashMap<i64, &str> = due.iter().map(|t| (t.no, t.id.as_str())).collect();
        let mut next_no = tx.next_mail_no().await?;
        let (mut new_mails, mut updates, mut promises, mut attach) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (recipient, owed) in &batch.owed {
            let stages = || owed.stages.iter().copied();
            let most_urgent = stages().min().map_or(0, i64::from);
            let counted = counted.get(recipient).copied().unwrap_or(0);
            let leave = |urgent| schedule::earliest_leave(&self.calendar, now, counted, urgent);
            let urgent = Urgent::of(stages().map(Stage::new));
            let no = match open.get(recipient) {
                Some(mail) if !mail.state.takes_notices() => continue,
                Some(mail) => {
                    // A mail on its day is never held: a notice on its day frees it.
                    let freed =
                        mail.state == MailState::Held && batch.is_on_its_day(&owed.new, now);
                    let state = if freed { MailState::Queued } else { mail.state };
                    let next_at = match state {
                        MailState::Queued if freed => Some(leave(urgent)),
                        MailState::Queued => mail.next_at.map(|at| at.min(leave(urgent))),
                        // What joins a held mail may be more urgent than the rest of it.
                        MailState::Held => mail.next_at.map(|at| {
                            at.min(storm::leaves_unanswered(&self.calendar, most_urgent, now))
                        }),
                        // A mail that the server deferred keeps its time.
                        MailState::Deferred
                        | MailState::Claimed
                        | MailState::InDoubt
                        | MailState::Sent
                        | MailState::Refused
                        | MailState::Parked
                        | MailState::Failed
                        | MailState::Cancelled => mail.next_at,
                    };
                    updates.push(MailUpdate {
                        no: mail.no,
                        urgency: mail.urgency.min(most_urgent),
                        next_at: next_at.map(seconds),
                        state: state.word(),
                    });
                    // A server's deferral moves no promise: it is what makes a notice late.
                    if let Some(at) = next_at
                        && matches!(state, MailState::Queued | MailState::Held)
                    {
                        promises.push((mail.no, seconds(at)));
                    }
                    mail.no
                }
                None => {
                    let no = next_no;
                    next_no += 1;
                    let next_at = leave(urgent);
                    new_mails.push(NewMail {
                        no,
                        message_id: self.message_id(no, recipient, owed, &ids, now),
                        recipient: recipient.clone(),
                        address: owed.address.clone(),
                        urgency: most_urgent,
                        next_at: seconds(next_at),
                    });
                    // Where the one-a-day rule makes it wait, the promise moves with it.
                    if next_at > self.calendar.next_leave(now) {
                        promises.push((no, seconds(next_at)));
                    }
                    no
                }
            };
            for i in &owed.new {
                batch.notices[*i].8 = Some(no);
            }
            attach.extend(
                owed.waiting
                    .iter()
                    .map(|(t, p, s)| (*t, *p, *s, recipient.clone(), no)),
            );
        }

        let done = Ticked {
            owed: batch.notices.iter().filter(|n| n.6 == "owed").count(),
            absorbed: batch.notices.iter().filter(|n| n.6 == "absorbed").count()
                + batch.absorbed.len(),
            mails: new_mails.len(),
            joined: attach.len(),
        };
        tx.absorb(&batch.absorbed, now).await?;
        tx.insert_mails(&new_mails, now).await?;
        tx.insert_notices(&batch.notices, now).await?;
        tx.attach(&attach, now).await?;
        tx.note_stages(&self.stages_to_tell(&batch.notices, &attach))
            .await?;
        tx.update_mails(&updates).await?;
        tx.promise_later(&promises).await?;
        let next: Vec<(i64, Option<i64>)> = due
            .iter()
            .map(|t| {
                (
                    t.no,
                    schedule::next_slot(&self.calendar, schedule, &t.period, now).map(seconds),
                )
            })
            .collect();
        tx.set_next_due(&next).await?;
        Ok(done)
    }

    /// What the channels are to be told: stages that are owed from now on, or owed again.
    fn stages_to_tell(
        &self,
        notices: &[NoticeRow],
        attached: &[(i64, i64, i32, String, i64)],
    ) -> Vec<(i64, i64, i32)> {
        let Some(from) = self.told_from else {
            return Vec::new();
        };
        let owed = notices.iter().filter(|n| n.6 == "owed");
        let owed = owed.map(|n| (n.0, n.1, n.2));
        let again = attached.iter().map(|a| (a.0, a.1, a.2));
        let mut stages: Vec<_> = owed
            .chain(again)
            .filter(|(.., stage)| i64::from(*stage) <= i64::from(from))
            .collect();
        stages.sort_unstable();
        stages.dedup();
        stages
    }

    /// A Message-ID that follows from what the mail was made for; its row tells it from one for
    /// the same notices that was cancelled in the same second.
    fn message_id(
        &self,
        no: i64,
        recipient: &str,
        owed: &Owed,
        ids: &HashMap<i64, &str>,
        now: DateTime<Utc>,
    ) -> String {
        let mut hash = Sha256::new();
        hash.update(recipient.as_bytes());
        hash.update(no.to_be_bytes());
        hash.update(now.timestamp().to_be_bytes());
        for (token, period, stage) in owed.keys.iter().chain(&owed.waiting) {
            let id = ids.get(token).copied().unwrap_or_default();
            hash.update(format!("\0{id}\0{token}\0{period}\0{stage}"));
        }
        message_id(self.calendar.date(now), hash, &self.message_id_domain)
    }
}

/// Whether a date came that somebody had set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turned {
    Nothing,
    Something,
}

/// Ends what was to end by now: a snooze speaks again, a token to be revoked is.
async fn turn(tx: &mut Tx, now: DateTime<Utc>) -> Result<Turned> {
    let (awake, revoked) = (tx.end_snoozes(now).await?, tx.revoked_by(now).await?);
    if awake.is_empty() && revoked.is_empty() {
        return Ok(Turned::Nothing);
    }
    tx.reopen_tokens(&awake, Suppression::Snoozed).await?;
    tx.look_again(&awake, now).await?;
    tx.set_state(&revoked, State::Revoked, By::Person, now)
        .await?;
    tx.suppress_tokens(&revoked, Suppression::Revoked, now)
        .await?;
    tx.cancel_empty_mails(now).await?;
    let entry = |what| {
        move |token: &i64| Entry {
            what,
            token: Some(*token),
            detail: json!({}),
        }
    };
    let entries: Vec<Entry> = awake
        .iter()
        .map(entry("snooze_ended"))
        .chain(revoked.iter().map(entry("revoked")))
        .collect();
    tx.journal(&Who::Daemon.to_string(), &entries, now).await?;
    Ok(Turned::Something)
}

/// What a recipient is newly owed.
#[derive(Default)]
struct Owed {
    address: String,
    stages: Vec<i32>,
    /// Places in `Batch::notices`.
    new: Vec<usize>,
    keys: Vec<(i64, i64, i32)>,
    waiting: Vec<(i64, i64, i32)>,
}

impl Owed {
    fn of(address: String) -> Self {
        Self {
            address,
            ..Self::default()
        }
    }
}

#[derive(Default)]
struct Batch {
    notices: Vec<NoticeRow>,
    absorbed: Vec<(i64, i64, i32, String, i32)>,
    absorbed_keys: HashSet<(i64, i64, i32, String)>,
    /// By recipient's key, in a stable order: the same day gives the same mails.
    owed: BTreeMap<String, Owed>,
}

impl Batch {
    /// Whether one of these new notices is not late.
    fn is_on_its_day(&self, new: &[usize], now: DateTime<Utc>) -> bool {
        let late = seconds(now - storm::LATE);
        new.iter().any(|i| self.notices[*i].5 >= late)
    }

    fn owe(
        &mut self,
        calendar: &Calendar,
        schedule: &Schedule,
        tokens: &[DueToken],
        recipients: &[DueRecipient],
        recorded: &[Recorded],
        now: DateTime<Utc>,
    ) {
        let mut people: HashMap<i64, Vec<&DueRecipient>> = HashMap::new();
        for r in recipients {
            people.entry(r.token).or_default().push(r);
        }
        let mut on_record: HashMap<(i64, &str), Vec<&Recorded>> = HashMap::new();
        for r in recorded {
            on_record
                .entry((r.token, r.recipient.as_str()))
                .or_default()
                .push(r);
        }
        for token in tokens {
            let due = schedule::due(calendar, schedule, &token.period, now);
            for person in people.get(&token.no).into_iter().flatten() {
                let theirs = schedule::due_for(schedule, &token.period, &person.told, &due);
                let record = on_record
                    .get(&(token.no, person.key.as_str()))
                    .map_or(&[][..], Vec::as_slice);
                let is_recorded = |stage| record.iter().any(|r| r.stage == stage);
                let most_urgent = theirs.last().map(|d| d.stage);
                let due_from = token
                    .look_at
                    .max(token.period.dated_at)
                    .max(person.told.since);
                let new = schedule::newly_due(calendar, &theirs, due_from, is_recorded);
                for n in schedule::silenced(new, token.quiet, now) {
                    let (state, reason) = match n.fate {
                        Fate::Owed => {
                            self.owe_one(token, person, n.stage, record);
                            ("owed", None)
                        }
                        Fate::Absorbed => ("absorbed", most_urgent.map(|s| s.to_string())),
                        Fate::Silent(why) => ("suppressed", Some(why.reason().word().to_owned())),
                    };
                    self.notices.push(NoticeRow(
                        token.no,
                        token.period_no,
                        n.stage.days(),
                        person.key.clone(),
                        seconds(n.slot),
                        seconds(n.leaves_at),
                        state,
                        reason,
                        None,
                    ));
                }
            }
        }
    }

    /// Notes that a stage is owed; an earlier notice of the same token that has not left yet
    /// is absorbed, unless it is on its way.
    fn owe_one(
        &mut self,
        token: &DueToken,
        person: &DueRecipient,
        stage: Stage,
        record: &[&Recorded],
    ) {
        for earlier in record {
            let absorbs = match earlier.owed {
                Some(None) => true,
                Some(Some(mail)) => mail.takes_notices(),
                None => false,
            };
            if absorbs {
                let key = (
                    token.no,
                    token.period_no,
                    earlier.stage.days(),
                    person.key.clone(),
                );
                self.absorbed_keys.insert(key.clone());
                self.absorbed
                    .push((key.0, key.1, key.2, key.3, stage.days()));
            }
        }
        let owed = self
            .owed
            .entry(person.key.clone())
            .or_insert_with(|| Owed::of(person.address.clone()));
        owed.stages.push(stage.days());
        owed.new.push(self.notices.len());
        owed.keys.push((token.no, token.period_no, stage.days()));
    }
}
