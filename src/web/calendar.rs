//! The calendars over HTTP, at addresses that are their own keys: `/calendar/SECRET.ics` has all
//! tokens, `/calendar/SECRET/CLIENT.ics` those of one client, under a secret of its own.
//!
//! No login: the programs that read calendars have none. Whatever opens nothing gets one answer,
//! 410, as a link does. Programs ask often, so the answer carries a validator, and what has not
//! changed is not sent again.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use crate::agenda::{Agenda, Extent, LARGEST};
use crate::domain::language::text;
use crate::store::calendars::Secret;
use crate::store::feed::Scope;
use crate::web::answer::{Revalidated, Unready, plain};
use crate::web::board::turn::Turn;
use crate::web::{Live, Site};

const SUFFIX: &str = ".ics";

/// The two kinds of calendars.
pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/calendar/{file}", get(whole))
        .route("/calendar/{secret}/{file}", get(of_client))
        .layer(Extension(Turn::default()))
}

/// The path of a calendar, below the address of the pages.
pub fn path(scope: Scope<'_>, secret: &Secret) -> String {
    let secret = secret.expose();
    match scope {
        Scope::All => format!("/calendar/{secret}{SUFFIX}"),
        Scope::Client(key) => format!("/calendar/{secret}/{}{SUFFIX}", in_path(key)),
    }
}

/// A client's key as one part of a path.
fn in_path(key: &str) -> String {
    let mut part = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                part.push(char::from(byte));
            }
            // A dot too: a key of dots would be another directory.
            byte => {
                let _ = write!(part, "%{byte:02X}");
            }
        }
    }
    part
}

async fn whole(
    State(live): State<Live>,
    Extension(turn): Extension<Turn>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Unready> {
    match file.strip_suffix(SUFFIX) {
        Some(secret) => answer(&live.site(), turn, (Scope::All, secret), &headers).await,
        None => Ok(gone()),
    }
}

async fn of_client(
    State(live): State<Live>,
    Extension(turn): Extension<Turn>,
    Path((secret, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Unready> {
    match file.strip_suffix(SUFFIX) {
        Some(client) => {
            let asked = (Scope::Client(client), secret.as_str());
            answer(&live.site(), turn, asked, &headers).await
        }
        None => Ok(gone()),
    }
}

async fn answer(
    site: &Site,
    turn: Turn,
    (scope, given): (Scope<'_>, &str),
    headers: &HeaderMap,
) -> Result<Response, Unready> {
    let store = &site.reader;
    let secret = store.calendar_secret(scope).await?;
    if !secret.is_some_and(|secret| secret.is(given)) {
        return Ok(gone());
    }
    let Some(identity) = store.calendar_identity().await? else {
        return Ok(gone());
    };
    let wanted = (scope, Extent::Served);
    // Only who has an address has anything made.
    let made = turn.of(async {
        let agenda = Agenda::gather(store, &site.desk, identity, wanted, (site.now)()).await?;
        Ok::<_, Unready>(agenda.within(LARGEST))
    });
    let text = made.await?;
    let tag = tag(&text);
    let mut response = if holds(&tag, headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
        ([(CONTENT_TYPE, kind)], text).into_response()
    };
    response.headers_mut().insert(ETAG, tag);
    response.extensions_mut().insert(Revalidated);
    Ok(response)
}

/// The one answer to whatever opens nothing. It says nothing of why.
fn gone() -> Response {
    plain(
        StatusCode::GONE,
        &text!(
            "There is no calendar at this address, or no longer. Please ask whoever gave it to you for the present one.",
            "Il n’y a pas, ou plus, de calendrier à cette adresse. Merci de demander l’adresse actuelle à la personne qui l’a donnée."
        ),
    )
}

/// What two texts have in common only when they are the same bytes (RFC 9110 §8.8.3).
fn tag(text: &str) -> HeaderValue {
    let digest = Sha256::digest(text.as_bytes());
    let mut tag = String::from("\"");
    for byte in &digest[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::from_str(&tag).expect("quotes and digits")
}

/// Whether the asking program has it already (RFC 9110 §13.1.2: weakly compared).
fn holds(tag: &HeaderValue, headers: &HeaderMap) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_part_of_its_path_whatever_its_key() {
        for (key, part) in [
            ("mairie-x", "mairie-x"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            ("Été ?#", "%C3%89t%C3%A9%20%3F%23"),
        ] {
            assert_eq!(in_path(key), part);
        }
    }

    #[test]
    fn a_validator_is_found_in_any_list() {
        let tag = tag("x");
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            headers
        };
        let own = tag.to_str().unwrap();
        for value in [own, &format!("W/{own}"), &format!("\"a\", {own}"), "*"] {
            assert!(holds(&tag, &with(value)), "{value}");
        }
        for value in ["", "\"\"", own.trim_matches('"'), "\"a\", \"b\""] {
            assert!(!holds(&tag, &with(value)), "{value}");
        }
        assert!(!holds(&tag, &HeaderMap::new()));
    }
}
