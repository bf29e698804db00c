//! Calendars over HTTP: who has the address reads, and nobody else; what has not changed is not
//! sent twice.

use axum::Router;
use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::domain::lifecycle::Who;
use jetond::renewal::verbs::{self, Hand, Verb};
use jetond::store::calendars::Secret;
use jetond::store::feed::Scope;
use jetond::web::{Limits, calendar_path};

use super::{HOST, Server};
use crate::agenda::parsed;
use crate::support::daemon::{Town, at, token};
use crate::support::http_client::{Reply, request, talk};
use crate::support::program::{Program, Running, said};

const START: &str = "2026-09-14T08:00:00Z";
const PRESENT: fn() -> DateTime<Utc> = || at("2026-09-14T09:00:00Z");

fn config() -> String {
    let of = |id: &str, client: &str| {
        token(id, "2026-12-15", &["c.martin@ville.example"]) + &format!("client = {client:?}\n")
    };
    format!(
        "language = \"fr\"\norganisation = \"Éditeur\"\ncontact = \"dsi@ville.example\"\n\
         [mail]\nfrom = \"jetons@ville.example\"\n\
         [web]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"https://{HOST}\"\n\
         [clients.x]\nname = \"Mairie X\"\n[clients.\"à/y\"]\nname = \"Mairie Y\"\n"
    ) + &of("chez-x", "x")
        + &of("chez-y", "à/y")
}

/// A town whose calendars have addresses, and its server.
struct Place {
    town: Town,
    server: Server,
}

