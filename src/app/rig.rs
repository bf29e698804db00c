//! The rig: everything that a pass needs for as long as the configuration stays the same, and the
//! steps of a pass. What follows from a step for another part is seen to here: a loss is told, a
//! mail that was settled frees what waited for it.

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::app::{SetupError, asker, brake, clerk, desk, pages, planner, reporter, sender_of};
use crate::config::{Config, Heartbeat};
use crate::delivery::bounces::{self, Bounces};
use crate::delivery::clerk::Clerk;
use crate::delivery::news;
use crate::delivery::sender::Sender;
use crate::delivery::step::Step;
use crate::health::{Ill, RELAY_PATIENCE};
use crate::posts::Herald;
use crate::probe::{Asked, Asker};
use crate::store::Store;
use crate::store::error::Result as StoreResult;
use crate::store::posts::WantedPosts;
use crate::tell::refusals::{self, Haste};
use crate::tell::{Relay, Teller};
use crate::tick::{Planner, Ticked};
use crate::tidy::Tidier;

/// Everything that a pass needs, for as long as the configuration stays the same.
#[derive(Debug)]
pub struct Rig {
    /// Plans.
    pub planner: Planner,
    /// Sends.
    pub sender: Sender,
    /// Whether and when people are no longer named.
    pub tidier: Tidier,
    /// `[mail] storm`.
    storm: Option<u32>,
    /// Reads what comes back of mails, where that is wished for.
    pub bounces: Option<Bounces>,
    /// Tells of itself.
    pub teller: Teller,
    /// Whom to tell after each pass.
    pub heartbeat: Option<Heartbeat>,
    /// Tells chat rooms and hooks.
    pub herald: Herald,
    /// Asks API Entreprise about tokens.
    pub asker: Asker,
}

impl Rig {
    /// The rig of a configuration on a store.
    ///
    /// # Errors
    /// As [`sender`](super::sender).
    pub fn new(
        config: &Config,
        store: Store,
        stopping: CancellationToken,
    ) -> Result<Self, SetupError> {
        let mut clerk = clerk(config, store);
        clerk.desk.pages = pages(config)?;
        let herald = Herald::new(
            &config.notify,
            clerk.store.clone(),
            desk(config),
            config.web.public_url.clone(),
            stopping.clone(),
        );
        let asker = asker(config, clerk.store.clone(), stopping.clone());
        Ok(Self {
            asker,
            planner: Planner {
                told_from: herald.from_stage(),
                ..planner(config)
            },
            herald,
            sender: sender_of(clerk, config, stopping)?,
            tidier: Tidier {
                calendar: config.calendar.clone(),
                bodies: config.retention.bodies,
                names: config.retention.names,
            },
            storm: config.mail.storm,
            bounces: config.mail.bounces.clone().map(Bounces::new),
            teller: Teller::new(desk(config), planner(config), reporter(config)),
            heartbeat: config.heartbeat.clone(),
        })
    }

    /// The rig of a changed configuration, which keeps what this one has learnt of the relay
    /// unless it is another relay or another account.
    ///
    /// # Errors
    /// As [`sender`](super::sender).
    pub fn successor(
        &self,
        config: &Config,
        store: Store,
        stopping: CancellationToken,
    ) -> Result<Self, SetupError> {
        let mut rig = Self::new(config, store, stopping)?;
        rig.sender.keep_relay_state(&self.sender);
        rig.sender.count_by(self.sender.meter());
        rig.herald.keep_state(&self.herald);
        Ok(rig)
    }

