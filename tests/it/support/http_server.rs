//! A scripted HTTP server on a loopback port of its own: it writes down what it is asked, and
//! answers as it is told, well or badly.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::smtp_server::{Cert, acceptor};

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
    port: u16,
    log: Arc<Log>,
    authority: tempfile::NamedTempFile,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
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
        let authority = tempfile::NamedTempFile::new().unwrap();
        let tls = cert.map(|cert| acceptor(cert, authority.path()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Log::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(&log);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let serve = async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (log, answer, tls) = (Arc::clone(&shared), answer.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => talk(stream, &log, &answer).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    talk(stream, &log, &answer).await;
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
            log,
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

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: &Log, answer: &Answer) {
    let Some(asked) = read(&mut stream).await else {
        return;
    };
    log.asked.lock().unwrap().push(asked);
    log.news.notify_all();
    // A client that is gone has heard enough.
    let _gone = reply(&mut stream, answer).await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut more = [0; 1024];
        let n = stream.read(&mut more).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&more[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if body.len() >= length {
            let line = head.lines().next()?.trim_end_matches(" HTTP/1.1");
            return Some(Asked {
                line: line.to_owned(),
                body: body.to_owned(),
            });
        }
    }
}

async fn reply(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answer: &Answer,
) -> std::io::Result<()> {
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
        Answer::Drip => {
            for byte in b"HTTP/1.1 200 so\r\nX: "
                .iter()
                .chain(std::iter::repeat(&b'x'))
            {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
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
