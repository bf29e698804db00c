//! What the templates of a note are given: its paragraphs, each known for what it is.
//!
//! A note is written in plain words with three signs: `## ` before a heading, `- ` before the
//! entries of a list, and a link alone. Whatever else it holds is shown as it is.

use std::borrow::Cow;

use serde::Serialize;

use crate::delivery::compose::letter::{Envelope, Note};
use crate::delivery::compose::prose::tidy_name;
use crate::delivery::compose::view::{Frame, frame};
use crate::domain::language::is_hazardous;

/// The variables of `note.txt` and `note.html`.
#[derive(Serialize)]
pub(super) struct NoteView<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    paragraphs: Vec<Paragraph>,
}

#[derive(Serialize)]
struct Paragraph {
    words: String,
    is_link: bool,
    /// It stands over the next one.
    is_heading: bool,
    /// The entries, where the paragraph is a list.
    items: Vec<String>,
}

/// A note in the words of its language.
pub(super) fn view<'a>(note: &Note, envelope: &'a Envelope, subject: &'a str) -> NoteView<'a> {
    let paragraphs = note
        .body
        .iter()
        .map(|p| paragraph(p.in_lang(envelope.lang)));
    NoteView {
        frame: frame(envelope, subject),
        paragraphs: paragraphs.collect(),
    }
}

fn paragraph(said: &str) -> Paragraph {
    let is_link = said.starts_with("https://")
        && !said.contains(|c: char| c.is_whitespace() || is_hazardous(c));
    if is_link {
        return Paragraph {
            words: said.to_owned(),
            is_link,
            is_heading: false,
            items: Vec::new(),
        };
    }
    let heading = said.strip_prefix("## ");
    let items: Option<Vec<String>> = said
        .lines()
        .map(|line| Some(tidy_name(line.strip_prefix("- ")?).into_owned()))
        .collect();
    let lines: Vec<Cow<'_, str>> = heading.unwrap_or(said).lines().map(tidy_name).collect();
    Paragraph {
        words: lines.join("\n"),
        is_link,
        is_heading: heading.is_some(),
        items: items.unwrap_or_default(),
    }
}
