//! Plain text in columns and lines, for a width or for none.
//!
//! Only spaces are broken at: an id, an address, a date or an option stays whole even where it
//! is wider than its place.

use console::measure_text_width as width_of;

/// Between two columns.
const GAP: usize = 2;

/// The column that wraps gets this width at least, however narrow the terminal is.
const NARROWEST: usize = 12;

/// Rows under a head, one column of which may wrap to keep within `width`.
pub(super) fn columns(
    head: &[&str],
    rows: &[Vec<String>],
    wraps: usize,
    width: Option<usize>,
) -> Vec<String> {
    let mut widths: Vec<usize> = head.iter().map(|h| width_of(h)).collect();
    for row in rows {
        for (cell, widest) in row.iter().zip(&mut widths) {
            *widest = width_of(cell).max(*widest);
        }
    }
    if let Some(width) = width {
        let others: usize = widths.iter().sum::<usize>() - widths[wraps];
        let left = width.saturating_sub(others + GAP * (widths.len() - 1));
        widths[wraps] = widths[wraps].min(left.max(NARROWEST));
    }
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    std::iter::once(&head)
        .chain(rows)
        .flat_map(|row| lines_of(row, &widths, wraps))
        .collect()
}

fn lines_of(row: &[String], widths: &[usize], wraps: usize) -> Vec<String> {
    let parts = wrap(&row[wraps], Some(widths[wraps]));
    (0..parts.len())
        .map(|n| {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let shown = match (column == wraps, n) {
                    (true, _) => parts[n].as_str(),
                    (false, 0) => cell.as_str(),
                    (false, _) => "",
                };
                let pad = widths[column].saturating_sub(width_of(shown)) + GAP;
                line.push_str(shown);
                line.push_str(&" ".repeat(pad));
            }
            line.trim_end_matches(' ').to_owned()
        })
        .collect()
}

/// A text in lines of at most `width`, broken at spaces only; at least one line.
pub(super) fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split([' ', '\n']).filter(|w| !w.is_empty()) {
        let line = lines.last_mut().expect("there is always a line");
        let fits = width.is_none_or(|w| width_of(line) + 1 + width_of(word) <= w);
        if line.is_empty() {
            line.push_str(word);
        } else if fits {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Labels with their values, the values in one column.
pub(super) fn labelled(facts: &[(&str, String)]) -> Vec<String> {
    let widest = facts.iter().map(|(l, _)| width_of(l)).max().unwrap_or(0);
    facts
        .iter()
        .map(|(label, value)| {
            let pad = widest + GAP - width_of(label);
            let line = format!("{label}{:pad$}{value}", "");
            line.trim_end_matches(' ').to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[[&str; 3]]) -> Vec<Vec<String>> {
        cells
            .iter()
            .map(|row| row.iter().map(|c| (*c).to_owned()).collect())
            .collect()
    }

    #[test]
    fn only_the_column_that_may_wrap_does() {
        let rows = rows(&[
            [
                "c.martin@ville.example",
                "refused by the server, not tried again",
                "1",
            ],
            ["x", "y", "2"],
        ]);
        let drawn = columns(&["TO", "WHY", "NO"], &rows, 1, Some(52));
        assert_eq!(
            drawn,
            [
                "TO                      WHY                       NO",
                "c.martin@ville.example  refused by the server,    1",
                "                        not tried again",
                "x                       y                         2",
            ]
        );
        assert_eq!(columns(&["TO", "WHY", "NO"], &rows, 1, None).len(), 3);
    }

    #[test]
    fn a_word_wider_than_its_place_stays_whole() {
        let rows = rows(&[["a", "an-id-of-forty-characters-that-has-no-gap", "b"]]);
        let drawn = columns(&["A", "ID", "B"], &rows, 1, Some(10));
        assert_eq!(drawn[1], "a  an-id-of-forty-characters-that-has-no-gap  b");
    }

    #[test]
    fn accents_count_once_and_no_break_spaces_hold() {
        let facts = labelled(&[("état", "à".to_owned()), ("to", String::new())]);
        assert_eq!(facts, ["état  à", "to"]);
        assert_eq!(
            wrap("15\u{a0}jours avant", Some(9)),
            ["15\u{a0}jours", "avant"]
        );
    }
}
