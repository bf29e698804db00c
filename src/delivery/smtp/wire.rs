//! The connection: bytes out, replies in, each under one deadline.
//!
//! Invariant: commands leave only while nothing the server said is unread, and one reply is read
//! for each. Bytes that no command asked for break the connection, so replies can never be off by
//! one. What was handed over to the system is counted, so that a write that was cut short can be
//! judged; a read or a write cut short leaves the wire in an unknown place: its owner drops it.

use std::future::Future;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dialogue::Dialogue;
use super::reply::{Malformed, Phase, Raw, Said, parse};
use super::stream::{Counted, Duplex, Stream};
use crate::delivery::outcome::{RelayFault, RelayFaultKind};

/// Room for what is read at once; replies to a whole envelope fit.
const ROOM: usize = 2048;

/// What went wrong on the connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the deadline of {0:?} passed")]
    Deadline(Duration),
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("bytes that no command asked for: {0:?}")]
    Unsolicited(String),
    #[error("the server closed with {0}")]
    Closing(String),
}

impl Fault {
    /// The fault as the relay's, in this phase. Not for the wait after the dot.
    pub(super) fn in_phase(&self, phase: Phase) -> RelayFault {
        let kind = match self {
            Self::Deadline(_) if phase == Phase::Rcpt => RelayFaultKind::Unanswered,
            Self::Deadline(_) => RelayFaultKind::Timeout,
            Self::Closed | Self::Broken(_) => RelayFaultKind::Dropped,
            Self::Malformed(_) | Self::Unsolicited(_) => RelayFaultKind::Protocol,
            Self::Closing(_) => RelayFaultKind::Closing421,
        };
        RelayFault::new(kind, &format!("at {}: {self}", phase.name()))
    }
}

/// Bounds a whole phase, however many reads and writes it takes.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Fault::Deadline(limit)),
    }
}

/// The connection and what was read from it ahead of its parsing.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// What was read; up to `given` it was given out as replies.
    read: Vec<u8>,
    given: usize,
    dialogue: Option<Dialogue>,
}

/// A whole reply at the start of what was not given out yet.
#[derive(Debug, Clone, Copy)]
struct Found {
    code: u16,
    length: usize,
}

