//! HTTP Basic (RFC 7617), for programs: Prometheus, curl. It lets look and never act, so it is
//! of no use to a page elsewhere that has a browser send it.

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The name and the password of a request that only looks; `None`: it has none, or more than
/// one, or in another form.
pub(super) fn of(parts: &Parts) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let looks = [Method::GET, Method::HEAD].contains(&parts.method);
    looks.then(|| read(&parts.headers))?
}

fn read(headers: &HeaderMap) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, pair) = one.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(STANDARD.decode(pair.trim()).ok()?);
    let colon = pair.iter().position(|b| *b == b':')?;
    let name = std::str::from_utf8(&pair[..colon]).ok()?.to_owned();
    Some((name, Zeroizing::new(pair[colon + 1..].to_vec())))
}
