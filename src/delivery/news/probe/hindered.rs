//! The notes about a token that cannot be asked about, or is asked about in vain: its people
//! believe it watched, and it is not.

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::delivery::desk::Desk;
use crate::delivery::news::{day, draft, name_of, to_contact};
use crate::domain::language::{Text, text};
use crate::domain::verdict::Reading;
use crate::store::error::Result;
use crate::store::heard::OLD;
use crate::store::settle::NewNote;
use crate::store::{Store, Tx};

/// A hindrance is told once it has lasted so long: what is mended at once needs no mail.
const PATIENCE: Duration = Duration::days(1);

const KIND: &str = "note_probe_hindered";

/// How the day of an outage stands in a cause.
const DAY: &str = "%Y%m%d";

/// Whether a hindrance since then is to be told.
pub fn lasts(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - since >= PATIENCE
}

/// The note about a hindrance, with why, in both languages; none, once it was queued.
///
/// # Errors
/// When the store cannot be read.
pub async fn notes(
    store: &Store,
    desk: &Desk,
    token: i64,
    (since, why): (DateTime<Utc>, &Text),
    now: DateTime<Utc>,
) -> Result<Vec<NewNote>> {
    let Some(token) = store.token_of(token).await? else {
        return Ok(Vec::new());
    };
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
        unwatched(),
        text!(
            "`jetond check` says of each `secret` whether it can be used. Once that is mended, the daemon asks again by itself. To ask no more about this token, take `secret` out of the entry `{id}` in the configuration.",
            "`jetond check` dit de chaque `secret` s’il est utilisable. Une fois corrigé, le service interroge de nouveau de lui-même. Pour ne plus interroger l’API sur ce jeton, retirer `secret` de l’entrée `{id}` dans la configuration."
        ),
    ];
    let mut fresh = Vec::new();
    for note in to_contact(desk, &token, draft(KIND, cause, subject, body), now) {
        if !store.has_note(&note).await? {
            fresh.push(note);
        }
    }
    Ok(fresh)
}

/// The note about a token that is asked about in vain since then, with what was heard last. Queued
/// again it stays one.
///
/// # Errors
/// When the store cannot be read.
pub async fn in_vain(
    tx: &mut Tx,
    desk: &Desk,
    token: i64,
    (since, reading): (DateTime<Utc>, &Reading),
    now: DateTime<Utc>,
) -> Result<Vec<NewNote>> {
    let Some(token) = tx.token_of(token).await? else {
        return Ok(Vec::new());
    };
    // One outage is one note to each contact, though not every token is asked about on its first
    // day. One that begins later is none that was told within that time.
    let about = "in-vain:";
    let on = desk.calendar.date(since);
    let told = tx.noted_last(KIND, about).await?;
    let told = told.first().and_then(|noted| {
        let began = noted.cause.strip_prefix(about)?;
        let began = NaiveDate::parse_from_str(began, DAY).ok()?;
        ((on - began).abs() < OLD).then_some(began)
    });
    let cause = format!("{about}{}", told.unwrap_or(on).format(DAY));
    let name = name_of(&token);
    let Text { en, fr } = day(desk, since);
    let subject = text!(
        "API Entreprise says nothing: token “{name}”",
        "API Entreprise n’en dit plus rien : jeton « {name} »"
    );
    let said = reading.in_short();
    let (said_en, said_fr) = (said.en, said.fr);
    let body = vec![
        text!(
            "Since {en} jetond has asked API Entreprise about the token “{name}” and learnt nothing of it. The last try: {said_en}.",
            "Depuis le {fr}, jetond interroge API Entreprise sur le jeton « {name} » sans rien en apprendre. Dernier essai : {said_fr}."
        ),
        unwatched(),
        text!(
            "`jetond check --online` says whether API Entreprise can be reached from this machine. Often a firewall is closed, a proxy answers in its place, or `allow_private` or `ca_file` in `[probe]` are not right any more. Once that is mended, the daemon asks again by itself.",
            "`jetond check --online` dit si API Entreprise est joignable depuis cette machine. Souvent, un pare-feu est fermé, un mandataire répond à sa place, ou `allow_private` ou `ca_file` de `[probe]` ne conviennent plus. Une fois corrigé, le service interroge de nouveau de lui-même."
        ),
    ];
    Ok(to_contact(
        desk,
        &token,
        draft(KIND, cause, subject, body),
        now,
    ))
}

/// What it means for the people of a token.
fn unwatched() -> Text {
    text!(
        "Its reminders leave as before. But if it is withdrawn, or refused for another reason, nobody will be told. Other tokens may be concerned: `jetond status` names them.",
        "Ses rappels partent comme avant. Mais s’il est révoqué, ou refusé pour une autre raison, personne n’en sera prévenu. D’autres jetons sont peut-être concernés : `jetond status` les nomme."
    )
}
