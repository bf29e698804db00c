//! One step of delivery: take mails up, compose them, send them, record what became of them.
//!
//! A failing recipient never holds up the others, and every mail that is taken up leaves the
//! queue or gets a later time. What an outcome means is decided here, in one match.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::{Rate, SecretSource};
use crate::delivery::circuit::Circuit;
use crate::delivery::clerk::{Batch, Clerk, Ready};
use crate::delivery::compose::{self, Templates};
use crate::delivery::desk::{Addressed, Matter};
use crate::delivery::notes::Trouble;
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault, RelayFaultKind};
use crate::delivery::recorder::Recorder;
use crate::delivery::transport::{Courier, FileTransport, Way};
use crate::domain::address::Address;
use crate::domain::retry::{self, AfterDeferral, Outage, Patience};
use crate::store::error::Result;
use crate::store::outbox::Doubt;
use crate::store::settle::{NewNote, Settled, Settlement};

/// Mails taken up at once.
const BATCH: i64 = 256;

/// Policy refusals (5.7.x) by this many domains within [`POLICY_SPAN`] are about us.
const POLICY_DOMAINS: usize = 3;
const POLICY_SPAN: Duration = Duration::minutes(10);

/// Sends what the clerk takes up.
#[derive(Debug)]
pub struct Sender {
    clerk: Clerk,
    templates: Templates,
    way: Way,
    password: Option<SecretSource>,
    connections: usize,
    rate: Option<Rate>,
    relay: Mutex<RelayState>,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct RelayState {
    circuit: Circuit,
    policy: VecDeque<(String, DateTime<Utc>)>,
}

/// How mails leave, besides what the clerk knows.
#[derive(Debug)]
pub struct Dispatch {
    /// The words.
    pub templates: Templates,
    /// Where they go.
    pub way: Way,
    /// The password of the relay's account.
    pub password: Option<SecretSource>,
    /// Connections at most.
    pub connections: usize,
    /// The quota, if any.
    pub rate: Option<Rate>,
    /// Once cancelled, no further mail is taken up or offered.
    pub stopping: CancellationToken,
}

/// What a step did, in mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Taken up.
    pub claimed: usize,
    /// Accepted by a server.
    pub sent: usize,
    /// Refused for the time being.
    pub deferred: usize,
    /// Refused for good because of the recipient.
    pub refused: usize,
    /// Refused for good because of the message, or too often in doubt.
    pub parked: usize,
    /// Given up.
    pub failed: usize,
    /// In doubt.
    pub in_doubt: usize,
    /// Returned to the queue: the relay is out of reach.
    pub returned: usize,
    /// Waiting because of a rule.
    pub postponed: usize,
    /// Carried nothing any more.
    pub cancelled: usize,
}

impl Step {
    /// Counts another step.
    pub fn add(&mut self, other: Self) {
        self.claimed += other.claimed;
        self.sent += other.sent;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.parked += other.parked;
        self.failed += other.failed;
        self.in_doubt += other.in_doubt;
        self.returned += other.returned;
        self.postponed += other.postponed;
        self.cancelled += other.cancelled;
    }

    /// Whether a mail that was taken up did not reach a server's 250.
    pub fn is_troubled(&self) -> bool {
        self.deferred + self.refused + self.parked + self.failed + self.in_doubt + self.returned > 0
    }

