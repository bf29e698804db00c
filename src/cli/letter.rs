//! `outbox show`'s letter: a mail's words as it left, or as it would leave now.
//!
//! What left is read back from the bytes that were handed over, by a parser that shares nothing
//! with the builder; what is open is composed as delivery would compose it now.

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;

use crate::app;
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::delivery::desk::Matter;
use crate::domain::language::{Text, text};
use crate::store::Store;
use crate::store::mailbook::MailRow;
use crate::store::outbox::{Claimed, MailState};

/// A mail's words.
pub(super) struct Letter {
    /// What they are: as it left, as it would leave now.
    pub(super) heading: Text,
    /// Subject and text part.
    pub(super) text: String,
    /// The message itself, byte for byte, if it was handed over.
    pub(super) eml: Option<Vec<u8>>,
}

/// The letter of a mail; `None` when it carries nothing any more, or when what left is not kept.
pub(super) async fn of(
    config: &Config,
    store: &Store,
    mail: &MailRow,
    now: DateTime<Utc>,
) -> Result<Option<Letter>, Failure> {
    let heading = match mail.state {
        MailState::Queued | MailState::Claimed | MailState::Deferred | MailState::Held => {
            return as_it_would_leave(config, store, mail, now).await;
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
    Ok(Some(Letter {
        heading,
        text: read(&eml),
        eml: Some(eml),
    }))
}

/// The message as it was handed over, or why there is none.
pub(super) async fn eml(store: &Store, mail: &MailRow) -> Result<Vec<u8>, Failure> {
    let no = mail.no;
    store.body(no).await?.ok_or_else(|| {
        let message = if mail.settled_at.is_some() {
            text!(
                "the text of mail {no} is not kept: it never left, left before this version, or was cleared",
                "le texte du courriel {no} n’est pas conservé : il n’est jamais parti, est parti avant cette version, ou a été effacé"
            )
        } else {
            text!(
                "mail {no} has not left yet",
                "le courriel {no} n’est pas encore parti"
            )
        };
        Failure::new(Exit::NotFound, "no_body", message).hint(text!(
            "`jetond outbox show {no}` shows what is known of it",
            "`jetond outbox show {no}` montre ce qu’on en sait"
        ))
    })
}

/// Subject and text part of a message.
fn read(eml: &[u8]) -> String {
    let Some(message) = MessageParser::default().parse(eml) else {
        return String::from_utf8_lossy(eml).into_owned();
    };
    let subject = message.subject().unwrap_or_default();
    let text = message.body_text(0).unwrap_or_default();
    format!("{subject}\n\n{}", text.replace("\r\n", "\n"))
}

async fn as_it_would_leave(
    config: &Config,
    store: &Store,
    mail: &MailRow,
    now: DateTime<Utc>,
) -> Result<Option<Letter>, Failure> {
    let desk = app::desk(config);
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
    let composed = app::templates(config)?
        .compose(&addressed.letter, &addressed.envelope, &config.calendar)
        .map_err(|e| Failure::unexpected(&e.to_string()))?;
    Ok(Some(Letter {
        heading: text!("as it would leave now:", "tel qu’il partirait maintenant :"),
        text: format!("{}\n\n{}", composed.subject, composed.text),
        eml: None,
    }))
}
