//! `[[notify]]`: chat rooms and programs that are told besides mail, and where posts may go.
//!
//! Addresses may carry a key: they are hidden from every excerpt and never repeated. Posts go by
//! https to the hosts that the file names, and to no address of this machine or of a private
//! network unless it says so. Which address a name has is judged at the moment of connecting.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use secrecy::SecretString;
use toml::de::DeValue;
use url::{Host, Url};

use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::secret::{self, Asked, Need};
use crate::config::settings::MOST_DAYS;
use crate::config::values::host;
use crate::config::{Beacon, Channel, ChannelKind, SecretSource};
use crate::domain::language::{Invalid, Lang, text};
use crate::domain::network::within;

/// Told from this many days before expiry on, unless the file says otherwise.
const FROM_STAGE: u32 = 15;

/// Characters of a name at most.
const LONGEST_NAME: usize = 40;

/// The word of `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Webhook,
    Matrix,
    Mattermost,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Matrix => "matrix",
            Self::Mattermost => "mattermost",
        }
    }

    /// The keys that only other kinds have.
    fn foreign(self) -> &'static [&'static str] {
        match self {
            Self::Webhook => &["homeserver", "room", "token"],
            Self::Matrix => &["url", "secret"],
            Self::Mattermost => &["homeserver", "room", "token", "secret"],
        }
    }
}

/// What the file says of where posts may go.
struct Borders {
    named: Vec<String>,
    allow_private: bool,
}

pub(super) fn read(
    root: &Table<'_>,
    language: Lang,
    directory: &Path,
    report: &mut Report,
) -> Vec<Channel> {
    let mut names = HashSet::new();
    let mut channels = Vec::new();
    for table in root.tables("notify", "notify", report) {
        table.check_keys(report);
        let written = table.require("name", report);
        let name = written
            .as_ref()
            .and_then(|v| v.parsed(report, read_name))
            .unwrap_or_default();
        if let Some(value) = written.filter(|_| !name.is_empty())
            && !names.insert(name.clone())
        {
            report.error(
                &value.span,
                text!(
                    "there is another channel {name:?}: each has a name of its own",
                    "il y a un autre canal {name:?} : chacun a son propre nom"
                ),
            );
        }
        channels.extend(read_one(&table, name, language, directory, report));
    }
    channels
}

fn read_one(
    table: &Table<'_>,
    name: String,
    language: Lang,
    directory: &Path,
    report: &mut Report,
) -> Option<Channel> {
    let borders = Borders {
        named: table
            .get("allowed_hosts")
            .map(|v| v.one_or_many(report))
            .unwrap_or_default()
            .iter()
            .filter_map(|v| v.parsed(report, host))
            .map(|h| plain_host(&h))
            .collect(),
        allow_private: flag(table, "allow_private", report).unwrap_or(false),
    };
    let words = |key, report: &mut Report| -> Vec<String> {
        let Some(value) = table.get(key) else {
            return Vec::new();
        };
        let items = value.one_or_many(report);
        items.iter().filter_map(|v| v.words(report)).collect()
    };
    let (clients, tags) = (words("client", report), words("tags", report));
    let from_stage = table
        .get("from_stage")
        .and_then(|v| v.number(0..=MOST_DAYS, report))
        .unwrap_or(FROM_STAGE);
    let alarms = flag(table, "alarms", report).unwrap_or(true);
    let own_language = table
        .get("language")
        .and_then(|v| v.parsed(report, Lang::parse));
    let ca_file = table
        .get("ca_file")
        .and_then(|v| v.words(report))
        .map(|p| directory.join(p));
    let kind = table
        .require("kind", report)
        .and_then(|v| v.parsed(report, read_kind))?;
    refuse_foreign(table, kind, report);
    let (kind, allowed_hosts) = match kind {
        Kind::Webhook => {
            let (url, hosts) = read_url(table, &borders, directory, report)?;
            let secret = read_secret(table, "secret", &secret::SIGNING, directory, report);
            (ChannelKind::Webhook { url, secret }, hosts)
        }
        Kind::Mattermost => {
            let (url, hosts) = read_url(table, &borders, directory, report)?;
            (ChannelKind::Mattermost { url }, hosts)
        }
        Kind::Matrix => {
            let server = table.require("homeserver", report);
            let room = table
                .require("room", report)
                .and_then(|v| v.parsed(report, read_room));
            if table.get("token").is_none() {
                table.report_missing("token", report);
            }
            let token = read_secret(table, "token", &secret::ACCESS_TOKEN, directory, report);
            let server = server?;
            let homeserver = address(&server, &borders, report)?;
            let hosts = hosts_of(&homeserver, &server, &borders, report);
            let matrix = ChannelKind::Matrix {
                homeserver,
                room: room?,
                token: token?,
            };
            (matrix, hosts)
        }
    };
    Some(Channel {
        name,
        kind,
        from_stage,
        alarms,
        language: own_language.unwrap_or(language),
        clients,
        tags,
        allowed_hosts,
        allow_private: borders.allow_private,
        ca_file,
    })
}

