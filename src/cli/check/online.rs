//! `check --online`: what the relay says up to the sender's address, and what the DNS says of the
//! sender's domain. No recipient is named, so no mail can leave.

use std::net::SocketAddr;

use crate::cli::check::{Finding, Mark, domain, transport};
use crate::cli::{Context, Exit};
use crate::config::{Config, Smtp, Transport};
use crate::delivery::outcome::{Outcome, RelayFault, RelayFaultKind};
use crate::delivery::sender_domain;
use crate::delivery::smtp::{Dialogue, Extensions, Relay, Session};
use crate::domain::language::{Text, text};

/// A digest of a hundred tokens has about this many bytes.
const LARGE_MAIL: u64 = 512 * 1024;

/// How the DNS is asked.
pub(super) struct DnsWish<'a> {
    pub(super) selector: Option<&'a str>,
    pub(super) server: Option<SocketAddr>,
}

/// Looks at everything beyond this machine.
pub(super) async fn look(config: &Config, dns: &DnsWish<'_>, context: &Context) -> Vec<Finding> {
    let mut findings = match &config.mail.transport {
        Transport::Smtp(smtp) => relay(config, smtp, context).await,
        Transport::File { .. } => {
            let mut finding = transport(config);
            finding.hint.get_or_insert(text!(
                "no mail leaves this machine: the mail server and the DNS are not asked",
                "aucun courriel ne quitte cette machine : ni serveur de messagerie ni DNS interrogés"
            ));
            return vec![finding];
        }
        Transport::Sendmail { command } => {
            if command.is_file() {
                vec![transport(config)]
            } else {
                let detail = format!("{} is not there", command.display());
                vec![unreachable(&RelayFault::new(
                    RelayFaultKind::Local,
                    &detail,
                ))]
            }
        }
    };
    let sender = config.mail.from.address.ascii_domain();
    match sender_domain::ask(sender, dns.selector, dns.server).await {
        Ok(found) => findings.extend(domain::told(sender, &found)),
        Err(why) => findings.push(Finding::well(
            "dns",
            text!(
                "not looked at: no name server answers ({why})",
                "non regardé : aucun serveur de noms ne répond ({why})"
            ),
        )),
    }
    findings
}

/// The dialogue with the relay, and what follows from it.
async fn relay(config: &Config, smtp: &Smtp, context: &Context) -> Vec<Finding> {
    let dialogue = Dialogue::default();
    let findings = match converse(config, smtp, &dialogue).await {
        Ok(findings) => findings,
        Err(fault) => vec![unreachable(&fault)],
    };
    if findings.iter().any(|f| f.mark.exit() != Exit::Done) {
        for line in dialogue.lines() {
            context.out.note(&text!("    {line}", "    {line}"));
        }
    }
    findings
}

async fn converse(
    config: &Config,
    smtp: &Smtp,
    dialogue: &Dialogue,
) -> Result<Vec<Finding>, RelayFault> {
    let mut relay = Relay::prepare(smtp)?;
    relay.record_in(dialogue);
    let password = relay.password()?;
    let mut session = Session::open(&relay, password.as_ref()).await?;
    let mut findings = vec![let_in(smtp, &session)];
    findings.extend(of_extensions(config, session.extensions()));
    let from = &config.mail.from.address;
    let asked = session.try_sender(from).await;
    session.quit().await;
    let from = from.as_str();
    findings.push(match asked {
        Ok(()) => Finding::well(
            "sender",
            text!("{from} may send", "{from} peut envoyer"),
        ),
        Err(said) => Finding {
            what: "sender",
            mark: Mark::Wrong(Exit::NotDelivered),
            said: text!(
                "the mail server does not take mails from {from}: {said}",
                "le serveur de messagerie ne prend pas de courriel de {from} : {said}"
            ),
            hint: Some(match said {
                Outcome::Relay(RelayFault {
                    kind: kind @ (RelayFaultKind::Timeout | RelayFaultKind::Dropped),
                    ..
                }) => advice(kind),
                _ => text!(
                    "write an address in mail.from that the account may use, or ask for the right",
                    "écrire dans mail.from une adresse que le compte peut utiliser, ou demander ce droit"
                ),
            }),
            place: None,
        },
    });
    Ok(findings)
}

fn let_in(smtp: &Smtp, session: &Session) -> Finding {
    let (host, port) = (&smtp.host, smtp.port);
    let with = match session.encryption() {
        Some(how) => text!("{how}", "{how}"),
        None => text!("not encrypted", "non chiffré"),
    };
    let with = match &smtp.auth {
        None => with,
        Some(auth) => {
            let (Text { en, fr }, name) = (with, &auth.username);
            text!("{en}, account {name}", "{fr}, compte {name}")
        }
    };
    let said = text!(
        "{host}:{port} answers and lets us in ({{}})",
        "{host}:{port} répond et nous accepte ({{}})"
    );
    Finding::well("mail", said.with(&with))
}

