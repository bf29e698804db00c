//! Search and order without regard to case and accents, in what SQLite can do by itself.
//!
//! Its LIKE knows the letters of ASCII only; its GLOB knows sets of characters. So each letter
//! of a search becomes the set of letters that a person may have meant by it, and every sign of
//! the pattern language stands in a set of its own: what is typed is data.

use crate::store::board::Sql;

/// Characters of a search that count.
const LONGEST: usize = 100;

/// Words of a search that count; each must be found.
const WORDS: usize = 8;

/// Letters that count as one, the plain one first.
const ALIKE: [(char, &str); 24] = [
    ('a', "aAàÀâÂäÄáÁãÃåÅāĀăĂąĄ"),
    ('b', "bB"),
    ('c', "cCçÇćĆčČ"),
    ('d', "dDďĎđĐ"),
    ('e', "eEéÉèÈêÊëËēĒėĖęĘěĚ"),
    ('f', "fF"),
    ('g', "gGğĞ"),
    ('h', "hH"),
    ('i', "iIîÎïÏíÍìÌīĪıİ"),
    ('j', "jJ"),
    ('k', "kK"),
    ('l', "lLłŁ"),
    ('m', "mM"),
    ('n', "nNñÑńŃňŇ"),
    ('o', "oOôÔöÖóÓòÒõÕøØōŌőŐ"),
    ('p', "pP"),
    ('q', "qQ"),
    ('r', "rRřŘ"),
    ('s', "sSšŠśŚşŞ"),
    ('t', "tTťŤţŢ"),
    ('u', "uUùÙûÛüÜúÚūŪůŮűŰ"),
    ('y', "yYÿŸýÝ"),
    ('z', "zZžŽźŹżŻ"),
    ('\'', "'’‘"),
];

/// Two letters that are also written as one.
const LIGATURES: [(&str, char, &str); 2] = [("oe", 'œ', "œŒ"), ("ae", 'æ', "æÆ")];

/// The letters of French that are sorted as others.
const DRESSED: [(&str, &str); 9] = [
    ("éèêëÉÈÊË", "e"),
    ("àâäÀÂÄ", "a"),
    ("îïÎÏ", "i"),
    ("ôöÔÖ", "o"),
    ("ùûüÙÛÜ", "u"),
    ("çÇ", "c"),
    ("ÿŸ", "y"),
    ("œŒ", "oe"),
    ("æÆ", "ae"),
];

/// How the ligatures of a word are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ligatures {
    /// As two letters.
    Apart,
    /// As one.
    Joined,
}

impl Ligatures {
    const BOTH: [Self; 2] = [Self::Apart, Self::Joined];
}

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search(Vec<[String; 2]>);

impl Search {
    /// Reads what a person typed.
    pub fn of(typed: &str) -> Self {
        let typed: String = typed.chars().take(LONGEST).collect();
        let words = typed.split_whitespace().take(WORDS);
        Self(
            words
                .map(|w| Ligatures::BOTH.map(|l| pattern(w, l)))
                .collect(),
        )
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds, for each word, that `text` or one of the rows of `besides` holds it. In `besides`
    /// the word stands where it says `{}`.
    pub(super) fn narrow(&self, sql: &mut Sql, text: &str, besides: &str) {
        for [plain, joined] in &self.0 {
            let glob = |sql: &mut Sql, text: &str| {
                sql.push("(")
                    .push(text)
                    .push(" GLOB ")
                    .push_bind(plain.clone());
                if plain != joined {
                    sql.push(" OR ").push(text).push(" GLOB ");
                    sql.push_bind(joined.clone());
                }
                sql.push(")");
            };
            sql.push(" AND (");
            glob(sql, text);
            if let Some((before, rest)) = besides.split_once('{')
                && let Some((held, after)) = rest.split_once('}')
            {
                sql.push(" OR ").push(before);
                glob(sql, held);
                sql.push(after);
            }
            sql.push(")");
        }
    }
}

/// The pattern of a word, with its ligatures as two letters or as one.
fn pattern(word: &str, ligatures: Ligatures) -> String {
    let mut spelt: String = word.to_owned();
    for (two, _, both) in LIGATURES {
        for one in both.chars() {
            spelt = spelt.replace(one, two);
        }
    }
    let mut written = String::from("*");
    let mut rest = spelt.as_str();
    while let Some(c) = rest.chars().next() {
        let joined = LIGATURES
            .iter()
            .find(|(two, _, _)| ligatures == Ligatures::Joined && starts(rest, two));
        if let Some((two, _, both)) = joined {
            set(&mut written, both);
            rest = &rest[two.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match ALIKE.iter().find(|(_, alike)| alike.contains(c)) {
            Some((_, alike)) => set(&mut written, alike),
            None if c.is_ascii_digit() => written.push(c),
            None => set(&mut written, &cases(c)),
        }
    }
    written.push('*');
    written
}

fn starts(text: &str, two: &str) -> bool {
    text.get(..two.len())
        .is_some_and(|t| t.eq_ignore_ascii_case(two))
}

/// A letter in both cases, once each.
fn cases(c: char) -> String {
    let mut both = String::from(c);
    for other in c.to_lowercase().chain(c.to_uppercase()) {
        if !both.contains(other) {
            both.push(other);
        }
    }
    both
}

/// A set; where it holds a `]` that must come first, and a `^` may not.
fn set(written: &mut String, members: &str) {
    if members == "^" {
        written.push('^');
        return;
    }
    written.push('[');
    written.push_str(members);
    written.push(']');
}

/// An expression by which texts are sorted as a dictionary would, near enough: the letters of
/// French without their accents, in lower case.
pub(super) fn order(text: &str) -> String {
    let mut folded = text.to_owned();
    for (dressed, plain) in DRESSED {
        for accented in dressed.chars() {
            folded = format!("replace({folded}, '{accented}', '{plain}')");
        }
    }
    format!("lower({folded})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_looked_for_in_every_dress() {
        assert!(pattern("e", Ligatures::Apart).contains('É'));
        assert!(pattern("É", Ligatures::Apart).contains('e'));
        assert_eq!(pattern("1", Ligatures::Apart), "*1*");
        assert_eq!(
            pattern("œu", Ligatures::Joined),
            pattern("oeu", Ligatures::Joined)
        );
        assert_ne!(
            pattern("oeu", Ligatures::Joined),
            pattern("oeu", Ligatures::Apart)
        );
    }

    #[test]
    fn signs_of_the_pattern_language_are_data() {
        assert_eq!(pattern("*?[", Ligatures::Apart), "*[*][?][[]*");
        assert_eq!(pattern("]", Ligatures::Apart), "*[]]*");
        assert_eq!(pattern("^%_", Ligatures::Apart), "*^[%][_]*");
    }

    #[test]
    fn a_search_has_bounds() {
        assert!(Search::of(" \t ").is_empty());
        assert_eq!(Search::of(&"a ".repeat(50)).0.len(), WORDS);
        assert!(Search::of(&"e".repeat(10_000)).0[0][0].len() < 10_000);
    }
}
