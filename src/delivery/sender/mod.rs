//! One step of delivery: take mails up, compose them, send them, record what became of them.
//!
//! A failing recipient never holds up the others, and every mail that is taken up leaves the
//! queue or gets a later time. What an outcome means is decided in `verdict`.

mod lane;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::{Rate, Transport};
use crate::delivery::clerk::{Batch, Clerk, Ready};
use crate::delivery::compose::{self, Templates};
use crate::delivery::desk::{Addressed, Matter};
use crate::delivery::footing::Footing;
use crate::delivery::notes::Trouble;
use crate::delivery::recorder::Recorder;
use crate::delivery::step::Step;
use crate::delivery::transport::Way;
use crate::delivery::verdict::RelayState;
use crate::domain::address::Address;
use crate::domain::retry;
use crate::store::error::Result;
use crate::store::outbox::Wanted;
use crate::store::settle::{Entered, NewNote, Settled, Settlement};

/// Mails taken up at once.
const BATCH: i64 = 256;

/// Sends what the clerk takes up.
#[derive(Debug)]
pub struct Sender {
    clerk: Clerk,
    templates: Templates,
    way: Way,
    connections: usize,
    rate: Option<Rate>,
    footing: Footing,
    relay: Arc<Mutex<RelayState>>,
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
    /// The quota, if any.
    pub rate: Option<Rate>,
    /// Once cancelled, no further mail is taken up or offered.
    pub stopping: CancellationToken,
}

/// `now`, moving on with the machine's monotonic clock for as long as a step lasts.
#[derive(Debug, Clone, Copy)]
struct Pace {
    now: DateTime<Utc>,
    started: Instant,
}

impl Pace {
    fn now(self) -> DateTime<Utc> {
        // Whole seconds, like every instant here.
        self.now + Duration::seconds(self.started.elapsed().as_secs().cast_signed())
    }
}

/// A composed mail.
struct Letter {
    bytes: Vec<u8>,
    subject: String,
    to: Address,
    carried: i64,
}

/// One mail with what is to be sent.
struct Job {
    ready: Ready,
    letter: Letter,
}

/// What a connection shares with the others.
struct Bench {
    jobs: Mutex<VecDeque<Job>>,
    done: Mutex<Step>,
    matter: Matter,
    recorder: Recorder,
    pace: Pace,
}

