//! `[web.auth]`: who may come in to the pages, and what they may do.
//!
//! What is written for a password may be the password itself: it is hidden from every excerpt
//! and never repeated.

use std::collections::HashMap;
use std::path::Path;

use toml::de::DeValue;

use crate::config::diagnostic::{Report, again_here, first_here};
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::secret::{self, Need};
use crate::config::{Network, Password, Role, TrustedProxy, Web, WebAuth, WebUser};
use crate::domain::language::{Invalid, text};
use crate::domain::password::PasswordHash;

/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// More people than that come in by a proxy.
const MOST_USERS: usize = 200;

/// Headers that anybody sends, or that mean something else.
const NO_NAMES: [&str; 12] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "referer",
    "user-agent",
    "via",
];

pub(super) fn read(web: &Table<'_>, directory: &Path, report: &mut Report) -> Option<WebAuth> {
    let table = web.table("auth", "web.auth", report)?;
    table.check_keys(report);
    let users = table
        .get("users")
        .map(|v| read_users(&v, directory, report))
        .unwrap_or_default();
    let proxy = table.get("proxy").and_then(|v| read_proxy(&v, report));
    let loopback = table
        .get("loopback")
        .and_then(|v| truth(&v, report))
        .unwrap_or_default();
    let is_written = |name| table.entries.contains_key(name);
    if !is_written("users") && !is_written("proxy") && !loopback {
        report
            .error(
                &table.span,
                text!(
                    "[web.auth] lets nobody in: it has neither users nor proxy",
                    "[web.auth] n’admet personne : ni users ni proxy"
                ),
            )
            .help(text!(
                "add users = [{{ name = \"c.martin\", password = \"…\", role = \"operator\" }}] with the line that `jetond hash-password` prints, or proxy, or loopback = true for this machine alone",
                "ajouter users = [{{ name = \"c.martin\", password = \"…\", role = \"operator\" }}] avec la ligne que donne `jetond hash-password`, ou proxy, ou loopback = true pour cette machine seule"
            ));
    }
    Some(WebAuth {
        users,
        proxy,
        loopback,
    })
}

/// Says where the pages are shut though something listens: beyond this machine nobody is let in
/// without login.
pub(super) fn warn_of_shut_pages(table: &Table<'_>, web: &Web, report: &mut Report) {
    let (Some(value), Some(address)) = (table.get("listen"), web.listen) else {
        return;
    };
    if address.ip().to_canonical().is_loopback() || table.entries.contains_key("auth") {
        return;
    }
    report
        .warning(
            &value.span,
            text!(
                "others than this machine can reach {address}, and nobody can log in: all pages but the links of mails are shut",
                "d’autres que cette machine peuvent joindre {address}, et personne ne peut se connecter : toutes les pages sont fermées, sauf les liens des courriels"
            ),
        )
        .help(text!(
            "add [web.auth] with users = [{{ name = \"c.martin\", password = \"…\" }}], the password being the line that `jetond hash-password` prints",
            "ajouter [web.auth] avec users = [{{ name = \"c.martin\", password = \"…\" }}], le mot de passe étant la ligne que donne `jetond hash-password`"
        ));
}

fn read_users(value: &Value<'_>, directory: &Path, report: &mut Report) -> Vec<WebUser> {
    let Some(items) = value.items(report) else {
        report.hide(&value.span);
        return Vec::new();
    };
    if items.is_empty() || items.len() > MOST_USERS {
        let n = items.len();
        report
            .error(
                &value.span,
                text!(
                    "there must be 1 to {MOST_USERS} users; here are {n}",
                    "il faut de 1 à {MOST_USERS} utilisateurs ; il y en a {n}"
                ),
            )
            .help(value.example());
        return Vec::new();
    }
    let (mut users, mut names) = (Vec::new(), HashMap::new());
    for item in &items {
        let Some(table) = item.as_table("web.auth.users") else {
            report.hide(&item.span);
            let what = text!(
                "a list of tables with name and password",
                "une liste de tables avec name et password"
            );
            value.wrong_type(&what, value.example(), report);
            continue;
        };
        table.check_keys(report);
        let written = table.require("name", report);
        let password = table.require("password", report);
        let password = password.and_then(|v| read_password(&v, directory, report));
        let role = table
            .get("role")
            .map_or(Some(Role::Viewer), |v| v.parsed(report, read_role));
        let Some(written) = written else { continue };
        let Some(name) = written.parsed(report, name) else {
            continue;
        };
        if let Some(first) = names.insert(name.clone(), written.span.clone()) {
            report
                .error(
                    &written.span,
                    text!(
                        "{name:?} is written twice: each user has one name of their own",
                        "{name:?} figure deux fois : chaque utilisateur a un nom à lui"
                    ),
                )
                .label(again_here())
                .also(first, first_here());
            continue;
        }
        if let (Some(password), Some(role)) = (password, role) {
            users.push(WebUser {
                name,
                password,
                role,
            });
        }
    }
    users
}

