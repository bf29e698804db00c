//! The message as it crosses the wire: checked, dot-stuffed, with its final dot.

/// Why these bytes cannot go out as they are, if so: DATA carries lines of 7-bit text, each of
/// at most 998 bytes and its CRLF. A bare CR or LF is how one message is smuggled into another
/// (servers disagree on where it ends).
///
/// A header in UTF-8 (RFC 6532), which an address with letters beyond ASCII needs, is not looked
/// at here but by [`header_is_utf8`].
pub(super) fn objection(bytes: &[u8]) -> Option<&'static str> {
    let mut line = 0;
    let mut previous = 0;
    let body = header(bytes).len();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if previous != b'\r' => return Some("the message holds a bare LF"),
            _ if previous == b'\r' && byte != b'\n' => return Some("the message holds a bare CR"),
            128.. if at < body => line += 1,
            0 | 128.. => return Some("the message is not 7-bit text"),
            b'\n' => line = 0,
            b'\r' => {}
            _ => line += 1,
        }
        if line > 998 {
            return Some("the message holds a line of more than 998 bytes");
        }
        previous = byte;
    }
    (previous == b'\r').then_some("the message ends with a bare CR")
}

/// Whether the header holds UTF-8: such a message travels with SMTPUTF8 only.
pub(super) fn header_is_utf8(bytes: &[u8]) -> bool {
    !header(bytes).is_ascii()
}

fn header(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    end.map_or(&[], |end| &bytes[..end])
}

/// The message with its leading dots doubled (RFC 5321 §4.5.2), a last CRLF if it lacks one, and
/// the final dot.
pub(super) fn with_final_dot(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64 + 8);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
