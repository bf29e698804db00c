//! The renewal link: a template from the config, filled with a token's own numbers.
//!
//! The link is never fetched: a GET on it reopens the request at Data Pass. Only its syntax
//! and its host are checked.

use url::Url;

use crate::domain::language::{Invalid, text};
use crate::domain::token::{DatapassId, Jti};

/// A checked link template with the places `{datapass_id}` and `{jti}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTemplate {
    template: String,
}

impl LinkTemplate {
    /// Checks a template: https, a host of `allowed_hosts`, known places only.
    ///
    /// # Errors
    /// Says which of these it breaks.
    pub fn parse(template: &str, allowed_hosts: &[String]) -> Result<Self, Invalid> {
        let filled = template.replace("{datapass_id}", "1").replace("{jti}", "1");
        if let Some(at) = filled.find(['{', '}']) {
            let around: String = filled[at..].chars().take(20).collect();
            return Err(Invalid(text!(
                "unknown place {around:?} in the link: only {{datapass_id}} and {{jti}} are filled in",
                "repère inconnu {around:?} dans le lien : seuls {{datapass_id}} et {{jti}} sont remplis"
            )));
        }
        if filled.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Invalid(text!(
                "a link cannot hold spaces",
                "un lien ne peut pas contenir d’espace"
            )));
        }
        let url = Url::parse(&filled).map_err(|e| {
            Invalid(text!(
                "{template:?} is not a link ({e}): write it as https://host/path",
                "{template:?} n’est pas un lien ({e}) : l’écrire https://hôte/chemin"
            ))
        })?;
        if url.scheme() != "https" {
            return Err(Invalid(text!(
                "the link must begin with https://",
                "le lien doit commencer par https://"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Invalid(text!(
                "a link cannot hold a user name",
                "un lien ne peut pas contenir de nom d’utilisateur"
            )));
        }
        let host = url.host_str().unwrap_or_default();
        if !allowed_hosts.iter().any(|h| h.eq_ignore_ascii_case(host)) {
            let hosts = allowed_hosts.join(", ");
            return Err(Invalid(text!(
                "the host {host:?} is not in renewal.allowed_hosts ({hosts})",
                "l’hôte {host:?} n’est pas dans renewal.allowed_hosts ({hosts})"
            )));
        }
        Ok(Self {
            template: template.to_owned(),
        })
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.template
    }

    /// The link of one token; `None` when it has not the number that the template asks for.
    pub fn fill(&self, datapass_id: Option<&DatapassId>, jti: Option<&Jti>) -> Option<String> {
        let mut link = self.template.clone();
        if link.contains("{datapass_id}") {
            link = link.replace("{datapass_id}", datapass_id?.as_str());
        }
        if link.contains("{jti}") {
            link = link.replace("{jti}", jti?.as_str());
        }
        Some(link)
    }
}
