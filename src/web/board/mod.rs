//! The dashboard: pages for those who run the watch, rendered here, without a script.
//!
//! Each page is a handler that takes an [`Ask`], reads by `site.reader` and answers
//! [`Ask::page`]. What they show is never more than a bounded number of rows.

mod acts;
mod ask;
mod clients;
mod csv;
mod forecast;
mod frame;
mod health;
mod home;
mod journal;
mod lines;
mod mail;
mod outbox;
mod pager;
mod phrases;
mod query;
mod recipients;
mod timeline;
mod token;
mod tokens;
pub(in crate::web) mod turn;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::web::{Live, access};

pub(in crate::web) use self::ask::Ask;
pub(in crate::web) use self::frame::Section;
use self::turn::Turn;

/// The style of every page of the dashboard.
const STYLE: &str = concat!(
    include_str!("../../../templates/board/style.css"),
    include_str!("../../../templates/board/home.css"),
);

/// What a browser shows beside their title.
const ICON: &str = include_str!("../../../templates/board/icon.svg");

/// The pages, and their style.
pub(super) fn routes(live: &Live) -> Router<Live> {
    Router::new()
        .merge(home::routes())
        .merge(tokens::routes())
        .merge(clients::routes())
        .merge(recipients::routes())
        .merge(outbox::routes())
        .merge(journal::routes())
        .merge(timeline::routes())
        .merge(health::routes())
        .layer(middleware::from_fn_with_state(Turn::default(), turn::take))
        // An act may wait for another writer: nobody's page waits with it.
        .merge(acts::routes())
        // Whoever is not let in takes nobody's turn.
        .layer(middleware::from_fn_with_state(live.clone(), access::admit))
        .route("/board.css", get(style))
        .route("/board.svg", get(icon))
}

async fn icon() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml")], ICON).into_response()
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}
