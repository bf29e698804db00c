//! What is said for a mail before its text: MAIL, RCPT and DATA, with the parameters that the
//! server offers (SIZE, SMTPUTF8, DSN), or why this server cannot carry it.
//!
//! Messages are 7-bit, so `BODY=8BITMIME` is never asked for. Nothing is said here.

use std::io::Write as _;

use super::body;
use super::hello::Extensions;
use super::reply::Phase;
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault, RelayFaultKind, Reply};
use crate::domain::address::Address;

/// Longest ENVID, before its encoding (RFC 3461 §4.4).
const ENVID_LIMIT: usize = 100;

/// The lines of an envelope: where each ends in the buffer that it was appended to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub(super) start: usize,
    mail: usize,
    rcpt: usize,
    pub(super) end: usize,
}

impl Lines {
    /// Each command with the place of its line, in order.
    pub(super) fn commands(self) -> [(Phase, std::ops::Range<usize>); 3] {
        [
            (Phase::Mail, self.start..self.mail),
            (Phase::Rcpt, self.mail..self.rcpt),
            (Phase::Data, self.rcpt..self.end),
        ]
    }
}

/// Appends the envelope of a mail, as far as DATA.
///
/// # Errors
/// Why this server cannot carry it; nothing is appended then.
pub(super) fn append(
    extensions: &Extensions,
    mail: &Outgoing<'_>,
    out: &mut Vec<u8>,
) -> Result<Lines, Outcome> {
    let utf8 = needs_smtputf8(extensions, mail)?;
    if let Some(why) = body::objection(mail.bytes) {
        return Err(Outcome::Parked(Reply::local(why)));
    }
    let size = mail.bytes.len();
    let limit = extensions.size.unwrap_or(0);
    if limit > 0 && size as u64 > limit {
        let why = format!("the relay takes {limit} bytes at most; this message has {size}");
        return Err(Outcome::Parked(Reply::local(&why)));
    }

    let start = out.len();
    out.extend_from_slice(b"MAIL FROM:");
    path(mail.envelope_from, out);
    if extensions.size.is_some() {
        let written = write!(out, " SIZE={size}");
        written.expect("a Vec takes all");
    }
    if utf8 {
        out.extend_from_slice(b" SMTPUTF8");
    }
    if extensions.dsn {
        out.extend_from_slice(b" RET=HDRS");
        envid(mail.message_id, out);
    }
    out.extend_from_slice(b"\r\n");
    let mail_end = out.len();
    out.extend_from_slice(b"RCPT TO:");
    path(mail.envelope_to, out);
    if extensions.dsn {
        out.extend_from_slice(b" NOTIFY=FAILURE,DELAY");
    }
    out.extend_from_slice(b"\r\n");
    let rcpt_end = out.len();
    out.extend_from_slice(b"DATA\r\n");
    Ok(Lines {
        start,
        mail: mail_end,
        rcpt: rcpt_end,
        end: out.len(),
    })
}

/// Whether the mail needs SMTPUTF8, which the server offers then.
fn needs_smtputf8(extensions: &Extensions, mail: &Outgoing<'_>) -> Result<bool, Outcome> {
    let offered = extensions.smtputf8;
    let from = mail.envelope_from.needs_smtputf8();
    if from && !offered {
        let detail = "the sender's address needs SMTPUTF8, which the relay does not offer";
        let fault = RelayFault::new(RelayFaultKind::Mail, detail);
        return Err(Outcome::Relay(fault));
    }
    let to = mail.envelope_to.needs_smtputf8();
    if to && !offered {
        return Err(Outcome::RefusedRecipient(Reply::local(
            "the address has letters beyond ASCII before the @; \
             that needs SMTPUTF8 (RFC 6531), which the relay does not offer",
        )));
    }
    let header = body::header_is_utf8(mail.bytes);
    if header && !offered {
        return Err(Outcome::Parked(Reply::local(
            "the header names an address with letters beyond ASCII before the @; \
             that needs SMTPUTF8 (RFC 6531), which the relay does not offer",
        )));
    }
    Ok(from || to || header)
}

/// An address as MAIL and RCPT name it.
fn path(address: &Address, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(address.local().as_bytes());
    out.push(b'@');
    out.extend_from_slice(address.ascii_domain().as_bytes());
    out.push(b'>');
}

/// The Message-ID as the name under which a report comes back (RFC 3461 §4.4), in xtext.
fn envid(message_id: &str, out: &mut Vec<u8>) {
    let id = message_id.trim_matches(['<', '>']);
    let printable = id.bytes().all(|b| (b' '..=b'~').contains(&b));
    if id.is_empty() || id.len() > ENVID_LIMIT || !printable {
        return;
    }
    out.extend_from_slice(b" ENVID=");
    for byte in id.bytes() {
        if matches!(byte, b'+' | b'=' | b' ') {
            let written = write!(out, "+{byte:02X}");
            written.expect("a Vec takes all");
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_report_is_xtext_and_left_out_where_it_does_not_fit() {
        let said = |id: &str| {
            let mut out = Vec::new();
            envid(id, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said("<a.b@c.example>"), " ENVID=a.b@c.example");
        assert_eq!(said("a+b=c d@e"), " ENVID=a+2Bb+3Dc+20d@e");
        for none in ["", "<>", "é@c.example", "a\r\nb@c", &"x".repeat(101)] {
            assert_eq!(said(none), "", "{none:?}");
        }
    }
}
