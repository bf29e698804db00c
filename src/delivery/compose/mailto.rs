//! `mailto:` links (RFC 6068): replies and forwards that are ready to send.

use crate::domain::address::Address;

/// A link that opens a mail to `to` (`None`: the reader chooses) with a subject and a body.
pub(super) fn mailto(to: Option<&Address>, subject: &str, body: &str) -> String {
    let room = 3 * (subject.len() + body.len()) + 128;
    let mut link = String::with_capacity(room.min(2048));
    link.push_str("mailto:");
    if let Some(to) = to {
        push_encoded(&mut link, to.local());
        link.push('@');
        push_encoded(&mut link, to.ascii_domain());
    }
    let fields = [("subject", subject), ("body", body)];
    let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
    for (i, (field, value)) in given.enumerate() {
        link.push(if i == 0 { '?' } else { '&' });
        link.push_str(field);
        link.push('=');
        push_encoded(&mut link, value);
    }
    link
}

fn push_encoded(out: &mut String, s: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in s.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else if byte == b'\n' {
            // RFC 6068 §5: a line break in a body is CRLF.
            out.push_str("%0D%0A");
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_add_another() {
        let to = Address::parse("a+b@ville.example").unwrap();
        assert_eq!(
            mailto(Some(&to), "é & ?", "1\n2"),
            "mailto:a%2Bb@ville.example?subject=%C3%A9%20%26%20%3F&body=1%0D%0A2"
        );
        assert_eq!(mailto(None, "", ""), "mailto:");
    }
}
