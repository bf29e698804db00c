//! Where people see what the API says: `list`, `show`, `status`, the dashboard, `/metrics`, the
//! weekly report. Nothing of it is shown where nothing was ever asked.

use std::process::Command;

use axum::Router;
use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::delivery::report::{Beyond, Reporter};
use jetond::domain::incident::{Incident, Side, Witness};
use jetond::domain::verdict::{Case, Reading, Volume};
use jetond::store::probe::Service;
use jetond::web::{Door, Limits, Site};

use super::notes::{alive, hear, hear_twice, reading, taken};
use crate::board::markup::Page;
use crate::mail::typography::{faults, visible};
use crate::support::daemon::{Town, at, head, token};
use crate::support::http_client::talk;
use crate::support::smtp_server::{Script, SmtpServer};
use crate::web::Server;

const PRESENT: fn() -> DateTime<Utc> = || at("2026-11-23T08:40:00Z");

/// Nothing is due after the date, so that nothing is owed.
const QUIET: &str = "[schedule]\nafter_expiry = []\nthen_every = 0\n";

/// Four tokens: one dead before its date, one that outlives it, one that works, one whose secret
/// cannot be used; and an incident.
async fn town(lang: &str) -> Town {
    town_with_relay(9, lang).await
}

async fn town_with_relay(port: u16, lang: &str) -> Town {
    let config = head(port).replace("language = \"fr\"", &format!("language = \"{lang}\""))
        + QUIET
        + &token("mort", "2027-03-15", &["a@ville.example"])
        + &token("prolonge", "2026-11-10", &["a@ville.example"])
        + &token("vivant", "2027-06-01", &["a@ville.example"])
        + &token("muet", "2027-07-01", &["a@ville.example"])
        + &token("autre", "2027-08-01", &["a@ville.example"]);
    let mut town = Town::start(&config, PRESENT() - Duration::days(2)).await;
    town.pass().await;
    let unknown = Reading {
        said: "{\"errors\":[{\"code\":\"00106\"}]}".to_owned(),
        ..reading(Case::TokenNotFound, 401, &["00106"])
    };
    hear_twice(&mut town, "mort", &unknown).await;
    town.now += Duration::days(1);
    hear(&town, "prolonge", &alive(&[])).await;
    let volume = Volume {
        limit: 1000,
        remaining: 41,
        resets: PRESENT() + Duration::minutes(20),
    };
    let answer = Reading {
        volume: Some(volume),
        ..alive(&["entreprises", "attestation_fiscale_dgfip"])
    };
    hear(&town, "vivant", &answer).await;
    let muet = town.store().watched(&["muet"]).await.unwrap().remove(0);
    let mut tx = town.store().begin().await.unwrap();
    tx.put_hindrance(muet.no, "secret_unreadable", town.now)
        .await
        .unwrap();
    let service = Service {
        incident: Some(Incident {
            side: Side::Provider,
            since: PRESENT() - Duration::hours(3),
            seen_at: PRESENT() - Duration::minutes(30),
            witness: Witness::Ping,
        }),
        seen_at: Some(PRESENT() - Duration::hours(9)),
        failures: 2,
        not_before: Some(PRESENT() + Duration::minutes(30)),
        patience: Some(PRESENT() + Duration::minutes(30)),
        ..Service::default()
    };
    tx.put_service(&service).await.unwrap();
    tx.commit().await.unwrap();
    town.now = PRESENT();
    town.pass().await;
    town
}

