//! What stands between two programs on this machine: a line that takes its time, and a server that
//! ends TLS. Each copies bytes for any number of connections, and limits no bandwidth.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A line to a port on which every byte is on its way for so long; answers its own port. It lasts
/// as long as the process.
///
/// Each direction has a thread that reads and one that writes: what was read later arrives later,
/// and nothing waits for what was read before it.
pub(crate) fn slow_line(to: u16, each_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.expect("a connection");
            let far = TcpStream::connect(("127.0.0.1", to)).expect("the server");
            for stream in [&near, &far] {
                stream.set_nodelay(true).expect("a socket");
            }
            let other = |stream: &TcpStream| stream.try_clone().expect("a socket");
            delayed(other(&near), other(&far), each_way);
            delayed(far, near, each_way);
        }
    });
    port
}

fn delayed(from: TcpStream, to: TcpStream, delay: Duration) {
    let (on_the_way, arriving) = channel();
    thread::spawn(move || depart(from, &on_the_way, delay));
    thread::spawn(move || arrive(to, &arriving));
}

fn depart(mut from: TcpStream, on_the_way: &Sender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        // What is empty is the end of the stream.
        let sent = on_the_way.send((Instant::now() + delay, buffer[..read].to_vec()));
        if read == 0 || sent.is_err() {
            return;
        }
    }
}

fn arrive(mut to: TcpStream, arriving: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((at, bytes)) = arriving.recv() {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _closed = to.shutdown(Shutdown::Write);
}

/// The round trip of a byte over such a line: the median of some.
pub(crate) fn round_trip(each_way: Duration) -> Duration {
    let echo = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = echo.local_addr().expect("its address").port();
    thread::spawn(move || {
        let (mut stream, _) = echo.accept().expect("a connection");
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
    });
    let mut line = TcpStream::connect(("127.0.0.1", slow_line(port, each_way))).expect("the line");
    let times: Vec<Duration> = (0..51)
        .map(|_| {
            let sent = Instant::now();
            line.write_all(b".").expect("the line");
            line.read_exact(&mut [0]).expect("the echo");
            sent.elapsed()
        })
        .collect();
    super::median(&times)
}

/// Whether the client's side of a [`front`] speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Plain,
    Tls,
}

/// A server in front of a port, which ends TLS or only copies; answers its own port, and writes
/// the authority of its certificate to `authority`. It lasts as long as the process.
pub(crate) fn front(to: u16, side: Side, authority: &Path) -> u16 {
    let acceptor = acceptor(authority);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    listener.set_nonblocking(true).expect("a socket");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let to = SocketAddr::from(([127, 0, 0, 1], to));
            loop {
                let (near, _) = listener.accept().await.expect("a connection");
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    near.set_nodelay(true).expect("a socket");
                    match side {
                        Side::Plain => pass_on(near, to).await,
                        Side::Tls => {
                            if let Ok(near) = acceptor.accept(near).await {
                                pass_on(near, to).await;
                            }
                        }
                    }
                });
            }
        });
    });
    port
}

async fn pass_on(mut near: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr) {
    let mut far = tokio::net::TcpStream::connect(to)
        .await
        .expect("the server");
    far.set_nodelay(true).expect("a socket");
    // How the two part is measured by nobody.
    let _ended = tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, CHUNK, CHUNK).await;
}

/// A certificate for 127.0.0.1 by an authority of its own.
fn acceptor(authority: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let root = params.self_signed(&key).expect("an authority");
    std::fs::write(authority, root.pem()).expect("its file");
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}