    fn count(&mut self, settlement: &Settlement) {
        match settlement {
            Settlement::Sent { .. } => self.sent += 1,
            Settlement::Deferred { .. } => self.deferred += 1,
            Settlement::Refused => self.refused += 1,
            Settlement::Parked => self.parked += 1,
            Settlement::Failed => self.failed += 1,
            Settlement::InDoubt { .. } => self.in_doubt += 1,
            Settlement::Returned { .. } => self.returned += 1,
            Settlement::Postponed { .. } => self.postponed += 1,
            Settlement::Cancelled => self.cancelled += 1,
        }
    }
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
            password,
            connections,
            rate,
            stopping,
        } = dispatch;
        Self {
            clerk,
            templates,
            way,
            password,
            connections: connections.max(1),
            rate,
            relay: Mutex::default(),
            stopping,
        }
    }

    /// The clerk.
    pub fn clerk(&self) -> &Clerk {
        &self.clerk
    }

    /// Since when the relay has been failing, and what it last said.
    pub fn relay_trouble(&self) -> Option<(DateTime<Utc>, String)> {
        self.relay()
            .circuit
            .failing()
            .map(|(since, why)| (since, why.to_owned()))
    }

    /// Sends one batch of what may leave at `now`.
    ///
    /// # Errors
    /// When the store fails; no mail leaves without its commit.
    pub async fn step(&self, now: DateTime<Utc>) -> Result<Step> {
        let (limit, connections) = self.allowance(now).await?;
        let batch = self.clerk.take_up(now, limit).await?;
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
                let used = self.clerk.store.accepted_since(now - span).await?;
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
                    let settled = settled(&ready, Settlement::Parked, why);
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
                join_all(lanes).await;
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

    /// Files are whole or not there, and a repeat overwrites itself: no doubt arises, and a
    /// batch costs one commit.
    async fn write_files(&self, files: &FileTransport, bench: &Bench) {
        let jobs: Vec<Job> = bench
            .jobs
            .lock()
            .expect("no lane panics")
            .drain(..)
            .collect();
        let mails: Vec<Outgoing<'_>> = jobs
            .iter()
            .map(|j| self.outgoing(&j.ready, &j.letter))
            .collect();
        let outcomes = files.deliver_batch(&mails).await;
        for (job, outcome) in jobs.iter().zip(outcomes) {
            self.record(bench, job, outcome, DoubtEntered::No).await;
        }
    }

    /// One connection: offers, commits, completes, one mail after another, until none is left
    /// or the relay fails.
    async fn work(&self, bench: &Bench) {
        let mut courier: Option<Courier> = None;
        while let Some(job) = bench.next() {
            if self.stopping.is_cancelled() {
                let settlement = Settlement::Returned {
                    next_at: bench.pace.now(),
                    doubt_entered: false,
                };
                self.put(
                    bench,
                    &job,
                    settlement,
                    "the daemon is stopping".to_owned(),
                    Vec::new(),
                )
                .await;
                continue;
            }
            let open_until = self.relay().circuit.open_until(bench.pace.now());
            if let Some(next_at) = open_until {
                let settlement = Settlement::Returned {
                    next_at,
                    doubt_entered: false,
                };
                self.put(
                    bench,
                    &job,
                    settlement,
                    "the relay is out of reach".to_owned(),
                    Vec::new(),
                )
                .await;
                continue;
            }
            let usable = courier.as_mut().is_some_and(Courier::is_usable);
            if !usable {
                courier = match self.open().await {
                    Ok(courier) => Some(courier),
                    Err(fault) => {
                        self.record(bench, &job, Outcome::Relay(fault), DoubtEntered::No)
                            .await;
                        continue;
                    }
                };
            }
            let Some(mut ready) = courier.take() else {
                continue;
            };
            let mail = self.outgoing(&job.ready, &job.letter);
            if let Err(outcome) = ready.offer(&mail).await {
                self.record(bench, &job, outcome, DoubtEntered::No).await;
                courier = Some(ready);
                continue;
            }
            let doubt = Doubt {
                mail: job.ready.mail.no,
                fence: job.ready.mail.fence,
                content: job.letter.bytes.clone(),
                carried: job.letter.carried,
            };
            if !bench.recorder.enter_doubt(doubt, bench.pace.now()).await {
                // Something changed since it was composed, or the store failed: no dot.
                ready.abandon();
                let settlement = Settlement::Returned {
                    next_at: bench.pace.now(),
                    doubt_entered: false,
                };
                self.put(
                    bench,
                    &job,
                    settlement,
                    "changed while it was on its way".to_owned(),
                    Vec::new(),
                )
                .await;
                continue;
            }
            let outcome = ready.complete(&mail).await;
            courier = Some(ready);
            self.record(bench, &job, outcome, DoubtEntered::Yes).await;
        }
        if let Some(mut courier) = courier
            && courier.is_usable()
        {
            courier.quit().await;
        }
    }

    async fn open(&self) -> std::result::Result<Courier, RelayFault> {
        let password = match &self.password {
            None => None,
            Some(source) => Some(
                source
                    .resolve()
                    .map_err(|e| RelayFault::new(RelayFaultKind::Auth, &e.to_string()))?,
            ),
        };
        self.way.open(password.as_ref()).await
    }

    fn outgoing<'a>(&'a self, ready: &'a Ready, letter: &'a Letter) -> Outgoing<'a> {
        Outgoing {
            id: ready.mail.no,
            envelope_from: &self.clerk.desk.from.address,
            envelope_to: &letter.to,
            message_id: &ready.mail.message_id,
            bytes: &letter.bytes,
        }
    }

    /// What an outcome means for the mail, the relay, and the people to be told.
    async fn record(&self, bench: &Bench, job: &Job, outcome: Outcome, doubt: DoubtEntered) {
        let now = bench.pace.now();
        let mail = &job.ready.mail;
        let said = outcome.to_string();
        let (settlement, trouble) = match outcome {
            Outcome::Accepted(_) => (
                Settlement::Sent {
                    subject: job.letter.subject.clone(),
                },
                None,
            ),
            Outcome::Deferred(_) => {
                let since = mail.deferred_since.unwrap_or(now);
                match retry::after_deferral(
                    mail.deferrals + 1,
                    since,
                    now,
                    jitter(mail.no, mail.fence),
                ) {
                    AfterDeferral::Again(next_at, patience) => {
                        let trouble =
                            (patience == Patience::Exhausted).then_some(Trouble::Deferred);
                        (Settlement::Deferred { next_at }, trouble)
                    }
                    AfterDeferral::GiveUp => (Settlement::Failed, Some(Trouble::Failed)),
                }
            }
            Outcome::RefusedRecipient(reply) => {
                let policy = reply
                    .enhanced
                    .is_some_and(crate::delivery::outcome::Enhanced::is_policy);
                if policy && self.is_about_us(job.letter.to.ascii_domain(), now) {
                    let next_at = self.relay_failed(Outage::Unreachable, &said, now);
                    (
                        Settlement::Returned {
                            next_at,
                            doubt_entered: doubt == DoubtEntered::Yes,
                        },
                        None,
                    )
                } else {
                    (Settlement::Refused, Some(Trouble::Refused))
                }
            }
            Outcome::Parked(_) => (Settlement::Parked, Some(Trouble::Parked)),
            Outcome::InDoubt(_) => match retry::after_doubt(mail.doubts + 1, now) {
                Some(next_at) => (Settlement::InDoubt { next_at }, None),
                None => (Settlement::Parked, Some(Trouble::Parked)),
            },
            Outcome::Relay(fault) => {
                let outage = match fault.kind {
                    RelayFaultKind::Auth => Outage::LoginRefused,
                    RelayFaultKind::Resolve
                    | RelayFaultKind::Connect
                    | RelayFaultKind::Tls
                    | RelayFaultKind::Plaintext
                    | RelayFaultKind::Greeting
                    | RelayFaultKind::Hello
                    | RelayFaultKind::Mail
                    | RelayFaultKind::Closing421
                    | RelayFaultKind::Dropped
                    | RelayFaultKind::Timeout
                    | RelayFaultKind::Protocol
                    | RelayFaultKind::Local => Outage::Unreachable,
                };
                let next_at = self.relay_failed(outage, &said, now);
                (
                    Settlement::Returned {
                        next_at,
                        doubt_entered: doubt == DoubtEntered::Yes,
                    },
                    None,
                )
            }
        };
        match &settlement {
            Settlement::Sent { .. }
            | Settlement::Deferred { .. }
            | Settlement::Refused
            | Settlement::Parked
            | Settlement::Failed => self.relay().circuit.close(),
            Settlement::InDoubt { .. }
            | Settlement::Returned { .. }
            | Settlement::Postponed { .. }
            | Settlement::Cancelled => {}
        }
        let notes = match trouble {
            Some(trouble) => self.notes(trouble, &job.ready, &bench.matter, &said, now),
            None => Vec::new(),
        };
        self.put(bench, job, settlement, said, notes).await;
    }

    async fn put(
        &self,
        bench: &Bench,
        job: &Job,
        settlement: Settlement,
        reply: String,
        notes: Vec<NewNote>,
    ) {
        let to = job.letter.to.masked();
        let word = settlement.attempt_word().unwrap_or("settled");
        match &settlement {
            Settlement::Sent { .. } => tracing::info!(mail = job.ready.mail.no, %to, "sent"),
            _ => tracing::warn!(mail = job.ready.mail.no, %to, outcome = word, %reply, "not sent"),
        }
        bench
            .done
            .lock()
            .expect("no lane panics")
            .count(&settlement);
        bench
            .recorder
            .settle(
                settled(&job.ready, settlement, reply),
                notes,
                bench.pace.now(),
            )
            .await;
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

    fn relay_failed(&self, outage: Outage, why: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut relay = self.relay();
        // Lanes that fail together are one failure.
        match relay.circuit.open_until(now) {
            Some(until) => until,
            None => relay.circuit.fail(outage, why, now),
        }
    }

    /// Whether policy refusals by several domains within minutes say that it is about us.
    fn is_about_us(&self, domain: &str, now: DateTime<Utc>) -> bool {
        let mut relay = self.relay();
        relay
            .policy
            .retain(|(d, at)| d != domain && now - *at < POLICY_SPAN);
        relay.policy.push_back((domain.to_owned(), now));
        relay.policy.len() >= POLICY_DOMAINS
    }

    fn relay(&self) -> std::sync::MutexGuard<'_, RelayState> {
        self.relay.lock().expect("no lane panics")
    }
}

/// Whether the commit before the dot was made for this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DoubtEntered {
    Yes,
    No,
}

fn settled(ready: &Ready, outcome: Settlement, reply: String) -> Settled {
    Settled {
        mail: ready.mail.no,
        fence: ready.mail.fence,
        outcome,
        reply,
    }
}

/// A number in −1 … 1 that differs from mail to mail and from attempt to attempt, so that mails
/// deferred together do not come back together (the finaliser of splitmix64).
#[expect(
    clippy::cast_precision_loss,
    reason = "an even spread needs no exact value"
)]
fn jitter(mail: i64, fence: i64) -> f64 {
    let mut x = mail
        .wrapping_mul(0x9e37)
        .wrapping_add(fence)
        .cast_unsigned()
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Runs futures of one task side by side until all are done.
async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|f| f.as_mut().poll(cx).is_pending());
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_spread_over_its_range() {
        let values: Vec<f64> = (0..1000).map(|n| jitter(n, n % 7)).collect();
        assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
        assert!(values.iter().any(|v| *v < -0.9) && values.iter().any(|v| *v > 0.9));
    }
}
