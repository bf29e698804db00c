//! What the watch tells by itself: alarms about its own state, and the weekly report.
//!
//! Each step queues notes and nothing else; it may fail without harm to reminders, and is taken
//! again at the next pass. An outage is told once, and outages of one kind at most once a day.

pub mod refusals;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::delivery::clerk::Clerk;
use crate::delivery::desk::Desk;
use crate::delivery::notes::Draft;
use crate::delivery::report::{Ahead, Beyond, Reporter, SPAN};
use crate::domain::address::Address;
use crate::health::RELAY_PATIENCE;
use crate::simulate;
use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::settle::NewNote;
use crate::tick::Planner;

/// Outages of one kind are told this far apart at least.
const ONCE_IN: Duration = Duration::hours(24);

/// The setting that holds up to when failures were looked through.
const LOOKED: &str = "unreached_seen";

/// A relay's trouble: since when, and what it said.
type Trouble = (DateTime<Utc>, String);

/// What is known of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    /// It failed when it was last used.
    Failing {
        /// Since when.
        since: DateTime<Utc>,
        /// What it said.
        why: String,
    },
    /// It answered when it was last used.
    Answers,
    /// It has not been used since the start.
    Unknown,
}

/// Tells.
#[derive(Debug)]
pub struct Teller {
    desk: Desk,
    planner: Planner,
    reporter: Option<Reporter>,
    /// The relay's trouble as the store has it, once read.
    recorded: Mutex<Option<Option<Trouble>>>,
    /// Whether a reminder may have failed since failures were last looked through.
    failed: AtomicBool,
}

impl Teller {
    /// Tells in the words of this desk; `reporter` where reports are wished for.
    pub fn new(desk: Desk, planner: Planner, reporter: Option<Reporter>) -> Self {
        Self {
            desk,
            planner,
            reporter,
            recorded: Mutex::new(None),
            failed: AtomicBool::new(true),
        }
    }

    /// Says that a reminder has failed.
    pub fn a_reminder_failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Everything that belongs to a pass.
    ///
    /// # Errors
    /// The first failure of the store; the other steps are taken all the same.
    pub async fn step(&self, store: &Store, relay: Relay, now: DateTime<Utc>) -> Result<()> {
        let relay = self.relay(store, relay, now).await;
        let unreached = self.unreached(store, now).await;
        let report = self.report(store, now).await;
        relay.and(unreached).and(report)
    }

    /// The report of the week, when it is due.
    async fn report(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        let Some(reporter) = &self.reporter else {
            return Ok(());
        };
        if !reporter.is_due(store, &self.desk.calendar, now).await? {
            return Ok(());
        }
        let ahead = match self.ahead(store, now).await {
            Ok(ahead) => Some(ahead),
            Err(e) => {
                tracing::error!(error = %e, "the report goes without the week ahead");
                None
            }
        };
        let uncovered = store.uncovered(&self.desk.calendar, now).await?.len();
        let beyond = Beyond { ahead, uncovered };
        reporter.queue(store, &self.desk, &beyond, now).await?;
        tracing::info!("the weekly report is queued");
        Ok(())
    }

    /// The reminders of the next seven days, through the same functions as `simulate`, on a copy.
    async fn ahead(&self, store: &Store, now: DateTime<Utc>) -> Result<Vec<Ahead>> {
        let path = store
            .path()
            .ok_or_else(|| StoreError::Io("the store is not a file".to_owned()))?;
        let clerk = Clerk {
            store: Store::copy_of(path).await?,
            desk: self.desk.clone(),
        };
        let mut found: BTreeMap<(NaiveDate, i64, String), usize> = BTreeMap::new();
        let calendar = &self.desk.calendar;
        let end = now + SPAN - Duration::seconds(1);
        let run = simulate::run(&clerk, &self.planner, None, now, end, |at, mails| {
            for notice in mails.into_iter().flat_map(|m| m.notices) {
                let key = (calendar.date(at), notice.days_left, notice.token);
                *found.entry(key).or_default() += 1;
            }
        })
        .await;
        let ids: Vec<&str> = found.keys().map(|(_, _, id)| id.as_str()).collect();
        let names = clerk.store.names(&ids).await;
        clerk.store.close().await;
        run?;
        let names: BTreeMap<String, String> = names?.into_iter().collect();
        Ok(found
            .into_iter()
            .map(|((on, days_left, id), people)| Ahead {
                on,
                name: names.get(&id).cloned().unwrap_or(id),
                days_left,
                people,
            })
            .collect())
    }

