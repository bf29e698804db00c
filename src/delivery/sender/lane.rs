//! A lane: one connection that carries flight after flight until no mail is left for it.
//!
//! A flight: its first mail is offered as far as the 354; *in doubt* is committed for all of its
//! mails; then each is completed, and behind its final dot the next one is offered. No dot is
//! written without that commit; what was not written returns to the queue at once. A connection
//! that broke or is in doubt is never used again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::Shop;
use super::job::{Entered, Job, Why, ids};
use super::queue::Flight;
use super::run::Run;
use crate::delivery::outcome::Outcome;
use crate::delivery::smtp::Completed;
use crate::delivery::transport::Courier;
use crate::delivery::verdict::{Case, Verdict};
use crate::domain::retry;
use crate::store::outbox::Doubt;
use crate::store::settle::{NewNote, Settled, Settlement};

/// Mails on one connection at most: relays close one that carries too many, Exim after 1,000.
const MAILS_A_CONNECTION: usize = 500;

/// So long after the commit before its dot a mail may leave without another look at its notices.
const COMMIT_HOLDS: Duration = Duration::from_secs(60);

/// The connection of a lane.
#[derive(Default)]
struct Line {
    courier: Option<Courier>,
    /// The mail that was offered on it: its row and its fence.
    offered: Option<(i64, i64)>,
    carried: usize,
    /// How often the circuit had been opened when it was made.
    session: u64,
}

/// A claim, by its row and its fence.
fn claim(job: &Job) -> (i64, i64) {
    (job.mail.no, job.mail.fence)
}

impl Run {
    /// Carries mails until none is left.
    pub(super) async fn lane(&self) {
        let mut line = Line::default();
        let mut next = None;
        loop {
            let flight = match next.take() {
                Some(flight) => flight,
                None => match self.queue.take().await {
                    Some(flight) => flight,
                    None => break,
                },
            };
            next = self.carry(flight, &mut line).await;
        }
        line.quit().await;
    }

    /// Carries a flight; gives the next one, where its first mail was offered behind the last of
    /// this one.
    async fn carry(&self, mut flight: Flight<Job>, line: &mut Line) -> Option<Flight<Job>> {
        let next = if self.is_first_offered(&mut flight, line).await {
            self.enter_doubt(&mut flight).await;
            if flight.jobs.is_empty() {
                line.abandon_offer();
            }
            self.complete(&mut flight, line).await
        } else {
            None
        };
        self.queue.landed(&flight);
        next
    }

    /// Offers the first mail of a flight that can be offered; the mails before it have their
    /// outcome. False when none is left.
    async fn is_first_offered(&self, flight: &mut Flight<Job>, line: &mut Line) -> bool {
        while let Some(job) = flight.jobs.front() {
            if line.offered == Some(claim(job)) {
                return true;
            }
            let outcome = match self.hindrance(job) {
                Some((next_at, why)) => Err((next_at, why)),
                None => match self.offer(job, line).await {
                    Ok(()) => return true,
                    Err(outcome) => Ok(outcome),
                },
            };
            let Some(job) = flight.jobs.pop_front() else {
                break;
            };
            match outcome {
                Ok(outcome) => self.record(job, outcome, line.session).await,
                Err((next_at, why)) => self.give_back(&job, next_at, why).await,
            }
        }
        false
    }

    /// Why a mail must not be offered now, if so, and until when.
    fn hindrance(&self, job: &Job) -> Option<(DateTime<Utc>, Why)> {
        let now = self.pace.now();
        if self.shop.stopping.is_cancelled() {
            return Some((now, Why::Stopping));
        }
        if self.recorder.has_failed() {
            return Some((now, Why::Unrecorded));
        }
        if let Some(until) = self.shop.relay().circuit.open_until(now) {
            return Some((until, Why::RelayOut));
        }
        // What it says was true when it was taken up, and its claim holds for a while only.
        let clerk = &self.shop.clerk;
        let calendar = &clerk.desk.calendar;
        let is_stale = now - job.since > retry::LEASE / 2
            || calendar.date(job.since) != calendar.date(now)
            || !clerk.may_leave(&job.mail.kind, now);
        is_stale.then_some((now, Why::Stale))
    }

