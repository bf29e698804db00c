//! The pages behind the links of mails, as HTML: what a token is, what was said of it, and what
//! its reader can say.
//!
//! Pure: the same record gives the same page. Everything that comes from the record is escaped.
//! No page holds a script, and every address in it is relative, so that a reverse proxy may
//! serve it below a path.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Days, Utc};
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;
use std::sync::LazyLock;

use crate::delivery::compose;
use crate::delivery::desk::Desk;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::{LAST_WORDS, Silence};
use crate::domain::ticket::Page;
use crate::domain::token::{DatapassId, Jti};
use crate::renewal::links::Opened;
use crate::store::quiet::Said;

/// The style sheet of every page.
pub(super) const STYLE: &str = include_str!("../../templates/pages/style.css");

/// A renewal is for 18 months, and may become longer; a date beyond this is a slip.
pub(super) const FARTHEST: Days = Days::new(10 * 366);

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = compose::engine();
    for (name, source) in [
        ("base.html", include_str!("../../templates/pages/base.html")),
        ("page.html", include_str!("../../templates/pages/page.html")),
        (
            "facts.html",
            include_str!("../../templates/pages/facts.html"),
        ),
        ("gone.html", include_str!("../../templates/pages/gone.html")),
        ("fr.txt", include_str!("../../templates/pages/fr.txt")),
        ("en.txt", include_str!("../../templates/pages/en.txt")),
    ] {
        engine
            .add_template(name, source)
            .expect("the pages are well formed");
    }
    engine
});

/// What a page is made from.
pub(super) struct Shown<'a> {
    pub(super) desk: &'a Desk,
    pub(super) lang: Lang,
    pub(super) ticket: &'a str,
    pub(super) page: Page,
    pub(super) opened: &'a Opened,
    pub(super) now: DateTime<Utc>,
    /// What was typed and why it was not taken.
    pub(super) slip: Option<Slip>,
}

/// Something typed that cannot be taken.
pub(super) struct Slip {
    pub(super) typed: String,
    pub(super) why: Text,
}

#[derive(Serialize)]
struct Frame<'a> {
    lang: &'static str,
    other: &'static str,
    organisation: &'a str,
    /// From the page to the directory of the style sheet.
    root: &'static str,
}

#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    page: &'static str,
    title: String,
    pages: Links,
    facts: Vec<Fact>,
    said: Vec<Statement>,
    can: Choices,
    /// Whether early stages are over, so that nothing is silenced.
    last: bool,
    error: Option<&'a str>,
    value: &'a str,
    earliest: String,
    latest: String,
    reader: String,
    renewal: Option<String>,
}

#[derive(Serialize)]
struct Links {
    overview: String,
    filed: String,
    renewed: String,
    not_for_me: String,
}

/// What is still to be said.
#[derive(Serialize)]
struct Choices {
    filed: bool,
    renewed: bool,
    not_for_me: bool,
}

#[derive(Serialize)]
struct Fact {
    label: &'static str,
    value: String,
}

/// Something that was said, and how its author takes it back.
#[derive(Serialize)]
struct Statement {
    /// The page that it belongs to.
    of: &'static str,
    page: String,
    words: String,
    undo: Option<&'static str>,
}

fn word(page: Page) -> &'static str {
    match page {
        Page::Overview => "overview",
        Page::Filed => "filed",
        Page::Renewed => "renewed",
        Page::NotForMe => "not_for_me",
    }
}

fn frame<'a>(desk: &'a Desk, lang: Lang, root: &'static str) -> Frame<'a> {
    Frame {
        lang: lang.code(),
        other: lang.pick(Lang::Fr, Lang::En).code(),
        organisation: &desk.organisation,
        root,
    }
}

/// From a page to the directory above all of them.
fn root(page: Page) -> &'static str {
    match page {
        Page::Overview => "../",
        Page::Filed | Page::Renewed | Page::NotForMe => "../../",
    }
}

