//! Reads single values of the spanned tree: texts, numbers, lists, each with what to write
//! instead when it is something else.
//!
//! No text leaves this module that holds a control character or looks like a JWT.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::diagnostic::{Report, Span};
use crate::config::keys::Key;
use crate::config::reader::{File, Table};
use crate::domain::language::{Invalid, Text, is_hazardous, looks_like_jwt, text};

/// Keys for which a number between quotes is a sensible text.
const NAMES: [&str; 6] = ["id", "name", "organisation", "client", "tags", "used_by"];

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Value<'t> {
    pub(super) value: &'t DeValue<'t>,
    pub(super) span: Span,
    pub(super) key: &'static Key,
    pub(super) file: File<'t>,
}

impl<'t> Value<'t> {
    /// A text that is safe to use and to show.
    pub(super) fn text(&self, report: &mut Report) -> Option<&'t str> {
        let DeValue::String(written) = self.value else {
            let name = self.key.name;
            let help = match self.value {
                DeValue::Integer(n) if NAMES.contains(&name) => {
                    text!("write {name} = \"{n}\"", "écrire {name} = \"{n}\"")
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => self.example(),
            };
            let what = text!("a text between quotes", "un texte entre guillemets");
            self.wrong_type(&what, help, report);
            return None;
        };
        is_safe(written, &self.span, report).then_some(written)
    }

    /// A text read by a domain type.
    pub(super) fn parsed<T>(
        &self,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let written = self.text(report)?;
        self.filled_in(written, report)?;
        self.accept(parse(written), report)
    }

    /// A text that is not blank.
    pub(super) fn words(&self, report: &mut Report) -> Option<String> {
        let written = self.text(report)?.trim();
        self.filled_in(written, report)?;
        Some(written.to_owned())
    }

    /// Reports what was left blank, as in a file that is still to be filled in.
    fn filled_in(&self, written: &str, report: &mut Report) -> Option<()> {
        if !written.trim().is_empty() {
            return Some(());
        }
        let name = self.key.name;
        report
            .error(&self.span, text!("`{name}` is empty", "`{name}` est vide"))
            .help(self.example());
        None
    }

    /// A text, or a whole number as people write it without quotes.
    pub(super) fn text_or_number(&self, report: &mut Report) -> Option<Cow<'t, str>> {
        match self.value {
            DeValue::Integer(n) if n.radix() == 10 => Some(Cow::Owned(n.as_str().to_owned())),
            _ => self.text(report).map(Cow::Borrowed),
        }
    }

    /// Reports what a domain type refuses.
    pub(super) fn accept<T>(&self, read: Result<T, Invalid>, report: &mut Report) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(Invalid(message)) => {
                report.error(&self.span, message);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, bounds: RangeInclusive<u32>, report: &mut Report) -> Option<u32> {
        let (low, high) = (bounds.start(), bounds.end());
        let name = self.key.name;
        let what = text!("a whole number", "un nombre entier");
        match self.value {
            DeValue::Integer(n) => {
                let read = i64::from_str_radix(n.as_str(), n.radix()).ok();
                let within = read.and_then(|n| u32::try_from(n).ok());
                let within = within.filter(|n| bounds.contains(n));
                if within.is_none() {
                    report.error(
                        &self.span,
                        text!(
                            "`{name}` goes from {low} to {high}",
                            "`{name}` va de {low} à {high}"
                        ),
                    );
                }
                within
            }
            DeValue::String(s) if !s.is_empty() && s.len() < 8 && s.parse::<u32>().is_ok() => {
                let help = text!("write {s}, without quotes", "écrire {s}, sans guillemets");
                self.wrong_type(&what, help, report);
                None
            }
            _ => {
                self.wrong_type(&what, self.example(), report);
                None
            }
        }
    }

    /// The items of a list.
    pub(super) fn items(&self, report: &mut Report) -> Option<Vec<Value<'t>>> {
        match self.value {
            DeValue::Array(items) => Some(items.iter().map(|i| self.item(i)).collect()),
            _ => {
                let what = text!("a list between square brackets", "une liste entre crochets");
                self.wrong_type(&what, self.example(), report);
                None
            }
        }
    }

    /// The items of a list; a single text counts as a list of one.
    pub(super) fn one_or_many(&self, report: &mut Report) -> Vec<Value<'t>> {
        match self.value {
            DeValue::String(_) => vec![self.clone()],
            _ => self.items(report).unwrap_or_default(),
        }
    }

    fn item(&self, item: &'t Spanned<DeValue<'t>>) -> Value<'t> {
        Value {
            value: item.get_ref(),
            span: self.file.span(item.span()),
            key: self.key,
            file: self.file,
        }
    }

    /// The value as a table of the catalogue, if it is one.
    pub(super) fn as_table(&self, kind: &'static str) -> Option<Table<'t>> {
        Some(Table {
            entries: self.value.as_table()?,
            span: self.span.clone(),
            kind,
            file: self.file,
        })
    }

    /// A line that shows how the key is written.
    pub(super) fn example(&self) -> Text {
        let Key { name, example, .. } = self.key;
        text!(
            "write it as {name} = {example}",
            "l’écrire {name} = {example}"
        )
    }

    pub(super) fn wrong_type(&self, what: &Text, help: Text, report: &mut Report) {
        let name = self.key.name;
        report
            .error(
                &self.span,
                text!("`{name}` must be {{}}", "`{name}` doit être {{}}").with(what),
            )
            .help(help);
    }
}

/// Refuses what may stand in no string: a JWT, and controls.
pub(super) fn is_safe(written: &str, span: &Span, report: &mut Report) -> bool {
    if looks_like_jwt(written) {
        report.jwt(span);
        return false;
    }
    let Some(c) = written.chars().find(|c| is_hazardous(*c)) else {
        return true;
    };
    let code = u32::from(c);
    report
        .error(
            span,
            text!(
                "this text holds the control character U+{code:04X}",
                "ce texte contient le caractère de contrôle U+{code:04X}"
            ),
        )
        .help(text!(
            "write it again by hand, without copying it",
            "le retaper à la main, sans le copier"
        ));
    false
}
