//! The links of mails over HTTP: GET shows a page and changes nothing, POST records what its
//! reader says, and everything that opens nothing gets one and the same answer, 410.
//!
//! The link is the key: no cookie, no session, so no other site can use a reader's right without
//! having it. Mail scanners follow links, and some press buttons; what a press can do is bounded
//! by what is said this way (see [`links`](crate::renewal::links)).

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, LOCATION, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, Utc};
use url::form_urlencoded;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::ticket::Page;
use crate::domain::token::DatapassId;
use crate::renewal::links::{self, Heard, Opened, Saying};
use crate::web::answer::{self, Unready};
use crate::web::pages::{self, FARTHEST, Shown, Slip};
use crate::web::{Live, Site};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The pages of [`Page`], and their style.
pub(super) fn routes() -> Router<Live> {
    let mut routes = Router::new().route("/style.css", get(style));
    for page in Page::ALL {
        let show = move |live, path, uri, headers| show(page, live, path, uri, headers);
        let hear = move |live, path, uri, headers, body| hear(page, live, path, uri, headers, body);
        let methods = match page {
            Page::Overview => get(show),
            Page::Filed | Page::Renewed | Page::NotForMe => get(show).post(hear),
        };
        routes = routes.route(&page.path("{ticket}"), methods);
    }
    routes
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], pages::STYLE).into_response()
}