fn of_extensions(config: &Config, offered: &Extensions) -> Vec<Finding> {
    let limit = offered.size.filter(|n| *n > 0);
    let names = [
        ("PIPELINING", offered.pipelining),
        ("8BITMIME", offered.eight_bit),
        ("SMTPUTF8", offered.smtputf8),
        ("DSN", offered.dsn),
    ];
    let names: Vec<&str> = names
        .iter()
        .filter(|(_, has)| *has)
        .map(|(n, _)| *n)
        .collect();
    let offers = if names.is_empty() {
        text!("none", "aucune")
    } else {
        let names = names.join(", ");
        text!("{names}", "{names}")
    };
    let takes = match limit {
        Some(bytes) => {
            let kb = bytes.div_ceil(1000);
            text!(
                "mails of {kb} kB at most",
                "courriels de {kb}\u{a0}ko au plus"
            )
        }
        None => text!("mails of any size", "courriels de toute taille"),
    };
    let said = text!("{{}}; extensions: ", "{{}} ; extensions : ").with(&takes);
    let said = Text {
        en: said.en + &offers.en,
        fr: said.fr + &offers.fr,
    };
    let mut findings = vec![match limit {
        Some(bytes) if bytes < LARGE_MAIL => Finding::doubtful(
            "extensions",
            said,
            text!(
                "a digest of many tokens can be larger: ask for 1 MB or more",
                "un récapitulatif de nombreux jetons peut être plus gros : demander 1 Mo ou plus"
            ),
        ),
        Some(_) | None => Finding::well("extensions", said),
    }];
    let beyond_ascii: Vec<&str> = config
        .tokens
        .iter()
        .flat_map(|t| &t.recipients)
        .map(|r| &r.address)
        .filter(|a| a.needs_smtputf8())
        .map(|a| a.as_str())
        .collect();
    if let (Some(first), false) = (beyond_ascii.first(), offered.smtputf8) {
        findings.push(Finding::doubtful(
            "extensions",
            text!(
                "without SMTPUTF8 no mail reaches {first}",
                "sans SMTPUTF8 aucun courriel n’arrive à {first}"
            ),
            text!(
                "ask for SMTPUTF8 (RFC 6531), or write another address",
                "demander SMTPUTF8 (RFC 6531), ou écrire une autre adresse"
            ),
        ));
    }
    findings
}

/// Mails cannot leave.
pub(super) fn unreachable(fault: &RelayFault) -> Finding {
    Finding {
        what: "mail",
        mark: Mark::Wrong(Exit::NotDelivered),
        said: text!(
            "mails cannot leave: {fault}",
            "les courriels ne peuvent pas partir : {fault}"
        ),
        hint: Some(advice(fault.kind)),
        place: None,
    }
}

fn advice(kind: RelayFaultKind) -> Text {
    match kind {
        RelayFaultKind::Resolve => text!(
            "check mail.smtp.host and the machine’s DNS",
            "vérifier mail.smtp.host et le DNS de la machine"
        ),
        RelayFaultKind::Connect
        | RelayFaultKind::Dropped
        | RelayFaultKind::Timeout
        | RelayFaultKind::Unanswered => {
            text!(
                "check mail.smtp.host and port, and the firewall",
                "vérifier mail.smtp.host et port, et le pare-feu"
            )
        }
        RelayFaultKind::Tls => text!(
            "check mail.smtp.tls and port (587 with starttls, 465 with implicit), the host’s name in the certificate, and ca_file for a private authority",
            "vérifier mail.smtp.tls et port (587 avec starttls, 465 avec implicit), le nom de l’hôte dans le certificat, et ca_file pour une autorité privée"
        ),
        RelayFaultKind::Plaintext => text!(
            "use tls = \"starttls\", or allow the network in mail.smtp.plaintext_ok",
            "utiliser tls = \"starttls\", ou autoriser le réseau dans mail.smtp.plaintext_ok"
        ),
        RelayFaultKind::Auth => text!(
            "check mail.smtp.username and password",
            "vérifier mail.smtp.username et password"
        ),
        RelayFaultKind::Greeting
        | RelayFaultKind::Hello
        | RelayFaultKind::Mail
        | RelayFaultKind::Closing421
        | RelayFaultKind::Protocol => {
            text!(
                "ask the administrator of the mail server what its reply means",
                "demander à l’administrateur du serveur de messagerie ce que dit sa réponse"
            )
        }
        RelayFaultKind::Local => text!(
            "check the directory or the command, and its permissions",
            "vérifier le dossier ou la commande, et ses droits"
        ),
    }
}
