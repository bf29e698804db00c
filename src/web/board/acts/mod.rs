//! What operators do by the pages: GET shows what would change, and asks; POST does it, in the
//! name of who is logged in, and goes back to what it was about.
//!
//! What is shown is tried out in a transaction that is taken back. What is done is done only if
//! the record still stands as it was shown. Nothing here decides what a verb means.

mod choice;
mod effect;
mod flash;
mod form;
mod hint;
mod mail;
mod release;
mod token;
mod view;

pub(super) use self::flash::said as flash;

use axum::Router;
use axum::response::Response;
use url::form_urlencoded;

use crate::domain::language::text;
use crate::web::Live;
use crate::web::answer::Unready;
use crate::web::board::{Ask, Section};

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .merge(token::routes())
        .merge(mail::routes())
        .merge(release::routes())
}

/// A request that cannot be answered as asked: what its visitor is told instead.
type Answered = Result<Response, Unready>;

/// The page for who may look only.
fn shut(ask: &Ask, section: Section) -> Response {
    let title = text!("For operators", "Réservé aux opérateurs");
    let status = axum::http::StatusCode::FORBIDDEN;
    ask.page_with(status, section, &title, "act_shut.html", ())
}

/// A part of a path that is data.
fn slug(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

/// The fields of a form, as they were sent.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of_body(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    fn of_query(ask: &Ask, names: &[&str]) -> Self {
        let sent = names
            .iter()
            .filter_map(|n| Some(((*n).to_owned(), ask.query.get(n)?.to_owned())));
        Self(sent.collect())
    }

    /// A field that says something.
    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        Some(value.trim()).filter(|v| !v.is_empty())
    }
}
