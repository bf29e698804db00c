//! What leaves, and what an attempt came to: the seam between the outbox and the ways out.
//!
//! [`Outcome`] is closed: a new one fails to compile until the outbox knows what becomes of the
//! mail. Whatever a server or a program said is cleaned of control characters and bounded
//! before it gets here, so it can be stored and shown as it is.

use std::fmt;

use crate::domain::address::Address;
use crate::domain::language::is_hazardous;

/// Longest text kept of what a server said, in characters.
pub const TEXT_LIMIT: usize = 500;

/// One mail ready to leave.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The mail's row, for logs.
    pub id: i64,
    /// MAIL FROM.
    pub envelope_from: &'a Address,
    /// RCPT TO.
    pub envelope_to: &'a Address,
    /// The Message-ID, with or without its angle brackets.
    pub message_id: &'a str,
    /// The message: 7-bit, CRLF line ends, not dot-stuffed.
    pub bytes: &'a [u8],
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered 250 to this message: it is sent.
    Accepted(Reply),
    /// Not now; the same mail may pass later.
    Deferred(Reply),
    /// This recipient cannot be reached; others are not concerned.
    RefusedRecipient(Reply),
    /// This message is refused; a person has to look.
    Parked(Reply),
    /// The final dot was written and its reply was lost: accepted or not, nobody knows.
    InDoubt(String),
    /// The relay cannot be used now; the mail is not charged for it.
    Relay(RelayFault),
}

impl Outcome {
    /// Whether the mails behind it on its connection cannot leave by it any more.
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::InDoubt(_) | Self::Relay(_) => true,
            Self::Accepted(_) | Self::Deferred(_) | Self::RefusedRecipient(_) | Self::Parked(_) => {
                false
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(reply)
            | Self::Deferred(reply)
            | Self::RefusedRecipient(reply)
            | Self::Parked(reply) => reply.fmt(f),
            Self::InDoubt(why) => f.write_str(why),
            Self::Relay(fault) => fault.fmt(f),
        }
    }
}

/// What was answered to a mail: by a server with a code, or by this machine without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The SMTP code; `None` when no server spoke (file, sendmail, a reason of our own).
    pub code: Option<u16>,
    /// The enhanced status code (RFC 3463), if the server gave one.
    pub enhanced: Option<Enhanced>,
    /// The words, cleaned and bounded.
    pub text: String,
}

impl Reply {
    /// An answer of this machine or of a local program.
    pub fn local(text: &str) -> Self {
        Self {
            code: None,
            enhanced: None,
            text: clean(text),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        if let Some(enhanced) = self.enhanced {
            write!(f, "{enhanced} ")?;
        }
        f.write_str(&self.text)
    }
}

/// An enhanced status code (RFC 3463), `class.subject.detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about: 1 the address, 2 the mailbox, 7 policy …
    pub subject: u16,
    /// The precise case.
    pub detail: u16,
}

impl Enhanced {
    /// Whether it is about policy (x.7.x): refused on many domains, it is about us.
    pub fn is_policy(self) -> bool {
        self.subject == 7
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Why the relay cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct RelayFault {
    /// What went wrong.
    pub kind: RelayFaultKind,
    /// The circumstances, cleaned and bounded; never a password.
    pub detail: String,
}

impl RelayFault {
    /// A fault with its circumstances.
    pub fn new(kind: RelayFaultKind, detail: &str) -> Self {
        Self {
            kind,
            detail: clean(detail),
        }
    }
}

impl RelayFault {
    /// Whether the server went away, which may be about the connection and not about the mail.
    pub fn is_farewell(&self) -> bool {
        matches!(
            self.kind,
            RelayFaultKind::Dropped | RelayFaultKind::Closing421
        )
    }
}

/// What makes a relay unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayFaultKind {
    /// The name has no address.
    Resolve,
    /// No connection.
    Connect,
    /// STARTTLS is missing or refused, or the handshake failed: certificate, name, protocol.
    Tls,
    /// Plaintext to that address is not allowed.
    Plaintext,
    /// The greeting is a refusal.
    Greeting,
    /// EHLO and HELO are refused.
    Hello,
    /// AUTH is refused or impossible: accounts get locked, so try again slowly.
    Auth,
    /// 4yz or 5yz on MAIL.
    Mail,
    /// 421: the server closes.
    Closing421,
    /// The connection broke where nothing is in doubt.
    Dropped,
    /// A phase took longer than its deadline.
    Timeout,
    /// RCPT was not answered in time: the relay may be waiting for a server of that domain.
    Unanswered,
    /// What came is not SMTP, too long, or was not asked for.
    Protocol,
    /// This machine: the mail directory, or the sendmail command.
    Local,
}

impl fmt::Display for RelayFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name resolution",
            Self::Connect => "connection",
            Self::Tls => "TLS",
            Self::Plaintext => "plaintext not allowed",
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM refused",
            Self::Closing421 => "server closing",
            Self::Dropped => "connection lost",
            Self::Timeout => "deadline passed",
            Self::Unanswered => "no answer about the recipient",
            Self::Protocol => "protocol fault",
            Self::Local => "local delivery",
        })
    }
}

/// Makes foreign words fit to be stored and shown: no control or bidi character, one line,
/// bounded.
pub(crate) fn clean(words: &str) -> String {
    if is_clean(words) {
        return words.to_owned();
    }
    let spaced: String = words
        .chars()
        .map(|c| if is_hazardous(c) { ' ' } else { c })
        .collect();
    let mut clean = String::new();
    for (n, word) in spaced.split_whitespace().enumerate() {
        if n > 0 {
            clean.push(' ');
        }
        clean.push_str(word);
    }
    if let Some((cut, _)) = clean.char_indices().nth(TEXT_LIMIT) {
        clean.truncate(cut);
        clean.push('…');
    }
    clean
}

/// Whether words are fit as they are: short, in ASCII, no control character, single spaces.
fn is_clean(words: &str) -> bool {
    let mut before = b' ';
    for &byte in words.as_bytes() {
        if !(b' '..=b'~').contains(&byte) || (byte == b' ' && before == b' ') {
            return false;
        }
        before = byte;
    }
    words.len() <= TEXT_LIMIT && (before != b' ' || words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_one_bounded_line_without_controls() {
        assert_eq!(
            clean("  no\r\nsuch\tuser\u{202e}x\0\u{1b}[2J "),
            "no such user x [2J"
        );
        for (words, fit) in [
            ("", ""),
            ("a b", "a b"),
            (" ", ""),
            ("a ", "a"),
            ("a  b", "a b"),
        ] {
            assert_eq!(clean(words), fit);
        }
        let long = clean(&"é".repeat(2 * TEXT_LIMIT));
        assert_eq!(long.chars().count(), TEXT_LIMIT + 1);
    }
}
