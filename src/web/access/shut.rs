//! The answer to who is not let in: what to do about it.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use crate::domain::language::text;
use crate::web::Site;
use crate::web::answer::plain;

/// What a visitor is told who may not see a page.
pub(super) fn answer(_site: &Site, _parts: &Parts) -> Response {
    plain(
        StatusCode::FORBIDDEN,
        &text!(
            "These pages are shut: they are for this machine alone, until [web.auth] in the configuration says who may log in.",
            "Ces pages sont fermées : elles sont réservées à cette machine, tant que [web.auth] dans la configuration ne dit pas qui peut se connecter."
        ),
    )
}
