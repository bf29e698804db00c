//! A software editor's watch, with 2,000 tokens of 150 clients and a life behind it: reminders
//! that were accepted, put off, refused, parked, in doubt and held; tokens filed, snoozed,
//! declared, renewed, superseded, revoked and archived; names that try to be markup.

use std::fmt::Write as _;

use chrono::{DateTime, Duration, Utc};
use jetond::domain::lifecycle::Who;
use jetond::domain::password::PasswordHash;
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::store::outbox::MailState;

use super::house::{House, WEB};
use crate::support::daemon::{Town, at, head};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

/// What the pages take for the present: a Sunday morning in the sending window.
pub(super) const PRESENT: fn() -> DateTime<Utc> = || at("2026-10-11T08:30:00Z");

/// A name that would be markup, a template, a formula, and runs from right to left.
pub(super) const HOSTILE: &str =
    "<b class=\"hostile\">Œuvre & \"co\"</b> {{ title }} `x` 👩‍👩‍👧 שלום عليكم =1+1";

/// Who logs in by a password, and it.
pub(super) const NAME: &str = "z.operatrice";
pub(super) const PASSWORD: &str = "un mot de passe assez long";

/// So many people are told.
const PEOPLE: usize = 300;

/// Whom the mail server puts off: of a stage that is due on the day of [`PRESENT`].
const LATER: &str = "greylisted@ville.example";

/// The longest name there can be, without a place to break it.
pub(super) fn long() -> String {
    "Réf".chars().cycle().take(128).collect()
}

