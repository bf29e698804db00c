//! Notes: what the contact, and the other people of a token, are told when a reminder did not
//! reach somebody.
//!
//! A note is queued once for (kind, cause, recipient). Notes about notes do not exist: what
//! cannot be told by mail is shown by `status`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::delivery::compose;
use crate::delivery::desk::{Desk, Matter};
use crate::domain::address::Address;
use crate::domain::language::{Lang, Text, text};
use crate::domain::message_id::message_id;
use crate::store::error::{Result, StoreError};
use crate::store::outbox::Claimed;
use crate::store::settle::NewNote;

/// Ids that a note names one by one.
const LISTED: usize = 20;

/// Why a reminder did not reach its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The server refuses the message itself, or nobody knows whether it arrived.
    Parked,
    /// It has been deferred for a day and is still tried.
    Deferred,
    /// It has been deferred for five days and is given up.
    Failed,
}

impl Trouble {
    /// The kind of the note.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Parked => "note_parked",
            Self::Deferred => "note_deferred",
            Self::Failed => "note_failed",
        }
    }
}

/// A note before it has a recipient.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its kind.
    pub kind: &'static str,
    /// What it is about.
    pub cause: String,
    /// The subject.
    pub subject: Text,
    /// Paragraphs; one that begins with `## ` is a heading, lines that begin with `- ` a list.
    pub body: Vec<Text>,
}

/// A note's words as the store keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The subject.
    pub subject: Text,
    /// Paragraphs.
    pub body: Vec<Text>,
    /// The language in which it is sent.
    pub language: Lang,
}

impl Words {
    /// Reads the words of a row.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn read(row: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(row)
            .map_err(|e| StoreError::Corrupt(format!("a note’s words: {e}")))?;
        let both = |v: &Value| Text {
            en: v["en"].as_str().unwrap_or_default().to_owned(),
            fr: v["fr"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(Self {
            subject: both(&value["subject"]),
            body: value["body"]
                .as_array()
                .into_iter()
                .flatten()
                .map(both)
                .collect(),
            language: value["language"]
                .as_str()
                .and_then(|l| Lang::parse(l).ok())
                .unwrap_or_default(),
        })
    }

    /// The words as a row.
    pub fn to_row(&self) -> String {
        let both = |t: &Text| json!({"en": t.en, "fr": t.fr});
        json!({
            "subject": both(&self.subject),
            "body": self.body.iter().map(both).collect::<Vec<_>>(),
            "language": self.language.code(),
        })
        .to_string()
    }
}

impl Desk {
    /// The notes that tell people about a reminder that did not arrive: the contacts, and the
    /// other recipients of its tokens when it was the contact. Empty for a note. A recipient who
    /// is refused for good is told of in `refusals`.
    pub fn notes_about(
        &self,
        trouble: Trouble,
        mail: &Claimed,
        matter: &Matter,
        reply: &str,
        now: DateTime<Utc>,
    ) -> Vec<NewNote> {
        if mail.note.is_some() {
            return Vec::new();
        }
        let carried = matter.carried(mail.no);
        let mut readers: BTreeMap<String, (Address, Lang)> = BTreeMap::new();
        let contacts = carried
            .iter()
            .filter_map(|c| Address::parse(&c.contact).ok())
            .chain([self.contact.clone()]);
        for contact in contacts {
            readers
                .entry(contact.key())
                .or_insert((contact, self.language));
        }
        // When the contact is the one who was not reached, the others must know too.
        let contacts_reached = readers.keys().any(|key| *key != mail.recipient);
        if !contacts_reached {
            for p in carried.iter().flat_map(|c| matter.people(c.token)) {
                if let (Ok(address), Ok(lang)) =
                    (Address::parse(&p.address), Lang::parse(&p.language))
                {
                    readers.insert(p.key.clone(), (address, lang));
                }
            }
        }
        readers.remove(&mail.recipient);
        let tokens: Vec<(&str, NaiveDate)> = carried
            .iter()
            .map(|c| (c.name.as_str(), self.calendar.date(c.expires)))
            .collect();
        readers
            .into_values()
            .map(|(address, language)| {
                let (subject, body) = say(trouble, &mail.address, &tokens, reply);
                let draft = Draft {
                    kind: trouble.kind(),
                    cause: format!("mail:{}", mail.message_id),
                    subject,
                    body,
                };
                self.note_in(language, &address, draft, now)
            })
            .collect()
    }
}

impl Desk {
    /// The alarm about tokens that vanished from the file at once and are kept active; once for
    /// each state of the file (`digest`).
    pub fn note_about_missing(
        &self,
        missing: &[String],
        digest: &str,
        now: DateTime<Utc>,
    ) -> NewNote {
        let n = missing.len();
        let ids = missing
            .iter()
            .take(LISTED)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let more = if n > LISTED { "…" } else { "" };
        let subject = text!(
            "{n} tokens vanished from the file",
            "{n} jetons ont disparu du fichier"
        );
        let body = vec![
            text!(
                "{n} tokens are no longer in the configuration: {ids}{more}. So many at once look like an accident: they are kept, and their reminders go on.",
                "{n} jetons ne sont plus dans la configuration : {ids}{more}. Un si grand nombre d’un coup ressemble à un accident : ils sont conservés, et leurs rappels continuent."
            ),
            text!(
                "If it is one, please put them back into the file. If it is meant, `jetond archive --missing` confirms it.",
                "Si c’en est un, merci de les remettre dans le fichier. Si c’est voulu, `jetond archive --missing` le confirme."
            ),
        ];
        let cause = format!("file:{digest}");
        self.note_to_contact("note_missing", cause, subject, body, now)
    }

