//! A config file as text with places: lines, columns, and the parts that must not be shown.
//!
//! Lines are found once and looked up by bisection, so that ten thousand places cost no more
//! than ten thousand look-ups. What looks like a secret is found in the raw text, before any
//! parser sees it: a line that is broken is drawn too, and must not give away a password.

use std::ops::Range;

use crate::domain::language::{is_hazardous, jwt_ranges};

/// One file that was read, for drawing its lines.
#[derive(Clone)]
pub struct Source {
    /// The file as the user gave it.
    name: String,
    text: String,
    /// Where each line begins.
    starts: Vec<usize>,
    /// What is never shown, sorted.
    secrets: Vec<Range<usize>>,
    /// What looks like a token itself, sorted; these are among `secrets`.
    jwts: Vec<Range<usize>>,
}

/// One line as it may be shown, and where a span stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line's number from 1.
    pub(super) line: usize,
    /// Its text; secrets are stars, controls are replaced.
    pub(super) text: String,
    /// The span in `text`, in bytes.
    pub(super) span: Range<usize>,
}

/// The name only: the text may hold a secret.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

impl Source {
    pub(super) fn new(name: String, text: String) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let jwts = jwt_ranges(&text);
        let mut secrets = jwts.clone();
        secrets.extend(passwords(&text));
        secrets.sort_by_key(|r| r.start);
        Self {
            name,
            text,
            starts,
            secrets,
            jwts,
        }
    }

    /// The file as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn jwts(&self) -> &[Range<usize>] {
        &self.jwts
    }

    /// The line of a byte offset, from 0.
    pub(super) fn line_index(&self, offset: usize) -> usize {
        self.starts.partition_point(|s| *s <= offset).max(1) - 1
    }

    /// The bytes of a line (numbered from 0), without its end.
    pub(super) fn line_range(&self, line: usize) -> Range<usize> {
        let from = self.starts[line];
        let to = self.starts.get(line + 1).map_or(self.text.len(), |s| s - 1);
        let raw = &self.text[from..to];
        from..from + raw.strip_suffix('\r').unwrap_or(raw).len()
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_index(offset);
        let before = &self.text[self.starts[line]..offset];
        (line + 1, before.chars().count() + 1)
    }

    /// Hides a part of the text from every excerpt.
    pub(super) fn hide(&mut self, range: Range<usize>) {
        let at = self.secrets.partition_point(|r| r.start < range.start);
        self.secrets.insert(at, range);
    }

    /// Whether a range is exactly something that looks like a token itself.
    pub(super) fn is_jwt(&self, range: &Range<usize>) -> bool {
        self.jwts
            .binary_search_by_key(&range.start, |r| r.start)
            .is_ok_and(|at| self.jwts[at] == *range)
    }

    /// Whether a range touches something that looks like a token itself.
    pub(super) fn touches_jwt(&self, range: &Range<usize>) -> bool {
        let from = self.jwts.partition_point(|r| r.end <= range.start);
        self.jwts.get(from).is_some_and(|r| r.start < range.end)
    }

    /// The line where `span` begins, safe to show.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let start = self.text.floor_char_boundary(span.start);
        let line = self.line_index(start);
        let Range {
            start: from,
            end: to,
        } = self.line_range(line);
        let raw = &self.text[from..to];
        let hidden: Vec<&Range<usize>> = self
            .secrets
            .iter()
            .take_while(|r| r.start < to)
            .filter(|r| r.end > from)
            .collect();
        let mut text = String::with_capacity(raw.len());
        let (mut begin, mut end) = (None, None);
        for (at, c) in raw.char_indices() {
            let at = from + at;
            if at >= start && begin.is_none() {
                begin = Some(text.len());
            }
            if at >= span.end && end.is_none() {
                end = Some(text.len());
            }
            text.push(if hidden.iter().any(|r| r.contains(&at)) {
                '*'
            } else if c != '\t' && is_hazardous(c) {
                '\u{fffd}'
            } else {
                c
            });
        }
        let begin = begin.unwrap_or(text.len());
        let end = end.unwrap_or(text.len()).max(begin);
        Excerpt {
            line: line + 1,
            text,
            span: begin..end,
        }
    }
}

/// The same text without anything that looks like a JWT: the last guard of every message.
pub(super) fn without_jwts(text: &str) -> String {
    let mut kept = text.to_owned();
    for range in jwt_ranges(text).into_iter().rev() {
        kept.replace_range(range, "***");
    }
    kept
}

/// Names of keys whose value may be a secret, also where they do not belong.
const SECRET_WORDS: [&str; 9] = [
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "mot_de_passe",
    "motdepasse",
    "mdp",
    "authorization",
];

