//! Lists as files for spreadsheets: RFC 4180, commas, UTF-8 with its mark, without which Excel
//! takes accents for something else.
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe before it; dates are
//! ISO 8601. A file has at most [`MOST`] rows.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::store::board::Slice;

/// Rows of a file.
pub(super) const MOST: i64 = 100_000;

/// The whole of a list, as far as a file goes.
pub(super) const ALL: Slice = Slice {
    from: 0,
    rows: MOST,
};

/// Rows that are read at once.
pub(super) const CHUNK: usize = 1_000;

/// What tells a spreadsheet that a file is UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// A file being written.
pub(super) struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    /// A file with these columns.
    pub(super) fn new(head: &[&str]) -> Self {
        let writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(MARK.to_vec());
        let mut sheet = Self(writer);
        sheet.row(head);
        sheet
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[impl AsRef<str>]) {
        let cells = cells.iter().map(|c| defused(c.as_ref()));
        self.0
            .write_record(cells)
            .expect("rows are as long as the head, and memory takes them");
    }

    /// The answer, to be kept as `name.csv`.
    pub(super) fn answer(self, name: &str) -> Response {
        let body = self.0.into_inner().expect("memory takes every byte");
        let kept = format!("attachment; filename=\"{name}.csv\"");
        let head = [
            (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
            (CONTENT_DISPOSITION, kept.as_str()),
        ];
        (head, body).into_response()
    }
}

/// A cell that no spreadsheet computes; a number stays one.
fn defused(cell: &str) -> String {
    if cell.parse::<i64>().is_ok() {
        return cell.to_owned();
    }
    let mut defused = String::with_capacity(cell.len());
    // A spreadsheet set for another separator begins a cell of its own after it.
    for part in cell.split_inclusive([';', '\t', '\r', '\n']) {
        let begins = part.chars().find(|c| !matches!(c, '"' | ' '));
        if begins.is_some_and(|c| {
            matches!(
                c,
                '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
            )
        }) {
            defused.push('\'');
        }
        defused.push_str(part);
    }
    defused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_computed_is_defused_and_numbers_stay() {
        for formula in ["=1+1", "+SUM(A1)", "-A1", "@x", "\t1", "＝1"] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        // Where the separator is another one, a cell may begin within a cell.
        assert_eq!(defused("Jeton;=A1; \"+1\tb"), "Jeton;'=A1;' \"+1\tb");
        for plain in ["-7", "a=1", "a; b", "", "2026-11-23", "é"] {
            assert_eq!(defused(plain), plain);
        }
    }
}
