//! The bytes of a mail: `multipart/alternative`, text first, 7-bit, the same for the same input.
//!
//! lettre lays out the MIME parts. The headers are encoded here (see [`encode`]), and the
//! boundary derives from the Message-ID, where lettre would draw a random one.

use std::fmt::Write as _;

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
    let date = envelope.now.with_timezone(&calendar.tz).to_rfc2822();
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
    set("Date", date);
    set("From", encode::mailbox("From", &envelope.from));
    set("To", encode::mailbox("To", &envelope.to));
    set("Reply-To", encode::mailbox("Reply-To", &contact));
    set("Subject", encode::unstructured("Subject", subject));
    // A fold before the id keeps a long one within the line.
    let fold = if envelope.message_id.len() > 60 {
        "\r\n "
    } else {
        ""
    };
    set("Message-ID", format!("{fold}<{}>", envelope.message_id));
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

/// `=_` stands in no quoted-printable text, so the boundary is in no part.
fn boundary(message_id: &str) -> String {
    let digest = Sha256::digest(message_id.as_bytes());
    let mut boundary = String::from("=_");
    for byte in digest.iter().take(16) {
        let _ = write!(boundary, "{byte:02x}");
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
