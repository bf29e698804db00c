//! One connection: one request, one answer, and an orderly end.
//!
//! A connection carries one request: what a client sends after it is never read as another one.
//! Every phase has an end, also for a client that sends or reads one byte at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::web::guard::Guard;

/// Bytes of a request's head at most; hyper answers more with 431.
const HEAD: usize = 16 * 1024;

/// Header lines at most.
const LINES: usize = 64;

/// What is still read of a client after its answer, so that the answer reaches it: closing on
/// unread bytes resets the connection (RFC 9112 §9.6).
const LINGER: (Duration, u64) = (Duration::from_secs(2), 256 * 1024);

pub(super) async fn converse(stream: TcpStream, guard: Guard, stopping: CancellationToken) {
    let limits = guard.limits;
    let service = service_fn(move |request: Request<Incoming>| {
        let guard = guard.clone();
        Box::pin(async move { Ok::<_, std::convert::Infallible>(guard.answer(request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(HEAD)
        .max_headers(LINES)
        .keep_alive(false)
        // Whoever has sent a request whole may say that nothing follows.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let spoken = timeout(limits.header + limits.request + limits.answer, async {
        tokio::select! {
            end = poll_fn(|cx| connection.poll_without_shutdown(cx)) => return end,
            () = stopping.cancelled() => {}
        }
        // A request that has begun is answered; where none has, this ends the connection.
        Pin::new(&mut connection).graceful_shutdown();
        poll_fn(|cx| connection.poll_without_shutdown(cx)).await
    })
    .await;
    match spoken {
        Ok(end) => {
            // A client that left, was too slow, or spoke something else: nobody is to be told.
            if let Err(error) = end {
                tracing::debug!(%error, "a connection ended early");
            }
            end_in_order(connection.into_parts().io.into_inner()).await;
        }
        Err(_) => tracing::debug!("a connection was too slow"),
    }
}

async fn end_in_order(mut stream: TcpStream) {
    let (patience, bytes) = LINGER;
    if stream.shutdown().await.is_ok() {
        let rest = async {
            let mut unread = stream.take(bytes);
            let mut scrap = [0; 4096];
            while unread.read(&mut scrap).await.is_ok_and(|n| n > 0) {}
        };
        let _ = timeout(patience, rest).await;
    }
}
