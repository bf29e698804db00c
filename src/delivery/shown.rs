//! A mail's words as it left, or as it would leave now, for the people who look at it.
//!
//! What left is read back from the bytes that were handed over, by a parser that shares nothing
//! with the builder; what is open is composed as delivery would compose it now.

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;

use crate::delivery::compose::{ComposeError, Templates};
use crate::delivery::desk::{Desk, Matter};
use crate::domain::language::{Text, text};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::mailbook::MailRow;
use crate::store::outbox::{Claimed, MailState};

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
