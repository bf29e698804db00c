//! One HTTP/1.1 request on a connection of its own: what a ping needs, no more.
//!
//! No redirection is followed: the address carries a key, and where it goes is the operator's
//! choice. The answer counts by its status; of its body nothing is read.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// The head of an answer is no longer than this, in bytes; hyper takes no smaller limit.
const ANSWER_LIMIT: usize = 8192;

/// What is asked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) url: Url,
    /// Sent by POST; `None`: GET.
    pub(super) body: Option<String>,
}

/// What TLS needs, made once.
pub(super) type TlsSetup = Arc<ClientConfig>;

/// Why a ping was not heard. No variant holds the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// It cannot be read.
    #[error("the address of the heartbeat: {0}")]
    Address(String),
    /// Nobody answers there.
    #[error("no connection: {0}")]
    Connect(String),
    /// The certificate, or the authorities.
    #[error("TLS: {0}")]
    Tls(String),
    /// It took longer than the deadline.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// What came back is no HTTP.
    #[error("no HTTP answer: {0}")]
    Protocol(String),
    /// The server sends the ping elsewhere.
    #[error(
        "the answer is {0}, a redirection, which is not followed: write the address that it leads to"
    )]
    Redirected(u16),
    /// Any other status than success.
    #[error("the answer is {0}")]
    Status(u16),
}

/// Reads the trusted authorities; blocking.
pub(super) fn tls_setup(roots: Option<RootCertStore>) -> Result<TlsSetup, PingError> {
    let roots = match roots {
        Some(roots) => roots,
        None => {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err(PingError::Tls(
            "the system has no authorities; install ca-certificates".to_owned(),
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| PingError::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Sends a request; `tls` for https. The caller sets the deadline.
pub(super) async fn send(request: &Request, tls: Option<&TlsSetup>) -> Result<(), PingError> {
    let refused = |e: std::io::Error| PingError::Connect(e.to_string());
    let port = request.url.port_or_known_default().unwrap_or(443);
    let host = match request.url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => return Err(PingError::Address("it names no host".to_owned())),
    };
    // All of the name's addresses are tried, one after the other.
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(refused)?;
    let Some(tls) = tls else {
        return exchange(request, stream).await;
    };
    let broken = |e: &dyn std::fmt::Display| PingError::Tls(e.to_string());
    let name = ServerName::try_from(host).map_err(|e| broken(&e))?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|e| broken(&e))?;
    exchange(request, stream).await
}

async fn exchange(
    request: &Request,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(), PingError> {
    let broken = |e: &dyn std::fmt::Display| PingError::Protocol(e.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(ANSWER_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broken(&e))?;
    let asked = ask(request).map_err(|e| broken(&e))?;
    // The connection is driven only while the answer's head is awaited, and then dropped with
    // whatever body may still be on its way.
    let mut answer = std::pin::pin!(sender.send_request(asked));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // Its last act may have been to hand the answer over.
        _ = connection => answer.await,
    };
    let answer = answer.map_err(|e| broken(&e))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
            Err(PingError::Redirected(status.as_u16()))
        }
        status => Err(PingError::Status(status.as_u16())),
    }
}

fn ask(request: &Request) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
    let url = &request.url;
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let asked = hyper::Request::builder()
        .uri(target)
        .header(HOST, host)
        .header(USER_AGENT, concat!("jetond/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close");
    match &request.body {
        None => asked.method(Method::GET).body(Full::default()),
        Some(reason) => asked
            .method(Method::POST)
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Full::from(reason.clone())),
    }
}
