//! A mail's words as it left, or as it would leave now, for the people who look at it.
//!
//! What left is read back from the bytes that were handed over, by a parser that shares nothing
//! with the builder; what is open is composed as delivery would compose it now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use mail_parser::MessageParser;

use crate::delivery::compose::{ComposeError, Templates};
use crate::delivery::desk::{Desk, Matter};
use crate::domain::language::{Text, text};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::mailbook::MailRow;
use crate::store::outbox::{Claimed, MailState};
use crate::store::posts::is_post;

/// A mail's words.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What they are: as it left, as it would leave now.
    pub heading: Text,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: String,
    /// The message itself, byte for byte, if it was handed over.
    pub eml: Option<Vec<u8>>,
}

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mail cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// The letter of a mail; `None` when it carries nothing any more, or when what left is not kept.
/// Of a post: the JSON that was handed over; what it would say now, `posts` knows.
///
/// # Errors
/// When the store cannot be read, or the mail cannot be composed.
pub async fn letter(
    desk: &Desk,
    templates: &Templates,
    store: &Store,
    mail: &MailRow,
    now: DateTime<Utc>,
) -> Result<Option<Letter>, Unread> {
    let heading = match mail.state {
        MailState::Queued | MailState::Claimed | MailState::Deferred | MailState::Held => {
            if is_post(&mail.kind) {
                return Ok(None);
            }
            return as_it_would_leave(desk, templates, store, mail, now).await;
        }
        MailState::Sent => text!("as it left:", "tel qu’il est parti :"),
        MailState::InDoubt => text!(
            "as it was handed over; nobody knows whether it was taken:",
            "tel qu’il a été présenté, sans savoir s’il a été pris :"
        ),
        MailState::Refused | MailState::Parked | MailState::Failed | MailState::Cancelled => text!(
            "as it was last handed over, and not taken:",
            "tel qu’il a été présenté en dernier, sans être pris :"
        ),
    };
    let Some(eml) = store.body(mail.no).await? else {
        return Ok(None);
    };
    if is_post(&mail.kind) {
        let value = serde_json::from_slice::<serde_json::Value>(&eml);
        let laid_out = value.and_then(|v| serde_json::to_string_pretty(&v));
        return Ok(Some(Letter {
            heading,
            subject: mail.subject.clone().unwrap_or_default(),
            text: laid_out.unwrap_or_else(|_| String::from_utf8_lossy(&eml).into_owned()),
            eml: None,
        }));
    }
    let (subject, text) = read(&eml);
    Ok(Some(Letter {
        heading,
        subject,
        text,
        eml: Some(eml),
    }))
}

/// Subject and text part of a message.
fn read(eml: &[u8]) -> (String, String) {
    let Some(message) = MessageParser::default().parse(eml) else {
        return (String::new(), String::from_utf8_lossy(eml).into_owned());
    };
    let subject = message.subject().unwrap_or_default();
    let text = message.body_text(0).unwrap_or_default();
    (subject.to_owned(), text.replace("\r\n", "\n"))
}

async fn as_it_would_leave(
    desk: &Desk,
    templates: &Templates,
    store: &Store,
    mail: &MailRow,
    now: DateTime<Utc>,
) -> Result<Option<Letter>, Unread> {
    let matter = Matter::of(store, &[mail.no]).await?;
    let claimed = Claimed {
        no: mail.no,
        fence: 0,
        message_id: mail.message_id.clone(),
        kind: mail.kind.clone(),
        recipient: mail.address.to_lowercase(),
        address: mail.address.clone(),
        domain: String::new(),
        doubts: 0,
        content: None,
        note: mail.note.clone(),
        deferrals: 0,
        deferred_since: None,
    };
    let Some(addressed) = desk.address(&claimed, &matter, now)? else {
        return Ok(None);
    };
    let composed = templates.compose(&addressed.letter, &addressed.envelope, &desk.calendar)?;
    Ok(Some(Letter {
        heading: text!("as it would leave now:", "tel qu’il partirait maintenant :"),
        subject: composed.subject,
        text: composed.text,
        eml: None,
    }))
}

/// What stands in place of a ticket.
const MASK: &str = "***";

/// Characters of a ticket at least: what is shorter opens nothing.
const TICKET: usize = 40;

/// A text in which no link opens a page of its reader.
pub fn masked(text: &str) -> String {
    const BEFORE: &str = "/l/";
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEFORE) {
        let (before, ticket) = rest.split_at(at + BEFORE.len());
        shown.push_str(before);
        let length = ticket
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            .count();
        if length >= TICKET {
            shown.push_str(MASK);
            rest = &ticket[length..];
        } else {
            rest = ticket;
        }
    }
    shown.push_str(rest);
    shown
}

/// A message in which no link opens a page of its reader: the headers as they left but for those
/// of the parts, and both texts set anew, so that no line break hides a ticket.
pub fn without_keys(eml: &[u8]) -> Vec<u8> {
    const BOUNDARY: &str = "=_masked";
    let all = String::from_utf8_lossy(eml);
    let head = all.split_once("\r\n\r\n").map_or("", |(head, _)| head);
    let mut kept = String::new();
    let mut is_kept = true;
    for line in head.split("\r\n") {
        if !line.starts_with([' ', '\t']) {
            let name = line.split(':').next().unwrap_or_default();
            let name = name.to_ascii_lowercase();
            is_kept = !name.starts_with("content-") || name == "content-language";
        }
        if is_kept {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    let message = MessageParser::default().parse(eml);
    let part = |text: Option<std::borrow::Cow<'_, str>>| masked(&text.unwrap_or_default());
    let text = part(message.as_ref().and_then(|m| m.body_text(0)));
    let html = part(message.as_ref().and_then(|m| m.body_html(0)));
    let mut written = masked(&kept);
    written.push_str(&format!(
        "X-Masked: links\r\nContent-Type: multipart/alternative; boundary=\"{BOUNDARY}\"\r\n"
    ));
    for (kind, text) in [("plain", text), ("html", html)] {
        written.push_str(&format!(
            "\r\n--{BOUNDARY}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        ));
        let encoded = STANDARD.encode(text);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(76));
            written.push_str(line);
            written.push_str("\r\n");
            rest = more;
        }
    }
    written.push_str(&format!("\r\n--{BOUNDARY}--\r\n"));
    written.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_masked_wherever_it_stands() {
        let ticket = "AQAAAAEAAAABq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ";
        let shown = masked(&format!(
            "see https://a.example/l/{ticket}/filed, <https://a.example/x/l/{ticket}> /l/preview /l/"
        ));
        assert_eq!(
            shown,
            "see https://a.example/l/***/filed, <https://a.example/x/l/***> /l/preview /l/"
        );
    }

    #[test]
    fn a_message_without_keys_is_a_message() {
        let ticket = "AQAAAAEAAAABq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ";
        let (begin, end) = ticket.split_at(20);
        let eml = format!(
            "Subject: S\r\nContent-Type: text/plain; charset=utf-8;\r\n\tformat=flowed\r\n\
             Content-Language: fr\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             https://a.example/l/{begin}=\r\n{end}\r\n"
        );
        let masked = without_keys(eml.as_bytes());
        let read = MessageParser::default().parse(&masked).unwrap();
        assert_eq!(read.subject(), Some("S"));
        assert_eq!(read.body_text(0).unwrap().trim(), "https://a.example/l/***");
        assert!(read.body_html(0).unwrap().contains("/l/***"));
        let written = String::from_utf8(masked).unwrap();
        assert!(written.contains("Content-Language: fr"), "{written}");
        assert!(!written.contains("flowed"), "{written}");
    }
}
