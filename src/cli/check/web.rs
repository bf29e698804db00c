//! `[web.auth]`: who comes in to the pages, and whether the passwords of its users can be read.

use secrecy::ExposeSecret as _;

use super::Finding;
use crate::config::{Config, Password, Role, SecretSource, WebAuth};
use crate::domain::language::{Invalid, Text, counted, text};
use crate::domain::password::PasswordHash;

/// What is found of the pages, where something listens.
pub(super) fn look(config: &Config) -> Option<Finding> {
    let web = &config.web;
    let listen = web.listen?;
    let Some(auth) = &web.auth else {
        if web.public_url.is_some() || !listen.ip().to_canonical().is_loopback() {
            return Some(Finding::doubtful(
                "pages",
                text!(
                    "the links of mails are answered; the dashboard is shut to everybody",
                    "les liens des courriels répondent ; le tableau de bord est fermé à tous"
                ),
                text!(
                    "[web.auth] says who may log in: `jetond hash-password` makes what it keeps of a password",
                    "[web.auth] dit qui peut se connecter : `jetond hash-password` fait ce qu’elle garde d’un mot de passe"
                ),
            ));
        }
        return Some(Finding::well(
            "pages",
            text!(
                "http://{listen}/, to look, from this machine alone",
                "http://{listen}/, en lecture, depuis cette machine seule"
            ),
        ));
    };
    if let Some(finding) = unread(auth) {
        return Some(finding);
    }
    let place = match &web.public_url {
        Some(url) => format!("{}/", url.as_str()),
        None => format!("http://{listen}/"),
    };
    Some(Finding::well(
        "pages",
        text!("{place}: {{}}", "{place} : {{}}").with(&whom(auth)),
    ))
}

/// Who comes in, in words.
fn whom(auth: &WebAuth) -> Text {
    let mut said = Vec::new();
    if !auth.users.is_empty() {
        let users = counted(
            auth.users.len(),
            ["user", "users"],
            ["utilisateur", "utilisateurs"],
        );
        let acting = auth.users.iter().filter(|u| u.role == Role::Operator);
        let acting = acting.count();
        said.push(
            text!(
                "{{}}, {acting} of them act",
                "{{}}, dont {acting} qui agissent"
            )
            .with(&users),
        );
    }
    if let Some(proxy) = &auth.proxy {
        let header = &proxy.header;
        said.push(text!(
            "whom the proxy names in {header}",
            "qui le mandataire nomme dans {header}"
        ));
    }
    if auth.loopback {
        said.push(text!("this machine, to look", "cette machine, en lecture"));
    }
    let [en, fr]: [Vec<String>; 2] = [
        said.iter().map(|t| t.en.clone()).collect(),
        said.into_iter().map(|t| t.fr).collect(),
    ];
    Text {
        en: en.join("; "),
        fr: fr.join("\u{a0}; "),
    }
}

/// The first user whose hash cannot be read here, or is none.
fn unread(auth: &WebAuth) -> Option<Finding> {
    let (user, source, why) = auth.users.iter().find_map(|user| {
        let Password::Secret(source) = &user.password else {
            return None;
        };
        Some((user, source, readable(source).err()?))
    })?;
    let name = &user.name;
    let said = text!(
        "the password of {name:?}: {{}}",
        "le mot de passe de {name:?} : {{}}"
    );
    let hint = match source {
        SecretSource::Credential(_) => text!(
            "only the service and root read credentials: `sudo jetond check` looks at it",
            "seuls le service et root lisent les credentials : `sudo jetond check` le vérifie"
        ),
        SecretSource::File(_) | SecretSource::Env(_) => text!(
            "until it can be read, they cannot log in",
            "tant qu’il ne peut pas être lu, cette personne ne peut pas se connecter"
        ),
    };
    Some(Finding::doubtful("pages", said.with(&why.0), hint))
}

fn readable(source: &SecretSource) -> Result<(), Invalid> {
    let secret = source.resolve()?;
    PasswordHash::parse(secret.expose_secret()).map(drop)
}
