//! What `check` says of imported tokens: which of them are to be completed, and which are declared
//! twice.

use crate::cli::Context;
use crate::cli::check::Finding;
use crate::config::Config;
use crate::domain::language::{Text, counted, text};
use crate::store::Store;

/// Ids that one line names.
const NAMED: usize = 10;

/// Nothing where the store cannot be read: that is a finding of its own.
pub(super) async fn look(config: &Config, context: &mut Context) -> Vec<Finding> {
    let Ok(store) = Store::open_to_read(&config.store).await else {
        return Vec::new();
    };
    context.keep(&store);
    let (Ok(incomplete), Ok(twice)) = (store.incomplete().await, store.known_twice().await) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let lacking = |lacks: fn(&crate::store::imported::Incomplete) -> bool| -> Vec<&str> {
        incomplete
            .iter()
            .filter(|t| lacks(t))
            .map(|t| t.id.as_str())
            .collect()
    };
    let without_people = lacking(|t| t.no_people);
    if !without_people.is_empty() {
        let (n, ids) = (count(&without_people), named(&without_people));
        findings.push(Finding::doubtful(
            "imported",
            text!(
                "{{}} without a recipient, only the contact is told: {ids}",
                "{{}} sans destinataire, seul le contact est prévenu : {ids}"
            )
            .with(&n),
            text!(
                "import them again with a column `recipients`, or with `--recipient`",
                "les importer à nouveau avec une colonne `recipients`, ou avec `--recipient`"
            ),
        ));
    }
    let without_number = lacking(|t| t.no_number);
    if !without_number.is_empty() {
        let (n, ids) = (count(&without_number), named(&without_number));
        findings.push(Finding::doubtful(
            "imported",
            text!(
                "{{}} without a Data Pass number, whose mails carry no link to the form: {ids}",
                "{{}} sans numéro Data Pass, dont les courriels n’ont pas de lien vers le formulaire : {ids}"
            )
            .with(&n),
            text!(
                "import them again with a column `datapass_id`",
                "les importer à nouveau avec une colonne `datapass_id`"
            ),
        ));
    }
    for (imported, other) in twice.iter().take(NAMED) {
        findings.push(Finding::doubtful(
            "imported",
            text!(
                "`{imported}` and `{other}` have the same jti: they are one token, and its people are reminded twice",
                "`{imported}` et `{other}` ont le même jti : c’est un seul jeton, dont les destinataires sont prévenus deux fois"
            ),
            text!("`jetond archive {imported}`", "`jetond archive {imported}`"),
        ));
    }
    findings
}

fn count(ids: &[&str]) -> Text {
    counted(
        ids.len(),
        ["imported token", "imported tokens"],
        ["jeton importé", "jetons importés"],
    )
}

fn named(ids: &[&str]) -> String {
    let shown = ids[..ids.len().min(NAMED)].join(", ");
    if ids.len() > NAMED {
        format!("{shown}, …")
    } else {
        shown
    }
}
