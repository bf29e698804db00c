//! What the DNS says of the sender's domain, in words: what protects its mails, and what to mend.
//!
//! Nothing here makes a command fail: a relay takes mails from a domain without any of this.

use crate::cli::check::{Finding, Mark};
use crate::delivery::sender_domain::{Bounces, Dkim, SenderDomain};
use crate::domain::language::{Text, text};
use crate::domain::sender_policy::{Dmarc, Key, Policy, Rest, Spf};

/// What the DNS says, in words.
pub(super) fn told(domain: &str, found: &SenderDomain) -> [Finding; 4] {
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
                place: None,
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
            place: None,
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
