//! The template engine: the built-in templates, an operator's overrides, and their errors.
//!
//! HTML is escaped, text is not, and an undefined variable is an error: a mail with a hole in it
//! never leaves.

use std::error::Error as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

use crate::delivery::compose::plain;
use crate::domain::language::{Text, text};

/// The templates compiled in: the name under which each can be overridden, and its source.
pub(super) const BUILT_IN: [(&str, &str); 9] = [
    ("base.html", include_str!("../../../templates/base.html")),
    (
        "en/words.txt",
        include_str!("../../../templates/en/words.txt"),
    ),
    ("footer.txt", include_str!("../../../templates/footer.txt")),
    (
        "fr/words.txt",
        include_str!("../../../templates/fr/words.txt"),
    ),
    ("note.html", include_str!("../../../templates/note.html")),
    ("note.txt", include_str!("../../../templates/note.txt")),
    (
        "reminder.html",
        include_str!("../../../templates/reminder.html"),
    ),
    (
        "reminder.txt",
        include_str!("../../../templates/reminder.txt"),
    ),
    ("style.css", include_str!("../../../templates/style.css")),
];

/// The two parts of a reminder.
pub(super) const REMINDER: (&str, &str) = ("reminder.txt", "reminder.html");

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The template's name, as its file is called under the directory of overrides.
    pub template: String,
    /// The line, from 1, if the fault stands on one.
    pub line: Option<usize>,
    /// What is wrong, for a person.
    pub why: Text,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.template, self.why.en),
            None => write!(f, "{}: {}", self.template, self.why.en),
        }
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    /// The innermost place of an error: an include reports itself first, and the file that a
    /// person must mend last.
    fn from_engine(error: &minijinja::Error, rendered: &str) -> Self {
        let mut innermost = error;
        let mut next = error.source();
        while let Some(source) = next {
            if let Some(e) = source.downcast_ref::<minijinja::Error>()
                && e.line().is_some()
            {
                innermost = e;
            }
            next = source.source();
        }
        let kind = innermost.kind();
        let detail = innermost.detail().unwrap_or_default();
        let why = if detail.is_empty() {
            text!("{kind}", "{kind}")
        } else {
            text!("{kind}: {detail}", "{kind} : {detail}")
        };
        Self {
            template: innermost.name().unwrap_or(rendered).to_owned(),
            line: innermost.line(),
            why,
        }
    }

    fn unknown(name: &str) -> Self {
        let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let known = known.join(", ");
        Self {
            template: name.chars().filter(|c| !c.is_control()).collect(),
            line: None,
            why: text!(
                "no template has this name; these can be overridden: {known}",
                "aucun gabarit ne porte ce nom ; peuvent être remplacés : {known}"
            ),
        }
    }
}

/// An engine without templates: its rules are those of every text of this program.
pub(super) fn engine() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the default delimiters are well formed");
    env.set_syntax(syntax);
    env.add_filter("flat", |value: Value| {
        let flat = value.as_str().map(plain::flat);
        match flat {
            // What a macro has escaped must not be escaped again.
            Some(flat) if value.is_safe() => Value::from_safe_string(flat),
            Some(flat) => Value::from(flat),
            None => value,
        }
    });
    env.add_filter("column", |s: String, width: usize| {
        let gap = width.saturating_sub(s.chars().count()).max(2);
        format!("{s}{}", " ".repeat(gap))
    });
    env.set_formatter(|out, state, value| match value.as_str() {
        Some(s) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            write_escaped(out, s)
        }
        _ => escape_formatter(out, state, value),
    });
    env
}

/// The engine with the built-in templates, and `files` in their place.
pub(super) fn environment(
    files: impl Iterator<Item = (String, String)>,
) -> Result<Environment<'static>, TemplateError> {
    let mut env = engine();
    for (name, source) in BUILT_IN {
        env.add_template(name, source)
            .map_err(|e| TemplateError::from_engine(&e, name))?;
    }
    for (name, source) in files {
        if !BUILT_IN.iter().any(|(known, _)| *known == name) {
            return Err(TemplateError::unknown(&name));
        }
        env.add_template_owned(name.clone(), source)
            .map_err(|e| TemplateError::from_engine(&e, &name))?;
    }
    Ok(env)
}

/// Escapes what HTML reads as markup. The engine's own escape also rewrites the slashes of a
/// link, which then no longer stands whole in the source.
fn write_escaped(out: &mut Output<'_>, s: &str) -> Result<(), minijinja::Error> {
    let mut rest = s;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.write_str(&rest[..at])?;
        out.write_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        })?;
        rest = &rest[at + 1..];
    }
    Ok(out.write_str(rest)?)
}

/// Both parts of a mail from the same variables, the text laid out.
pub(super) fn render(
    env: &Environment<'_>,
    names: (&str, &str),
    view: &impl Serialize,
) -> Result<(String, String), TemplateError> {
    let (text, html) = render_raw(env, names, view)?;
    Ok((plain::lay_out(&text), html))
}

/// Both parts of a mail, the text as the template gives it.
pub(super) fn render_raw(
    env: &Environment<'_>,
    (text, html): (&str, &str),
    view: &impl Serialize,
) -> Result<(String, String), TemplateError> {
    let variables = Value::from(Serde(view));
    let render = |name: &str| {
        env.get_template(name)
            .and_then(|t| t.render(variables.clone()))
            .map_err(|e| TemplateError::from_engine(&e, name))
    };
    let text = render(text)?;
    let html = render(html)?;
    // Sentences bring their own line ends; the empty lines say nothing.
    let lines: Vec<&str> = html.lines().filter(|l| !l.trim().is_empty()).collect();
    Ok((text, lines.join("\n") + "\n"))
}
