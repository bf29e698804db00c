//! What leaves for the API: `/privileges` with a token, `/ping` without.
//!
//! By https only, to a host that the file names, and no redirection is followed. The header with
//! the token is never shown, and wiped where it is ours.

use hyper::body::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use zeroize::Zeroizing;

use crate::config::Probe;
use crate::domain::language::{Text, text};
use crate::http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use crate::http::{Answer, Bounds, Client, Fault, Method, Names, Reach, Request, Roots};

/// For a whole exchange.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);

/// Bytes of an answer that are read: the rights of a token are some thousand.
const KEEP: usize = 64 * 1024;

/// How the API is reached, besides what the file says.
#[derive(Debug, Clone)]
pub struct Ways {
    /// How names are turned into addresses.
    pub names: Names,
    /// For a whole exchange.
    pub deadline: std::time::Duration,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            names: Names::System,
            deadline: DEADLINE,
        }
    }
}

/// The way to the API.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    base: Url,
    hosts: Vec<String>,
}

impl Wire {
    pub(super) fn new(probe: &Probe, ways: Ways) -> Self {
        let bounds = Bounds {
            deadline: ways.deadline,
            keep: KEEP,
            reach: if probe.allow_private {
                Reach::Anywhere
            } else {
                Reach::Open
            },
        };
        let roots = probe.ca_file.clone().map_or(Roots::System, Roots::File);
        Self {
            client: Client::new(bounds, roots, ways.names),
            base: probe.base_url.clone(),
            hosts: probe.allowed_hosts.clone(),
        }
    }

    /// Why nothing may leave, whatever the network says.
    pub(super) fn refusal(&self) -> Option<Text> {
        if self.base.scheme() != "https" {
            return Some(text!(
                "the address of the API is not https",
                "l’adresse de l’API n’est pas en https"
            ));
        }
        let host = self.base.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        let is_named = self.hosts.iter().any(|h| h.eq_ignore_ascii_case(host));
        (!is_named).then(|| {
            text!(
                "the host of the API is not in allowed_hosts",
                "l’hôte de l’API n’est pas dans allowed_hosts"
            )
        })
    }

    /// What rights a token has.
    pub(super) async fn privileges(&self, token: &SecretString) -> Result<Answer, Fault> {
        let bearer = bearer(token)?;
        self.get("privileges", Some((AUTHORIZATION, bearer))).await
    }

    /// How a source of data is; asked without a token.
    pub(super) async fn ping(&self, source: &str) -> Result<Answer, Fault> {
        self.get(&format!("ping/{source}"), None).await
    }

    async fn get(
        &self,
        path: &str,
        header: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Answer, Fault> {
        if let Some(why) = self.refusal() {
            return Err(Fault::Request(why.en));
        }
        let mut url = self.base.clone();
        let path = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let json = (ACCEPT, HeaderValue::from_static("application/json"));
        let request = Request {
            method: Method::GET,
            url,
            headers: header.into_iter().chain([json]).collect(),
            body: Default::default(),
        };
        self.client.send(&request).await
    }
}

/// The header of a token; its bytes are wiped with its last copy.
fn bearer(token: &SecretString) -> Result<HeaderValue, Fault> {
    let token = token.expose_secret();
    let mut line = Zeroizing::new(String::with_capacity("Bearer ".len() + token.len()));
    line.push_str("Bearer ");
    line.push_str(token);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(line))
        .map_err(|_| Fault::Request("the token is no header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