/// One page.
pub(super) fn page(status: StatusCode, shown: &Shown<'_>) -> Response {
    let (opened, lang) = (shown.opened, shown.lang);
    let link = |page: Page| {
        let above = match shown.page {
            Page::Overview => "",
            Page::Filed | Page::Renewed | Page::NotForMe => "../",
        };
        format!("{above}{}{}?lang={lang}", shown.ticket, page.suffix())
    };
    let today = shown.desk.calendar.date(shown.now);
    let expires = shown.desk.calendar.date(opened.token.period.expires);
    let earliest = expires.succ_opt().unwrap_or(expires).max(today);
    let view = View {
        frame: frame(shown.desk, lang, root(shown.page)),
        page: word(shown.page),
        title: title(shown),
        pages: Links {
            overview: link(Page::Overview),
            filed: link(Page::Filed),
            renewed: link(Page::Renewed),
            not_for_me: link(Page::NotForMe),
        },
        facts: facts(shown),
        said: statements(shown, &link),
        can: Choices {
            filed: opened.said(Silence::Filed).is_none(),
            // A date may be added to what was said without one.
            renewed: opened
                .said(Silence::Declared)
                .is_none_or(|s| s.expires.is_none()),
            not_for_me: opened.not_for_me.is_none(),
        },
        last: (expires - today).num_days() <= i64::from(LAST_WORDS),
        error: shown.slip.as_ref().map(|s| s.why.in_lang(lang)),
        value: shown.slip.as_ref().map_or("", |s| &s.typed),
        earliest: earliest.to_string(),
        latest: (today + FARTHEST).to_string(),
        reader: opened
            .reader
            .name
            .clone()
            .unwrap_or_else(|| opened.reader.address.clone()),
        renewal: renewal(shown),
    };
    html(status, "page.html", &Value::from(Serde(&view)))
}

/// The one page of every link that opens nothing. It says nothing of why.
pub(super) fn gone(desk: &Desk, lang: Lang, page: Page) -> Response {
    let view = frame(desk, lang, root(page));
    html(StatusCode::GONE, "gone.html", &Value::from(Serde(&view)))
}