const SCOPES: [Scope<'static>; 3] = [Scope::All, Scope::Client("x"), Scope::Client("à/y")];

impl Place {
    async fn start() -> Self {
        let town = Town::start(&config(), at(START)).await;
        let site = app::site(town.config(), town.rig().sender.clerk(), PRESENT);
        let server = Server::on(site, Limits::default(), Router::new()).await;
        Self { town, server }
    }

    async fn make(&self, scope: Scope<'_>) -> Secret {
        let mut tx = self.town.store().begin().await.unwrap();
        let secret = tx.make_calendar_secret(scope, "user:x", self.town.now);
        let secret = secret.await.unwrap();
        tx.commit().await.unwrap();
        secret
    }

    async fn paths(&self) -> [String; 3] {
        let mut paths = Vec::new();
        for scope in SCOPES {
            paths.push(calendar_path(scope, &self.make(scope).await));
        }
        paths.try_into().unwrap()
    }

    async fn asks(&self, method: &str, path: &str, more: &str) -> Reply {
        let plain = request(method, path, HOST, "");
        let whole = plain.replacen("\r\n\r\n", &format!("\r\n{more}\r\n"), 1);
        talk(self.server.at, whole).await.unwrap()
    }

    async fn get(&self, path: &str) -> Reply {
        self.asks("GET", path, "").await
    }
}

#[tokio::test]
async fn who_has_an_address_reads_that_calendar_alone() {
    let place = Place::start().await;
    assert_eq!(
        place
            .get("/calendar/AAAAAAAAAAAAAAAAAAAAAAAA.ics")
            .await
            .status,
        410
    );
    let paths = place.paths().await;
    for (path, there, name) in [
        (&paths[0], &["chez-x", "chez-y"][..], "Éditeur"),
        (&paths[1], &["chez-x"], "Mairie X"),
        (&paths[2], &["chez-y"], "Mairie Y"),
    ] {
        let reply = place.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(
            reply.header("content-type"),
            Some("text/calendar; charset=utf-8")
        );
        let calendar = parsed(&reply.body);
        assert_eq!(
            calendar.own["X-WR-CALNAME"],
            format!("Jetons API Entreprise\u{a0}: {name}")
        );
        let of = |id: &str| {
            let mut events = calendar.events.iter();
            events.any(|e| e.get("DESCRIPTION").ends_with(id))
        };
        for id in ["chez-x", "chez-y"] {
            assert_eq!(of(id), there.contains(&id), "{id} at {path}");
        }
    }
    // No address opens another calendar, and nothing else opens one.
    let secret = |n: usize| {
        paths[n]
            .split('/')
            .nth(2)
            .unwrap()
            .trim_end_matches(".ics")
            .to_owned()
    };
    let (all, x, y) = (secret(0), secret(1), secret(2));
    let gone = place.get("/calendar/nothing.ics").await;
    assert_eq!(gone.status, 410);
    assert!(gone.body.contains("plus, de calendrier") && gone.body.contains("no calendar"));
    for path in [
        format!("/calendar/{x}.ics"),
        format!("/calendar/{all}"),
        format!("/calendar/{all}.ICS"),
        format!("/calendar/{all}/x.ics"),
        format!("/calendar/{y}/x.ics"),
        format!("/calendar/{x}/%C3%A0%2Fy.ics"),
        format!("/calendar/{x}/X.ics"),
        format!("/calendar/{x}/.ics"),
        format!("/calendar/{}.ics", &all[1..]),
        format!("/calendar/{all}x.ics"),
        format!("/calendar/{}.ics", "x".repeat(4000)),
        "/calendar/.ics".to_owned(),
        "/calendar/%00%0D%0A.ics".to_owned(),
        "/calendar/%F0%9F%8F%9B/x'%22%20OR%201=1--.ics".to_owned(),
    ] {
        let reply = place.get(&path).await;
        let kept = |r: &Reply| {
            let headers = r.headers.iter().filter(|(name, _)| name != "date");
            (
                r.status,
                headers.cloned().collect::<Vec<_>>(),
                r.body.clone(),
            )
        };
        assert_eq!(kept(&reply), kept(&gone), "{path}");
    }
    for path in [
        "/calendar",
        "/calendar/",
        &format!("/calendar/{all}/x/y.ics"),
    ] {
        assert_eq!(place.get(path).await.status, 404, "{path}");
    }
    assert_eq!(place.get("/calendar/%FF.ics").await.status, 400);
    for method in ["POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"] {
        assert_eq!(
            place.asks(method, &paths[0], "").await.status,
            405,
            "{method}"
        );
    }
    place.server.stop().await;
}

#[tokio::test]
async fn a_renewed_address_ends_at_once() {
    let place = Place::start().await;
    let paths = place.paths().await;
    let mut tx = place.town.store().begin().await.unwrap();
    let renewed = tx.renew_calendar_secret(SCOPES[1], "user:x", place.town.now);
    let renewed = renewed.await.unwrap();
    tx.commit().await.unwrap();
    let statuses = async || {
        let mut statuses = Vec::new();
        for path in &paths {
            statuses.push(place.get(path).await.status);
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 410, 200]);
    let reply = place.get(&calendar_path(SCOPES[1], &renewed)).await;
    assert_eq!(reply.status, 200);
    place.server.stop().await;
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let mut place = Place::start().await;
    let paths = place.paths().await;
    let first = place.get(&paths[0]).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    for header in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-None-Match: \"x\", W/{tag}\r\n"),
    ] {
        let again = place.asks("GET", &paths[0], &header).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""));
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert_eq!(again.header("cache-control"), Some("private, no-cache"));
    }
    let head = place.asks("HEAD", &paths[0], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("etag"), Some(tag.as_str()));
    let length = first.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));

    place.town.now += Duration::minutes(1);
    let hand = Hand {
        calendar: &place.town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: place.town.now,
    };
    let done = verbs::act(place.town.store(), &hand, "chez-x", &Verb::Archive).await;
    done.unwrap().unwrap();
    let known = format!("If-None-Match: {tag}\r\n");
    let changed = place.asks("GET", &paths[0], &known).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let cancelled = parsed(&changed.body).events;
    assert_eq!(cancelled.iter().filter(|e| e.is_cancelled()).count(), 2);
    // Of the other client's calendar nothing changed.
    let y = place.get(&paths[2]).await;
    assert_eq!(
        parsed(&y.body)
            .events
            .iter()
            .filter(|e| e.is_cancelled())
            .count(),
        0
    );
    // Whatever else is answered is kept by nobody, and a calendar is hardened like everything.
    for path in ["/calendar/nothing.ics", "/style.css", "/nowhere"] {
        let reply = place.get(path).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(reply.header("etag"), None);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow"),
    ] {
        assert_eq!(first.header(name), Some(value));
    }
    place.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_serves_what_the_command_line_gives_the_address_of() {
    let at = super::own_address();
    let program = Program::new(&format!(
        "language = \"en\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n\
         [web]\nlisten = \"{at}\"\npublic_url = \"https://{HOST}\"\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2030-01-01\nrecipients = [\"a@ville.example\"]\n"
    ));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    let address = |args: &[&str]| {
        let output = program.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let line = String::from_utf8(output.stdout).unwrap();
        let path = line.trim_end().strip_prefix(&format!("https://{HOST}"));
        path.unwrap().to_owned()
    };
    let path = address(&["calendar", "--address"]);
    let served = talk(at, request("GET", &path, HOST, "")).await.unwrap();
    assert_eq!(served.status, 200);
    let printed = program.command(&["calendar"]).output().unwrap();
    assert_eq!(served.body.as_bytes(), printed.stdout);
    // On this machine too, and under no name that is not ours.
    let here = request("GET", &path, "localhost", "");
    assert_eq!(talk(at, here).await.unwrap().status, 200);
    let elsewhere = request("GET", &path, "ailleurs.example", "");
    assert_eq!(talk(at, elsewhere).await.unwrap().status, 421);

    let renewed = address(&["calendar", "--renew-secret"]);
    for (path, status) in [(&path, 410), (&renewed, 200)] {
        let reply = talk(at, request("GET", path, HOST, "")).await.unwrap();
        assert_eq!(reply.status, status);
    }
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}
