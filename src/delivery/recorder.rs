//! The recorder: commits on behalf of all connections, many in one transaction.
//!
//! While one transaction is being written, requests of other connections gather and go into
//! the next one; so the number of commits follows the disk, not the mails. Outcomes and doubts
//! share it. After a fault of the store no further dot is allowed, and outcomes are still tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::outbox::Doubt;
use crate::store::settle::{NewNote, Settled, Settlement};

/// At most so many requests in one transaction.
const GROUP: usize = 512;

/// Tries to write outcomes: what was accepted must not be forgotten because of one fault.
const TRIES: u32 = 3;

enum Request {
    Doubts {
        doubts: Vec<Doubt>,
        at: DateTime<Utc>,
        answer: oneshot::Sender<Vec<bool>>,
    },
    Settle {
        settled: Settled,
        notes: Vec<NewNote>,
        at: DateTime<Utc>,
    },
}

/// A handle to the recorder; connections clone it.
#[derive(Debug, Clone)]
pub struct Recorder {
    requests: mpsc::Sender<Request>,
    failed: Arc<AtomicBool>,
}

/// The running recorder: ends, with what it met, when every [`Recorder`] is gone.
#[derive(Debug)]
pub struct Recording {
    task: JoinHandle<Result<()>>,
}

impl Recorder {
    /// Starts a recorder on `store`.
    pub fn start(store: Store) -> (Self, Recording) {
        let (requests, inbox) = mpsc::channel(GROUP);
        let failed = Arc::new(AtomicBool::new(false));
        let recorder = Self {
            requests,
            failed: Arc::clone(&failed),
        };
        let task = tokio::spawn(record(store, inbox, failed));
        (recorder, Recording { task })
    }

    /// The commit before the dots of a flight. Answers, for each mail, whether its dot may be
    /// written.
    pub async fn enter_doubt(&self, doubts: Vec<Doubt>, at: DateTime<Utc>) -> Vec<bool> {
        let none = vec![false; doubts.len()];
        let (answer, answered) = oneshot::channel();
        let request = Request::Doubts { doubts, at, answer };
        if self.requests.send(request).await.is_err() {
            return none;
        }
        answered.await.unwrap_or(none)
    }

    /// Records an outcome and queues the notes about it.
    pub async fn settle(&self, settled: Settled, notes: Vec<NewNote>, at: DateTime<Utc>) {
        // A recorder that is gone has ended with an error, which its owner sees.
        let _ = self
            .requests
            .send(Request::Settle { settled, notes, at })
            .await;
    }

    /// Whether the store has failed: no further dot will be allowed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Recording {
    /// Waits until everything is written.
    ///
    /// # Errors
    /// The first fault of the store; mails whose outcome is not written stay in doubt.
    pub async fn finish(self) -> Result<()> {
        self.task
            .await
            .unwrap_or_else(|e| Err(StoreError::Io(format!("the recorder stopped: {e}"))))
    }
}

/// What gathered while the last transaction was written.
#[derive(Default)]
struct Group {
    settled: Vec<Settled>,
    notes: Vec<NewNote>,
    doubts: Vec<Doubt>,
    /// How many of the doubts each answer is about, in their order.
    answers: Vec<(usize, oneshot::Sender<Vec<bool>>)>,
    at: DateTime<Utc>,
}

impl Group {
    fn of(requests: impl Iterator<Item = Request>) -> Self {
        let mut group = Self::default();
        for request in requests {
            let when = match request {
                Request::Doubts { doubts, at, answer } => {
                    group.answers.push((doubts.len(), answer));
                    group.doubts.extend(doubts);
                    at
                }
                Request::Settle { settled, notes, at } => {
                    group.settled.push(settled);
                    group.notes.extend(notes);
                    at
                }
            };
            group.at = group.at.max(when);
        }
        group
    }

    /// Takes the mails that only return to the queue.
    fn take_returned(&mut self, other: &mut Self) {
        let returned = |s: &Settled| matches!(s.outcome, Settlement::Returned { .. });
        let (theirs, rest) = std::mem::take(&mut other.settled)
            .into_iter()
            .partition(returned);
        other.settled = rest;
        self.settled.extend::<Vec<Settled>>(theirs);
        self.at = self.at.max(other.at);
    }

    fn answer(self, may_leave: &[bool]) {
        let mut rest = may_leave;
        for (number, answer) in self.answers {
            let (theirs, others) = rest.split_at(number.min(rest.len()));
            rest = others;
            // The connection may have ended meanwhile; its mails are then in doubt, rightly.
            let _ = answer.send(theirs.to_vec());
        }
    }
}

async fn record(
    store: Store,
    mut inbox: mpsc::Receiver<Request>,
    failed: Arc<AtomicBool>,
) -> Result<()> {
    let mut fault = None;
    let mut unmoved = Group::default();
    let mut requests = Vec::with_capacity(GROUP);
    while inbox.recv_many(&mut requests, GROUP).await > 0 {
        let mut group = Group::of(requests.drain(..));
        if fault.is_none() {
            match write_patiently(&store, &group, &group.doubts).await {
                Ok(may_leave) => {
                    group.answer(&may_leave);
                    continue;
                }
                Err(e) => {
                    failed.store(true, Ordering::Relaxed);
                    tracing::error!(error = %e, "the store failed while mails were on their way; no more leave");
                    fault = Some(e);
                }
            }
        }
        // No dot without its commit; what was answered is tried to be kept all the same. What
        // only returns to the queue can wait: at worst its claim ends by itself.
        unmoved.take_returned(&mut group);
        keep(
            &store,
            &group,
            "outcomes could not be recorded; these mails stay in doubt",
        )
        .await;
        let none = vec![false; group.doubts.len()];
        group.answer(&none);
    }
    keep(
        &store,
        &unmoved,
        "mails could not be put back; their claims end by themselves",
    )
    .await;
    fault.map_or(Ok(()), Err)
}

/// Writes the outcomes of a group after a fault of the store, if that is possible.
async fn keep(store: &Store, group: &Group, otherwise: &'static str) {
    let Err(fault) = write_patiently(store, group, &[]).await else {
        return;
    };
    // One that the store cannot take must not take the others with it.
    let mut lost = 0;
    for (n, one) in group.settled.iter().enumerate() {
        let alone = Group {
            settled: vec![one.clone()],
            notes: if n == 0 {
                group.notes.clone()
            } else {
                Vec::new()
            },
            at: group.at,
            ..Group::default()
        };
        if matches!(fault, StoreError::Busy) || write(store, &alone, &[]).await.is_err() {
            lost += 1;
        }
    }
    if lost > 0 {
        tracing::error!(error = %fault, mails = lost, "{otherwise}");
    }
}

async fn write_patiently(store: &Store, group: &Group, doubts: &[Doubt]) -> Result<Vec<bool>> {
    let mut tries = 1;
    loop {
        match write(store, group, doubts).await {
            Err(StoreError::Busy) if tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

/// Outcomes and doubts in one transaction; answers whether each dot may be written.
async fn write(store: &Store, group: &Group, doubts: &[Doubt]) -> Result<Vec<bool>> {
    if group.settled.is_empty() && doubts.is_empty() {
        return Ok(Vec::new());
    }
    if !doubts.is_empty() {
        store.require_own_file()?;
    }
    let mut tx = store.begin().await?;
    tx.settle(&group.settled, &group.notes, group.at).await?;
    let may_leave = tx.enter_doubt(doubts, group.at).await?;
    tx.commit().await?;
    Ok(may_leave)
}
