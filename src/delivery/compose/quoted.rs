//! Quoted-printable text (RFC 2045 §6.7) in two steps: what stands for the bytes, which does not
//! depend on where they stand, and the soft breaks, which do.
//!
//! The lines are those that lettre's encoder makes, byte for byte: a line is as full as it may
//! be, 76 columns with the `=` of its soft break. Line ends are the caller's.

/// The columns of a line, with the `=` of a soft break.
const LINE: usize = 76;

/// A soft break.
pub(super) const SOFT: &[u8] = b"=\r\n";

/// What is done to text before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// Nothing: it is plain text, or markup already.
    Nothing,
    /// What HTML reads as markup is escaped, as the template engine does it here.
    Html,
}

/// Whether more follows on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// More follows: room is left for a soft break.
    Within,
    /// This ends the line.
    Last,
}

/// The bytes that stand for themselves in text.
const PLAIN: [bool; 256] = plain(b"=");

/// … and those that also HTML takes as they are.
const PLAIN_IN_HTML: [bool; 256] = plain(b"=&<>\"'");

const fn plain(besides: &[u8]) -> [bool; 256] {
    let mut plain = [false; 256];
    let mut b = b' ';
    while b <= b'~' {
        plain[b as usize] = true;
        b += 1;
    }
    plain[b'\t' as usize] = true;
    let mut i = 0;
    while i < besides.len() {
        plain[besides[i] as usize] = false;
        i += 1;
    }
    plain
}

/// Appends what stands for a text without line ends, on one line however long.
pub(super) fn encode(out: &mut Vec<u8>, text: &str, escape: Escape) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain = match escape {
        Escape::Nothing => &PLAIN,
        Escape::Html => &PLAIN_IN_HTML,
    };
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| !is_plain[usize::from(*b)]) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        let in_html = match byte {
            b'&' => b"&amp;".as_slice(),
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\'' => b"&#39;",
            _ => &[
                b'=',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ],
        };
        out.extend_from_slice(in_html);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Encodes the blank that ends a line: some servers would take it away.
pub(super) fn seal(encoded: &mut Vec<u8>) {
    let sealed = match encoded.last() {
        Some(b' ') => b"=20",
        Some(b'\t') => b"=09",
        _ => return,
    };
    encoded.pop();
    encoded.extend_from_slice(sealed);
}

/// How many of these encoded bytes stand on the line before a soft break, from `column` on;
/// all of them: none is needed.
pub(super) fn room(encoded: &[u8], column: usize, stand: Stand) -> usize {
    let most = match stand {
        Stand::Within => LINE - 1,
        Stand::Last => LINE,
    };
    if column + encoded.len() <= most {
        return encoded.len();
    }
    let room = LINE - 1 - column;
    // `=` begins an octet of three, which is not split.
    match &encoded[..room] {
        [.., b'='] => room - 1,
        [.., b'=', _] => room - 2,
        _ => room,
    }
}

/// Appends a whole line, with its soft breaks and its CRLF.
pub(super) fn line(out: &mut Vec<u8>, text: &str) {
    line_by(out, text, &mut Vec::with_capacity(text.len() * 2));
}

/// As [`line`], with room to encode it in.
pub(super) fn line_by(out: &mut Vec<u8>, text: &str, encoded: &mut Vec<u8>) {
    encoded.clear();
    encode(encoded, text, Escape::Nothing);
    seal(encoded);
    let mut rest = encoded.as_slice();
    loop {
        let (fits, after) = rest.split_at(room(rest, 0, Stand::Last));
        out.extend_from_slice(fits);
        if after.is_empty() {
            break;
        }
        out.extend_from_slice(SOFT);
        rest = after;
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use lettre::message::Body;
    use lettre::message::header::ContentTransferEncoding;
    use proptest::prelude::*;

    use super::*;

    fn by_lettre(text: &str) -> Vec<u8> {
        let encoding = ContentTransferEncoding::QuotedPrintable;
        Body::new_with_encoding(text.to_owned(), encoding)
            .unwrap()
            .into_vec()
    }

    /// A line in pieces, each laid where the one before it ended.
    fn in_pieces(pieces: &[String]) -> Vec<u8> {
        let (mut out, mut column) = (Vec::new(), 0);
        for (i, piece) in pieces.iter().enumerate() {
            let mut encoded = Vec::new();
            encode(&mut encoded, piece, Escape::Nothing);
            let mut stand = Stand::Within;
            if i + 1 == pieces.len() {
                seal(&mut encoded);
                stand = Stand::Last;
            }
            let mut rest = encoded.as_slice();
            loop {
                let (fits, after) = rest.split_at(room(rest, column, stand));
                out.extend_from_slice(fits);
                column += fits.len();
                if after.is_empty() {
                    break;
                }
                out.extend_from_slice(SOFT);
                column = 0;
                rest = after;
            }
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z =]{1,9}",
            "[a-z]{60,80}",
            "[ -~é\\t😀=]{1,120}",
            "é{1,40}",
            " {1,3}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn lines_are_those_of_lettre(pieces in prop::collection::vec(piece(), 1..9)) {
            let whole = pieces.concat();
            let theirs = by_lettre(&format!("{whole}\n"));
            let mut ours = Vec::new();
            line(&mut ours, &whole);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(&in_pieces(&pieces), &theirs);
        }
    }

    #[test]
    fn lines_of_every_length_are_those_of_lettre() {
        for length in 60..90 {
            for end in ["", " ", "=", "é", "  ", "x\t", "=x", "é "] {
                let text = format!("{}{end}", "x".repeat(length));
                let mut ours = Vec::new();
                line(&mut ours, &text);
                assert_eq!(ours, by_lettre(&format!("{text}\n")), "{text:?}");
            }
        }
    }

    #[test]
    fn markup_is_escaped_in_html_only() {
        let said = |escape| {
            let mut out = Vec::new();
            encode(&mut out, "<a href=\"é'&\">", escape);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said(Escape::Nothing), "<a href=3D\"=C3=A9'&\">");
        assert_eq!(
            said(Escape::Html),
            "&lt;a href=3D&quot;=C3=A9&#39;&amp;&quot;&gt;"
        );
    }
}
