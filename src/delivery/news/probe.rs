//! What people are told of the API's answers: a token that works past its date, one that is dead
//! before it, one that works again, rights that changed, an address that is not allowed.
//!
//! Each is told once: a death by its first answer, a prolongation by its period. Answers that come
//! and go, of an address or a right, are told again after a month at the soonest. A death leaves on any
//! day, within the hours of the window; its end is told to those whom it had reached. Faults of the
//! service make no note.

mod dead;
pub mod hindered;

use chrono::{DateTime, Duration, Utc};

use self::dead::Death;
use super::{day, draft, name_of, tag, to_contact, to_people};
use crate::delivery::compose;
use crate::delivery::desk::Desk;
use crate::delivery::notes::{Draft, Words};
use crate::domain::address::Address;
use crate::domain::language::{Lang, Text, text};
use crate::domain::probing::Consequence;
use crate::domain::verdict::Reading;
use crate::domain::verdict::words::SUPPORT;
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::heard::{Noted, death_cause};
use crate::store::outbox::{NOTE_DEAD, NOTE_HEALED, Person};
use crate::store::record::Token;
use crate::store::settle::NewNote;

/// What was told of an address, or of the same rights, is told again after so long at the
/// soonest: answers that change daily make no mail a day.
const SAME_AGAIN: Duration = Duration::days(30);

/// Rights that a note names one by one.
const LISTED: usize = 40;

/// The notes about what follows from an answer, to be queued in the transaction that writes it
/// down; before or after [`Tx::put_answer`], it is the same.
///
/// # Errors
/// When the store cannot be read.
pub async fn notes(
    tx: &mut Tx,
    desk: &Desk,
    token: i64,
    consequences: &[Consequence],
    reading: &Reading,
    now: DateTime<Utc>,
) -> Result<Vec<NewNote>> {
    // Whatever is believed: a change of the record voids a belief, and no promise.
    let healed = if reading.case.verdict().proves_life() {
        tx.end_death(token, now).await?
    } else {
        Vec::new()
    };
    if consequences.is_empty() && healed.is_empty() {
        return Ok(Vec::new());
    }
    let Some(record) = tx.token_of(token).await? else {
        return Ok(Vec::new());
    };
    let told = Told {
        desk,
        token: &record,
        now,
    };
    let id = &record.id;
    let period = format!("period:{id}:{}", record.period_no);
    let mut notes: Vec<NewNote> = healed.into_iter().filter_map(|n| told.healed(n)).collect();
    for consequence in consequences {
        match consequence {
            Consequence::Prolonged => {
                let (subject, body) = told.prolonged();
                let draft = draft("note_probe_prolonged", period.clone(), subject, body);
                notes.extend(to_contact(desk, &record, draft, now));
            }
            Consequence::DeadEarly(verdict) => {
                let Some(death) = Death::of(*verdict) else {
                    continue;
                };
                let since = tx.dead_since(token, *verdict).await?.unwrap_or(now);
                let people = tx.people_of(token).await?;
                let others = tx.others_refused(token, now).await?;
                let (subject, body) = told.dead(death, reading, (since, others), &people);
                let draft = draft(NOTE_DEAD, death_cause(id, since), subject, body);
                let mut of_death = to_everybody(desk, &record, &people, draft, now);
                for note in &mut of_death {
                    note.next_at = desk.calendar.next_urgent(now);
                }
                notes.extend(of_death);
            }
            Consequence::ExpiryProven => {
                // A reminder that says so goes out anyway, where any does after the date.
                if desk.schedule.stages().iter().any(|stage| stage.days() < 0) {
                    continue;
                }
                let (subject, body) = told.expired();
                let draft = draft("note_probe_expired", period.clone(), subject, body);
                notes.extend(to_contact(desk, &record, draft, now));
            }
            Consequence::Scopes { gained, lost } => {
                let (subject, body) = told.scopes(gained, lost);
                let which = tag(&format!("{gained:?}{lost:?}"));
                let about = ("note_probe_scopes", format!("rights:{period}:{which}:"));
                notes.extend(told.unless_told(tx, about, (subject, body)).await?);
            }
            Consequence::AddressNotAllowed => {
                let (subject, body) = told.address();
                let about = ("note_probe_address", format!("address:{period}:"));
                notes.extend(told.unless_told(tx, about, (subject, body)).await?);
            }
        }
    }
    Ok(notes)
}

/// The instant that ends a cause.
fn began(cause: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(cause.rsplit(':').next()?.parse().ok()?, 0)
}