    /// A note to the contact, at the next occasion; once for its cause.
    pub(super) fn note_to_contact(
        &self,
        kind: &'static str,
        cause: String,
        subject: Text,
        body: Vec<Text>,
        now: DateTime<Utc>,
    ) -> NewNote {
        let draft = Draft {
            kind,
            cause,
            subject,
            body,
        };
        self.note_to(&self.contact, draft, now)
    }

    /// A note to somebody, in the language of this desk.
    pub fn note_to(&self, to: &Address, draft: Draft, now: DateTime<Utc>) -> NewNote {
        self.note_in(self.language, to, draft, now)
    }

    /// A note to somebody who reads this language. Its Message-ID follows from its key.
    pub(super) fn note_in(
        &self,
        language: Lang,
        to: &Address,
        draft: Draft,
        now: DateTime<Utc>,
    ) -> NewNote {
        let Draft {
            kind,
            cause,
            subject,
            body,
        } = draft;
        let key = to.key();
        let mut hash = Sha256::new();
        hash.update(format!("{kind}\0{cause}\0{key}"));
        NewNote {
            kind,
            cause,
            recipient: key,
            address: to.as_str().to_owned(),
            message_id: message_id(
                self.calendar.date(now),
                hash,
                self.from.address.ascii_domain(),
            ),
            words: Words {
                subject,
                body,
                language,
            }
            .to_row(),
            next_at: self.calendar.next_leave(now),
        }
    }
}

fn say(trouble: Trouble, to: &str, tokens: &[(&str, NaiveDate)], reply: &str) -> (Text, Vec<Text>) {
    let subject = match trouble {
        Trouble::Parked => text!("Reminder not delivered to {to}", "Rappel non remis à {to}"),
        Trouble::Deferred => text!(
            "Reminder to {to} delayed for a day",
            "Rappel à {to} retardé depuis un jour"
        ),
        Trouble::Failed => text!(
            "Reminder to {to} given up after five days",
            "Rappel à {to} abandonné après cinq jours"
        ),
    };
    let what = match trouble {
        Trouble::Parked => text!(
            "A reminder to {to} was refused by the mail server, or its delivery could not be confirmed. It is not tried again by itself.",
            "Un rappel à {to} a été refusé par le serveur de messagerie, ou sa remise n’a pas pu être confirmée. Il n’est pas retenté de lui-même."
        ),
        Trouble::Deferred => text!(
            "For 24 hours the mail server has been putting off a reminder to {to}. It is still being tried.",
            "Depuis 24 heures, le serveur de messagerie remet à plus tard un rappel à {to}. Les essais continuent."
        ),
        Trouble::Failed => text!(
            "For five days the mail server put off a reminder to {to}. It is given up; the next reminder will be tried again.",
            "Pendant cinq jours, le serveur de messagerie a remis à plus tard un rappel à {to}. Il est abandonné ; le prochain rappel sera tenté de nouveau."
        ),
    };
    let Text { en, fr } = names(tokens);
    let about = text!("It was about: {en}.", "Il concernait : {fr}.");
    let said = text!("The server said: {reply}", "Réponse du serveur : {reply}");
    (subject, vec![what, about, said, act()])
}

/// Tokens in a sentence, each with its expiry.
pub(super) fn names(tokens: &[(&str, NaiveDate)]) -> Text {
    let list = |lang: Lang, expires: &str| {
        let one = |(name, on): &(&str, NaiveDate)| {
            format!("{name} ({expires} {})", compose::date(lang, *on))
        };
        tokens.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let (en, fr) = (list(Lang::En, "expires"), list(Lang::Fr, "expire le"));
    text!("{en}", "{fr}")
}

/// What to do about reminders that did not arrive.
pub(super) fn act() -> Text {
    text!(
        "Please make sure that the people concerned know about it, correct the address in the configuration if it is wrong, or send the mail again with `jetond outbox retry`.",
        "Merci de prévenir les personnes concernées, de corriger l’adresse dans la configuration si elle est fausse, ou de renvoyer le courriel avec `jetond outbox retry`."
    )
}
