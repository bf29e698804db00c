//! The server of the session's fuzzing: it follows SMTP as far as its actions let it, and keeps
//! both streams with the order in which they met.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadBuf};

/// Turns without a byte after which both are taken to wait for one another.
const IDLE: usize = 12;

/// The largest reply that may count.
const REPLY_LIMIT: usize = 8 * 1024;

pub(super) struct Server<'a> {
    pipe: DuplexStream,
    manner: u8,
    /// Bytes said at a time; 0: all at once.
    piece: usize,
    actions: std::slice::Iter<'a, u8>,
    streams: Streams,
    /// How much of what was heard was acted on.
    done: usize,
    in_message: bool,
}

/// What was said on a connection.
#[derive(Default)]
pub(super) struct Streams {
    heard: Vec<u8>,
    said: Vec<u8>,
    /// For each byte said, how much had been heard before it.
    heard_before: Vec<usize>,
}

/// A reply as it stands in the stream.
#[derive(Clone, Copy)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) heard_before: usize,
}

/// A message with its final dot, as it stands in the stream.
pub(super) struct Dot {
    pub(super) to: String,
    pub(super) start: usize,
    /// Which reply is its own, from 0 for the greeting.
    pub(super) index: usize,
    /// Without its stuffing.
    pub(super) message: Vec<u8>,
}

impl Dot {
    pub(super) fn is_empty(&self) -> bool {
        self.message.is_empty()
    }
}

/// What a moment brought.
enum Moment {
    Heard,
    Idle,
    Over,
}

impl<'a> Server<'a> {
    pub(super) fn new(pipe: DuplexStream, manner: u8, piece: usize, actions: &'a [u8]) -> Self {
        Self {
            pipe,
            manner,
            piece,
            actions: actions.iter(),
            streams: Streams::default(),
            done: 0,
            in_message: false,
        }
    }

    pub(super) async fn serve(mut self) -> Streams {
        let _over = self.talk().await;
        // What had left the client when the connection ended was heard.
        self.listen();
        self.streams
    }

    /// `None`: the connection is over.
    async fn talk(&mut self) -> Option<()> {
        self.act("220 fuzz").await?;
        loop {
            let unread = &self.streams.heard[self.done..];
            if let Some(end) = unread.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..end]).into_owned();
                self.done += end + 2;
                self.answer(&line).await?;
                continue;
            }
            match self.moment().await {
                Moment::Heard => {}
                Moment::Over => return None,
                // Something unasked, or the end.
                Moment::Idle => {
                    let says_nothing = |a: &&u8| (..128).contains(*a) || (224..232).contains(*a);
                    let silent = self.actions.as_slice().iter().take_while(says_nothing);
                    let silent = silent.count();
                    self.actions = self.actions.as_slice()[silent..].iter();
                    if self.actions.len() == 0 {
                        return None;
                    }
                    self.act("").await?;
                }
            }
        }
    }

    async fn answer(&mut self, line: &str) -> Option<()> {
        if self.in_message {
            if line == "." {
                self.in_message = false;
                self.act("250 taken").await?;
            }
            return Some(());
        }
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" => {
                let offers = ["PIPELINING", "DSN", "SIZE 100000", "SMTPUTF8"];
                let mut reply = String::new();
                for (bit, offer) in offers.iter().enumerate() {
                    if self.manner & 1 << bit != 0 {
                        reply.push_str(&format!("250-{offer}\r\n"));
                    }
                }
                self.act(&format!("250-fuzz\r\n{reply}250 HELP")).await?;
            }
            "DATA" => self.in_message = self.act("354 go").await?,
            "QUIT" => {
                self.act("221 bye").await?;
                return None;
            }
            "HELO" | "MAIL" | "RCPT" | "RSET" => {
                self.act("250 ok").await?;
            }
            _ => {
                self.act("500 what").await?;
            }
        }
        Some(())
    }

    /// Does what the next byte says where `usual` would be right; tells whether that was said.
    async fn act(&mut self, usual: &str) -> Option<bool> {
        let usual = if usual.is_empty() {
            String::new()
        } else {
            format!("{usual}\r\n")
        };
        let action = self.actions.next().copied().unwrap_or(0);
        let chosen = |codes: &[u16]| format!("{} x\r\n", codes[usize::from(action) % codes.len()]);
        match action {
            0..=127 => self.say(usual.as_bytes()).await?,
            128..=143 => {
                let reply = chosen(&[421, 450, 451, 452]);
                self.say(reply.as_bytes()).await?;
                return Some(false);
            }
            144..=159 => {
                let reply = chosen(&[550, 552, 553, 554]);
                self.say(reply.as_bytes()).await?;
                return Some(false);
            }
            160..=175 => {
                let reply = chosen(&[250, 251, 252, 354, 220, 221, 235, 334]);
                self.say(reply.as_bytes()).await?;
                return Some(usual.starts_with(&reply[..3]));
            }
            176..=207 => {
                let bytes = self.verbatim();
                self.say(&bytes).await?;
                return Some(bytes.starts_with(b"354") && usual.starts_with("354"));
            }
            208..=215 => {
                let bytes = [usual.as_bytes(), &self.verbatim()].concat();
                self.say(&bytes).await?;
            }
            216..=223 => {
                let bytes = [&self.verbatim(), usual.as_bytes()].concat();
                self.say(&bytes).await?;
            }
            224..=231 => return Some(false),
            232..=239 => return None,
            240..=243 => {
                self.say(usual.as_bytes()).await?;
                return None;
            }
            244..=245 => {
                // Until the client has had enough.
                while !matches!(self.moment().await, Moment::Over) {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                return None;
            }
            246..=251 => {
                let code = usual.get(..3).unwrap_or("250").to_owned();
                let lines = format!("{code}-one\r\n{code}-\r\n{code}\r\n");
                self.say(lines.as_bytes()).await?;
            }
            252..=255 => {
                let code = usual.get(..3).unwrap_or("250").to_owned();
                let lines = format!("{code}-and more of it\r\n").repeat(600);
                self.say(lines.as_bytes()).await?;
            }
        }
        Some(true)
    }

    /// As many bytes as the next one says.
    fn verbatim(&mut self) -> Vec<u8> {
        let length = self.actions.next().copied().unwrap_or(0);
        self.actions
            .by_ref()
            .take(usize::from(length))
            .copied()
            .collect()
    }

    async fn say(&mut self, bytes: &[u8]) -> Option<()> {
        let piece = if self.piece == 0 {
            bytes.len().max(1)
        } else {
            self.piece
        };
        for piece in bytes.chunks(piece) {
            let mut left = piece;
            while !left.is_empty() {
                let taken = self.push(left).await?;
                let heard = self.streams.heard.len();
                self.streams.said.extend_from_slice(&left[..taken]);
                let said = self.streams.said.len();
                self.streams.heard_before.resize(said, heard);
                left = &left[taken..];
            }
            if self.piece > 0 {
                tokio::task::yield_now().await;
            }
        }
        Some(())
    }

    /// Writes what the pipe takes, and listens while it takes nothing: both may be writing.
    async fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        for _ in 0..IDLE {
            // What the client has said by now comes before.
            self.listen();
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut self.pipe).poll_write(&mut context, bytes) {
                Poll::Ready(taken) => return taken.ok().filter(|n| *n > 0),
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
        None
    }

    async fn moment(&mut self) -> Moment {
        for _ in 0..IDLE {
            match self.listen() {
                Some(0) => tokio::task::yield_now().await,
                Some(_) => return Moment::Heard,
                None => return Moment::Over,
            }
        }
        Moment::Idle
    }

    /// Takes what lies in the pipe, without waiting: how much, or `None` at its end.
    fn listen(&mut self) -> Option<usize> {
        let mut all = 0;
        loop {
            let mut room = [0; 1024];
            let mut room = ReadBuf::new(&mut room);
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut self.pipe).poll_read(&mut context, &mut room) {
                Poll::Ready(Ok(())) if !room.filled().is_empty() => {
                    self.streams.heard.extend_from_slice(room.filled());
                    all += room.filled().len();
                }
                Poll::Pending => return Some(all),
                Poll::Ready(_) if all > 0 => return Some(all),
                Poll::Ready(_) => return None,
            }
        }
    }
}

