//! The lists of the dashboard, and what stands behind each of their rows: as people see them,
//! against a naive reading of the record, under hostile names and for those who were forgotten.

mod asked;
mod hostile;
mod keys;
mod mails;
mod pictures;
mod plans;

use axum::Router;
use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::domain::lifecycle::Who;
use jetond::renewal::verbs::{self, Filing, Hand, Verb};
use jetond::web::Limits;

use super::Server;
use crate::mail::typography::{faults, visible};
use crate::support::daemon::{Town, at, head, token};
use crate::support::http_client::{Reply, talk};
use crate::support::smtp_server::{Act, Script, SmtpServer};

/// The present of every page.
const PRESENT: fn() -> DateTime<Utc> = || at("2026-11-23T08:40:00Z");

/// A viewer and an operator, as the proxy names them.
const VIEWER: &str = "n.diallo";
const OPERATOR: &str = "c.martin";

const WEB: &str = "[web]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"https://jetons.ville.example\"\n\
    [web.auth]\nproxy = { header = \"X-Remote-User\", from = [\"127.0.0.1\"], operators = [\"c.martin\"] }\n";

/// A town and its pages.
struct Board {
    town: Town,
    server: Server,
}

impl Board {
    async fn of(town: Town) -> Self {
        let site = app::site(town.config(), town.rig().sender.clerk(), PRESENT);
        let server = Server::on(site, Limits::default(), Router::new()).await;
        Self { town, server }
    }

    async fn get(&self, path: &str) -> Reply {
        self.get_as(VIEWER, path).await
    }

    async fn get_as(&self, name: &str, path: &str) -> Reply {
        let asked = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nX-Remote-User: {name}\r\n\r\n",
            super::HOST
        );
        talk(self.server.at, asked).await.unwrap()
    }

    /// A page that is there.
    async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    }
}

/// What is between the menu and the foot of a page, with what differs in each run left out.
fn content(page: &str, town_mails: &[String]) -> String {
    let (_, rest) = page.split_once("<main").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let (content, _) = rest.split_once("</main>").unwrap();
    let mut content = content.to_owned();
    for id in town_mails {
        content = content.replace(id, "MESSAGE-ID");
    }
    let boundary = content.find("boundary=").map(|at| {
        let end = content[at..].find('\n').unwrap_or(0);
        content[at..at + end].to_owned()
    });
    match boundary {
        Some(boundary) => content.replace(&boundary, "boundary=…"),
        None => content,
    }
}

