//! `[probe]`: whether the text of each token that the API is asked about can be read, is a token,
//! and is this token's; with `--online`, whether somebody answers there.
//!
//! No token leaves this machine here, and nothing of one is shown.

use std::collections::HashMap;

use secrecy::ExposeSecret as _;

use crate::cli::check::{Finding, Mark};
use crate::cli::{Context, Exit};
use crate::config::{Config, Loaded, Probe, SecretSource};
use crate::domain::language::{Text, text};
use crate::domain::token::{Jti, TokenId};
use crate::probe::knock;
use crate::renewal::jwt;
use crate::store::Store;
use crate::words::count;

/// What is found on this machine; nothing where no token is asked about.
pub(super) async fn look(loaded: &Loaded, context: &mut Context) -> Vec<Finding> {
    let config = &loaded.config;
    let known = known_jtis(config, context).await;
    let mut findings = Vec::new();
    if let Some(path) = config.probe.ca_file.as_ref().filter(|p| !p.is_file()) {
        let shown = path.display();
        findings.push(Finding::doubtful(
            "probe",
            text!(
                "ca_file: {shown} cannot be found",
                "ca_file : {shown} est introuvable"
            ),
            text!(
                "without it the API cannot be asked about any token",
                "sans lui, l’API ne peut être interrogée sur aucun jeton"
            ),
        ));
    }
    for (id, source) in &config.probe.secrets {
        let no = config.tokens.iter().position(|t| t.id == *id);
        let mut finding = of_token(id, source, known.get(id.as_str()));
        if finding.mark != Mark::Well {
            finding.place = no.map(|no| loaded.place_of(no));
        }
        findings.push(finding);
    }
    findings
}

/// Where and when the API is asked.
pub(super) fn declared(config: &Config) -> Option<Finding> {
    let probe = &config.probe;
    let (place, hour) = (place(probe), probe.hour);
    (!probe.secrets.is_empty()).then(|| {
        Finding::well(
            "probe",
            text!(
                "the daemon asks {place} about {{}}, once a day from {hour:02}:00 on; this check asks nothing",
                "le service interroge l’API à {place} sur {{}}, une fois par jour dès {hour} h ; cette vérification n’interroge pas"
            )
            .with(&count::tokens(probe.secrets.len())),
        )
    })
}

/// Whether somebody answers there, with the right certificate. Nothing is asked.
pub(super) async fn knock(config: &Config) -> Option<Finding> {
    let probe = &config.probe;
    if probe.secrets.is_empty() {
        return None;
    }
    let place = place(probe);
    Some(match knock::knock(probe).await {
        Ok(()) => Finding::well(
            "probe",
            text!(
                "{place}: a connection is made, with a valid certificate; no token was sent",
                "{place} : connexion établie, avec un certificat valable ; aucun jeton n’a été envoyé"
            ),
        ),
        Err(why) => Finding {
            what: "probe",
            mark: Mark::Wrong(Exit::NotDelivered),
            said: text!("{place}: {{}}", "{place} : {{}}").with(&why),
            hint: Some(text!(
                "no reminder depends on it; check the network, then base_url, ca_file and allow_private in [probe]",
                "aucun rappel n’en dépend ; vérifier le réseau, puis base_url, ca_file et allow_private dans [probe]"
            )),
            place: None,
        },
    })
}

fn of_token(id: &TokenId, source: &SecretSource, known: Option<&Jti>) -> Finding {
    let secret = match source.resolve() {
        Ok(secret) => secret,
        Err(why) => {
            let hint = match source {
                SecretSource::Credential(_) => text!(
                    "only the service and root read credentials: `sudo jetond check` looks at it; where the file is missing, create it (chmod 600)",
                    "seuls le service et root lisent les credentials : `sudo jetond check` le vérifie ; si le fichier manque, le créer (chmod 600)"
                ),
                SecretSource::File(_) | SecretSource::Env(_) => text!(
                    "until its text can be read the API is not asked about this token",
                    "tant que son texte ne peut pas être lu, l’API n’est pas interrogée sur ce jeton"
                ),
            };
            let said = text!("{id}: {{}}", "{id} : {{}}").with(&why.0);
            return Finding::doubtful("probe", said, hint);
        }
    };
    let read = jwt::read(secret.expose_secret());
    drop(secret);
    match (read, known) {
        (Err(why), _) => Finding::doubtful(
            "probe",
            text!("{id}: {{}}", "{id} : {{}}").with(&why.said()),
            text!(
                "put the whole text of the token, and nothing else, into {source}",
                "mettre le texte entier du jeton, et rien d’autre, dans {source}"
            ),
        ),
        (Ok(claims), Some(known)) if claims.jti != *known => Finding::doubtful(
            "probe",
            text!(
                "{id}: what is in its place is another token, with another jti: the API is not asked about it",
                "{id} : c’est un autre jeton qui est à sa place, avec un autre jti : l’API n’est pas interrogée à son sujet"
            ),
            text!(
                "put this token’s own text into {source}, or mend its jti",
                "mettre le texte de ce jeton-ci dans {source}, ou corriger son jti"
            ),
        ),
        (Ok(_), Some(_)) => Finding::well(
            "probe",
            text!(
                "{id}: its text can be read, and has its jti",
                "{id} : son texte est lisible, et porte son jti"
            ),
        ),
        (Ok(claims), None) => Finding::doubtful(
            "probe",
            text!(
                "{id}: its text can be read; its jti is not declared, so the API is not asked about it: another token in its place would not be noticed",
                "{id} : son texte est lisible ; son jti n’est pas déclaré, donc l’API n’est pas interrogée à son sujet : un autre jeton à sa place passerait inaperçu"
            ),
            advise_jti(&claims.jti),
        ),
    }
}

fn advise_jti(jti: &Jti) -> Text {
    let jti = jti.as_str();
    text!(
        "if that text is this token’s, write to its [[token]]: jti = \"{jti}\"",
        "si ce texte est bien celui de ce jeton, écrire dans son [[token]] : jti = \"{jti}\""
    )
}

/// The `jti` of each token: as it is on record, else as it is declared.
async fn known_jtis(config: &Config, context: &mut Context) -> HashMap<String, Jti> {
    let mut known: HashMap<String, Jti> = config
        .tokens
        .iter()
        .filter_map(|t| Some((t.id.as_str().to_owned(), t.jti.clone()?)))
        .collect();
    let ids = config.probe.ids();
    // Where the store cannot be read, that is a finding of its own.
    if !ids.is_empty()
        && let Ok(store) = Store::open_to_read(&config.store).await
    {
        context.keep(&store);
        let on_record = store.watched(&ids).await.unwrap_or_default();
        known.extend(
            on_record
                .into_iter()
                .filter_map(|t| Some((t.id, Jti::parse(&t.jti?).ok()?))),
        );
    }
    known
}

/// The API's host, with its port where that is another one than 443.
fn place(probe: &Probe) -> String {
    let host = probe.base_url.host_str().unwrap_or_default();
    match probe.base_url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