fn read_password(value: &Value<'_>, directory: &Path, report: &mut Report) -> Option<Password> {
    if !matches!(value.value, DeValue::String(_)) {
        return secret::source(value, &secret::WEB_USER, directory, Need::Now, report)
            .map(Password::Secret);
    }
    report.hide(&value.span);
    value
        .parsed(report, PasswordHash::parse)
        .map(Password::Hash)
}

fn read_role(written: &str) -> Result<Role, Invalid> {
    match written {
        "viewer" => Ok(Role::Viewer),
        "operator" => Ok(Role::Operator),
        _ => Err(Invalid(text!(
            "unknown role {written:?}: write \"viewer\" (looks) or \"operator\" (acts)",
            "rôle inconnu {written:?} : écrire \"viewer\" (consulte) ou \"operator\" (agit)"
        ))),
    }
}

/// A name as it is typed at the login, or told by a proxy.
fn name(written: &str) -> Result<String, Invalid> {
    let is_trimmed = written.trim() == written;
    if !is_trimmed || written.contains(':') || written.chars().count() > LONGEST_NAME {
        return Err(Invalid(text!(
            "a name has no colon, no space at its ends and {LONGEST_NAME} characters at most: write it as \"c.martin\"",
            "un nom n’a ni deux-points, ni espace aux extrémités, et au plus {LONGEST_NAME} caractères : l’écrire comme \"c.martin\""
        )));
    }
    Ok(written.to_owned())
}

fn read_proxy(value: &Value<'_>, report: &mut Report) -> Option<TrustedProxy> {
    let Some(table) = value.as_table("web.auth.proxy") else {
        let what = text!(
            "a table with header and from",
            "une table avec header et from"
        );
        value.wrong_type(&what, value.example(), report);
        return None;
    };
    table.check_keys(report);
    let header = table.require("header", report);
    let header = header.and_then(|v| v.parsed(report, header_name));
    let from = table.require("from", report).map(|v| networks(&v, report));
    let operators = table.get("operators").map(|v| {
        let items = v.one_or_many(report);
        let read = items.iter().filter_map(|i| i.parsed(report, name));
        read.collect()
    });
    Some(TrustedProxy {
        header: header?,
        from: from??,
        operators: operators.unwrap_or_default(),
    })
}

/// Networks of which each is one; `None`: there is none, or one that is not.
fn networks(value: &Value<'_>, report: &mut Report) -> Option<Vec<Network>> {
    let items = value.one_or_many(report);
    let mut networks = Vec::new();
    for item in &items {
        let network = item.parsed(report, Network::parse)?;
        if network.prefix == 0 {
            report
                .error(
                    &item.span,
                    text!(
                        "this is every address there is: anybody could name themselves",
                        "ceci désigne toutes les adresses : n’importe qui pourrait se nommer"
                    ),
                )
                .help(text!(
                    "write the address of the proxy, as from = [\"127.0.0.1\"]",
                    "écrire l’adresse du mandataire, comme from = [\"127.0.0.1\"]"
                ));
        }
        networks.push(network);
    }
    if items.is_empty() && matches!(value.value, DeValue::Array(_)) {
        report
            .error(
                &value.span,
                text!(
                    "`from` is empty: the header would never be believed",
                    "`from` est vide : l’en-tête ne serait jamais cru"
                ),
            )
            .help(value.example());
    }
    (!networks.is_empty()).then_some(networks)
}

fn header_name(written: &str) -> Result<String, Invalid> {
    let header = written.trim().to_ascii_lowercase();
    let is_token = header
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_token || header.len() > LONGEST_NAME {
        return Err(Invalid(text!(
            "{written:?} is not the name of a header: write it as \"X-Remote-User\"",
            "{written:?} n’est pas un nom d’en-tête : l’écrire comme \"X-Remote-User\""
        )));
    }
    if NO_NAMES.contains(&header.as_str()) || header.starts_with("sec-") {
        return Err(Invalid(text!(
            "every browser sends {written:?}, or proxies mean something else by it: take a header of its own, as \"X-Remote-User\"",
            "tout navigateur envoie {written:?}, ou les mandataires l’emploient à autre chose : prendre un en-tête à part, comme \"X-Remote-User\""
        )));
    }
    Ok(header)
}

fn truth(value: &Value<'_>, report: &mut Report) -> Option<bool> {
    if let DeValue::Boolean(truth) = value.value {
        return Some(*truth);
    }
    let what = text!(
        "true or false, without quotes",
        "true ou false, sans guillemets"
    );
    value.wrong_type(&what, value.example(), report);
    None
}