impl Bench {
    fn next(&self) -> Option<Job> {
        self.jobs.lock().expect("no lane panics").pop_front()
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
            rate,
            stopping,
        } = dispatch;
        Self {
            clerk,
            templates,
            way,
            connections: connections.max(1),
            rate,
            footing: Footing::of(&transport),
            relay: Arc::default(),
            stopping,
        }
    }

    /// The clerk.
    pub fn clerk(&self) -> &Clerk {
        &self.clerk
    }

    /// Takes over from the sender before what is known of the relay, its circuit and its
    /// refusals, unless it is another relay or another account: a reload must not knock again
    /// at an account that is locked.
    pub fn keep_relay_state(&mut self, before: &Self) {
        if self.footing == before.footing {
            self.relay = Arc::clone(&before.relay);
        }
    }

    /// Forgets what is known of the relay: it was dated by a clock that ran ahead.
    pub fn forget_relay_state(&self) {
        *self.relay() = RelayState::default();
    }

    /// Since when the relay has been failing, and what it last said.
    pub fn relay_trouble(&self) -> Option<(DateTime<Utc>, String)> {
        self.relay()
            .circuit
            .failing()
            .map(|(since, why)| (since, why.to_owned()))
    }

    /// Whether the relay answered when it was last used.
    pub fn relay_answered(&self) -> bool {
        self.relay().circuit.answered()
    }

    /// Sends one batch of what may leave at `now`.
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
        let (limit, connections) = self.allowance(now).await?;
        let batch = self.clerk.take_up_of(wanted, now, limit).await?;
        let mut done = Step {
            claimed: batch.claimed(),
            ..Step::default()
        };
        if done.claimed == 0 {
            return Ok(done);
        }
        for s in &batch.settled {
            done.count(&s.outcome);
        }
        if !batch.settled.is_empty() {
            self.clerk.store.settle(&batch.settled, &[], now).await?;
        }
        let pace = Pace {
            now,
            started: Instant::now(),
        };
        done.add(self.send(batch, connections, pace).await?);
        Ok(done)
    }

    /// Sends until nothing more may leave at `now`.
    ///
    /// # Errors
    /// As [`Sender::step`].
    pub async fn drain(&self, now: DateTime<Utc>) -> Result<Step> {
        let mut total = Step::default();
        loop {
            let step = self.step(now).await?;
            total.add(step);
            if step.claimed == 0 {
                return Ok(total);
            }
        }
    }

    /// How many mails may be taken up now, on how many connections: none while the circuit is
    /// open, one as a probe after it, the rest of the quota otherwise.
    async fn allowance(&self, now: DateTime<Utc>) -> Result<(i64, usize)> {
        let (open, probing) = {
            let relay = self.relay();
            (
                relay.circuit.open_until(now).is_some(),
                relay.circuit.failing().is_some(),
            )
        };
        if open || self.stopping.is_cancelled() {
            return Ok((0, 0));
        }
        if probing {
            return Ok((1, 1));
        }
        let left = match self.rate {
            None => BATCH,
            Some(rate) => {
                let span = Duration::from_std(rate.per).unwrap_or(Duration::hours(1));
                let used = self.clerk.store.used_since(now - span).await?;
                i64::from(rate.mails.saturating_sub(used)).min(BATCH)
            }
        };
        Ok((left, self.connections))
    }

    async fn send(&self, batch: Batch, connections: usize, pace: Pace) -> Result<Step> {
        let (recorder, recording) = Recorder::start(self.clerk.store.clone());
        let mut jobs = VecDeque::with_capacity(batch.ready.len());
        let mut done = Step::default();
        for ready in batch.ready {
            let composed = if ready.mail.doubts > retry::DOUBT_REPEATS {
                Err(
                    "in doubt too often: each time the reply was lost, or the sender ended"
                        .to_owned(),
                )
            } else {
                self.compose(&ready)
            };
            match composed {
                Ok(letter) => jobs.push_back(Job { ready, letter }),
                Err(why) => {
                    tracing::error!(mail = ready.mail.no, %why, "a mail cannot leave; it is parked");
                    let settled = settled(&ready, Settlement::Parked, Entered::No, why);
                    done.count(&settled.outcome);
                    let notes = self.notes(
                        Trouble::Parked,
                        &ready,
                        &batch.matter,
                        &settled.reply,
                        pace.now(),
                    );
                    recorder.settle(settled, notes, pace.now()).await;
                }
            }
        }
        let workers = connections.min(jobs.len());
        let bench = Arc::new(Bench {
            jobs: Mutex::new(jobs),
            done: Mutex::new(done),
            matter: batch.matter,
            recorder,
            pace,
        });
        match &self.way {
            Way::File(files) => self.write_files(files, &bench).await,
            Way::Smtp(_) | Way::Sendmail(_) => {
                let lanes = (0..workers).map(|_| self.work(&bench));
                lane::join_all(lanes).await;
            }
        }
        let bench = Arc::into_inner(bench).expect("every lane has ended");
        drop(bench.recorder);
        recording.finish().await?;
        Ok(bench.done.into_inner().unwrap_or_default())
    }

    fn compose(&self, ready: &Ready) -> std::result::Result<Letter, String> {
        let Addressed {
            letter,
            envelope,
            carried,
        } = ready.addressed.as_ref().map_err(Clone::clone)?;
        let calendar = &self.clerk.desk.calendar;
        let to = envelope.to.address.clone();
        // What was in doubt goes out with the same bytes, as long as it is about the same notices
        // and still true: not on a later day.
        if let Some(before) = &ready.mail.content
            && before.carried == *carried
            && calendar.date(before.at) == calendar.date(envelope.now)
        {
            let subject = compose::subject(letter, envelope, calendar);
            return Ok(Letter {
                bytes: before.bytes.clone(),
                subject,
                to,
                carried: *carried,
            });
        }
        let composed = self
            .templates
            .compose(letter, envelope, calendar)
            .map_err(|e| e.to_string())?;
        Ok(Letter {
            bytes: composed.bytes,
            subject: composed.subject,
            to,
            carried: *carried,
        })
    }

    fn notes(
        &self,
        trouble: Trouble,
        ready: &Ready,
        matter: &Matter,
        reply: &str,
        now: DateTime<Utc>,
    ) -> Vec<NewNote> {
        self.clerk
            .desk
            .notes_about(trouble, &ready.mail, matter, reply, now)
    }

    fn relay(&self) -> std::sync::MutexGuard<'_, RelayState> {
        self.relay.lock().expect("no lane panics")
    }
}

fn settled(ready: &Ready, outcome: Settlement, entered: Entered, reply: String) -> Settled {
    Settled {
        mail: ready.mail.no,
        fence: ready.mail.fence,
        outcome,
        entered,
        reply,
    }
}
