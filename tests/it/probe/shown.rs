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

pub(super) const PRESENT: fn() -> DateTime<Utc> = || at("2026-11-23T08:40:00Z");

/// Nothing is due after the date, so that nothing is owed.
pub(super) const QUIET: &str = "[schedule]\nafter_expiry = []\nthen_every = 0\n";

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

pub(super) async fn server(town: &Town) -> Server {
    let site = Site {
        door: Door {
            is_at_home: true,
            ..Door::default()
        },
        ..app::site(town.config(), town.rig().sender.clerk(), PRESENT)
    };
    Server::on(site, Limits::default(), Router::new()).await
}

pub(super) async fn get(server: &Server, path: &str) -> String {
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

/// What nobody answers any more is not said as if it were known.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_verdict_is_seen_to_be_old() {
    for lang in ["en", "fr"] {
        let relay = SmtpServer::start(Script::new());
        let config = head(relay.port())
            .replace("language = \"fr\"", &format!("language = \"{lang}\""))
            + QUIET
            + &token("vieux", "2027-03-15", &["a@ville.example"])
            + &token("jamais", "2027-04-15", &["a@ville.example"])
            + &token("frais", "2027-05-15", &["a@ville.example"]);
        let mut town = Town::start(&config, PRESENT() - Duration::days(60)).await;
        hear(&town, "vieux", &alive(&[])).await;
        let silence = Reading {
            status: None,
            said: "connection timed out".to_owned(),
            ..reading(Case::NoAnswer, 0, &[])
        };
        for back in [30, 8, 1] {
            town.now = PRESENT() - Duration::days(back);
            for id in ["vieux", "jamais"] {
                hear(&town, id, &silence).await;
            }
        }
        hear(&town, "frais", &alive(&[])).await;
        town.now = PRESENT();
        town.pass().await;
        let mut shown = String::new();
        for args in [
            &["list"][..],
            &["show", "vieux"],
            &["show", "jamais"],
            &["status"],
        ] {
            let said = said(&town, lang, args);
            let own = said
                .lines()
                .filter(|l| l.contains("API") || args == ["list"]);
            shown += &format!("$ jetond {}\n", args.join(" "));
            own.for_each(|l| shown += &format!("{l}\n"));
        }
        let desk = app::desk(town.config());
        let reporter = Reporter::new(vec![desk.contact.clone()]);
        let beyond = Beyond::default();
        let queued = reporter.queue(town.store(), &desk, &beyond, town.now);
        queued.await.unwrap();
        town.rig().deliver(town.now).await.unwrap();
        let mails = taken(&relay);
        let report = mails.last().unwrap().replace('\r', "");
        let subject = report.lines().nth(1).unwrap();
        let own = report.split("\n\n").find(|part| part.contains("vieux"));
        shown += &format!("{subject}\n{}\n", own.unwrap());
        insta::assert_snapshot!(format!("old_{lang}"), shown.replace('\u{a0}', "~"));

        let server = server(&town).await;
        let page = get(&server, "/tokens?lang=en").await;
        assert!(
            page.contains("works (2026-09-24, nothing learnt since)"),
            "{page}"
        );
        for (path, word) in [
            (
                "/?lang=en",
                "asked in vain: nothing learnt since 2026-09-24",
            ),
            ("/health?lang=en", "Nothing learnt for 7"),
            ("/metrics", "\njetond_tokens_unheard 2\n"),
        ] {
            let page = get(&server, path).await;
            assert!(page.contains(word), "{word} in {page}");
        }
    }
}

/// What one answer says is shown as that, and nobody is urged to renew what may be dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_answer_of_a_death_is_seen_beside_what_is_believed() {
    let config = head(9) + QUIET + &token("a", "2026-11-10", &["a@ville.example"]);
    let mut town = Town::start(&config, PRESENT() - Duration::days(1)).await;
    hear(&town, "a", &alive(&[])).await;
    let urged = "works past its date";
    assert!(said(&town, "en", &["status"]).contains(urged));
    town.now = PRESENT() - Duration::hours(1);
    hear(&town, "a", &reading(Case::Expired, 401, &["00103"])).await;
    let both = "works (2026-11-22); a first answer: refused: expired";
    for args in [&["list"][..], &["explain", "a"]] {
        let said = said(&town, "en", args);
        assert!(said.contains(both), "{said}");
    }
    let status = said(&town, "en", &["status"]);
    let told = "API: a: refused: expired, answered once on 2026-11-23 08:40";
    assert!(status.contains(told) && !status.contains(urged), "{status}");
    let server = server(&town).await;
    assert!(
        !get(&server, "/?lang=en")
            .await
            .contains("works past its date")
    );
    let listed = get(&server, "/tokens?verdict=outlives").await;
    assert!(!listed.contains("tokens/a\""), "{listed}");
}

/// Nothing is waited for where nothing is asked any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_secret_was_taken_out_is_as_one_that_has_none() {
    let tokens = token("a", "2027-03-15", &[]) + &token("b", "2027-03-15", &[]);
    let town = Town::start(&(head(9) + QUIET + &tokens), PRESENT()).await;
    for id in ["a", "b"] {
        hear(&town, id, &alive(&[])).await;
    }
    let mut tx = town.store().begin().await.unwrap();
    tx.forget_unasked(&["b"]).await.unwrap();
    tx.commit().await.unwrap();
    let list = said(&town, "en", &["list"]);
    let of_a = list.lines().find(|l| l.starts_with("a ")).unwrap();
    assert!(of_a.trim_end().ends_with('—'), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_names_who_cannot_be_asked_about_however_many_can() {
    let ids: Vec<String> = (0..22).map(|n| format!("t{n:02}")).collect();
    let tokens: String = ids.iter().map(|id| token(id, "2027-03-15", &[])).collect();
    let town = Town::start(&(head(9) + QUIET + &tokens), PRESENT() - Duration::days(1)).await;
    for id in &ids {
        hear(&town, id, &alive(&[])).await;
    }
    let last = town.store().watched(&["t21"]).await.unwrap().remove(0);
    let mut tx = town.store().begin().await.unwrap();
    tx.put_hindrance(last.no, "absent", town.now).await.unwrap();
    tx.commit().await.unwrap();
    let status = said(&town, "en", &["status"]);
    assert!(
        status.contains("API: t21 cannot be asked about: absent"),
        "{status}"
    );
}

/// Of 40 out of 50 much is left, of 90 out of 1000 little.
#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_volume_is_the_one_nearest_to_its_end() {
    let tokens = token("petit", "2027-03-15", &[]) + &token("grand", "2027-03-15", &[]);
    let town = Town::start(&(head(9) + QUIET + &tokens), PRESENT()).await;
    for (id, limit, remaining) in [("petit", 50, 40), ("grand", 1000, 90)] {
        let volume = Volume {
            limit,
            remaining,
            resets: PRESENT() + Duration::minutes(20),
        };
        let answer = Reading {
            volume: Some(volume),
            ..alive(&[])
        };
        hear(&town, id, &answer).await;
    }
    let status = said(&town, "en", &["status"]);
    let health = get(&server(&town).await, "/health?lang=en").await;
    for shown in [status, health] {
        assert!(shown.contains("90 of 1000 calls left"), "{shown}");
    }
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
        "Lowest volume",
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
