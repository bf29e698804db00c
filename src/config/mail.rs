//! `[mail]` and `[mail.smtp]`: how mails leave, and what must not leave unencrypted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::secret::{self, Need};
use crate::config::settings::stand_in;
use crate::config::values::{host, rate};
use crate::config::{Auth, Deadlines, Mail, Network, PerDomain, Smtp, Tls, Transport, quota};
use crate::domain::address::Mailbox;
use crate::domain::language::{Invalid, text};

/// The word of `transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    File,
    Smtp,
    Sendmail,
}

pub(super) fn read(root: &Table<'_>, directory: &Path, report: &mut Report) -> Mail {
    let Some(table) = root.table("mail", "mail", report) else {
        if root.file.faults.is_empty() && !root.entries.contains_key("mail") {
            report
                .absence(
                    &root.span,
                    text!(
                        "the table [mail] is missing: it says who the mails are from",
                        "la table [mail] manque : elle dit de qui viennent les courriels"
                    ),
                )
                .help(text!(
                    "add it:\n[mail]\nfrom = \"Veille des jetons <jetons@ville.example>\"",
                    "l’ajouter :\n[mail]\nfrom = \"Veille des jetons <jetons@ville.example>\""
                ));
        }
        return Mail {
            from: nobody(),
            transport: to_directory(directory),
            rate: None,
            per_domain: PerDomain::default(),
            storm: None,
            templates: None,
            bounces: None,
        };
    };
    table.check_keys(report);
    let from = table
        .require("from", report)
        .and_then(|v| v.parsed(report, Mailbox::parse))
        .unwrap_or_else(nobody);
    let transport = read_transport(&table, directory, report);
    let storm = table
        .get("storm")
        .and_then(|v| v.number(0..=1_000_000, report));
    let mut path = |key| {
        let written = table.get(key)?.words(report)?;
        Some(directory.join(written))
    };
    let templates = path("templates");
    let bounces = read_bounces(&table, directory, report);
    Mail {
        bounces,
        from,
        transport,
        rate: table.get("rate").and_then(|v| v.parsed(report, rate)),
        per_domain: quota::read(&table, report),
        storm,
        templates,
    }
}

/// `bounces = { maildir = "…" }`. Whether it is a Maildir is looked at when it is read: it may lie
/// on a disk that comes later.
fn read_bounces(table: &Table<'_>, directory: &Path, report: &mut Report) -> Option<PathBuf> {
    let value = table.get("bounces")?;
    let Some(bounces) = value.as_table("mail.bounces") else {
        let what = text!(
            "a table that names a Maildir",
            "une table qui nomme un Maildir"
        );
        value.wrong_type(&what, value.example(), report);
        return None;
    };
    bounces.check_keys(report);
    let written = bounces.require("maildir", report)?.words(report)?;
    Some(directory.join(written))
}

fn nobody() -> Mailbox {
    Mailbox {
        name: None,
        address: stand_in(),
    }
}

fn to_directory(directory: &Path) -> Transport {
    Transport::File {
        directory: directory.join("outbox"),
    }
}

fn read_transport(table: &Table<'_>, directory: &Path, report: &mut Report) -> Transport {
    let written = table.get("transport");
    let way = written
        .as_ref()
        .and_then(|v| v.parsed(report, read_way))
        .unwrap_or(Way::File);
    let mut path = |key: &'static str, default: &str| {
        let written = table.get(key).and_then(|v| v.words(report));
        directory.join(written.as_deref().unwrap_or(default))
    };
    let to_files = path("directory", "outbox");
    let command = path("sendmail", "/usr/sbin/sendmail");
    let smtp_table = table.table("smtp", "mail.smtp", report);
    let need = if way == Way::Smtp {
        Need::Now
    } else {
        Need::Later
    };
    // It is checked also when another transport is in force: it will be used one day.
    let smtp = smtp_table
        .as_ref()
        .map(|t| read_smtp(t, directory, need, report));
    if let (None, Some(smtp)) = (&written, &smtp_table) {
        report.warning(
            &smtp.span,
            text!(
                "mails go to files, not to this relay, until [mail] says transport = \"smtp\"",
                "les courriels vont dans des fichiers, non vers ce relais, tant que [mail] ne dit pas transport = \"smtp\""
            ),
        );
    }
    match (way, smtp) {
        (Way::File, _) => Transport::File {
            directory: to_files,
        },
        (Way::Sendmail, _) => Transport::Sendmail { command },
        (Way::Smtp, Some(smtp)) => Transport::Smtp(Box::new(smtp)),
        (Way::Smtp, None) => {
            if let (Some(written), true) = (&written, table.file.faults.is_empty()) {
                report
                    .error(
                        &written.span,
                        text!(
                            "transport = \"smtp\" needs the table [mail.smtp]",
                            "transport = \"smtp\" demande la table [mail.smtp]"
                        ),
                    )
                    .help(text!(
                        "add it:\n[mail.smtp]\nhost = \"smtp.ville.example\"",
                        "l’ajouter :\n[mail.smtp]\nhost = \"smtp.ville.example\""
                    ));
            }
            to_directory(directory)
        }
    }
}

