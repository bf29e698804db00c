//! One run over a way with connections: the feeder, the lanes and the recorder side by side.
//!
//! The number of mails in memory is bounded whatever the backlog. Lanes are opened as mails wait
//! for one. A run takes mails up for some seconds at most, so that its caller looks at the clock
//! and at the rules again; then it ends with the last outcome on record.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinSet;

use super::allowance::Allowance;
use super::job::Job;
use super::queue::{Deal, Queue};
use super::{BATCH, Pace, Shop};
use crate::delivery::recorder::Recorder;
use crate::delivery::step::Step;
use crate::store::error::Result;
use crate::store::outbox::Wanted;

/// Mails are taken up for so long.
const SPELL: Duration = Duration::from_secs(10);

/// With so many mails waiting for a lane no more are taken up.
const ENOUGH: usize = 256;

/// What the feeder and the lanes of a run share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) shop: Arc<Shop>,
    pub(super) queue: Queue<Job>,
    pub(super) recorder: Recorder,
    pub(super) pace: Pace,
    done: Mutex<Step>,
}

impl Run {
    pub(super) fn done(&self) -> MutexGuard<'_, Step> {
        self.done.lock().expect("no lane panics")
    }
}

impl Shop {
    /// Takes up and sends what is allowed.
    pub(super) async fn run(
        self: &Arc<Self>,
        wanted: Wanted,
        mut allowance: Allowance,
        pace: Pace,
    ) -> Result<Step> {
        let (recorder, recording) = Recorder::start(self.clerk.store.clone());
        let deal = Deal {
            lanes: allowance.lanes,
            flight: self.flight,
        };
        let run = Arc::new(Run {
            shop: Arc::clone(self),
            queue: Queue::new(deal),
            recorder,
            pace,
            done: Mutex::default(),
        });
        let mut lanes = JoinSet::new();
        let fed = run.feed(wanted, &mut allowance, &mut lanes).await;
        run.queue.close();
        while let Some(ended) = lanes.join_next().await {
            if let Err(e) = ended
                && e.is_panic()
            {
                std::panic::resume_unwind(e.into_panic());
            }
        }
        let run = Arc::into_inner(run).expect("every lane has ended");
        drop(run.recorder);
        let recorded = recording.finish().await;
        fed.and(recorded)?;
        Ok(run.done.into_inner().unwrap_or_default())
    }
}

impl Run {
    /// Takes mails up as lanes have room for them, until nothing more may leave, the time of a
    /// run is over, or something stops it.
    async fn feed(
        self: &Arc<Self>,
        wanted: Wanted,
        allowance: &mut Allowance,
        lanes: &mut JoinSet<()>,
    ) -> Result<()> {
        let started = std::time::Instant::now();
        while started.elapsed() < SPELL && self.may_go_on() {
            let slow = self.queue.room_of_slow();
            let most = allowance.mails(BATCH);
            let fed = if most == 0 {
                0
            } else {
                let bounds = allowance.bounds(&slow);
                let claimed = self.take_up(wanted, most, &bounds, allowance).await?;
                self.staff(allowance.lanes, lanes);
                claimed
            };
            if fed == 0 {
                // What is left belongs to slow domains, or there is nothing.
                let kept_back = most > 0 && slow.values().any(|room| *room == 0);
                if !kept_back || self.queue.len() == 0 {
                    break;
                }
                self.wait_for_room().await;
            }
            while self.queue.len() >= ENOUGH && self.may_go_on() {
                self.wait_for_room().await;
            }
        }
        Ok(())
    }

    /// Whether more mails may be taken up.
    fn may_go_on(&self) -> bool {
        !self.shop.stopping.is_cancelled()
            && !self.recorder.has_failed()
            && self
                .shop
                .relay()
                .circuit
                .open_until(self.pace.now())
                .is_none()
    }

    async fn wait_for_room(&self) {
        tokio::select! {
            () = self.queue.room() => {}
            () = self.shop.stopping.cancelled() => {}
        }
    }

    /// Opens lanes for what no lane waits for.
    fn staff(self: &Arc<Self>, most: usize, lanes: &mut JoinSet<()>) {
        while lanes.try_join_next().is_some_and(|ended| ended.is_ok()) {}
        let wanted = self.queue.len().saturating_sub(self.queue.waiting());
        let free = most.saturating_sub(lanes.len());
        for _ in 0..wanted.min(free) {
            let run = Arc::clone(self);
            lanes.spawn(async move { run.lane().await });
        }
    }
}
