//! From bytes to rows: which of the three forms a list has is seen in its content.
//!
//! A table or JSON in which a token's own text stands is refused before any of it is copied, and
//! never repeated. Every fault of a list is told, not only the first.

use csv::ReaderBuilder;
use serde_json::Value;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, jwt_ranges, text};
use crate::domain::token::no_jwt;
use crate::renewal::import::column::Column;
use crate::renewal::import::dates::Order;
use crate::renewal::import::rows::{self, Fault, Given, Orders, Raw, Row};
use crate::renewal::jwt;

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table with a head: CSV.
    Table,
    /// A JSON object a line.
    Lines,
    /// A token's own text (a JWT) a line.
    Tokens,
}

/// A list that was read.
#[derive(Debug)]
pub struct List {
    /// Its form.
    pub form: Form,
    /// Its rows, in their order.
    pub rows: Vec<Row>,
    /// What a person should look at, of the list as a whole.
    pub remarks: Vec<Text>,
}

/// Reads a list.
///
/// # Errors
/// Every line that cannot be taken, and why.
pub fn read(bytes: &[u8], order: Order, calendar: &Calendar) -> Result<List, Vec<Fault>> {
    let text = decoded(bytes).map_err(|fault| vec![fault])?;
    match form(text) {
        Form::Tokens => tokens(text),
        form @ (Form::Table | Form::Lines) => {
            let pasted: Vec<Fault> = jwt_ranges(text)
                .into_iter()
                .map(|range| Fault::at(line_at(text, range.start), no_jwt().0))
                .collect();
            if !pasted.is_empty() {
                return Err(pasted);
            }
            let mut faults = Vec::new();
            let (raw, remarks) = if form == Form::Table {
                table(text, &mut faults)
            } else {
                lines(text, &mut faults)
            };
            let orders = Orders::of(&raw, order);
            let rows = raw
                .iter()
                .map(|(line, raw)| rows::row(*line, raw, orders, calendar, &mut faults))
                .collect();
            if faults.is_empty() {
                Ok(List {
                    form,
                    rows,
                    remarks,
                })
            } else {
                faults.sort_by_key(|f| f.line);
                Err(faults)
            }
        }
    }
}

fn decoded(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Fault::at(
            1,
            text!(
                "this is UTF-16: save it as CSV in UTF-8",
                "ceci est de l’UTF-16 : l’enregistrer en CSV UTF-8"
            ),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = bytes[..e.valid_up_to()].iter();
        Fault::at(
            1 + before.filter(|b| **b == b'\n').count(),
            text!(
                "this line is not UTF-8: save the file as CSV in UTF-8 (it may be Windows-1252)",
                "cette ligne n’est pas en UTF-8 : enregistrer le fichier en CSV UTF-8 (il est peut-être en Windows-1252)"
            ),
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn form(text: &str) -> Form {
    let first = text.lines().map(str::trim).find(|l| !is_passed_over(l));
    let Some(first) = first else {
        return Form::Table;
    };
    if first.starts_with('{') {
        return Form::Lines;
    }
    let bare = match first.split_once(char::is_whitespace) {
        Some((word, rest)) if word.trim_end_matches(':').eq_ignore_ascii_case("bearer") => rest,
        Some(_) | None => first,
    };
    let bare = bare.trim_start_matches(['"', '\'', '`', ' ']);
    if bare.starts_with("eyJ") {
        Form::Tokens
    } else {
        Form::Table
    }
}

/// A blank line, or a remark.
fn is_passed_over(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn line_at(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
}

fn tokens(text: &str) -> Result<List, Vec<Fault>> {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        if is_passed_over(line.trim()) {
            continue;
        }
        match jwt::read(line) {
            Ok(claims) => rows.push(Row::of_token(at + 1, claims)),
            Err(why) => faults.push(Fault::at(at + 1, why.said())),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(List {
        form: Form::Tokens,
        rows,
        remarks: Vec::new(),
    })
}

type Raws = (Vec<(usize, Raw)>, Vec<Text>);

/// The sign that parts the columns: the one that stands most often in the head.
fn delimiter(head: &str) -> u8 {
    let count = |sign: &u8| head.bytes().filter(|b| b == sign).count();
    let most = *b";,\t|";
    let best = most.iter().copied().rev().max_by_key(count);
    best.unwrap_or(b',')
}

fn table(text: &str, faults: &mut Vec<Fault>) -> Raws {
    let start = text.len() - text.trim_start().len();
    let skipped = line_at(text, start) - 1;
    let text = &text[start..];
    let head = text.lines().next().unwrap_or_default();
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(head))
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut raws = (Vec::new(), Vec::new());
    let Ok(head) = reader.headers().cloned() else {
        return raws;
    };
    let columns: Vec<Option<Column>> = head.iter().map(Column::of).collect();
    if columns.iter().all(Option::is_none) {
        if !text.is_empty() {
            faults.push(no_head(skipped + 1));
        }
        return raws;
    }
    for (n, column) in columns.iter().enumerate() {
        match column {
            Some(column) if columns[..n].contains(&Some(*column)) => {
                let name = column.name();
                faults.push(Fault::at(
                    skipped + 1,
                    text!(
                        "two columns say the same: `{name}`",
                        "deux colonnes disent la même chose : `{name}`"
                    ),
                ));
            }
            None if !head[n].trim().is_empty() => raws.1.push(Column::unknown(&head[n])),
            Some(_) | None => {}
        }
    }
    let mut lines = LineCount::new(text, skipped);
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let line = lines.of(e.position());
                let said = text!(
                    "this line cannot be read",
                    "cette ligne ne peut pas être lue"
                );
                faults.push(Fault::at(line, said));
                continue;
            }
        };
        let line = lines.of(record.position());
        let beyond = record
            .iter()
            .skip(columns.len())
            .any(|c| !c.trim().is_empty());
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if beyond || record.len() < columns.len() {
            let (has, wanted) = (record.len(), columns.len());
            faults.push(Fault::at(
                line,
                text!(
                    "this line has {has} cells, the head {wanted}: is a quote missing, or a separator too many?",
                    "cette ligne a {has} cellules, l’en-tête {wanted} : manque-t-il un guillemet, y a-t-il un séparateur de trop ?"
                ),
            ));
            continue;
        }
        let cells = columns.iter().zip(&record);
        let given = cells.filter_map(|(column, cell)| {
            let cell = cell.trim();
            let column = (*column)?;
            (!cell.is_empty()).then(|| (column, Given::Text(cell.to_owned())))
        });
        raws.0.push((line, given.collect()));
    }
    raws
}

/// The line on which each record begins. The reader's own count is behind by one where lines end
/// in CR LF: it places a record at the LF before it.
struct LineCount<'t> {
    bytes: &'t [u8],
    counted: usize,
    line: usize,
}

