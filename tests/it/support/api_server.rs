//! A stand-in for API Entreprise on a loopback port of its own, over TLS: it answers every row of
//! what the API says, in both generations of its bodies, and misbehaves as it is told. It writes
//! down who asked what.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetond::config::Probe;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;

use crate::support::serving::{Serving, Stream, Told, answer, drip, read};
use crate::support::smtp_server::Cert;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers so: status, header lines (each with its end), body.
    Says(u16, String, String),
    /// Repeats the header with the token behind this status: in a header and in the body, whole,
    /// cut, wrapped, in capitals and in small letters.
    Echoes(u16),
    /// Never answers.
    Hangs,
    /// Ends the connection.
    Drops,
    /// Answers no HTTP.
    Garbage,
    /// A byte of the head every 20 ms.
    Drips,
    /// 10 MB of rights.
    Huge,
    /// These bytes, and the connection's end.
    Writes(Vec<u8>),
    /// These bytes, then others again and again, after such a pause each time.
    Pours(Vec<u8>, Vec<u8>, Duration),
}

/// A success that names these rights.
pub(crate) fn alive(scopes: &[&str]) -> Does {
    let body = serde_json::json!({"data": {"privileges": scopes}});
    Does::Says(200, String::new(), body.to_string())
}

/// The same, as it was answered once.
pub(crate) fn alive_before(scopes: &[&str]) -> Does {
    let body = serde_json::json!({"privileges": scopes});
    Does::Says(200, String::new(), body.to_string())
}

/// A refusal with a code of the API's own.
pub(crate) fn error(status: u16, code: &str) -> Does {
    let body = serde_json::json!({"errors": [{
        "code": code, "title": "Erreur", "detail": "Le jeton n'est pas valide.",
        "source": {"parameter": "token"}, "meta": {},
    }]});
    Does::Says(status, String::new(), body.to_string())
}

/// A refusal as it was written once: without a code.
pub(crate) fn error_before(status: u16) -> Does {
    let body = r#"{"errors":["Votre token n’est pas valide, ou une erreur est survenue"],"gateway_error":false}"#;
    Does::Says(status, String::new(), body.to_owned())
}

/// A fault of a provider, behind an endpoint of the older generation.
pub(crate) fn gateway_error(status: u16) -> Does {
    let body = r#"{"errors":["Le fournisseur ne répond pas"],"gateway_error":true}"#;
    Does::Says(status, String::new(), body.to_owned())
}

/// What is said, with these header lines.
pub(crate) fn with_headers(does: Does, headers: &str) -> Does {
    match does {
        Does::Says(status, _, body) => Does::Says(status, headers.to_owned(), body),
        other => other,
    }
}

/// Over the volume, with these header lines.
pub(crate) fn over_volume(headers: &str) -> Does {
    with_headers(error(429, "00429"), headers)
}

/// A page of somebody else, with this status.
pub(crate) fn page(status: u16) -> Does {
    let html = "<!doctype html><title>Portail</title><p>Connectez-vous au réseau de la mairie.";
    Does::Says(
        status,
        "Content-Type: text/html\r\n".to_owned(),
        html.to_owned(),
    )
}

/// A redirection to this address.
pub(crate) fn redirect(to: &str) -> Does {
    redirect_by(302, to)
}

/// … with this status.
pub(crate) fn redirect_by(status: u16, to: &str) -> Does {
    Does::Says(status, format!("Location: {to}\r\n"), String::new())
}

/// What `/ping/…` answers about a source of data.
pub(crate) fn ping(status: &str, last_ok: Option<&str>) -> Does {
    let body = serde_json::json!({
        "status": status, "last_update": "2026-11-22T10:00:00Z", "last_ok_status": last_ok,
    });
    let code = if status == "ok" { 200 } else { 502 };
    Does::Says(code, String::new(), body.to_string())
}

#[derive(Debug)]
struct State {
    told: Vec<Told>,
    script: VecDeque<Does>,
    /// What becomes of tokens when the script is at its end.
    privileges: Does,
    ping: Does,
}

/// The running server.
pub(crate) struct ApiServer {
    serving: Serving,
    state: Arc<Mutex<State>>,
    count: watch::Receiver<usize>,
}

impl ApiServer {
    /// It knows every token, and its sources are well.
    pub(crate) fn start() -> Self {
        Self::with(Cert::Valid)
    }

