//! What a mail is about, before it has words: the input of composition.

use chrono::{DateTime, Utc};

use crate::domain::address::{Address, Mailbox};
use crate::domain::body::Body;
use crate::domain::language::{Lang, Text};
use crate::domain::stage::Stage;
use crate::domain::token::{Role, Siret, TokenId};

/// Everything a mail says besides its subject matter.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Header `From`, envelope sender.
    pub from: Mailbox,
    /// The one recipient.
    pub to: Mailbox,
    /// `Reply-To` and footer.
    pub contact: Address,
    /// Who runs the daemon.
    pub organisation: String,
    /// Language of the mail.
    pub lang: Lang,
    /// The Message-ID without angle brackets, fixed when the mail's row was made.
    pub message_id: String,
    /// The moment of sending: header `Date`, days left, dates.
    pub now: DateTime<Utc>,
    /// The state's dashboard, where the result appears.
    pub dashboard: String,
}

/// A reminder: one or more tokens, the most urgent first.
#[derive(Debug, Clone)]
pub struct Reminder {
    /// At least one, sorted: most urgent first.
    pub tokens: Vec<TokenPart>,
}

/// One token in a reminder, as it is at the moment of sending.
#[derive(Debug, Clone)]
pub struct TokenPart {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// The client's name, for editors.
    pub client: Option<String>,
    /// The stage for which this notice is owed.
    pub stage: Stage,
    /// Last instant at which it works; 23:59:59 local means that the hour is not known.
    pub expires: DateTime<Utc>,
    /// The reader's role for this token.
    pub role: Role,
    /// The renewal link; `None`: no Data Pass number, the dashboard stands in.
    pub link: Option<String>,
    /// Data Pass number.
    pub datapass_id: Option<String>,
    /// SIRET.
    pub siret: Option<Siret>,
    /// The last characters of the `jti`.
    pub jti_end: Option<String>,
    /// Services that stop when it dies.
    pub used_by: Vec<String>,
    /// The demandeur, if known: name or address.
    pub demandeur: Option<Mailbox>,
    /// The other people told about this token (not the reader).
    pub others: Vec<Mailbox>,
    /// When the next reminder for this reader comes, if nothing is done.
    pub next_reminder: Option<DateTime<Utc>>,
    /// When someone said that the renewal request was filed; the token is not renewed yet.
    pub filed: Option<DateTime<Utc>>,
    /// The reader's page, where they say what happened; `None`: a reply says it.
    pub page: Option<String>,
    /// What API Entreprise said of it after its date, and when.
    pub heard: Option<Heard>,
}

/// What API Entreprise said of a token whose date has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is refused: the proof that its date has ended it.
    Refused(DateTime<Utc>),
    /// It still works: its date is not the true one any more.
    Works(DateTime<Utc>),
}

/// A note about an event: never a reminder.
#[derive(Debug, Clone)]
pub struct Note {
    /// The subject.
    pub subject: Text,
    /// Paragraphs.
    pub body: Vec<Text>,
}

/// The subject matter of a mail.
#[derive(Debug, Clone)]
pub enum Letter {
    /// Owed notices.
    Reminder(Reminder),
    /// An event.
    Note(Note),
}

/// A composed mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The subject as a reader sees it.
    pub subject: String,
    /// The text part, as a reader sees it (LF line ends).
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The whole message: CRLF, 7-bit, not dot-stuffed.
    pub bytes: Vec<u8>,
    /// Whether an address of a header needs SMTPUTF8 (RFC 6531) to travel; then, and only
    /// then, the headers that name it hold UTF-8.
    pub needs_smtputf8: bool,
}

/// A mail as it leaves and as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The subject as a reader sees it.
    pub subject: String,
    /// The whole message: CRLF, 7-bit, not dot-stuffed.
    pub bytes: Vec<u8>,
    /// The same bytes, as they are kept.
    pub body: Body,
}
