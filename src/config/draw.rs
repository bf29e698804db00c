//! Diagnostics for a terminal, drawn under the lines they are about as rustc does.
//!
//! Only the lines that matter are handed to the renderer, so that drawing costs nothing in
//! proportion to the file; they come from [`Source::excerpt`], which shows no secret.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::config::diagnostic::{Diagnostic, Place, Severity};
use crate::config::source::Source;
use crate::domain::language::{Lang, Text};

/// Whether the drawing carries terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    Ansi,
    /// None.
    None,
}

/// Draws diagnostics in `lang`, one after the other, a blank line between them.
pub fn draw(diagnostics: &[Diagnostic], sources: &[Source], lang: Lang, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Ansi => Renderer::styled(),
        Colour::None => Renderer::plain(),
    };
    let drawn: Vec<String> = diagnostics
        .iter()
        .map(|d| draw_one(d, sources, lang, &renderer))
        .collect();
    drawn.join("\n\n")
}

fn draw_one(d: &Diagnostic, sources: &[Source], lang: Lang, renderer: &Renderer) -> String {
    let word = d.severity.word(lang);
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.with_name(word).primary_title(d.message.in_lang(lang));
    let mut group = match &d.at {
        Some(place) => {
            let snippet = line(
                place,
                sources,
                AnnotationKind::Primary,
                d.label.as_ref(),
                lang,
            );
            title.element(snippet)
        }
        None => Group::with_title(title),
    };
    for (place, label) in &d.also {
        let snippet = line(place, sources, AnnotationKind::Context, Some(label), lang);
        group = group.element(snippet);
    }
    if let Some(help) = &d.help {
        let word = lang.pick("help", "aide");
        group = group.element(Level::HELP.with_name(word).message(help.in_lang(lang)));
    }
    renderer.render(&[group])
}

fn line<'a>(
    place: &'a Place,
    sources: &[Source],
    kind: AnnotationKind,
    label: Option<&'a Text>,
    lang: Lang,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let excerpt = sources[place.source].excerpt(&place.span);
    let mut mark = kind.span(excerpt.span);
    if let Some(label) = label {
        mark = mark.label(label.in_lang(lang));
    }
    Snippet::source(excerpt.text)
        .path(place.file.as_str())
        .line_start(excerpt.line)
        .annotation(mark)
}
