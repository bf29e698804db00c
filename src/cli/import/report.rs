//! What an import is told as: each line's outcome, or each line's fault.

use serde_json::{Value, json};

use crate::cli::import::Args;
use crate::cli::{Context, Exit, Failure, when};
use crate::config::Config;
use crate::domain::language::{Text, counted, text};
use crate::renewal::import::{Done, Fate, Fault, Outcome};
use crate::words::count;

/// Faults shown one by one; `--json` has them all.
const SHOWN: usize = 50;

/// Something about a line of the list, with its place before it.
pub(super) fn about(name: &str, line: usize, said: &Text) -> Text {
    match line {
        0 => text!("{name}: {{}}", "{name}: {{}}").with(said),
        _ => text!("{name}:{line}: {{}}", "{name}:{line}: {{}}").with(said),
    }
}

pub(super) fn refused(name: &str, faults: &[Fault], context: &mut Context) -> Failure {
    let lang = context.out.lang;
    for fault in faults.iter().take(SHOWN) {
        let said = match fault.column {
            Some(column) => text!("`{column}`: {{}}", "`{column}` : {{}}").with(&fault.said),
            None => fault.said.clone(),
        };
        context.out.note(&about(name, fault.line, &said));
    }
    if faults.len() > SHOWN {
        let more = faults.len() - SHOWN;
        context.out.note(&text!(
            "… and {more} more (`--json` lists them all)",
            "… et {more} de plus (`--json` les donne tous)"
        ));
    }
    let Text { en, fr } = counted(faults.len(), ["fault", "faults"], ["défaut", "défauts"]);
    let mut failure = Failure::new(
        Exit::Refused,
        "import_refused",
        text!(
            "the list has {en}; nothing was changed",
            "la liste a {fr} ; rien n’a changé"
        ),
    );
    let rows: Vec<Value> = faults
        .iter()
        .map(|f| json!({"line": f.line, "column": f.column, "message": f.said.in_lang(lang)}))
        .collect();
    failure.details = Some(Box::new(json!(rows)));
    failure
}

pub(super) fn empty() -> Failure {
    Failure::new(
        Exit::Refused,
        "import_empty",
        text!(
            "the list has no token: with --sync it would archive everything; nothing was changed",
            "la liste n’a aucun jeton : avec --sync elle archiverait tout ; rien n’a changé"
        ),
    )
    .hint(text!(
        "if that is meant, add `--archive-missing`",
        "si c’est voulu, ajouter `--archive-missing`"
    ))
}

pub(super) fn accident(missing: &[String], active: usize) -> Failure {
    let n = missing.len();
    let mut failure = Failure::new(
        Exit::Refused,
        "too_many_missing",
        text!(
            "{n} of the {active} imported tokens are missing from the list, more than a quarter: nothing was changed",
            "{n} des {active} jetons importés manquent dans la liste, plus du quart : rien n’a changé"
        ),
    )
    .hint(text!(
        "if the list is whole, add `--archive-missing`; if it is about one client only, add `--client KEY`",
        "si la liste est complète, ajouter `--archive-missing` ; si elle ne concerne qu’un client, ajouter `--client CLÉ`"
    ));
    failure.details = Some(Box::new(json!(missing)));
    failure
}

