//! Reads the tables of the spanned tree: unknown keys, missing keys, tables that are none.
//!
//! What cannot be used is reported at its place and read as absent; the caller goes on with the
//! default, so that all errors are found in one go. Single values are read by `scalar`.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::diagnostic::{Report, Span};
use crate::config::keys::{self, Key, elsewhere, nearest, tables_in};
use crate::config::scalar::{Value, is_safe};
use crate::config::syntax::SINGLE_TOKEN;
use crate::domain::language::{Text, text};

/// What a reader must know of the file it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'t> {
    /// Its number among the sources.
    pub(super) source: usize,
    pub(super) text: &'t str,
    /// Where it is not TOML, sorted.
    pub(super) faults: &'t [usize],
}

/// A table with its place.
#[derive(Debug, Clone)]
pub(super) struct Table<'t> {
    pub(super) entries: &'t DeTable<'t>,
    /// Its header, or the whole of it when it is written inline.
    pub(super) span: Span,
    /// Its name in the catalogue.
    pub(super) kind: &'static str,
    pub(super) file: File<'t>,
}

impl<'t> Table<'t> {
    pub(super) fn root(entries: &'t DeTable<'t>, file: File<'t>) -> Self {
        Self {
            entries,
            span: file.span(0..0),
            kind: "",
            file,
        }
    }

