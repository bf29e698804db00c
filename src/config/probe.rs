//! `[probe]`: where API Entreprise is asked about tokens, and when.
//!
//! A token travels there: so it is https only, to a host that the file names where it is not the
//! API's own, and to no address of this machine or of a private network unless the file says so.
//! Which tokens are asked about, and where their texts are, stands with each of them
//! (`token.secret`, read by `tokens`).

use std::net::IpAddr;
use std::path::Path;

use toml::de::DeValue;
use url::{Host, Url};

use crate::config::Probe;
use crate::config::diagnostic::Report;
use crate::config::notify::plain_host;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::values::host;
use crate::domain::language::{Invalid, text};
use crate::domain::network::within;

/// Characters of a provider's name, and of a source's, at most.
const LONGEST_WORD: usize = 64;

impl Default for Probe {
    fn default() -> Self {
        Self {
            base_url: Url::parse("https://entreprise.api.gouv.fr").expect("an address"),
            allowed_hosts: vec!["entreprise.api.gouv.fr".to_owned()],
            allow_private: false,
            ca_file: None,
            hour: 23,
            ping: "insee/unites_legales".to_owned(),
            secrets: Vec::new(),
        }
    }
}

impl Probe {
    /// The tokens that are asked about.
    pub fn ids(&self) -> Vec<&str> {
        self.secrets.iter().map(|(id, _)| id.as_str()).collect()
    }
}

/// Reads `[probe]`; the tokens that are asked about come from elsewhere.
pub(super) fn read(root: &Table<'_>, directory: &Path, report: &mut Report) -> Probe {
    let mut probe = Probe::default();
    let Some(table) = root.table("probe", "probe", report) else {
        return probe;
    };
    table.check_keys(report);
    if let Some(value) = table.get("allow_private") {
        match value.value {
            DeValue::Boolean(said) => probe.allow_private = *said,
            _ => {
                let what = text!(
                    "true or false, without quotes",
                    "true ou false, sans guillemets"
                );
                value.wrong_type(&what, value.example(), report);
            }
        }
    }
    let hosts = table.get("allowed_hosts");
    // An address is not held against a list of hosts that is itself wrong.
    let mut is_list_sound = true;
    if let Some(value) = &hosts {
        match read_hosts(value, report) {
            Some(named) => probe.allowed_hosts = named,
            None => is_list_sound = false,
        }
    }
    let written = table.get("base_url");
    let is_url_sound = match &written {
        Some(value) => match read_url(value, probe.allow_private, report) {
            Some(url) => {
                probe.base_url = url;
                true
            }
            None => false,
        },
        None => true,
    };
    if let Some(at) = written.as_ref().or(hosts.as_ref())
        && is_url_sound
        && is_list_sound
    {
        hold_against_hosts(&probe, at, report);
    }
    if let Some(hour) = table.get("hour").and_then(|v| v.number(0..=23, report)) {
        probe.hour = hour;
    }
    if let Some(ping) = table
        .get("ping")
        .and_then(|v| v.parsed(report, read_source))
    {
        probe.ping = ping;
    }
    probe.ca_file = table
        .get("ca_file")
        .and_then(|v| v.words(report))
        .map(|p| directory.join(p));
    probe
}

/// Warns where `[probe]` is written and no token says where its own text is.
pub(super) fn warn_of_no_secret(root: &Table<'_>, probe: &Probe, report: &mut Report) {
    let Some(table) = root.table("probe", "probe", &mut Report::default()) else {
        return;
    };
    // Where a `secret` is refused, that is what there is to tell.
    if probe.secrets.is_empty() && !report.has_errors() {
        report
            .warning(
                &table.span,
                text!(
                    "no token says where its own text is: the API is asked nothing",
                    "aucun jeton ne dit où est son propre texte : rien n’est demandé à l’API"
                ),
            )
            .help(text!(
                "below [[token]], add a line: secret = {{ credential = \"token.marches-publics\" }}",
                "sous [[token]], ajouter une ligne : secret = {{ credential = \"token.marches-publics\" }}"
            ));
    }
}

/// `allowed_hosts`; `None` when there is nothing usable in it.
fn read_hosts(value: &Value<'_>, report: &mut Report) -> Option<Vec<String>> {
    let items = value.one_or_many(report);
    if items.is_empty() {
        if value.value.is_array() {
            report
                .error(
                    &value.span,
                    text!(
                        "without a host nothing can be asked",
                        "sans hôte, rien ne peut être demandé"
                    ),
                )
                .help(value.example());
        }
        return None;
    }
    let named: Vec<String> = items
        .iter()
        .filter_map(|v| v.parsed(report, host))
        .map(|h| plain_host(&h))
        .collect();
    (named.len() == items.len()).then_some(named)
}

fn read_url(value: &Value<'_>, allow_private: bool, report: &mut Report) -> Option<Url> {
    let written = value.value.as_str().unwrap_or_default();
    if written.contains(['@', '?', '#']) {
        // A key may stand there.
        report.hide(&value.span);
    }
    value.parsed(report, |s| base_url(s, allow_private))
}

