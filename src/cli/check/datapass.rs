//! `[datapass]`: whether webhooks can come in, and whether their signatures can be checked.

use super::Finding;
use crate::config::{Config, Datapass, SecretSource};
use crate::domain::datapass::merge::OnApprove;
use crate::domain::language::text;

/// What is found of `[datapass]`, if it is there.
pub(super) fn look(config: &Config) -> Option<Finding> {
    let datapass = config.datapass.as_ref()?;
    let Some(listen) = config.web.listen else {
        return Some(Finding::doubtful(
            "datapass",
            text!(
                "nothing listens for webhooks: [web] listen is missing",
                "rien n’écoute les webhooks : [web] listen manque"
            ),
            text!(
                "add [web] with listen = \"127.0.0.1:8080\", behind a reverse proxy with TLS",
                "ajouter [web] avec listen = \"127.0.0.1:8080\", derrière un mandataire inverse avec TLS"
            ),
        ));
    };
    if let Some(finding) = unread(datapass) {
        return Some(finding);
    }
    let place = match &config.web.public_url {
        Some(url) => format!("{}/webhooks/datapass", url.as_str().trim_end_matches('/')),
        None => format!("http://{listen}/webhooks/datapass"),
    };
    let n = datapass.secrets.len();
    Some(Finding::well(
        "datapass",
        match datapass.on_approve {
            OnApprove::Ask => text!(
                "webhooks at {place}, secrets read: {n}; an approval asks for `jetond renew`",
                "webhooks à {place}, secrets lus : {n} ; une validation demande `jetond renew`"
            ),
            OnApprove::Renew => text!(
                "webhooks at {place}, secrets read: {n}; an approval renews",
                "webhooks à {place}, secrets lus : {n} ; une validation renouvelle"
            ),
        },
    ))
}

/// The first secret that cannot be read here: a credential is for the service alone.
fn unread(datapass: &Datapass) -> Option<Finding> {
    let (source, why) = datapass
        .secrets
        .iter()
        .find_map(|source| Some((source, source.resolve().err()?)))?;
    let all = datapass.secrets.iter().all(|s| s.resolve().is_err());
    let hint = match (source, all) {
        (SecretSource::Credential(_), _) => text!(
            "only the service and root read credentials: `sudo jetond check` looks at it",
            "seuls le service et root lisent les credentials : `sudo jetond check` le vérifie"
        ),
        (SecretSource::File(_) | SecretSource::Env(_), true) => text!(
            "until one can be read, every webhook is answered with 503 and comes again",
            "tant qu’aucun ne peut être lu, chaque webhook reçoit 503 et sera renvoyé"
        ),
        (SecretSource::File(_) | SecretSource::Env(_), false) => text!(
            "what the other one signs is taken; what this one signs is refused with 401",
            "ce que l’autre signe est accepté ; ce que celui-ci signe est refusé avec 401"
        ),
    };
    Some(Finding::doubtful("datapass", why.0, hint))
}
