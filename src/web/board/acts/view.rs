//! What the page of an act shows: how things stand, what would change, the question, and the
//! fields for its particulars.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::domain::language::Text;
use crate::web::board::acts::flash::{DONE, Note};
use crate::web::board::{Ask, Section};

/// A page that asks.
#[derive(Debug, Default, Serialize)]
pub(super) struct Page {
    /// From the directory of the home page to what the act is about.
    pub(super) back: String,
    pub(super) back_words: String,
    /// How it stands.
    pub(super) facts: Vec<Fact>,
    /// What was wrong.
    pub(super) problem: Option<Problem>,
    /// What would change.
    pub(super) effect: Option<Effect>,
    /// The question.
    pub(super) question: Option<Question>,
    /// What may be asked for here.
    pub(super) forms: Vec<Form>,
    /// The language that the address asks for, to be kept.
    pub(super) asked: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) label: String,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) words: String,
    pub(super) hint: Option<String>,
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Serialize)]
pub(super) struct Link {
    pub(super) words: String,
    /// From the directory of the home page.
    pub(super) to: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Effect {
    pub(super) what: String,
    pub(super) changes: Vec<Change>,
    pub(super) reminders: Vec<Reminders>,
    pub(super) next: Option<String>,
    pub(super) warnings: Vec<String>,
    pub(super) remarks: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) label: String,
    pub(super) before: String,
    pub(super) after: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Reminders {
    pub(super) heading: String,
    pub(super) lines: Vec<String>,
    /// Lines that are left out.
    pub(super) more: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Question {
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) button: String,
    pub(super) is_grave: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Form {
    /// The value of `do`.
    pub(super) choice: &'static str,
    pub(super) heading: String,
    pub(super) words: String,
    pub(super) fields: Vec<Field>,
    pub(super) button: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) id: String,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    pub(super) is_date: bool,
    pub(super) value: String,
    pub(super) is_wrong: bool,
}

impl Page {
    /// Its answer.
    pub(super) fn answer(
        mut self,
        ask: &Ask,
        status: StatusCode,
        section: Section,
        title: &Text,
    ) -> Response {
        self.asked = ask.query.get("lang").map(|_| ask.lang.code().to_owned());
        ask.page_with(status, section, title, "act.html", &self)
    }
}

/// Back by GET, so that loading the page again sends nothing: `to` is relative to the act.
pub(super) fn back(ask: &Ask, to: &str, note: Note) -> Response {
    let lang = match ask.query.get("lang") {
        Some(_) => format!("&lang={}", ask.lang),
        None => String::new(),
    };
    let to = format!("{to}?{DONE}={}{lang}", note.word());
    let headers = [(axum::http::header::LOCATION, to)];
    (StatusCode::SEE_OTHER, headers).into_response()
}
