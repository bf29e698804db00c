//! One step of delivery: take mails up, compose them, send them, record what became of them.
//!
//! Within a step a feeder takes mails up and composes them, lanes send them, one connection each,
//! and a recorder writes for all of them, side by side: the store works while the network does.
//! A failing recipient never holds up the others, a slow domain holds up nobody, and every mail
//! that is taken up leaves the queue or gets a later time. What an outcome means is decided in
//! `verdict`.

mod allowance;
mod feed;
mod files;
mod job;
mod lane;
mod queue;
mod run;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::{PerDomain, Rate, Transport};
use crate::delivery::clerk::Clerk;
use crate::delivery::compose::Templates;
use crate::delivery::footing::Footing;
use crate::delivery::step::Step;
use crate::delivery::transport::Way;
use crate::delivery::verdict::RelayState;
use crate::meter::Meter;
use crate::store::error::Result;
use crate::store::outbox::Wanted;

/// Mails taken up at once.
const BATCH: u32 = 256;

/// Sends what the clerk takes up.
#[derive(Debug)]
pub struct Sender {
    shop: Arc<Shop>,
}

/// What every lane of a sender works with.
#[derive(Debug)]
struct Shop {
    clerk: Clerk,
    templates: Templates,
    way: Way,
    connections: usize,
    flight: usize,
    rate: Option<Rate>,
    per_domain: PerDomain,
    footing: Footing,
    relay: Arc<Mutex<RelayState>>,
    meter: Meter,
    stopping: CancellationToken,
}

/// How mails leave, besides what the clerk knows.
#[derive(Debug)]
pub struct Dispatch {
    /// The words.
    pub templates: Templates,
    /// Where they go.
    pub way: Way,
    /// … and what it was prepared from.
    pub transport: Transport,
    /// Connections at most.
    pub connections: usize,
    /// Mails in flight on a connection at most.
    pub flight: usize,
    /// The quota of all mails, if any.
    pub rate: Option<Rate>,
    /// The quotas of domains.
    pub per_domain: PerDomain,
    /// Once cancelled, no further mail is taken up or offered.
    pub stopping: CancellationToken,
}

/// `now`, moving on with the machine's monotonic clock for as long as delivery lasts.
#[derive(Debug, Clone, Copy)]
struct Pace {
    now: DateTime<Utc>,
    started: Instant,
}

impl Pace {
    fn from(now: DateTime<Utc>) -> Self {
        Self {
            now,
            started: Instant::now(),
        }
    }

    fn now(self) -> DateTime<Utc> {
        // Whole seconds, like every instant here.
        self.now + Duration::seconds(self.started.elapsed().as_secs().cast_signed())
    }
}

impl Sender {
    /// A sender for the clerk's mails.
    pub fn new(clerk: Clerk, dispatch: Dispatch) -> Self {
        let Dispatch {
            templates,
            way,
            transport,
            connections,
            flight,
            rate,
            per_domain,
            stopping,
        } = dispatch;
        let shop = Shop {
            clerk,
            templates,
            way,
            connections: connections.max(1),
            flight: flight.max(1),
            rate,
            per_domain,
            footing: Footing::of(&transport),
            relay: Arc::default(),
            meter: Meter::default(),
            stopping,
        };
        Self {
            shop: Arc::new(shop),
        }
    }

    /// The clerk.
    pub fn clerk(&self) -> &Clerk {
        &self.shop.clerk
    }

    /// Takes over from the sender before what is known of the relay, its circuit and its
    /// refusals, unless it is another relay or another account: a reload must not knock again
    /// at an account that is locked.
    pub fn keep_relay_state(&mut self, before: &Self) {
        if self.shop.footing == before.shop.footing
            && let Some(shop) = Arc::get_mut(&mut self.shop)
        {
            shop.relay = Arc::clone(&before.shop.relay);
        }
    }

    /// What this sender measures.
    pub fn meter(&self) -> &Meter {
        &self.shop.meter
    }

    /// Has what it measures counted by another meter.
    pub fn count_by(&mut self, meter: &Meter) {
        if let Some(shop) = Arc::get_mut(&mut self.shop) {
            shop.meter = meter.clone();
        }
    }

    /// Forgets what is known of the relay: it was dated by a clock that ran ahead.
    pub fn forget_relay_state(&self) {
        *self.shop.relay() = RelayState::default();
    }

    /// Since when the relay has been failing, and what it last said.
    pub fn relay_trouble(&self) -> Option<(DateTime<Utc>, String)> {
        self.shop
            .relay()
            .circuit
            .failing()
            .map(|(since, why)| (since, why.to_owned()))
    }

    /// Whether the relay answered when it was last used.
    pub fn relay_answered(&self) -> bool {
        self.shop.relay().circuit.answered()
    }

    /// The shortest span over which a quota counts: after it there is room again.
    pub fn shortest_quota(&self) -> Option<std::time::Duration> {
        let rate = self.shop.rate.map(|rate| rate.per);
        self.shop.per_domain.spans().into_iter().chain(rate).min()
    }

    /// Sends what may leave at `now`, for some seconds, or for as long as some connection is held
    /// up; then every mail that was taken up has its outcome on record.
    ///
    /// # Errors
    /// When the store fails; no mail leaves without its commit.
    pub async fn step(&self, now: DateTime<Utc>) -> Result<Step> {
        self.step_of(Wanted::All, now).await
    }

    /// As [`Sender::step`], of the wanted mails.
    ///
    /// # Errors
    /// As [`Sender::step`].
    pub async fn step_of(&self, wanted: Wanted, now: DateTime<Utc>) -> Result<Step> {
        self.shop.step(wanted, Pace::from(now)).await
    }

    /// Sends until nothing more may leave, beginning at `now`.
    ///
    /// # Errors
    /// As [`Sender::step`].
    pub async fn drain(&self, now: DateTime<Utc>) -> Result<Step> {
        let pace = Pace::from(now);
        let mut total = Step::default();
        loop {
            let step = self.shop.step(Wanted::All, pace).await?;
            total.add(step);
            if step.claimed == 0 {
                return Ok(total);
            }
        }
    }
}

impl Shop {
    fn relay(&self) -> std::sync::MutexGuard<'_, RelayState> {
        self.relay.lock().expect("no lane panics")
    }

    async fn step(self: &Arc<Self>, wanted: Wanted, pace: Pace) -> Result<Step> {
        let allowance = self.allowance(pace.now()).await?;
        if allowance.is_none() {
            return Ok(Step::default());
        }
        match &self.way {
            Way::File(files) => self.write_files(files, wanted, allowance, pace).await,
            Way::Smtp(_) | Way::Sendmail(_) => self.run(wanted, allowance, pace).await,
        }
    }
}
