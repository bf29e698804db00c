//! `[heartbeat]` and `[reports]`: by what the watch tells that it is well.
//!
//! The heartbeat's address carries a key: it is hidden from every excerpt, and only its host is
//! ever shown.

use std::net::IpAddr;
use std::path::Path;

use secrecy::SecretString;
use toml::de::DeValue;
use url::{Host, Url};

use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::secret::{self, Need};
use crate::config::settings::address;
use crate::config::{Beacon, Form, Heartbeat, Reports};
use crate::domain::language::{Invalid, text};

/// What an error about the address proposes.
const EXAMPLE: &str = "https://hc-ping.com/…";

pub(super) fn read_heartbeat(
    root: &Table<'_>,
    directory: &Path,
    report: &mut Report,
) -> Option<Heartbeat> {
    let table = root.table("heartbeat", "heartbeat", report)?;
    table.check_keys(report);
    let form = table.get("form").and_then(|v| v.parsed(report, read_form));
    let url = table.get("url");
    if let (Some(form), None) = (table.get("form"), &url) {
        report
            .error(
                &form.span,
                text!(
                    "there is a form and no url",
                    "il y a un form mais pas de url"
                ),
            )
            .help(text!(
                "add a line: url = \"{EXAMPLE}\"",
                "ajouter une ligne : url = \"{EXAMPLE}\""
            ));
    }
    let url = read_beacon(&url?, directory, report)?;
    Some(Heartbeat { url, form })
}

fn read_form(written: &str) -> Result<Form, Invalid> {
    match written {
        "healthchecks" => Ok(Form::Healthchecks),
        "uptime-kuma" => Ok(Form::UptimeKuma),
        _ => Err(Invalid(text!(
            "unknown form {written:?}: write \"healthchecks\" or \"uptime-kuma\"",
            "form inconnu {written:?} : écrire \"healthchecks\" ou \"uptime-kuma\""
        ))),
    }
}

fn read_beacon(value: &Value<'_>, directory: &Path, report: &mut Report) -> Option<Beacon> {
    if !matches!(value.value, DeValue::String(_)) {
        return secret::source(value, &secret::HEARTBEAT, directory, Need::Now, report)
            .map(Beacon::Secret);
    }
    report.hide(&value.span);
    let url = value.parsed(report, beacon)?;
    if url.scheme() == "http" && !is_near(&url) {
        let host = url.host_str().unwrap_or_default();
        report
            .warning(
                &value.span,
                text!(
                    "the pings to {host}, and the key in their address, travel in clear",
                    "les signaux vers {host}, et la clé de leur adresse, voyagent en clair"
                ),
            )
            .help(text!(
                "write https://, if it answers there",
                "écrire https://, s’il y répond"
            ));
    }
    Some(Beacon::Url(SecretString::from(String::from(url))))
}

/// Reads the address of a heartbeat. No error repeats it: it carries a key.
///
/// # Errors
/// Not an address, another scheme than http and https, a name and password in it.
pub fn beacon(written: &str) -> Result<Url, Invalid> {
    let Ok(mut url) = Url::parse(written.trim()) else {
        return Err(Invalid(text!(
            "this is not an address: write it whole, as \"{EXAMPLE}\"",
            "ceci n’est pas une adresse : l’écrire en entier, comme \"{EXAMPLE}\""
        )));
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Invalid(text!(
            "a heartbeat goes to an address that begins with https:// or http://",
            "un signal de vie va à une adresse qui commence par https:// ou http://"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid(text!(
            "an account in the address is not supported: the key belongs into the path",
            "un compte dans l’adresse n’est pas pris en charge : la clé va dans le chemin"
        )));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether what goes there in clear stays on this machine or on its own network.
fn is_near(url: &Url) -> bool {
    let private = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    match url.host() {
        Some(Host::Ipv4(ip)) => private(ip.into()),
        Some(Host::Ipv6(ip)) => private(ip.into()),
        // A name without a dot, or below a domain that no public name is in.
        Some(Host::Domain(name)) => match name.rsplit_once('.') {
            None => true,
            Some((_, top)) => ["local", "localhost", "lan", "internal", "home"].contains(&top),
        },
        None => false,
    }
}

pub(super) fn read_reports(root: &Table<'_>, report: &mut Report) -> Reports {
    let mut reports = Reports {
        weekly: true,
        recipients: Vec::new(),
    };
    let Some(table) = root.table("reports", "reports", report) else {
        return reports;
    };
    table.check_keys(report);
    if let Some(value) = table.get("weekly") {
        match value.value {
            DeValue::Boolean(weekly) => reports.weekly = *weekly,
            _ => {
                let what = text!(
                    "true or false, without quotes",
                    "true ou false, sans guillemets"
                );
                value.wrong_type(&what, value.example(), report);
            }
        }
    }
    let Some(value) = table.get("recipients") else {
        return reports;
    };
    for item in value.one_or_many(report) {
        if let Some(read) = item.parsed(report, address)
            && !reports.recipients.iter().any(|a| a.key() == read.key())
        {
            reports.recipients.push(read);
        }
    }
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_clear_without_a_word_only_near_by() {
        let near = |s: &str| is_near(&beacon(s).unwrap());
        for url in [
            "http://127.0.0.1:3001/x",
            "http://[::1]/x",
            "http://kuma/x",
            "http://10.2.3.4/x",
            "http://kuma.ville.lan/x",
            "http://[fd00::1]/x",
        ] {
            assert!(near(url), "{url}");
        }
        for url in [
            "http://192.0.2.1/x",
            "http://kuma.ville.example/x",
            "http://[2001:db8::1]/x",
        ] {
            assert!(!near(url), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_without_it() {
        for bad in [
            "hc-ping.com/s3cret",
            "ftp://a.example/s3cret",
            "mailto:s3cret",
            "https://u:s3cret@a.example/",
            "",
        ] {
            let said = beacon(bad).unwrap_err().to_string();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
