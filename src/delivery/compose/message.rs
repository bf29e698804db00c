//! The bytes of a mail: `multipart/alternative`, text first, 7-bit, the same for the same input.
//!
//! lettre lays out the MIME parts. The headers are encoded here (see [`encode`]), and the
//! boundary derives from the Message-ID, where lettre would draw a random one.

use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, Headers,
};
use lettre::message::{Body, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use crate::delivery::compose::encode;
use crate::delivery::compose::letter::Envelope;
use crate::domain::address::Mailbox;
use crate::domain::calendar::Calendar;

/// Whether any address in the headers needs SMTPUTF8 to travel.
pub(super) fn needs_smtputf8(envelope: &Envelope) -> bool {
    let addresses = [
        &envelope.from.address,
        &envelope.to.address,
        &envelope.contact,
    ];
    addresses.iter().any(|a| a.needs_smtputf8())
}

/// Whether a Message-ID can stand between angle brackets: one @, visible ASCII around it.
pub(super) fn is_message_id(id: &str) -> bool {
    let visible = |s: &str| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_graphic() && !b"<>@()[],;:\\\"".contains(&b))
    };
    id.len() <= 250
        && id
            .split_once('@')
            .is_some_and(|(l, r)| visible(l) && visible(r))
}

/// The whole message.
pub(super) fn bytes(
    envelope: &Envelope,
    subject: &str,
    text: &str,
    html: &str,
    calendar: &Calendar,
) -> Vec<u8> {
    let contact = Mailbox {
        name: None,
        address: envelope.contact.clone(),
    };
    let mut headers = Headers::new();
    let mut set = |name: &'static str, encoded: String| {
        let name = HeaderName::new_from_ascii_str(name);
        // What travels is the encoded value; lettre reads the raw one for its envelope only.
        let raw = String::new();
        headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, raw, encoded));
    };
    set("Date", date(envelope, calendar));
    set("From", encode::mailbox("From", &envelope.from));
    set("To", encode::mailbox("To", &envelope.to));
    set("Reply-To", encode::mailbox("Reply-To", &contact));
    set("Subject", encode::unstructured("Subject", subject));
    set("Message-ID", message_id(envelope));
    set("MIME-Version", "1.0".to_owned());
    set("Content-Language", envelope.lang.code().to_owned());
    set("Auto-Submitted", "auto-generated".to_owned());
    // Not `All`: a bounce is wanted.
    set("X-Auto-Response-Suppress", "OOF, AutoReply".to_owned());
    let parts = MultiPart::alternative()
        .boundary(boundary(&envelope.message_id))
        .singlepart(part(ContentType::TEXT_PLAIN, text))
        .singlepart(part(ContentType::TEXT_HTML, html));
    let mut bytes = headers.to_string().into_bytes();
    bytes.extend_from_slice(&parts.formatted());
    bytes
}

/// The headers that no two mails share, as [`bytes`] writes them.
pub(super) fn push_headers(
    out: &mut Vec<u8>,
    envelope: &Envelope,
    subject: &str,
    calendar: &Calendar,
) {
    let mut set = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    set("Date", &date(envelope, calendar));
    set("From", &encode::mailbox("From", &envelope.from));
    set("To", &encode::mailbox("To", &envelope.to));
    set("Reply-To", &envelope.contact.on_the_wire());
    set("Subject", &encode::unstructured("Subject", subject));
    set("Message-ID", &message_id(envelope));
}

/// What stands around those headers, the boundaries and the parts in the mails of a language:
/// before the first boundary, before the text, before the HTML and after the last boundary.
pub(super) fn frame(lang: &str) -> [String; 4] {
    let part = |kind: &str| {
        format!(
            "\r\nContent-Type: text/{kind}; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
    };
    let opening = format!(
        "MIME-Version: 1.0\r\nContent-Language: {lang}\r\nAuto-Submitted: auto-generated\r\n\
         X-Auto-Response-Suppress: OOF, AutoReply\r\n\
         Content-Type: multipart/alternative;\r\n boundary=\""
    );
    [opening, part("plain"), part("html"), "--\r\n".to_owned()]
}

fn date(envelope: &Envelope, calendar: &Calendar) -> String {
    envelope.now.with_timezone(&calendar.tz).to_rfc2822()
}

fn message_id(envelope: &Envelope) -> String {
    // A fold before the id keeps a long one within the line.
    let fold = if envelope.message_id.len() > 60 {
        "\r\n "
    } else {
        ""
    };
    format!("{fold}<{}>", envelope.message_id)
}

/// `=_` stands in no quoted-printable text, so the boundary is in no part.
pub(super) fn boundary(message_id: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(message_id.as_bytes());
    let mut boundary = String::with_capacity(34);
    boundary.push_str("=_");
    for byte in digest.iter().take(16) {
        boundary.push(char::from(HEX[usize::from(byte >> 4)]));
        boundary.push(char::from(HEX[usize::from(byte & 15)]));
    }
    boundary
}

fn part(content_type: ContentType, content: &str) -> SinglePart {
    let body =
        Body::new_with_encoding(content.to_owned(), ContentTransferEncoding::QuotedPrintable)
            .expect("quoted-printable holds any text");
    SinglePart::builder().content_type(content_type).body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_cannot_bring_a_header_with_it() {
        assert!(is_message_id("m1.a-b_c@ville.example"));
        for bad in ["", "a", "a@", "a@b\r\nBcc: c@d", "<a@b>", "a b@c", "a@b@c"] {
            assert!(!is_message_id(bad), "{bad:?}");
        }
    }
}
