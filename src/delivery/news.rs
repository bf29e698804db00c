//! News: what people are told when something happened to a token, in notes of their own.
//!
//! An event is written down with what it changed; here it becomes notes, in one transaction
//! that forgets the event: it is told once, whatever crashes. What a note says is read from the
//! record when it is queued, so that it is true.

mod datapass;
pub mod probe;

use std::fmt::Write as _;

use chrono::{DateTime, Duration, Utc};
use sha2::{Digest as _, Sha256};

use crate::delivery::compose;
use crate::delivery::desk::Desk;
use crate::delivery::notes::Draft;
use crate::domain::address::Address;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::{News, State, Who};
use crate::domain::token::Role;
use crate::store::error::Result;
use crate::store::outbox::Person;
use crate::store::quiet::Item;
use crate::store::record::Token;
use crate::store::settle::NewNote;
use crate::store::{Store, Tx};

use self::datapass::Decision;

/// Events told in one transaction.
const BATCH: i64 = 200;

/// A filed request of which nothing was heard for so long is asked about: an answer takes 11
/// days on average, and 20 at most.
pub const ANSWERED_WITHIN: Duration = Duration::days(20);

/// The official FAQ, which says how a request is transferred to another person.
const FAQ: &str = "https://entreprise.api.gouv.fr/faq";

/// Queues the notes of everything that happened and of which nobody was told yet, and asks
/// about requests that were filed long ago; answers how many notes there were.
///
/// # Errors
/// When the store cannot be written; what was queued before stands.
pub async fn queue(store: &Store, desk: &Desk, now: DateTime<Utc>) -> Result<usize> {
    if !store.has_news(now - ANSWERED_WITHIN).await? {
        return Ok(0);
    }
    let mut queued = 0;
    loop {
        let mut tx = store.begin().await?;
        let news = tx.untold(BATCH).await?;
        let mut notes = Vec::new();
        for item in &news {
            notes.extend(notes_of(&mut tx, desk, item, now).await?);
        }
        let told: Vec<i64> = news.iter().map(|item| item.no).collect();
        tx.told(&told).await?;
        if news.is_empty() {
            notes = ask(&mut tx, desk, now).await?;
        }
        tx.settle(&[], &notes, now).await?;
        tx.commit().await?;
        queued += notes.len();
        if news.is_empty() {
            return Ok(queued);
        }
    }
}

async fn notes_of(
    tx: &mut Tx,
    desk: &Desk,
    item: &Item,
    now: DateTime<Utc>,
) -> Result<Vec<NewNote>> {
    let (Some(no), Some(period)) = (item.token, item.period) else {
        return Ok(Vec::new());
    };
    let Some(token) = tx.token_of(no).await? else {
        return Ok(Vec::new());
    };
    let period_key = format!("period:{}:{period}", token.id);
    // What was asked of a period that is over, or of a token that has ended since, is moot.
    let is_moot = token.period_no != period || token.state != State::Active;
    match item.kind {
        News::Declared
        | News::NotForMe
        | News::RequestRefused
        | News::ChangesRequested
        | News::RequestApproved
            if is_moot =>
        {
            Ok(Vec::new())
        }
        News::Renewed => {
            let (subject, body) = renewed(desk, &token);
            let draft = draft("note_renewed", period_key, subject, body);
            Ok(to_people(
                desk,
                &tx.reminded(no, period).await?,
                &draft,
                now,
            ))
        }
        News::Superseded => {
            let successor = match token.superseded_by.as_deref() {
                Some(id) => tx.token(id).await?,
                None => None,
            };
            let Some(successor) = successor else {
                return Ok(Vec::new());
            };
            let (subject, body) = superseded(desk, &token, &successor);
            let draft = draft("note_superseded", period_key, subject, body);
            Ok(to_people(
                desk,
                &tx.reminded(no, period).await?,
                &draft,
                now,
            ))
        }
        News::RequestRefused => {
            datapass::notes(tx, desk, (item, Decision::Refused), &token, now).await
        }
        News::ChangesRequested => {
            datapass::notes(tx, desk, (item, Decision::ChangesRequested), &token, now).await
        }
        News::RequestApproved => {
            datapass::notes(tx, desk, (item, Decision::Approved), &token, now).await
        }
        News::Declared => {
            let expires = item.detail["expires"]
                .as_str()
                .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
                .map(|at| at.with_timezone(&Utc));
            let by = declared_by(tx, &token, &item.who).await?;
            let (subject, body) = declared(desk, &token, &by, expires);
            let cause = format!("{period_key}:{}:{}", tag(&item.who), item.at.timestamp());
            let draft = draft("note_declared", cause, subject, body);
            Ok(to_contact(desk, &token, draft, now))
        }
        News::NotForMe => {
            let by = declared_by(tx, &token, &item.who).await?;
            let (subject, body) = not_for_me(&token, &by);
            let cause = format!("{period_key}:{}", tag(&item.who));
            let draft = draft("note_not_for_me", cause, subject, body);
            let mut others = tx.people_of(no).await?;
            others.retain(|p| Who::Recipient(p.key.clone()).to_string() != item.who);
            let mut notes = to_people(desk, &others, &draft, now);
            let told: Vec<String> = notes.iter().map(|n| n.recipient.clone()).collect();
            let contact = to_contact(desk, &token, draft, now);
            notes.extend(contact.into_iter().filter(|n| !told.contains(&n.recipient)));
            Ok(notes)
        }
    }
}

