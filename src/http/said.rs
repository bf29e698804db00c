//! What is kept of an answer's words: its first printable characters, with every secret masked.

use std::borrow::Cow;

/// Characters of an answer's words that are kept.
pub const MOST_WORDS: usize = 200;

/// What stands in place of a secret.
const MASK: &str = "…";

/// Shorter ones are no secrets, and would mask half of every sentence.
const SHORTEST_SECRET: usize = 4;

/// The first printable characters of what a server said, on one line, without these secrets.
pub fn printable(said: &[u8], secrets: &[&str]) -> String {
    let mut said = String::from_utf8_lossy(said);
    for secret in secrets.iter().filter(|s| s.len() >= SHORTEST_SECRET) {
        if said.contains(secret) {
            said = Cow::Owned(said.replace(secret, MASK));
        }
    }
    let mut words = String::new();
    let mut count = 0;
    for word in said.split(|c: char| c.is_whitespace() || c.is_control()) {
        let fits = |c: &char| !crate::domain::language::is_hazardous(*c) && *c != '\u{fffd}';
        let word: String = word.chars().filter(fits).collect();
        if word.is_empty() {
            continue;
        }
        for c in (!words.is_empty())
            .then_some(' ')
            .into_iter()
            .chain(word.chars())
        {
            if count == MOST_WORDS {
                words.push('…');
                return words;
            }
            words.push(c);
            count += 1;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_on_one_line_and_hold_no_secret() {
        let said = printable(
            b"no\r\n\x1b[31m such\x00 hook: s3cret\xff ",
            &["s3cret", ""],
        );
        assert_eq!(said, "no [31m such hook: …");
        let long = printable("é ".repeat(1_000_000).as_bytes(), &[]);
        assert_eq!(long.chars().count(), MOST_WORDS + 1);
        assert_eq!(printable(b"", &[]), "");
    }
}
