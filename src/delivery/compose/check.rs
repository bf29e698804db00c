//! The last look at a message's bytes, by rules of its own: whatever built them, nothing leaves
//! that a mail server may refuse or that a reader may take for another header.

/// The longest line, without its CRLF (RFC 5322 §2.1.1).
const LONGEST: usize = 998;

/// The headers that a message has exactly once.
const ONCE: [&str; 6] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
];

/// The headers that may name an address with a UTF-8 local part (RFC 6532).
const ADDRESSES: [&str; 3] = ["From", "To", "Reply-To"];

/// What is wrong with a message's bytes. Line numbers start at 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A CR or LF that is not part of a CRLF.
    #[error("line {line} has a bare CR or LF")]
    BareLineEnd {
        /// The line it stands on.
        line: usize,
    },
    /// The last line has no CRLF.
    #[error("the last line has no CRLF")]
    Unterminated,
    /// A line of more than 998 octets.
    #[error("line {line} has {octets} octets, more than {LONGEST}")]
    LongLine {
        /// Which one.
        line: usize,
        /// Its length in octets.
        octets: usize,
    },
    /// An octet that is not printable, or beyond 7 bits where nothing allows it.
    #[error("line {line} holds the octet 0x{octet:02x}")]
    Octet {
        /// The line it stands on.
        line: usize,
        /// The octet.
        octet: u8,
    },
    /// A header line that is neither `Name: value` nor a continuation with content.
    #[error("line {line} is not a header line")]
    NotAHeader {
        /// Which one.
        line: usize,
    },
    /// A header that must stand exactly once does not.
    #[error("the header {header} stands {times} times, not once")]
    Count {
        /// Its name.
        header: &'static str,
        /// How often it stands.
        times: usize,
    },
    /// There is no empty line between headers and body.
    #[error("no empty line ends the headers")]
    NoBody,
}

/// The longest line with its CRLF.
const LONGEST_WHOLE: usize = LONGEST + 2;

/// Checks a whole message as it goes into DATA, before dot-stuffing. UTF-8 may stand only in
/// the headers that name addresses, and is sent only with SMTPUTF8.
///
/// # Errors
/// The first fault.
pub fn check_bytes(message: &[u8]) -> Result<(), Fault> {
    if is_sound(message) {
        Ok(())
    } else {
        find_fault(message)
    }
}

/// Whether a message in ASCII has no fault, seen many bytes at once. `false` says nothing.
fn is_sound(message: &[u8]) -> bool {
    let Some(header) = memchr::memmem::find(message, b"\r\n\r\n").map(|at| &message[..at + 2])
    else {
        return false;
    };
    message.first() != Some(&b'\n')
        && message.ends_with(b"\r\n")
        && holds_lines_of_text(message)
        && lines_are_short(message)
        && is_sound_header(header)
}

/// Whether only printable ASCII, tabs and pairs of CR and LF stand here, but for the first and
/// the last octet's neighbours. Without an early exit the compiler looks at many octets at once.
fn holds_lines_of_text(message: &[u8]) -> bool {
    let after = message.get(1..).unwrap_or_default();
    message.iter().zip(after).fold(true, |sound, (&a, &b)| {
        let text = a.wrapping_sub(b' ') < 0x5f;
        let blank = (a == b'\t') | (a == b'\r') | (a == b'\n');
        sound & (text | blank) & ((a == b'\r') == (b == b'\n'))
    })
}

/// Whether each line is terminated, and short enough. From the start of a line on, as many bytes
/// as the longest one has hold a line's end; the last one of them is the next start.
fn lines_are_short(message: &[u8]) -> bool {
    let mut rest = message;
    while !rest.is_empty() {
        let window = &rest[..rest.len().min(LONGEST_WHOLE)];
        let Some(end) = memchr::memrchr(b'\n', window) else {
            return false;
        };
        rest = &rest[end + 1..];
    }
    true
}

