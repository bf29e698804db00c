//! Composing reminders: the engine's way beside the prepared forms', in processor time and in
//! bytes to store; the two give the same mails.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jetond::delivery::compose::Templates;
use jetond::delivery::compose::letter::{Envelope, Letter, Reminder, TokenPart};
use jetond::domain::address::{Address, Mailbox};
use jetond::domain::body::Body;
use jetond::domain::calendar::{Calendar, Days, Window};
use jetond::domain::language::Lang;
use jetond::domain::stage::Stage;
use jetond::domain::token::{Role, Siret, TokenId};
use rustix::time::{ClockId, clock_gettime};
use support::{median, ratio};

/// Mails of each kind; the stages are spread over them.
const MAILS: usize = 600;
const TIMES: usize = 9;

/// How often a kind's mails are filled for each time that they are rendered.
const AGAIN: u32 = 10;

/// The tokens of a kind's n-th mail.
type Tokens = fn(usize) -> Vec<TokenPart>;

fn main() {
    let calendar = Calendar {
        tz: chrono_tz::Europe::Paris,
        window: Window::parse("09:00-18:00").expect("a window"),
        days: Days::Any,
        opens: None,
    };
    println!(
        "{MAILS} mails of each kind, all urgencies; µs of processor a mail, medians of {TIMES}"
    );
    println!("| kind | rendered | filled | ratio | bytes | stored |\n|---|---|---|---|---|---|");
    let kinds: [(&str, Tokens); 4] = [
        ("little known, observer", |n| vec![little(n)]),
        ("all known, demandeur", |n| vec![all(n, Role::Demandeur)]),
        ("all known, observer", |n| vec![all(n, Role::Observer)]),
        ("digest of 3", |n| {
            vec![
                all(n, Role::Observer),
                little(n),
                all(n + 1, Role::Observer),
            ]
        }),
    ];
    for (name, tokens) in kinds {
        let mails: Vec<(Envelope, Letter)> = (0..MAILS)
            .map(|n| {
                let tokens = tokens(n);
                (envelope(n), Letter::Reminder(Reminder { tokens }))
            })
            .collect();
        measure(name, &mails, &calendar);
    }
}

fn measure(name: &str, mails: &[(Envelope, Letter)], calendar: &Calendar) {
    let templates = Templates::built_in();
    let (mut bytes, mut stored) = (0, 0);
    for (envelope, letter) in mails {
        let slow = templates.compose(letter, envelope, calendar);
        let fast = templates.draft(letter, envelope, calendar).expect("a mail");
        assert_eq!(slow.expect("a mail").bytes, fast.bytes);
        bytes += fast.bytes.len();
        stored += match fast.body {
            Body::Whole(bytes) => bytes.len(),
            Body::Sparse { own, .. } => own.len(),
        };
    }
    let (mut slow, mut fast) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let compose = || {
            mails.iter().fold(0, |all, (envelope, letter)| {
                let mail = templates.compose(letter, envelope, calendar);
                all + mail.expect("a mail").bytes.len()
            })
        };
        let (time, length) = timed(compose);
        assert_eq!(length, bytes);
        slow.push(time);
        let draft = || {
            for _ in 0..AGAIN {
                for (envelope, letter) in mails {
                    let mail = templates.draft(letter, envelope, calendar);
                    std::hint::black_box(mail.expect("a mail"));
                }
            }
        };
        fast.push(timed(draft).0 / AGAIN);
    }
    let (slow, fast) = (median(&slow), median(&fast));
    println!(
        "| {name} | {} | {} | {} | {} | {} |",
        micros(slow),
        micros(fast),
        ratio(slow, fast),
        bytes / MAILS,
        stored / MAILS,
    );
}

/// How much processor time something takes: another load on the machine does not count.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let used = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
        seconds + Duration::from_nanos(time.tv_nsec.unsigned_abs())
    };
    let before = used();
    let result = work();
    (used() - before, result)
}

fn micros(time: Duration) -> String {
    let mails = f64::from(u32::try_from(MAILS).unwrap_or(u32::MAX));
    format!("{:.1}", time.as_secs_f64() * 1e6 / mails)
}

fn now() -> DateTime<Utc> {
    "2026-11-22T08:00:05Z".parse().expect("an instant")
}

fn mailbox(written: &str) -> Mailbox {
    Mailbox::parse(written).expect("a mailbox")
}

fn envelope(n: usize) -> Envelope {
    Envelope {
        from: mailbox("Veille des jetons <jetons@ville.example>"),
        to: mailbox(&format!(
            "Personne {n} <personne.{n}@agence-{}.example>",
            n % 97
        )),
        contact: Address::parse("dsi@ville.example").expect("an address"),
        organisation: "Ville d'Exemple".to_owned(),
        lang: Lang::Fr,
        message_id: format!("m{n}.8c089a39c02f40b3@ville.example"),
        now: now(),
        dashboard: "https://entreprise.api.gouv.fr/compte".to_owned(),
    }
}

/// A token of the benchmarks' configurations.
fn little(n: usize) -> TokenPart {
    let days = [90, 60, 30, 15, 7, 1, 0, -7];
    let expires = now() + TimeDelta::days(days[n % days.len()]) + TimeDelta::hours(9);
    TokenPart {
        id: TokenId::parse(&format!("jeton-{n}")).expect("an id"),
        name: format!("Jeton jeton-{n}"),
        client: None,
        stage: Stage::new(30),
        expires,
        role: Role::Observer,
        link: Some(format!(
            "https://datapass.api.gouv.fr/demandes/{}/reopen-from-external",
            10_000 + n
        )),
        datapass_id: Some((10_000 + n).to_string()),
        siret: None,
        jti_end: None,
        used_by: Vec::new(),
        demandeur: None,
        others: Vec::new(),
        next_reminder: Some(now() + TimeDelta::days(15)),
        filed: None,
        page: None,
        heard: None,
    }
}

/// … of which everything is known.
fn all(n: usize, role: Role) -> TokenPart {
    TokenPart {
        name: format!("Marchés publics n° {n}"),
        client: Some("Mairie de X".to_owned()),
        role,
        siret: Siret::parse("13002526500013").ok(),
        jti_end: Some("f245a5".to_owned()),
        used_by: vec!["Portail des marchés".to_owned(), "GRC".to_owned()],
        demandeur: Some(mailbox("Camille Martin <c.martin@ville.example>")),
        others: vec![
            mailbox("tech@editeur.example"),
            mailbox("DSI <dsi@ville.example>"),
        ],
        page: Some(
            "https://jetons.ville.example/l/AQAAAAcAAAAC4Z-W2mxtHw7DkjmYfelWTLGvYludSbry"
                .to_owned(),
        ),
        ..little(n)
    }
}
