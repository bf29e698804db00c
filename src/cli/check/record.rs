//! Tokens whose record has moved on since the file was read: which line is to change.

use crate::cli::check::{Finding, SHOWN};
use crate::cli::when;
use crate::config::Loaded;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{By, State};
use crate::store::Store;
use crate::store::error::Result;
use crate::store::record::Token;

/// One finding for each line that says an expiry which a renewal has left behind. A date that
/// the store has not read yet is no such line, nor is the day of a revocation to come.
pub(super) async fn findings(loaded: &Loaded, store: &Store) -> Result<Vec<Finding>> {
    let config = &loaded.config;
    let tokens = store.tokens().await?;
    let on_record: std::collections::HashMap<&str, &Token> =
        tokens.iter().map(|t| (t.id.as_str(), t)).collect();
    let behind: Vec<(usize, &Token)> = config
        .tokens
        .iter()
        .enumerate()
        .filter_map(|(no, declared)| {
            let token = *on_record.get(declared.id.as_str())?;
            let end = token.revoked_from.unwrap_or(token.period.expires);
            let is_behind = token.state == State::Active
                && token.file_expires == Some(declared.expires)
                && end != declared.expires;
            is_behind.then_some((no, token))
        })
        .collect();
    let mut findings: Vec<Finding> = behind
        .iter()
        .take(SHOWN)
        .map(|(no, token)| one(loaded, *no, token))
        .collect();
    findings.extend(
        config
            .tokens
            .iter()
            .enumerate()
            .filter_map(|(no, declared)| {
                let token = *on_record.get(declared.id.as_str())?;
                dated_after_its_end(token).then(|| ended(loaded, no, token))
            })
            .take(SHOWN),
    );
    if let Some(more) = behind.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        findings.push(Finding::doubtful(
            "record",
            text!("… and {more} more", "… et {more} autres"),
            text!(
                "`jetond list --json` has the dates of all",
                "`jetond list --json` donne les dates de tous"
            ),
        ));
    }
    Ok(findings)
}

/// Whether the file gave a date to a token that a person had ended before.
fn dated_after_its_end(token: &Token) -> bool {
    token.state != State::Active
        && token.state_by == By::Person
        && token.source == "file"
        && token.period.dated_at > token.state_at
}

fn ended(loaded: &Loaded, no: usize, token: &Token) -> Finding {
    let place = loaded.date_of(no);
    let id = &token.id;
    let since = when::day(token.state_at, &loaded.config.calendar);
    let state = match token.state {
        State::Active | State::Archived => text!("archived", "archivé"),
        State::Superseded => text!("superseded", "remplacé"),
        State::Revoked => text!("revoked", "révoqué"),
    };
    let Text { en, fr } = state;
    let mut finding = Finding::doubtful(
        "record",
        text!(
            "{place}: `{id}` has a new date in the file, but is {en} since {since}: no reminder leaves",
            "{place} : `{id}` a une nouvelle date dans le fichier, mais il est {fr} depuis le {since} : aucun rappel ne part"
        ),
        text!(
            "`jetond restore {id}` if it lives on; else take it out of the file",
            "`jetond restore {id}` s’il vit encore ; sinon, le retirer du fichier"
        ),
    );
    finding.place = Some(place);
    finding
}

fn one(loaded: &Loaded, no: usize, token: &Token) -> Finding {
    let calendar = &loaded.config.calendar;
    let place = loaded.date_of(no);
    let id = &token.id;
    let recorded = when::day(token.revoked_from.unwrap_or(token.period.expires), calendar);
    let in_file = when::day(loaded.config.tokens[no].expires, calendar);
    let on = when::day(token.period.dated_at, calendar);
    let Text { en, fr } = crate::words::event::who(&token.source);
    let mut finding = Finding::doubtful(
        "record",
        text!(
            "{place}: `{id}` is renewed until {recorded} on record ({en}, {on}), the file says {in_file}",
            "{place} : `{id}` est renouvelé jusqu’au {recorded} dans l’historique ({fr}, {on}), le fichier dit {in_file}"
        ),
        text!(
            "`jetond renew {id} --write-config` writes it there",
            "`jetond renew {id} --write-config` l’y écrit"
        ),
    );
    finding.place = Some(place);
    finding
}
