//! The guard: what every request passes before its handler, and every answer after it.
//!
//! The body is there whole before the handler begins. The handler runs in a task that holds the
//! connection's place, so that clients who leave cannot pile up work.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::header::{
    self, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tower_service::Service as _;

use crate::domain::language::{Text, text};
use crate::web::access::Peer;
use crate::web::answer::{Revalidated, later, plain};
use crate::web::{Limits, Live, datapass};

/// Nothing runs, nothing loads from elsewhere, nothing is framed.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// On every answer. HSTS is the reverse proxy's, which has the certificate.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // The path of a link is a key.
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

/// What the pages of the watch send instead: their addresses are no keys, and a browser tells
/// the origin of their forms only so.
pub(super) const SAME_ORIGIN: &str = "same-origin";

/// What one connection needs to answer.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) router: Router,
    pub(super) live: Live,
    pub(super) limits: Limits,
    /// The address to which the connection came.
    pub(super) here: IpAddr,
    /// The address from which it came.
    pub(super) peer: IpAddr,
    /// The connection's place among those that may be open at once.
    pub(super) place: Arc<OwnedSemaphorePermit>,
}

impl Guard {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response {
        let method = request.method().clone();
        let mut response = self.through(request).await;
        harden(&mut response);
        tracing::debug!(%method, status = response.status().as_u16(), "answered");
        response
    }

    async fn through(&self, request: Request<Incoming>) -> Response {
        if let Some(refusal) = self.refuse_another_host(&request) {
            return refusal;
        }
        let deadline = Instant::now() + self.limits.request;
        let (parts, body) = request.into_parts();
        if body.size_hint().lower() > self.limits.body as u64 {
            return self.too_large(parts.uri.path()).await;
        }
        let body = match timeout_at(deadline, Limited::new(body, self.limits.body).collect()).await
        {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(e)) if e.is::<LengthLimitError>() => {
                return self.too_large(parts.uri.path()).await;
            }
            Ok(Err(_)) => {
                return bad(&text!(
                    "The request broke off.",
                    "La demande s’est interrompue."
                ));
            }
            Err(_) => {
                return plain(
                    StatusCode::REQUEST_TIMEOUT,
                    &text!(
                        "The request took too long.",
                        "La demande a pris trop de temps."
                    ),
                );
            }
        };
        let mut request = Request::from_parts(parts, Body::from(body));
        request.extensions_mut().insert(Peer(self.peer));
        let (mut router, place) = (self.router.clone(), Arc::clone(&self.place));
        let handler = tokio::spawn(async move {
            let answered = router.call(request).await;
            drop(place);
            answered
        });
        match timeout_at(deadline, handler).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(panicked)) => {
                tracing::error!(error = %panicked, "a request ended in a panic");
                plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &text!("Something went wrong here.", "Une erreur est survenue ici."),
                )
            }
            // It goes on all the same, and asking again finds what it did.
            Err(_) => later(&text!(
                "This takes longer than it should. Please try again in a minute.",
                "Cela prend plus de temps que prévu. Merci de réessayer dans une minute."
            )),
        }
    }

    async fn too_large(&self, path: &str) -> Response {
        if path == datapass::PATH {
            datapass::note_too_large(&self.live).await;
        }
        plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            &text!("The request is too large.", "La demande est trop grande."),
        )
    }

    /// Exactly one `Host`, and it, like the name in the request line if there is one, is ours.
    fn refuse_another_host(&self, request: &Request<Incoming>) -> Option<Response> {
        let mut named = request.headers().get_all(HOST).iter();
        let one = match (named.next(), named.next()) {
            (Some(one), None) => one.to_str().ok().and_then(|h| h.parse::<Authority>().ok()),
            _ => None,
        };
        let Some(one) = one.filter(|a| !a.as_str().contains('@')) else {
            return Some(bad(&text!(
                "The request does not say which host it asks for.",
                "La demande ne dit pas à quel hôte elle s’adresse."
            )));
        };
        let site = self.live.site();
        let asked = [Some(&one), request.uri().authority()];
        if asked
            .into_iter()
            .flatten()
            .all(|a| site.answers_to(a.host(), self.here))
        {
            return None;
        }
        // What it asked for is whatever someone wrote: it is not logged.
        tracing::debug!("a request for another host");
        Some(plain(
            StatusCode::MISDIRECTED_REQUEST,
            &text!(
                "This name is not answered here: the reverse proxy must pass the name of [web] public_url on, or [web] hosts must have it.",
                "Ce nom n’est pas servi ici : le mandataire inverse doit transmettre celui de [web] public_url, ou [web] hosts le contenir."
            ),
        ))
    }
}

fn bad(said: &Text) -> Response {
    plain(StatusCode::BAD_REQUEST, said)
}

fn harden(response: &mut Response) {
    let revalidated = response.extensions().get::<Revalidated>().is_some();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        if name == REFERRER_POLICY && headers.get(&name).is_some_and(|v| v == SAME_ORIGIN) {
            continue;
        }
        headers.insert(name, HeaderValue::from_static(value));
    }
    if revalidated {
        let kept = HeaderValue::from_static("private, no-cache");
        headers.insert(CACHE_CONTROL, kept);
    }
    headers.remove(header::SERVER);
}