impl Streams {
    /// The reply with this number, if all up to it are well formed.
    pub(super) fn reply(&self, number: usize) -> Option<Reply> {
        let mut at = 0;
        for n in 0..=number {
            let (code, length) = well_formed(&self.said[at..])?;
            if n == number {
                let heard_before = self.heard_before[at];
                return Some(Reply { code, heard_before });
            }
            at += length;
        }
        None
    }

    /// The messages that were heard whole.
    pub(super) fn dots(&self) -> Vec<Dot> {
        let mut dots = Vec::new();
        let (mut at, mut index, mut to) = (0, 1, String::new());
        while let Some(length) = line(&self.heard[at..]) {
            let command = &self.heard[at..at + length];
            at += length;
            if let Some(path) = command.strip_prefix(b"RCPT TO:<") {
                let end = path.iter().position(|b| *b == b'>').unwrap();
                to = String::from_utf8(path[..end].to_vec()).unwrap();
            }
            let goes_on =
                command == b"DATA\r\n" && self.reply(index).is_some_and(|r| r.code == 354);
            index += 1;
            if !goes_on {
                continue;
            }
            let start = at;
            let mut message = Vec::new();
            loop {
                let Some(length) = line(&self.heard[at..]) else {
                    return dots;
                };
                let text = &self.heard[at..at + length];
                at += length;
                if text == b".\r\n" {
                    break;
                }
                message.extend_from_slice(text.strip_prefix(b".").unwrap_or(text));
            }
            let to = to.clone();
            dots.push(Dot {
                to,
                start,
                index,
                message,
            });
            index += 1;
        }
        dots
    }
}

/// The length of the line at the start, its end included.
fn line(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    Some(end + 2)
}

/// The code and the length of the reply at the start.
fn well_formed(bytes: &[u8]) -> Option<(u16, usize)> {
    let mut at = 0;
    let mut codes = Vec::new();
    loop {
        let end = at + bytes[at..].iter().position(|b| *b == b'\n')?;
        let text = std::str::from_utf8(bytes.get(at..at + 3)?).ok()?;
        let code: u16 = text.parse().ok().filter(|c| (200..600).contains(c))?;
        let text_is_digits = text.bytes().all(|b| b.is_ascii_digit());
        let ended = end >= at + 4 && bytes[end - 1] == b'\r';
        codes.push(code);
        if !text_is_digits || !ended || end >= REPLY_LIMIT || codes[0] != code {
            return None;
        }
        let (separator, bare) = (bytes[at + 3], end == at + 4);
        at = end + 1;
        match separator {
            b' ' => return Some((code, at)),
            b'\r' if bare => return Some((code, at)),
            b'-' => {}
            _ => return None,
        }
    }
}
