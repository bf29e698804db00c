//! Composition: from what a mail is about to its final bytes. Pure: no clock, no file, no
//! store; the same letter gives the same bytes.
//!
//! Subjects, dates and numbers are written in Rust, by exhaustive matches on urgency and
//! language; the sentences and their order are templates, in the syntax of Jinja.
//!
//! # Overrides
//! An operator may replace any built-in template by a file of the same name: `fr/words.txt` and
//! `en/words.txt` hold the sentences, one macro for each point of a mail; `reminder.txt`,
//! `reminder.html`, `note.txt`, `note.html`, `base.html`, `footer.txt` and `style.css` lay them
//! out. Sources are handed to [`Templates::with_overrides`]; whoever reads the files then calls
//! [`Templates::proof`], which composes every kind of mail. A file with a fault is refused there,
//! with its name and line, and no mail is composed from it. What templates are given is
//! documented on the fields of the types in `view` and `note`.

mod calm;
pub mod check;
mod encode;
mod facts;
mod form;
mod forms;
pub mod letter;
mod mailto;
mod message;
mod note;
mod plain;
mod proof;
mod prose;
mod quoted;
mod shape;
mod subject;
mod template;
mod view;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use minijinja::Environment;

use crate::delivery::compose::check::{Fault, check_bytes};
use crate::delivery::compose::forms::Forms;
use crate::delivery::compose::letter::{Composed, Draft, Envelope, Letter};
pub use crate::delivery::compose::template::TemplateError;
use crate::delivery::compose::view::Detail;
use crate::domain::body::Body;
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::domain::urgency::Urgency;

