//! SMTP replies: their syntax (RFC 5321 §4.2), and what each of them means for a mail.
//!
//! The meaning is one table, [`TABLE`], read from the top; in words it is in `docs/rules.md`,
//! *Reply classes*. The parser is strict where leniency would let one reply pass for another: line ends are
//! CRLF, all lines of a reply carry the same code, and a reply has a bounded size.

use memchr::memchr;

use crate::delivery::outcome::{Enhanced, Outcome, RelayFault, RelayFaultKind, Reply, clean};

/// Largest reply read, in bytes, all lines together.
pub(super) const REPLY_LIMIT: usize = 8 * 1024;

/// A reply as it lies in the buffer: its syntax is checked, its words are not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) code: u16,
    /// All its lines, line ends included; may hold anything.
    pub(super) bytes: &'a [u8],
}

impl Said<'_> {
    /// A reply that outlives the buffer.
    pub(super) fn raw(&self) -> Raw {
        let text = |line: &[u8]| {
            let line = line.strip_suffix(b"\r\n").unwrap_or(line);
            String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned()
        };
        Raw {
            code: self.code,
            lines: self
                .bytes
                .split_inclusive(|b| *b == b'\n')
                .map(text)
                .collect(),
        }
    }
}

/// A reply as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) code: u16,
    /// The text of each line, without code and line end; may hold anything.
    pub(super) lines: Vec<String>,
}

impl Raw {
    /// The reply for the record.
    pub(super) fn record(&self) -> Reply {
        let enhanced = self.lines.first().and_then(|line| enhanced(line));
        let text = match (enhanced, self.lines.as_slice()) {
            (None, [line]) => clean(line),
            (enhanced, lines) => {
                let prefix = enhanced.map(|e| e.to_string()).unwrap_or_default();
                let words: Vec<&str> = lines
                    .iter()
                    .map(|line| line.strip_prefix(prefix.as_str()).unwrap_or(line))
                    .collect();
                match words.as_slice() {
                    [words] => clean(words),
                    words => clean(&words.join(" ")),
                }
            }
        };
        Reply {
            code: Some(self.code),
            enhanced,
            text,
        }
    }

    pub(super) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }
}

/// Why bytes are not a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a reply of more than {REPLY_LIMIT} bytes")]
    TooLong,
    #[error("not an SMTP reply: {0:?}")]
    Syntax(String),
}

/// Reads one reply at the start of `bytes`, or `None` when more bytes are needed.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Said<'_>>, Malformed> {
    let mut code = None;
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(end) = memchr(b'\n', rest) else {
            // An endless line is told as too long; garbage is told as soon as it shows.
            if bytes.len() >= REPLY_LIMIT {
                return Err(Malformed::TooLong);
            }
            let seen = rest.len().min(3);
            if !rest[..seen].iter().all(u8::is_ascii_digit) {
                return Err(syntax(rest));
            }
            return Ok(None);
        };
        if at + end + 1 > REPLY_LIMIT {
            return Err(Malformed::TooLong);
        }
        let line = rest[..end]
            .strip_suffix(b"\r")
            .ok_or_else(|| syntax(rest))?;
        let (this, last) = read_line(line).ok_or_else(|| syntax(line))?;
        if *code.get_or_insert(this) != this {
            return Err(syntax(line));
        }
        at += end + 1;
        if last {
            return Ok(Some(Said {
                code: this,
                bytes: &bytes[..at],
            }));
        }
    }
}

/// One line: its code, and whether it is the last.
fn read_line(line: &[u8]) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, d| code * 10 + u16::from(d - b'0'));
    match rest.first() {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

fn syntax(bytes: &[u8]) -> Malformed {
    let shown = &bytes[..bytes.len().min(60)];
    Malformed::Syntax(clean(&String::from_utf8_lossy(shown)))
}

/// The enhanced status code at the start of a text (RFC 2034 §4).
fn enhanced(text: &str) -> Option<Enhanced> {
    let word = text.split([' ', '\t']).next()?;
    let mut parts = word.split('.');
    let number = |part: Option<&str>| {
        let part = part?;
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        (digits && (1..=3).contains(&part.len())).then(|| part.parse::<u16>().ok())?
    };
    let class = match parts.next()? {
        "2" => 2,
        "4" => 4,
        "5" => 5,
        _ => return None,
    };
    let subject = number(parts.next())?;
    let detail = number(parts.next())?;
    parts.next().is_none().then_some(Enhanced {
        class,
        subject,
        detail,
    })
}

/// Where in the dialogue a reply comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Greeting,
    Hello,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::Starttls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Dot => "the final dot",
        }
    }
}

/// What a reply means for the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// What was hoped for.
    Positive,
    Deferred,
    Recipient,
    Parked,
    InDoubt,
    Relay(RelayFaultKind),
}

/// Which replies a row is about.
#[derive(Debug, Clone, Copy)]
enum Codes {
    Is(u16),
    Digit(u16),
    Any,
}

use Class::{Deferred, InDoubt, Parked, Positive, Recipient, Relay};
use Codes::{Any, Digit, Is};
use RelayFaultKind as Kind;

