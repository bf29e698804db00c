//! Header values as they travel: RFC 2047 encoded words and RFC 5322 folding.
//!
//! lettre's own encoder was seen to leave a line of 2,009 octets for one long word and to let
//! controls through; here every line of a value is at most 76 columns, but for one address.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::address::Mailbox;

/// Where a line is folded (RFC 5322 §2.1.1: 78 at most; RFC 2047 §2: 76 with encoded words).
const FOLD: usize = 76;

/// An encoded word holds at most 75 characters, of which `=?utf-8?q??=` takes 12.
const ENCODED: usize = 75 - 12;

/// An unstructured value, such as a subject, for the header `name`.
pub(super) fn unstructured(name: &str, value: &str) -> String {
    let start = name.len() + 2;
    if is_plain(value) && value.split(' ').all(|w| w.len() <= FOLD - start) {
        fold_words(value, start)
    } else {
        encoded_words(value, start)
    }
}

/// A mailbox for the header `name`. A UTF-8 local part stays UTF-8: nothing can encode it.
pub(super) fn mailbox(name: &str, mailbox: &Mailbox) -> String {
    let address = mailbox.address.on_the_wire();
    let start = name.len() + 2;
    let Some(shown) = mailbox.name.as_deref().filter(|n| !n.trim().is_empty()) else {
        return address;
    };
    let phrase = if is_plain(shown) && start + shown.len() + 2 <= FOLD && shown.trim() == shown {
        let atoms = shown
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&b));
        if atoms {
            shown.to_owned()
        } else {
            format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
        }
    } else {
        encoded_words(shown, start)
    };
    let last_line = match phrase.rfind("\r\n") {
        Some(at) => phrase.len() - at - 2,
        None => start + phrase.len(),
    };
    let gap = if last_line + address.len() + 3 > FOLD {
        "\r\n "
    } else {
        " "
    };
    format!("{phrase}{gap}<{address}>")
}

/// Printable ASCII that no reader takes for an encoded word, without spaces that folding or
/// trimming would lose.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| (0x20..0x7f).contains(&b))
        && !value.contains("=?")
        && !value.contains("  ")
        && value.trim() == value
}

fn fold_words(value: &str, start: usize) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    let mut column = start;
    for (i, word) in value.split(' ').enumerate() {
        if i > 0 {
            if column + 1 + word.len() > FOLD {
                out.push_str("\r\n");
                column = 0;
            }
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

/// The whole value in encoded words, one a line after the first; the shorter of Q and B.
fn encoded_words(value: &str, start: usize) -> String {
    let q_length: usize = value.bytes().map(q_width).sum();
    let b_length = value.len().div_ceil(3) * 4;
    let q = q_length <= b_length;
    let mut out = String::with_capacity(value.len() * 3);
    let mut word = String::new();
    let mut width = 0;
    let mut room = ENCODED.min(FOLD.saturating_sub(start + 12));
    let mut flush = |word: &mut String| {
        if !out.is_empty() {
            out.push_str("\r\n ");
        }
        if q {
            out.push_str("=?utf-8?q?");
            word.bytes().for_each(|b| push_q(&mut out, b));
        } else {
            out.push_str("=?utf-8?b?");
            out.push_str(&STANDARD.encode(word.as_bytes()));
        }
        out.push_str("?=");
        word.clear();
    };
    for c in value.chars() {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        let wider = if q {
            width + bytes.iter().copied().map(q_width).sum::<usize>()
        } else {
            (word.len() + bytes.len()).div_ceil(3) * 4
        };
        // A character is never split over two words (RFC 2047 §5).
        if wider > room && !word.is_empty() {
            flush(&mut word);
            width = 0;
            room = ENCODED;
        }
        width += bytes.iter().copied().map(q_width).sum::<usize>();
        word.push(c);
    }
    flush(&mut word);
    out
}

/// The bytes that stand for themselves in a phrase too (RFC 2047 §5 (3)).
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!*+-/".contains(&byte)
}

fn q_width(byte: u8) -> usize {
    if is_literal(byte) || byte == b' ' {
        1
    } else {
        3
    }
}

fn push_q(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if byte == b' ' {
        out.push('_');
    } else if is_literal(byte) {
        out.push(char::from(byte));
    } else {
        out.push('=');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_are_short(value: &str) -> bool {
        value.split("\r\n").all(|l| l.len() <= FOLD)
    }

    #[test]
    fn ascii_stays_readable_and_is_folded() {
        assert_eq!(unstructured("Subject", "Token renewed"), "Token renewed");
        let long = ["word"; 60].join(" ");
        let folded = unstructured("Subject", &long);
        assert!(lines_are_short(&folded));
        assert_eq!(folded.replace("\r\n", ""), long);
    }

    #[test]
    fn what_is_not_plain_is_encoded_without_splitting_a_character() {
        assert_eq!(unstructured("Subject", "é !"), "=?utf-8?q?=C3=A9_!?=");
        for value in [
            "é".repeat(500),
            "😀".repeat(300),
            "x".repeat(2000),
            "=?utf-8?q?=41?=".to_owned(),
            "a\r\nBcc: x@y.example".to_owned(),
        ] {
            let encoded = unstructured("Subject", &value);
            assert!(lines_are_short(&encoded), "{encoded}");
            assert!(encoded.starts_with("=?utf-8?") && encoded.is_ascii());
            for word in encoded.split("\r\n ") {
                assert!(!word.contains(char::is_control), "{word}");
            }
        }
    }

    #[test]
    fn a_name_is_quoted_where_it_must_be() {
        let of = |s: &str| mailbox("To", &Mailbox::parse(s).unwrap());
        assert_eq!(of("a@b.example"), "a@b.example");
        assert_eq!(
            of("Camille Martin <a@b.example>"),
            "Camille Martin <a@b.example>"
        );
        assert_eq!(
            of("Martin, C. <a@b.example>"),
            "\"Martin, C.\" <a@b.example>"
        );
        assert_eq!(
            of("Zoé <a@b.example>"),
            "=?utf-8?q?Zo=C3=A9?= <a@b.example>"
        );
        assert!(of("Zoé <a@évry.example>").ends_with("<a@xn--vry-9la.example>"));
    }
}
