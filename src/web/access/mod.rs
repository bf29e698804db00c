//! Who may look at the pages, and who may act: every page takes a [`Visitor`], and is shut to
//! everybody else.
//!
//! Without `[web.auth]` only this machine is let in, to look. What cannot be told apart from a
//! request that a reverse proxy passed on counts as one, and stays outside.

mod back;
mod basic;
mod cookie;
mod local;
mod login;
mod origin;
mod porter;
mod proxy;
mod sessions;
mod shut;
mod tries;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

pub use self::local::Door;
pub(in crate::web) use self::local::Peer;
pub(super) use self::login::routes;
pub(in crate::web) use self::origin::is_same;
pub(in crate::web) use self::porter::Porter;
pub(in crate::web) use crate::config::Role;

use self::porter::{Remember, Tried};
use self::proxy::Said;
use crate::domain::language::text;
use crate::domain::lifecycle::Who;
use crate::web::answer::plain;
use crate::web::{Live, Site};

/// Who asks. A handler that takes it is reached by nobody else: a browser is sent to the login
/// page, a program gets 401, and where no login exists 403 says what to configure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Visitor {
    /// The name of their login; `None`: on this machine, without one.
    pub(in crate::web) name: Option<String>,
    /// What they may do.
    pub(in crate::web) role: Role,
    /// What their forms must carry in the field `csrf`; `None`: they have no forms.
    pub(in crate::web) csrf: Option<String>,
}

impl Visitor {
    /// Somebody who may look and has no name.
    pub(in crate::web) fn nameless() -> Self {
        Self {
            name: None,
            role: Role::Viewer,
            csrf: None,
        }
    }

    /// Whether pages offer them what changes something.
    pub(in crate::web) fn may_act(&self) -> bool {
        self.role >= Role::Operator && self.name.is_some() && self.csrf.is_some()
    }

    /// Before anything is done by a form: an operator, from a page of ours, with the token of
    /// their own session in the form. Answers whom the journal names.
    #[expect(
        clippy::result_large_err,
        reason = "it is the whole answer, and goes straight to whoever asked"
    )]
    pub(in crate::web) fn acts(
        &self,
        site: &Site,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Who, Response> {
        let (Some(name), Some(csrf), true) = (&self.name, &self.csrf, self.may_act()) else {
            return Err(plain(
                StatusCode::FORBIDDEN,
                &text!(
                    "This needs an operator; here one can look only.",
                    "Il faut être opérateur ; ici on ne peut que consulter."
                ),
            ));
        };
        match origin::refusal(site, headers, csrf, body) {
            Some(refusal) => Err(refusal),
            None => Ok(Who::Web(name.clone())),
        }
    }
}

impl FromRequestParts<Live> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, live: &Live) -> Result<Self, Response> {
        match parts.extensions.get::<Self>() {
            Some(known) => Ok(known.clone()),
            None => identify(parts, live).await,
        }
    }
}

/// Lets visitors pass and turns everybody else away, before anything is done for them: stands
/// in front of what a stranger must not keep busy.
pub(in crate::web) async fn admit(
    State(live): State<Live>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match identify(&parts, &live).await {
        Ok(visitor) => {
            parts.extensions.insert(visitor);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal,
    }
}

/// Who asks, or the answer to who is not let in. What names somebody comes first: what a proxy
/// tells, a session, the password of a program; then who needs no name.
async fn identify(parts: &Parts, live: &Live) -> Result<Visitor, Response> {
    let site = live.site();
    let Some(auth) = &site.door.auth else {
        if local::is_of_this_machine(&site, parts) {
            return Ok(Visitor::nameless());
        }
        return Err(shut::without_login(&site, parts));
    };
    let peer = parts.extensions.get::<Peer>().copied();
    if let Some(proxy) = &auth.proxy {
        match proxy::says(proxy, peer, &parts.headers) {
            Said::Name(name, role) => {
                let csrf = live.porter.csrf("csrf of a name", name.as_bytes());
                return Ok(Visitor {
                    name: Some(name),
                    role,
                    csrf: Some(csrf),
                });
            }
            Said::Rubbish => return Err(shut::no_name()),
            Said::Nothing => {}
        }
    }
    if let Some(visitor) = of_session(&site, live, &parts.headers).await {
        return Ok(visitor);
    }
    if let Some((name, password)) = basic::of(parts).filter(|_| !auth.users.is_empty()) {
        let compared = live
            .porter
            .compare(&site, &name, password, Remember::AWhile);
        return match compared.await {
            // It comes from no page of ours, so it acts on none.
            Tried::Right(_) => Ok(Visitor {
                name: Some(name),
                ..Visitor::nameless()
            }),
            Tried::Wrong => Err(shut::unauthorized()),
            Tried::Later(wait) => Err(shut::later(wait)),
        };
    }
    if auth.loopback && local::is_of_this_machine(&site, parts) {
        return Ok(Visitor::nameless());
    }
    Err(shut::with_login(&site, auth, parts))
}

/// The visitor whom a session names.
async fn of_session(site: &Arc<Site>, live: &Live, headers: &HeaderMap) -> Option<Visitor> {
    let key = cookie::of(site, headers)?;
    let user = live.porter.session(site, &key).await?;
    Some(Visitor {
        name: Some(user.name),
        role: user.role,
        csrf: Some(live.porter.csrf("csrf of a session", &key)),
    })
}
