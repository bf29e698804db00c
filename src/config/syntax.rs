//! From text to a tree with places, and what the TOML parser says in words that help.
//!
//! The parser recovers from errors and tells all of them. Two of its habits hide what follows,
//! and are worked around on a copy of the same length, so that all places stay true: it stops
//! at a key without a value (that line is blanked), and a `[token]` in place of `[[token]]`
//! makes the others repetitions (it is read as the list that was meant).

use std::ops::Range;

use chrono::NaiveDate;
use toml::de::{DeTable, DeValue};

use crate::config::diagnostic::{Report, Span};
use crate::config::source::Source;
use crate::domain::language::{Text, text};

/// The name under which a `[token]` is read; as long as `token` less the two brackets.
pub(super) const SINGLE_TOKEN: &str = "t-1";

/// The text to parse and what is already known to be wrong with it.
#[derive(Debug)]
pub(super) struct Prepared {
    text: String,
    faults: Vec<Fault>,
}

#[derive(Debug, Clone)]
struct Fault {
    range: Range<usize>,
    message: String,
}

/// A file's tree.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    pub(super) root: DeTable<'t>,
    /// Where the text is not TOML, sorted: near these, absence proves nothing.
    pub(super) faults: Vec<usize>,
}

/// Makes the copy that is parsed.
pub(super) fn prepare(source: &Source, index: usize, report: &mut Report) -> Prepared {
    let mut text = source.text().to_owned();
    for header in single_token_headers(&text) {
        let span = Span {
            source: index,
            range: header.clone(),
        };
        report
            .error(
                &span,
                text!(
                    "write `[[token]]`, with two brackets: there may be several tokens",
                    "écrire `[[token]]`, avec deux crochets : il peut y avoir plusieurs jetons"
                ),
            )
            .help(text!("[[token]]", "[[token]]"));
        let list = format!("[[{SINGLE_TOKEN}]]");
        let padded = format!("{list:<width$}", width = header.len());
        text.replace_range(header, &padded);
    }
    let faults = faults_of(&text);
    let mut stops = Vec::new();
    for fault in faults
        .iter()
        .filter(|f| f.message.starts_with("key with no value"))
    {
        let line = source.line_index(fault.range.start);
        stops.push(source.line_range(line));
    }
    for range in stops {
        let blank: String = " ".repeat(range.len());
        text.replace_range(range, &blank);
    }
    Prepared { text, faults }
}

/// Parses the copy, and reports everything that is not TOML.
pub(super) fn parse<'t>(
    prepared: &'t Prepared,
    source: &Source,
    index: usize,
    report: &mut Report,
) -> Tree<'t> {
    let (root, errors) = DeTable::parse_recoverable(&prepared.text);
    let root = root.into_inner();
    let mut faults = prepared.faults.clone();
    faults.extend(errors.iter().map(fault));
    faults.sort_by_key(|f| f.range.start);
    enclose_unclosed(&mut faults, &root);
    // The first fault of a line explains the others on it.
    faults.dedup_by_key(|f| source.line_index(f.range.start));
    for fault in &faults {
        report_fault(fault, source, index, report);
    }
    Tree {
        root,
        faults: faults.iter().map(|f| f.range.start).collect(),
    }
}

fn faults_of(text: &str) -> Vec<Fault> {
    let (_, errors) = DeTable::parse_recoverable(text);
    errors.iter().map(fault).collect()
}

fn fault(error: &toml::de::Error) -> Fault {
    Fault {
        range: error.span().unwrap_or(0..0),
        message: error.message().to_owned(),
    }
}

/// Moves "unclosed" from the end of the file to the opening, and drops what comes after the
/// opening: all of that was read as a part of the unclosed value.
fn enclose_unclosed(faults: &mut Vec<Fault>, root: &DeTable<'_>) {
    let is_unclosed = |f: &&Fault| {
        [
            "unclosed array",
            "unclosed inline table",
            "invalid multi-line",
        ]
        .iter()
        .any(|start| f.message.starts_with(start))
    };
    let opened = faults.iter().filter(is_unclosed).find_map(|fault| {
        let start = opening(root, fault.range.end)?;
        Some(Fault {
            range: start..start + 1,
            message: fault.message.clone(),
        })
    });
    if let Some(opened) = opened {
        faults.retain(|f| f.range.start < opened.range.start);
        faults.push(opened);
    }
}

