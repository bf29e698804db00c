//! The answers to who is not let in: where to log in, or what to configure.

use axum::http::header::{ACCEPT, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use url::form_urlencoded;

use crate::config::WebAuth;
use crate::domain::language::text;
use crate::web::Site;
use crate::web::access::{back, local};
use crate::web::answer::plain;

/// Where nobody can log in: what to configure.
pub(super) fn without_login(site: &Site, parts: &Parts) -> Response {
    let door = &site.door;
    let is_near = door.is_at_home && local::is_from_this_machine(parts);
    let said = if door.auth.is_none() && is_near {
        text!(
            "These pages are shut: a request by way of a proxy, or under a public address, needs a login, and [web.auth] in the configuration names nobody. On this machine, without [web] public_url, they can be looked at; with it, [web.auth] loopback = true permits that.",
            "Ces pages sont fermées : une demande passée par un mandataire, ou sous une adresse publique, exige une connexion, et [web.auth] dans la configuration ne nomme personne. Depuis cette machine, sans [web] public_url, elles se consultent ; avec, [web.auth] loopback = true le permet."
        )
    } else {
        text!(
            "These pages are shut: only this machine may look at them, until [web.auth] in the configuration says who may log in.",
            "Ces pages sont fermées : seule cette machine peut les consulter, tant que [web.auth] dans la configuration ne dit pas qui peut se connecter."
        )
    };
    plain(StatusCode::FORBIDDEN, &said)
}

/// Where there is a login: the way to it for a browser, the challenge for a program.
pub(super) fn with_login(site: &Site, auth: &WebAuth, parts: &Parts) -> Response {
    if auth.users.is_empty() && auth.proxy.is_none() {
        return without_login(site, parts);
    }
    if auth.users.is_empty() {
        return plain(
            StatusCode::FORBIDDEN,
            &text!(
                "These pages are shut: the reverse proxy of [web.auth] did not say who asks.",
                "Ces pages sont fermées : le mandataire inverse de [web.auth] n’a pas dit qui les demande."
            ),
        );
    }
    if !is_browser(parts) {
        return unauthorized();
    }
    let root = back::root(parts.uri.path());
    let to = match back::of(&parts.uri) {
        Some(asked) => {
            let asked: String = form_urlencoded::byte_serialize(asked.as_bytes()).collect();
            format!("{root}login?to={asked}")
        }
        None => format!("{root}login"),
    };
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// Whether who asks can show a login page.
fn is_browser(parts: &Parts) -> bool {
    let accepted = parts.headers.get_all(ACCEPT).iter();
    let mut words = accepted.filter_map(|v| v.to_str().ok());
    let known = [Method::GET, Method::HEAD, Method::POST];
    known.contains(&parts.method) && words.any(|v| v.to_ascii_lowercase().contains("text/html"))
}

/// Neither a name nor a password, or wrong ones.
pub(super) fn unauthorized() -> Response {
    let mut response = plain(
        StatusCode::UNAUTHORIZED,
        &text!(
            "A name and a password of [web.auth] are needed.",
            "Il faut un nom et un mot de passe de [web.auth]."
        ),
    );
    let challenge = HeaderValue::from_static("Basic realm=\"jetond\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// A proxy said two things at once.
pub(super) fn no_name() -> Response {
    plain(
        StatusCode::BAD_REQUEST,
        &text!(
            "The reverse proxy's header does not hold exactly one name.",
            "L’en-tête du mandataire inverse ne contient pas exactement un nom."
        ),
    )
}

/// Too many tries.
pub(super) fn later(wait: TimeDelta) -> Response {
    let mut response = plain(
        StatusCode::TOO_MANY_REQUESTS,
        &text!(
            "Too many tries. Please come again later.",
            "Trop d’essais. Merci de revenir plus tard."
        ),
    );
    come_again(&mut response, wait);
    response
}

/// Says after how many seconds another try counts.
pub(super) fn come_again(response: &mut Response, wait: TimeDelta) {
    let seconds = HeaderValue::from(seconds(wait));
    response.headers_mut().insert(RETRY_AFTER, seconds);
}

/// A wait in whole seconds, at least one.
pub(super) fn seconds(wait: TimeDelta) -> i64 {
    (wait.num_milliseconds() + 999).max(1000) / 1000
}