    /// The value of a key of the catalogue, if it is written.
    pub(super) fn get(&self, name: &'static str) -> Option<Value<'t>> {
        let key = keys::find(self.kind, name).expect("the key is in the catalogue");
        let written = self.entries.get(name)?;
        Some(Value {
            value: written.get_ref(),
            span: self.file.span(written.span()),
            key,
            file: self.file,
        })
    }

    /// The value of a key that must be written.
    pub(super) fn require(&self, name: &'static str, report: &mut Report) -> Option<Value<'t>> {
        let value = self.get(name);
        if value.is_none() {
            self.report_missing(name, report);
        }
        value
    }

    /// Reports that a key is missing, at the table's header.
    pub(super) fn report_missing(&self, name: &'static str, report: &mut Report) {
        if !self.is_sound() {
            return;
        }
        let key = keys::find(self.kind, name).expect("the key is in the catalogue");
        let (example, header) = (key.example, self.header());
        report
            .absence(
                &self.span,
                text!(
                    "the key `{name}` is missing {{}}",
                    "la clé `{name}` manque {{}}"
                )
                .with(&header),
            )
            .help(text!(
                "add a line: {name} = {example}",
                "ajouter une ligne : {name} = {example}"
            ));
    }

    /// Where the table is, in words.
    fn header(&self) -> Text {
        match self.kind {
            "" => text!("at the top of the file", "en haut du fichier"),
            "token" => text!("in [[token]]", "dans [[token]]"),
            "notify" => text!("in [[notify]]", "dans [[notify]]"),
            "recipient" => text!("in this recipient", "dans ce destinataire"),
            other => text!("in [{other}]", "dans [{other}]"),
        }
    }

    /// Whether the text of the table up to the next header is TOML; if not, a key that is
    /// absent from the tree may well be written.
    fn is_sound(&self) -> bool {
        let Span { range, .. } = &self.span;
        let next = self.file.faults.partition_point(|f| *f < range.start);
        self.file.faults.get(next).is_none_or(|fault| {
            let between = self.file.text.get(range.end..*fault).unwrap_or_default();
            between.contains("\n[")
        })
    }

    /// A table inside this one. A list of tables of that name is refused.
    pub(super) fn table(
        &self,
        name: &str,
        kind: &'static str,
        report: &mut Report,
    ) -> Option<Table<'t>> {
        let written = self.entries.get(name)?;
        let span = self.file.span(written.span());
        match written.get_ref() {
            DeValue::Table(entries) => Some(Table {
                entries,
                span,
                kind,
                file: self.file,
            }),
            other => {
                let path = if kind.is_empty() { name } else { kind };
                let double = matches!(other, DeValue::Array(items)
                    if items.iter().any(|i| i.get_ref().is_table()));
                let message = if double {
                    text!(
                        "write `[{path}]`, with one bracket: it stands once",
                        "écrire `[{path}]`, avec un seul crochet : elle n’existe qu’une fois"
                    )
                } else {
                    text!(
                        "`{name}` must be a table: write [{path}] and its keys below",
                        "`{name}` doit être une table : écrire [{path}] et ses clés dessous"
                    )
                };
                report.error(&span, message);
                None
            }
        }
    }

    /// The tables of `[[name]]`.
    pub(super) fn tables(
        &self,
        name: &str,
        kind: &'static str,
        report: &mut Report,
    ) -> Vec<Table<'t>> {
        let Some(written) = self.entries.get(name) else {
            return Vec::new();
        };
        let refuse = |span: Span, report: &mut Report| {
            let message = if kind == "notify" {
                text!(
                    "each channel is a table: write [[{kind}]] and its keys below",
                    "chaque canal est une table : écrire [[{kind}]] et ses clés dessous"
                )
            } else {
                text!(
                    "each token is a table: write [[{kind}]] and its keys below",
                    "chaque jeton est une table : écrire [[{kind}]] et ses clés dessous"
                )
            };
            report.error(&span, message);
        };
        let items = match written.get_ref() {
            DeValue::Array(items) => items,
            _ => {
                refuse(self.file.span(written.span()), report);
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            let span = self.file.span(item.span());
            match item.get_ref().as_table() {
                Some(entries) => tables.push(Table {
                    entries,
                    span,
                    kind,
                    file: self.file,
                }),
                None => refuse(span, report),
            }
        }
        tables
    }

    /// The tables inside this one, each under the name that a person chose.
    pub(super) fn named(
        &self,
        kind: &'static str,
        report: &mut Report,
    ) -> Vec<(&'t str, Span, Table<'t>)> {
        let mut tables = Vec::new();
        for (name, _) in self.entries {
            let span = self.file.span(name.span());
            let written: &'t str = name.get_ref();
            if written.is_empty() || !is_safe(written, &span, report) {
                continue;
            }
            let mut found = Report::default();
            match self.table(written, kind, &mut found) {
                Some(table) => tables.push((written, span, table)),
                None => {
                    let list = kind.trim_end_matches(".*");
                    report.error(
                        &span,
                        text!(
                            "{written:?} must be a table: write [{list}.{written}] and its keys below",
                            "{written:?} doit être une table : écrire [{list}.{written}] et ses clés dessous"
                        ),
                    );
                }
            }
        }
        tables
    }

    /// Whether a name stands for a `[token]` that is already reported.
    pub(super) fn is_repaired(&self, name: &Spanned<Cow<'_, str>>) -> bool {
        self.kind.is_empty()
            && name.get_ref() == SINGLE_TOKEN
            && self.file.text.get(name.span()) != Some(SINGLE_TOKEN)
    }

    /// Refuses every key that is not in the catalogue, with the nearest one that is.
    pub(super) fn check_keys(&self, report: &mut Report) {
        let tables = tables_in(self.kind);
        for (name, value) in self.entries {
            let written: &str = name.get_ref();
            if tables.contains(&written)
                || keys::find(self.kind, written).is_some()
                || self.is_repaired(name)
            {
                continue;
            }
            let span = self.file.span(name.span());
            if written.is_empty() || !is_safe(written, &span, report) {
                continue;
            }
            let shown: String = written.chars().take(60).collect();
            let known = keys::keys_of(self.kind).iter().map(|k| k.name);
            let known = known.chain(tables.iter().copied());
            let near = nearest(written, known);
            let with_secrets = [
                "mail.smtp",
                "heartbeat",
                "datapass",
                "probe",
                "notify",
                "web",
            ];
            if near == Some("secret") || with_secrets.iter().any(|t| self.kind.starts_with(t)) {
                // It may be the secret under another name.
                report.hide(&self.file.span(value.span()));
            }
            // Nobody who writes `secrets` here means the table that has them.
            let other = elsewhere(self.kind, written).filter(|_| near != Some("secret"));
            let help = match (other, near) {
                (Some(key), _) if key.table.is_empty() => text!(
                    "`{shown}` stands at the top of the file, before the first [table]",
                    "`{shown}` se place en haut du fichier, avant la première [table]"
                ),
                (Some(Key { table, .. }), _) => text!(
                    "`{shown}` stands in [{table}]",
                    "`{shown}` se place dans [{table}]"
                ),
                (None, Some(near)) => {
                    text!("did you mean `{near}`?", "vouliez-vous dire `{near}` ?")
                }
                (None, None) => {
                    let list: Vec<&str> = keys::keys_of(self.kind)
                        .iter()
                        .map(|k| k.name)
                        .chain(tables.iter().copied())
                        .collect();
                    let list = list.join(", ");
                    text!("the keys here are: {list}", "les clés ici sont : {list}")
                }
            };
            report
                .error(
                    &span,
                    text!("unknown key `{shown}`", "clé inconnue `{shown}`"),
                )
                .help(help);
        }
    }
}

impl File<'_> {
    pub(super) fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span {
            source: self.source,
            range,
        }
    }
}
