//! One connection of the scripted server, from greeting to QUIT.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;

use super::{Accepted, Act, Phase, Shared};
use crate::support::serving::Stream;

/// The connection is over, for whatever reason.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        let number = {
            let mut log = shared.log();
            log.connections += 1;
            log.connections - 1
        };
        tokio::spawn(async move {
            match shared.act(Phase::Connect, "") {
                Some(Act::Hang) => std::future::pending::<()>().await,
                Some(Act::Wait(gate)) => gate.pass().await,
                Some(_) => return,
                None => {}
            }
            let mut connection = Connection {
                shared: &shared,
                stream: Box::new(stream),
                unread: Vec::new(),
                unsent: Vec::new(),
                encrypted: false,
                number,
            };
            let _over = connection.talk().await;
        });
    }
}

struct Connection<'a> {
    shared: &'a Shared,
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    /// Answers that wait for one another.
    unsent: Vec<u8>,
    encrypted: bool,
    number: usize,
}

impl Connection<'_> {
    async fn talk(&mut self) -> Result<(), Over> {
        if self.shared.implicit {
            self.encrypt().await?;
        }
        self.answer(Phase::Greeting, "", "220 scripted.example ESMTP")
            .await?;
        let careless = self.shared.manner.careless;
        let mut from = None;
        let mut to = Vec::new();
        loop {
            let line = self.line().await?;
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            self.listen_for_too_much(&line).await?;
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let hidden = |e: &&&str| !(self.encrypted && **e == "STARTTLS");
                    let mut lines = vec!["scripted.example"];
                    lines.extend(self.shared.extensions.iter().filter(hidden));
                    let last = lines.len() - 1;
                    let reply: Vec<String> = lines
                        .iter()
                        .enumerate()
                        .map(|(n, l)| format!("250{}{l}", if n == last { ' ' } else { '-' }))
                        .collect();
                    self.answer(Phase::Ehlo, argument, &reply.join("\r\n"))
                        .await?;
                }
                "HELO" => self.say("250 scripted.example").await?,
                "STARTTLS" => {
                    if self.answer(Phase::Starttls, "", "220 2.0.0 go").await? {
                        self.encrypt().await?;
                    }
                }
                "AUTH" => self.auth(argument).await?,
                "MAIL" if from.is_some() => self.say("503 5.5.1 nested MAIL").await?,
                "MAIL" => {
                    if self.answer(Phase::Mail, argument, "250 2.1.0 ok").await? {
                        from = Some(after_colon(argument));
                        to.clear();
                    }
                }
                "RCPT" if from.is_none() && !careless => {
                    self.say("503 5.5.1 no sender").await?;
                }
                "RCPT" => {
                    if self.answer(Phase::Rcpt, argument, "250 2.1.5 ok").await? {
                        to.push(after_colon(argument));
                    }
                }
                "DATA" => {
                    if to.is_empty() && !careless {
                        self.say("503 5.5.1 no recipient").await?;
                    } else if self.answer(Phase::Data, "", "354 go on").await? {
                        let sender = from.take().unwrap_or_default();
                        self.message(sender, std::mem::take(&mut to)).await?;
                    }
                }
                "RSET" => {
                    from = None;
                    to.clear();
                    self.say("250 2.0.0 reset").await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    self.flush().await?;
                    return Err(Over);
                }
                _ => self.say("500 5.5.2 what?").await?,
            }
        }
    }

    async fn auth(&mut self, argument: &str) -> Result<(), Over> {
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        if let Some(act) = self.shared.act(Phase::Auth, argument) {
            self.perform(act, "235 2.7.0 ok", None).await?;
            return Ok(());
        }
        let steps = match (mechanism, initial) {
            ("PLAIN", "") => 1,
            ("LOGIN", "") => 2,
            _ => 0,
        };
        self.hear(decoded(initial));
        for _ in 0..steps {
            self.say("334 VXNlcm5hbWU6").await?;
            let line = self.line().await?;
            self.hear(decoded(&line));
        }
        self.say("235 2.7.0 ok").await
    }

    async fn message(&mut self, from: String, to: Vec<String>) -> Result<(), Over> {
        let mut bytes = Vec::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            bytes.extend_from_slice(line.strip_prefix('.').unwrap_or(&line).as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        let accepted = Accepted {
            at: Instant::now(),
            connection: self.number,
            from,
            to,
            bytes,
        };
        if accepted.to.is_empty() {
            return self.say("554 5.5.1 no valid recipients").await;
        }
        let usual = "250 2.0.0 taken";
        match self.shared.act(Phase::Dot, "") {
            Some(act) => self.perform(act, usual, Some(accepted)).await?,
            None => {
                self.shared.take(accepted);
                self.say(usual).await?;
                true
            }
        };
        Ok(())
    }

    /// Answers as the script says; tells whether the phase went as it should.
    async fn answer(&mut self, phase: Phase, argument: &str, usual: &str) -> Result<bool, Over> {
        match self.shared.act(phase, argument) {
            Some(act) => self.perform(act, usual, None).await,
            None => self.say(usual).await.map(|()| true),
        }
    }

    async fn perform(
        &mut self,
        act: Act,
        usual: &str,
        message: Option<Accepted>,
    ) -> Result<bool, Over> {
        let shared = self.shared;
        let take = || message.clone().into_iter().for_each(|m| shared.take(m));
        if matches!(act, Act::DropAll) {
            return Err(Over);
        }
        if !matches!(act, Act::Reply(_) | Act::AnswerAnd(_)) {
            self.flush().await?;
        }
        match act {
            Act::Reply(reply) => {
                let went = reply.get(..3) == usual.get(..3);
                if went {
                    take();
                }
                self.say(reply).await?;
                if reply.starts_with("421") {
                    self.flush().await?;
                    return Err(Over);
                }
                Ok(went)
            }
            Act::Raw(bytes) => {
                self.write(bytes).await?;
                Ok(bytes.get(..3) == usual.as_bytes().get(..3))
            }
            Act::Hang => std::future::pending().await,
            Act::Drip => {
                let code = &usual[..3];
                let slow = format!("{code} {}\r\n", "slowly ".repeat(40));
                for byte in slow.bytes() {
                    self.write(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok(true)
            }
            Act::Drop | Act::DropAll => Err(Over),
            Act::AnswerAnd(bytes) => {
                take();
                self.say(usual).await?;
                self.unsent.extend_from_slice(bytes);
                Ok(true)
            }
            Act::AnswerAndDrop => {
                take();
                self.say(usual).await?;
                self.flush().await?;
                Err(Over)
            }
            Act::TakeAndDrop => {
                take();
                Err(Over)
            }
            Act::TakeLate(delay) => {
                take();
                tokio::time::sleep(delay).await;
                self.say(usual).await?;
                Ok(true)
            }
            Act::Garbage => {
                self.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
                Ok(false)
            }
            Act::Wait(gate) => {
                gate.pass().await;
                take();
                self.say(usual).await?;
                Ok(true)
            }
            Act::Oversized => {
                let endless = "250-and another thing\r\n".repeat(1000);
                self.write(endless.as_bytes()).await?;
                Ok(false)
            }
        }
    }

    async fn encrypt(&mut self) -> Result<(), Over> {
        self.flush().await?;
        let Some(acceptor) = &self.shared.acceptor else {
            return Err(Over);
        };
        let plain = std::mem::replace(
            &mut self.stream,
            Box::new(tokio::io::join(tokio::io::empty(), tokio::io::sink())),
        );
        self.stream = Box::new(acceptor.accept(plain).await?);
        self.encrypted = true;
        Ok(())
    }

    fn hear(&self, line: String) {
        self.shared.hear(self.encrypted, line);
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                self.hear(line.clone());
                return Ok(line);
            }
            self.flush().await?;
            let mut room = [0; 4096];
            let read = self.stream.read(&mut room).await?;
            if read == 0 {
                return Err(Over);
            }
            self.unread.extend_from_slice(&room[..read]);
        }
    }

    /// Looks whether the client said more behind this line than it may before the answer.
    async fn listen_for_too_much(&mut self, line: &str) -> Result<(), Over> {
        let may_go_on = ["MAIL", "RCPT", "RSET"]
            .iter()
            .any(|verb| line.starts_with(verb));
        if self.shared.manner.pipelining && may_go_on {
            return Ok(());
        }
        let mut room = [0; 4096];
        let mut room = ReadBuf::new(&mut room);
        let stream = &mut self.stream;
        std::future::poll_fn(|cx| {
            // Whether something came or not, or the client is gone: the next read tells.
            let _seen = std::pin::Pin::new(&mut *stream).poll_read(cx, &mut room);
            Poll::Ready(())
        })
        .await;
        self.unread.extend_from_slice(room.filled());
        if !self.unread.is_empty() {
            let early = String::from_utf8_lossy(&self.unread).into_owned();
            let mut log = self.shared.log();
            log.breaches.push(format!("behind {line:?}: {early:?}"));
        }
        Ok(())
    }

    /// Answers, together with what else is answered before more has to be read.
    async fn say(&mut self, reply: &str) -> Result<(), Over> {
        self.unsent.extend_from_slice(reply.as_bytes());
        self.unsent.extend_from_slice(b"\r\n");
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.unsent.extend_from_slice(bytes);
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Over> {
        let unsent = std::mem::take(&mut self.unsent);
        let piece = self.shared.manner.piece.unwrap_or(unsent.len().max(1));
        for piece in unsent.chunks(piece) {
            self.stream.write_all(piece).await?;
            self.stream.flush().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

fn after_colon(argument: &str) -> String {
    argument
        .split_once(':')
        .map_or(argument, |(_, rest)| rest)
        .to_owned()
}

fn decoded(word: &str) -> String {
    let bytes = STANDARD.decode(word).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