impl<'t> LineCount<'t> {
    fn new(text: &'t str, skipped: usize) -> Self {
        Self {
            bytes: text.as_bytes(),
            counted: 0,
            line: skipped + 1,
        }
    }

    /// Records come in their order.
    fn of(&mut self, position: Option<&csv::Position>) -> usize {
        let begin = position.and_then(|p| usize::try_from(p.byte()).ok());
        let mut begin = begin.unwrap_or(self.counted).max(self.counted);
        while matches!(self.bytes.get(begin), Some(b'\r' | b'\n')) {
            begin += 1;
        }
        let begin = begin.min(self.bytes.len());
        let passed = self.bytes[self.counted..begin].iter();
        self.line += passed.filter(|b| **b == b'\n').count();
        self.counted = begin;
        self.line
    }
}

fn no_head(line: usize) -> Fault {
    Fault::at(
        line,
        text!(
            "this is no list of tokens: its first line is to name the columns, as in `id,name,datapass_id,jti,expires,recipients`, or it holds a JSON object or a token a line",
            "ce n’est pas une liste de jetons : sa première ligne nomme les colonnes, comme `id,name,datapass_id,jti,expires,recipients`, ou elle porte un objet JSON ou un jeton par ligne"
        ),
    )
}

fn lines(text: &str, faults: &mut Vec<Fault>) -> Raws {
    let mut raws: Raws = (Vec::new(), Vec::new());
    let mut unknown = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if is_passed_over(line.trim()) {
            continue;
        }
        let object = match serde_json::from_str(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) | Err(_) => {
                faults.push(Fault::at(
                    at + 1,
                    text!(
                        "this line is no JSON object: write one token a line, as `jetond export --format json` does",
                        "cette ligne n’est pas un objet JSON : écrire un jeton par ligne, comme `jetond export --format json`"
                    ),
                ));
                continue;
            }
        };
        let mut raw = Raw::new();
        for (key, value) in object {
            let Some(column) = Column::of(&key) else {
                if !unknown.contains(&key) {
                    raws.1.push(Column::unknown(&key));
                    unknown.push(key);
                }
                continue;
            };
            if raw.iter().any(|(known, _)| *known == column) {
                let name = column.name();
                faults.push(Fault {
                    line: at + 1,
                    column: Some(name),
                    said: text!(
                        "two keys say the same: `{name}`",
                        "deux clés disent la même chose : `{name}`"
                    ),
                });
                continue;
            }
            match value {
                Value::Null => {}
                Value::String(s) if s.trim().is_empty() => {}
                Value::String(s) => raw.push((column, Given::Text(s))),
                Value::Number(n) => raw.push((column, Given::Text(n.to_string()))),
                Value::Array(values) => raw.push((column, Given::Many(values))),
                Value::Bool(_) | Value::Object(_) => faults.push(Fault {
                    line: at + 1,
                    column: Some(column.name()),
                    said: text!(
                        "this is to be a text, a number or a list",
                        "un texte, un nombre ou une liste est attendu"
                    ),
                }),
            }
        }
        raws.0.push((at + 1, raw));
    }
    raws
}
