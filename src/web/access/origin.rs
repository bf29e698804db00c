//! Whether a form comes from a page of ours: the headers by which a browser tells where a
//! request was made, and a token that only the pages of the same visitor carry.
//!
//! A request without these headers does not come from a browser; it still needs the token.

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use crate::domain::language::text;
use crate::web::Site;
use crate::web::access::local::is_own_name;
use crate::web::answer::plain;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The refusal of a form that is not of a page of this visitor; `None`: it is.
pub(super) fn refusal(
    site: &Site,
    headers: &HeaderMap,
    csrf: &str,
    body: &[u8],
) -> Option<Response> {
    if !is_from_here(site, headers) {
        return Some(elsewhere());
    }
    let mut sent = form_urlencoded::parse(body).filter(|(name, _)| name == "csrf");
    match (sent.next(), sent.next()) {
        (Some((_, token)), None) if is_same(&token, csrf) => None,
        _ => Some(plain(
            StatusCode::FORBIDDEN,
            &text!(
                "This form is no longer valid; nothing was changed. Please load the page again.",
                "Ce formulaire n’est plus valable ; rien n’a été modifié. Merci de recharger la page."
            ),
        )),
    }
}

/// The answer to a form of another site.
pub(super) fn elsewhere() -> Response {
    plain(
        StatusCode::FORBIDDEN,
        &text!(
            "This form came from another site; nothing was changed.",
            "Ce formulaire vient d’un autre site ; rien n’a été modifié."
        ),
    )
}

/// Whether a browser that tells where it made the request names one of our pages. `null` is
/// nobody's: the pages of the dashboard send their origin.
pub(super) fn is_from_here(site: &Site, headers: &HeaderMap) -> bool {
    let one = |name: &HeaderName| {
        let mut all = headers.get_all(name).iter();
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => one.to_str().map(Some).map_err(drop),
            (Some(_), Some(_)) => Err(()),
        }
    };
    let (Ok(fetched), Ok(origin), Ok(host)) = (one(&SEC_FETCH_SITE), one(&ORIGIN), one(&HOST))
    else {
        return false;
    };
    fetched.is_none_or(|from| matches!(from, "same-origin" | "none"))
        && origin.is_none_or(|origin| is_ours(site, origin, host))
}

/// Where it is known from outside; else under the name that it was asked by, in clear only
/// where nothing else is.
fn is_ours(site: &Site, origin: &str, host: Option<&str>) -> bool {
    let public = site.public_url.as_ref();
    if public.is_some_and(|url| url.origin().eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some(host) = host else {
        return false;
    };
    let is_own = host
        .parse::<Authority>()
        .is_ok_and(|a| is_own_name(a.host()));
    let with = |scheme: &str| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"));
    with("https") || with("http") && (is_own || public.is_none())
}

/// Whether two tokens are the same; the time tells nothing of where they differ.
pub(in crate::web) fn is_same(sent: &str, expected: &str) -> bool {
    let [a, b] = [sent, expected].map(|s| Sha256::digest(s.as_bytes()));
    a.iter().zip(b.iter()).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}
