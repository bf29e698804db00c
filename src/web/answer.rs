//! The answers that are no page: refusals of the shell, nothing there, a store that cannot now.
//!
//! They are short, in both languages, because nothing is known of who asks.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::domain::language::{Text, text};
use crate::store::StoreError;

/// After a locked or full store: a writer waits 10 s for another one at most.
const RETRY_SECONDS: u32 = 30;

/// Set on an answer that carries a validator: who asked may keep it, and asks each time whether
/// it still holds. Every other answer is kept by nobody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Revalidated;

/// A short answer in both languages.
pub(super) fn plain(status: StatusCode, said: &Text) -> Response {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let body = format!("{}\n{}\n", said.fr, said.en);
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}

/// The answer when nothing can be done now, and the same request may be sent again.
pub(super) fn later(said: &Text) -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, said);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

pub(super) async fn not_found() -> Response {
    plain(
        StatusCode::NOT_FOUND,
        &text!("There is nothing here.", "Il n’y a rien ici."),
    )
}

pub(super) async fn wrong_method() -> Response {
    plain(
        StatusCode::METHOD_NOT_ALLOWED,
        &text!(
            "This page cannot be asked for in this way.",
            "Cette page ne se demande pas ainsi."
        ),
    )
}

/// A store that cannot do what was asked. Nothing was changed; the same request may come again.
#[derive(Debug)]
pub struct Unready(StoreError);

impl From<StoreError> for Unready {
    fn from(e: StoreError) -> Self {
        Self(e)
    }
}

impl IntoResponse for Unready {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "a request could not be answered; nothing was changed");
        later(&text!(
            "The record cannot be read or written now; nothing was changed. Please try again in a minute.",
            "Le registre ne peut être ni lu ni écrit pour l’instant ; rien n’a été modifié. Merci de réessayer dans une minute."
        ))
    }
}