pub(super) fn report(
    args: &Args,
    outcome: &Outcome,
    config: &Config,
    context: &mut Context,
) -> Result<(), Failure> {
    if context.out.json {
        return print_json(args, outcome, config, context);
    }
    let lang = context.out.lang;
    let day = |at| when::day(at, &config.calendar);
    let mut rows: Vec<Vec<String>> = outcome
        .done
        .iter()
        .filter(|d| d.fate != Fate::Unchanged || !d.remarks.is_empty())
        .map(|d| {
            let dates = match d.before.map(day) {
                Some(before) if before != day(d.after) => format!("{before} → {}", day(d.after)),
                Some(_) | None => day(d.after),
            };
            let remarks: Vec<&str> = d.remarks.iter().map(|r| r.in_lang(lang)).collect();
            vec![
                d.line.to_string(),
                d.token.clone(),
                fate(d).in_lang(lang).to_owned(),
                dates,
                remarks.join(" ; "),
            ]
        })
        .collect();
    let archived = text!("archived", "archivé");
    rows.extend(outcome.archived.iter().map(|id| {
        let what = archived.in_lang(lang).to_owned();
        vec![
            "-".to_owned(),
            id.clone(),
            what,
            String::new(),
            String::new(),
        ]
    }));
    let head = lang.pick(
        ["LINE", "TOKEN", "WHAT", "EXPIRES", "REMARKS"],
        ["LIGNE", "JETON", "QUOI", "EXPIRE", "REMARQUES"],
    );
    context.out.table(&head, &rows, 4)?;
    context.out.note(&summary(args, outcome));
    Ok(())
}

fn fate(d: &Done) -> Text {
    let changed = d.changed.join(", ");
    match d.fate {
        Fate::Added => text!("added", "ajouté"),
        Fate::Renewed => text!("renewed", "renouvelé"),
        Fate::Corrected => text!("corrected", "corrigé"),
        Fate::Restored => text!("back", "de retour"),
        Fate::Changed => text!("changed: {changed}", "modifié : {changed}"),
        Fate::Unchanged => text!("unchanged", "inchangé"),
    }
}

fn summary(args: &Args, outcome: &Outcome) -> Text {
    let of = |fate| outcome.done.iter().filter(|d| d.fate == fate).count();
    let parts = [
        (of(Fate::Added), "added", ["ajouté", "ajoutés"]),
        (of(Fate::Renewed), "renewed", ["renouvelé", "renouvelés"]),
        (of(Fate::Corrected), "corrected", ["corrigé", "corrigés"]),
        (of(Fate::Restored), "back", ["de retour", "de retour"]),
        (of(Fate::Changed), "changed", ["modifié", "modifiés"]),
        (of(Fate::Unchanged), "unchanged", ["inchangé", "inchangés"]),
        (outcome.archived.len(), "archived", ["archivé", "archivés"]),
    ];
    let parts: Vec<Text> = parts
        .into_iter()
        .filter(|(n, _, _)| *n > 0)
        .map(|(n, en, fr)| counted(n, [en, en], fr))
        .collect();
    let join = |pick: fn(&Text) -> &str| parts.iter().map(pick).collect::<Vec<_>>().join(", ");
    let (en, fr) = (join(|t| &t.en), join(|t| &t.fr));
    let rows = count::tokens(outcome.done.len());
    let said = match parts.is_empty() {
        true => text!("the list is empty", "la liste est vide"),
        false => text!("{{}}: {en}", "{{}} : {fr}").with(&rows),
    };
    match args.dry_run {
        true => text!(
            "{{}}; nothing was changed",
            "{{}} ; essai à blanc, rien n’a changé"
        )
        .with(&said),
        false => said,
    }
}

fn print_json(
    args: &Args,
    outcome: &Outcome,
    config: &Config,
    context: &mut Context,
) -> Result<(), Failure> {
    let lang = context.out.lang;
    let at = |at| when::rfc3339(at, &config.calendar);
    let mut first = true;
    context.out.open_data("import")?;
    for d in &outcome.done {
        let remarks: Vec<&str> = d.remarks.iter().map(|r| r.in_lang(lang)).collect();
        let row = json!({
            "line": d.line, "token": d.token, "outcome": d.fate.word(), "changed": d.changed,
            "expires_before": d.before.map(at), "expires": at(d.after), "remarks": remarks,
            "dry_run": args.dry_run,
        });
        context.out.row(first, &row)?;
        first = false;
    }
    for id in &outcome.archived {
        let row = json!({
            "line": null, "token": id, "outcome": "archived", "changed": [],
            "expires_before": null, "expires": null, "remarks": [], "dry_run": args.dry_run,
        });
        context.out.row(first, &row)?;
        first = false;
    }
    context.out.close_data()?;
    Ok(())
}
