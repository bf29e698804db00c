//! The name that a reverse proxy tells, which has logged its bearer in.
//!
//! Only a connection from a listed address can tell one. From anywhere else the header is not
//! read at all: who sends it there is whoever they were without it.

use axum::http::HeaderMap;

use crate::config::{Role, TrustedProxy};
use crate::domain::language::is_hazardous;
use crate::web::access::Peer;

/// Characters of a name.
const LONGEST: usize = 128;

/// What a proxy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Who it is of.
    Name(String, Role),
    /// Nothing, or it has no say.
    Nothing,
    /// Two names, or what cannot be one.
    Rubbish,
}

/// What the proxy says of a request from this address.
pub(super) fn says(proxy: &TrustedProxy, peer: Option<Peer>, headers: &HeaderMap) -> Said {
    if !peer.is_some_and(|peer| proxy.from.iter().any(|n| n.contains(peer.0))) {
        return Said::Nothing;
    }
    let mut all = headers.get_all(&proxy.header).iter();
    let name = match (all.next(), all.next()) {
        (None, _) => return Said::Nothing,
        (Some(one), None) => std::str::from_utf8(one.as_bytes()).map(str::trim),
        (Some(_), Some(_)) => return Said::Rubbish,
    };
    let Ok(name) = name else {
        return Said::Rubbish;
    };
    // This is how some proxies tell that nobody is logged in.
    if name.is_empty() {
        return Said::Nothing;
    }
    // Two headers that another proxy joined have a comma, and no name has one.
    if name.contains([',', ':']) || name.contains(is_hazardous) || name.chars().count() > LONGEST {
        return Said::Rubbish;
    }
    let is_operator = proxy.operators.iter().any(|o| o == name);
    let role = if is_operator {
        Role::Operator
    } else {
        Role::Viewer
    };
    Said::Name(name.to_owned(), role)
}
