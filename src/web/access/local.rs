//! Whether a request can only come from a person on this machine.
//!
//! A reverse proxy on this machine comes from a loopback address too, and some of them send
//! neither the asked name nor a word of whom they speak for. So where one is expected, which
//! `public_url` tells, nobody counts as local unless the file says so.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};

use crate::config::{Web, WebAuth};
use crate::web::Site;

/// Headers by which proxies tell that they pass a request on; all of `x-forwarded…` besides.
const FORWARDED: [&str; 9] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-envoy-external-address",
    "true-client-ip",
    "cf-connecting-ip",
];

/// The address from which a connection came; the shell puts it beside each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Peer(pub(in crate::web) IpAddr);

/// Who may come in under one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Door {
    /// Whether only this machine reaches the address that is listened on.
    pub is_at_home: bool,
    /// `[web.auth]`.
    pub auth: Option<WebAuth>,
}

impl Door {
    /// The door of a configuration.
    pub fn of(web: &Web) -> Self {
        Self {
            is_at_home: web.listen.is_some_and(|a| is_loopback(a.ip())),
            auth: web.auth.clone(),
        }
    }
}

/// Whether nobody but a person on this machine can have asked this, or, where `[web.auth]` says
/// that such a person may look, probably nobody else.
pub(super) fn is_of_this_machine(site: &Site, parts: &Parts) -> bool {
    let is_permitted = site.door.auth.as_ref().is_some_and(|a| a.loopback);
    let is_expecting_a_proxy = site
        .public_url
        .as_ref()
        .is_some_and(|url| !is_own_name(url.host()));
    (is_permitted || site.door.is_at_home && !is_expecting_a_proxy)
        && is_from_this_machine(parts)
        && asks_for_this_machine(parts)
        // No browser and no program of today asks like this by itself; some proxies do.
        && parts.version > Version::HTTP_10
        && !is_passed_on(&parts.headers)
}

/// Whether the connection comes from this machine, be it of a person or of a proxy.
pub(super) fn is_from_this_machine(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<Peer>();
    peer.is_some_and(|peer| is_loopback(peer.0))
}

/// Whether the name of the request, and the one in its first line if there is one, is of this
/// machine itself.
fn asks_for_this_machine(parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|h| h.to_str().ok());
    let host = host.and_then(|h| h.parse::<Authority>().ok());
    host.is_some_and(|h| is_own_name(h.host()))
        && parts.uri.authority().is_none_or(|a| is_own_name(a.host()))
}

/// Whether this is `localhost` or a loopback address.
pub(super) fn is_own_name(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .unwrap_or(name);
    bare.parse::<IpAddr>()
        .map_or_else(|_| bare.eq_ignore_ascii_case("localhost"), is_loopback)
}

/// Whether a proxy says that it passes this on.
fn is_passed_on(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || FORWARDED.contains(&name)
    })
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
