//! Mails, from what they are about to the bytes that an independent parser reads.
#![expect(
    clippy::unwrap_used,
    reason = "a test’s support fails with the test that calls it"
)]

mod content;
mod drafts;
mod hostile;
pub(crate) mod mangled;
mod overrides;
mod snapshots;
pub(crate) mod style;
mod travel;
pub(crate) mod typography;

use chrono::{DateTime, Duration, Utc};
use jetond::delivery::compose::Templates;
use jetond::delivery::compose::letter::{
    Composed, Envelope, Heard, Letter, Note, Reminder, TokenPart,
};
use jetond::domain::address::{Address, Mailbox};
use jetond::domain::calendar::{Calendar, Days, Window};
use jetond::domain::language::{Lang, Text};
use jetond::domain::stage::Stage;
use jetond::domain::token::{Role, Siret, TokenId};

const LINK: &str = "https://datapass.api.gouv.fr/demandes/11244/reopen-from-external";
const DASHBOARD: &str = "https://entreprise.api.gouv.fr/compte";

fn utc(s: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(s).unwrap().with_timezone(&Utc)
}

fn calendar(tz: chrono_tz::Tz) -> Calendar {
    Calendar {
        tz,
        window: Window::parse("09:00-18:00").unwrap(),
        days: Days::Any,
        opens: None,
    }
}

fn paris() -> Calendar {
    calendar(chrono_tz::Europe::Paris)
}

fn mailbox(written: &str) -> Mailbox {
    Mailbox::parse(written).unwrap()
}

fn envelope(lang: Lang, now: DateTime<Utc>) -> Envelope {
    Envelope {
        from: mailbox("Veille des jetons <jetons@ville.example>"),
        to: mailbox("Camille Martin <c.martin@ville.example>"),
        contact: Address::parse("dsi@ville.example").unwrap(),
        organisation: "Ville d'Exemple".to_owned(),
        lang,
        message_id: "m42.1a2b3c@ville.example".to_owned(),
        now,
        dashboard: DASHBOARD.to_owned(),
    }
}

/// A token of which everything is known; it expires on Sunday 22 November 2026 at 16:45.
fn token() -> TokenPart {
    TokenPart {
        id: TokenId::parse("marches-publics").unwrap(),
        name: "Marchés publics".to_owned(),
        client: None,
        stage: Stage::new(30),
        expires: utc("2026-11-22T15:45:00Z"),
        role: Role::Demandeur,
        link: Some(LINK.to_owned()),
        datapass_id: Some("11244".to_owned()),
        siret: Siret::parse("13002526500013").ok(),
        jti_end: Some("f245a5".to_owned()),
        used_by: vec!["Portail des marchés".to_owned(), "GRC".to_owned()],
        demandeur: Some(mailbox("Camille Martin <c.martin@ville.example>")),
        others: vec![
            mailbox("tech@editeur.example"),
            mailbox("DSI <dsi@ville.example>"),
        ],
        next_reminder: Some(utc("2026-11-07T08:00:00Z")),
        filed: None,
        page: None,
        heard: None,
    }
}

/// A token of which the API said something the day after its date.
fn heard(what: fn(DateTime<Utc>) -> Heard) -> TokenPart {
    TokenPart {
        heard: Some(what(days_before(-1))),
        ..token()
    }
}

/// A token of which only what must be known is: its hour is not.
fn bare_token() -> TokenPart {
    TokenPart {
        id: TokenId::parse("aides").unwrap(),
        name: "Aides aux entreprises".to_owned(),
        client: Some("Mairie de X".to_owned()),
        expires: paris().end_of_day("2026-12-01".parse().unwrap()),
        link: None,
        datapass_id: None,
        siret: None,
        jti_end: None,
        used_by: Vec::new(),
        demandeur: None,
        others: Vec::new(),
        next_reminder: None,
        ..token()
    }
}

fn observed(part: TokenPart) -> TokenPart {
    TokenPart {
        role: Role::Observer,
        ..part
    }
}

/// With its reader's page, where they say what happened.
fn paged(part: TokenPart) -> TokenPart {
    let ticket = "AQAAAAcAAAAC4Z-W2mxtHw7DkjmYfelWTLGvYludSbry";
    TokenPart {
        page: Some(format!("https://jetons.ville.example/l/{ticket}")),
        ..part
    }
}

/// Nine in the morning in Paris, `days` days before the day on which [`token`] expires.
fn days_before(days: i64) -> DateTime<Utc> {
    utc("2026-11-22T08:00:00Z") - Duration::days(days)
}

fn reminder(tokens: Vec<TokenPart>) -> Letter {
    Letter::Reminder(Reminder { tokens })
}

fn digest() -> Letter {
    let overdue = TokenPart {
        id: TokenId::parse("subventions").unwrap(),
        name: "Subventions".to_owned(),
        expires: utc("2026-11-01T11:00:00Z"),
        filed: Some(utc("2026-10-28T10:00:00Z")),
        ..token()
    };
    reminder(vec![overdue, observed(token()), bare_token()])
}

fn note() -> Letter {
    Letter::Note(Note {
        subject: Text {
            en: "Token “Marchés publics” renewed until 22 May 2028".to_owned(),
            fr: "Jeton «\u{a0}Marchés publics\u{a0}» renouvelé jusqu’au 22 mai 2028".to_owned(),
        },
        body: vec![
            Text {
                en: "There is nothing to do.".to_owned(),
                fr: "Il n’y a rien à faire.".to_owned(),
            },
            Text {
                en: DASHBOARD.to_owned(),
                fr: DASHBOARD.to_owned(),
            },
        ],
    })
}

/// Every kind of letter, each with the moment of its sending.
fn letters() -> Vec<(&'static str, Letter, DateTime<Utc>)> {
    let one = || reminder(vec![token()]);
    let filed = TokenPart {
        filed: Some(days_before(20)),
        ..token()
    };
    vec![
        ("information", one(), days_before(90)),
        ("reminder", one(), days_before(30)),
        ("urgent", one(), days_before(15)),
        ("tomorrow", one(), days_before(1)),
        ("today", one(), days_before(0)),
        ("expired", one(), days_before(-7)),
        (
            "observer",
            reminder(vec![observed(token())]),
            days_before(30),
        ),
        ("no_link", reminder(vec![bare_token()]), days_before(60)),
        (
            "observer_no_link",
            reminder(vec![observed(bare_token())]),
            days_before(-30),
        ),
        ("filed", reminder(vec![filed]), days_before(7)),
        (
            "proven",
            reminder(vec![heard(Heard::Refused)]),
            days_before(-7),
        ),
        (
            "outliving",
            reminder(vec![heard(Heard::Works)]),
            days_before(-7),
        ),
        (
            "digest_heard",
            reminder(vec![
                heard(Heard::Works),
                heard(Heard::Refused),
                bare_token(),
            ]),
            days_before(-7),
        ),
        ("digest", digest(), days_before(12)),
        ("paged", reminder(vec![paged(token())]), days_before(30)),
        (
            "digest_paged",
            reminder(vec![paged(token()), paged(observed(bare_token()))]),
            days_before(12),
        ),
        ("note", note(), days_before(0)),
    ]
}

fn compose(letter: &Letter, envelope: &Envelope) -> Composed {
    Templates::built_in()
        .compose(letter, envelope, &paris())
        .unwrap()
}
