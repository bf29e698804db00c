//! `check --online`: what the relay says up to the sender's address, and what the DNS says of the
//! sender's domain. No recipient is named, so no mail can leave.

use std::net::SocketAddr;

use crate::cli::check::{Finding, Mark, transport};
use crate::cli::{Context, Exit};
use crate::config::{Config, Smtp, Transport};
use crate::delivery::outcome::{Outcome, RelayFault, RelayFaultKind};
use crate::delivery::sender_domain::{self, Bounces, Dkim, SenderDomain};
use crate::delivery::smtp::{Dialogue, Extensions, Relay, Session};
use crate::domain::language::{Text, text};
use crate::domain::sender_policy::{Dmarc, Key, Policy, Rest, Spf};

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
    let domain = config.mail.from.address.ascii_domain();
    match sender_domain::ask(domain, dns.selector, dns.server).await {
        Ok(found) => findings.extend(of_domain(domain, &found)),
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
    let password = match &smtp.auth {
        None => None,
        Some(auth) => Some(
            auth.password
                .resolve()
                .map_err(|e| RelayFault::new(RelayFaultKind::Auth, &e.to_string()))?,
        ),
    };
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
    }
}

/// What the DNS says, in words.
fn of_domain(domain: &str, found: &SenderDomain) -> [Finding; 4] {
    [
        of_bounces(domain, &found.bounces),
        of_spf(domain, &found.spf),
        of_dkim(domain, &found.dkim),
        of_dmarc(domain, &found.dmarc),
    ]
}

fn of_bounces(domain: &str, bounces: &Bounces) -> Finding {
    let advise = |said: Text| {
        let hint = text!(
            "bounces and replies to the sender are lost, and many servers refuse such mail: use a domain that receives mail",
            "les retours et réponses à l’expéditeur se perdent, et bien des serveurs refusent ces courriels : utiliser un domaine qui reçoit du courrier"
        );
        Finding::doubtful("mx", said, hint)
    };
    match bounces {
        Bounces::To(server) => Finding::well(
            "mx",
            text!(
                "{domain} receives mail at {server}",
                "{domain} reçoit son courrier sur {server}"
            ),
        ),
        Bounces::Itself => Finding::well(
            "mx",
            text!(
                "{domain} receives mail at its own address",
                "{domain} reçoit son courrier à sa propre adresse"
            ),
        ),
        Bounces::Refused => advise(text!(
            "{domain} says that it takes no mail",
            "{domain} déclare ne recevoir aucun courrier"
        )),
        Bounces::Nowhere => advise(text!(
            "{domain} receives no mail: no MX, no address",
            "{domain} ne reçoit pas de courrier : ni MX ni adresse"
        )),
        Bounces::NoDomain => advise(text!(
            "there is no domain {domain}",
            "il n’y a pas de domaine {domain}"
        )),
    }
}

fn of_spf(domain: &str, spf: &Spf) -> Finding {
    let named = || {
        text!(
            "make sure that it names the servers by which the relay sends",
            "s’assurer qu’il nomme les serveurs par lesquels le relais envoie"
        )
    };
    match spf {
        Spf::Missing => Finding::doubtful(
            "spf",
            text!(
                "{domain} has no SPF record",
                "{domain} n’a pas d’enregistrement SPF"
            ),
            text!(
                "have one published that names the relay: v=spf1 mx include:… -all",
                "en faire publier un qui nomme le relais : v=spf1 mx include:… -all"
            ),
        ),
        Spf::Several(n) => Finding::doubtful(
            "spf",
            text!(
                "{domain} has {n} SPF records, which counts as none",
                "{domain} a {n} enregistrements SPF, ce qui revient à n’en avoir aucun"
            ),
            text!("have them joined into one", "les faire réunir en un seul"),
        ),
        Spf::One { record, rest } => {
            let (others, hint) = match rest {
                Rest::Refused => (
                    text!("others are refused", "les autres sont refusés"),
                    named(),
                ),
                Rest::Suspect => (
                    text!("others are suspect", "les autres sont suspects"),
                    named(),
                ),
                Rest::Elsewhere(at) => (text!("{at} says the rest", "{at} dit le reste"), named()),
                Rest::Neutral => (
                    text!("it says nothing of others", "il ne dit rien des autres"),
                    text!(
                        "it protects little: end it with ~all or -all",
                        "il protège peu : le terminer par ~all ou -all"
                    ),
                ),
                Rest::Anyone => (
                    text!("anyone may send", "n’importe qui peut envoyer"),
                    text!(
                        "it protects nothing: end it with ~all or -all",
                        "il ne protège rien : le terminer par ~all ou -all"
                    ),
                ),
            };
            let said = text!("{record} ({{}})", "{record} ({{}})").with(&others);
            let mark = match rest {
                Rest::Refused | Rest::Suspect | Rest::Elsewhere(_) => Mark::Well,
                Rest::Neutral | Rest::Anyone => Mark::Doubtful,
            };
            Finding {
                what: "spf",
                mark,
                said,
                hint: Some(hint),
            }
        }
    }
}