/// Whether these lines of printable ASCII are headers, each of [`ONCE`] once.
fn is_sound_header(header: &[u8]) -> bool {
    let mut seen = [0_u8; ONCE.len()];
    let (mut rest, mut started) = (header, false);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or_default();
        rest = &rest[end + 1..];
        if line.contains(&b'\t') {
            return false;
        }
        if line.first() == Some(&b' ') {
            if !started || line.iter().all(|b| *b == b' ') {
                return false;
            }
            continue;
        }
        let Some(name) = memchr::memchr(b':', line).map(|colon| &line[..colon]) else {
            return false;
        };
        if name.is_empty() || name.contains(&b' ') {
            return false;
        }
        started = true;
        let once = ONCE
            .iter()
            .position(|o| o.len() == name.len() && o.as_bytes().eq_ignore_ascii_case(name));
        if let Some(i) = once {
            seen[i] = seen[i].saturating_add(1);
        }
    }
    rest.is_empty() && seen.iter().all(|times| *times == 1)
}

/// The first fault.
fn find_fault(message: &[u8]) -> Result<(), Fault> {
    let mut lines = lines_of(message)?.into_iter().enumerate();
    let mut seen = [0; ONCE.len()];
    let mut may_be_utf8 = false;
    let mut started = false;
    loop {
        let Some((at, line)) = lines.next() else {
            return Err(Fault::NoBody);
        };
        if line.is_empty() {
            break;
        }
        let number = at + 1;
        if line[0] == b' ' || line[0] == b'\t' {
            // RFC 5322 §3.2.2: a continuation of white space only is obsolete, and some
            // servers take it for the end of the headers.
            if !started || line.iter().all(|b| matches!(b, b' ' | b'\t')) {
                return Err(Fault::NotAHeader { line: number });
            }
        } else {
            let name = header_name(line).ok_or(Fault::NotAHeader { line: number })?;
            started = true;
            may_be_utf8 = ADDRESSES.iter().any(|a| a.eq_ignore_ascii_case(name));
            if let Some(i) = ONCE.iter().position(|o| o.eq_ignore_ascii_case(name)) {
                seen[i] += 1;
            }
        }
        check_header_octets(line, number, may_be_utf8)?;
    }
    for (at, line) in lines {
        let may_stand = |b: &u8| matches!(b, b'\t' | 0x20..=0x7e);
        if let Some(&octet) = line.iter().find(|b| !may_stand(b)) {
            return Err(Fault::Octet {
                line: at + 1,
                octet,
            });
        }
    }
    match ONCE.into_iter().zip(seen).find(|(_, times)| *times != 1) {
        Some((header, times)) => Err(Fault::Count { header, times }),
        None => Ok(()),
    }
}

/// The lines without their CRLF.
fn lines_of(message: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let mut lines = Vec::with_capacity(message.len() / 60);
    let mut rest = message;
    while !rest.is_empty() {
        let line = lines.len() + 1;
        let end = rest
            .iter()
            .position(|b| matches!(b, b'\r' | b'\n'))
            .ok_or(Fault::Unterminated)?;
        if !rest[end..].starts_with(b"\r\n") {
            return Err(Fault::BareLineEnd { line });
        }
        if end > LONGEST {
            return Err(Fault::LongLine { line, octets: end });
        }
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    Ok(lines)
}

fn header_name(line: &[u8]) -> Option<&str> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = &line[..colon];
    let ok = !name.is_empty() && name.iter().all(|b| (0x21..=0x7e).contains(b));
    ok.then(|| std::str::from_utf8(name).ok()).flatten()
}

