//! The overview: is anything burning, what happens next, is the watch itself alive.
//!
//! Its numbers come from the store as it is now; coverage is what the daemon's last look found,
//! with the hour of it, because it is measured by an audit of everything.

mod deliveries;
mod picture;
pub(in crate::web::board) mod standing;
pub(in crate::web::board) mod todo;
mod view;

use axum::Router;
use axum::extract::Extension;
use axum::response::Response;
use axum::routing::get;

use crate::domain::language::text;
use crate::web::board::forecast::Forecasts;
use crate::web::board::{Ask, Section};
use crate::web::{Live, Unready};

use self::picture::Pictures;
use self::view::View;

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/", get(home))
        .layer(Extension(Kept::default()))
}

/// What one visitor's page leaves for the next one's.
#[derive(Debug, Clone, Default)]
struct Kept {
    pictures: Pictures,
    forecasts: Forecasts,
}

async fn home(Extension(kept): Extension<Kept>, ask: Ask) -> Result<Response, Unready> {
    let (picture, change) = kept.pictures.look(&ask.site, ask.now).await?;
    let forecast = kept.forecasts.look(&ask.site, change, ask.now).await;
    let checkup = ask.site.bulletin.last();
    let view = View::of(&ask, &picture, checkup.as_deref(), &forecast);
    let title = text!("Overview", "Vue d’ensemble");
    Ok(ask.page(Section::Home, &title, "home.html", &view))
}