    pub(crate) fn with(cert: Cert) -> Self {
        let state = Arc::new(Mutex::new(State {
            told: Vec::new(),
            script: VecDeque::new(),
            privileges: alive(&["entreprises"]),
            ping: ping("ok", None),
        }));
        let (counter, count) = watch::channel(0);
        let (shared, counter) = (Arc::clone(&state), Arc::new(counter));
        let serving = Serving::start(Some(cert), move |stream| {
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

    /// How it is asked, about no token yet.
    pub(crate) fn probe(&self) -> Probe {
        Probe {
            base_url: format!("https://localhost:{}", self.port())
                .parse()
                .unwrap(),
            allowed_hosts: vec!["localhost".to_owned()],
            allow_private: true,
            ca_file: Some(self.ca_file().to_owned()),
            ..Probe::default()
        }
    }

    /// What it does with the next requests about tokens.
    pub(crate) fn will(&self, script: impl IntoIterator<Item = Does>) {
        self.state.lock().unwrap().script = script.into_iter().collect();
    }

    /// What it does with requests about tokens from now on.
    pub(crate) fn always(&self, does: Does) {
        self.state.lock().unwrap().privileges = does;
    }

    /// What it does with pings from now on.
    pub(crate) fn pings(&self, does: Does) {
        self.state.lock().unwrap().ping = does;
    }

    /// What it was asked so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().told.clone()
    }

    /// What it was asked since this was asked last.
    pub(crate) fn told_since(&self) -> Vec<Told> {
        std::mem::take(&mut self.state.lock().unwrap().told)
    }

    /// How often it was asked for this path.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let line = format!("GET {path}");
        let told = self.told();
        told.iter().filter(|t| t.line == line).count()
    }

    /// Waits until it was asked so often, at any path.
    pub(crate) async fn until_asked(&self, count: usize) {
        let mut counts = self.count.clone();
        counts.wait_for(|n| *n >= count).await.unwrap();
    }
}

async fn talk(mut stream: Box<dyn Stream>, state: &Mutex<State>, counter: &watch::Sender<usize>) {
    let Some(told) = read(&mut stream).await else {
        return;
    };
    let token = told.header("authorization").to_owned();
    let does = {
        let mut state = state.lock().unwrap();
        let does = if told.line.starts_with("GET /ping/") {
            state.ping.clone()
        } else {
            let next = state.script.pop_front();
            next.unwrap_or_else(|| state.privileges.clone())
        };
        state.told.push(told);
        does
    };
    counter.send_modify(|n| *n += 1);
    // A client that is gone has heard enough.
    let _gone = reply(&mut stream, &does, &token).await;
}

async fn reply(stream: &mut Box<dyn Stream>, does: &Does, token: &str) -> std::io::Result<()> {
    match does {
        Does::Says(status, headers, body) => {
            let answer = answer(*status, headers, body);
            stream.write_all(answer.as_bytes()).await?;
        }
        Does::Echoes(status) => {
            let text = token.trim_start_matches("Bearer ");
            let wrapped: Vec<_> = text
                .as_bytes()
                .chunks(40)
                .map(String::from_utf8_lossy)
                .collect();
            let cases = [text.to_uppercase(), text.to_lowercase()];
            // The last ones come first: of a long body only the beginning is kept.
            let body = serde_json::json!({"cases": cases, "dots": text.replace('.', "%2E"), "errors": [{
                "code": text, "title": token, "detail": format!("invalid: {text} {}", &text[30..]),
            }], "privileges": [text], "wrapped": wrapped.join("\n")});
            let answer = answer(*status, &format!("X-Token: {text}\r\n"), &body.to_string());
            stream.write_all(answer.as_bytes()).await?;
        }
        Does::Hangs => std::future::pending().await,
        Does::Drops => {}
        Does::Garbage => stream.write_all(b"220 api.example ESMTP\r\n\r\n").await?,
        Does::Drips => drip(stream).await?,
        Does::Huge => {
            stream
                .write_all(
                    b"HTTP/1.1 200 so\r\nContent-Length: 10000000\r\n\r\n{\"privileges\":[\"",
                )
                .await?;
            for _ in 0..1000 {
                stream.write_all(&[b'x'; 10_000]).await?;
            }
        }
        Does::Writes(bytes) => stream.write_all(bytes).await?,
        Does::Pours(first, then, pause) => {
            stream.write_all(first).await?;
            loop {
                stream.write_all(then).await?;
                stream.flush().await?;
                tokio::time::sleep(*pause).await;
            }
        }
    }
    stream.shutdown().await
}
