//! Delivery status notifications (RFC 3464, RFC 6533), as Postfix, Exim, Exchange and others
//! write them: which message they are about, and what became of it for whom.
//!
//! Pure: bytes in, facts out. Whatever is no such notification, or does not say enough, is
//! `None`; nothing of it is believed yet.

use mail_parser::{HeaderValue, Message, MessageParser, MessagePart, MimeHeaders as _};

use crate::delivery::outcome::clean;
use crate::domain::address::Address;

/// Message-IDs that are tried at most.
const MOST_IDS: usize = 32;

/// Recipients that are read at most: each mail of ours has one.
const MOST_RECIPIENTS: usize = 256;

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// The Message-IDs, without angle brackets, of the message that it may be about.
    pub message_ids: Vec<String>,
    /// What became of it.
    pub recipients: Vec<Fate>,
}

/// What became of the message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The keys of the recipient's addresses, the original and the final one: one at least.
    pub keys: Vec<String>,
    /// What was done.
    pub action: Action,
    /// What the server said, cleaned and bounded.
    pub said: String,
}

/// What a server did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Given up: refused for good (a status of class 5).
    Refused,
    /// Given up after having been tried for too long (a status of class 4).
    Expired,
    /// Not delivered yet; it is still tried.
    Delayed,
    /// Delivered, relayed, expanded, or something that makes no sense.
    Other,
}

impl Dsn {
    /// Reads a notification.
    pub fn read(message: &[u8]) -> Option<Self> {
        let message = MessageParser::default().parse(message)?;
        let kind = message.content_type()?;
        let is_report = kind.ctype().eq_ignore_ascii_case("multipart")
            && is(kind.subtype(), "report")
            && is(kind.attribute("report-type"), "delivery-status");
        if !is_report {
            return None;
        }
        let parts: Vec<&MessagePart<'_>> = message
            .root_part()
            .sub_parts()?
            .iter()
            .filter_map(|no| message.part(*no))
            .collect();
        let status = parts
            .iter()
            .find(|p| is_message(p, &["delivery-status", "global-delivery-status"]))?;
        let status = String::from_utf8_lossy(status.contents());
        let mut blocks = blocks(&status);
        let of_message = blocks.next()?;
        let recipients: Vec<Fate> = blocks
            .take(MOST_RECIPIENTS)
            .filter_map(|fields| fate(&fields))
            .collect();
        let mut ids = Ids::default();
        for part in &parts {
            ids.take_returned(part);
        }
        for field in ["original-envelope-id", "x-original-message-id"] {
            ids.take(of_message.get(field).map(from_xtext));
        }
        ids.take_all(&message);
        (!recipients.is_empty() && !ids.0.is_empty()).then_some(Self {
            message_ids: ids.0,
            recipients,
        })
    }

    /// What became of the message for the recipient with this key: the worst of what is said.
    pub fn fate_of(&self, key: &str) -> Option<&Fate> {
        let rank = |f: &&Fate| match f.action {
            Action::Refused => 0,
            Action::Expired => 1,
            Action::Delayed => 2,
            Action::Other => 3,
        };
        let theirs = self.recipients.iter();
        theirs
            .filter(|f| f.keys.iter().any(|k| k == key))
            .min_by_key(rank)
    }
}

/// The Message-IDs found so far.
#[derive(Default)]
struct Ids(Vec<String>);

impl Ids {
    fn take(&mut self, id: Option<impl AsRef<str>>) {
        let Some(id) = id else { return };
        let id = id.as_ref().trim().trim_matches(['<', '>']);
        let is_new = !self.0.iter().any(|known| known == id);
        if !id.is_empty() && id.len() <= 998 && is_new && self.0.len() < MOST_IDS {
            self.0.push(id.to_owned());
        }
    }

    /// Of the message that came back, whole or its header only.
    fn take_returned(&mut self, part: &MessagePart<'_>) {
        if let Some(message) = part.message() {
            self.take(message.message_id());
        } else if is_text(part, "rfc822-headers")
            || is_message(
                part,
                &["rfc822-headers", "global-headers", "rfc822", "global"],
            )
        {
            let header = MessageParser::default().parse_headers(part.contents());
            self.take(header.as_ref().and_then(Message::message_id));
        }
    }