/// One note to the demandeur and the contact about each request that was filed long ago.
async fn ask(tx: &mut Tx, desk: &Desk, now: DateTime<Utc>) -> Result<Vec<NewNote>> {
    let mut notes = Vec::new();
    for (no, period, filed_at) in tx.filed_before(now - ANSWERED_WITHIN, now).await? {
        let Some(token) = tx.token_of(no).await? else {
            continue;
        };
        let (subject, body) = unanswered(desk, &token, filed_at);
        let cause = format!(
            "period:{}:{period}:filed:{}",
            token.id,
            filed_at.timestamp()
        );
        let draft = draft("note_filed", cause, subject, body);
        let people: Vec<Person> = tx
            .people_of(no)
            .await?
            .into_iter()
            .filter(|p| p.role == Role::Demandeur.word())
            .collect();
        notes.extend(to_people(desk, &people, &draft, now));
        notes.extend(
            to_contact(desk, &token, draft, now)
                .into_iter()
                .filter(|n| !people.iter().any(|p| p.key == n.recipient)),
        );
    }
    Ok(notes)
}

/// Tells people apart in the key of a note, without naming them: it is kept for ever.
fn tag(who: &str) -> String {
    Sha256::digest(who)[..6]
        .iter()
        .fold(String::new(), |mut tag, byte| {
            // Writing to a String cannot fail.
            let _ = write!(tag, "{byte:02x}");
            tag
        })
}

fn draft(kind: &'static str, cause: String, subject: Text, body: Vec<Text>) -> Draft {
    Draft {
        kind,
        cause,
        subject,
        body,
    }
}

fn to_people(desk: &Desk, people: &[Person], draft: &Draft, now: DateTime<Utc>) -> Vec<NewNote> {
    people
        .iter()
        .filter_map(|p| {
            let to = Address::parse(&p.address).ok()?;
            let lang = Lang::parse(&p.language).unwrap_or(desk.language);
            Some(desk.note_in(lang, &to, draft.clone(), now))
        })
        .collect()
}

fn to_contact(desk: &Desk, token: &Token, draft: Draft, now: DateTime<Utc>) -> Vec<NewNote> {
    let contact = Address::parse(&token.facts.contact).unwrap_or_else(|_| desk.contact.clone());
    vec![desk.note_to(&contact, draft, now)]
}

