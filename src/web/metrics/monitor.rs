//! Who may read what monitoring is shown: whoever may look at the pages, or shows the secret.
//!
//! The secret is read at each use, so that a changed one needs no reload, and compared in a time
//! that tells nothing of it. A wrong one is refused, also where one could look without it: a
//! program that shows it would else not learn that it is wrong.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use secrecy::ExposeSecret as _;

use crate::config::SecretSource;
use crate::domain::language::text;
use crate::web::Live;
use crate::web::access::{Visitor, is_same};
use crate::web::answer::{later, plain};

/// A program or a person that may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Monitor;

impl FromRequestParts<Live> for Monitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, live: &Live) -> Result<Self, Response> {
        let source = live.site().metrics.token.clone();
        if let (Some(shown), Some(source)) = (bearer(&parts.headers), source) {
            return opens(shown.to_owned(), source).await.map(|()| Self);
        }
        Visitor::from_request_parts(parts, live).await.map(|_| Self)
    }
}

/// What stands behind `Bearer` in the one header `Authorization`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, shown) = one.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(shown.trim())
}

async fn opens(shown: String, source: SecretSource) -> Result<(), Response> {
    let read = tokio::task::spawn_blocking(move || source.resolve());
    match read.await.expect("reading a file does not panic") {
        Ok(secret) if is_same(&shown, secret.expose_secret()) => Ok(()),
        Ok(_) => Err(wrong()),
        Err(error) => {
            tracing::error!(%error, "the secret of [web.metrics] cannot be read");
            Err(later(&text!(
                "The secret of [web.metrics] cannot be read here: the log says why.",
                "Le secret de [web.metrics] ne peut pas être lu ici : le journal du service dit pourquoi."
            )))
        }
    }
}

fn wrong() -> Response {
    let mut response = plain(
        StatusCode::UNAUTHORIZED,
        &text!(
            "This is not the secret of [web.metrics] token.",
            "Ce n’est pas le secret de [web.metrics] token."
        ),
    );
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
