//! `mailto:` links (RFC 6068): replies and forwards that are ready to send.

use std::fmt::Write as _;

use crate::domain::address::Address;

/// A link that opens a mail to `to` (`None`: the reader chooses) with a subject and a body.
pub(super) fn mailto(to: Option<&Address>, subject: &str, body: &str) -> String {
    let mut link = String::from("mailto:");
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
        // RFC 6068 §5: a line break in a body is CRLF.
        push_encoded(&mut link, &value.replace('\n', "\r\n"));
    }
    link
}

fn push_encoded(out: &mut String, s: &str) {
    for byte in s.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
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
