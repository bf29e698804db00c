//! The message as it crosses the wire: checked, dot-stuffed, with its final dot.
//!
//! Both passes look for the few bytes that matter and copy the rest in runs: they are most of
//! what the session costs a mail. Nothing is mended here; a message that is not fit is refused.

use memchr::{memchr, memchr_iter, memmem, memrchr};

/// Longest line (RFC 5321 §4.5.3.1.6), without its CRLF.
const LINE_LIMIT: usize = 998;

const BARE_LF: &str = "the message holds a bare LF";
const LONG_LINE: &str = "the message holds a line of more than 998 bytes";

/// Why these bytes cannot go out as they are, if so: DATA carries lines of 7-bit text, each of
/// at most 998 bytes and its CRLF. A bare CR or LF is how one message is smuggled into another
/// (servers disagree on where it ends).
///
/// A header in UTF-8 (RFC 6532), which an address with letters beyond ASCII needs, is not looked
/// at here but by [`header_is_utf8`].
pub(super) fn objection(bytes: &[u8]) -> Option<&'static str> {
    if is_sound(bytes) {
        None
    } else {
        find_objection(bytes)
    }
}

/// The most that a line has, and its CRLF.
const LINE: usize = LINE_LIMIT + 2;

/// Whether nothing speaks against these bytes, seen many at once. `false` says nothing.
fn is_sound(bytes: &[u8]) -> bool {
    let after = bytes.get(1..).unwrap_or_default();
    // Without an early exit the compiler looks at many bytes at once.
    let paired = bytes.iter().zip(after).fold(true, |sound, (&a, &b)| {
        sound & (a != 0) & ((a == b'\r') == (b == b'\n'))
    });
    paired
        && bytes.first() != Some(&b'\n')
        && !matches!(bytes.last(), Some(0 | b'\r'))
        && bytes[header(bytes).len()..].is_ascii()
        && lines_are_short(bytes)
}

/// From the start of a line on, as many bytes as the longest one has hold a line's end; the last
/// one of them is the next start.
fn lines_are_short(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while rest.len() > LINE - 2 {
        let window = &rest[..rest.len().min(LINE)];
        let Some(end) = memrchr(b'\n', window) else {
            return false;
        };
        rest = &rest[end + 1..];
    }
    true
}

/// What speaks against them.
fn find_objection(bytes: &[u8]) -> Option<&'static str> {
    let mut feeds = memchr_iter(b'\n', bytes);
    let mut line = 0;
    for cr in memchr_iter(b'\r', bytes) {
        match feeds.next() {
            Some(lf) if lf == cr + 1 => {}
            Some(lf) if lf < cr => return Some(BARE_LF),
            Some(_) | None => return Some("the message holds a bare CR"),
        }
        if cr - line > LINE_LIMIT {
            return Some(LONG_LINE);
        }
        line = cr + 2;
    }
    if feeds.next().is_some() {
        return Some(BARE_LF);
    }
    if bytes.len() - line > LINE_LIMIT {
        return Some(LONG_LINE);
    }
    let body = &bytes[header(bytes).len()..];
    let seven_bit = body.is_ascii() && memchr(0, bytes).is_none();
    (!seven_bit).then_some("the message is not 7-bit text")
}

/// Whether the header holds UTF-8: such a message travels with SMTPUTF8 only.
pub(super) fn header_is_utf8(bytes: &[u8]) -> bool {
    !header(bytes).is_ascii()
}

fn header(bytes: &[u8]) -> &[u8] {
    let end = memmem::find(bytes, b"\r\n\r\n");
    end.map_or(&[], |end| &bytes[..end])
}

/// Appends the message with its leading dots doubled (RFC 5321 §4.5.2), a last CRLF if it lacks
/// one, and the final dot.
pub(super) fn append_with_final_dot(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + bytes.len() / 64 + 8);
    if bytes.first() == Some(&b'.') {
        out.push(b'.');
    }
    let mut from = 0;
    for at in memmem::find_iter(bytes, b"\n.") {
        out.extend_from_slice(&bytes[from..=at]);
        out.push(b'.');
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    if !bytes.is_empty() && !bytes.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_final_dot(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append_with_final_dot(bytes, &mut out);
        out
    }

    /// What a server makes of the bytes after 354: the message, and what follows its dot.
    fn received(wire: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut message = Vec::new();
        let mut at = 0;
        for line in wire.split_inclusive(|b| *b == b'\n') {
            at += line.len();
            if line == b".\r\n" {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        (message, &wire[at..])
    }

    /// Line by line.
    fn dotted_slowly(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if line.first() == Some(&b'.') {
                out.push(b'.');
            }
            out.extend_from_slice(line);
        }
        if !bytes.is_empty() && !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    /// Mostly sound messages; any bytes too.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            8 => "[.a-zé\t\x01]{0,12}\r\n".prop_map(String::into_bytes),
            2 => Just(b"\r\n".to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..9),
            1 => prop::sample::select(b"\r\n.\0\xe9".to_vec()).prop_map(|b| vec![b]),
            2 => (990..1003_usize).prop_map(|n| [vec![b'x'; n], b"\r\n".to_vec()].concat()),
            1 => (990..1003_usize).prop_map(|n| vec![b'x'; n]),
        ];
        prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn many_bytes_at_once_are_seen_as_one_by_one(message in message()) {
            let objection = find_objection(&message);
            prop_assert_eq!(is_sound(&message), objection.is_none(), "{:?}", objection);
            prop_assert_eq!(with_final_dot(&message), dotted_slowly(&message));
            let end = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0);
            prop_assert_eq!(header_is_utf8(&message), !message[..end].is_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_message_crosses_the_wire_unchanged(
            lines in prop::collection::vec("[.]{0,3}[ -~]{0,12}", 0..20)
        ) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            prop_assert_eq!(objection(message.as_bytes()), None);
            let wire = with_final_dot(message.as_bytes());
            let (got, after) = received(&wire);
            prop_assert_eq!(got, message.as_bytes());
            prop_assert!(after.is_empty());
        }
    }

    #[test]
    fn a_missing_last_line_end_is_added() {
        assert_eq!(with_final_dot(b"a\r\n.b"), b"a\r\n..b\r\n.\r\n");
        assert_eq!(with_final_dot(b""), b".\r\n");
    }

    #[test]
    fn bytes_that_servers_read_differently_do_not_leave() {
        let long = [b'x'; 999];
        for bad in [
            &b"a\n.\nb\r\n"[..],
            b"a\rb\r\n",
            b"a\r",
            b"a\r\r\n",
            b"caf\xc3\xa9\r\n",
            b"a\0b\r\n",
            &long,
        ] {
            assert!(objection(bad).is_some(), "{bad:?}");
        }
        assert_eq!(objection(&long[1..]), None);
    }
}