    /// Keeps on record since when the relay has been failing, over restarts too, and tells the
    /// contact of an outage that lasts.
    async fn relay(&self, store: &Store, relay: Relay, now: DateTime<Utc>) -> Result<()> {
        let known = self.recorded.lock().expect("no holder panics").clone();
        let recorded = match known {
            Some(recorded) => recorded,
            None => store.relay_trouble().await?,
        };
        let failing = matches!(relay, Relay::Failing { .. });
        let present = match relay {
            Relay::Failing { since, why } => match recorded.clone() {
                Some((earlier, first)) if earlier <= since => Some((earlier, first)),
                Some(_) | None => Some((since, why)),
            },
            Relay::Answers => None,
            Relay::Unknown => recorded.clone(),
        };
        if present != recorded {
            let mut tx = store.begin().await?;
            let trouble = present.as_ref().map(|(since, why)| (*since, why.as_str()));
            tx.set_relay_trouble(trouble).await?;
            tx.commit().await?;
        }
        *self.recorded.lock().expect("no holder panics") = Some(present.clone());
        match present {
            // What an earlier run met says nothing of how long it lasted.
            Some((since, why)) if failing && now - since >= RELAY_PATIENCE => {
                let draft = self.desk.relay_alarm(since, &why);
                self.alarm(store, draft, now).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The disk was full from `since` until now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn disk(
        &self,
        store: &Store,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.alarm(store, self.desk.disk_alarm(since, now), now)
            .await
    }

    /// Queues an alarm to the contact, unless one of its kind is open or recent.
    async fn alarm(&self, store: &Store, draft: Draft, now: DateTime<Utc>) -> Result<()> {
        let contact = &self.desk.contact;
        if store
            .told_since(draft.kind, &contact.key(), now - ONCE_IN)
            .await?
        {
            return Ok(());
        }
        let note = self.desk.note_to(contact, draft, now);
        store.settle(&[], &[note], now).await
    }

    /// Tells of tokens of which a reminder reached nobody. Failures are looked through only
    /// after there were some, and once after each start.
    async fn unreached(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        if !self.failed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let told = self.tell_unreached(store, now).await;
        if told.is_err() {
            self.a_reminder_failed();
        }
        told
    }

    async fn tell_unreached(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        let mut tx = store.begin().await?;
        let since = tx.mark(LOOKED).await?.unwrap_or(DateTime::UNIX_EPOCH);
        let tokens = tx.unreached(since).await?;
        let mut notes: Vec<NewNote> = Vec::new();
        if !tokens.is_empty() {
            let draft = self.desk.unreached_alarm(&tokens);
            notes.push(self.desk.note_to(&self.desk.contact, draft, now));
        }
        let mut by_contact: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for told in tokens {
            by_contact
                .entry(told.0.contact.clone())
                .or_default()
                .push(told);
        }
        for (contact, tokens) in by_contact {
            if let Ok(to) = Address::parse(&contact)
                && to.key() != self.desk.contact.key()
            {
                notes.push(
                    self.desk
                        .note_to(&to, self.desk.unreached_alarm(&tokens), now),
                );
            }
        }
        tx.settle(&[], &notes, now).await?;
        tx.set_mark(LOOKED, now).await?;
        tx.commit().await
    }
}
