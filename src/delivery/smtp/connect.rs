//! From a host name to a socket, and from a socket to TLS.
//!
//! Plaintext goes to loopback and to the networks the operator named, and the address that
//! counts is the one connected to, never the name. TLS is verified against the host's name with
//! the system's authorities or the operator's file; there is no way to skip it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Counted;
use crate::config::{Network, Smtp, Tls};
use crate::delivery::outcome::{RelayFault, RelayFaultKind};

/// How long an address is tried alone before the next one joins in (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Reads the trusted authorities; blocking, and slow enough to be done once.
pub(super) fn tls_config(settings: &Smtp) -> Result<Arc<ClientConfig>, RelayFault> {
    let fault = |detail: String| RelayFault::new(RelayFaultKind::Tls, &detail);
    let mut roots = RootCertStore::empty();
    if let Some(file) = &settings.ca_file {
        let told = |why: &dyn std::fmt::Display| fault(format!("{}: {why}", file.display()));
        for certificate in CertificateDer::pem_file_iter(file).map_err(|e| told(&e))? {
            roots
                .add(certificate.map_err(|e| told(&e))?)
                .map_err(|e| told(&e))?;
        }
        if roots.is_empty() {
            return Err(told(&"holds no certificate"));
        }
    } else if settings.tls != Tls::None {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(
                || "none found; install ca-certificates or set ca_file".to_owned(),
                ToString::to_string,
            );
            return Err(fault(format!("the system's authorities: {why}")));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fault(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects to the first of the host's addresses that answers, nodelay set.
///
/// # Errors
/// No address, none allowed, none that answers in time.
pub(super) async fn connect(settings: &Smtp) -> Result<TcpStream, RelayFault> {
    let limit = settings.deadlines.connect;
    match tokio::time::timeout(limit, race(settings)).await {
        Ok(done) => done,
        Err(_) => Err(RelayFault::new(
            RelayFaultKind::Timeout,
            &format!(
                "no connection to {}:{} within {limit:?}",
                settings.host, settings.port
            ),
        )),
    }
}

async fn race(settings: &Smtp) -> Result<TcpStream, RelayFault> {
    let host = bare(&settings.host);
    let place = format!("{host}:{}", settings.port);
    let found = tokio::net::lookup_host((host, settings.port))
        .await
        .map_err(|e| RelayFault::new(RelayFaultKind::Resolve, &format!("{place}: {e}")))?;
    let mut addresses = Vec::new();
    let mut refused = None;
    for address in found {
        match permit(settings, address.ip()) {
            Ok(()) => addresses.push(address),
            Err(fault) => refused = Some(fault),
        }
    }
    if addresses.is_empty() {
        return Err(refused.unwrap_or_else(|| {
            RelayFault::new(RelayFaultKind::Resolve, &format!("{place}: no address"))
        }));
    }

    let mut waiting = addresses.into_iter();
    let mut tries: JoinSet<(SocketAddr, io::Result<TcpStream>)> = JoinSet::new();
    let mut told = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            tries.spawn(async move { (address, TcpStream::connect(address).await) });
        } else if tries.is_empty() {
            let told = told.join("; ");
            return Err(RelayFault::new(RelayFaultKind::Connect, &told));
        }
        let more = waiting.len() > 0;
        let done = tokio::select! {
            done = tries.join_next() => done,
            () = tokio::time::sleep(HEAD_START), if more => None,
        };
        match done {
            Some(Ok((_, Ok(stream)))) => return ready(settings, stream),
            Some(Ok((address, Err(error)))) => told.push(format!("{address}: {error}")),
            Some(Err(lost)) => told.push(lost.to_string()),
            None => {}
        }
    }
}

fn ready(settings: &Smtp, stream: TcpStream) -> Result<TcpStream, RelayFault> {
    let fault = |e: io::Error| RelayFault::new(RelayFaultKind::Connect, &e.to_string());
    stream.set_nodelay(true).map_err(fault)?;
    permit(settings, stream.peer_addr().map_err(fault)?.ip())?;
    Ok(stream)
}

/// Whether these settings may be carried out with this peer.
pub(super) fn permit(settings: &Smtp, peer: IpAddr) -> Result<(), RelayFault> {
    let peer = peer.to_canonical();
    if settings.tls != Tls::None || peer.is_loopback() {
        return Ok(());
    }
    let refuse = |why| {
        let detail = format!("{why} to {peer} ({})", settings.host);
        Err(RelayFault::new(RelayFaultKind::Plaintext, &detail))
    };
    if settings.auth.is_some() {
        return refuse("no password goes out without TLS");
    }
    if !settings.plaintext_ok.iter().any(|net| holds(*net, peer)) {
        return refuse("plaintext_ok does not allow mail without TLS");
    }
    Ok(())
}

fn holds(network: Network, address: IpAddr) -> bool {
    let shift = |width: u8| u32::from(width.saturating_sub(network.prefix));
    match (network.address.to_canonical(), address) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            let differing = net.to_bits() ^ ip.to_bits();
            differing.checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            let differing = net.to_bits() ^ ip.to_bits();
            differing.checked_shr(shift(128)).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The TLS handshake, verified against the configured host.
pub(super) async fn handshake(
    settings: &Smtp,
    config: &Arc<ClientConfig>,
    stream: Counted<TcpStream>,
) -> Result<TlsStream<Counted<TcpStream>>, RelayFault> {
    let host = bare(&settings.host).trim_end_matches('.');
    let fault = |detail: String| {
        let detail = format!("{host}: {detail}");
        RelayFault::new(RelayFaultKind::Tls, &detail)
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|e| fault(e.to_string()))?;
    let limit = settings.deadlines.tls;
    let connector = TlsConnector::from(Arc::clone(config));
    match tokio::time::timeout(limit, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(fault(error.to_string())),
        Err(_) => Err(RelayFault::new(
            RelayFaultKind::Timeout,
            &format!("{host}: no TLS handshake within {limit:?}"),
        )),
    }
}

/// The name for EHLO when none is configured: the machine's if it is fully qualified, else the
/// address literal that RFC 5321 §4.1.4 wants in its place.
pub(super) fn helo(settings: &Smtp, stream: &TcpStream) -> String {
    if let Some(name) = &settings.helo {
        return name.clone();
    }
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = machine.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if machine.contains('.') && machine.chars().all(plain) {
        return machine.to_owned();
    }
    match stream.local_addr().map(|a| a.ip().to_canonical()) {
        Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Err(_) => "[127.0.0.1]".to_owned(),
    }
}

/// An IPv6 address may be written in brackets, as in a URL.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Auth, Deadlines, SecretSource};

    fn settings(tls: Tls) -> Smtp {
        Smtp {
            host: "relay.example".to_owned(),
            port: 25,
            tls,
            ca_file: None,
            plaintext_ok: vec![Network {
                address: "10.1.0.0".parse().unwrap(),
                prefix: 16,
            }],
            auth: None,
            helo: None,
            connections: 1,
            flight: 1,
            deadlines: Deadlines::default(),
        }
    }

    #[test]
    fn plaintext_goes_to_loopback_and_to_named_networks_only() {
        let plain = settings(Tls::None);
        for (peer, allowed) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.255.255", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            let permitted = permit(&plain, peer.parse().unwrap());
            assert_eq!(permitted.is_ok(), allowed, "{peer}");
            assert!(permit(&settings(Tls::Starttls), peer.parse().unwrap()).is_ok());
        }
    }

    #[test]
    fn no_password_leaves_loopback_in_plaintext() {
        let mut plain = settings(Tls::None);
        plain.auth = Some(Auth {
            username: "jetond".to_owned(),
            password: SecretSource::Env("P".to_owned()),
        });
        assert!(permit(&plain, "127.0.0.1".parse().unwrap()).is_ok());
        let fault = permit(&plain, "10.1.2.3".parse().unwrap()).unwrap_err();
        assert_eq!(fault.kind, RelayFaultKind::Plaintext);
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        let net = |address: &str, prefix| Network {
            address: address.parse().unwrap(),
            prefix,
        };
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        assert!(holds(net("0.0.0.0", 0), ip("192.0.2.1")));
        assert!(holds(net("192.0.2.1", 32), ip("192.0.2.1")));
        assert!(!holds(net("192.0.2.1", 32), ip("192.0.2.0")));
        assert!(holds(net("::", 0), ip("2001:db8::1")));
        assert!(holds(net("fd00::", 8), ip("fdff::1")));
        assert!(!holds(net("fd00::", 8), ip("fe00::1")));
        assert!(!holds(net("::", 0), ip("192.0.2.1")));
    }
}
