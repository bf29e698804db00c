//! Who may look at the pages, and who may act: every page takes a [`Visitor`], and is shut to
//! everybody else.
//!
//! Without `[web.auth]` only this machine is let in, to look. What cannot be told apart from a
//! request that a reverse proxy passed on counts as one, and stays outside.

mod local;
mod origin;
mod shut;

pub use self::local::Door;
pub(in crate::web) use self::local::Peer;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::domain::language::text;
use crate::domain::lifecycle::Who;
use crate::web::answer::plain;
use crate::web::{Live, Site};

/// What a visitor may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::web) enum Role {
    /// Look at everything.
    Viewer,
    /// Act as well.
    Operator,
}

/// Who asks. A handler that takes it is reached by nobody else: a browser is sent to the login
/// page, a program gets 401, and where no login exists 403 says what to configure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Visitor {
    /// The name in `[web.auth]`; `None`: on this machine, without login.
    pub(in crate::web) name: Option<String>,
    /// What they may do.
    pub(in crate::web) role: Role,
    /// What their forms must carry in the field `csrf`; `None`: they have no forms.
    pub(in crate::web) csrf: Option<String>,
}

impl Visitor {
    /// Whether pages offer them what changes something.
    pub(in crate::web) fn may_act(&self) -> bool {
        self.role >= Role::Operator && self.name.is_some() && self.csrf.is_some()
    }

    /// Before anything is done by a form: an operator, from a page of ours, with the token of
    /// their own session in the form. Answers whom the journal names.
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
        origin::check(site, headers, csrf, body)?;
        Ok(Who::Web(name.clone()))
    }
}

impl FromRequestParts<Live> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, live: &Live) -> Result<Self, Response> {
        let site = live.site();
        if local::is_at_home(&site, parts) {
            return Ok(Self {
                name: None,
                role: Role::Viewer,
                csrf: None,
            });
        }
        Err(shut::answer(&site, parts))
    }
}