/// Letters, digits and a few signs: it stands in paths, in commands and beside addresses.
fn read_name(written: &str) -> Result<String, Invalid> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if written.chars().all(fits) && written.len() <= LONGEST_NAME {
        return Ok(written.to_owned());
    }
    Err(Invalid(text!(
        "the name of a channel has at most {LONGEST_NAME} lower-case letters without accents, digits, - _ and .: write it as \"dsi\"",
        "le nom d’un canal a au plus {LONGEST_NAME} lettres minuscules sans accent, chiffres, - _ et . : l’écrire comme \"dsi\""
    )))
}

fn read_kind(written: &str) -> Result<Kind, Invalid> {
    match written {
        "webhook" => Ok(Kind::Webhook),
        "matrix" => Ok(Kind::Matrix),
        "mattermost" => Ok(Kind::Mattermost),
        _ => Err(Invalid(text!(
            "unknown kind {written:?}: write \"mattermost\", \"matrix\" or \"webhook\"",
            "kind inconnu {written:?} : écrire \"mattermost\", \"matrix\" ou \"webhook\""
        ))),
    }
}

fn read_room(written: &str) -> Result<String, Invalid> {
    let is_id = written.len() > 1
        && written.len() <= 255
        && written.starts_with('!')
        && !written.chars().any(char::is_whitespace);
    if is_id {
        return Ok(written.to_owned());
    }
    Err(Invalid(text!(
        "a room is written by its internal id, which begins with ! and stands in the room’s settings: \"!AbCdEf:ville.example\"",
        "un salon s’écrit par son identifiant interne, qui commence par ! et figure dans ses paramètres : \"!AbCdEf:ville.example\""
    )))
}

fn flag(table: &Table<'_>, key: &'static str, report: &mut Report) -> Option<bool> {
    let value = table.get(key)?;
    if let DeValue::Boolean(said) = value.value {
        return Some(*said);
    }
    let what = text!(
        "true or false, without quotes",
        "true ou false, sans guillemets"
    );
    value.wrong_type(&what, value.example(), report);
    None
}

fn refuse_foreign(table: &Table<'_>, kind: Kind, report: &mut Report) {
    let word = kind.word();
    for key in kind.foreign() {
        let Some(value) = table.get(key) else {
            continue;
        };
        report.hide(&value.span);
        report
            .error(
                &value.span,
                text!(
                    "`{key}` has no place with kind = \"{word}\"",
                    "`{key}` n’a pas sa place avec kind = \"{word}\""
                ),
            )
            .help(text!("remove this line", "retirer cette ligne"));
    }
}

fn read_secret(
    table: &Table<'_>,
    key: &'static str,
    asked: &Asked,
    directory: &Path,
    report: &mut Report,
) -> Option<SecretSource> {
    let value = table.get(key)?;
    secret::source(&value, asked, directory, Need::Now, report)
}

/// `url`, and the hosts that it may lead to.
fn read_url(
    table: &Table<'_>,
    borders: &Borders,
    directory: &Path,
    report: &mut Report,
) -> Option<(Beacon, Vec<String>)> {
    let value = table.require("url", report)?;
    if matches!(value.value, DeValue::String(_)) {
        let url = address(&value, borders, report)?;
        let hosts = hosts_of(&url, &value, borders, report);
        return Some((Beacon::Url(SecretString::from(String::from(url))), hosts));
    }
    let source = secret::source(&value, &secret::HOOK, directory, Need::Now, report)?;
    if borders.named.is_empty() {
        report
            .error(
                &value.span,
                text!(
                    "where the address is a secret, the file says which host it may lead to",
                    "quand l’adresse est secrète, le fichier dit vers quel hôte elle peut mener"
                ),
            )
            .help(text!(
                "add a line: allowed_hosts = [\"chat.ville.example\"]",
                "ajouter une ligne : allowed_hosts = [\"chat.ville.example\"]"
            ));
        return None;
    }
    Some((Beacon::Secret(source), borders.named.clone()))
}