/// Why a letter did not become a mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A template failed; [`Templates::proof`] finds this beforehand.
    #[error("template {0}")]
    Template(#[from] TemplateError),
    /// The bytes break a rule of mail; they must not leave.
    #[error("the composed message is malformed: {0}")]
    Bytes(#[from] Fault),
    /// A reminder about nothing.
    #[error("a reminder needs at least one token")]
    NoToken,
    /// The Message-ID cannot stand in a header.
    #[error("{0:?} is not a Message-ID")]
    MessageId(String),
}

/// The prepared templates: made once, used for every mail.
#[derive(Debug)]
pub struct Templates {
    env: Environment<'static>,
    /// None when a template was replaced: it may branch on any value.
    forms: Option<Forms>,
}

impl Templates {
    /// The built-in templates.
    pub fn built_in() -> Self {
        Self::with_overrides(std::iter::empty()).expect("the built-in templates are well formed")
    }

    /// The built-in templates with some replaced: pairs of a name, such as `fr/words.txt`, and
    /// the source that takes its place.
    ///
    /// # Errors
    /// A name that no built-in template has, and the first fault of syntax.
    pub fn with_overrides(
        files: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, TemplateError> {
        let mut files = files.peekable();
        let forms = files.peek().is_none().then(Forms::default);
        let env = template::environment(files)?;
        Ok(Self { env, forms })
    }

    /// Composes sample mails of every urgency, language and role, about one token and several,
    /// with every fact and with few, and notes.
    ///
    /// # Errors
    /// Every fault found, each once.
    pub fn proof(&self, calendar: &Calendar) -> Result<(), Vec<TemplateError>> {
        let mut faults = Vec::new();
        for (envelope, letter) in proof::samples(calendar) {
            let subject = self::subject(&letter, &envelope, calendar);
            if let Err(fault) = self.parts(&letter, &envelope, calendar, &subject)
                && !faults.contains(&fault)
            {
                faults.push(fault);
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Composes one mail.
    ///
    /// # Errors
    /// A reminder without a token, a Message-ID that is none, a template that fails, and bytes
    /// that must not leave.
    pub fn compose(
        &self,
        letter: &Letter,
        envelope: &Envelope,
        calendar: &Calendar,
    ) -> Result<Composed, ComposeError> {
        can_be_composed(letter, envelope)?;
        let subject = self::subject(letter, envelope, calendar);
        let (text, html) = self.parts(letter, envelope, calendar, &subject)?;
        let bytes = message::bytes(envelope, &subject, &text, &html, calendar);
        check_bytes(&bytes)?;
        Ok(Composed {
            subject,
            text,
            html,
            bytes,
            needs_smtputf8: message::needs_smtputf8(envelope),
        })
    }

    /// Composes one mail to be sent: the very bytes of [`Templates::compose`], without what only
    /// a preview shows.
    ///
    /// # Errors
    /// As [`Templates::compose`].
    pub fn draft(
        &self,
        letter: &Letter,
        envelope: &Envelope,
        calendar: &Calendar,
    ) -> Result<Draft, ComposeError> {
        can_be_composed(letter, envelope)?;
        let subject = self::subject(letter, envelope, calendar);
        if let Some((bytes, body)) = self.filled(letter, envelope, calendar, &subject) {
            check_bytes(&bytes)?;
            return Ok(Draft {
                subject,
                bytes,
                body,
            });
        }
        let (text, html) = self.parts(letter, envelope, calendar, &subject)?;
        let bytes = message::bytes(envelope, &subject, &text, &html, calendar);
        check_bytes(&bytes)?;
        Ok(Draft {
            subject,
            body: Body::Whole(bytes.clone()),
            bytes,
        })
    }

    /// The mail by the form of its shape; `None`: it must be rendered.
    fn filled(
        &self,
        letter: &Letter,
        envelope: &Envelope,
        calendar: &Calendar,
        subject: &str,
    ) -> Option<(Vec<u8>, Body)> {
        let Letter::Reminder(reminder) = letter else {
            return None;
        };
        let forms = self.forms.as_ref()?;
        let detail = Detail::of(&reminder.tokens);
        let view = view::reminder(&reminder.tokens, envelope, calendar, subject, detail);
        let (prepared, values) = forms.of(&self.env, view)?;
        let headers = |out: &mut Vec<u8>| message::push_headers(out, envelope, subject, calendar);
        let boundary = message::boundary(&envelope.message_id);
        let (bytes, own) = prepared.fill(headers, &boundary, &values)?;
        let form = Arc::clone(&prepared.form);
        Some((bytes, Body::Sparse { form, own }))
    }

    fn parts(
        &self,
        letter: &Letter,
        envelope: &Envelope,
        calendar: &Calendar,
        subject: &str,
    ) -> Result<(String, String), TemplateError> {
        match letter {
            Letter::Reminder(reminder) => {
                let view =
                    view::reminder(&reminder.tokens, envelope, calendar, subject, Detail::All);
                template::render(&self.env, template::REMINDER, &view)
            }
            Letter::Note(said) => {
                let view = note::view(said, envelope, subject);
                template::render(&self.env, ("note.txt", "note.html"), &view)
            }
        }
    }
}

fn can_be_composed(letter: &Letter, envelope: &Envelope) -> Result<(), ComposeError> {
    if matches!(letter, Letter::Reminder(reminder) if reminder.tokens.is_empty()) {
        return Err(ComposeError::NoToken);
    }
    if !message::is_message_id(&envelope.message_id) {
        return Err(ComposeError::MessageId(envelope.message_id.clone()));
    }
    Ok(())
}

/// A template engine without templates, by the rules of mails: HTML is escaped, and an undefined
/// variable is an error.
pub fn engine() -> Environment<'static> {
    template::engine()
}

/// A date in words: "15 décembre 2026", "15 December 2026".
pub fn date(lang: Lang, on: NaiveDate) -> String {
    prose::date(lang, on)
}

/// A moment in words: "15 décembre 2026 à 9 h", "15 December 2026 at 09:00".
pub fn moment(lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> String {
    prose::date_and_hour(lang, calendar, at)
}

/// When a token expires, in words: "dimanche 22 novembre 2026 à 16 h 45 (heure de Paris)".
pub fn whole_moment(lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> String {
    prose::moment(lang, calendar, at)
}

/// How far away an expiry is, in words: "dans 15 jours", "demain", "depuis 7 jours".
pub fn left(lang: Lang, calendar: &Calendar, expires: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let urgency = Urgency::at(calendar, expires, now);
    prose::left(lang, urgency, calendar.days_between(now, expires))
}

/// A weekday in words: "mardi", "Tuesday".
pub fn weekday(lang: Lang, on: NaiveDate) -> &'static str {
    prose::weekday(lang, on)
}

/// The subject of a letter as its reader will see it. Cheap: no template is rendered.
pub fn subject(letter: &Letter, envelope: &Envelope, calendar: &Calendar) -> String {
    subject::subject(letter, envelope, calendar)
}
