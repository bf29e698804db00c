//! What the DNS says of the domain that mails are from: where bounces go, SPF, DKIM, DMARC.
//!
//! Only questions, each under one deadline for all; what the answers mean is in
//! [`sender_policy`]. Where no name server answers, that is said once, and nothing is judged.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::delivery::outcome::clean;
use crate::domain::sender_policy::{self, Dmarc, Key, Spf};

/// All questions together may take this long.
const DEADLINE: Duration = Duration::from_secs(15);

/// Each question may take this long, and is asked twice.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the DNS says of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderDomain {
    /// Where mail to it goes.
    pub bounces: Bounces,
    /// Who may send from it.
    pub spf: Spf,
    /// Whether there are keys to sign with.
    pub dkim: Dkim,
    /// What becomes of mail that proves nothing.
    pub dmarc: Dmarc,
}

/// Where mail to a domain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bounces {
    /// To its mail server, the first by preference.
    To(String),
    /// To its own address (RFC 5321 §5.1).
    Itself,
    /// It says that it takes none (RFC 7505).
    Refused,
    /// Nowhere.
    Nowhere,
    /// There is no such domain.
    NoDomain,
}

/// The keys of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dkim {
    /// The key of the selector that was asked for.
    Selector(String, Key),
    /// There is something below `_domainkey`: keys under names that are not known here.
    Some,
    /// There is nothing below `_domainkey` (RFC 8020): mails cannot be signed for it.
    None,
}

/// Why nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

/// What one question brought.
enum Answer {
    Records(Vec<RData>),
    /// The name is there, without such records.
    Nothing,
    NoSuchName,
}

impl Answer {
    fn texts(self) -> Vec<String> {
        match self {
            Self::Records(records) => records.iter().filter_map(text).collect(),
            Self::Nothing | Self::NoSuchName => Vec::new(),
        }
    }
}

/// The strings of a TXT record, joined without a space (RFC 7208 §3.3).
fn text(record: &RData) -> Option<String> {
    match record {
        RData::TXT(txt) => {
            let joined: Vec<u8> = txt.txt_data.iter().flat_map(|part| part.to_vec()).collect();
            Some(clean(&String::from_utf8_lossy(&joined)))
        }
        _ => None,
    }
}

/// Asks what the DNS says of `domain` (an A-label): the system's name servers, or `server`.
///
/// # Errors
/// When no name server answers a question, in the words of the resolver.
pub async fn ask(
    domain: &str,
    selector: Option<&str>,
    server: Option<SocketAddr>,
) -> Result<SenderDomain, NoAnswer> {
    let resolver = resolver(server).map_err(|e| NoAnswer(clean(&e.to_string())))?;
    let all = async {
        Ok(SenderDomain {
            bounces: bounces(&resolver, domain).await?,
            spf: sender_policy::spf(&question(&resolver, domain, RecordType::TXT).await?.texts()),
            dkim: dkim(&resolver, domain, selector).await?,
            dmarc: dmarc(&resolver, domain).await?,
        })
    };
    match tokio::time::timeout(DEADLINE, all).await {
        Ok(done) => done,
        Err(_) => Err(NoAnswer(format!("no answer within {DEADLINE:?}"))),
    }
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let at_its_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_its_port);
            let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.timeout = PATIENCE;
    options.attempts = 2;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()
}

async fn question(
    resolver: &TokioResolver,
    name: &str,
    what: RecordType,
) -> Result<Answer, NoAnswer> {
    // The dot keeps the machine's search domains out of it.
    match resolver.lookup(format!("{name}."), what).await {
        Ok(found) => {
            let wanted = found.answers().iter().filter(|r| r.record_type() == what);
            let records: Vec<RData> = wanted.map(|r| r.data.clone()).collect();
            Ok(if records.is_empty() {
                Answer::Nothing
            } else {
                Answer::Records(records)
            })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            Ok(if none.response_code == ResponseCode::NXDomain {
                Answer::NoSuchName
            } else {
                Answer::Nothing
            })
        }
        Err(e) => Err(NoAnswer(clean(&format!("{what} of {name}: {e}")))),
    }
}

async fn bounces(resolver: &TokioResolver, domain: &str) -> Result<Bounces, NoAnswer> {
    match question(resolver, domain, RecordType::MX).await? {
        Answer::NoSuchName => return Ok(Bounces::NoDomain),
        Answer::Records(records) => {
            let servers = records.iter().filter_map(|r| match r {
                RData::MX(mx) => Some((mx.preference, mx.exchange.to_utf8())),
                _ => None,
            });
            if let Some((_, first)) = servers.min() {
                let first = first.trim_end_matches('.');
                return Ok(if first.is_empty() {
                    Bounces::Refused
                } else {
                    Bounces::To(first.to_owned())
                });
            }
        }
        Answer::Nothing => {}
    }
    for what in [RecordType::A, RecordType::AAAA] {
        if let Answer::Records(_) = question(resolver, domain, what).await? {
            return Ok(Bounces::Itself);
        }
    }
    Ok(Bounces::Nowhere)
}

async fn dkim(
    resolver: &TokioResolver,
    domain: &str,
    selector: Option<&str>,
) -> Result<Dkim, NoAnswer> {
    let keys = format!("_domainkey.{domain}");
    if let Some(selector) = selector {
        let name = format!("{selector}.{keys}");
        let records = question(resolver, &name, RecordType::TXT).await?.texts();
        return Ok(Dkim::Selector(
            selector.to_owned(),
            sender_policy::key(&records),
        ));
    }
    // A name that is denied has nothing below it either.
    Ok(match question(resolver, &keys, RecordType::TXT).await? {
        Answer::NoSuchName => Dkim::None,
        Answer::Records(_) | Answer::Nothing => Dkim::Some,
    })
}

async fn dmarc(resolver: &TokioResolver, domain: &str) -> Result<Dmarc, NoAnswer> {
    for at in sender_policy::dmarc_places(domain) {
        let name = format!("_dmarc.{at}");
        let records = question(resolver, &name, RecordType::TXT).await?.texts();
        if let Some(found) = sender_policy::dmarc(&records, &at, domain) {
            return Ok(found);
        }
    }
    Ok(Dmarc::Missing)
}
