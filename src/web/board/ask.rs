//! One request for a page of the dashboard: who asks, in which language, for what; and its
//! answer.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::web::access::Visitor;
use crate::web::board::frame::{self, Frame, Section};
use crate::web::board::query::Query;
use crate::web::{Live, Site};

/// The cookie that keeps the language that somebody chose.
const LANG: &str = "jetond_lang";

/// A request.
#[derive(Debug, Clone)]
pub(in crate::web) struct Ask {
    /// The configuration in force when it came.
    pub(in crate::web) site: Arc<Site>,
    /// Who asks.
    pub(in crate::web) visitor: Visitor,
    /// The language of the answer.
    pub(in crate::web) lang: Lang,
    /// What stands behind the question mark.
    pub(in crate::web) query: Query,
    /// The path, as it was sent.
    pub(in crate::web) path: String,
    /// The present.
    pub(in crate::web) now: DateTime<Utc>,
}

impl FromRequestParts<Live> for Ask {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, live: &Live) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, live).await?;
        let site = live.site();
        let query = Query::of(&parts.uri);
        Ok(Self {
            lang: lang(&query, &parts.headers).unwrap_or(site.desk.language),
            visitor,
            query,
            path: parts.uri.path().to_owned(),
            now: (site.now)(),
            site,
        })
    }
}

impl Ask {
    /// A request of whom nothing is known: for what everybody may see.
    pub(in crate::web) fn of_a_stranger(site: Arc<Site>, uri: &Uri, headers: &HeaderMap) -> Self {
        let query = Query::of(uri);
        Self {
            lang: lang(&query, headers).unwrap_or(site.desk.language),
            visitor: Visitor::nameless(),
            query,
            path: uri.path().to_owned(),
            now: (site.now)(),
            site,
        }
    }

    /// The calendar in force.
    pub(in crate::web) fn calendar(&self) -> &Calendar {
        &self.site.desk.calendar
    }

    /// The wording in the language of the answer.
    pub(in crate::web) fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.in_lang(self.lang)
    }

    /// A page: `template` of templates/board, filled with `view`, within the frame.
    pub(in crate::web) fn page(
        &self,
        section: Section,
        title: &Text,
        template: &str,
        view: impl Serialize,
    ) -> Response {
        self.page_with(StatusCode::OK, section, title, template, view)
    }

    /// The same with another status.
    pub(in crate::web) fn page_with(
        &self,
        status: StatusCode,
        section: Section,
        title: &Text,
        template: &str,
        view: impl Serialize,
    ) -> Response {
        let frame = Frame::new(self, section, title);
        let mut response = frame::render(status, self.lang, template, &frame, &view);
        if self.query.get("lang").is_some() {
            let kept = format!(
                "{LANG}={}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly",
                self.lang
            );
            if let Ok(kept) = HeaderValue::from_str(&kept) {
                response.headers_mut().append(SET_COOKIE, kept);
            }
        }
        response
    }

    /// The page for what is not on record.
    pub(in crate::web) fn missing(&self, section: Section) -> Response {
        let title = text!("Nothing here", "Rien ici");
        self.page_with(StatusCode::NOT_FOUND, section, &title, "missing.html", ())
    }
}

/// The language of a request: what it says itself, what was chosen before, what the browser asks
/// for.
pub(in crate::web) fn lang(query: &Query, headers: &HeaderMap) -> Option<Lang> {
    let asked = query.get("lang").and_then(|l| Lang::parse(l).ok());
    asked.or_else(|| chosen(headers)).or_else(|| {
        let list = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
        list.split(',').find_map(|item| {
            let tag = item.split([';', '-']).next()?.trim();
            Lang::parse(&tag.to_ascii_lowercase()).ok()
        })
    })
}

fn chosen(headers: &HeaderMap) -> Option<Lang> {
    let mut pairs = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == LANG)?;
    Lang::parse(value).ok()
}
