//! Pages are made one at a time, and after one that cost much there is a pause: whoever asks
//! without end gets a quarter of one processor, and mails leave meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

/// A page that took less is made for anybody, any time.
const CHEAP: Duration = Duration::from_millis(5);

/// The pause, as a multiple of what the page took.
const REST: u32 = 3;

/// No pause is longer.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Whose turn it is.
#[derive(Debug, Clone)]
pub(super) struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

pub(super) async fn take(State(turn): State<Turn>, request: Request, next: Next) -> Response {
    let place = turn.0.acquire_owned().await.expect("nobody closes it");
    let began = Instant::now();
    let response = next.run(request).await;
    let took = began.elapsed();
    if took > CHEAP {
        tokio::spawn(async move {
            tokio::time::sleep((took * REST).min(LONGEST_REST)).await;
            drop(place);
        });
    }
    response
}
