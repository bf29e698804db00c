//! What monitoring asks for: `/metrics` (OpenMetrics), `/healthz` (the watch is alive), `/readyz`
//! (promise 1 holds).
//!
//! `/healthz` is open to everybody and says nothing but whether the loops turn. The others are for
//! whoever may look at the pages, and for a program that shows the secret of `[web.metrics] token`.
//! Nothing here writes, and no answer holds an address.

mod accept;
mod classic;
mod exposition;
mod families;
mod health;
mod monitor;
mod snapshot;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::web::Live;

use self::accept::Accepted;
use self::monitor::Monitor;
pub(in crate::web) use self::snapshot::Snapshot;

/// The text of OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The older text of Prometheus: what a browser shows and older programs read.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
}

async fn metrics(_: Monitor, State(live): State<Live>, headers: HeaderMap) -> Response {
    let accepted = Accepted::of(&headers);
    let exposition = live.snapshot.of(&live.site()).await;
    let (kind, text) = if accepted.prefers("application/openmetrics-text", "text/plain") {
        (OPEN_METRICS, exposition.open_metrics)
    } else {
        (CLASSIC, exposition.classic)
    };
    ([(CONTENT_TYPE, kind), (VARY, "Accept")], text).into_response()
}
