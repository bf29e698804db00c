//! The connection: bytes out, replies in, each under one deadline.
//!
//! Invariant: a reply is only ever read after its command, from an otherwise empty buffer.
//! Bytes that no command asked for break the connection, so replies can never be off by one. A
//! read or a write that was cut short leaves the wire in an unknown place; its owner drops it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dialogue::Dialogue;
use super::reply::{Malformed, Phase, Raw, parse};
use crate::delivery::outcome::{RelayFault, RelayFaultKind};

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
    unread: Vec<u8>,
    dialogue: Option<Dialogue>,
}

/// What the dialogue shows in place of a line that holds a secret.
pub(super) struct Hidden<'a> {
    pub(super) shown: &'a str,
    /// Masked wherever the server echoes them.
    pub(super) secrets: &'a [SecretString],
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Plain(stream),
            unread: Vec::new(),
            dialogue: None,
        }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream: Stream::Tls(Box::new(stream)),
            unread: Vec::new(),
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
            Stream::Plain(stream) => Ok(stream),
            Stream::Tls(_) => Err(Fault::Unsolicited("TLS within TLS".to_owned())),
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
        let mut raw = within(limit, async {
            self.expect_silence()?;
            if let Some(dialogue) = &self.dialogue {
                dialogue.ours(hidden.shown);
            }
            self.write(format!("{command}\r\n").as_bytes()).await?;
            self.read_reply().await
        })
        .await?;
        for secret in hidden.secrets.iter().map(ExposeSecret::expose_secret) {
            for line in &mut raw.lines {
                if !secret.is_empty() && line.contains(secret) {
                    *line = line.replace(secret, "[redacted]");
                }
            }
        }
        Ok(self.written_down(raw))
    }

    /// Reads a reply without a command before it: the greeting, and what follows the dot.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Raw, Fault> {
        let raw = within(limit, self.read_reply()).await?;
        Ok(self.written_down(raw))
    }

    /// Says in the dialogue what is about to be sent in bulk.
    pub(super) fn tell(&self, what: &str) {
        if let Some(dialogue) = &self.dialogue {
            dialogue.ours(what);
        }
    }

    fn written_down(&self, raw: Raw) -> Raw {
        if let Some(dialogue) = &self.dialogue {
            dialogue.theirs(&raw);
        }
        raw
    }

    /// Hands all bytes over to the system. On an error the last of them surely did not leave:
    /// neither the socket nor the TLS layer reports a failure after its final byte is taken.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Looks, without waiting, for what the server said unasked.
    ///
    /// # Errors
    /// Any byte, or the end of the connection; a 421 is told as such.
    pub(super) fn expect_silence(&mut self) -> Result<(), Fault> {
        let mut room = [0; 512];
        let mut room = ReadBuf::new(&mut room);
        let mut context = Context::from_waker(Waker::noop());
        let ended = match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => room.filled().is_empty(),
            Poll::Ready(Err(error)) => return Err(closed_or(error)),
        };
        self.unread.extend_from_slice(room.filled());
        if self.unread.is_empty() {
            return if ended { Err(Fault::Closed) } else { Ok(()) };
        }
        match parse(&self.unread) {
            Ok(Some((raw, _))) if raw.code == 421 => Err(Fault::Closing(raw.record().to_string())),
            _ => Err(Fault::Unsolicited(
                String::from_utf8_lossy(&self.unread[..self.unread.len().min(60)]).into_owned(),
            )),
        }
    }

    async fn read_reply(&mut self) -> Result<Raw, Fault> {
        loop {
            if let Some((raw, length)) = parse(&self.unread)? {
                self.unread.drain(..length);
                return Ok(raw);
            }
            let mut room = [0; 1024];
            let read = self.stream.read(&mut room).await.map_err(closed_or)?;
            if read == 0 {
                return Err(Fault::Closed);
            }
            self.unread.extend_from_slice(&room[..read]);
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

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
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
