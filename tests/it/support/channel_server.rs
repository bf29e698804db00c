//! A chat server on a loopback port of its own: it writes down what it is told, and takes it,
//! refuses it or behaves badly, as it is told for each request. It knows the transactions of
//! Matrix, as Synapse does: one that is repeated makes no second message.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;

use crate::support::serving::{Serving, Stream, Told, answer, drip, read};
use crate::support::smtp_server::Cert;

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

#[derive(Default)]
struct State {
    told: Vec<Told>,
    /// Messages of rooms, by their transactions.
    events: BTreeMap<String, Vec<u8>>,
    script: VecDeque<Does>,
}

/// The running server.
pub(crate) struct ChannelServer {
    serving: Serving,
    state: Arc<Mutex<State>>,
    count: watch::Receiver<usize>,
}

impl ChannelServer {
    pub(crate) fn start() -> Self {
        Self::run(None)
    }

    pub(crate) fn start_tls(cert: Cert) -> Self {
        Self::run(Some(cert))
    }

    fn run(cert: Option<Cert>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (counter, count) = watch::channel(0);
        let (shared, counter) = (Arc::clone(&state), Arc::new(counter));
        let serving = Serving::start(cert, move |stream| {
            let (state, counter) = (Arc::clone(&shared), Arc::clone(&counter));
            async move { talk(stream, &state, &counter).await }
        });
        Self {
            serving,
            state,
            count,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.serving.port()
    }

    /// PEM of the authority that a client should trust.
    pub(crate) fn ca_file(&self) -> &Path {
        self.serving.ca_file()
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

async fn talk(mut stream: Box<dyn Stream>, state: &Mutex<State>, counter: &watch::Sender<usize>) {
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

async fn reply(stream: &mut Box<dyn Stream>, does: &Does, event: &str) -> std::io::Result<()> {
    match does {
        Does::Takes => stream.write_all(answer(200, "", event).as_bytes()).await?,
        Does::Says(status, headers, body) => {
            let answer = answer(*status, headers, body);
            stream.write_all(answer.as_bytes()).await?;
        }
        Does::Hangs => std::future::pending().await,
        Does::Drops => {}
        Does::Garbage => stream.write_all(b"220 chat.example ESMTP\r\n\r\n").await?,
        Does::Drips => drip(stream).await?,
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