async fn show(
    page: Page,
    State(live): State<Live>,
    Path(ticket): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Unready> {
    let site = live.site();
    let opened = match site.desk.pages.keys() {
        Some(keys) => links::open(&site.store, keys, &ticket).await?,
        None => None,
    };
    let Some(opened) = opened else {
        return Ok(gone(&site, page, &uri, &headers));
    };
    Ok(render(
        StatusCode::OK,
        &site,
        page,
        &ticket,
        &uri,
        &opened,
        None,
    ))
}

async fn hear(
    page: Page,
    State(live): State<Live>,
    Path(ticket): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Unready> {
    let site = live.site();
    if !is_from_here(&site, &headers) {
        return Ok(answer::plain(
            StatusCode::FORBIDDEN,
            &text!(
                "This answer came from another site.",
                "Cette réponse vient d’un autre site."
            ),
        ));
    }
    let Some(keys) = site.desk.pages.keys() else {
        return Ok(gone(&site, page, &uri, &headers));
    };
    let now = (site.now)();
    let calendar = &site.desk.calendar;
    let Some(read) = read(page, &body, calendar, now) else {
        return Ok(answer::plain(
            StatusCode::BAD_REQUEST,
            &text!(
                "This form is not ours.",
                "Ce formulaire n’est pas le nôtre."
            ),
        ));
    };
    let slip = match read {
        Ok(saying) => {
            match links::say(&site.store, keys, &ticket, &saying, (calendar, now)).await? {
                Heard::Recorded(opened) => {
                    tracing::info!(token = %opened.token.id, page = page.suffix(), "said by a link");
                    return Ok(back(page, &uri));
                }
                Heard::Gone => return Ok(gone(&site, page, &uri, &headers)),
                Heard::NotLater(recorded) => Slip {
                    typed: field(&body, "date").unwrap_or_default().into_owned(),
                    why: not_later(calendar.date(recorded)),
                },
            }
        }
        Err(slip) => slip,
    };
    let Some(opened) = links::open(&site.store, keys, &ticket).await? else {
        return Ok(gone(&site, page, &uri, &headers));
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(render(
        status,
        &site,
        page,
        &ticket,
        &uri,
        &opened,
        Some(slip),
    ))
}

fn render(
    status: StatusCode,
    site: &Site,
    page: Page,
    ticket: &str,
    uri: &Uri,
    opened: &Opened,
    slip: Option<Slip>,
) -> Response {
    let lang = asked(uri)
        .or_else(|| Lang::parse(&opened.reader.language).ok())
        .unwrap_or(site.desk.language);
    let shown = Shown {
        desk: &site.desk,
        lang,
        ticket,
        page,
        opened,
        now: (site.now)(),
        slip,
    };
    pages::page(status, &shown)
}

fn gone(site: &Site, page: Page, uri: &Uri, headers: &HeaderMap) -> Response {
    let lang = asked(uri)
        .or_else(|| preferred(headers))
        .unwrap_or(site.desk.language);
    pages::gone(&site.desk, lang, page)
}

/// Back to the page by GET, so that loading it again sends nothing.
fn back(page: Page, uri: &Uri) -> Response {
    let name = page.suffix().trim_start_matches('/');
    let to = match asked(uri) {
        Some(lang) => format!("{name}?lang={lang}"),
        None => name.to_owned(),
    };
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// Whether an answer may come from one of these pages. With `Referrer-Policy: no-referrer` a
/// browser sends `Origin: null` for them, so that proves nothing either way.
fn is_from_here(site: &Site, headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let is_ours = |origin: &str| {
        origin == "null"
            || site
                .public_url
                .as_ref()
                .is_some_and(|url| url.origin().eq_ignore_ascii_case(origin))
            || of(axum::http::header::HOST)
                .is_some_and(|host| origin.eq_ignore_ascii_case(&format!("http://{host}")))
    };
    of(SEC_FETCH_SITE).is_none_or(|from| matches!(from, "same-origin" | "none"))
        && of(ORIGIN).is_none_or(is_ours)
}

/// What a form says, or what was typed wrong; `None`: it is no form of this page.
fn read(
    page: Page,
    body: &[u8],
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Option<Result<Saying, Slip>> {
    match (page, field(body, "say")?.as_ref()) {
        (Page::Filed, "yes") => Some(number(body)),
        (Page::Filed, "no") => Some(Ok(Saying::NotFiled)),
        (Page::Renewed, "yes") => Some(date(body, calendar, now)),
        (Page::Renewed, "no") => Some(Ok(Saying::NotRenewed)),
        (Page::NotForMe, "yes") => Some(Ok(Saying::NotForMe)),
        _ => None,
    }
}

fn number(body: &[u8]) -> Result<Saying, Slip> {
    let typed = field(body, "number").unwrap_or_default();
    // As people copy it: "n° 11 244".
    let bare: String = typed
        .trim_start_matches(['n', 'N', '°', 'o', '.', ' ', '\u{a0}'])
        .split_whitespace()
        .collect();
    if bare.is_empty() && typed.trim().is_empty() {
        return Ok(Saying::Filed(None));
    }
    let read = DatapassId::parse(&bare);
    read.map(|n| Saying::Filed(Some(n))).map_err(|_| Slip {
        typed: short(&typed),
        why: text!(
            "A Data Pass number has only digits, as in 11244.",
            "Un numéro Data Pass n’a que des chiffres, comme 11244."
        ),
    })
}

fn date(body: &[u8], calendar: &Calendar, now: DateTime<Utc>) -> Result<Saying, Slip> {
    let typed = field(body, "date").unwrap_or_default();
    let written = typed.trim();
    if written.is_empty() {
        return Ok(Saying::Renewed(None));
    }
    let today = calendar.date(now);
    let why = match read_date(written) {
        None => text!(
            "This is not a date: write it as 2027-11-30.",
            "Ce n’est pas une date : l’écrire comme 30/11/2027."
        ),
        Some(day) if day < today => text!(
            "This date has passed: give the one until which the token is valid now.",
            "Cette date est passée : donner celle jusqu’à laquelle le jeton est maintenant valable."
        ),
        Some(day) if day > today + FARTHEST => text!(
            "This date is too far away: please check the year.",
            "Cette date est trop lointaine : merci de vérifier l’année."
        ),
        Some(day) => return Ok(Saying::Renewed(Some(calendar.end_of_day(day)))),
    };
    Err(Slip {
        typed: short(&typed),
        why,
    })
}

/// A date as browsers send it, or as people write it where they have no field for dates.
pub(in crate::web) fn read_date(written: &str) -> Option<NaiveDate> {
    ["%Y-%m-%d", "%d/%m/%Y"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(written, form).ok())
        .filter(|day| (1..=9999).contains(&chrono::Datelike::year(day)))
}

fn not_later(recorded: NaiveDate) -> Text {
    let (en, fr) = (
        crate::delivery::compose::date(Lang::En, recorded),
        crate::delivery::compose::date(Lang::Fr, recorded),
    );
    text!(
        "This is not later than the date that we know, {en}: give the new one.",
        "Cette date n’est pas postérieure à celle que nous connaissons, le {fr} : donner la nouvelle."
    )
}

/// What is given back to be mended.
fn short(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn field<'b>(body: &'b [u8], name: &str) -> Option<Cow<'b, str>> {
    form_urlencoded::parse(body)
        .find(|(n, _)| n == name)
        .map(|(_, value)| value)
}

/// The language of the switch.
fn asked(uri: &Uri) -> Option<Lang> {
    let query = uri.query()?.as_bytes();
    Lang::parse(&field(query, "lang")?).ok()
}

/// The first language of a browser's list that these pages have.
fn preferred(headers: &HeaderMap) -> Option<Lang> {
    let list = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    list.split(',').find_map(|item| {
        let tag = item.split(';').next()?.trim();
        Lang::parse(&tag.split('-').next()?.to_ascii_lowercase()).ok()
    })
}
