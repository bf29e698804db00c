//! What the watch tells by itself: alarms, once for each event and never a flood, and the
//! weekly report, in both languages as their readers get them.

use chrono::{DateTime, Duration, Utc};
use jetond::delivery::outcome::RelayFaultKind;
use jetond::store::outbox::MailState;
use jetond::tell::Relay;
use mail_parser::MessageParser;

use crate::support::daemon::{Town, at, head, token};
use crate::support::program::{Program, Running};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

const CONTACT: &str = "dsi@ville.example";

/// A pass of the daemon: tick, what it tells, what leaves.
async fn whole_pass(town: &Town) {
    town.rig().tick(town.now).await.unwrap();
    town.rig().tell(town.now).await.unwrap();
    town.rig().deliver(town.now).await.unwrap();
}

/// A pass every so often until an instant.
async fn live_until(town: &mut Town, step: Duration, end: DateTime<Utc>) {
    while town.now < end {
        town.now += step;
        whole_pass(town).await;
    }
}

async fn notes(town: &Town, kind: &str) -> usize {
    let notes = town.notes().await;
    notes.iter().filter(|(k, _)| k == kind).count()
}

/// The mails taken whose subject holds a word: text and HTML.
fn taken(server: &SmtpServer, word: &str) -> Vec<(String, String)> {
    let mails = server.accepted();
    let parsed = mails
        .iter()
        .map(|m| MessageParser::default().parse(&m.bytes).unwrap());
    parsed
        .filter(|m| m.subject().unwrap().contains(word))
        .map(|m| {
            let text = format!("{}\n\n{}", m.subject().unwrap(), m.body_text(0).unwrap());
            (
                text.replace('\u{a0}', "~"),
                m.body_html(0).unwrap().into_owned(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_for_three_days_is_told_once_when_it_is_back() {
    for (lang, word) in [("en", "out of reach"), ("fr", "injoignable")] {
        let down = SmtpServer::start(
            Script::new().at(Phase::Greeting, Act::Reply("554 5.3.2 no service")),
        );
        let up = SmtpServer::start(Script::new());
        let config = |port| {
            head(port).replace("language = \"fr\"", &format!("language = \"{lang}\""))
                + &token("marches", "2026-12-15", &["a@ville.example"])
        };
        let mut town = Town::start(&config(down.port()), at("2026-11-30T08:00:00Z")).await;
        live_until(&mut town, Duration::minutes(15), at("2026-12-03T08:00:00Z")).await;
        assert_eq!(
            town.notes().await,
            [("note_relay".to_owned(), CONTACT.to_owned())]
        );
        let (since, why) = town.store().relay_trouble().await.unwrap().unwrap();
        assert_eq!(since, at("2026-11-30T08:15:00Z"));
        assert!(why.contains(&RelayFaultKind::Greeting.to_string()), "{why}");

        // It stays on record over restarts, and one outage stays one.
        town.start_again().await;
        whole_pass(&town).await;
        assert_eq!(
            town.store().relay_trouble().await.unwrap().unwrap().0,
            since
        );

        town.reload(&config(up.port())).await;
        live_until(&mut town, Duration::minutes(15), at("2026-12-03T12:00:00Z")).await;
        assert_eq!(town.store().relay_trouble().await.unwrap(), None);
        assert_eq!(notes(&town, "note_relay").await, 1);
        let told = taken(&up, word);
        assert_eq!(told.len(), 1);
        insta::assert_snapshot!(format!("relay_{lang}"), told[0].0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_comes_and_goes_is_told_once_a_day() {
    let server = SmtpServer::start(Script::new());
    let mut town = Town::start(&head(server.port()), at("2026-11-30T08:00:00Z")).await;
    for _ in 0..(3 * 24 * 2) {
        let since = town.now;
        for minutes in [0, 5, 20] {
            town.now = since + Duration::minutes(minutes);
            let relay = Relay::Failing {
                since,
                why: "connection: refused".to_owned(),
            };
            town.rig()
                .teller
                .step(town.store(), relay, town.now)
                .await
                .unwrap();
        }
        town.now = since + Duration::minutes(30);
        town.rig()
            .teller
            .step(town.store(), Relay::Answers, town.now)
            .await
            .unwrap();
        town.rig().deliver(town.now).await.unwrap();
    }
    let told = notes(&town, "note_relay").await;
    assert!((2..=3).contains(&told), "{told} notes in three days");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_fault_of_the_relay_is_not_told() {
    let server = SmtpServer::start(Script::new());
    let town = Town::start(&head(server.port()), at("2026-11-30T08:00:00Z")).await;
    let since = town.now;
    for minutes in [0, 5, 14] {
        let relay = Relay::Failing {
            since,
            why: "connection: refused".to_owned(),
        };
        let now = since + Duration::minutes(minutes);
        town.rig()
            .teller
            .step(town.store(), relay, now)
            .await
            .unwrap();
    }
    // A start knows only that it failed once, not for how long.
    let later = since + Duration::hours(3);
    town.rig()
        .teller
        .step(town.store(), Relay::Unknown, later)
        .await
        .unwrap();
    assert_eq!(town.notes().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_is_told_with_its_span() {
    for lang in ["en", "fr"] {
        let server = SmtpServer::start(Script::new());
        let config = head(server.port()).replace("\"fr\"", &format!("\"{lang}\""));
        let town = Town::start(&config, at("2026-11-30T08:00:00Z")).await;
        for hours in [5, 4, 3] {
            let since = town.now - Duration::hours(hours);
            town.rig()
                .teller
                .disk(town.store(), since, town.now)
                .await
                .unwrap();
        }
        town.rig().deliver(town.now).await.unwrap();
        assert_eq!(notes(&town, "note_disk").await, 1);
        insta::assert_snapshot!(format!("disk_{lang}"), taken(&server, "dis")[0].0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_which_nobody_could_be_told_is_told_to_its_contacts_once() {
    for (lang, word) in [("en", "Nobody"), ("fr", "Personne")] {
        let gone = || Act::Reply("550 5.1.1 no such user");
        let server = SmtpServer::start(
            Script::new()
                .to("a@ville.example", gone())
                .to("b@ville.example", gone()),
        );
        let clients = "[clients.x]\nname = \"Mairie de X\"\ncontact = \"dsi@x.example\"\n";
        let config = head(server.port())
            .replace("language = \"fr\"", &format!("language = \"{lang}\""))
            + clients
            + &token(
                "lost",
                "2026-12-15",
                &["a@ville.example", "b@ville.example"],
            )
            + "client = \"x\"\n"
            + &token(
                "told",
                "2026-12-15",
                &["a@ville.example", "c@ville.example"],
            );
        let mut town = Town::start(&config, at("2026-11-30T08:00:00Z")).await;
        live_until(&mut town, Duration::minutes(1), at("2026-11-30T08:05:00Z")).await;
        let mut told = town.notes().await;
        told.retain(|(kind, _)| kind == "note_unreached");
        told.sort();
        let expected =
            [CONTACT, "dsi@x.example"].map(|a| ("note_unreached".to_owned(), a.to_owned()));
        assert_eq!(told, expected);
        insta::assert_snapshot!(format!("unreached_{lang}"), taken(&server, word)[0].0);

        town.start_again().await;
        live_until(&mut town, Duration::minutes(1), at("2026-11-30T08:10:00Z")).await;
        assert_eq!(
            notes(&town, "note_unreached").await,
            2,
            "not again after a start"
        );
        live_until(&mut town, Duration::days(1), at("2026-12-08T08:10:00Z")).await;
        whole_pass(&town).await;
        assert_eq!(
            notes(&town, "note_unreached").await,
            4,
            "the next stage is another event"
        );
    }
}

#[test]
fn the_daemon_itself_tells_the_contact_of_a_refused_address_and_that_nobody_is_left() {
    let server = SmtpServer::start(
        Script::new().to("a@ville.example", Act::Reply("550 5.1.1 no such user")),
    );
    let day = (jetond::clock::now() + Duration::days(10)).date_naive();
    let config = head(server.port())
        + "[schedule]\nwindow = \"00:00-24:00\"\n"
        + &token("marches", &day.to_string(), &["a@ville.example"]);
    let program = Program::new(&config);
    let running = Running::start(program.command(&["run"]));
    server.wait_for(2, 0);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    assert_eq!(taken(&server, "Adresse refusée").len(), 1);
    assert_eq!(taken(&server, "Personne").len(), 1);
}

/// The contact's own address is refused: a note cannot tell it, so `status` and the monitor do.
#[test]
fn a_contact_that_cannot_be_reached_is_an_illness() {
    let gone = || Act::Reply("550 5.1.1 no such user");
    let server = SmtpServer::start(
        Script::new()
            .to("a@ville.example", gone())
            .to(CONTACT, gone()),
    );
    let day = (jetond::clock::now() + Duration::days(10)).date_naive();
    let config = head(server.port())
        + "[schedule]\nwindow = \"00:00-24:00\"\n"
        + &token("marches", &day.to_string(), &["a@ville.example"]);
    let program = Program::new(&config);
    let once = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(once.status.code(), Some(6));
    let status = &program.json(&["status"])[0];
    assert_eq!(status["ills"][0]["ill"], "out_of_reach", "{status}");
    assert_eq!(status["ills"][1]["ill"], "unread", "{status}");
    let asked = program
        .command(&[
            "status",
            "--nagios",
            "--nagios-max-age",
            "1h",
            "--lang",
            "en",
        ])
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(2));
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(
        said.contains("\nWARNING: 2 notes to the contact did not arrive"),
        "{said}"
    );
    assert!(!said.contains('@'), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_comes_each_week_and_a_missed_one_is_not_made_up_for() {
    let server = SmtpServer::start(Script::new());
    let config = head(server.port()) + &token("marches", "2027-12-15", &["a@ville.example"]);
    // A Wednesday.
    let mut town = Town::start(&config, at("2026-11-18T10:00:00Z")).await;
    whole_pass(&town).await;
    let day = Duration::hours(1);
    live_until(&mut town, day, at("2026-11-23T07:00:00Z")).await;
    assert_eq!(
        notes(&town, "note_report").await,
        0,
        "the first one comes after a week's begin"
    );
    live_until(&mut town, day, at("2026-11-23T08:00:00Z")).await;
    assert_eq!(notes(&town, "note_report").await, 1);
    town.start_again().await;
    live_until(&mut town, day, at("2026-11-30T07:00:00Z")).await;
    assert_eq!(notes(&town, "note_report").await, 1);
    // Two Mondays pass without the watch.
    town.now = at("2026-12-10T07:00:00Z");
    town.start_again().await;
    live_until(&mut town, day, at("2026-12-14T07:00:00Z")).await;
    assert_eq!(
        notes(&town, "note_report").await,
        2,
        "one, late, for the present week"
    );
    live_until(&mut town, day, at("2026-12-14T08:00:00Z")).await;
    assert_eq!(notes(&town, "note_report").await, 3);
    let states = town.mails().await;
    assert!(states.iter().all(|m| m.state == MailState::Sent));
    assert_eq!(taken(&server, "rien à signaler").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_comes_where_none_is_wished_for_and_others_may_get_it() {
    let server = SmtpServer::start(Script::new());
    for (reports, told) in [
        ("weekly = false", Vec::new()),
        (
            "recipients = [\"a@ville.example\", \"b@ville.example\"]",
            vec!["a@ville.example", "b@ville.example"],
        ),
    ] {
        let config = head(server.port()) + "[reports]\n" + reports + "\n";
        let mut town = Town::start(&config, at("2026-11-18T10:00:00Z")).await;
        whole_pass(&town).await;
        town.now = at("2026-11-23T08:00:00Z");
        whole_pass(&town).await;
        let notes: Vec<String> = town.notes().await.into_iter().map(|(_, to)| to).collect();
        assert_eq!(notes, told);
    }
}

/// A report about everything that one can be about.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_set_in_both_languages() {
    for (lang, word) in [("en", "Weekly"), ("fr", "hebdomadaire")] {
        let server = SmtpServer::start(
            Script::new().to("gone@ville.example", Act::Reply("550 5.1.1 no such user")),
        );
        let clients = "[clients.x]\nname = \"Mairie de X\"\ncontact = \"dsi@x.example\"\n";
        let mut config = head(server.port())
            .replace("language = \"fr\"", &format!("language = \"{lang}\""))
            + clients;
        for (id, expires) in [
            ("cantine", "2026-11-10"),
            ("urbanisme", "2026-11-24"),
            ("aides", "2026-12-09"),
            ("etat-civil", "2027-01-29"),
            ("marches", "2027-12-15"),
        ] {
            config += &token(id, expires, &["a@ville.example", "gone@ville.example"]);
            config += "client = \"x\"\n";
        }
        let mut town = Town::start(&config, at("2026-11-18T10:00:00Z")).await;
        live_until(&mut town, Duration::hours(1), at("2026-11-23T08:00:00Z")).await;
        let told = taken(&server, word);
        assert_eq!(told.len(), 1);
        insta::assert_snapshot!(format!("report_{lang}"), told[0].0);
        insta::assert_snapshot!(format!("report_{lang}_html"), told[0].1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_many_tokens_stays_short() {
    let server = SmtpServer::start(Script::new());
    let mut config = head(server.port());
    for n in 0..300 {
        config += &token(&format!("old-{n}"), "2026-11-10", &["a@ville.example"]);
        config += &token(&format!("new-{n}"), "2026-12-09", &["a@ville.example"]);
    }
    let mut town = Town::start(&config, at("2026-11-18T10:00:00Z")).await;
    live_until(&mut town, Duration::hours(12), at("2026-11-23T08:00:00Z")).await;
    let told = taken(&server, "hebdomadaire");
    assert_eq!(told.len(), 1);
    let (text, _) = &told[0];
    assert_eq!(text.matches("… et 280 de plus").count(), 2, "{text}");
    assert!(text.lines().count() < 100, "{text}");
}

#[test]
fn simulate_announces_the_reports_too() {
    let tokens = token("marches", "2099-12-15", &["a@ville.example"]);
    let program = Program::new(&(head(25) + &tokens));
    let rows = |more: &str| {
        program.rewrite(&(head(25) + more + &tokens));
        program.json(&["simulate", "--from", "2026-11-18", "--to", "2026-12-06"])
    };
    let told: Vec<String> = rows("")
        .iter()
        .map(|r| {
            assert_eq!(r["notices"].as_array().unwrap().len(), 0);
            format!(
                "{} {} {} {}",
                r["at"], r["kind"], r["recipient"], r["subject"]
            )
        })
        .collect();
    let row = |at| {
        format!(
            "\"{at}T09:00:00+01:00\" \"note_report\" \"{CONTACT}\" \"Rapport hebdomadaire\u{a0}: rien à signaler\""
        )
    };
    assert_eq!(told, [row("2026-11-23"), row("2026-11-30")]);
    assert_eq!(rows("[reports]\nweekly = false\n").len(), 0);
}
