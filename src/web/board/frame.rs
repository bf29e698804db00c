//! What every page of the dashboard has around it, and the engine that fills its templates.
//!
//! A template says everything in both languages, side by side, by `t("English", "Français")`;
//! each language has an engine of its own in which `t` takes its wording. HTML is escaped, and a
//! variable that is not there is an error.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse as _, Response};
use minijinja::value::Serde;
use minijinja::{Environment, HtmlEscape, Value};
use serde::Serialize;

use crate::delivery::compose;
use crate::domain::language::{Lang, Text, set_in_french};
use crate::web::board::{Ask, acts};
use crate::web::guard::SAME_ORIGIN;

/// The templates of the dashboard.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "act.html",
        include_str!("../../../templates/board/act.html"),
    ),
    (
        "act_shut.html",
        include_str!("../../../templates/board/act_shut.html"),
    ),
    (
        "base.html",
        include_str!("../../../templates/board/base.html"),
    ),
    (
        "chart.html",
        include_str!("../../../templates/board/chart.html"),
    ),
    (
        "health.html",
        include_str!("../../../templates/board/health.html"),
    ),
    (
        "home.html",
        include_str!("../../../templates/board/home.html"),
    ),
    (
        "login.html",
        include_str!("../../../templates/board/login.html"),
    ),
    (
        "missing.html",
        include_str!("../../../templates/board/missing.html"),
    ),
    (
        "timeline.html",
        include_str!("../../../templates/board/timeline.html"),
    ),
];

/// The templates of the lists, and what they share.
const LISTS: [(&str, &str); 14] = [
    (
        "client.html",
        include_str!("../../../templates/board/client.html"),
    ),
    (
        "clients.html",
        include_str!("../../../templates/board/clients.html"),
    ),
    (
        "events.html",
        include_str!("../../../templates/board/events.html"),
    ),
    (
        "journal.html",
        include_str!("../../../templates/board/journal.html"),
    ),
    (
        "mail.html",
        include_str!("../../../templates/board/mail.html"),
    ),
    (
        "mails.html",
        include_str!("../../../templates/board/mails.html"),
    ),
    (
        "outbox.html",
        include_str!("../../../templates/board/outbox.html"),
    ),
    (
        "pager.html",
        include_str!("../../../templates/board/pager.html"),
    ),
    (
        "recipient.html",
        include_str!("../../../templates/board/recipient.html"),
    ),
    (
        "recipients.html",
        include_str!("../../../templates/board/recipients.html"),
    ),
    (
        "token.html",
        include_str!("../../../templates/board/token.html"),
    ),
    (
        "token_rows.html",
        include_str!("../../../templates/board/token_rows.html"),
    ),
    (
        "tokens.html",
        include_str!("../../../templates/board/tokens.html"),
    ),
    (
        "unknown.html",
        include_str!("../../../templates/board/unknown.html"),
    ),
];

static FRENCH: LazyLock<Environment<'static>> = LazyLock::new(|| engine(Lang::Fr));
static ENGLISH: LazyLock<Environment<'static>> = LazyLock::new(|| engine(Lang::En));

/// The parts of the dashboard, as its menu names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Section {
    Home,
    Tokens,
    Timeline,
    Clients,
    Recipients,
    Outbox,
    Journal,
    Health,
    /// No part of the menu: the login.
    Elsewhere,
}

