//! Where the log goes: to the journal with its fields when standard error is the journal's, else
//! to standard error as lines.
//!
//! In the journal each line is whole for the person who reads it, and each field can also be
//! asked for by its name (`journalctl -u jetond TOKEN=marches-publics`). No line holds a whole
//! address, whatever was logged: a server's reply may repeat one. The ready-made layer
//! for the journal was left aside: it shows messages without their fields, and a line about
//! several tokens could not be found by each of them.

use std::fmt::{self, Write as _};
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::domain::address::mask_addresses;
use crate::systemd;

/// Where the journal listens (`systemd.io/JOURNAL_NATIVE_PROTOCOL`).
const SOCKET: &str = "/run/systemd/journal/socket";

/// More of one value says no more; and a datagram has its limits.
const LONGEST: usize = 16 * 1024;

/// The field that may hold several ids, set apart by spaces; each becomes a field of its own.
const IDS: &str = "token";

/// Starts the log. `RUST_LOG` chooses (default: this program's own, from info on).
pub(super) fn start() {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,jetond=info"));
    let log = tracing_subscriber::registry().with(filter);
    let journal = systemd::stderr_is_the_journal()
        .then(|| Journal::open(SOCKET).ok())
        .flatten();
    // A second subscriber in one process is refused; the first one stays.
    let _ = match journal {
        Some(journal) => log.with(journal).try_init(),
        None => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(|| Masked(std::io::stderr()))
                .with_ansi(colour);
            log.with(lines).try_init()
        }
    };
}

/// Standard error without whole addresses: each write is a whole line.
struct Masked(std::io::Stderr);

impl std::io::Write for Masked {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let masked = mask_addresses(&String::from_utf8_lossy(line));
        self.0.write_all(masked.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Sends each event to the journal.
struct Journal {
    socket: UnixDatagram,
    path: &'static str,
}

impl Journal {
    fn open(path: &'static str) -> std::io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // The journal discards an empty datagram: this only asks whether it listens.
        socket.send_to(&[], path)?;
        Ok(Self { socket, path })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let datagram = words.datagram(*event.metadata().level(), event.metadata().target());
        // Whoever cannot be told that nothing can be logged: nobody.
        let _ = self.socket.send_to(&datagram, self.path);
    }
}

/// An event's message and its fields.
#[derive(Default)]
struct Words {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

impl Words {
    fn put(&mut self, name: &'static str, value: String) {
        let value = mask_addresses(&value);
        if name == "message" {
            self.message = value;
        } else {
            self.fields.push((name, value));
        }
    }

    fn datagram(mut self, level: Level, target: &str) -> Vec<u8> {
        for (name, value) in &self.fields {
            // Writing to a string does not fail.
            let _ = write!(self.message, " {name}={value}");
        }
        let mut out = Vec::with_capacity(256);
        put(&mut out, "MESSAGE", &self.message);
        put(&mut out, "PRIORITY", priority(level));
        put(&mut out, "SYSLOG_IDENTIFIER", "jetond");
        put(&mut out, "TARGET", target);
        for (name, value) in &self.fields {
            let upper = name.to_uppercase();
            if *name == IDS {
                for id in value.split_whitespace() {
                    put(&mut out, &upper, id);
                }
            } else {
                put(&mut out, &upper, value);
            }
        }
        out
    }
}

/// syslog's numbers.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// A field with its length, so that any value, with line feeds too, is one value.
fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    let value = &value.as_bytes()[..value.floor_char_boundary(LONGEST)];
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a datagram back: name, value.
    fn fields(mut rest: &[u8]) -> Vec<(String, String)> {
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|b| *b == b'\n').unwrap();
            let (name, after) = (&rest[..end], &rest[end + 1..]);
            let length = u64::from_le_bytes(after[..8].try_into().unwrap()) as usize;
            found.push((text(name), text(&after[8..8 + length])));
            assert_eq!(after[8 + length], b'\n');
            rest = &after[8 + length + 1..];
        }
        found
    }

    #[test]
    fn an_event_reaches_the_journal_whole_and_field_by_field() {
        let place = tempfile::tempdir().unwrap();
        let path: &'static str = place
            .path()
            .join("socket")
            .to_str()
            .unwrap()
            .to_owned()
            .leak();
        let journal = UnixDatagram::bind(path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::open(path).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(
                mail = 7,
                token = "marches portail",
                reply = "450\n<a.b@c.fr>",
                "not sent"
            );
        });
        let mut room = [0; 4096];
        assert_eq!(
            journal.recv(&mut room).unwrap(),
            0,
            "the question whether it listens"
        );
        let n = journal.recv(&mut room).unwrap();
        let found = fields(&room[..n]);
        let of = |name: &str| -> Vec<&str> {
            let named = found.iter().filter(|(n, _)| n == name);
            named.map(|(_, v)| v.as_str()).collect()
        };
        assert_eq!(
            of("MESSAGE"),
            ["not sent mail=7 token=marches portail reply=450\n<a***@c.fr>"]
        );
        assert_eq!(of("PRIORITY"), ["4"]);
        assert_eq!(of("TOKEN"), ["marches", "portail"]);
        assert_eq!(of("REPLY"), ["450\n<a***@c.fr>"]);
    }

    #[test]
    fn a_value_is_cut_between_two_characters() {
        let mut out = Vec::new();
        put(&mut out, "X", &"é".repeat(LONGEST));
        let cut = &fields(&out)[0].1;
        assert!(cut.len() <= LONGEST && cut.len() > LONGEST - 4);
    }
}