/// What the dialogue shows in place of a line that holds a secret.
pub(super) struct Hidden<'a> {
    pub(super) shown: &'a str,
    /// Masked wherever the server echoes them.
    pub(super) secrets: &'a [SecretString],
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::on(Stream::Plain(Counted::new(stream)))
    }

    /// A connection made elsewhere.
    pub(super) fn given(stream: Box<dyn Duplex>) -> Self {
        Self::on(Stream::Given(Counted::new(stream)))
    }

    pub(super) fn tls(stream: TlsStream<Counted<TcpStream>>) -> Self {
        Self::on(Stream::Tls(Box::new(stream)))
    }

    fn on(stream: Stream) -> Self {
        Self {
            stream,
            read: Vec::new(),
            given: 0,
            dialogue: None,
        }
    }

    /// Writes down what is said from now on.
    pub(super) fn recorded(mut self, dialogue: Option<&Dialogue>) -> Self {
        self.dialogue = dialogue.cloned();
        self
    }

    /// Protocol and cipher of the connection, if it is encrypted.
    pub(super) fn encryption(&self) -> Option<String> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
            rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let cipher = session.negotiated_cipher_suite()?.suite();
        Some(format!("{version}, {cipher:?}"))
    }

    /// Gives the bare socket back for a TLS handshake; refuses when plaintext is left over,
    /// which an attacker could have injected to be taken for the server's later words.
    pub(super) fn into_plain(mut self) -> Result<TcpStream, Fault> {
        self.expect_silence()?;
        match self.stream {
            Stream::Plain(stream) => Ok(stream.into_inner()),
            Stream::Tls(_) => Err(Fault::Unsolicited("TLS within TLS".to_owned())),
            Stream::Given(_) => Err(Fault::Unsolicited("TLS on a given stream".to_owned())),
        }
    }

    /// Sends a command line and reads its reply.
    pub(super) async fn exchange(&mut self, command: &str, limit: Duration) -> Result<Raw, Fault> {
        let hidden = Hidden {
            shown: command,
            secrets: &[],
        };
        self.exchange_hidden(command, hidden, limit).await
    }

    /// Sends a command line that holds a secret and reads its reply, from which the secrets are
    /// masked.
    pub(super) async fn exchange_hidden(
        &mut self,
        command: &str,
        hidden: Hidden<'_>,
        limit: Duration,
    ) -> Result<Raw, Fault> {
        self.tell(hidden.shown);
        let line = format!("{command}\r\n");
        let found = self.send_and_find(line.as_bytes(), limit).await?;
        let mut raw = self.give(found).raw();
        for secret in hidden.secrets.iter().map(ExposeSecret::expose_secret) {
            for line in &mut raw.lines {
                if !secret.is_empty() && line.contains(secret) {
                    *line = line.replace(secret, "[redacted]");
                }
            }
        }
        if let Some(dialogue) = &self.dialogue {
            dialogue.theirs(&raw);
        }
        Ok(raw)
    }

    /// Sends the lines of one command or of several, and reads the first reply, all under one
    /// deadline.
    pub(super) async fn ask(&mut self, lines: &[u8], limit: Duration) -> Result<Said<'_>, Fault> {
        self.tell_lines(lines);
        let found = self.send_and_find(lines, limit).await?;
        self.write_down(found);
        Ok(self.give(found))
    }

    /// Reads the next reply: what follows the dot, and what is owed to commands sent together.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Said<'_>, Fault> {
        let found = match self.whole_reply()? {
            Some(found) => found,
            None => within(limit, self.read_reply()).await?,
        };
        self.write_down(found);
        Ok(self.give(found))
    }

    /// Reads the reply that comes before any command.
    pub(super) async fn greeting(&mut self, limit: Duration) -> Result<Raw, Fault> {
        Ok(self.reply(limit).await?.raw())
    }

    /// Says in the dialogue what is about to be sent.
    pub(super) fn tell(&self, what: &str) {
        if let Some(dialogue) = &self.dialogue {
            dialogue.ours(what);
        }
    }

    /// Says in the dialogue that so many bytes of a message are about to be sent.
    pub(super) fn tell_message(&self, size: usize) {
        if self.dialogue.is_some() {
            self.tell(&format!("({size} bytes and the final dot)"));
        }
    }

    /// Says in the dialogue which lines are about to be sent.
    pub(super) fn tell_lines(&self, lines: &[u8]) {
        if self.dialogue.is_some() {
            for line in lines.split_inclusive(|b| *b == b'\n') {
                self.tell(&String::from_utf8_lossy(line));
            }
        }
    }

    /// Hands all bytes over to the system, as one write if it takes them.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Bytes that the system took so far, those of TLS included: of a write that failed, at most
    /// what was added here has left, and never less than the message has plain bytes.
    pub(super) fn handed_over(&self) -> u64 {
        self.stream.handed_over()
    }

    /// Looks, without waiting, for what the server said unasked.
    ///
    /// # Errors
    /// Any byte, or the end of the connection; a 421 is told as such.
    pub(super) fn expect_silence(&mut self) -> Result<(), Fault> {
        self.expect_nothing_read()?;
        let mut room = [0; 512];
        let mut room = ReadBuf::new(&mut room);
        let mut context = Context::from_waker(Waker::noop());
        match self.stream.poll_read(&mut context, &mut room) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) if room.filled().is_empty() => Err(Fault::Closed),
            Poll::Ready(Ok(())) => {
                self.read.extend_from_slice(room.filled());
                self.expect_nothing_read()
            }
            Poll::Ready(Err(error)) => Err(closed_or(error)),
        }
    }

    /// Whether something was read already that no command asked for.
    ///
    /// # Errors
    /// Any byte; a 421 is told as such.
    pub(super) fn expect_nothing_read(&mut self) -> Result<(), Fault> {
        let unread = &self.read[self.given..];
        if unread.is_empty() {
            return Ok(());
        }
        match parse(unread) {
            Ok(Some(said)) if said.code == 421 => {
                Err(Fault::Closing(said.raw().record().to_string()))
            }
            _ => Err(Fault::Unsolicited(
                String::from_utf8_lossy(&unread[..unread.len().min(60)]).into_owned(),
            )),
        }
    }

    async fn send_and_find(&mut self, lines: &[u8], limit: Duration) -> Result<Found, Fault> {
        within(limit, async {
            self.expect_silence()?;
            self.write(lines).await?;
            self.read_reply().await
        })
        .await
    }

    async fn read_reply(&mut self) -> Result<Found, Fault> {
        loop {
            if let Some(found) = self.whole_reply()? {
                return Ok(found);
            }
            if self.given == self.read.len() {
                self.read.clear();
                self.given = 0;
            }
            self.read.reserve(ROOM);
            let read = self.stream.read_buf(&mut self.read);
            if read.await.map_err(closed_or)? == 0 {
                return Err(Fault::Closed);
            }
        }
    }

    /// The reply that stands next in what was read, if it is whole.
    fn whole_reply(&self) -> Result<Option<Found>, Fault> {
        let said = parse(&self.read[self.given..])?;
        Ok(said.map(|said| Found {
            code: said.code,
            length: said.bytes.len(),
        }))
    }

    fn write_down(&self, found: Found) {
        if let Some(dialogue) = &self.dialogue {
            let bytes = &self.read[self.given..self.given + found.length];
            let code = found.code;
            dialogue.theirs(&Said { code, bytes }.raw());
        }
    }

    fn give(&mut self, found: Found) -> Said<'_> {
        let from = self.given;
        self.given += found.length;
        Said {
            code: found.code,
            bytes: &self.read[from..self.given],
        }
    }
}

/// A peer that goes without TLS's farewell has closed, no more.
fn closed_or(error: io::Error) -> Fault {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Fault::Closed
    } else {
        Fault::Broken(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (Wire, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Wire::plain(ours.unwrap()), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn a_peer_that_stops_reading_ends_at_the_deadline() {
        let (mut wire, _peer) = pair().await;
        let more_than_the_buffers_hold = vec![b'x'; 30_000_000];
        let limit = Duration::from_millis(100);
        let fault = within(limit, wire.write(&more_than_the_buffers_hold))
            .await
            .unwrap_err();
        let fault = fault.in_phase(Phase::Data);
        assert_eq!(fault.kind, RelayFaultKind::Timeout);
    }

    #[tokio::test]
    async fn a_reply_may_come_in_pieces_and_what_follows_it_is_seen() {
        let (mut wire, mut peer) = pair().await;
        let limit = Duration::from_secs(10);
        let server = async {
            for piece in [&b"25"[..], b"0-a\r", b"\n250 b\r", b"\n250 c\r\n"] {
                peer.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (raw, ()) = tokio::join!(wire.exchange("EHLO x", limit), server);
        assert_eq!(raw.unwrap().lines, ["a", "b"]);
        let fault = wire.exchange("NOOP", limit).await.unwrap_err();
        assert!(matches!(fault, Fault::Unsolicited(_)), "{fault}");
    }
}
