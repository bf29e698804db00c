//! The text part's lines: wrapped for a terminal, never inside a link.

/// The column that prose does not pass.
pub(super) const WIDTH: usize = 76;

/// Joins the lines of a template's sentence with single spaces; no-break spaces stay.
pub(super) fn flat(s: &str) -> String {
    let words: Vec<&str> = s
        .split([' ', '\n', '\r', '\t'])
        .filter(|w| !w.is_empty())
        .collect();
    words.join(" ")
}

/// Wraps long lines, leaves at most one empty line between two others, and ends with one line
/// feed. A word longer than a line, as a link is, keeps a line of its own.
pub(super) fn lay_out(rendered: &str) -> String {
    let mut out = String::with_capacity(rendered.len() + rendered.len() / 40);
    for line in lines(rendered) {
        wrap(line, &mut out);
    }
    out
}

/// The lines before they are wrapped: without blanks at the end, at most one empty line between
/// two others, none at either end.
pub(super) fn lines(rendered: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::with_capacity(rendered.len() / 30);
    for line in rendered.lines() {
        let line = line.trim_end_matches([' ', '\t', '\r']);
        if !line.is_empty() || lines.last().is_some_and(|before| !before.is_empty()) {
            lines.push(line);
        }
    }
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}

/// Appends a line, wrapped, with its line feeds.
pub(super) fn wrap(line: &str, out: &mut String) {
    if line.chars().count() <= WIDTH {
        out.push_str(line);
        out.push('\n');
    } else {
        wrap_long(line, out);
    }
}

/// Appends a line that is too long, wrapped.
pub(super) fn wrap_long(line: &str, out: &mut String) {
    let hang = hanging_indent(line);
    let mut column = 0;
    let mut first = true;
    // The label column of an aligned list is kept as it is.
    let (head, rest) = line.split_at(byte_of_column(line, hang));
    out.push_str(head);
    column += hang;
    for word in rest.split(' ').filter(|w| !w.is_empty()) {
        let width = word.chars().count();
        if !first && column + 1 + width > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', hang));
            column = hang;
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
        first = false;
    }
    out.push('\n');
}

/// Where the value of an aligned line begins: after the last run of two or more spaces in its
/// first columns. Continuation lines start there.
fn hanging_indent(line: &str) -> usize {
    // An entry of a list.
    if line.starts_with("- ") {
        return 2;
    }
    let (mut hang, mut blanks) = (0, 0);
    for (column, c) in line.chars().take(24).enumerate() {
        if c == ' ' {
            blanks += 1;
            continue;
        }
        if blanks >= 2 {
            hang = column;
        }
        blanks = 0;
    }
    hang
}

fn byte_of_column(line: &str, column: usize) -> usize {
    line.char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_and_a_link_is_not() {
        let link = format!("https://example.org/{}", "a".repeat(100));
        let words = "mot ".repeat(40);
        let said = lay_out(&format!("\n\n{words}\n\n\n\n{link}\n"));
        assert!(said.lines().any(|l| l == link));
        assert!(
            said.lines()
                .filter(|l| *l != link)
                .all(|l| l.chars().count() <= WIDTH)
        );
        assert!(!said.starts_with('\n') && !said.contains("\n\n\n") && !said.ends_with("\n\n"));
    }

    #[test]
    fn a_wrapped_value_stays_in_its_column() {
        let said = lay_out(&format!("Demandeur        {}", "nom ".repeat(30)));
        let second = said.lines().nth(1).unwrap();
        assert!(second.starts_with(&" ".repeat(17)) && !second.starts_with(&" ".repeat(18)));
    }

    #[test]
    fn a_no_break_space_is_not_a_place_to_break() {
        assert_eq!(flat(" a\n b\u{a0}: c\n"), "a b\u{a0}: c");
    }
}
