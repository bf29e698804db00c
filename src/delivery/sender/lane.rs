//! The lanes of a sender: each carries one mail after another, offers it, commits *in doubt*,
//! completes it, and records what came of it.

use super::{Bench, Job, Letter, Sender, settled};
use chrono::{DateTime, Utc};

use crate::delivery::clerk::Ready;
use crate::delivery::outcome::{Outcome, Outgoing};
use crate::delivery::transport::{Courier, FileTransport};
use crate::delivery::verdict::{Case, Verdict};
use crate::domain::body::Body;
use crate::store::outbox::{Carried, Doubt};
use crate::store::settle::{Entered, NewNote, Settlement};

impl Sender {
    /// Files are whole or not there, and a repeat overwrites itself: no doubt arises, and a
    /// batch costs one commit.
    pub(super) async fn write_files(&self, files: &FileTransport, bench: &Bench) {
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
            self.record(bench, job, outcome, Entered::No).await;
        }
    }

    /// One connection: offers, commits, completes, one mail after another, until none is left
    /// or the relay fails.
    pub(super) async fn work(&self, bench: &Bench) {
        let mut courier: Option<Courier> = None;
        while let Some(job) = bench.next() {
            if self.stopping.is_cancelled() {
                self.give_back(bench, &job, bench.pace.now(), "the daemon is stopping")
                    .await;
                continue;
            }
            let open_until = self.relay().circuit.open_until(bench.pace.now());
            if let Some(next_at) = open_until {
                self.give_back(bench, &job, next_at, "the relay is out of reach")
                    .await;
                continue;
            }
            let usable = courier.as_mut().is_some_and(Courier::is_usable);
            if !usable {
                courier = match self.way.open().await {
                    Ok(courier) => Some(courier),
                    Err(fault) => {
                        self.record(bench, &job, Outcome::Relay(fault), Entered::No)
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
                self.record(bench, &job, outcome, Entered::No).await;
                courier = Some(ready);
                continue;
            }
            let doubt = Doubt {
                mail: job.ready.mail.no,
                fence: job.ready.mail.fence,
                content: Body::Whole(job.letter.bytes.clone()),
                carried: job.letter.carried,
            };
            if !bench.recorder.enter_doubt(doubt, bench.pace.now()).await {
                // Something changed since it was composed, or the store failed: no dot.
                ready.abandon();
                let why = "changed while it was on its way";
                self.give_back(bench, &job, bench.pace.now(), why).await;
                continue;
            }
            let outcome = ready.complete(&mail, None).await.outcome;
            courier = Some(ready);
            self.record(bench, &job, outcome, Entered::Yes).await;
        }
        if let Some(mut courier) = courier
            && courier.is_usable()
        {
            courier.quit().await;
        }
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

    /// Acts on what an outcome means.
    async fn record(&self, bench: &Bench, job: &Job, outcome: Outcome, entered: Entered) {
        let now = bench.pace.now();
        let said = outcome.to_string();
        let case = Case {
            mail: &job.ready.mail,
            subject: &job.letter.subject,
            bytes: &job.letter.bytes,
            domain: job.letter.to.ascii_domain(),
            entered,
            now,
        };
        let Verdict {
            settlement,
            trouble,
        } = self.relay().judge(outcome, &said, &case);
        let notes = match trouble {
            Some(trouble) => self.notes(trouble, &job.ready, &bench.matter, &said, now),
            None => Vec::new(),
        };
        self.put(bench, job, settlement, entered, said, notes).await;
    }

    /// Puts a mail whose dot was not written back until `next_at`.
    async fn give_back(&self, bench: &Bench, job: &Job, next_at: DateTime<Utc>, why: &str) {
        let settlement = Settlement::Returned { next_at };
        let why = why.to_owned();
        self.put(bench, job, settlement, Entered::No, why, Vec::new())
            .await;
    }

    async fn put(
        &self,
        bench: &Bench,
        job: &Job,
        settlement: Settlement,
        entered: Entered,
        reply: String,
        notes: Vec<NewNote>,
    ) {
        let to = job.letter.to.masked();
        let word = settlement.attempt_word().unwrap_or("settled");
        let mail = job.ready.mail.no;
        let token = ids(bench.matter.carried(mail));
        match &settlement {
            Settlement::Sent { .. } => tracing::info!(mail, token, %to, "sent"),
            _ => tracing::warn!(mail, token, %to, outcome = word, %reply, "not sent"),
        }
        bench
            .done
            .lock()
            .expect("no lane panics")
            .count(&settlement);
        bench
            .recorder
            .settle(
                settled(&job.ready, settlement, entered, reply),
                notes,
                bench.pace.now(),
            )
            .await;
    }
}

/// The tokens of a mail, for the log: none for a note, each once.
fn ids(carried: &[Carried]) -> Option<String> {
    let mut ids: Vec<&str> = carried.iter().map(|c| c.id.as_str()).collect();
    ids.dedup();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// Runs futures of one task side by side until all are done.
pub(super) async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
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