/// Where the outermost value that ends at `end` begins.
fn opening(table: &DeTable<'_>, end: usize) -> Option<usize> {
    table.values().find_map(|value| {
        let inner = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .filter_map(|i| i.get_ref().as_table())
                .find_map(|t| opening(t, end)),
            DeValue::Table(inner) => opening(inner, end),
            DeValue::String(_) => None,
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => return None,
        };
        if value.span().end == end {
            Some(value.span().start)
        } else {
            inner
        }
    })
}

fn single_token_headers(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("token") {
        let before = text[..at].trim_end_matches([' ', '\t']);
        let after = &text[at + "token".len()..];
        let closing = after.trim_start_matches([' ', '\t']);
        let Some(open) = before.strip_suffix('[') else {
            continue;
        };
        let starts_line = open
            .trim_end_matches([' ', '\t'])
            .chars()
            .next_back()
            .is_none_or(|c| c == '\n');
        let rest = closing.strip_prefix(']').map(|r| {
            let line = r.lines().next().unwrap_or_default().trim();
            line.is_empty() || line.starts_with('#')
        });
        if starts_line && rest == Some(true) {
            let end = at + "token".len() + (after.len() - closing.len()) + 1;
            found.push(open.len()..end);
        }
    }
    found
}

fn report_fault(fault: &Fault, source: &Source, index: usize, report: &mut Report) {
    let mut range = fault.range.clone();
    // The parser points behind the backslash.
    if fault.message.starts_with("missing escaped value") {
        range.start = range.start.saturating_sub(1);
    }
    let span = Span {
        source: index,
        range,
    };
    let raw = source.text().get(fault.range.clone()).unwrap_or_default();
    let (message, help) = say(&fault.message, raw);
    let finding = report.syntax(&span, message);
    if let Some(help) = help {
        finding.help(help);
    }
}

