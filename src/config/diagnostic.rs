//! What is wrong in the config files, where, and what to write instead.
//!
//! Findings are collected with byte spans while the files are read ([`Report`]) and become
//! [`Diagnostic`]s at the end, in the order of the files. A finding that only follows from
//! another one (a value on a line that does not parse) is dropped there, in one place. No text
//! of a diagnostic ever holds something that looks like a JWT.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::config::source::{Source, without_jwts};
use crate::domain::language::{Lang, Text, text};
use crate::domain::token::no_jwt;

/// Whether a finding refuses the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The files are refused.
    Error,
    /// The files are taken; the person should look.
    Warning,
}

impl Severity {
    /// The word in `lang`.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Error => lang.pick("error", "erreur"),
            Self::Warning => lang.pick("warning", "avertissement"),
        }
    }
}

/// A place in a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user gave it.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// Which of the sources it is in.
    pub(super) source: usize,
    pub(super) span: Range<usize>,
}

impl Place {
    pub(super) fn of(span: &Span, sources: &[Source]) -> Self {
        let Span { source, range } = span.clone();
        let (line, column) = sources[source].position(range.start);
        Self {
            file: sources[source].name().to_owned(),
            line,
            column,
            source,
            span: range,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong or strange in the config files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it refuses the files.
    pub severity: Severity,
    /// Where it is; `None` when a file could not be read at all.
    pub at: Option<Place>,
    /// What is wrong.
    pub message: Text,
    /// A few words under the marked part of the line.
    pub label: Option<Text>,
    /// What to write instead.
    pub help: Option<Text>,
    /// Other places that have to do with it, each with a few words.
    pub also: Vec<(Place, Text)>,
}

/// The form of a diagnostic for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticRow {
    /// The file as the user gave it.
    pub file: Option<String>,
    /// Line from 1.
    pub line: Option<usize>,
    /// Column from 1, in characters.
    pub column: Option<usize>,
    /// `error` or `warning`, in every language.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// One line, `FILE:LINE:COL: error: message`; then the other places and the help, indented.
    pub fn plain(&self, lang: Lang) -> String {
        let place = self.at.as_ref().map_or(String::new(), |p| format!("{p}: "));
        let colon = lang.pick(":", "\u{a0}:");
        let word = self.severity.word(lang);
        let mut said = format!("{place}{word}{colon} {}", self.message.in_lang(lang));
        for (place, label) in &self.also {
            said.push_str(&format!("\n  {place}{colon} {}", label.in_lang(lang)));
        }
        if let Some(help) = &self.help {
            let word = lang.pick("help", "aide");
            let help = help.in_lang(lang).replace('\n', "\n    ");
            said.push_str(&format!("\n  {word}{colon} {help}"));
        }
        said
    }

    /// The form for `--json`.
    pub fn row(&self, lang: Lang) -> DiagnosticRow {
        DiagnosticRow {
            file: self.at.as_ref().map(|p| p.file.clone()),
            line: self.at.as_ref().map(|p| p.line),
            column: self.at.as_ref().map(|p| p.column),
            severity: self.severity.word(Lang::En),
            message: self.message.in_lang(lang).to_owned(),
            help: self.help.as_ref().map(|h| h.in_lang(lang).to_owned()),
        }
    }
}

/// Bytes of one of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) source: usize,
    pub(super) range: Range<usize>,
}

/// What a finding is about: decides whether another finding explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The text is not TOML.
    Syntax,
    /// A token stands in the file.
    Secret,
    /// A value or a key.
    Value,
    /// Something that is absent; its span is where it belongs.
    Absence,
}

#[derive(Debug)]
pub(super) struct Finding {
    severity: Severity,
    about: About,
    span: Option<Span>,
    message: Text,
    label: Option<Text>,
    help: Option<Text>,
    also: Vec<(Span, Text)>,
}

impl Finding {
    pub(super) fn label(&mut self, label: Text) -> &mut Self {
        self.label = Some(label);
        self
    }

    pub(super) fn help(&mut self, help: Text) -> &mut Self {
        self.help = Some(help);
        self
    }

    pub(super) fn also(&mut self, span: Span, label: Text) -> &mut Self {
        self.also.push((span, label));
        self
    }
}

/// The findings of one load.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    /// What must be hidden from the excerpts besides what the raw text gives away.
    hidden: Vec<Span>,
}

impl Report {
    pub(super) fn error(&mut self, span: &Span, message: Text) -> &mut Finding {
        self.add(Severity::Error, About::Value, Some(span.clone()), message)
    }

