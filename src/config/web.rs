//! `[web]`: where the daemon answers HTTP, and under which names it may be asked.
//!
//! TLS is the reverse proxy's: the public address is https, what is listened on is not. An
//! address beyond this machine is allowed with a warning, because what travels there is in clear.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::values::host;
use crate::config::{Web, web_auth, web_metrics};
use crate::domain::language::{Invalid, text};
use crate::domain::public_url::PublicUrl;

pub(super) fn read(root: &Table<'_>, directory: &Path, report: &mut Report) -> Web {
    let mut web = Web::default();
    let Some(table) = root.table("web", "web", report) else {
        return web;
    };
    table.check_keys(report);
    if let Some(value) = table.get("listen") {
        web.listen = value.parsed(report, socket);
        if let Some(address) = web.listen.filter(|a| !a.ip().to_canonical().is_loopback()) {
            let port = address.port();
            report
                .warning(
                    &value.span,
                    text!(
                        "others than this machine can reach {address}, and what is asked and answered there travels in clear",
                        "d’autres que cette machine peuvent joindre {address}, et ce qui s’y échange voyage en clair"
                    ),
                )
                .help(text!(
                    "write listen = \"127.0.0.1:{port}\" with the reverse proxy on this machine, or let a firewall admit the proxy only",
                    "écrire listen = \"127.0.0.1:{port}\" avec le mandataire inverse sur cette machine, ou n’admettre que lui au pare-feu"
                ));
        }
    }
    if let Some(value) = table.get("public_url") {
        web.public_url = value.parsed(report, PublicUrl::parse);
        if table.get("listen").is_none() {
            report
                .error(
                    &value.span,
                    text!(
                        "there is a public_url and no listen: nothing would answer the links of the mails",
                        "il y a un public_url mais pas de listen : rien ne répondrait aux liens des courriels"
                    ),
                )
                .help(text!(
                    "add a line: listen = \"127.0.0.1:8080\"",
                    "ajouter une ligne : listen = \"127.0.0.1:8080\""
                ));
        }
    }
    if let Some(value) = table.get("hosts") {
        for item in value.one_or_many(report) {
            web.hosts.extend(item.parsed(report, host));
        }
    }
    web.metrics = web_metrics::read(&table, directory, report);
    web.auth = web_auth::read(&table, directory, report);
    web_auth::warn_of_shut_pages(&table, &web, report);
    web
}

/// An address and a port. A name is not looked up: which of its addresses was meant is not known.
fn socket(written: &str) -> Result<SocketAddr, Invalid> {
    let written = written.trim();
    let example = |port: &str| {
        text!(
            "{written:?} is not an address with a port: write it as \"127.0.0.1:{port}\"",
            "{written:?} n’est pas une adresse avec un port : l’écrire \"127.0.0.1:{port}\""
        )
    };
    match written.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(address),
        Ok(_) => Err(Invalid(text!(
            "port 0 is another one at each start, and a proxy could not know it: write one, as 8080",
            "le port 0 en donne un autre à chaque démarrage, inconnu du mandataire : en écrire un, comme 8080"
        ))),
        Err(_) => {
            let digits = written.rsplit(':').next().unwrap_or_default();
            let port = digits.parse::<u16>().ok().filter(|p| *p > 0);
            Err(Invalid(example(&port.unwrap_or(8080).to_string())))
        }
    }
}