fn html(status: StatusCode, template: &str, view: &Value) -> Response {
    let rendered = ENGINE.get_template(template).and_then(|t| t.render(view));
    match rendered {
        Ok(body) => {
            let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
            (status, kind, body.trim_start().to_owned()).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn title(shown: &Shown<'_>) -> String {
    let name = &shown.opened.token.facts.name;
    let titled = match shown.page {
        Page::Overview => text!("The token “{name}”", "Le jeton « {name} »"),
        Page::Filed => text!(
            "“{name}”: I have filed the request",
            "« {name} » : j’ai déposé la demande"
        ),
        Page::Renewed => text!("“{name}”: it is renewed", "« {name} » : il est renouvelé"),
        Page::NotForMe => text!(
            "“{name}”: this is not for me",
            "« {name} » : ce n’est pas pour moi"
        ),
    };
    titled.in_lang(shown.lang).to_owned()
}

fn facts(shown: &Shown<'_>) -> Vec<Fact> {
    let (token, lang, calendar) = (&shown.opened.token, shown.lang, &shown.desk.calendar);
    let expires = token.period.expires;
    let when = compose::whole_moment(lang, calendar, expires);
    let left = compose::left(lang, calendar, expires, shown.now);
    let expired = expires < shown.now;
    let standing = match (expired, lang) {
        (false, _) => left,
        (true, Lang::Fr) => format!("accès coupé {left}"),
        (true, Lang::En) => format!("access cut {left}"),
    };
    let fact = |en, fr, value: Option<String>| {
        value.map(|value| Fact {
            label: lang.pick(en, fr),
            value,
        })
    };
    let mut facts = vec![
        fact("Expiry", "Échéance", Some(format!("{when}, {standing}"))),
        fact("Client", "Client", token.facts.client_name.clone()),
    ];
    // Where something is to be typed, a telephone has no room for the rest.
    if shown.page == Page::Overview {
        facts.extend([
            fact("Data Pass", "Data Pass", token.facts.datapass_id.clone()),
            fact("Reference", "Référence", Some(token.id.clone())),
        ]);
    }
    facts.into_iter().flatten().collect()
}

fn renewal(shown: &Shown<'_>) -> Option<String> {
    let token = &shown.opened.token;
    let parsed = |s: &Option<String>| s.as_deref().and_then(|s| DatapassId::parse(s).ok());
    let jti = token.jti.as_deref().and_then(|s| Jti::parse(s).ok());
    let said = shown.opened.said.iter().any(|s| s.kind != Silence::Snoozed);
    (!said).then(|| {
        shown
            .desk
            .link
            .fill(parsed(&token.facts.datapass_id).as_ref(), jti.as_ref())
    })?
}

fn statements(shown: &Shown<'_>, link: &dyn Fn(Page) -> String) -> Vec<Statement> {
    let (opened, lang) = (shown.opened, shown.lang);
    let mut statements = Vec::new();
    for said in &opened.said {
        let mine = opened.is_mine(said);
        let (page, words, undo) = match said.kind {
            Silence::Filed => (
                Page::Filed,
                filed(shown, said),
                lang.pick(
                    "Undo: it is not filed",
                    "Annuler\u{a0}: elle n’est pas déposée",
                ),
            ),
            Silence::Declared => (
                Page::Renewed,
                declared(shown, said),
                lang.pick(
                    "Undo: it is not renewed",
                    "Annuler\u{a0}: il n’est pas renouvelé",
                ),
            ),
            // An administrator put the reminders off: nothing for the reader to do.
            Silence::Snoozed => continue,
        };
        statements.push(Statement {
            of: word(page),
            page: link(page),
            words: words.in_lang(lang).to_owned(),
            undo: mine.then_some(undo),
        });
    }
    if let Some(at) = opened.not_for_me {
        let Text { en, fr } = day(shown, at);
        let words = text!(
            "You said on {en} that this token is not for you. The others are told.",
            "Vous avez indiqué le {fr} que ce jeton n’est pas pour vous. Les autres personnes sont prévenues."
        );
        statements.push(Statement {
            of: word(Page::NotForMe),
            page: link(Page::NotForMe),
            words: words.in_lang(lang).to_owned(),
            undo: None,
        });
    }
    statements
}

fn filed(shown: &Shown<'_>, said: &Said) -> Text {
    let number = match &said.reference {
        Some(n) => text!(" no. {n}", " n°\u{a0}{n}"),
        None => text!("", ""),
    };
    text!(
        "{{}} on {{}} that the request{{}} is filed.",
        "{{}} indiqué le {{}} que la demande{{}} est déposée."
    )
    .with(&author(shown, said))
    .with(&day(shown, said.at))
    .with(&number)
}

fn declared(shown: &Shown<'_>, said: &Said) -> Text {
    let until = match said.expires {
        Some(at) => text!(", until {{}}", ", jusqu’au {{}}").with(&day(shown, at)),
        None => text!("", ""),
    };
    text!(
        "{{}} on {{}} that the token is renewed{{}}.",
        "{{}} indiqué le {{}} que le jeton est renouvelé{{}}."
    )
    .with(&author(shown, said))
    .with(&day(shown, said.at))
    .with(&until)
}

/// Who said so. Nobody but the reader is named: links are passed on.
fn author(shown: &Shown<'_>, said: &Said) -> Text {
    if shown.opened.is_mine(said) {
        text!("You said", "Vous avez")
    } else if said.who.starts_with("recipient:") {
        text!(
            "Another person who is told said",
            "Une autre personne prévenue a"
        )
    } else if said.who == "webhook" {
        text!("Data Pass said", "Data Pass a")
    } else {
        text!("The person in charge said", "Le responsable a")
    }
}

fn day(shown: &Shown<'_>, at: DateTime<Utc>) -> Text {
    let on = shown.desk.calendar.date(at);
    Text {
        en: compose::date(Lang::En, on),
        fr: compose::date(Lang::Fr, on),
    }
}
