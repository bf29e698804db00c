//! The keys that say where a secret is: `{ credential, file or env }`, never the secret itself.
//!
//! Whatever else is written may be the secret: it is refused, hidden and never repeated. What a file
//! is like is looked at here; it is read elsewhere (`resolve`), and only when it is used.

use std::path::Path;

use crate::config::SecretSource;
use crate::config::diagnostic::Report;
use crate::config::resolve::{Exposure, exposure};
use crate::config::scalar::Value;
use crate::domain::language::{Text, text};

/// A key whose value is where a secret is.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its name in the catalogue.
    table: &'static str,
    name: &'static str,
    example: &'static str,
    message: fn() -> Text,
}

/// `mail.smtp.password`.
pub(super) const PASSWORD: Asked = Asked {
    table: "mail.smtp.password",
    name: "password",
    example: "smtp.password",
    message: || {
        text!(
            "a password must not stand in this file",
            "un mot de passe n’a pas sa place dans ce fichier"
        )
    },
};

/// `heartbeat.url`, where it is not written itself.
pub(super) const HEARTBEAT: Asked = Asked {
    table: "heartbeat.url",
    name: "url",
    example: "heartbeat.url",
    message: || {
        text!(
            "this is neither an address nor where one is",
            "ceci n’est ni une adresse ni l’endroit où elle se trouve"
        )
    },
};

/// `notify.url`, where it is not written itself.
pub(super) const HOOK: Asked = Asked {
    table: "notify.url",
    name: "url",
    example: "notify.url",
    message: || {
        text!(
            "this is neither an address nor where one is",
            "ceci n’est ni une adresse ni l’endroit où elle se trouve"
        )
    },
};

/// `notify.token`.
pub(super) const ACCESS_TOKEN: Asked = Asked {
    table: "notify.token",
    name: "token",
    example: "notify.token",
    message: || {
        text!(
            "an access token must not stand in this file",
            "un jeton d’accès n’a pas sa place dans ce fichier"
        )
    },
};

/// `notify.secret`.
pub(super) const SIGNING: Asked = Asked {
    table: "notify.secret",
    name: "secret",
    example: "notify.secret",
    message: || {
        text!(
            "a secret must not stand in this file",
            "un secret n’a pas sa place dans ce fichier"
        )
    },
};

/// Each of `datapass.secrets`.
pub(super) const DATAPASS: Asked = Asked {
    table: "datapass.secrets",
    name: "secrets",
    example: "datapass.secret",
    message: || {
        text!(
            "a secret must not stand in this file",
            "un secret n’a pas sa place dans ce fichier"
        )
    },
};

/// `web.auth.users.password`, where it is not the hash itself.
pub(super) const WEB_USER: Asked = Asked {
    table: "web.auth.users.password",
    name: "password",
    example: "web.c.martin",
    message: || {
        text!(
            "this is neither a password hash nor where one is",
            "ceci n’est ni une empreinte de mot de passe ni l’endroit où elle se trouve"
        )
    },
};

/// `web.metrics.token`.
pub(super) const METRICS: Asked = Asked {
    table: "web.metrics.token",
    name: "token",
    example: "metrics.token",
    message: || {
        text!(
            "a secret must not stand in this file",
            "un secret n’a pas sa place dans ce fichier"
        )
    },
};

/// `token.secret`.
pub(super) const TOKEN: Asked = Asked {
    table: "token.secret",
    name: "secret",
    example: "token.marches-publics",
    message: || {
        text!(
            "this does not say where the token’s own text is",
            "ceci ne dit pas où est le texte du jeton"
        )
    },
};

/// Reads `{ credential = "…" }`, `{ file = "…" }` or `{ env = "…" }`. Whatever else is written
/// may be the secret itself: it is hidden from every excerpt and never repeated.
pub(super) fn source(
    value: &Value<'_>,
    asked: &Asked,
    directory: &Path,
    needed: Need,
    report: &mut Report,
) -> Option<SecretSource> {
    let Asked { name, example, .. } = asked;
    let place = || {
        text!(
            "write where it is: {name} = {{ credential = \"{example}\" }}, or {{ file = \"…\" }}, or {{ env = \"…\" }}; and change it if this file was shared",
            "écrire où il est : {name} = {{ credential = \"{example}\" }}, ou {{ file = \"…\" }}, ou {{ env = \"…\" }} ; et le changer si ce fichier a été partagé"
        )
    };
    // The value, and where it is a table with a header of its own, what stands below that.
    let mut spans = vec![value.span.clone()];
    for (_, inner) in value.value.as_table().into_iter().flatten() {
        spans.push(value.file.span(inner.span()));
    }
    // Where a token itself stands, nothing but that is told.
    for span in &spans {
        report.help_with_jwt(span, &place());
    }
    let refuse = |report: &mut Report| {
        for span in &spans {
            report.hide(span);
        }
        report.error(&value.span, (asked.message)()).help(place());
        None
    };
    let Some(table) = value.as_table(asked.table) else {
        return refuse(report);
    };
    let known = ["credential", "file", "env"].map(|k| table.get(k));
    if table.entries.len() > 1 && known.iter().flatten().count() == table.entries.len() {
        report.hide(&value.span);
        let message = text!(
            "this says in more than one way where the secret is",
            "ceci dit de plusieurs façons où est le secret"
        );
        let help = text!(
            "keep one of credential, file and env: {name} = {{ credential = \"{example}\" }}",
            "ne garder que l’un de credential, file et env : {name} = {{ credential = \"{example}\" }}"
        );
        report.error(&value.span, message).help(help);
        return None;
    }
    if table.entries.len() != 1 || known.iter().flatten().count() != 1 {
        return refuse(report);
    }
    let [credential, file, env] = known;
    if let Some(name) = credential {
        let name = name.words(report)?;
        if name.contains(['/', '\\']) || name == ".." || name == "." {
            return refuse(report);
        }
        return Some(SecretSource::Credential(name));
    }
    if let Some(name) = env {
        let name = name.words(report)?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return refuse(report);
        }
        return Some(SecretSource::Env(name));
    }
    let file = file?;
    let path = directory.join(file.words(report)?);
    match exposure(&path) {
        Exposure::Closed => {}
        // It is refused at its use, and what can do without it goes on.
        Exposure::Open(message) if needed == Need::Aside => {
            report.warning(&file.span, message);
        }
        Exposure::Open(message) => {
            report.error(&file.span, message);
        }
        Exposure::Missing if needed != Need::Later => {
            let shown = path.display();
            report.warning(
                &file.span,
                text!(
                    "{shown} cannot be found; it is read when it is used",
                    "{shown} est introuvable ; il est lu au moment de son usage"
                ),
            );
        }
        Exposure::Missing => {}
    }
    Some(SecretSource::File(path))
}

/// Whether the transport in force uses a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It does: its absence is worth a warning.
    Now,
    /// Something beside the watch does: no reminder may depend on it.
    Aside,
    /// It does not.
    Later,
}