/// Phase, replies, meaning; the first row that fits counts. Only the code is looked at: when the
/// class of the enhanced code disagrees, the first digit wins.
const TABLE: &[(Phase, Codes, Class)] = &[
    (Phase::Greeting, Is(220), Positive),
    (Phase::Greeting, Is(421), Relay(Kind::Closing421)),
    (Phase::Greeting, Digit(4), Relay(Kind::Greeting)),
    (Phase::Greeting, Digit(5), Relay(Kind::Greeting)),
    (Phase::Greeting, Any, Relay(Kind::Protocol)),
    (Phase::Hello, Is(250), Positive),
    (Phase::Hello, Is(421), Relay(Kind::Closing421)),
    (Phase::Hello, Digit(4), Relay(Kind::Hello)),
    (Phase::Hello, Digit(5), Relay(Kind::Hello)),
    (Phase::Hello, Any, Relay(Kind::Protocol)),
    (Phase::Starttls, Is(220), Positive),
    (Phase::Starttls, Is(421), Relay(Kind::Closing421)),
    (Phase::Starttls, Digit(4), Relay(Kind::Tls)),
    (Phase::Starttls, Digit(5), Relay(Kind::Tls)),
    (Phase::Starttls, Any, Relay(Kind::Protocol)),
    (Phase::Auth, Is(235), Positive),
    (Phase::Auth, Is(421), Relay(Kind::Closing421)),
    (Phase::Auth, Digit(4), Relay(Kind::Auth)),
    (Phase::Auth, Digit(5), Relay(Kind::Auth)),
    (Phase::Auth, Any, Relay(Kind::Protocol)),
    (Phase::Mail, Is(250), Positive),
    (Phase::Mail, Is(421), Relay(Kind::Closing421)),
    (Phase::Mail, Digit(4), Relay(Kind::Mail)),
    (Phase::Mail, Digit(5), Relay(Kind::Mail)),
    (Phase::Mail, Any, Relay(Kind::Protocol)),
    (Phase::Rcpt, Is(421), Relay(Kind::Closing421)),
    (Phase::Rcpt, Digit(4), Deferred),
    // Over quota, whatever the first digit (RFC 5321 §4.5.3.1.10 has it for "too many").
    (Phase::Rcpt, Is(552), Deferred),
    (Phase::Rcpt, Is(550), Recipient),
    (Phase::Rcpt, Is(551), Recipient),
    (Phase::Rcpt, Is(553), Recipient),
    // Includes 5.1.x and 5.2.1 under any other code, and 5.7.x: who sees that on several
    // domains takes it for a relay fault.
    (Phase::Rcpt, Digit(5), Recipient),
    (Phase::Rcpt, Is(250), Positive),
    (Phase::Rcpt, Is(251), Positive),
    (Phase::Rcpt, Is(252), Positive),
    (Phase::Rcpt, Any, Relay(Kind::Protocol)),
    (Phase::Data, Is(354), Positive),
    (Phase::Data, Is(421), Relay(Kind::Closing421)),
    (Phase::Data, Digit(4), Deferred),
    (Phase::Data, Digit(5), Parked),
    (Phase::Data, Any, Relay(Kind::Protocol)),
    // *Sent* is 250 and nothing else.
    (Phase::Dot, Is(250), Positive),
    // 421 too is an answer to the message; the connection is dropped besides.
    (Phase::Dot, Digit(4), Deferred),
    (Phase::Dot, Digit(5), Parked),
    (Phase::Dot, Any, InDoubt),
];

/// The meaning of a code in a phase.
pub(super) fn class(phase: Phase, code: u16) -> Class {
    TABLE
        .iter()
        .find(|(at, codes, _)| {
            *at == phase
                && match codes {
                    Is(one) => *one == code,
                    Digit(first) => *first == code / 100,
                    Any => true,
                }
        })
        .map(|(_, _, class)| *class)
        .expect("each phase ends with a row for any code")
}

/// The reply when it is what was hoped for, else what it means.
pub(super) fn judge(phase: Phase, raw: Raw) -> Result<Raw, Outcome> {
    let class = class(phase, raw.code);
    if class == Positive {
        return Ok(raw);
    }
    Err(outcome(phase, class, &raw))
}

