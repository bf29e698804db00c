//! What is kept of an answer's words: its first printable characters, with every secret masked.

use std::borrow::Cow;

/// Characters of an answer's words that are usually kept.
pub const MOST_WORDS: usize = 200;

/// What stands in place of a secret.
const MASK: &str = "…";

/// Shorter ones are no secrets, and would mask half of every sentence.
const SHORTEST_SECRET: usize = 4;

/// The first `most` printable characters of what a server said, on one line, without these
/// secrets; `…` follows where there are more.
pub fn printable(said: &[u8], secrets: &[&str], most: usize) -> String {
    let said = masked(String::from_utf8_lossy(said), secrets);
    let mut line = String::new();
    for word in said.split(|c: char| c.is_whitespace() || c.is_control()) {
        let fits = |c: &char| !crate::domain::language::is_hazardous(*c) && *c != '\u{fffd}';
        let mut word = word.chars().filter(fits).peekable();
        if word.peek().is_some() && !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    // What was left out may have stood within a secret.
    let line = masked(Cow::Owned(line), secrets);
    match line.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.into_owned(),
    }
}

fn masked<'a>(mut said: Cow<'a, str>, secrets: &[&str]) -> Cow<'a, str> {
    for secret in secrets.iter().filter(|s| s.len() >= SHORTEST_SECRET) {
        if said.contains(secret) {
            said = Cow::Owned(said.replace(secret, MASK));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_on_one_line_and_hold_no_secret() {
        let said = printable(
            b"no\r\n\x1b[31m such\x00 hook: s3cret\xff ",
            &["s3cret", ""],
            MOST_WORDS,
        );
        assert_eq!(said, "no [31m such hook: …");
        let long = printable("é ".repeat(1_000_000).as_bytes(), &[], MOST_WORDS);
        assert_eq!(long.chars().count(), MOST_WORDS + 1);
        assert_eq!(printable(b"", &[], MOST_WORDS), "");
        let split = "a s3\u{200e}cr\u{feff}et b";
        assert_eq!(printable(split.as_bytes(), &["s3cret"], 9), "a … b");
    }
}