/// What a command says of the town, at the present.
fn said(town: &Town, lang: &str, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetond"));
    command.env_clear().current_dir(town.dir());
    command.arg("-c").arg(town.file()).args(["--lang", lang]);
    let output = command
        .args(args)
        .args(["--at", "2026-11-23T09:40:00"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.replace(town.dir().to_str().unwrap(), "DIR")
}

async fn server(town: &Town) -> Server {
    let site = Site {
        door: Door {
            is_at_home: true,
            ..Door::default()
        },
        ..app::site(town.config(), town.rig().sender.clerk(), PRESENT)
    };
    Server::on(site, Limits::default(), Router::new()).await
}

async fn get(server: &Server, path: &str) -> String {
    let asked = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let reply = talk(server.at, asked).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.body
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_the_last_verdict_with_its_time() {
    for lang in ["en", "fr"] {
        let relay = SmtpServer::start(Script::new());
        let town = town_with_relay(relay.port(), lang).await;
        let mut shown = String::new();
        for args in [
            &["list"][..],
            &["show", "mort"],
            &["show", "vivant"],
            &["explain", "mort"],
            &["status"],
        ] {
            shown += &format!("$ jetond {}\n{}\n", args.join(" "), said(&town, lang, args));
        }
        insta::assert_snapshot!(format!("commands_{lang}"), shown.replace('\u{a0}', "~"));
    }
}

/// An incident is told as it was seen, and only what the API asked for is said to be its wish.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_the_service_that_is_not_known() {
    let town = town("fr").await;
    let (since, seen_at) = (
        PRESENT() - Duration::hours(3),
        PRESENT() - Duration::hours(2),
    );
    let (later, soon) = (
        PRESENT() + Duration::hours(1),
        PRESENT() + Duration::minutes(5),
    );
    let mut told = String::new();
    for (side, seen_at, patience) in [
        (Side::Provider, seen_at, None),
        (Side::Service, seen_at, Some(soon)),
        (Side::Service, since, Some(later)),
        (Side::Ours, seen_at, None),
    ] {
        let service = Service {
            incident: Some(Incident {
                side,
                since,
                seen_at,
                witness: Witness::Call,
            }),
            not_before: Some(later),
            patience,
            ..Service::default()
        };
        let mut tx = town.store().begin().await.unwrap();
        tx.put_service(&service).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(town.store().service().await.unwrap(), service);
        for lang in ["en", "fr"] {
            let status = said(&town, lang, &["status"]);
            let line = status.lines().find(|l| l.starts_with("API Entreprise "));
            told += &format!(
                "{}\n",
                line.unwrap().trim_start_matches("API Entreprise ").trim()
            );
        }
    }
    insta::assert_snapshot!("service", told.replace('\u{a0}', "~"));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_told_in_words_and_instants() {
    let town = town("fr").await;
    let row = |args: &[&str], id: &str| {
        let all: serde_json::Value =
            serde_json::from_str(&said(&town, "en", args)).expect("it is JSON");
        let rows = all["data"].as_array().unwrap().clone();
        rows.into_iter()
            .find(|r| id.is_empty() || r["id"] == id)
            .unwrap()
    };
    let listed = row(&["list", "--json"], "mort");
    assert_eq!(listed["verdict"], "unknown");
    assert_eq!(listed["verdict_since"], "2026-11-21T09:40:00+01:00");
    assert_eq!(listed["verdict_at"], "2026-11-21T10:50:00+01:00");
    assert_eq!(
        row(&["list", "--json"], "autre")["verdict"],
        serde_json::Value::Null
    );
    let shown = row(&["show", "vivant", "--json"], "vivant");
    assert_eq!(shown["probe"]["volume"]["remaining"], 41);
    assert_eq!(shown["probe"]["scopes"][0], "attestation_fiscale_dgfip");
    let status = row(&["status", "--json"], "");
    assert_eq!(status["api"]["incident"], "provider");
    assert_eq!(status["api"]["tokens"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_where_nothing_was_asked() {
    let config = head(9) + QUIET + &token("seul", "2027-03-15", &["a@ville.example"]);
    let town = Town::start(&config, PRESENT()).await;
    town.rig().tick(town.now).await.unwrap();
    assert!(!said(&town, "en", &["list"]).contains("API"));
    assert!(!said(&town, "en", &["status"]).contains("API"));
    let server = server(&town).await;
    for path in ["/", "/tokens", "/tokens/seul", "/health", "/metrics"] {
        let page = get(&server, path).await;
        for word in [
            "name=\"verdict\"",
            "jetond_api",
            "API Entreprise says",
            "Refused tokens",
        ] {
            assert!(!page.contains(word), "{path}: {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_what_the_api_says() {
    for lang in ["en", "fr"] {
        let town = town(lang).await;
        let server = server(&town).await;
        for path in [
            "/",
            "/health",
            "/tokens",
            "/tokens?verdict=refused",
            "/tokens/mort",
            "/tokens/prolonge",
            "/tokens/vivant",
            "/tokens/muet",
        ] {
            let page = get(&server, path).await;
            assert_eq!(Page::read(&page).faults(), Vec::<String>::new(), "{path}");
            if lang == "fr" && path.starts_with("/tokens/") {
                let words = visible(&page.replacen("<body", "<body><i", 1));
                let of_ours: Vec<String> = faults(&words)
                    .into_iter()
                    .filter(|f| f.contains("API"))
                    .collect();
                assert_eq!(of_ours, Vec::<String>::new(), "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_token_tells_its_verdict_and_a_list_finds_it() {
    let town = town("en").await;
    let server = server(&town).await;
    let page = get(&server, "/tokens/mort?lang=en").await;
    for word in [
        "refused: unknown",
        "since 2026-11-21 09:40",
        "401 (00106)",
        "incident at a provider",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    let page = get(&server, "/tokens/vivant").await;
    assert!(
        page.contains("41 of 1000 calls left") && page.contains("near its end"),
        "{page}"
    );
    let ids = ["mort", "prolonge", "vivant", "muet", "autre"];
    for (verdict, found) in [
        ("refused", &["mort"][..]),
        ("unknown", &["mort"]),
        ("revoked", &[]),
        ("works", &["prolonge", "vivant"]),
        ("outlives", &["prolonge"]),
        ("hindered", &["muet"]),
        ("nonsense", &[]),
    ] {
        let page = get(&server, &format!("/tokens?verdict={verdict}")).await;
        for id in ids {
            let is_listed = page.contains(&format!("tokens/{id}\""));
            assert_eq!(is_listed, found.contains(&id), "{verdict}: {id}");
        }
    }
    let sheet = get(&server, "/tokens.csv?lang=en").await;
    let cells = |id: &str| {
        sheet
            .lines()
            .find(|l| l.starts_with(&format!("{id},")))
            .unwrap()
    };
    assert!(cells("mort").ends_with(",refused: unknown"), "{sheet}");
    assert!(cells("autre").ends_with(",0,"), "{sheet}");
    let home = get(&server, "/").await;
    for word in [
        "has refused it since",
        "past its date",
        "incident at a provider",
        "near its end",
        "cannot be asked",
    ] {
        assert!(home.contains(word), "{word} in {home}");
    }
    let health = get(&server, "/health").await;
    for word in [
        "incident at a provider",
        "asks for patience",
        "tokens?verdict=refused",
        "Least volume",
    ] {
        assert!(health.contains(word), "{word} in {health}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn monitoring_reads_verdicts_within_its_cap() {
    let town = town("en").await;
    let server = server(&town).await;
    let metrics = get(&server, "/metrics").await;
    let of_api = |metrics: &str| {
        let own = metrics.lines().filter(|l| !l.contains("delivery"));
        let lines = own.filter(|l| {
            ["verdict", "api", "refused", "unaskable", "probe", "volume"]
                .iter()
                .any(|w| l.contains(w))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("metrics", of_api(&metrics));

    let site = server.live.site();
    let mut few = (*site).clone();
    few.metrics.max_tokens = 1;
    server.live.switch(few);
    let metrics = get(&server, "/metrics").await;
    // The nearest to its end is the one that outlives it.
    let verdicts = metrics
        .lines()
        .filter(|l| l.starts_with("jetond_token_verdict{"));
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        ["jetond_token_verdict{token=\"prolonge\",verdict=\"alive\"} 1"]
    );
    assert!(metrics.contains("\njetond_tokens_refused 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weekly_report_has_a_line_for_what_waits_for_a_person() {
    for lang in ["en", "fr"] {
        let relay = SmtpServer::start(Script::new());
        let town = town_with_relay(relay.port(), lang).await;
        let desk = app::desk(town.config());
        let reporter = Reporter::new(vec![desk.contact.clone()]);
        reporter
            .queue(town.store(), &desk, &Beyond::default(), town.now)
            .await
            .unwrap();
        town.rig().deliver(town.now).await.unwrap();
        let mails = taken(&relay);
        let report = mails.iter().find(|m| m.contains("API, 1")).unwrap();
        let report = report.replace('\r', "");
        if lang == "fr" {
            let (_, rest) = report.split_once("Ce qu’en dit API Entreprise").unwrap();
            let (own, _) = rest.split_once("Rappels des sept").unwrap();
            let prose: String = own.split('`').step_by(2).collect();
            assert_eq!(faults(&prose), Vec::<String>::new());
        }
        insta::assert_snapshot!(format!("report_{lang}"), report.replace('\u{a0}', "~"));
    }
}
