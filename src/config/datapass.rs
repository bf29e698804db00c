//! `[datapass]`: the secrets that sign Data Pass's webhooks, and what an approval does.
//!
//! Two secrets stand side by side while one takes the other's place. None of them is read here:
//! what is written is where they are.

use std::path::Path;

use crate::config::diagnostic::Report;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::secret::{self, Need};
use crate::config::{Datapass, SecretSource};
use crate::domain::datapass::merge::OnApprove;
use crate::domain::language::{Invalid, text};

/// While one secret takes the other's place.
const MOST_SECRETS: usize = 2;

pub(super) fn read(root: &Table<'_>, directory: &Path, report: &mut Report) -> Option<Datapass> {
    let table = root.table("datapass", "datapass", report)?;
    table.check_keys(report);
    let on_approve = table
        .get("on_approve")
        .and_then(|v| v.parsed(report, read_on_approve))
        .unwrap_or_default();
    let Some(written) = table.get("secrets") else {
        if let Some(value) = table.get("on_approve") {
            report
                .error(
                    &value.span,
                    text!(
                        "there is on_approve and no secrets: no webhook is taken",
                        "il y a on_approve mais pas de secrets : aucun webhook n’est accepté"
                    ),
                )
                .help(text!(
                    "add a line: secrets = [{{ credential = \"datapass.secret\" }}]",
                    "ajouter une ligne : secrets = [{{ credential = \"datapass.secret\" }}]"
                ));
        }
        return None;
    };
    let secrets = read_secrets(&written, directory, report);
    if !root.entries.contains_key("web") || !listens(root) {
        report
            .warning(
                &written.span,
                text!(
                    "webhooks are expected, and nothing listens for them",
                    "des webhooks sont attendus, et rien ne les reçoit"
                ),
            )
            .help(text!(
                "add [web] with listen = \"127.0.0.1:8080\", behind a reverse proxy with TLS; Data Pass is given https://…/webhooks/datapass",
                "ajouter [web] avec listen = \"127.0.0.1:8080\", derrière un mandataire inverse avec TLS ; donner à Data Pass https://…/webhooks/datapass"
            ));
    }
    (!secrets.is_empty()).then_some(Datapass {
        secrets,
        on_approve,
    })
}

/// Whether `[web] listen` is written.
fn listens(root: &Table<'_>) -> bool {
    let web = root.entries.get("web");
    web.and_then(|w| w.get_ref().as_table())
        .is_some_and(|w| w.contains_key("listen"))
}

fn read_secrets(value: &Value<'_>, directory: &Path, report: &mut Report) -> Vec<SecretSource> {
    let Some(items) = value.value.as_array().map(|_| value.items(report)) else {
        // A single table may be meant; whatever else is written may be the secret itself.
        let one = secret::source(value, &secret::DATAPASS, directory, Need::Now, report);
        if one.is_some() {
            let what = text!("a list between square brackets", "une liste entre crochets");
            value.wrong_type(&what, value.example(), report);
        }
        return Vec::new();
    };
    let items = items.unwrap_or_default();
    if items.is_empty() || items.len() > MOST_SECRETS {
        for item in &items {
            report.hide(&item.span);
        }
        let n = items.len();
        report
            .error(
                &value.span,
                text!(
                    "there must be one secret, or two while one takes the other's place; here are {n}",
                    "il faut un secret, ou deux pendant que l’un remplace l’autre ; il y en a {n}"
                ),
            )
            .help(value.example());
        return Vec::new();
    }
    items
        .iter()
        .filter_map(|item| secret::source(item, &secret::DATAPASS, directory, Need::Now, report))
        .collect()
}

fn read_on_approve(written: &str) -> Result<OnApprove, Invalid> {
    match written {
        "ask" => Ok(OnApprove::Ask),
        "renew" => Ok(OnApprove::Renew),
        _ => Err(Invalid(text!(
            "{written:?} is not known: write \"ask\" or \"renew\"",
            "{written:?} est inconnu : écrire \"ask\" ou \"renew\""
        ))),
    }
}
