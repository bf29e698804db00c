//! The recorder: commits on behalf of all connections, many in one transaction.
//!
//! While one transaction is being written, requests of other connections gather and go into
//! the next one; so the number of commits follows the disk, not the mails.

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::outbox::Doubt;
use crate::store::settle::{NewNote, Settled};

/// At most so many requests in one transaction.
const GROUP: usize = 256;

/// Tries to write an outcome: what was accepted must not be forgotten because of one fault.
const TRIES: u32 = 3;

enum Request {
    Doubt {
        doubt: Doubt,
        at: DateTime<Utc>,
        answer: oneshot::Sender<bool>,
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
        (
            Self { requests },
            Recording {
                task: tokio::spawn(record(store, inbox)),
            },
        )
    }

    /// The commit before the dot. Answers whether the dot may be written.
    pub async fn enter_doubt(&self, doubt: Doubt, at: DateTime<Utc>) -> bool {
        let (answer, answered) = oneshot::channel();
        if self
            .requests
            .send(Request::Doubt { doubt, at, answer })
            .await
            .is_err()
        {
            return false;
        }
        answered.await.unwrap_or(false)
    }

    /// Records an outcome and queues the notes about it.
    pub async fn settle(&self, settled: Settled, notes: Vec<NewNote>, at: DateTime<Utc>) {
        // A recorder that is gone has ended with an error, which its owner sees.
        let _ = self
            .requests
            .send(Request::Settle { settled, notes, at })
            .await;
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

async fn record(store: Store, mut inbox: mpsc::Receiver<Request>) -> Result<()> {
    let mut failed = None;
    let mut group = Vec::with_capacity(GROUP);
    while inbox.recv_many(&mut group, GROUP).await > 0 {
        let (mut doubts, mut answers, mut settled, mut notes, mut at) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), None);
        for request in group.drain(..) {
            match request {
                Request::Doubt {
                    doubt,
                    at: when,
                    answer,
                } => {
                    at = at.max(Some(when));
                    doubts.push(doubt);
                    answers.push(answer);
                }
                Request::Settle {
                    settled: one,
                    notes: more,
                    at: when,
                } => {
                    at = at.max(Some(when));
                    settled.push(one);
                    notes.extend(more);
                }
            }
        }
        let Some(at) = at else { continue };
        if !settled.is_empty()
            && let Err(e) = settle(&store, &settled, &notes, at).await
        {
            tracing::error!(error = %e, mails = settled.len(), "outcomes could not be recorded; these mails stay in doubt");
            failed.get_or_insert(e);
        }
        if !doubts.is_empty() {
            // After a fault of the store no further dot is written.
            let may_leave = match &failed {
                Some(_) => vec![false; doubts.len()],
                None => store.enter_doubt(&doubts, at).await.unwrap_or_else(|e| {
                    failed = Some(e);
                    vec![false; doubts.len()]
                }),
            };
            for (answer, may) in answers.into_iter().zip(may_leave) {
                // The connection may have ended meanwhile; its mail is then in doubt, rightly.
                let _ = answer.send(may);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn settle(
    store: &Store,
    settled: &[Settled],
    notes: &[NewNote],
    at: DateTime<Utc>,
) -> Result<()> {
    let mut tries = 1;
    loop {
        match store.settle(settled, notes, at).await {
            Err(StoreError::Busy) if tries < TRIES => tries += 1,
            result => return result,
        }
    }
}
