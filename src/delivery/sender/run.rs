//! One run over a way with connections: the feeder, the lanes and the recorder side by side.
//!
//! The number of mails in memory is bounded whatever the backlog. Lanes are opened as mails wait
//! for one. A run takes mails up for some seconds, and goes on for as long as some lane is held
//! up, so that it holds up nobody; then it ends, with the last outcome on record.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};

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

/// Whoever waits for lanes looks about this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// With so many mails waiting for a lane no more are taken up.
const ENOUGH: usize = 512;

/// What the feeder and the lanes of a run share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) shop: Arc<Shop>,
    pub(super) queue: Queue<Job>,
    pub(super) recorder: Recorder,
    pub(super) pace: Pace,
    done: Mutex<Step>,
    /// A lane has gone a step further: whoever waits for lanes shows life.
    progress: Notify,
    /// A connection has come about.
    reached: AtomicBool,
}

impl Run {
    pub(super) fn done(&self) -> MutexGuard<'_, Step> {
        self.done.lock().expect("no lane panics")
    }

    /// A connection has come about, login included.
    pub(super) fn has_reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
        self.went_on();
    }

    /// A lane has gone a step further.
    pub(super) fn went_on(&self) {
        self.progress.notify_one();
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
            progress: Notify::new(),
            reached: AtomicBool::new(false),
        });
        let mut lanes = JoinSet::new();
        let fed = loop {
            let fed = run.feed(wanted, &mut allowance, &mut lanes).await;
            let ended = run.wait_for_lanes(allowance.lanes, &mut lanes).await;
            if fed.is_err() || ended == Lanes::Idle || !run.may_go_on() {
                break fed;
            }
            // Some lane is held up, maybe for minutes: the others go on.
            match self.allowance(pace.now()).await {
                Ok(more) if more.is_none() => break Ok(()),
                Ok(more) => allowance = more,
                Err(e) => break Err(e),
            }
        };
        run.queue.close();
        while !lanes.is_empty() {
            tokio::select! {
                Some(ended) = lanes.join_next() => buried(ended),
                () = run.progress.notified() => {}
            }
        }
        let run = Arc::into_inner(run).expect("every lane has ended");
        drop(run.recorder);
        let recorded = recording.finish().await;
        fed.and(recorded)?;
        Ok(run.done.into_inner().unwrap_or_default())
    }
}

/// How the wait for the lanes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lanes {
    /// All of them wait for a mail, and there is none.
    Idle,
    /// Some are still out.
    Busy,
}

impl Run {
    /// Takes mails up as lanes have room for them, until nothing more may leave, the time of a
    /// spell is over, or something stops it.
    async fn feed(
        self: &Arc<Self>,
        wanted: Wanted,
        allowance: &mut Allowance,
        lanes: &mut JoinSet<()>,
    ) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < SPELL && self.may_go_on() {
            let slow = self.queue.room_of_slow();
            let most = allowance.mails(BATCH);
            if most == 0 {
                break;
            }
            let mut fed = 0;
            if let Some(others) = allowance.besides_suspect() {
                fed = self.take_up(wanted, most, &others, allowance).await?;
            }
            if fed == 0 {
                let bounds = allowance.bounds(&slow);
                fed = self.take_up(wanted, most, &bounds, allowance).await?;
            }
            self.staff(allowance.lanes, lanes);
            if fed == 0 {
                // What is left belongs to slow domains, or there is nothing.
                let kept_back = slow.values().any(|room| *room == 0);
                if !kept_back || self.queue.len() == 0 {
                    break;
                }
                self.wait_for_room().await;
            }
            while self.queue.len() >= ENOUGH && started.elapsed() < SPELL && self.may_go_on() {
                self.wait_for_room().await;
                self.staff(allowance.lanes, lanes);
            }
        }
        Ok(())
    }

    /// Waits for the lanes to carry what was taken up, for the time of a spell at most.
    async fn wait_for_lanes(self: &Arc<Self>, most: usize, lanes: &mut JoinSet<()>) -> Lanes {
        let started = Instant::now();
        loop {
            self.staff(most, lanes);
            if self.queue.len() == 0 && self.queue.waiting() == lanes.len() {
                return Lanes::Idle;
            }
            if started.elapsed() >= SPELL {
                return Lanes::Busy;
            }
            tokio::select! {
                () = self.queue.room() => {}
                () = self.progress.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.shop.stopping.cancelled() => return Lanes::Busy,
            }
        }
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
            () = self.progress.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = self.shop.stopping.cancelled() => {}
        }
    }

    /// Opens lanes for what no lane waits for. Until a first connection has come about there is one:
    /// a wrong password is tried once, not once for each connection.
    fn staff(self: &Arc<Self>, most: usize, lanes: &mut JoinSet<()>) {
        while let Some(ended) = lanes.try_join_next() {
            buried(ended);
        }
        let most = if self.reached.load(Ordering::Relaxed) {
            most
        } else {
            most.min(1)
        };
        let wanted = self.queue.len().saturating_sub(self.queue.waiting());
        let free = most.saturating_sub(lanes.len());
        for _ in 0..wanted.min(free) {
            let run = Arc::clone(self);
            lanes.spawn(async move { run.lane().await });
        }
    }
}

/// A lane that has ended. What one that broke down had in hand is taken up again when its claim
/// ends; the others go on.
fn buried(ended: std::result::Result<(), JoinError>) {
    if let Err(e) = ended {
        tracing::error!(error = %e, "a connection's task broke down");
    }
}