fn of_dkim(domain: &str, dkim: &Dkim) -> Finding {
    let ask = || {
        text!(
            "ask the administrator of the relay to sign for {domain}",
            "demander à l’administrateur du relais de signer pour {domain}"
        )
    };
    match dkim {
        Dkim::Selector(name, Key::Present) => Finding::well(
            "dkim",
            text!("there is a key {name}", "la clé {name} existe"),
        ),
        Dkim::Selector(name, Key::Withdrawn) => Finding::doubtful(
            "dkim",
            text!(
                "the key {name} was withdrawn",
                "la clé {name} a été retirée"
            ),
            ask(),
        ),
        Dkim::Selector(name, Key::Absent) => Finding::doubtful(
            "dkim",
            text!("there is no key {name}", "il n’y a pas de clé {name}"),
            ask(),
        ),
        Dkim::Some => Finding {
            what: "dkim",
            mark: Mark::Well,
            said: text!("{domain} has keys", "{domain} a des clés"),
            hint: Some(text!(
                "`--dkim-selector NAME` looks at the one that the relay signs with",
                "`--dkim-selector NOM` regarde celle avec laquelle le relais signe"
            )),
        },
        Dkim::None => Finding::doubtful(
            "dkim",
            text!(
                "{domain} has no keys: its mails are not signed",
                "{domain} n’a pas de clé : ses courriels ne sont pas signés"
            ),
            ask(),
        ),
    }
}

fn of_dmarc(domain: &str, dmarc: &Dmarc) -> Finding {
    match dmarc {
        Dmarc::Missing => Finding::doubtful(
            "dmarc",
            text!(
                "{domain} has no DMARC record",
                "{domain} n’a pas d’enregistrement DMARC"
            ),
            text!(
                "have one published, to begin with: v=DMARC1; p=none",
                "en faire publier un, pour commencer : v=DMARC1; p=none"
            ),
        ),
        Dmarc::Unusable(record) => Finding::doubtful(
            "dmarc",
            text!(
                "the DMARC record means nothing: {record}",
                "l’enregistrement DMARC ne veut rien dire : {record}"
            ),
            text!(
                "it needs p=none, p=quarantine or p=reject, once",
                "il lui faut p=none, p=quarantine ou p=reject, une fois"
            ),
        ),
        Dmarc::One { at, policy } => {
            let then = match policy {
                Policy::None => text!("is only reported", "est seulement signalé"),
                Policy::Quarantine => text!("goes to the spam folder", "va dans les indésirables"),
                Policy::Reject => text!("is refused", "est refusé"),
            };
            Finding::well(
                "dmarc",
                text!(
                    "by {at}: mail that passes neither SPF nor DKIM {{}}",
                    "selon {at} : un courriel sans SPF ni DKIM valable {{}}"
                )
                .with(&then),
            )
        }
    }
}

fn advice(kind: RelayFaultKind) -> Text {
    match kind {
        RelayFaultKind::Resolve => text!(
            "check mail.smtp.host and the machine’s DNS",
            "vérifier mail.smtp.host et le DNS de la machine"
        ),
        RelayFaultKind::Connect | RelayFaultKind::Dropped | RelayFaultKind::Timeout => {
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