/// Reads the address of the API. No error repeats it.
fn base_url(written: &str, allow_private: bool) -> Result<Url, Invalid> {
    let Ok(mut url) = Url::parse(written.trim()) else {
        return Err(Invalid(text!(
            "this is not an address: write it whole, as \"https://entreprise.api.gouv.fr\"",
            "ceci n’est pas une adresse : l’écrire en entier, comme \"https://entreprise.api.gouv.fr\""
        )));
    };
    if url.scheme() != "https" || url.host().is_none() {
        return Err(Invalid(text!(
            "a token travels there: write an address that begins with https://",
            "un jeton y voyage : écrire une adresse qui commence par https://"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid(text!(
            "an account has no place in this address: nothing but the token is shown to the API",
            "un compte n’a pas sa place dans cette adresse : rien d’autre que le jeton n’est montré à l’API"
        )));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Invalid(text!(
            "this address ends before ? and #: write it as \"https://entreprise.api.gouv.fr\"",
            "cette adresse s’arrête avant ? et # : l’écrire comme \"https://entreprise.api.gouv.fr\""
        )));
    }
    let literal: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => Some(ip.into()),
        Some(Host::Ipv6(ip)) => Some(ip.into()),
        Some(Host::Domain(_)) | None => None,
    };
    if let Some(kind) = literal.and_then(within).filter(|_| !allow_private) {
        return Err(Invalid(
            text!(
                "no token is sent to {{}}; if that is meant, add a line: allow_private = true",
                "aucun jeton n’est envoyé à {{}} ; si c’est voulu, ajouter une ligne : allow_private = true"
            )
            .with(&kind.told()),
        ));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Refuses an address whose host the file does not name; `at` is what to change.
fn hold_against_hosts(probe: &Probe, at: &Value<'_>, report: &mut Report) {
    let own = plain_host(probe.base_url.host_str().unwrap_or_default());
    if probe.allowed_hosts.contains(&own) {
        return;
    }
    let named = probe.allowed_hosts.join(", ");
    report
        .error(
            &at.span,
            text!(
                "tokens go to the hosts of allowed_hosts only ({named}), and {own} is not among them",
                "les jetons ne vont qu’aux hôtes de allowed_hosts ({named}), et {own} n’en est pas"
            ),
        )
        .help(text!(
            "if tokens may go there, write in [probe]: allowed_hosts = [\"{own}\"]",
            "si des jetons peuvent y aller, écrire dans [probe] : allowed_hosts = [\"{own}\"]"
        ));
}

/// `provider/source`, as it stands in the API's own list, `/pings`.
fn read_source(written: &str) -> Result<String, Invalid> {
    let word = |w: &str| {
        (1..=LONGEST_WORD).contains(&w.len())
            && w.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    match written.split_once('/') {
        Some((provider, source)) if word(provider) && word(source) => Ok(written.to_owned()),
        Some(_) | None => Err(Invalid(text!(
            "write a provider and its source, of letters, digits, - and _: \"insee/unites_legales\"",
            "écrire un fournisseur et sa source, en lettres, chiffres, - et _ : \"insee/unites_legales\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_by_https_and_to_no_private_address_unless_said() {
        for (good, read) in [
            (
                "https://entreprise.api.gouv.fr",
                "https://entreprise.api.gouv.fr/",
            ),
            (
                " https://Entreprise.API.gouv.fr/ ",
                "https://entreprise.api.gouv.fr/",
            ),
            (
                "https://gw.ville.example:8443/api//",
                "https://gw.ville.example:8443/api",
            ),
        ] {
            assert_eq!(base_url(good, false).unwrap().as_str(), read);
        }
        for bad in [
            "http://entreprise.api.gouv.fr/s3cret",
            "http://127.0.0.1/s3cret",
            "entreprise.api.gouv.fr/s3cret",
            "https://u:s3cret@entreprise.api.gouv.fr",
            "https://entreprise.api.gouv.fr/?token=s3cret",
            "https://entreprise.api.gouv.fr/#s3cret",
            "file:///s3cret",
            "",
        ] {
            for allow_private in [false, true] {
                let said = base_url(bad, allow_private).unwrap_err().to_string();
                assert!(!said.contains("s3cret"), "{said}");
            }
        }
        for near in [
            "https://127.0.0.1:4443",
            "https://[::ffff:10.0.0.1]",
            "https://2130706433",
        ] {
            assert!(base_url(near, false).is_err(), "{near}");
            assert!(base_url(near, true).is_ok(), "{near}");
        }
    }

    #[test]
    fn a_source_is_two_plain_words() {
        for good in ["insee/unites_legales", "dgfip/liasses-fiscales2"] {
            assert_eq!(read_source(good).unwrap(), good);
        }
        let long = format!("insee/{}", "a".repeat(LONGEST_WORD + 1));
        for bad in [
            "insee", "insee/", "/a", "a/b/c", "../pings", "a/..", "a/b?c", "é/a", "a b/c", &long,
        ] {
            assert!(read_source(bad).is_err(), "{bad}");
        }
    }
}