    pub(super) fn warning(&mut self, span: &Span, message: Text) -> &mut Finding {
        self.add(Severity::Warning, About::Value, Some(span.clone()), message)
    }

    pub(super) fn syntax(&mut self, span: &Span, message: Text) -> &mut Finding {
        self.add(Severity::Error, About::Syntax, Some(span.clone()), message)
    }

    pub(super) fn absence(&mut self, span: &Span, message: Text) -> &mut Finding {
        self.add(Severity::Error, About::Absence, Some(span.clone()), message)
    }

    pub(super) fn unreadable(&mut self, message: Text) -> &mut Finding {
        self.add(Severity::Error, About::Syntax, None, message)
    }

    pub(super) fn jwt(&mut self, span: &Span) {
        self.hidden.push(span.clone());
        let message = no_jwt().0;
        self.add(Severity::Error, About::Secret, Some(span.clone()), message);
    }

    /// Says what to write in place of the tokens that were found within a value.
    pub(super) fn help_with_jwt(&mut self, value: &Span, help: &Text) {
        let within = |span: &Span| {
            span.source == value.source
                && value.range.start <= span.range.start
                && span.range.end <= value.range.end
        };
        for finding in &mut self.findings {
            if finding.about == About::Secret && finding.span.as_ref().is_some_and(within) {
                finding.help = Some(help.clone());
            }
        }
    }

    /// Whether anything is an error.
    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    pub(super) fn hide(&mut self, span: &Span) {
        self.hidden.push(span.clone());
    }

    fn add(
        &mut self,
        severity: Severity,
        about: About,
        span: Option<Span>,
        message: Text,
    ) -> &mut Finding {
        self.findings.push(Finding {
            severity,
            about,
            span,
            message,
            label: None,
            help: None,
            also: Vec::new(),
        });
        self.findings.last_mut().expect("one was just pushed")
    }

    /// The errors and the warnings, each in the order of the files.
    pub(super) fn finish(self, sources: &mut [Source]) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        for Span { source, range } in self.hidden {
            sources[source].hide(range);
        }
        let broken: HashSet<(usize, usize)> = self
            .findings
            .iter()
            .filter(|f| f.about == About::Syntax)
            .filter_map(|f| f.span.as_ref())
            .map(|s| (s.source, sources[s.source].line_index(s.range.start)))
            .collect();
        let mut kept: Vec<Finding> = self
            .findings
            .into_iter()
            .filter(|f| !follows_from_another(f, sources, &broken))
            .collect();
        kept.sort_by_key(|f| f.span.as_ref().map(|s| (s.source, s.range.start)));
        // Two checks may see the same fault; one is enough.
        kept.dedup_by(|b, a| a.span.is_some() && a.span == b.span && a.message == b.message);
        let diagnostics = kept.into_iter().map(|f| diagnostic(f, sources));
        diagnostics.partition(|d| d.severity == Severity::Error)
    }
}

fn follows_from_another(
    finding: &Finding,
    sources: &[Source],
    broken: &HashSet<(usize, usize)>,
) -> bool {
    let Some(Span { source, range }) = &finding.span else {
        return false;
    };
    let on_jwt = sources[*source].touches_jwt(range);
    match finding.about {
        // The text around a token is hidden; the token itself is the one to name.
        About::Secret => on_jwt && !sources[*source].is_jwt(range),
        About::Absence => false,
        About::Syntax => on_jwt,
        // The parser gives a value that it could not read an empty span at the file's start.
        About::Value => {
            on_jwt
                || *range == (0..0)
                || broken.contains(&(*source, sources[*source].line_index(range.start)))
        }
    }
}

fn diagnostic(finding: Finding, sources: &[Source]) -> Diagnostic {
    let place = |span: Span| Place::of(&span, sources);
    let safe = |t: Text| Text {
        en: without_jwts(&t.en),
        fr: without_jwts(&t.fr),
    };
    Diagnostic {
        severity: finding.severity,
        at: finding.span.map(place),
        message: safe(finding.message),
        label: finding.label.map(safe),
        help: finding.help.map(safe),
        also: finding
            .also
            .into_iter()
            .map(|(span, label)| (place(span), safe(label)))
            .collect(),
    }
}

/// The label of the other place of a thing that may be written once only.
pub(super) fn first_here() -> Text {
    text!("first written here", "écrit une première fois ici")
}

/// The label of the place that repeats it.
pub(super) fn again_here() -> Text {
    text!("again here", "de nouveau ici")
}