/// The name of a token as a mail says it, with its client's.
fn name_of(token: &Token) -> String {
    match &token.facts.client_name {
        Some(client) => format!("{} ({client})", token.facts.name),
        None => token.facts.name.clone(),
    }
}

/// A day in both languages.
/// A day, in both languages.
pub(super) fn day(desk: &Desk, at: DateTime<Utc>) -> Text {
    let on = desk.calendar.date(at);
    Text {
        en: compose::date(Lang::En, on),
        fr: compose::date(Lang::Fr, on),
    }
}

fn renewed(desk: &Desk, token: &Token) -> (Text, Vec<Text>) {
    let name = name_of(token);
    let Text { en, fr } = day(desk, token.period.expires);
    let subject = text!(
        "Renewed: token “{name}”, until {en}",
        "Renouvelé : jeton « {name} », jusqu’au {fr}"
    );
    let body = vec![
        text!(
            "You had been reminded that the token “{name}” was about to expire. It is renewed: it is valid until {en}. There is nothing left to do, and no further reminder leaves for the former date.",
            "Vous aviez été prévenu que le jeton « {name} » arrivait à échéance. Il est renouvelé : il est valable jusqu’au {fr}. Il n’y a plus rien à faire, et plus aucun rappel ne partira pour l’ancienne date."
        ),
        text!(
            "If the same token was prolonged, nothing has to be installed. After a renewal the API may take up to an hour to accept it again.",
            "Si c’est le même jeton qui a été prolongé, rien n’est à installer. Après un renouvellement, l’API peut mettre jusqu’à une heure à l’accepter de nouveau."
        ),
    ];
    (subject, body)
}

fn superseded(desk: &Desk, old: &Token, new: &Token) -> (Text, Vec<Text>) {
    let (before, after) = (name_of(old), name_of(new));
    let id = &new.id;
    let until = day(desk, new.period.expires);
    let end = day(desk, old.period.expires);
    let Text { en, fr } = until;
    let (end_en, end_fr) = (end.en, end.fr);
    let subject = text!(
        "Replaced: token “{before}”, by a new one valid until {en}",
        "Remplacé : jeton « {before} », par un nouveau valable jusqu’au {fr}"
    );
    let body = vec![
        text!(
            "You had been reminded that the token “{before}” was about to expire. Another token takes its place: “{after}” ({id}), valid until {en}. No further reminder leaves for the former one.",
            "Vous aviez été prévenu que le jeton « {before} » arrivait à échéance. Un autre jeton prend sa place : « {after} » ({id}), valable jusqu’au {fr}. Plus aucun rappel ne partira pour l’ancien."
        ),
        text!(
            "The former token dies on its own date, {end_en}. If it is still installed somewhere, it has to be replaced before then.",
            "L’ancien jeton s’éteint à sa propre date, le {end_fr}. S’il est encore installé quelque part, il doit être remplacé d’ici là."
        ),
    ];
    (subject, body)
}

/// A recipient's name and address, or what the journal calls them.
async fn declared_by(tx: &mut Tx, token: &Token, who: &str) -> Result<String> {
    let Some(key) = who.strip_prefix("recipient:") else {
        return Ok(who.to_owned());
    };
    let people = tx.people_of(token.no).await?;
    Ok(people
        .into_iter()
        .find(|p| p.key == key)
        .map_or_else(|| key.to_owned(), |p| p.address))
}