/// The parser's message in both languages, and what to write instead.
fn say(message: &str, raw: &str) -> (Text, Option<Text>) {
    let is = |start: &str| message.starts_with(start);
    if looks_like_date(raw) || is("invalid date") {
        return (date_message(raw), None);
    }
    if is("string values must be quoted") && raw.is_empty() {
        return (
            text!(
                "a value is missing after the =",
                "il manque une valeur après le ="
            ),
            None,
        );
    }
    if is("string values must be quoted") {
        return (
            text!(
                "this text needs quotes",
                "ce texte doit être entre guillemets"
            ),
            Some(text!(
                "put it between straight double quotes, as in \"ville.example\"",
                "le mettre entre guillemets droits, comme \"ville.example\""
            )),
        );
    }
    if is("key with no value") {
        return (
            text!("this key has no value", "cette clé n’a pas de valeur"),
            Some(text!("write it as key = value", "écrire clé = valeur")),
        );
    }
    if is("duplicate key") {
        return (
            text!(
                "this is written twice in the same table",
                "ceci est écrit deux fois dans la même table"
            ),
            Some(text!("keep one of the two", "n’en garder qu’un")),
        );
    }
    if is("missing escaped value") || is("invalid escape") {
        return (
            text!(
                "a backslash begins an escape sequence",
                "une barre oblique inverse commence une séquence d’échappement"
            ),
            Some(text!(
                "write it twice, or put the text between single quotes",
                "la doubler, ou mettre le texte entre apostrophes droites"
            )),
        );
    }
    let known = [
        (
            "unclosed array",
            "this list is not closed: a ] is missing",
            "cette liste n’est pas fermée : il manque un ]",
        ),
        (
            "unclosed inline table",
            "this { is not closed: a } is missing",
            "cette accolade n’est pas fermée : il manque un }",
        ),
        (
            "unclosed",
            "this header is not closed: a ] is missing",
            "cet en-tête n’est pas fermé : il manque un ]",
        ),
        (
            "invalid basic string",
            "the closing quote is missing, or a character here is not allowed",
            "il manque le guillemet final, ou un caractère n’est pas permis ici",
        ),
        (
            "invalid literal string",
            "the closing quote is missing, or a character here is not allowed",
            "il manque l’apostrophe finale, ou un caractère n’est pas permis ici",
        ),
        (
            "invalid multi-line",
            "the closing quotes are missing, or a character here is not allowed",
            "il manque les guillemets finals, ou un caractère n’est pas permis ici",
        ),
        (
            "unexpected key or value",
            "something follows the value on the same line",
            "quelque chose suit la valeur sur la même ligne",
        ),
        (
            "unquoted keys cannot be empty",
            "a name is missing here",
            "il manque un nom ici",
        ),
        (
            "invalid unquoted key",
            "a key has only letters without accents, digits, - and _; put any other between quotes",
            "une clé n’a que des lettres sans accent, des chiffres, - et _ ; mettre toute autre entre guillemets",
        ),
        (
            "missing comma",
            "a comma is missing here",
            "il manque une virgule ici",
        ),
        (
            "unexpected leading zero",
            "a number cannot begin with 0; put it between quotes if it is a name",
            "un nombre ne peut pas commencer par 0 ; le mettre entre guillemets si c’est un nom",
        ),
        (
            "cannot extend value",
            "this was given another kind of value before",
            "ceci a déjà reçu une valeur d’un autre genre",
        ),
        (
            "cannot recurse",
            "this is nested too deeply",
            "ceci est imbriqué trop profondément",
        ),
        (
            "recursion limit",
            "this is nested too deeply",
            "ceci est imbriqué trop profondément",
        ),
        (
            "invalid comment character",
            "a control character is not allowed here",
            "un caractère de contrôle n’est pas permis ici",
        ),
    ];
    let said = known.iter().find(|(start, _, _)| is(start)).map_or_else(
        || {
            text!(
                "this is not valid TOML: {message}",
                "ceci n’est pas du TOML valide : {message}"
            )
        },
        |(_, en, fr)| text!("{en}", "{fr}"),
    );
    (said, None)
}

/// The three numbers of something that a person may have meant as a date.
fn three_numbers(written: &str) -> Option<[&str; 3]> {
    let mut parts = written
        .trim_matches(['"', '\''])
        .trim()
        .split(['/', '-', '.', ' ']);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    let number = |s: &str| (1..=4).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    (parts.next().is_none() && three.iter().all(|s| number(s))).then_some(three)
}

/// Whether a text is three numbers, as dates are written in many places.
pub(super) fn looks_like_date(written: &str) -> bool {
    three_numbers(written).is_some()
}

/// What to write in place of a date in another form.
pub(super) fn date_message(written: &str) -> Text {
    let iso = three_numbers(written).map(|[a, b, c]| {
        let number = |s: &str| s.parse::<u32>().unwrap_or(0);
        let (y, m, d) = if a.len() == 4 { (a, b, c) } else { (c, b, a) };
        NaiveDate::from_ymd_opt(i32::try_from(number(y)).unwrap_or(0), number(m), number(d))
            .filter(|_| y.len() == 4)
    });
    match iso {
        Some(Some(date)) => text!(
            "write the date as {date}, without quotes",
            "écrire la date {date}, sans guillemets"
        ),
        Some(None) => text!(
            "this date does not exist: write the date as 2026-11-22 (year, month, day), without quotes",
            "cette date n’existe pas : écrire la date comme 2026-11-22 (année, mois, jour), sans guillemets"
        ),
        None => text!(
            "this is not a date: write the date as 2026-11-22, without quotes",
            "ceci n’est pas une date : écrire la date comme 2026-11-22, sans guillemets"
        ),
    }
}
