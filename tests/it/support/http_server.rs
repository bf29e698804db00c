//! A scripted HTTP server on a loopback port of its own: it writes down what it is asked, and
//! answers as it is told, well or badly.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::support::serving::{Serving, Stream, Told, drip, read};
use crate::support::smtp_server::Cert;

/// How long a client may take to come; it takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With this status and a short body.
    Status(u16),
    /// With a redirection to there.
    Redirect(String),
    /// Never.
    Hang,
    /// A byte every 20 ms.
    Drip,
    /// Well, then a body without end.
    Huge,
    /// With a head without end.
    HugeHead,
    /// With something that is no HTTP.
    Garbage,
    /// The connection ends.
    Drop,
}

/// What a client asked: method and target, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) body: String,
}

#[derive(Default)]
struct Log {
    asked: Mutex<Vec<Asked>>,
    news: Condvar,
}

/// The running server.
pub(crate) struct HttpServer {
    serving: Serving,
    log: Arc<Log>,
}

impl HttpServer {
    /// Over plain HTTP.
    pub(crate) fn start(answer: Answer) -> Self {
        Self::run(answer, None)
    }

    /// Over TLS.
    pub(crate) fn start_tls(answer: Answer, cert: Cert) -> Self {
        Self::run(answer, Some(cert))
    }

    fn run(answer: Answer, cert: Option<Cert>) -> Self {
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let serving = Serving::start(cert, move |stream| {
            let (log, answer) = (Arc::clone(&shared), answer.clone());
            async move { talk(stream, &log, &answer).await }
        });
        Self { serving, log }
    }

    pub(crate) fn port(&self) -> u16 {
        self.serving.port()
    }

    /// PEM of the authority that a client should trust.
    pub(crate) fn ca_file(&self) -> &Path {
        self.serving.ca_file()
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.asked.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Asked> {
        let asked = self.log.asked.lock().unwrap();
        let (asked, wait) = self
            .log
            .news
            .wait_timeout_while(asked, PATIENCE, |a| a.len() < count)
            .unwrap();
        assert!(!wait.timed_out(), "{} of {count} requests", asked.len());
        asked.clone()
    }
}

async fn talk(mut stream: Box<dyn Stream>, log: &Log, answer: &Answer) {
    let Some(Told { line, body, .. }) = read(&mut stream).await else {
        return;
    };
    let body = String::from_utf8(body).unwrap();
    log.asked.lock().unwrap().push(Asked { line, body });
    log.news.notify_all();
    // A client that is gone has heard enough.
    let _gone = reply(&mut stream, answer).await;
}

async fn reply(stream: &mut Box<dyn Stream>, answer: &Answer) -> std::io::Result<()> {
    match answer {
        Answer::Status(status) => {
            let head = format!("HTTP/1.1 {status} so\r\nContent-Length: 2\r\n\r\nOK");
            stream.write_all(head.as_bytes()).await?;
        }
        Answer::Redirect(to) => {
            let head = format!("HTTP/1.1 301 gone\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Answer::Hang => std::future::pending().await,
        Answer::Drip => drip(stream).await?,
        Answer::Huge => {
            stream
                .write_all(b"HTTP/1.1 200 so\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await?;
            loop {
                stream.write_all(b"4\r\nmore\r\n").await?;
            }
        }
        Answer::HugeHead => {
            stream.write_all(b"HTTP/1.1 200 so\r\n").await?;
            loop {
                stream.write_all(b"X-More: and more\r\n").await?;
            }
        }
        Answer::Garbage => stream.write_all(b"220 mail.example ESMTP\r\n\r\n").await?,
        Answer::Drop => {}
    }
    stream.shutdown().await
}
