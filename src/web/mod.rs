//! What the daemon answers over HTTP: the shell that bounds every request, and behind it the
//! pages.
//!
//! Every request passes the shell: at most so many connections, deadlines, a limited body, a
//! list of names, the headers that keep a browser from doing more. A handler runs in a task of
//! its own: neither a client that leaves nor a deadline cancels it, so database work inside it
//! is never broken off. TLS is the reverse proxy's. No address of a request is ever logged: the
//! path of a link is a key.
//!
//! # To add a page
//! Write a module with `pub(super) fn routes() -> Router<Live>` and merge it in [`router`]. Its
//! handlers take `State<Live>` and, where they need it, the raw body as `Bytes`: it is there
//! whole, at most [`Limits::body`] long. A fault of the store becomes [`Unready`] by `?`.

mod access;
mod answer;
mod apart;
mod board;
mod calendar;
mod connection;
mod datapass;
mod guard;
mod links;
mod listener;
mod metrics;
mod pace;
mod pages;
mod site;

use axum::Router;

pub use self::access::Door;
pub use self::answer::Unready;
pub use self::apart::Server;
pub use self::calendar::path as calendar_path;
pub use self::datapass::Webhooks;
pub use self::listener::{BindError, bind, serve};
pub use self::site::{Live, Outlook, Settings, Site};

use std::time::Duration;

/// What one client may take of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// Connections in a second, in the long run; as many may come at once. Further ones wait.
    pub rate: u32,
    /// For the whole head of a request.
    pub header: Duration,
    /// For its body and the handler together.
    pub request: Duration,
    /// For the answer to leave, after that.
    pub answer: Duration,
    /// Bytes of a body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            rate: 100,
            header: Duration::from_secs(10),
            request: Duration::from_secs(30),
            answer: Duration::from_secs(10),
            body: 64 * 1024,
        }
    }
}

/// Everything that is answered.
pub fn router(live: Live) -> Router {
    Router::new()
        .merge(board::routes(&live))
        .merge(access::routes())
        .merge(links::routes())
        .merge(datapass::routes())
        .merge(metrics::routes())
        .merge(calendar::routes())
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(live)
}