fn to_everybody(
    desk: &Desk,
    token: &Token,
    people: &[Person],
    draft: Draft,
    now: DateTime<Utc>,
) -> Vec<NewNote> {
    let mut notes = to_people(desk, people, &draft, now);
    let told: Vec<String> = notes.iter().map(|n| n.recipient.clone()).collect();
    let contact = to_contact(desk, token, draft, now);
    notes.extend(contact.into_iter().filter(|n| !told.contains(&n.recipient)));
    notes
}

/// A right as it may stand in a list: what the API wrote is data.
fn right(scope: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || "_-.:/".contains(*c);
    scope.chars().filter(plain).take(80).collect()
}

/// A list of rights, in both languages.
fn rights(scopes: &[String]) -> Text {
    let listed = scopes.iter().take(LISTED);
    let mut lines: Vec<String> = listed.map(|s| format!("- {}", right(s))).collect();
    if scopes.len() > LISTED {
        lines.push("- …".to_owned());
    }
    let lines = lines.join("\n");
    text!("{lines}", "{lines}")
}

/// What a note is made from.
struct Told<'a> {
    desk: &'a Desk,
    token: &'a Token,
    now: DateTime<Utc>,
}

impl Told<'_> {
    /// A note to the contact, unless one of this kind and cause was queued within [`SAME_AGAIN`].
    async fn unless_told(
        &self,
        tx: &mut Tx,
        (kind, about): (&'static str, String),
        (subject, body): (Text, Vec<Text>),
    ) -> Result<Vec<NewNote>> {
        let noted = tx.noted_last(kind, &about).await?;
        let told_at = noted.first().and_then(|n| began(&n.cause));
        if told_at.is_some_and(|at| self.now - at < SAME_AGAIN) {
            return Ok(Vec::new());
        }
        let cause = format!("{about}{}", self.now.timestamp());
        let draft = draft(kind, cause, subject, body);
        Ok(to_contact(self.desk, self.token, draft, self.now))
    }

    /// A day and its hour, in both languages.
    fn moment(&self, at: DateTime<Utc>) -> Text {
        let said = |lang| compose::moment(lang, &self.desk.calendar, at);
        Text {
            en: said(Lang::En),
            fr: said(Lang::Fr),
        }
    }

    fn prolonged(&self) -> (Text, Vec<Text>) {
        let (name, id) = (name_of(self.token), &self.token.id);
        let dashboard = &self.desk.dashboard;
        let end = day(self.desk, self.token.period.expires);
        let Text { en, fr } = day(self.desk, self.now);
        let (end_en, end_fr) = (end.en, end.fr);
        let subject = text!(
            "Works past its date: token “{name}”",
            "Prolongé ? Le jeton « {name} » fonctionne après sa date"
        );
        let body = vec![
            text!(
                "The token “{name}” was to end on {end_en}. On {en} API Entreprise answered that it still works: it was most likely prolonged.",
                "Le jeton « {name} » devait prendre fin le {end_fr}. Le {fr}, API Entreprise a répondu qu’il fonctionne toujours : il a très probablement été prolongé."
            ),
            text!(
                "API Entreprise gives no date. Please look up the new one on the dashboard ({dashboard}), and give it with this command:",
                "API Entreprise ne donne pas de date. Merci de relever la nouvelle sur le tableau de bord ({dashboard}), et de la donner avec cette commande :"
            ),
            text!(
                "`jetond renew {id} --expires YYYY-MM-DD`",
                "`jetond renew {id} --expires AAAA-MM-JJ`"
            ),
            text!(
                "Until then the former date stays on record, and reminders go on for it.",
                "D’ici là, l’ancienne date reste enregistrée, et les rappels continuent pour elle."
            ),
        ];
        (subject, body)
    }

    fn expired(&self) -> (Text, Vec<Text>) {
        let (name, dashboard) = (name_of(self.token), &self.desk.dashboard);
        let end = day(self.desk, self.token.period.expires);
        let Text { en, fr } = day(self.desk, self.now);
        let (end_en, end_fr) = (end.en, end.fr);
        let subject = text!(
            "Access cut: token “{name}” has expired",
            "Accès coupé : le jeton « {name} » a expiré"
        );
        let body = vec![
            text!(
                "The token “{name}” expired on {end_en}. On {en} API Entreprise confirmed that it refuses it (error 401, code 00103).",
                "Le jeton « {name} » a expiré le {end_fr}. Le {fr}, API Entreprise a confirmé qu’elle le refuse (erreur 401, code 00103)."
            ),
            self.stops(),
            text!(
                "Only the applicant (demandeur) can file its renewal on Data Pass; the result appears on the dashboard ({dashboard}).",
                "Seul le demandeur peut déposer la demande de renouvellement sur Data Pass ; le résultat s’affiche sur le tableau de bord ({dashboard})."
            ),
        ];
        (subject, body)
    }

    /// The end of a death, to one of those who were told of it.
    fn healed(&self, noted: Noted) -> Option<NewNote> {
        let name = name_of(self.token);
        let to = Address::parse(&noted.address).ok()?;
        let words = noted.words.and_then(|row| Words::read(&row).ok());
        let lang = words.map_or(self.desk.language, |w| w.language);
        let began = self.moment(began(&noted.cause)?);
        let Text { en, fr } = self.moment(self.now);
        let (began_en, began_fr) = (began.en, began.fr);
        let subject = text!(
            "Works again: token “{name}”",
            "De nouveau accepté : jeton « {name} »"
        );
        let body = vec![
            text!(
                "On {en} API Entreprise accepted the token “{name}” again. It had refused it since {began_en}.",
                "Le {fr}, API Entreprise a de nouveau accepté le jeton « {name} ». Elle le refusait depuis le {began_fr}."
            ),
            text!(
                "Nothing has to be done here. API Entreprise keeps what it knows of a token for an hour: a service that still fails may need as long.",
                "Il n’y a rien à faire ici. API Entreprise garde en mémoire ce qu’elle sait d’un jeton pendant une heure : un service qui échoue encore peut avoir besoin de ce délai."
            ),
        ];
        let draft = draft(NOTE_HEALED, noted.cause, subject, body);
        Some(self.desk.note_in(lang, &to, draft, self.now))
    }

    fn scopes(&self, gained: &[String], lost: &[String]) -> (Text, Vec<Text>) {
        let (name, dashboard) = (name_of(self.token), &self.desk.dashboard);
        let Text { en, fr } = day(self.desk, self.now);
        let subject = if lost.is_empty() {
            text!(
                "New rights: token “{name}”",
                "Nouveaux droits : jeton « {name} »"
            )
        } else {
            text!(
                "Warning: rights lost, token “{name}”",
                "Attention : droits perdus, jeton « {name} »"
            )
        };
        let mut body = vec![text!(
            "On {en} API Entreprise named the rights of the token “{name}”. They are not those of its answer before.",
            "Le {fr}, API Entreprise a donné les droits du jeton « {name} ». Ce ne sont plus ceux de sa réponse précédente."
        )];
        if !lost.is_empty() {
            body.push(text!("## Lost", "## Perdus"));
            body.push(rights(lost));
            body.push(text!(
                "Calls that need them are refused from now on (error 403, code 00100); the token itself works. If that is not meant, the applicant (demandeur) looks at the authorisation on the dashboard ({dashboard}), or writes to {SUPPORT}. To have more rights, a new request is needed, which states the legal grounds.",
                "Les appels qui en ont besoin sont désormais refusés (erreur 403, code 00100) ; le jeton lui-même fonctionne. Si ce n’est pas voulu, le demandeur vérifie l’habilitation sur le tableau de bord ({dashboard}), ou écrit à {SUPPORT}. Pour élargir les droits, il faut une nouvelle demande, qui justifie le cadre légal."
            ));
        }
        if !gained.is_empty() {
            body.push(text!("## Gained", "## Obtenus"));
            body.push(rights(gained));
            body.push(text!(
                "They may be used with the same token; nothing has to be installed.",
                "Ils s’utilisent avec le même jeton ; il n’y a rien à installer."
            ));
        }
        (subject, body)
    }

    fn address(&self) -> (Text, Vec<Text>) {
        let (name, id) = (name_of(self.token), &self.token.id);
        let Text { en, fr } = day(self.desk, self.now);
        let subject = text!(
            "Address not allowed: token “{name}”",
            "Adresse non autorisée : jeton « {name} »"
        );
        let body = vec![
            text!(
                "On {en} API Entreprise answered that the token “{name}” works, but not from the address of the machine on which jetond runs (error 403, code 00107).",
                "Le {fr}, API Entreprise a répondu que le jeton « {name} » fonctionne, mais pas depuis l’adresse de la machine où tourne jetond (erreur 403, code 00107)."
            ),
            text!(
                "It speaks of that machine’s address only. Services that call from other, allowed addresses are not concerned; those that go out by the same address are refused as well.",
                "Cela ne concerne que l’adresse de cette machine. Les services qui appellent depuis d’autres adresses, autorisées, ne sont pas touchés ; ceux qui sortent par la même adresse sont refusés eux aussi."
            ),
            text!(
                "To have this address allowed, write to {SUPPORT}. To ask no more about this token, take `secret` out of the entry `{id}` in the configuration.",
                "Pour faire autoriser cette adresse, écrire à {SUPPORT}. Pour ne plus interroger l’API sur ce jeton, retirer `secret` de l’entrée `{id}` dans la configuration."
            ),
        ];
        (subject, body)
    }
}