    /// One tick; after a gap in the watch, the storm brake.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tick(&self, now: DateTime<Utc>) -> StoreResult<Ticked> {
        let Clerk { store, desk } = self.sender.clerk();
        let ticked = self.planner.tick(store, now).await?;
        let held = brake::apply(store, desk, self.storm, now).await?;
        if held > 0 {
            tracing::error!(
                mails = held,
                "late mails are held; `jetond outbox release` lets them leave at once"
            );
        }
        if let Err(e) = news::queue(store, desk, now).await {
            // Nothing that is owed waits for this.
            tracing::error!(error = %e, "news could not be told; the next pass tries again");
        }
        if let Err(e) = self.herald.queue(now).await {
            tracing::error!(error = %e, "channels could not be told; the next pass tries again");
        }
        store.record_pass(now).await?;
        if let Err(e) = self.tidier.tidy(store, now).await {
            // Nothing that is owed waits for this.
            tracing::error!(error = %e, "retention failed; the next pass tries again");
        }
        Ok(ticked)
    }

    /// What came back of mails until `now` is recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read_bounces(&self, now: DateTime<Utc>) -> StoreResult<bounces::Read> {
        let Some(bounces) = &self.bounces else {
            return Ok(bounces::Read::default());
        };
        let read = bounces.read(&self.sender.clerk().store, now).await;
        if read.as_ref().map_or(true, |r| r.bounced > 0) {
            self.teller.a_reminder_failed();
        }
        read
    }

    /// What came back is recorded; what the watch tells of that, and of itself, is queued.
    ///
    /// # Errors
    /// The first failure of the store; the other steps are taken all the same.
    pub async fn tell(&self, now: DateTime<Utc>) -> StoreResult<()> {
        let read = self.read_bounces(now).await.map(drop);
        let Clerk { store, desk } = self.sender.clerk();
        let told = refusals::tell(store, desk, Haste::WhenQuiet, now).await;
        let itself = self.tell_of_itself(now).await;
        read.and(told.map(drop)).and(itself)
    }

    async fn tell_of_itself(&self, now: DateTime<Utc>) -> StoreResult<()> {
        let relay = match self.sender.relay_trouble() {
            Some((since, why)) => Relay::Failing { since, why },
            None if self.sender.relay_answered() => Relay::Answers,
            None => Relay::Unknown,
        };
        self.teller
            .step(&self.sender.clerk().store, relay, now)
            .await
    }

    /// Has the losses of a step told of with the next pass; one that failed may have some.
    pub(super) fn heed(&self, step: StoreResult<Step>) -> StoreResult<Step> {
        if step.as_ref().map_or(true, Step::has_lost) {
            self.teller.a_reminder_failed();
        }
        step
    }

    /// The posts that may leave leave, beside the mails. Of what is lost the contact is told.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn post(&self, wanted: WantedPosts, now: DateTime<Utc>) -> StoreResult<Step> {
        self.herald.step(wanted, now).await
    }

    /// Asks API Entreprise about the tokens that are due, a few at most; what follows is told by
    /// notes that it queues.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask(&self, now: DateTime<Utc>) -> StoreResult<Asked> {
        self.asker.step(now).await
    }

    /// Queues posts about what is wrong by the record, for a run that has no loops to watch.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn alarm(&self, now: DateTime<Utc>) -> StoreResult<()> {
        if self.herald.is_empty() {
            return Ok(());
        }
        let Clerk { store, desk } = self.sender.clerk();
        let mut ills = Ill::on_record(store, &desk.calendar, &desk.contact.key(), now).await?;
        if let Some((since, why)) = self.sender.relay_trouble()
            && now - since >= RELAY_PATIENCE
        {
            ills.push(Ill::Relay { since, why });
        }
        self.herald.alarm(&ills, now).await?;
        Ok(())
    }

    /// What may leave now leaves, and the notes about what was refused with it. A tick follows,
    /// as long as notices have waited for a mail that has been settled meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn deliver(&self, now: DateTime<Utc>) -> StoreResult<Step> {
        let Clerk { store, desk } = self.sender.clerk();
        let mut total = Step::default();
        loop {
            let step = self.heed(self.sender.drain(now).await)?;
            total.add(step);
            if refusals::tell(store, desk, Haste::Now, now).await? > 0 {
                continue;
            }
            let freed = step.claimed > 0
                && store.has_waiting().await?
                && self.planner.tick(store, now).await? != Ticked::default();
            if !freed {
                return Ok(total);
            }
        }
    }
}
