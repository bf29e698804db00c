//! The home page.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::domain::language::text;
use crate::web::board::{Ask, Section};
use crate::web::{Live, Unready};

pub(super) fn routes() -> Router<Live> {
    Router::new().route("/", get(home))
}

#[derive(Serialize)]
struct View {
    tokens: usize,
}

async fn home(ask: Ask) -> Result<Response, Unready> {
    let view = View {
        tokens: ask.site.reader.tokens().await?.len(),
    };
    let title = text!("Overview", "Vue d’ensemble");
    Ok(ask.page(Section::Home, &title, "home.html", &view))
}
