//! The cookie of a session.
//!
//! Where the address from outside is known it is https: then the cookie never travels in clear,
//! and by its name no other host, not even one below the same domain, can set it.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::web::Site;
use crate::web::access::sessions::{self, Key};

/// What an id has as base64url.
const LENGTH: usize = 43;

fn name(site: &Site) -> &'static str {
    match site.public_url {
        Some(_) => "__Host-jetond",
        None => "jetond",
    }
}

/// The key of the session that a request names; `None` as well where it names several.
pub(super) fn of(site: &Site, headers: &HeaderMap) -> Option<Key> {
    let name = name(site);
    let mut named = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(n, _)| *n == name);
    let (Some((_, id)), None) = (named.next(), named.next()) else {
        return None;
    };
    (id.len() == LENGTH).then(|| sessions::key(id))
}

/// Has a browser keep an id until it is closed.
pub(super) fn keep(site: &Site, id: &str) -> HeaderValue {
    made(site, id, "")
}

/// Has a browser forget the id that it keeps.
pub(super) fn forget(site: &Site) -> HeaderValue {
    made(site, "", "; Max-Age=0")
}

fn made(site: &Site, id: &str, age: &str) -> HeaderValue {
    let name = name(site);
    let secure = match site.public_url {
        Some(_) => "; Secure",
        None => "",
    };
    let cookie = format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
    HeaderValue::from_str(&cookie).expect("an id is base64url")
}