    /// Of the notification's own header: what it is an answer to.
    fn take_all(&mut self, message: &Message<'_>) {
        for header in [message.in_reply_to(), message.references()] {
            match header {
                HeaderValue::Text(id) => self.take(Some(id)),
                HeaderValue::TextList(list) => list.iter().for_each(|id| self.take(Some(id))),
                _ => {}
            }
        }
        self.take(
            message
                .header_raw("X-Original-Message-ID")
                .map(str::to_owned),
        );
    }
}

fn is(word: Option<&str>, expected: &str) -> bool {
    word.is_some_and(|w| w.eq_ignore_ascii_case(expected))
}

fn is_message(part: &MessagePart<'_>, subtypes: &[&str]) -> bool {
    part.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("message")
            && subtypes.iter().any(|s| is(kind.subtype(), s))
    })
}

fn is_text(part: &MessagePart<'_>, subtype: &str) -> bool {
    part.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("text") && is(kind.subtype(), subtype)
    })
}

/// The fields of one block; names in lower case.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The blocks of a delivery status: fields, folded over lines, with empty lines between blocks.
fn blocks(status: &str) -> impl Iterator<Item = Fields> {
    let mut blocks: Vec<Vec<(String, String)>> = Vec::new();
    let mut open = false;
    for line in status.lines().map(|l| l.trim_end_matches('\r')) {
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        if !open {
            blocks.push(Vec::new());
            open = true;
        }
        let Some(block) = blocks.last_mut() else {
            continue;
        };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = block.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            block.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    blocks.into_iter().map(Fields)
}

fn fate(fields: &Fields) -> Option<Fate> {
    let keys: Vec<String> = ["original-recipient", "final-recipient"]
        .into_iter()
        .filter_map(|name| address(fields.get(name)?))
        .map(|address| address.key())
        .collect();
    if keys.is_empty() {
        return None;
    }
    let action = fields.get("action")?;
    let status = fields.get("status").unwrap_or_default();
    let diagnostic = fields.get("diagnostic-code").unwrap_or_default();
    let diagnostic = diagnostic
        .split_once(';')
        .map_or(diagnostic, |(_, said)| said)
        .trim();
    // Without a status the reply counts.
    let class = status.chars().next().or_else(|| diagnostic.chars().next());
    let said = match (status, diagnostic) {
        (status, "") => status.to_owned(),
        (status, said) if status.is_empty() || said.contains(status) => said.to_owned(),
        (status, said) => format!("{status} {said}"),
    };
    Some(Fate {
        keys,
        action: match (word(action).as_str(), class) {
            ("failed", Some('5')) => Action::Refused,
            ("failed", Some('4')) => Action::Expired,
            ("delayed", _) => Action::Delayed,
            (_, _) => Action::Other,
        },
        said: clean(&said),
    })
}

/// The first word of a value, in lower case; a comment may follow.
fn word(value: &str) -> String {
    let end = value.find(|c: char| !c.is_ascii_alphabetic());
    value[..end.unwrap_or(value.len())].to_ascii_lowercase()
}

/// The address of `rfc822; name@domain` or `utf-8; name@domain`.
fn address(value: &str) -> Option<Address> {
    let (kind, written) = value.split_once(';')?;
    if !["rfc822", "utf-8"]
        .iter()
        .any(|k| kind.trim().eq_ignore_ascii_case(k))
    {
        return None;
    }
    let written = from_xtext(written.trim().trim_matches(['<', '>']));
    Address::parse(&written).ok()
}

/// Undoes xtext (RFC 3461 §4): `+` and two capital hex digits stand for a character. An address
/// with a plus sign that is followed by something else stays as it is.
fn from_xtext(written: &str) -> String {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |c: &u8| c.is_ascii_digit() || (b'A'..=b'F').contains(c);
        let code = after.get(..2).filter(|two| two.iter().all(hex));
        let decoded = code
            .filter(|_| *first == b'+')
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| written.to_owned())
}
