//! One mail: what it carries, every attempt with the server's reply, and its text.
//!
//! A link in a mail is a key: whoever has it speaks as the recipient. So no page shows a working
//! one, and only operators get a message as it left, byte for byte.

use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::delivery::desk::Desk;
use crate::delivery::pages::Pages;
use crate::delivery::shown::{self, Unread, masked, without_keys};
use crate::domain::language::{Text, text};
use crate::store::mailbook::MailRow;
use crate::store::outbox::MailState;
use crate::store::posts::is_post;
use crate::web::Unready;
use crate::web::board::lines::{self, MailLine, segment};
use crate::web::board::{Ask, Section};
use crate::words::{mail, when};

#[derive(Serialize)]
struct View {
    mail: MailLine,
    message_id: String,
    made: String,
    recipient_path: Option<String>,
    notices: Vec<NoticeLine>,
    attempts: Vec<AttemptLine>,
    /// What the text is: as it left, as it would leave now.
    heading: Option<String>,
    subject: String,
    headers: Option<String>,
    text: String,
    has_eml: bool,
    /// Why there is no text.
    silent: Option<String>,
    can_retry: bool,
}

#[derive(Serialize)]
struct NoticeLine {
    token: String,
    path: String,
    stage: i32,
}

#[derive(Serialize)]
struct AttemptLine {
    at: String,
    outcome: String,
    reply: String,
}

/// The page of a mail, or with `.eml` behind its number the message.
pub(super) async fn page(Path(no): Path<String>, ask: Ask) -> Result<Response, Unready> {
    let (number, is_file) = match no.strip_suffix(".eml") {
        Some(number) => (number, true),
        None => (no.as_str(), false),
    };
    let found = match number.parse::<i64>() {
        Ok(no) => ask.site.reader.mail(no).await?,
        Err(_) => None,
    };
    let Some((row, attempts)) = found else {
        return Ok(ask.missing(Section::Outbox));
    };
    if is_file {
        return eml(&ask, &row).await;
    }
    let recipient = ask.site.reader.recipient_of(row.no).await?;
    let known = match &recipient {
        None => false,
        Some(key) => !ask
            .site
            .reader
            .people_of(std::slice::from_ref(key), ask.now)
            .await?
            .is_empty(),
    };
    // What has not left is composed for show: its links open nothing.
    let desk = Desk {
        pages: match &ask.site.desk.pages {
            Pages::Signed(url, _) => Pages::Sample(url.clone()),
            other => other.clone(),
        },
        ..ask.site.desk.clone()
    };
    let reader = &ask.site.reader;
    let letter = shown::letter(&desk, &ask.site.templates, reader, &row, ask.now).await;
    let (letter, silent) = match letter {
        Ok(Some(letter)) => (Some(letter), None),
        Ok(None) => (None, Some(why_silent(&row))),
        Err(Unread::Store(e)) => return Err(e.into()),
        Err(Unread::Compose(e)) => {
            let e = e.to_string();
            let why = text!(
                "This mail cannot be composed: {e}",
                "Ce courriel ne peut pas être composé : {e}"
            );
            (None, Some(why))
        }
    };
    let calendar = ask.calendar();
    let eml = letter.as_ref().and_then(|l| l.eml.as_deref());
    let view = View {
        mail: lines::mail(&ask, &row),
        message_id: row.message_id.clone(),
        made: when::minute(row.created_at, calendar),
        recipient_path: recipient.filter(|_| known).map(|key| segment(&key)),
        notices: row
            .notices
            .iter()
            .map(|(token, stage)| NoticeLine {
                path: segment(token),
                token: token.clone(),
                stage: *stage,
            })
            .collect(),
        attempts: attempts
            .iter()
            .map(|a| AttemptLine {
                at: when::minute(a.at, calendar),
                outcome: ask.say(&mail::outcome(&a.outcome)).to_owned(),
                reply: a.reply.clone(),
            })
            .collect(),
        headers: eml.map(headers),
        has_eml: eml.is_some(),
        heading: letter.as_ref().map(|l| ask.say(&l.heading).to_owned()),
        subject: letter
            .as_ref()
            .map(|l| masked(&l.subject))
            .unwrap_or_default(),
        text: letter.as_ref().map(|l| masked(&l.text)).unwrap_or_default(),
        silent: silent.map(|why| ask.say(&why).to_owned()),
        can_retry: match row.state {
            MailState::Queued
            | MailState::InDoubt
            | MailState::Deferred
            | MailState::Held
            | MailState::Refused
            | MailState::Parked
            | MailState::Failed => true,
            MailState::Claimed | MailState::Sent | MailState::Cancelled => false,
        },
    };
    let no = row.no;
    let title = text!("Mail {no}", "Courriel {no}");
    Ok(ask.page(Section::Outbox, &title, "mail.html", &view))
}

/// The message as a file: as it left for operators, without the keys for everybody else.
async fn eml(ask: &Ask, row: &MailRow) -> Result<Response, Unready> {
    let Some(bytes) = ask.site.reader.body(row.no).await? else {
        return Ok(ask.missing(Section::Outbox));
    };
    let bytes = if ask.visitor.may_act() {
        bytes
    } else {
        without_keys(&bytes)
    };
    let no = row.no;
    let kept = format!("attachment; filename=\"mail-{no}.eml\"");
    let head = [
        (CONTENT_TYPE, "message/rfc822"),
        (CONTENT_DISPOSITION, kept.as_str()),
    ];
    Ok((head, bytes).into_response())
}

/// The lines before the text, as they left.
fn headers(eml: &[u8]) -> String {
    let all = String::from_utf8_lossy(eml).replace("\r\n", "\n");
    let head = all
        .split_once("\n\n")
        .map_or(all.as_str(), |(head, _)| head);
    masked(head)
}

fn why_silent(row: &MailRow) -> Text {
    if row.settled_at.is_some() {
        text!(
            "Its text is not kept: it never left, or the time to keep it is over.",
            "Son texte n’est pas conservé : il n’est jamais parti, ou la durée de conservation est passée."
        )
    } else if is_post(&row.kind) {
        text!(
            "What goes to a channel is written when it leaves.",
            "Ce qui part vers un canal est rédigé au moment de partir."
        )
    } else {
        text!(
            "It carries nothing any more: it will be cancelled instead of leaving.",
            "Il ne porte plus rien : il sera annulé au lieu de partir."
        )
    }
}