    async fn offer(&self, job: &Job, line: &mut Line) -> Result<(), Outcome> {
        loop {
            let is_new = line.ready(&self.shop).await?;
            self.has_reached();
            let Some(courier) = &mut line.courier else {
                continue;
            };
            let began = Instant::now();
            let offered = courier.offer(&self.shop.outgoing(job)).await;
            self.took(job, began.elapsed()).await;
            self.went_on();
            match offered {
                Ok(()) => {
                    line.offered = Some(claim(job));
                    return Ok(());
                }
                // It had enough of this connection, most likely: a new one tells.
                Err(Outcome::Relay(fault)) if !is_new && fault.is_farewell() => {
                    std::mem::take(line).quit().await;
                }
                Err(outcome) => return Err(outcome),
            }
        }
    }

    /// The commit before the first dot. A mail that may not leave any more is given back.
    async fn enter_doubt(&self, flight: &mut Flight<Job>) {
        let doubts = flight
            .jobs
            .iter()
            .map(|job| Doubt {
                mail: job.mail.no,
                fence: job.mail.fence,
                content: job.letter.body.clone(),
                carried: job.carried,
            })
            .collect();
        let now = self.pace.now();
        let may_leave = self.recorder.enter_doubt(doubts, now).await;
        self.went_on();
        for (job, may) in flight.jobs.iter_mut().zip(may_leave) {
            if may {
                job.entered = Entered::Yes;
            }
        }
        let (stay, leave) = std::mem::take(&mut flight.jobs)
            .into_iter()
            .partition(|job| job.entered == Entered::No);
        flight.jobs = leave;
        for job in stay {
            let job: Job = job;
            self.give_back(&job, now, Why::Changed).await;
        }
    }

    /// Completes every mail of a flight that is in doubt. Its first was offered, unless it may
    /// not leave: then no dot is written, and the server throws away what it was offered.
    async fn complete(&self, flight: &mut Flight<Job>, line: &mut Line) -> Option<Flight<Job>> {
        let mut next = None;
        let committed = Instant::now();
        while let Some(job) = flight.jobs.pop_front() {
            if let Some((until, why)) = self.hindrance_in_flight(&job, committed) {
                line.abandon_offer();
                self.give_back(&job, until, why).await;
                continue;
            }
            if line.offered != Some(claim(&job)) {
                line.abandon_offer();
                if let Err(outcome) = self.offer(&job, line).await {
                    self.record(job, outcome, line.session).await;
                    continue;
                }
            }
            if flight.jobs.is_empty() && line.may_carry_more() {
                next = self.queue.take_quick();
            }
            let follows = match (flight.jobs.front(), &next) {
                (Some(job), _) => self
                    .hindrance_in_flight(job, committed)
                    .is_none()
                    .then_some(job),
                (None, Some(next)) => next
                    .jobs
                    .front()
                    .filter(|job| self.hindrance(job).is_none()),
                (None, None) => None,
            };
            let follows = follows.filter(|_| line.may_carry_more());
            let Some(courier) = &mut line.courier else {
                // Not reached: what was offered has its courier.
                self.give_back(&job, self.pace.now(), Why::Lost).await;
                continue;
            };
            let began = Instant::now();
            let mail = self.shop.outgoing(&job);
            let behind = follows.map(|job| self.shop.outgoing(job));
            let Completed {
                outcome,
                next: offered,
            } = courier.complete(&mail, behind.as_ref()).await;
            self.went_on();
            line.carried += 1;
            line.offered = match &offered {
                Some(Ok(())) => follows.map(claim),
                Some(Err(_)) | None => None,
            };
            // What the relay thought about after its answer to this mail was the next recipient.
            let answered = courier.answered().unwrap_or_else(Instant::now);
            let (its, of_next) = (answered - began, answered.elapsed());
            if let Some(follows) = follows
                && offered.is_some()
            {
                self.took(follows, of_next).await;
            }
            self.took(&job, its).await;
            let ended = outcome.ends_connection();
            self.record(job, outcome, line.session).await;
            if let Some(Err(outcome)) = offered {
                let jobs = if flight.jobs.is_empty() {
                    next.as_mut().map(|next| &mut next.jobs)
                } else {
                    Some(&mut flight.jobs)
                };
                if let Some(job) = jobs.and_then(VecDeque::pop_front) {
                    self.record(job, outcome, line.session).await;
                }
            }
            let until = self.shop.relay().circuit.open_until(self.pace.now());
            let until = until.unwrap_or(self.pace.now());
            let (stay, go_on) = std::mem::take(&mut flight.jobs)
                .into_iter()
                .partition(|job| {
                    // Their dot was not written: they return at once; so do those of a domain that
                    // turned out to be slow.
                    ended
                        || line.offered != Some(claim(job))
                            && self.queue.is_slow(job.to.ascii_domain())
                });
            flight.jobs = go_on;
            let stay: VecDeque<Job> = stay;
            let why = if ended { Why::Lost } else { Why::Slow };
            for job in stay {
                self.give_back(&job, until, why).await;
            }
        }
        next
    }

