//! The note about a token that cannot be asked about: its people believe it watched, and it is not.

use chrono::{DateTime, Duration, Utc};

use crate::delivery::desk::Desk;
use crate::delivery::news::{day, draft, name_of, to_contact};
use crate::domain::language::{Text, text};
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::settle::NewNote;

/// A hindrance is told once it has lasted so long: what is mended at once needs no mail.
const PATIENCE: Duration = Duration::days(1);

/// Whether a hindrance since then is to be told.
pub fn lasts(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - since >= PATIENCE
}

/// The note about a hindrance, with why, in both languages. Queued again it stays one.
///
/// # Errors
/// When the store cannot be read.
pub async fn notes(
    tx: &mut Tx,
    desk: &Desk,
    token: i64,
    (since, why): (DateTime<Utc>, &Text),
    now: DateTime<Utc>,
) -> Result<Vec<NewNote>> {
    let Some(token) = tx.token_of(token).await? else {
        return Ok(Vec::new());
    };
    let kind = "note_probe_hindered";
    // What befalls many tokens at once is one note to each contact.
    let cause = format!("hindrance:{}", desk.calendar.date(since));
    let (name, id) = (name_of(&token), &token.id);
    let Text { en, fr } = day(desk, since);
    let subject = text!(
        "API Entreprise cannot be asked: token “{name}”",
        "API Entreprise ne peut pas être interrogée : jeton « {name} »"
    );
    let why = text!("{{}}", "{{}}").with(why);
    let (why_en, why_fr) = (why.en, why.fr);
    let body = vec![
        text!(
            "Since {en} jetond has not been able to ask API Entreprise about the token “{name}”: {why_en}.",
            "Depuis le {fr}, jetond ne peut plus interroger API Entreprise sur le jeton « {name} » : {why_fr}."
        ),
        text!(
            "Its reminders leave as before. But if it is withdrawn, or refused for another reason, nobody will be told. Other tokens may be concerned: `jetond status` names them.",
            "Ses rappels partent comme avant. Mais s’il est révoqué, ou refusé pour une autre raison, personne n’en sera prévenu. D’autres jetons sont peut-être concernés : `jetond status` les nomme."
        ),
        text!(
            "`jetond check` says of each `secret` whether it can be used. Once that is mended, the daemon asks again by itself. To ask no more about this token, take `secret` out of the entry `{id}` in the configuration.",
            "`jetond check` dit de chaque `secret` s’il est utilisable. Une fois corrigé, le service interroge de nouveau de lui-même. Pour ne plus interroger l’API sur ce jeton, retirer `secret` de l’entrée `{id}` dans la configuration."
        ),
    ];
    Ok(to_contact(
        desk,
        &token,
        draft(kind, cause, subject, body),
        now,
    ))
}
