//! What leaves for the API: `/privileges` with a token, `/ping` without.
//!
//! By https only, to a host that the file names, and no redirection is followed. The header with
//! the token is never shown, and wiped where it is ours.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::config::Probe;
use crate::domain::language::{Text, text};
use crate::http::header::{ACCEPT, HeaderName, HeaderValue};
use crate::http::{self, Answer, Client, Fault, Method, Request};

/// For a whole exchange.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Bytes of an answer that are read: the rights of a token are some thousand.
const KEEP: usize = 64 * 1024;

/// The way to the API.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    base: Url,
    hosts: Vec<String>,
}

impl Wire {
    pub(super) fn new(probe: &Probe, deadline: Duration) -> Self {
        let ca_file = probe.ca_file.as_deref();
        Self {
            client: Client::declared(deadline, KEEP, probe.allow_private, ca_file),
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
        let bearer =
            http::bearer(token).map_err(|_| Fault::Request("the token is no header".to_owned()))?;
        self.get("privileges", Some(bearer)).await
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
