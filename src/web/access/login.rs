//! The login page, the login and the logout.
//!
//! A wrong password and a name that nobody has get the same answer. A login begins a session of
//! a new id, whatever id came with it, and ends the one that came.

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::domain::language::{Text, counted, text};
use crate::web::Live;
use crate::web::access::porter::{Remember, Tried, random};
use crate::web::access::{back, cookie, of_session, origin, shut};
use crate::web::answer::{self, plain};
use crate::web::board::{Ask, Section};

/// A way in is no way to send something long.
const LONGEST_FIELD: usize = 4_096;

pub(in crate::web) fn routes() -> Router<Live> {
    Router::new()
        .route("/login", get(show).post(log_in))
        .route("/logout", post(log_out))
}

#[derive(Serialize)]
struct View<'a> {
    /// The query that keeps where to go back to.
    here: String,
    /// What was typed as a name.
    typed: &'a str,
    error: Option<&'a str>,
}

async fn show(State(live): State<Live>, uri: Uri, headers: HeaderMap) -> Response {
    let ask = Ask::of_a_stranger(live.site(), &uri, &headers);
    if !has_users(&ask) {
        return answer::not_found().await;
    }
    if of_session(&ask.site, &live, &headers).await.is_some() {
        return to(&ask);
    }
    page(&ask, StatusCode::OK, "", None)
}

async fn log_in(State(live): State<Live>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let ask = Ask::of_a_stranger(live.site(), &uri, &headers);
    if !has_users(&ask) {
        return answer::not_found().await;
    }
    if !origin::is_from_here(&ask.site, &headers) {
        return origin::elsewhere();
    }
    let (Some(name), Some(password)) = (field(&body, "name"), field(&body, "password")) else {
        return plain(
            StatusCode::BAD_REQUEST,
            &text!(
                "This form is not ours.",
                "Ce formulaire n’est pas le nôtre."
            ),
        );
    };
    let name = name.trim();
    let password = Zeroizing::new(password.into_owned().into_bytes());
    let compared = live
        .porter
        .compare(&ask.site, name, password, Remember::Never);
    let mark = match compared.await {
        Tried::Right(mark) => mark,
        Tried::Wrong => {
            let said = text!(
                "The name or the password is wrong.",
                "Le nom ou le mot de passe est faux."
            );
            return page(&ask, StatusCode::FORBIDDEN, name, Some(&said));
        }
        Tried::Later(wait) => {
            let seconds = shut::seconds(wait);
            let when = match seconds {
                ..120 => counted(seconds, ["second", "seconds"], ["seconde", "secondes"]),
                _ => counted(
                    (seconds + 59) / 60,
                    ["minute", "minutes"],
                    ["minute", "minutes"],
                ),
            };
            let said = text!(
                "Too many tries: please try again in {{}}.",
                "Trop d’essais : merci de réessayer dans {{}}."
            )
            .with(&when);
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = page(&ask, status, name, Some(&said));
            shut::come_again(&mut response, wait);
            return response;
        }
    };
    let id = {
        let mut sessions = live.porter.sessions();
        if let Some(old) = cookie::of(&ask.site, &headers) {
            sessions.close(&old);
        }
        sessions.open(random(), name, mark, (&ask.site, ask.now))
    };
    tracing::info!(name, "logged in");
    let mut response = to(&ask);
    let kept = cookie::keep(&ask.site, &id);
    response.headers_mut().append(SET_COOKIE, kept);
    response
}

async fn log_out(State(live): State<Live>, headers: HeaderMap, body: Bytes) -> Response {
    let site = live.site();
    if !origin::is_from_here(&site, &headers) {
        return origin::elsewhere();
    }
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, "./login")]).into_response();
    if let Some(key) = cookie::of(&site, &headers)
        && let Some(visitor) = of_session(&site, &live, &headers).await
    {
        let csrf = visitor.csrf.unwrap_or_default();
        if let Some(refusal) = origin::refusal(&site, &headers, &csrf, &body) {
            return refusal;
        }
        if let Some(name) = live.porter.sessions().close(&key) {
            tracing::info!(name, "logged out");
        }
    } else if site.door.auth.as_ref().is_some_and(|a| a.proxy.is_some()) {
        return plain(
            StatusCode::OK,
            &text!(
                "The reverse proxy has logged you in: log out there.",
                "C’est le mandataire inverse qui vous a connecté : se déconnecter auprès de lui."
            ),
        );
    }
    let forgotten = cookie::forget(&site);
    response.headers_mut().append(SET_COOKIE, forgotten);
    response
}

fn has_users(ask: &Ask) -> bool {
    let auth = ask.site.door.auth.as_ref();
    auth.is_some_and(|a| !a.users.is_empty())
}

/// Back to what was asked for before the login.
fn to(ask: &Ask) -> Response {
    let to = back::to(ask.query.get("to").unwrap_or_default());
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

fn page(ask: &Ask, status: StatusCode, typed: &str, error: Option<&Text>) -> Response {
    let typed: String = typed.chars().filter(|c| !c.is_control()).take(64).collect();
    let here = ask.query.get("to").map_or_else(String::new, |to| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        format!("?{}", query.append_pair("to", to).finish())
    });
    let view = View {
        here,
        typed: &typed,
        error: error.map(|e| ask.say(e)),
    };
    let title = text!("Log in", "Connexion");
    ask.page_with(status, Section::Elsewhere, &title, "login.html", &view)
}

/// The one field of this name.
fn field<'b>(body: &'b [u8], name: &str) -> Option<Cow<'b, str>> {
    let mut all = form_urlencoded::parse(body).filter(|(n, _)| n == name);
    match (all.next(), all.next()) {
        (Some((_, value)), None) if value.len() <= LONGEST_FIELD => Some(value),
        _ => None,
    }
}