/// The values that a person may have written as a secret in plain text, and the user
/// information of links.
fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices(['=', ':']) {
        if found.last().is_some_and(|r| r.end > at) {
            continue;
        }
        if text[at..].starts_with("://") {
            found.extend(user_information(text, at + 3));
            continue;
        }
        if hides_a_secret(path_before(text, at)) {
            found.extend(plain_value(text, at + 1));
        }
    }
    // A table of its own: nothing of it is worth the risk of showing it.
    for (at, header) in text.match_indices("password]") {
        let from = at + header.len();
        let to = text[from..].find("\n[").map_or(text.len(), |n| from + n);
        found.push(from..to);
    }
    // The path of a heartbeat's address is a key.
    for (at, header) in text.match_indices("[heartbeat]") {
        let from = at + header.len();
        let to = text[from..].find("\n[").map_or(text.len(), |n| from + n);
        for (scheme, _) in text[from..to].match_indices("://") {
            let host = from + scheme + 3;
            let line = text[host..to].find('\n').map_or(to, |n| host + n);
            let path = text[host..line].find('/').map_or(line, |n| host + n);
            found.push(path..line);
        }
    }
    found
}

/// The key, with the names before its dots, that ends before the `=` at `at`.
fn path_before(text: &str, at: usize) -> &str {
    let path = text[..at].trim_end_matches([' ', '\t', '"', '\'']);
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    &path[path.trim_end_matches(is_path).len()..]
}

/// Whether the value of a key may be a secret in plain text.
fn hides_a_secret(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let (tables, word) = path.rsplit_once('.').unwrap_or(("", &path));
    let is_secret = |word: &str| is_nearly_password(word) || SECRET_WORDS.contains(&word);
    let says_where = matches!(word, "credential" | "file" | "env");
    is_secret(word) || (!says_where && tables.split('.').any(is_secret))
}

/// Whether a key is `password`, also within a longer name or with a slip of the fingers.
fn is_nearly_password(word: &str) -> bool {
    word.ends_with("password")
        || ((6..=10).contains(&word.len())
            && word.starts_with('p')
            && strsim::damerau_levenshtein(word, "password") <= 2)
}

/// The value that begins at or after `from`; nothing when it only says where the secret is.
fn plain_value(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text[from..].trim_start_matches([' ', '\t']);
    let start = text.len() - rest.len();
    let line = rest.lines().next().unwrap_or_default();
    if let Some(inner) = line.strip_prefix('{') {
        let word = inner.trim_start().split([' ', '\t', '=']).next();
        let says_where = matches!(word, Some("credential" | "file" | "env"))
            && inner.matches(['=', ':']).count() == 1;
        if says_where {
            return None;
        }
    }
    let length = ["\"\"\"", "'''"]
        .iter()
        .find(|quote| line.starts_with(**quote))
        .map(|quote| rest[3..].find(quote).map_or(rest.len(), |n| n + 6))
        .or_else(|| {
            line.starts_with('[')
                .then(|| rest.find(']').map_or(rest.len(), |n| n + 1))
        })
        .map_or(line.len(), |n| n.max(line.len()).min(rest.len()));
    (length > 0).then(|| start..start + length)
}

/// `user:password@` after the `://` of a link.
fn user_information(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = &text[from..];
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?'))
        .unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    Some(from..from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("config.toml".to_owned(), text.to_owned())
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let s = source("a = 1\r\né = \"è\"\r\nb");
        assert_eq!(s.position(0), (1, 1));
        assert_eq!(s.position("a = 1\r\né = ".len()), (2, 5));
        assert_eq!(s.position(s.text().len()), (3, 2));
        assert_eq!(source("").position(0), (1, 1));
    }

    #[test]
    fn an_excerpt_shows_no_secret_and_no_control() {
        for text in [
            "password = \"hunter2\"",
            "Password: hunter2",
            "smtp_password = 'hunter2' # hunter2",
            "password = { value = \"hunter2\" }",
            "password = [ 'hunter2' ]",
            "pasword = hunter2",
            "password.value = hunter2",
            "[mail.smtp.password]\nvalue = hunter2\n",
            "[heartbeat]\nurl = \"https://hc-ping.com/hunter2\n",
            "x = { host = 'a', password = 'hunter2' }",
            "url = \"postgres://jetond:hunter2@db/x\"",
            "password = \"\"\"\nhunter2\"\"\"",
            "name = \"eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTEhunter2\"",
        ] {
            let s = source(text);
            for at in 0..text.len() {
                assert!(!s.excerpt(&(at..at)).text.contains("hunter2"), "{text}");
            }
        }
        let kept = "password = { credential = \"smtp.password\" }";
        assert_eq!(source(kept).excerpt(&(0..8)).text, kept);
        let s = source("é = \u{202e}x");
        let shown = s.excerpt(&(5..8));
        assert_eq!(shown.text, "é = \u{fffd}x");
        assert_eq!(&shown.text[shown.span], "\u{fffd}");
    }
}