/// A reply of this class in an outcome's terms.
pub(super) fn outcome(phase: Phase, class: Class, raw: &Raw) -> Outcome {
    let reply = raw.record();
    let detail = |reply: &Reply| format!("{} answered {reply}", phase.name());
    match class {
        Positive => Outcome::Accepted(reply),
        Deferred => Outcome::Deferred(reply),
        Recipient => Outcome::RefusedRecipient(reply),
        Parked => Outcome::Parked(reply),
        InDoubt => Outcome::InDoubt(clean(&detail(&reply))),
        Relay(kind) => Outcome::Relay(RelayFault::new(kind, &detail(&reply))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 8] = [
        Phase::Greeting,
        Phase::Hello,
        Phase::Starttls,
        Phase::Auth,
        Phase::Mail,
        Phase::Rcpt,
        Phase::Data,
        Phase::Dot,
    ];

    #[test]
    fn every_row_of_the_table_means_what_the_specification_says() {
        for (phase, code, meaning) in [
            (Phase::Rcpt, 450, Deferred),
            (Phase::Rcpt, 451, Deferred),
            (Phase::Rcpt, 452, Deferred),
            (Phase::Rcpt, 552, Deferred),
            (Phase::Rcpt, 550, Recipient),
            (Phase::Rcpt, 551, Recipient),
            (Phase::Rcpt, 553, Recipient),
            (Phase::Rcpt, 554, Recipient),
            (Phase::Rcpt, 571, Recipient),
            (Phase::Rcpt, 250, Positive),
            (Phase::Rcpt, 251, Positive),
            (Phase::Rcpt, 354, Relay(Kind::Protocol)),
            (Phase::Data, 354, Positive),
            (Phase::Data, 451, Deferred),
            (Phase::Data, 554, Parked),
            (Phase::Data, 250, Relay(Kind::Protocol)),
            (Phase::Dot, 250, Positive),
            (Phase::Dot, 252, InDoubt),
            (Phase::Dot, 354, InDoubt),
            (Phase::Dot, 421, Deferred),
            (Phase::Dot, 451, Deferred),
            (Phase::Dot, 550, Parked),
            (Phase::Mail, 250, Positive),
            (Phase::Mail, 452, Relay(Kind::Mail)),
            (Phase::Mail, 550, Relay(Kind::Mail)),
            (Phase::Greeting, 220, Positive),
            (Phase::Greeting, 554, Relay(Kind::Greeting)),
            (Phase::Hello, 502, Relay(Kind::Hello)),
            (Phase::Starttls, 454, Relay(Kind::Tls)),
            (Phase::Auth, 535, Relay(Kind::Auth)),
            (Phase::Auth, 454, Relay(Kind::Auth)),
        ] {
            assert_eq!(class(phase, code), meaning, "{phase:?} {code}");
        }
    }

    #[test]
    fn every_code_has_a_meaning_in_every_phase_and_421_is_the_relays() {
        for phase in PHASES {
            for code in 200..600 {
                let meaning = class(phase, code);
                assert!(
                    code / 100 < 4 || meaning != Positive,
                    "{phase:?} {code} is no success"
                );
            }
            let closing = if phase == Phase::Dot {
                Deferred
            } else {
                Relay(Kind::Closing421)
            };
            assert_eq!(class(phase, 421), closing, "{phase:?}");
        }
    }

    #[test]
    fn the_first_digit_wins_over_the_enhanced_code() {
        for (wire, refused) in [
            ("450 5.1.1 no such user\r\n", false),
            ("550 4.7.1 later\r\n", true),
        ] {
            let raw = parse(wire.as_bytes()).unwrap().unwrap().raw();
            let outcome = judge(Phase::Rcpt, raw).unwrap_err();
            assert_eq!(
                matches!(outcome, Outcome::RefusedRecipient(_)),
                refused,
                "{outcome}"
            );
        }
    }

    #[test]
    fn a_reply_is_read_whole_with_its_enhanced_code() {
        let wire = b"550-5.1.1 No such\r\n550-5.1.1 user\0\r\n550 5.1.1 here\r\n250 next";
        let said = parse(wire).unwrap().unwrap();
        let length = said.bytes.len();
        assert_eq!(&wire[length..], b"250 next");
        let reply = said.raw().record();
        assert_eq!(reply.to_string(), "550 5.1.1 No such user here");
        assert_eq!(
            reply.enhanced,
            Some(Enhanced {
                class: 5,
                subject: 1,
                detail: 1
            })
        );
        assert_eq!(parse(b"250\r\n").unwrap().unwrap().raw().lines, [""]);
        for cut in 0..length {
            assert_eq!(parse(&wire[..cut]), Ok(None), "{cut} bytes");
        }
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for garbage in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"250 ok\n",
            b"\r\n",
            b"25\r\n",
            b"150 wait\r\n",
            b"600 what\r\n",
            b"250_ok\r\n",
            b"250-a\r\n251 b\r\n",
            b"\x16\x03\x01",
        ] {
            assert!(
                matches!(parse(garbage), Err(Malformed::Syntax(_))),
                "{garbage:?}"
            );
        }
        let long = b"250-x\r\n".repeat(REPLY_LIMIT);
        assert_eq!(parse(&long), Err(Malformed::TooLong));
        let endless = [&b"250 "[..], &vec![b'x'; REPLY_LIMIT]].concat();
        assert_eq!(parse(&endless), Err(Malformed::TooLong));
    }

    #[test]
    fn only_a_well_formed_enhanced_code_counts() {
        for text in ["5.1 x", "5.1.1.1 x", "3.1.1 x", "5.1111.1 x", "5.+1.1", ""] {
            assert_eq!(enhanced(text), None, "{text:?}");
        }
        assert!(enhanced("4.7.1 greylisted").unwrap().is_policy());
    }
}
