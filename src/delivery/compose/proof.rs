//! Sample letters that show every branch of the templates, so that an override that would fail
//! for some mail is refused when it is loaded, and not on the day that mail is owed.

use chrono::{DateTime, Duration, TimeZone, Utc};

use crate::delivery::compose::letter::{Envelope, Heard, Letter, Note, Reminder, TokenPart};
use crate::domain::address::{Address, Mailbox};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, text};
use crate::domain::stage::Stage;
use crate::domain::token::{Role, Siret, TokenId};
use crate::domain::urgency::Urgency;

/// How much is known of a sample token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Everything,
    Filed,
    Little,
}

/// Letters of each urgency, language, role, with one token and with several, with all facts and
/// with few, and notes.
pub(super) fn samples(calendar: &Calendar) -> Vec<(Envelope, Letter)> {
    let mut samples = Vec::new();
    for lang in [Lang::Fr, Lang::En] {
        for urgency in Urgency::ALL {
            for role in Role::ALL {
                for known in [Known::Everything, Known::Filed, Known::Little] {
                    let first = token(calendar, urgency, role, known);
                    let one = vec![first.clone()];
                    samples.push((envelope(lang), reminder(one)));
                    let mut second = token(calendar, urgency, Role::Demandeur, Known::Little);
                    let mut third = token(calendar, Urgency::Information, role, Known::Everything);
                    // Mails link to pages, or they do not.
                    second.page.clone_from(&first.page);
                    third.page.clone_from(&first.page);
                    let many = vec![first, second, third];
                    samples.push((envelope(lang), reminder(many)));
                }
            }
        }
        samples.push((envelope(lang), note()));
    }
    samples
}

fn reminder(tokens: Vec<TokenPart>) -> Letter {
    Letter::Reminder(Reminder { tokens })
}

fn note() -> Letter {
    Letter::Note(Note {
        subject: text!("Token renewed", "Jeton renouvelé"),
        body: vec![
            text!("A paragraph.", "Un paragraphe."),
            text!("https://example.org/", "https://example.org/"),
        ],
    })
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 9, 0, 0)
        .single()
        .expect("UTC has every instant once")
}

fn mailbox(written: &str) -> Mailbox {
    Mailbox::parse(written).expect("a sample address is well formed")
}

fn envelope(lang: Lang) -> Envelope {
    Envelope {
        from: mailbox("Veille des jetons <jetons@ville.example>"),
        to: mailbox("Camille Martin <c.martin@ville.example>"),
        contact: Address::parse("dsi@ville.example").expect("a sample address is well formed"),
        organisation: "Ville d’Exemple".to_owned(),
        lang,
        message_id: "proof@ville.example".to_owned(),
        now: now(),
        dashboard: "https://entreprise.api.gouv.fr/compte".to_owned(),
    }
}

fn token(calendar: &Calendar, urgency: Urgency, role: Role, known: Known) -> TokenPart {
    let days = match urgency {
        Urgency::Information => 90,
        Urgency::Reminder => 30,
        Urgency::Urgent => 15,
        Urgency::Tomorrow => 1,
        Urgency::Today => 0,
        Urgency::Expired => -7,
    };
    let full = known != Known::Little;
    let given = |s: &str| full.then(|| s.to_owned());
    let people = |s: &str| full.then(|| mailbox(s));
    TokenPart {
        id: TokenId::parse("marches-publics").expect("a sample id is well formed"),
        name: "Marchés publics".to_owned(),
        client: given("Mairie de X"),
        stage: Stage::new(days),
        expires: calendar.end_of_day(calendar.date(now() + Duration::days(i64::from(days)))),
        role,
        link: given("https://datapass.api.gouv.fr/demandes/11244/reopen-from-external"),
        datapass_id: given("11244"),
        siret: Siret::parse("13002526500013").ok().filter(|_| full),
        jti_end: given("f245a5"),
        used_by: given("Portail des marchés").into_iter().collect(),
        demandeur: people("Camille Martin <c.martin@ville.example>"),
        others: people("tech@editeur.example").into_iter().collect(),
        next_reminder: full.then(|| now() + Duration::days(7)),
        page: given("https://jetons.ville.example/l/proof"),
        heard: match (urgency, known) {
            (Urgency::Expired, Known::Filed) => Some(Heard::Works(now())),
            (Urgency::Expired, Known::Everything) => Some(Heard::Refused(now())),
            _ => None,
        },
        filed: (known == Known::Filed).then(|| now() - Duration::days(3)),
    }
}
