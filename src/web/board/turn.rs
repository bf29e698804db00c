//! Pages are made one at a time, and whoever asks without end gets an eighth of one processor:
//! mails leave meanwhile. After a quiet time a person waits for nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The part of one processor that pages get in the long run is one in so many.
const SHARE: u32 = 8;

/// So much of it may be taken at once, and no page is charged with more: what took longer may have
/// waited for somebody else.
const BURST: Duration = Duration::from_millis(250);

/// Whose turn it is. Kept is until when what was spent is paid for.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Turn(Arc<Mutex<Option<Instant>>>);

pub(super) async fn take(State(turn): State<Turn>, request: Request, next: Next) -> Response {
    turn.of(next.run(request)).await
}

impl Turn {
    /// Does this work when it is its turn.
    pub(in crate::web) async fn of<T>(self, work: impl Future<Output = T>) -> T {
        let mut paid = self.0.lock_owned().await;
        let asked = Instant::now();
        let from = paid.and_then(|at| at.checked_sub(BURST * SHARE));
        sleep_until(from.map_or(asked, |from| from.max(asked))).await;
        let began = Instant::now();
        let done = work.await;
        let ended = Instant::now();
        let spent = (ended - began).min(BURST);
        *paid = Some(paid.map_or(began, |at| at.max(began)) + spent * SHARE);
        done
    }
}