impl Section {
    const MENU: [(Self, &'static str, &'static str, &'static str); 8] = [
        (Self::Home, "", "Overview", "Vue d’ensemble"),
        (Self::Tokens, "tokens", "Tokens", "Jetons"),
        (Self::Timeline, "timeline", "Timeline", "Frise"),
        (Self::Clients, "clients", "Clients", "Clients"),
        (
            Self::Recipients,
            "recipients",
            "Recipients",
            "Destinataires",
        ),
        (Self::Outbox, "outbox", "Outbox", "Courriels"),
        (Self::Journal, "journal", "Journal", "Journal"),
        (Self::Health, "health", "Health", "Santé"),
    ];
}

#[derive(Serialize)]
struct Item {
    path: &'static str,
    name: &'static str,
    current: bool,
}

/// What stands around a page.
#[derive(Serialize)]
pub(super) struct Frame {
    lang: &'static str,
    other: &'static str,
    /// This page in the other language.
    switch: String,
    title: String,
    organisation: String,
    /// From the page to the directory of the home page: a proxy may add to the path.
    root: String,
    menu: Vec<Item>,
    /// What was just done here.
    note: Option<String>,
    /// The visitor's name; none without login.
    me: Option<String>,
    may_act: bool,
    csrf: Option<String>,
    /// The present, local.
    at: String,
}

impl Frame {
    pub(super) fn new(ask: &Ask, section: Section, title: &Text) -> Self {
        let other = ask.lang.pick(Lang::Fr, Lang::En).code();
        let deep = ask.path.bytes().filter(|b| *b == b'/').count();
        let local = ask.now.with_timezone(&ask.calendar().tz);
        Self {
            lang: ask.lang.code(),
            other,
            switch: ask.query.with("lang", other),
            title: ask.say(title).to_owned(),
            organisation: ask.site.desk.organisation.clone(),
            root: match deep.saturating_sub(1) {
                0 => "./".to_owned(),
                n => "../".repeat(n.min(8)),
            },
            menu: Section::MENU
                .iter()
                // Who is at the login has nothing to choose from yet.
                .filter(|_| section != Section::Elsewhere)
                .map(|(of, path, en, fr)| Item {
                    path,
                    name: ask.lang.pick(en, fr),
                    current: *of == section,
                })
                .collect(),
            note: acts::flash(ask).map(|note| ask.say(&note).to_owned()),
            me: ask.visitor.name.clone(),
            may_act: ask.visitor.may_act(),
            csrf: ask.visitor.csrf.clone(),
            at: local.format("%Y-%m-%d %H:%M").to_string(),
        }
    }
}

#[derive(Serialize)]
struct Whole<'a, V> {
    #[serde(flatten)]
    frame: &'a Frame,
    #[serde(flatten)]
    view: &'a V,
}

/// Fills a template with the frame and the view, whose fields stand side by side.
pub(super) fn render(
    status: StatusCode,
    lang: Lang,
    template: &str,
    frame: &Frame,
    view: &impl Serialize,
) -> Response {
    let engine = lang.pick(&*ENGLISH, &*FRENCH);
    let whole = Value::from(Serde(&Whole { frame, view }));
    let rendered = engine.get_template(template).and_then(|t| t.render(whole));
    match rendered {
        Ok(body) => {
            let kind = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (REFERRER_POLICY, SAME_ORIGIN),
            ];
            (status, kind, body.trim_start().to_owned()).into_response()
        }
        Err(error) => {
            tracing::error!(%error, template, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn engine(lang: Lang) -> Environment<'static> {
    let mut engine = compose::engine();
    engine.add_function("t", move |en: String, fr: String| match lang {
        Lang::En => en,
        Lang::Fr => set_in_french(fr),
    });
    engine.add_filter("ticks", |words: String| ticks(&words));
    engine.add_filter("n", move |number: i64| grouped(lang, number));
    for (name, source) in TEMPLATES.iter().copied().chain(LISTS) {
        engine
            .add_template(name, source)
            .expect("the pages are well formed");
    }
    engine
}

/// Words in which something stands between backticks, as the terminal shows it: as code.
fn ticks(words: &str) -> Value {
    let mut html = String::with_capacity(words.len());
    for (at, part) in words.split('`').enumerate() {
        if at > 0 {
            html.push_str(if at % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(&HtmlEscape(part).to_string());
    }
    if words.matches('`').count() % 2 == 1 {
        html.push_str("</code>");
    }
    Value::from_safe_string(html)
}

/// A number with its thousands apart: 12,345 or 12 345.
pub(super) fn grouped(lang: Lang, number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut written = String::from(if number < 0 { "−" } else { "" });
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push(lang.pick(',', '\u{202f}'));
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_never_markup() {
        let html = |words: &str| ticks(words).to_string();
        assert_eq!(html("`a<b` ends"), "<code>a&lt;b</code> ends");
        assert_eq!(html("<i>`<b>"), "&lt;i&gt;<code>&lt;b&gt;</code>");
    }

    #[test]
    fn thousands_stand_apart_as_each_language_wants() {
        assert_eq!(grouped(Lang::En, 1_234_567), "1,234,567");
        assert_eq!(grouped(Lang::Fr, 12_345), "12\u{202f}345");
        assert_eq!(grouped(Lang::Fr, 999), "999");
        assert_eq!(grouped(Lang::En, -1000), "−1,000");
    }
}
