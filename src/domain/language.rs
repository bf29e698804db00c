//! The two languages in which the program speaks to people, and texts that exist in both.
//!
//! A [`Text`] is built with both wordings at once, so that a sentence cannot exist in one
//! language only. Which one is shown is decided where it is shown.

use std::fmt;
use std::ops::Range;

/// A language of mails and of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// French, the default: the people who hold these tokens work in French.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// Reads `fr` or `en`.
    ///
    /// # Errors
    /// Any other word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        match word {
            "fr" => Ok(Self::Fr),
            "en" => Ok(Self::En),
            _ => Err(Invalid(text!(
                "unknown language {word:?}: write \"fr\" or \"en\"",
                "langue inconnue {word:?} : écrire \"fr\" ou \"en\""
            ))),
        }
    }

    /// The two-letter code (ISO 639-1), as in `Content-Language`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// Picks the wording of this language.
    pub fn pick<T>(self, en: T, fr: T) -> T {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text {
    /// The English wording.
    pub en: String,
    /// The French wording.
    pub fr: String,
}

impl Text {
    /// The wording in `lang`.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Fr => &self.fr,
            Lang::En => &self.en,
        }
    }

    /// Puts the matching wording of `part` where this text says `{}`.
    pub fn with(&self, part: &Text) -> Text {
        Text {
            en: self.en.replacen("{}", &part.en, 1),
            fr: self.fr.replacen("{}", &part.fr, 1),
        }
    }
}

/// Sets a text as French typography asks: U+00A0 instead of a space before `: ; ! ?` and inside
/// « », so that no line begins with a sign.
pub fn set_in_french(text: String) -> String {
    if !text.contains([':', ';', '!', '?', '«', '»']) {
        return text;
    }
    let mut set = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    let mut before = None;
    while let Some(c) = rest.next() {
        let holds = matches!(rest.peek(), Some(':' | ';' | '!' | '?' | '»')) || before == Some('«');
        set.push(if c == ' ' && holds { '\u{a0}' } else { c });
        before = Some(c);
    }
    set
}

/// Builds a [`Text`] from an English and a French format string.
macro_rules! text {
    ($en:literal, $fr:literal $(,)?) => {
        $crate::domain::language::Text {
            en: format!($en),
            fr: $crate::domain::language::set_in_french(format!($fr)),
        }
    };
}
pub(crate) use text;

/// `n` with its thing. French counts in the plural from 2, and holds the number to the thing.
pub fn counted(n: impl TryInto<i64>, en: [&str; 2], fr: [&str; 2]) -> Text {
    let n = n.try_into().unwrap_or(i64::MAX);
    let en = if n.abs() == 1 { en[0] } else { en[1] };
    let fr = if n.abs() < 2 { fr[0] } else { fr[1] };
    text!("{n} {en}", "{n}\u{a0}{fr}")
}

/// What is wrong with a value that a person wrote, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Text);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.en)
    }
}

impl std::error::Error for Invalid {}

/// Tells whether `c` must not stand in a name that goes into a header or onto a terminal:
/// C0 and C1 controls, line and paragraph separators, and the bidirectional controls that
/// make a text read differently from what it is.
pub fn is_hazardous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Tells whether `s` holds something that looks like a JWT: two dot-separated base64url runs
/// of which the first begins like an encoded JSON object. Such a text is a secret and is
/// neither accepted nor echoed.
pub fn looks_like_jwt(s: &str) -> bool {
    !jwt_ranges(s).is_empty()
}

/// Where in `s` the texts that look like JWTs stand, in bytes. Takes time in proportion to `s`,
/// whatever it holds: whole files are searched.
pub fn jwt_ranges(s: &str) -> Vec<Range<usize>> {
    let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '.');
    let looks = |run: &str| {
        let mut parts = run.split('.').peekable();
        while let Some(part) = parts.next() {
            let header = part.find("eyJ").map_or(0, |at| part.len() - at);
            if header >= 10 && parts.peek().is_some_and(|payload| payload.len() >= 10) {
                return true;
            }
        }
        false
    };
    let mut at = 0;
    let mut found = Vec::new();
    for run in s.split(|c: char| !in_run(c)) {
        if looks(run) {
            found.push(at..at + run.len());
        }
        at += run.len();
        at += s[at..].chars().next().map_or(0, char::len_utf8);
    }
    found
}

/// The text with `***` for whatever looks like a JWT.
pub fn without_jwts(s: &str) -> String {
    let (mut out, mut at) = (String::with_capacity(s.len()), 0);
    for range in jwt_ranges(s) {
        out.push_str(&s[at..range.start]);
        out.push_str("***");
        at = range.end;
    }
    out.push_str(&s[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn french_signs_hold_to_their_words() {
        let text = text!("{{}}", "« {{}} » : quoi ? oui ; non !");
        assert_eq!(
            text.fr,
            "«\u{a0}{}\u{a0}»\u{a0}: quoi\u{a0}? oui\u{a0}; non\u{a0}!"
        );
    }

    #[test]
    fn a_jwt_is_recognised_wherever_it_stands() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";
        assert!(looks_like_jwt(jwt));
        assert!(looks_like_jwt(&format!("Bearer {jwt} ")));
        assert!(!looks_like_jwt("marches-publics"));
        assert!(!looks_like_jwt("eyJ.fr"));
        assert!(!looks_like_jwt("8c089a39-c02f-40b3-984b-bd8843f245a5"));
        assert_eq!(
            without_jwts(&format!("`{jwt}` is no file, nor {jwt}")),
            "`***` is no file, nor ***"
        );
        assert_eq!(without_jwts("marches-publics"), "marches-publics");
    }
}