fn config(port: u16, tokens: usize) -> String {
    let quoted = |text: &str| toml_string(text);
    let hash = PasswordHash::make(PASSWORD, *b"sixteen bytes, a").unwrap();
    let web = WEB.replace(
        "[web.auth]\n",
        &format!(
            "[web.auth]\nusers = [{{ name = \"{NAME}\", password = {}, role = \"operator\" }}]\n",
            quoted(hash.as_str())
        ),
    );
    let mut config = head(port)
        .replace("[mail]\n", "[mail]\nstorm = 5\n")
        .replace(
            "connect = 2, command = 2, data = 2, body = 2, dot = 2, quit = 1",
            "connect = 60, command = 60, data = 60, body = 60, dot = 60, quit = 5",
        );
    config += &web;
    for n in 0..150 {
        let name = match n {
            0 => HOSTILE.to_owned(),
            1 => long(),
            n => format!("Mairie de Ville-d’Exemple-sur-Loire {n}"),
        };
        write!(
            config,
            "[clients.c{n}]\nname = {}\ncontact = \"dsi@c{n}.example\"\n",
            quoted(&name)
        )
        .unwrap();
    }
    let uses = [
        "Marchés publics",
        "Cantine scolaire",
        "Aides sociales",
        "Urbanisme & permis",
    ];
    for n in 0..tokens {
        let days = match n {
            20..=22 => 60,
            // The last mail to these was refused, and nothing has come after it.
            24 | 25 => 61,
            n => (n * 7919 % 600) as i64 - 60,
        };
        let expires = PRESENT() + Duration::days(days);
        let (id, name) = match n {
            0 => ("hostile".to_owned(), HOSTILE.to_owned()),
            1 => ("long".to_owned(), long()),
            n => (format!("t{n}"), format!("{} {n}", uses[n % uses.len()])),
        };
        let person = match n {
            0 => format!(
                "{{ email = \"p0@ville.example\", name = {}, role = \"demandeur\" }}",
                quoted(HOSTILE)
            ),
            20..=22 => format!("\"{LATER}\""),
            24 | 25 => "\"p7@ville.example\"".to_owned(),
            n => format!("\"p{}@ville.example\"", n % PEOPLE),
        };
        write!(
            config,
            "[[token]]\nid = \"{id}\"\nname = {}\nexpires = {}\nclient = \"c{}\"\ntags = [\"{}\"]\n\
             datapass_id = \"{}\"\nrecipients = [{person}, {{ email = \"astreinte{}@editeur.example\", from_stage = 15 }}]\n",
            quoted(&name),
            expires.format("%Y-%m-%d"),
            n % 150,
            ["prod", "test"][n % 2],
            20_000 + n,
            n % 7,
        )
        .unwrap();
    }
    config
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The mail server of the town's life: it refuses some people, puts others off, and fails now
/// and then.
fn server() -> SmtpServer {
    let mut script = Script::new()
        .first(1, Phase::Dot, Act::Reply("554 5.6.0 not this message"))
        .first(1, Phase::Dot, Act::TakeAndDrop);
    for gone in [
        "p7@ville.example",
        "p8@ville.example",
        "astreinte3@editeur.example",
    ] {
        script = script.to(gone, Act::Reply("550 5.1.1 no such user"));
    }
    script = script.to(LATER, Act::Reply("450 4.7.1 greylisted"));
    SmtpServer::start(script)
}

/// The town with so many tokens after its life, and its pages.
pub(super) async fn house(tokens: usize) -> House {
    let server = server();
    let mut town = Town::start(
        &config(server.port(), tokens),
        PRESENT() - Duration::days(40),
    )
    .await;
    // The brake holds what a day or more is late; a person lets it go, but the last time.
    for days in [40, 30, 20, 12, 6] {
        town.now = PRESENT() - Duration::days(days);
        town.pass().await;
        town.store().release("user:alex", town.now).await.unwrap();
        town.pass_after(1).await;
    }
    town.now = PRESENT() - Duration::days(4);
    tell(&town).await;
    town.now = PRESENT();
    town.pass().await;
    let open = town.store().mail_counts().await.unwrap();
    for state in [
        MailState::Sent,
        MailState::Deferred,
        MailState::Held,
        MailState::Refused,
        MailState::Parked,
    ] {
        assert!(
            open.iter().any(|(s, n)| *s == state && *n > 0),
            "no mail is {state:?}: {open:?}"
        );
    }
    drop(server);
    House::open(town, PRESENT).await
}

/// What people said in that life.
async fn tell(town: &Town) {
    let day = |days| PRESENT() + Duration::days(days);
    let filed = Verb::File(Filing {
        at: None,
        by: Some(HOSTILE.to_owned()),
        reference: Some("11245".to_owned()),
    });
    let renewal = || Verb::Renew(Renewal::until(day(1_000), None));
    let mut said = vec![
        ("t10".to_owned(), renewal()),
        (
            "t11".to_owned(),
            Verb::Supersede {
                by: "t12".to_owned(),
            },
        ),
        ("t13".to_owned(), Verb::Revoke { at: None }),
        ("t14".to_owned(), Verb::Archive),
        (
            "t15".to_owned(),
            Verb::Declare {
                expires: Some(day(900)),
            },
        ),
        ("hostile".to_owned(), filed.clone()),
    ];
    for n in 0..20 {
        said.push((format!("t{}", 40 + n), filed.clone()));
        said.push((format!("t{}", 80 + n), renewal()));
    }
    let mut done = 0;
    for (id, verb) in &said {
        let hand = Hand {
            calendar: &town.config().calendar,
            who: Who::User("alex".to_owned()),
            now: town.now,
        };
        if verbs::act(town.store(), &hand, id, verb)
            .await
            .unwrap()
            .is_ok()
        {
            done += 1;
        }
    }
    assert!(done >= 40, "only {done} of {} were done", said.len());
    // Whoever can be put off is.
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: town.now,
    };
    let mut snoozed = 0;
    for n in 200..230 {
        let verb = Verb::Snooze { until: day(5) };
        let id = format!("t{n}");
        if verbs::act(town.store(), &hand, &id, &verb)
            .await
            .unwrap()
            .is_ok()
        {
            snoozed += 1;
        }
    }
    assert!(snoozed >= 5, "only {snoozed} could be put off");
}