fn address(value: &Value<'_>, borders: &Borders, report: &mut Report) -> Option<Url> {
    report.hide(&value.span);
    value.parsed(report, |s| hook(s, borders.allow_private))
}

/// The hosts that posts may go to: those that are named, or that of the address.
fn hosts_of(url: &Url, value: &Value<'_>, borders: &Borders, report: &mut Report) -> Vec<String> {
    let own = plain_host(url.host_str().unwrap_or_default());
    if borders.named.is_empty() {
        return vec![own];
    }
    if !borders.named.contains(&own) {
        let named = borders.named.join(", ");
        report
            .error(
                &value.span,
                text!(
                    "{own} is not among the allowed_hosts ({named})",
                    "{own} n’est pas parmi les allowed_hosts ({named})"
                ),
            )
            .help(text!(
                "add it there, or leave allowed_hosts out: the address then names its only host",
                "l’y ajouter, ou retirer allowed_hosts : l’adresse nomme alors son seul hôte"
            ));
    }
    borders.named.clone()
}

/// As hosts are compared: lower case, A-labels, without brackets and final dot.
pub(super) fn plain_host(written: &str) -> String {
    let bare = written.trim_matches(['[', ']']);
    let ascii = idna::domain_to_ascii(bare).unwrap_or_else(|_| bare.to_lowercase());
    ascii.trim_end_matches('.').to_owned()
}

/// Reads the address that posts go to. No error repeats it: it may carry a key.
///
/// # Errors
/// Not an address, not https (http only to this machine, where that is allowed), an account in
/// it, or an address that is not on the open network, unless that is allowed.
pub fn hook(written: &str, allow_private: bool) -> Result<Url, Invalid> {
    let Ok(mut url) = Url::parse(written.trim()) else {
        return Err(Invalid(text!(
            "this is not an address: write it whole, as \"https://chat.ville.example/hooks/…\"",
            "ceci n’est pas une adresse : l’écrire en entier, comme \"https://chat.ville.example/hooks/…\""
        )));
    };
    let literal: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => Some(ip.into()),
        Some(Host::Ipv6(ip)) => Some(ip.into()),
        Some(Host::Domain(_)) | None => None,
    };
    let is_here = url.host_str() == Some("localhost")
        || literal.is_some_and(|ip| ip.to_canonical().is_loopback());
    let may_be_plain = url.scheme() == "http" && allow_private && is_here;
    if (url.scheme() != "https" && !may_be_plain) || url.host().is_none() {
        return Err(Invalid(text!(
            "posts go to an address that begins with https://",
            "les messages vont à une adresse qui commence par https://"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid(text!(
            "an account in the address is not supported: a key belongs into the path",
            "un compte dans l’adresse n’est pas pris en charge : une clé va dans le chemin"
        )));
    }
    if let Some(kind) = literal.and_then(within).filter(|_| !allow_private) {
        let what = kind.told();
        return Err(Invalid(
            text!(
                "posts do not go to {{}}; if that is meant, add a line: allow_private = true",
                "les messages ne vont pas à {{}} ; si c’est voulu, ajouter une ligne : allow_private = true"
            )
            .with(&what),
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_go_by_https_and_to_no_private_address_unless_said() {
        for good in [
            "https://chat.ville.example/hooks/k",
            "https://chat.ville.example:8065/hooks/k?a=1",
            "https://8.8.8.8/k",
        ] {
            assert!(hook(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://chat.ville.example/s3cret",
            "ftp://chat.ville.example/s3cret",
            "chat.ville.example/s3cret",
            "https://u:s3cret@chat.ville.example/",
            "https://127.0.0.1/s3cret",
            "https://[::1]/s3cret",
            "https://[::ffff:10.0.0.1]/s3cret",
            "https://2130706433/s3cret",
            "https://0x7f.1/s3cret",
            "https://169.254.169.254/s3cret",
            "http://127.0.0.1/s3cret",
            "",
        ] {
            let said = hook(bad, false).unwrap_err().to_string();
            assert!(!said.contains("s3cret"), "{said}");
        }
        for near in [
            "http://127.0.0.1:8080/k",
            "http://localhost:8080/k",
            "https://10.0.0.1/k",
            "https://[fd00::1]/k",
        ] {
            assert!(hook(near, true).is_ok(), "{near}");
        }
        assert!(hook("http://10.0.0.1/k", true).is_err(), "in clear");
    }
}