fn read_way(written: &str) -> Result<Way, Invalid> {
    match written {
        "file" => Ok(Way::File),
        "smtp" => Ok(Way::Smtp),
        "sendmail" => Ok(Way::Sendmail),
        _ => Err(Invalid(text!(
            "unknown transport {written:?}: write \"file\", \"smtp\" or \"sendmail\"",
            "transport inconnu {written:?} : écrire \"file\", \"smtp\" ou \"sendmail\""
        ))),
    }
}

fn read_tls(written: &str) -> Result<Tls, Invalid> {
    match written {
        "starttls" => Ok(Tls::Starttls),
        "implicit" => Ok(Tls::Implicit),
        "none" => Ok(Tls::None),
        _ => Err(Invalid(text!(
            "{written:?} is not known: write \"starttls\", \"implicit\" or \"none\"",
            "{written:?} est inconnu : écrire \"starttls\", \"implicit\" ou \"none\""
        ))),
    }
}

fn read_smtp(table: &Table<'_>, directory: &Path, need: Need, report: &mut Report) -> Smtp {
    table.check_keys(report);
    let host_value = table.get("host");
    if host_value.is_none() && need == Need::Now {
        table.report_missing("host", report);
    }
    let relay = host_value.as_ref().and_then(|v| v.parsed(report, host));
    let tls_value = table.get("tls");
    let tls = tls_value
        .as_ref()
        .and_then(|v| v.parsed(report, read_tls))
        .unwrap_or(Tls::Starttls);
    let port = table
        .get("port")
        .and_then(|v| v.number(1..=u32::from(u16::MAX), report))
        .and_then(|n| u16::try_from(n).ok())
        .unwrap_or(match tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        });
    let plaintext_ok = read_networks(table, tls, report);
    let mut count = |key, most, default: u32| {
        let n = table.get(key).and_then(|v| v.number(1..=most, report));
        usize::try_from(n.unwrap_or(default)).unwrap_or(1)
    };
    let (connections, flight) = (count("connections", 64, 4), count("flight", 1000, 16));
    let ca_file = table
        .get("ca_file")
        .and_then(|v| v.words(report))
        .map(|p| directory.join(p));
    let smtp = Smtp {
        host: relay.unwrap_or_default(),
        port,
        tls,
        ca_file,
        plaintext_ok,
        auth: read_auth(table, directory, need, report),
        helo: table.get("helo").and_then(|v| v.parsed(report, host)),
        connections,
        flight,
        deadlines: read_deadlines(table, report),
    };
    if let (Tls::None, Some(tls), Some(_)) = (tls, &tls_value, &host_value) {
        check_plaintext(table, &smtp, tls, report);
    }
    smtp
}

