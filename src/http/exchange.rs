//! TLS and the exchange itself, over hyper.
//!
//! A status counts once the whole head has come, whatever becomes of the body: of that a bounded
//! beginning is kept, for a bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::{Answer, Fault, Request, Roots};

/// The head of an answer is no longer than this, in bytes; hyper takes no smaller limit.
const HEAD_LIMIT: usize = 8192;

/// How much may be asked (draft-ietf-httpapi-ratelimit-headers, before its version 07).
const RATE_LIMIT: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

/// For the body, once the head is there.
const BODY: Duration = Duration::from_secs(5);

/// Reads the trusted authorities; blocking.
pub(super) fn tls_setup(roots: Roots) -> Result<Arc<ClientConfig>, Fault> {
    let roots = match roots {
        Roots::Given(roots) => roots,
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(Fault::Tls(
                    "the system has no authorities; install ca-certificates".to_owned(),
                ));
            }
            roots
        }
        Roots::File(path) => {
            let shown = path.display();
            let mut roots = RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(&path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|e| Fault::Tls(format!("{shown}: {e}")))?;
            roots.add_parsable_certificates(certificates);
            if roots.is_empty() {
                return Err(Fault::Tls(format!("{shown} holds no authority")));
            }
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Fault::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

pub(super) async fn encrypt(
    url: &Url,
    stream: TcpStream,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Fault> {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => return Err(Fault::Tls("the address names no host".to_owned())),
    };
    let broken = |e: &dyn std::fmt::Display| Fault::Tls(e.to_string());
    let name = ServerName::try_from(host).map_err(|e| broken(&e))?;
    TlsConnector::from(tls)
        .connect(name, stream)
        .await
        .map_err(|e| broken(&e))
}

/// Asks over a connection; `asked` is set before the first byte may have left.
pub(super) async fn run(
    request: &Request,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    asked: &AtomicBool,
    ends: Instant,
    keep: usize,
) -> Result<Answer, Fault> {
    let broken = |e: &dyn std::fmt::Display| Fault::Protocol(e.to_string());
    let written = write(request)?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Fault::Connect(e.to_string()))?;
    asked.store(true, Ordering::Relaxed);
    let exchange = async {
        let answer = sender.send_request(written).await.map_err(|e| broken(&e))?;
        let said = |name: &HeaderName| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            Some(value.trim().to_owned())
        };
        let status = answer.status();
        Ok(Answer {
            status,
            retry_after: said(&RETRY_AFTER),
            rate_limit: RATE_LIMIT.each_ref().map(said),
            body: read(answer.into_body(), ends.min(Instant::now() + BODY), keep).await,
        })
    };
    let mut exchange = std::pin::pin!(exchange);
    // The connection is driven only until there is enough of an answer, and then dropped with
    // whatever may still be on its way.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // Its last act may have been to hand the answer over.
        _ = connection => exchange.await,
    }
}

/// The beginning of a body, as much as comes in time.
async fn read(mut body: Incoming, ends: Instant, keep: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    while kept.len() < keep {
        let Ok(Some(Ok(frame))) = tokio::time::timeout_at(ends, body.frame()).await else {
            break;
        };
        if let Some(data) = frame.data_ref() {
            let room = keep - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    kept
}

fn write(request: &Request) -> Result<hyper::Request<Full<Bytes>>, Fault> {
    let url = &request.url;
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut asked = hyper::Request::builder()
        .method(request.method.clone())
        .uri(target)
        .header(HOST, host)
        .header(
            USER_AGENT,
            HeaderValue::from_static(concat!("jetond/", env!("CARGO_PKG_VERSION"))),
        )
        .header(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in &request.headers {
        asked = asked.header(name, value);
    }
    asked
        .body(Full::new(request.body.clone()))
        .map_err(|e| Fault::Request(e.to_string()))
}
