//! A chat server on a loopback port of its own: it writes down what it is told, and takes it,
//! refuses it or behaves badly, as it is told for each request. It knows the transactions of
//! Matrix, as Synapse does: one that is repeated makes no second message.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::smtp_server::{Cert, acceptor};

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Takes it.
    Takes,
    /// Answers so: status, header lines, body.
    Says(u16, &'static str, String),
    /// Takes it, and never answers.
    Hangs,
    /// Takes it, and ends the connection.
    Drops,
    /// Answers no HTTP.
    Garbage,
    /// A byte of the head every 20 ms.
    Drips,
    /// Takes it, with a body without end.
    Huge,
}

/// What it was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Method and target.
    pub(crate) line: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Told {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct State {
    told: Vec<Told>,
    /// Messages of rooms, by their transactions.
    events: BTreeMap<String, Vec<u8>>,
    script: VecDeque<Does>,
}

/// The running server.
pub(crate) struct ChannelServer {
    port: u16,
    state: Arc<Mutex<State>>,
    count: watch::Receiver<usize>,
    authority: tempfile::NamedTempFile,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ChannelServer {
    pub(crate) fn start() -> Self {
        Self::run(None)
    }

    pub(crate) fn start_tls(cert: Cert) -> Self {
        Self::run(Some(cert))
    }

    fn run(cert: Option<Cert>) -> Self {
        let authority = tempfile::NamedTempFile::new().unwrap();
        let tls = cert.map(|cert| acceptor(cert, authority.path()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let (counter, count) = watch::channel(0);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let counter = Arc::new(counter);
            let serve = async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (state, counter, tls) =
                        (Arc::clone(&shared), Arc::clone(&counter), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => talk(stream, &state, &counter).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    talk(stream, &state, &counter).await;
                                }
                            }
                        }
                    });
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            port,
            state,
            count,
            authority,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// PEM of the authority that a client should trust.
    pub(crate) fn ca_file(&self) -> &Path {
        self.authority.path()
    }

    /// What it does with the next requests; with those after them it is content.
    pub(crate) fn will(&self, script: impl IntoIterator<Item = Does>) {
        self.state.lock().unwrap().script = script.into_iter().collect();
    }

    /// What it was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().told.clone()
    }

    /// The messages in its rooms.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let state = self.state.lock().unwrap();
        let events = state.events.values();
        events.map(|e| serde_json::from_slice(e).unwrap()).collect()
    }

    /// Waits until it was told so often.
    pub(crate) async fn until_told(&self, count: usize) {
        let mut counts = self.count.clone();
        counts.wait_for(|n| *n >= count).await.unwrap();
    }
}

impl Drop for ChannelServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    state: &Mutex<State>,
    counter: &watch::Sender<usize>,
) {
    let Some(told) = read(&mut stream).await else {
        return;
    };
    let (does, event) = {
        let mut state = state.lock().unwrap();
        let does = state.script.pop_front().unwrap_or(Does::Takes);
        let takes = matches!(does, Does::Takes | Does::Hangs | Does::Drops | Does::Huge);
        if takes && let Some((_, transaction)) = told.line.split_once("/send/m.room.message/") {
            let room = told.line.clone();
            let _known = state
                .events
                .entry(room)
                .or_insert_with(|| told.body.clone());
            assert!(!transaction.is_empty());
        }
        let whoami = told.line.ends_with("/account/whoami");
        let event = if whoami {
            r#"{"user_id":"@veille:ville.example"}"#
        } else if told.line.starts_with("PUT ") {
            r#"{"event_id":"$1"}"#
        } else {
            "ok"
        };
        state.told.push(told);
        (does, event)
    };
    counter.send_modify(|n| *n += 1);
    // A client that is gone has heard enough.
    let _gone = reply(&mut stream, &does, event).await;
}

pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Told> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        let mut more = [0; 4096];
        let n = stream.read(&mut more).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&more[..n]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length");
    let length = length.map_or(0, |l| l.parse::<usize>().unwrap());
    while body.len() < length {
        let mut more = [0; 4096];
        let n = stream.read(&mut more).await.ok().filter(|n| *n > 0)?;
        body.extend_from_slice(&more[..n]);
    }
    Some(Told {
        line,
        headers,
        body,
    })
}

async fn reply(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    does: &Does,
    event: &str,
) -> std::io::Result<()> {
    let answer = |status: u16, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} so\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    match does {
        Does::Takes => stream.write_all(answer(200, "", event).as_bytes()).await?,
        Does::Says(status, headers, body) => {
            let answer = answer(*status, headers, body);
            stream.write_all(answer.as_bytes()).await?;
        }
        Does::Hangs => std::future::pending().await,
        Does::Drops => {}
        Does::Garbage => stream.write_all(b"220 chat.example ESMTP\r\n\r\n").await?,
        Does::Drips => loop {
            stream.write_all(b"H").await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        },
        Does::Huge => {
            stream
                .write_all(b"HTTP/1.1 200 so\r\nContent-Length: 10000000\r\n\r\n")
                .await?;
            for _ in 0..1000 {
                stream.write_all(&[b'x'; 10_000]).await?;
            }
        }
    }
    stream.shutdown().await
}
