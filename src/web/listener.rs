//! The listener: where connections come in, never more than so many at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::web::connection::converse;
use crate::web::guard::Guard;
use crate::web::pace::Pace;
use crate::web::{Limits, Live};

/// After a connection could not be accepted (no free descriptor, say).
const PAUSE: Duration = Duration::from_millis(200);

/// Nothing can be answered at this address.
#[derive(Debug, thiserror::Error)]
#[error("[web] listen = \"{address}\": {error}")]
pub struct BindError {
    /// The address of the configuration.
    pub address: SocketAddr,
    /// What the system said.
    pub error: std::io::Error,
}

/// Takes the address.
///
/// # Errors
/// When another process has it, this machine does not, or the system does not permit it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| BindError { address, error })
}

/// Answers with `router`, for the names of `live`, until `stopping`; then what has begun is answered, and this ends.
pub async fn serve(
    listener: TcpListener,
    (router, live): (Router, Live),
    limits: Limits,
    stopping: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut pace = Pace::of(limits.rate);
    let mut is_failing = false;
    while let Some(place) = stopping
        .run_until_cancelled(Arc::clone(&places).acquire_owned())
        .await
    {
        let place = Arc::new(place.expect("nobody closes it"));
        let next = async {
            sleep_until(pace.next(Instant::now())).await;
            listener.accept().await
        };
        let accepted = match stopping.run_until_cancelled(next).await {
            None => break,
            Some(accepted) => accepted.and_then(|(stream, peer)| {
                let here = stream.local_addr()?.ip();
                Ok((stream, here, peer.ip()))
            }),
        };
        match accepted {
            Ok((stream, here, peer)) => {
                is_failing = false;
                let (router, live) = (router.clone(), live.clone());
                let guard = Guard {
                    router,
                    live,
                    limits,
                    here,
                    peer,
                    place,
                };
                tokio::spawn(converse(stream, guard, stopping.clone()));
            }
            Err(error) => {
                if !is_failing {
                    tracing::warn!(%error, "a connection could not be accepted; it goes on");
                }
                is_failing = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    // Each connection and each handler holds a place until its end.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}
