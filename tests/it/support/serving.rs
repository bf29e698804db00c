//! What servers on a loopback port of their own have in common: a thread with its runtime, TLS
//! where it is wished for, the reading of a request, and an end when they are dropped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::smtp_server::{Cert, acceptor};

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A server that runs until this is dropped.
pub(crate) struct Serving {
    port: u16,
    authority: tempfile::NamedTempFile,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Serving {
    /// Has `talk` serve each connection on a free port of 127.0.0.1.
    pub(crate) fn start<F>(
        cert: Option<Cert>,
        talk: impl Fn(Box<dyn Stream>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let authority = tempfile::NamedTempFile::new().unwrap();
        let tls = cert.map(|cert| acceptor(cert, authority.path()));
        let talk = Arc::new(talk);
        Self::run(authority, async move |listener| {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (talk, tls) = (Arc::clone(&talk), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(Box::new(stream)).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(Box::new(stream)).await;
                            }
                        }
                    }
                });
            }
        })
    }

    /// Has `serve` do all with the port. In the file is the authority of its certificate.
    pub(crate) fn run(
        authority: tempfile::NamedTempFile,
        serve: impl AsyncFnOnce(TcpListener) + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            port,
            authority,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, and waits for its thread.
    pub(crate) fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }

    /// PEM of the authority that a client should trust (empty without TLS).
    pub(crate) fn ca_file(&self) -> &Path {
        self.authority.path()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end();
    }
}

/// What an HTTP server was told.
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

/// Reads a request; `None`: the client went away.
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

/// An answer of HTTP; each header line has its end.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} so\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// Never gets to the end of an answer: a byte of its head every 20 ms.
pub(crate) async fn drip(stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    for byte in b"HTTP/1.1 200 so\r\nX: "
        .iter()
        .chain(std::iter::repeat(&b'x'))
    {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