/// A page with its signs as they are read.
fn unescaped(page: &str) -> String {
    let signs = [
        ("&#x2f;", "/"),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    signs
        .iter()
        .fold(page.to_owned(), |page, (from, to)| page.replace(from, to))
}

/// Where the links of a page lead, as paths; those to other hosts and to acts left out.
fn link_targets(path: &str, page: &str) -> Vec<String> {
    let directory = path.split('?').next().unwrap();
    let base = url::Url::parse(&format!("http://localhost{directory}")).unwrap();
    page.split("href=\"")
        .skip(1)
        .map(|rest| unescaped(rest.split('"').next().unwrap()))
        .filter_map(|href| base.join(&href).ok())
        .filter(|url| url.host_str() == Some("localhost"))
        .map(|url| match url.query() {
            None => url.path().to_owned(),
            Some(query) => format!("{}?{query}", url.path()),
        })
        .collect()
}

fn config(port: u16, web: &str) -> String {
    let person = |email: &str, more: &str| format!("{{ email = \"{email}\"{more} }}");
    let camille = person(
        "c.martin@ville.example",
        ", name = \"Camille Martin\", role = \"demandeur\"",
    );
    let tech = person(
        "tech@editeur.example",
        ", language = \"en\", from_stage = 30",
    );
    let gone = person("parti@ville.example", ", name = \"Dominique Petit\"");
    let declared = |id: &str, name: &str, expires: &str, more: &str, people: &[&str]| {
        let people = people.join(", ");
        format!(
            "[[token]]\nid = \"{id}\"\nname = {name:?}\nexpires = {expires}\n{more}recipients = [{people}]\n"
        )
    };
    let x = "client = \"mairie-x\"\n";
    // One after the other, so that the journal has one order.
    head(port).replace("connections = 2", "connections = 1")
        + web
        + "[clients.mairie-x]\nname = \"Mairie de X\"\ncontact = \"dsi@mairie-x.example\"\n\
           [clients.ecole]\nname = \"École d’Œting\"\n"
        + &declared(
            "marches",
            "Marchés publics",
            "2026-12-15",
            &format!(
                "{x}datapass_id = \"11244\"\nsiret = \"13002526500013\"\nused_by = [\"Portail des marchés\"]\ntags = [\"achats\"]\n"
            ),
            &[&camille, &tech, &gone],
        )
        + &declared("cantine", "Cantine", "2026-11-01", x, &[&camille])
        + &declared(
            "etat-civil",
            "État civil",
            "2026-12-01",
            "client = \"ecole\"\n",
            &[&gone],
        )
        + &declared(
            "urbanisme",
            "Urbanisme & permis",
            "2027-06-01",
            "",
            &[&camille, &tech],
        )
        + &declared(
            "aides",
            "Aides sociales",
            "2027-01-20",
            "tags = [\"achats\", \"social\"]\n",
            &[&camille],
        )
        + &declared("taxe", "Taxe de séjour", "2027-02-01", "", &[&tech])
        + &declared(
            "ancien",
            "Urbanisme (ancien)",
            "2026-12-24",
            "",
            &[&camille],
        )
        + &declared("oeuvres", "Œuvres d’art", "2026-12-30", "", &[&tech])
}

/// A town in which much has happened; one address is refused.
async fn lived_in() -> (Board, SmtpServer) {
    lived_in_behind(WEB).await
}

async fn lived_in_behind(web: &str) -> (Board, SmtpServer) {
    let server = SmtpServer::start(
        Script::new().to("parti@ville.example", Act::Reply("550 5.1.1 no such user")),
    );
    let mut town = Town::start(&config(server.port(), web), at("2026-11-19T08:30:00Z")).await;
    town.pass().await;
    town.now += Duration::minutes(5);
    for (id, verb) in [
        (
            "aides",
            Verb::File(Filing {
                at: None,
                by: Some("Camille Martin".to_owned()),
                reference: Some("R-7".to_owned()),
            }),
        ),
        (
            "taxe",
            Verb::Snooze {
                until: at("2026-12-20T00:00:00Z"),
            },
        ),
        (
            "ancien",
            Verb::Supersede {
                by: "urbanisme".to_owned(),
            },
        ),
        ("oeuvres", Verb::Revoke { at: None }),
    ] {
        act(&town, id, verb).await;
    }
    while town.now + Duration::days(1) <= PRESENT() {
        town.now += Duration::days(1);
        town.pass().await;
    }
    (Board::of(town).await, server)
}

async fn act(town: &Town, id: &str, verb: Verb) {
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: town.now,
    };
    verbs::act(town.store(), &hand, id, &verb)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_in_both_languages() {
    let (board, _server) = lived_in().await;
    let mails = board.town.mails().await;
    let ids: Vec<String> = mails.iter().map(|m| m.message_id.clone()).collect();
    let no = |of: &str, state: &str| {
        let mut fitting = mails
            .iter()
            .filter(|m| m.address == of && m.state.word() == state);
        fitting.next().unwrap().no
    };
    let sent = no("c.martin@ville.example", "sent");
    let refused = no("parti@ville.example", "refused");
    for (name, path) in [
        ("tokens", "/tokens?state=all".to_owned()),
        (
            "tokens_searched",
            "/tokens?q=oeuvres+ETAT&state=all".to_owned(),
        ),
        ("token", "/tokens/marches".to_owned()),
        ("token_superseded", "/tokens/ancien".to_owned()),
        ("token_snoozed", "/tokens/taxe".to_owned()),
        ("clients", "/clients".to_owned()),
        ("client", "/clients/mairie-x".to_owned()),
        ("client_none", "/clients/(none)".to_owned()),
        ("recipients", "/recipients".to_owned()),
        ("recipient", "/recipients/parti@ville.example".to_owned()),
        ("outbox", "/outbox".to_owned()),
        ("outbox_all", "/outbox?state=all".to_owned()),
        ("mail_sent", format!("/outbox/{sent}")),
        ("mail_refused", format!("/outbox/{refused}")),
        ("journal", "/journal".to_owned()),
    ] {
        for lang in ["en", "fr"] {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = board.page(&format!("{path}{sign}lang={lang}")).await;
            if lang == "fr" && !name.starts_with("mail_") {
                let text = visible(&format!("<body>{}", unescaped(&content(&page, &ids))));
                // Hours, addresses and what a server said are no sentences.
                let is_sentence = |f: &String| {
                    !f.contains(|c: char| c.is_ascii_digit() || "@=<>".contains(c))
                        && !f.contains("user:")
                };
                let faults: Vec<String> = faults(&text).into_iter().filter(is_sentence).collect();
                assert!(faults.is_empty(), "{name}: {faults:?}\n{text}");
            }
            insta::assert_snapshot!(format!("{name}_{lang}"), content(&page, &ids));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_offered_acts_and_a_viewer_is_not() {
    let (board, _server) = lived_in().await;
    let acts = ["filed", "renew", "snooze", "revoke"].map(|a| format!("tokens/marches/{a}\""));
    let mails = board.town.mails().await;
    let refused = mails.iter().find(|m| m.state.word() == "refused").unwrap();
    let (token, mail) = ("/tokens/marches", format!("/outbox/{}", refused.no));
    for (name, offered) in [(OPERATOR, true), (VIEWER, false)] {
        let page = board.get_as(name, token).await.body;
        for act in &acts {
            assert_eq!(page.contains(act), offered, "{name}: {act}");
        }
        let page = board.get_as(name, &mail).await.body;
        assert_eq!(page.contains("/retry\""), offered, "{name}");
    }
    // What is no longer watched is not acted upon.
    let page = board.get_as(OPERATOR, "/tokens/ancien").await.body;
    assert!(!page.contains("tokens/ancien/filed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_to_be_so() {
    let town = Town::start(
        &(head(1) + WEB + &token("marches", "2026-12-15", &["a@ville.example"])),
        PRESENT(),
    )
    .await;
    let board = Board::of(town).await;
    for path in [
        "/tokens/nothing",
        "/tokens/%00",
        "/tokens/%FF",
        "/clients/nothing",
        "/recipients/nobody@ville.example",
        "/outbox/77",
        "/outbox/x",
        "/outbox/1.eml",
        "/outbox/-1",
        "/outbox/99999999999999999999",
    ] {
        let reply = board.get(path).await;
        assert!([400, 404].contains(&reply.status), "{path}: {reply:?}");
    }
    for (path, said) in [
        ("/tokens?state=x", "no such state: x"),
        ("/tokens?sort=x", "no such order: x"),
        ("/tokens?reach=x", "no such choice: x"),
        ("/tokens?client=x", "no such client: x"),
        ("/tokens?tag=x", "no such tag: x"),
        ("/tokens?recipient=x", "no such recipient: x"),
        ("/recipients?reach=x", "no such choice: x"),
        ("/outbox?state=x", "no such state: x"),
        ("/outbox?kind=x", "no mail of this kind: x"),
        ("/outbox?token=x", "no such token: x"),
        ("/journal?what=x", "of this kind is on record: x"),
        ("/journal?token=x", "no such token: x"),
        ("/journal?from=x", "not a date: x"),
        ("/journal?to=0000-00-00", "not a date: 0000-00-00"),
        ("/journal?to=9999-01-01", "not a date: 9999-01-01"),
    ] {
        let page = board.page(&format!("{path}&lang=en")).await;
        assert!(unescaped(&page).contains(said), "{path}: {page}");
        assert!(!page.contains("<tbody>"), "{path} lists nothing");
    }
    // A place that is none is the beginning.
    for place in ["x", "1", "-1--1", "99999999999999999999-1", "1-2-3"] {
        let page = board.page(&format!("/journal?before={place}")).await;
        assert!(page.contains("<tbody>"), "{place}");
    }
    let most = i64::MAX;
    for place in [
        format!("before={most}-{most}"),
        "before=0-0".to_owned(),
        format!("after={most}-{most}"),
        "after=0-0".to_owned(),
    ] {
        board.page(&format!("/journal?{place}")).await;
    }
}