    /// As [`Run::hindrance`], of a mail in a flight: its commit has looked at its notices a while
    /// ago, and is not believed for long.
    fn hindrance_in_flight(&self, job: &Job, committed: Instant) -> Option<(DateTime<Utc>, Why)> {
        if committed.elapsed() > COMMIT_HOLDS {
            return Some((self.pace.now(), Why::Stale));
        }
        self.hindrance(job)
    }

    /// A mail held its lane so long.
    async fn took(&self, job: &Job, time: Duration) {
        for job in self.queue.took(job.to.ascii_domain(), time) {
            self.give_back(&job, self.pace.now(), Why::Slow).await;
        }
    }

    /// Acts on what an outcome means.
    async fn record(&self, job: Job, outcome: Outcome, session: u64) {
        let now = self.pace.now();
        let (settled, notes) = self.shop.judge(&job, outcome, session, now);
        self.done().count(&settled.outcome);
        self.recorder.settle(settled, notes, now).await;
    }

    /// Puts a mail whose dot was not written back until `next_at`.
    pub(super) async fn give_back(&self, job: &Job, next_at: DateTime<Utc>, why: Why) {
        let now = self.pace.now();
        let outcome = Settlement::Returned { next_at };
        match why {
            Why::Stopping | Why::RelayOut | Why::Unrecorded => self.done().count(&outcome),
            // They are taken up again at once, or something else has told of the fault.
            Why::Changed | Why::Lost | Why::Slow | Why::Stale if next_at <= now => {}
            Why::Changed | Why::Lost | Why::Slow | Why::Stale => self.done().count(&outcome),
        }
        let why = why.words();
        tracing::debug!(mail = job.mail.no, why, "given back");
        let said = (outcome, why.to_owned());
        let settled = self.shop.settled(&job.mail, job.entered, said, now);
        self.recorder.settle(settled, Vec::new(), now).await;
    }
}

impl Shop {
    /// What an outcome means for its mail, and the notes about it.
    pub(super) fn judge(
        &self,
        job: &Job,
        outcome: Outcome,
        session: u64,
        now: DateTime<Utc>,
    ) -> (Settled, Vec<NewNote>) {
        let said = outcome.to_string();
        let case = Case {
            mail: &job.mail,
            letter: &job.letter,
            domain: job.to.ascii_domain(),
            entered: job.entered,
            session,
            now,
        };
        let Verdict {
            settlement,
            trouble,
        } = self.relay().judge(outcome, &said, &case);
        let (mail, to) = (job.mail.no, job.to.masked());
        let token = ids(job.matter.carried(mail));
        if let Settlement::Sent { .. } = settlement {
            self.measure(job, now);
            tracing::info!(mail, token, %to, "sent");
        } else {
            let outcome = settlement.attempt_word().unwrap_or("settled");
            tracing::warn!(mail, token, %to, outcome, reply = %said, "not sent");
        }
        let notes = match trouble {
            Some(trouble) => self.notes(trouble, &job.mail, &job.matter, &said, now),
            None => Vec::new(),
        };
        let settled = self.settled(&job.mail, job.entered, (settlement, said), now);
        (settled, notes)
    }
}

impl Line {
    /// Makes sure of a courier that can be offered a mail: the present one, or a new one. Answers
    /// whether it is new.
    async fn ready(&mut self, shop: &Shop) -> Result<bool, Outcome> {
        let is_usable = self.courier.as_mut().is_some_and(Courier::is_usable);
        if is_usable && self.may_carry_more() {
            return Ok(false);
        }
        std::mem::take(self).quit().await;
        self.session = shop.relay().openings();
        self.courier = Some(shop.way.open().await.map_err(Outcome::Relay)?);
        Ok(true)
    }

    fn may_carry_more(&self) -> bool {
        self.carried < MAILS_A_CONNECTION
    }

    /// What was offered is not to be sent: the socket is closed before its dot.
    fn abandon_offer(&mut self) {
        if self.offered.take().is_some()
            && let Some(courier) = std::mem::take(self).courier
        {
            courier.abandon();
        }
    }

    /// Takes leave.
    async fn quit(mut self) {
        self.abandon_offer();
        if let Some(mut courier) = self.courier
            && courier.is_usable()
        {
            courier.quit().await;
        }
    }
}
