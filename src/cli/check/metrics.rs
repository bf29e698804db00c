//! `[web.metrics]`: whether the secret by which a program asks can be read.

use super::Finding;
use crate::config::{Config, SecretSource};
use crate::domain::language::text;

/// What is found of the secret, if there is one and a server that would ask for it.
pub(super) fn look(config: &Config) -> Option<Finding> {
    let listen = config.web.listen?;
    let source = config.web.metrics.token.as_ref()?;
    let Err(why) = source.resolve() else {
        return Some(Finding::well(
            "metrics",
            text!(
                "http://{listen}/metrics and /readyz, by a secret",
                "http://{listen}/metrics et /readyz, par un secret"
            ),
        ));
    };
    let hint = match source {
        SecretSource::Credential(_) => text!(
            "only the service and root read credentials: `sudo jetond check` looks at it",
            "seuls le service et root lisent les credentials : `sudo jetond check` le vérifie"
        ),
        SecretSource::File(_) | SecretSource::Env(_) => text!(
            "until it can be read, a program that shows one is answered with 503",
            "tant qu’il ne peut pas être lu, un programme qui en montre un reçoit 503"
        ),
    };
    Some(Finding::doubtful("metrics", why.0, hint))
}