fn declared(
    desk: &Desk,
    token: &Token,
    by: &str,
    expires: Option<DateTime<Utc>>,
) -> (Text, Vec<Text>) {
    let (name, id, dashboard) = (name_of(token), &token.id, &desk.dashboard);
    let subject = text!(
        "To confirm: token “{name}” is said to be renewed",
        "À confirmer : le jeton « {name} » serait renouvelé"
    );
    let given = match expires {
        Some(at) => {
            let Text { en, fr } = day(desk, at);
            text!(
                "{by} says that the token “{name}” is renewed, until {en}.",
                "{by} indique que le jeton « {name} » est renouvelé, jusqu’au {fr}."
            )
        }
        None => text!(
            "{by} says that the token “{name}” is renewed, without giving the new date.",
            "{by} indique que le jeton « {name} » est renouvelé, sans donner la nouvelle date."
        ),
    };
    let date = expires.map_or_else(
        || text!("YYYY-MM-DD", "AAAA-MM-JJ"),
        |at| {
            let on = desk.calendar.date(at);
            text!("{on}", "{on}")
        },
    );
    let (date_en, date_fr) = (date.en, date.fr);
    let Text { en, fr } = day(desk, token.period.expires);
    let body = vec![
        given,
        text!(
            "Please look it up on the dashboard ({dashboard}), and confirm it with `jetond renew {id} --expires {date_en}`. If it is not renewed: `jetond renew {id} --not-renewed`; its reminders then go on.",
            "Merci de vérifier sur le tableau de bord ({dashboard}), et de le confirmer avec `jetond renew {id} --expires {date_fr}`. S’il n’est pas renouvelé : `jetond renew {id} --not-renewed` ; les rappels reprennent alors."
        ),
        text!(
            "Until then the token counts as expiring on {en}: its reminders are silent, but those from 15 days before that date on leave all the same.",
            "D’ici là, le jeton compte comme expirant le {fr} : ses rappels se taisent, mais ceux des 15 derniers jours partiront quand même."
        ),
    ];
    (subject, body)
}

fn not_for_me(token: &Token, by: &str) -> (Text, Vec<Text>) {
    let (name, id) = (name_of(token), &token.id);
    let subject = text!(
        "Not for them: reminders of token “{name}”",
        "Pas pour cette personne : rappels du jeton « {name} »"
    );
    let body = vec![
        text!(
            "{by} says that the reminders of the token “{name}” ({id}) are not for them.",
            "{by} indique que les rappels du jeton « {name} » ({id}) ne lui sont pas destinés."
        ),
        text!(
            "Nothing has changed: they are still told, and so are you. Whoever keeps the list of recipients may put someone else in their place. If they were the applicant, the request on Data Pass can be transferred:",
            "Rien n’a changé : cette personne reste prévenue, et vous aussi. Qui tient la liste des destinataires peut mettre quelqu’un d’autre à sa place. S’il s’agit du demandeur, la demande sur Data Pass peut être transférée :"
        ),
        text!("{FAQ}", "{FAQ}"),
    ];
    (subject, body)
}

fn unanswered(desk: &Desk, token: &Token, filed_at: DateTime<Utc>) -> (Text, Vec<Text>) {
    let (name, id, dashboard) = (name_of(token), &token.id, &desk.dashboard);
    let filed = day(desk, filed_at);
    let Text { en, fr } = day(desk, token.period.expires);
    let (filed_en, filed_fr) = (filed.en, filed.fr);
    let subject = text!(
        "No answer yet: renewal of token “{name}”",
        "Sans réponse : renouvellement du jeton « {name} »"
    );
    let body = vec![
        text!(
            "The renewal request for the token “{name}” was filed on {filed_en}, more than 20 days ago, and no outcome is on record. The token expires on {en}.",
            "La demande de renouvellement du jeton « {name} » a été déposée le {filed_fr}, il y a plus de 20 jours, et aucune suite n’est enregistrée. Le jeton expire le {fr}."
        ),
        text!(
            "Please look at the request on Data Pass and on the dashboard ({dashboard}). A question of the instructor may be waiting for an answer.",
            "Merci de regarder où en est la demande sur Data Pass et sur le tableau de bord ({dashboard}). Une question de l’instructeur attend peut-être une réponse."
        ),
        text!(
            "If it is accepted: `jetond renew {id} --issued DATE`. If it was refused: `jetond filed {id} --refused`; its reminders then go on.",
            "Si elle est acceptée : `jetond renew {id} --issued DATE`. Si elle a été refusée : `jetond filed {id} --refused` ; les rappels reprennent alors."
        ),
    ];
    (subject, body)
}
