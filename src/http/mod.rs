//! Outgoing HTTP: one request on a connection of its own, to where the operator's file says.
//!
//! Everything is bounded: the whole exchange by one deadline, the head and the body of the answer
//! by their sizes. No redirection is followed. Where only the open network may be reached, each
//! address of a name is judged, and the judged one is connected to. No error holds an address
//! that was asked for: it may carry a key. What an answer means is for the caller to say.

mod exchange;
mod fault;
mod said;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::domain::network::within;

pub use self::fault::Fault;
pub use self::said::{MOST_WORDS, printable};
pub use hyper::header;
pub use hyper::{Method, StatusCode};

/// A name with several addresses: none of them is tried for longer.
const CONNECT: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Of whom, https or http.
    pub url: Url,
    /// Besides `Host`, `User-Agent`, `Connection` and `Content-Length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `Retry-After`, as it was written.
    pub retry_after: Option<String>,
    /// `RateLimit-Limit`, `-Remaining` and `-Reset`, as they were written.
    pub rate_limit: [Option<String>; 3],
    /// The beginning of the body, as much as the client keeps.
    pub body: Vec<u8>,
}

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any.
    Anywhere,
    /// Those on the open network.
    Open,
}

/// Whose certificates are believed.
#[derive(Debug, Clone)]
pub enum Roots {
    /// The system's authorities.
    System,
    /// Those of a PEM file, read when it is first needed.
    File(PathBuf),
    /// These.
    Given(RootCertStore),
}

/// Answers the addresses of a name.
pub type Resolve = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// How names are turned into addresses.
#[derive(Clone)]
pub enum Names {
    /// As the system does.
    System,
    /// By this function.
    By(Arc<Resolve>),
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::By(_) => "By(…)",
        })
    }
}

/// What a client is bound by.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// For everything, from the name's resolution to the answer.
    pub deadline: Duration,
    /// Bytes of an answer's body that are kept.
    pub keep: usize,
    /// Where it may go.
    pub reach: Reach,
}

/// Asks.
#[derive(Debug)]
pub struct Client {
    bounds: Bounds,
    roots: Roots,
    names: Names,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Client {
    /// A client with these bounds, which believes these authorities.
    pub fn new(bounds: Bounds, roots: Roots, names: Names) -> Self {
        Self {
            bounds,
            roots,
            names,
            tls: OnceCell::new(),
        }
    }

    /// A client for an address of the file: `allow_private` and `ca_file` are the keys beside it.
    pub fn declared(
        deadline: Duration,
        keep: usize,
        allow_private: bool,
        ca_file: Option<&Path>,
    ) -> Self {
        let bounds = Bounds {
            deadline,
            keep,
            reach: if allow_private {
                Reach::Anywhere
            } else {
                Reach::Open
            },
        };
        let roots = ca_file.map_or(Roots::System, |path| Roots::File(path.to_owned()));
        Self::new(bounds, roots, Names::System)
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// Nobody was reached, or no answer came in time; [`Fault::may_have_arrived`] tells which.
    pub async fn send(&self, request: &Request) -> Result<Answer, Fault> {
        let asked = AtomicBool::new(false);
        let within = self.bounds.deadline;
        let ends = tokio::time::Instant::now() + within;
        let exchange = async {
            let stream = self.connect(&request.url).await?;
            match self.tls_for(&request.url).await? {
                None => exchange::run(request, stream, &asked, ends, self.bounds.keep).await,
                Some(tls) => {
                    let stream = exchange::encrypt(&request.url, stream, tls).await?;
                    exchange::run(request, stream, &asked, ends, self.bounds.keep).await
                }
            }
        };
        match tokio::time::timeout_at(ends, exchange).await {
            Ok(done) => done,
            Err(_) if asked.load(Ordering::Relaxed) => Err(Fault::Unanswered(within)),
            Err(_) => Err(Fault::Late(within)),
        }
    }

    /// Connects, and nothing more: whether somebody is there, with the right certificate.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn knock(&self, url: &Url) -> Result<(), Fault> {
        let knock = async {
            let stream = self.connect(url).await?;
            if let Some(tls) = self.tls_for(url).await? {
                exchange::encrypt(url, stream, tls).await?;
            }
            Ok(())
        };
        let within = self.bounds.deadline;
        match tokio::time::timeout(within, knock).await {
            Ok(done) => done,
            Err(_) => Err(Fault::Late(within)),
        }
    }

    async fn tls_for(&self, url: &Url) -> Result<Option<Arc<ClientConfig>>, Fault> {
        if url.scheme() != "https" {
            return Ok(None);
        }
        let roots = self.roots.clone();
        let setup = || async {
            // Reading a hundred files is nothing for a thread that others wait for.
            tokio::task::spawn_blocking(move || exchange::tls_setup(roots))
                .await
                .unwrap_or_else(|e| Err(Fault::Tls(e.to_string())))
        };
        let tls = self.tls.get_or_try_init(setup).await?;
        Ok(Some(Arc::clone(tls)))
    }

    /// A connection to the first address that may be reached and answers.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Fault> {
        let addresses = self.addresses(url).await?;
        let mut last = None;
        for address in &addresses {
            let connecting = TcpStream::connect(address);
            let connected = if addresses.len() == 1 {
                connecting.await
            } else {
                tokio::time::timeout(CONNECT, connecting)
                    .await
                    .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            };
            match connected {
                Ok(stream) => {
                    // What is written leaves at once.
                    stream.set_nodelay(true).map_err(|e| refused(&e))?;
                    return Ok(stream);
                }
                Err(e) => last = Some(refused(&e)),
            }
        }
        Err(last.unwrap_or_else(|| Fault::Connect("the name has no address".to_owned())))
    }

    /// The addresses of a host that may be reached.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Fault> {
        let port = url.port_or_known_default().unwrap_or(443);
        let found: Vec<SocketAddr> = match (url.host(), &self.names) {
            (Some(Host::Ipv4(ip)), _) => vec![SocketAddr::new(ip.into(), port)],
            (Some(Host::Ipv6(ip)), _) => vec![SocketAddr::new(ip.into(), port)],
            (Some(Host::Domain(name)), Names::By(resolve)) => resolve(name)
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
            (Some(Host::Domain(name)), Names::System) => tokio::net::lookup_host((name, port))
                .await
                .map_err(|e| refused(&e))?
                .collect(),
            (None, _) => return Err(Fault::Connect("the address names no host".to_owned())),
        };
        if self.bounds.reach == Reach::Anywhere {
            return Ok(found);
        }
        let (open, closed): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|a| within(a.ip()).is_none());
        match closed.first().and_then(|a| within(a.ip())) {
            Some(kind) if open.is_empty() => Err(Fault::Forbidden(kind)),
            Some(_) | None => Ok(open),
        }
    }
}

/// The header that shows a token; it is never printed, and its bytes are wiped with its last copy.
///
/// # Errors
/// When the token holds what no header may hold.
pub fn bearer(token: &SecretString) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
    let token = token.expose_secret();
    let mut line = Zeroizing::new(String::with_capacity("Bearer ".len() + token.len()));
    line.push_str("Bearer ");
    line.push_str(token);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(line))?;
    value.set_sensitive(true);
    Ok((AUTHORIZATION, value))
}

fn refused(e: &std::io::Error) -> Fault {
    Fault::Connect(e.to_string())
}