fn read_networks(table: &Table<'_>, tls: Tls, report: &mut Report) -> Vec<Network> {
    let Some(value) = table.get("plaintext_ok") else {
        return Vec::new();
    };
    let networks: Vec<Network> = value
        .items(report)
        .unwrap_or_default()
        .iter()
        .filter_map(|i| i.parsed(report, Network::parse))
        .collect();
    if !networks.is_empty() {
        let message = match tls {
            Tls::None => text!(
                "mails to these networks can be read and changed on their way",
                "les courriels vers ces réseaux peuvent être lus et modifiés en route"
            ),
            Tls::Starttls | Tls::Implicit => text!(
                "plaintext_ok has no effect: the connection is encrypted",
                "plaintext_ok est sans effet : la connexion est chiffrée"
            ),
        };
        report.warning(&value.span, message);
    }
    networks
}

/// `tls = "none"`: to this machine, or without an account to the networks that were named.
/// Where the host is a name, its address is held against them at the time of connecting.
fn check_plaintext(table: &Table<'_>, smtp: &Smtp, tls: &Value<'_>, report: &mut Report) {
    let address: Option<IpAddr> = smtp.host.parse().ok();
    let local = smtp.host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|a| a.to_canonical().is_loopback());
    if local || smtp.host.is_empty() {
        return;
    }
    if let Some(username) = table.get("username") {
        report
            .error(
                &username.span,
                text!(
                    "with tls = \"none\" the password would travel in clear",
                    "avec tls = \"none\" le mot de passe voyagerait en clair"
                ),
            )
            .help(text!(
                "write tls = \"starttls\" or \"implicit\", or remove username and password",
                "écrire tls = \"starttls\" ou \"implicit\", ou retirer username et password"
            ));
    }
    let named = match address {
        Some(a) => smtp.plaintext_ok.iter().any(|n| n.contains(a)),
        None => !smtp.plaintext_ok.is_empty(),
    };
    if !named {
        let relay = &smtp.host;
        report
            .error(
                &tls.span,
                text!(
                    "tls = \"none\" is refused for {relay}: mails would travel in clear",
                    "tls = \"none\" est refusé pour {relay} : les courriels voyageraient en clair"
                ),
            )
            .help(text!(
                "write tls = \"starttls\", or name the relay’s network: plaintext_ok = [\"10.0.0.0/8\"]",
                "écrire tls = \"starttls\", ou nommer le réseau du relais : plaintext_ok = [\"10.0.0.0/8\"]"
            ));
    }
}

fn read_auth(table: &Table<'_>, directory: &Path, need: Need, report: &mut Report) -> Option<Auth> {
    let (username, password) = (table.get("username"), table.get("password"));
    if let (Some(alone), None) | (None, Some(alone)) = (&username, &password) {
        let (has, lacks, example) = if username.is_some() {
            ("username", "password", "{ credential = \"smtp.password\" }")
        } else {
            ("password", "username", "\"jetond\"")
        };
        report
            .error(
                &alone.span,
                text!(
                    "there is a {has} and no {lacks}",
                    "il y a un {has} mais pas de {lacks}"
                ),
            )
            .help(text!(
                "add a line: {lacks} = {example}",
                "ajouter une ligne : {lacks} = {example}"
            ));
    }
    let username = username.and_then(|v| v.words(report));
    let password =
        password.and_then(|v| secret::source(&v, &secret::PASSWORD, directory, need, report));
    Some(Auth {
        username: username?,
        password: password?,
    })
}

fn read_deadlines(table: &Table<'_>, report: &mut Report) -> Deadlines {
    let mut deadlines = Deadlines::default();
    let Some(value) = table.get("timeouts") else {
        return deadlines;
    };
    let Some(timeouts) = value.as_table("mail.smtp.timeouts") else {
        let what = text!("a table of seconds", "une table de secondes");
        value.wrong_type(&what, value.example(), report);
        return deadlines;
    };
    timeouts.check_keys(report);
    let fields = [
        ("connect", &mut deadlines.connect),
        ("tls", &mut deadlines.tls),
        ("command", &mut deadlines.command),
        ("data", &mut deadlines.data),
        ("body", &mut deadlines.body),
        ("dot", &mut deadlines.dot),
        ("quit", &mut deadlines.quit),
    ];
    for (key, field) in fields {
        if let Some(seconds) = timeouts.get(key).and_then(|v| v.number(1..=3600, report)) {
            *field = Duration::from_secs(u64::from(seconds));
        }
    }
    deadlines
}