fn check_header_octets(line: &[u8], number: usize, may_be_utf8: bool) -> Result<(), Fault> {
    let odd = |b: &&u8| !(0x20..=0x7e).contains(*b);
    let Some(&octet) = line.iter().find(odd) else {
        return Ok(());
    };
    let fault = Fault::Octet {
        line: number,
        octet,
    };
    match std::str::from_utf8(line) {
        Ok(said) if may_be_utf8 && !said.contains(crate::domain::language::is_hazardous) => Ok(()),
        _ => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Good messages, with a few of their bytes changed, taken away or added.
    fn nearly_good() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop::sample::select(b"\r\n \t:xA.=\x00\x1f\x7f\x80\xc3\xff".to_vec());
        let change = (any::<prop::sample::Index>(), bytes, 0..3_u8, 1..4_usize);
        let long = prop_oneof![3 => 0..3_usize, 1 => 980..1010_usize];
        let changes = prop::collection::vec(change, 0..4);
        (changes, long.clone(), long, any::<bool>()).prop_map(|(changes, header, body, ends)| {
            let long = |n| "y".repeat(n);
            let good = GOOD
                .replace("x\r\n y", &format!("{}\r\n y", long(header)))
                .replace("body", &format!("one\r\n\r\n{}\r\ntwo", long(body)));
            let mut message = good.into_bytes();
            if !ends {
                message.truncate(message.len() - 2);
            }
            for (at, byte, how, times) in changes {
                let at = at.index(message.len());
                match how {
                    0 => message[at] = byte,
                    1 => drop(message.drain(at..(at + times).min(message.len() - 1))),
                    _ => drop(message.splice(at..at, std::iter::repeat_n(byte, times))),
                }
            }
            message
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_quick_look_takes_nothing_for_sound_that_is_not(message in nearly_good()) {
            let fault = find_fault(&message).err();
            if is_sound(&message) {
                prop_assert_eq!(fault, None);
            } else if message.is_ascii() && !message.contains(&b'\t') {
                prop_assert!(fault.is_some(), "{:?}", String::from_utf8_lossy(&message));
            }
        }
    }

    const GOOD: &str = "From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n y\r\n\
        Date: Sun, 22 Nov 2026 09:00:00 +0100\r\nMessage-ID: <1@b.example>\r\n\
        MIME-Version: 1.0\r\n\r\nbody\r\n";

    fn fault_of(from: &str, to: &str) -> Fault {
        assert!(GOOD.contains(from));
        check_bytes(GOOD.replacen(from, to, 1).as_bytes()).unwrap_err()
    }

    #[test]
    fn a_good_message_passes() {
        assert_eq!(check_bytes(GOOD.as_bytes()), Ok(()));
        let utf8 = GOOD.replace("c@d", "andré@d");
        assert_eq!(check_bytes(utf8.as_bytes()), Ok(()));
    }

    #[test]
    fn each_fault_is_found() {
        let long = "x".repeat(999);
        assert_eq!(
            fault_of("x\r\n y", &long),
            Fault::LongLine {
                line: 3,
                octets: 9 + 999
            }
        );
        assert_eq!(
            fault_of("body", &long),
            Fault::LongLine {
                line: 9,
                octets: 999
            }
        );
        assert_eq!(fault_of("x\r\n", "x\n"), Fault::BareLineEnd { line: 3 });
        assert_eq!(fault_of("body", "bo\rdy"), Fault::BareLineEnd { line: 9 });
        assert_eq!(fault_of("body\r\n", "body"), Fault::Unterminated);
        assert_eq!(
            fault_of("body", "bodé"),
            Fault::Octet {
                line: 9,
                octet: 0xc3
            }
        );
        assert_eq!(
            fault_of("body", "bo\0dy"),
            Fault::Octet { line: 9, octet: 0 }
        );
        assert_eq!(
            fault_of("Subject: x", "Subject: é"),
            Fault::Octet {
                line: 3,
                octet: 0xc3
            }
        );
        assert_eq!(
            fault_of("Subject: x", "Subject: \u{7}"),
            Fault::Octet { line: 3, octet: 7 }
        );
        assert_eq!(
            fault_of("c@d", "c\u{202e}@d"),
            Fault::Octet {
                line: 2,
                octet: 0xe2
            }
        );
        assert_eq!(fault_of(" y\r\n", " \r\n"), Fault::NotAHeader { line: 4 });
        assert_eq!(fault_of(" y\r\n", "y\r\n"), Fault::NotAHeader { line: 4 });
        assert_eq!(fault_of("From", " From"), Fault::NotAHeader { line: 1 });
        let twice = |header, times| Fault::Count { header, times };
        assert_eq!(
            fault_of("Subject", "To: e@f.example\r\nSubject"),
            twice("To", 2)
        );
        assert_eq!(fault_of("Subject", "X-Subject"), twice("Subject", 0));
        assert_eq!(fault_of("\r\n\r\nbody", ""), Fault::NoBody);
    }
}
