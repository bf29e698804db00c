//! The links of mails, from the mail that carries them to what the record says afterwards.

use std::path::Path;

use axum::Router;
use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::domain::language::Lang;
use jetond::domain::lifecycle::{Silence, State, Who};
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::store::Store;
use jetond::web::Limits;
use mail_parser::MessageParser;

use super::{HOST, Server};
use crate::mail::style::stands_out;
use crate::mail::typography::{faults, visible};
use crate::support::daemon::{Town, at};
use crate::support::http_client::{Reply, request, talk};

pub(super) const CAMILLE: &str = "c.martin@ville.example";
pub(super) const TECH: &str = "tech@editeur.example";

/// 92 days before the end of its token; the pages show [`PRESENT`].
const START: &str = "2026-09-14T08:00:00Z";
const PRESENT: fn() -> DateTime<Utc> = || at("2026-09-20T08:00:00Z");

fn config(name: &str) -> String {
    format!(
        "language = \"fr\"\norganisation = \"Ville d’Exemple\"\ncontact = \"dsi@ville.example\"\n\
         [mail]\nfrom = \"Veille <jetons@ville.example>\"\n\
         [web]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"https://{HOST}\"\n\
         [[token]]\nid = \"marches\"\nname = {name:?}\nexpires = 2026-12-15\ndatapass_id = \"11244\"\n\
         recipients = [\n  {{ email = \"{CAMILLE}\", name = \"Camille Martin\", role = \"demandeur\" }},\n  \
         {{ email = \"{TECH}\", language = \"en\" }},\n]\n"
    )
}

/// A town whose first reminders have left, and its pages.
pub(super) struct Place {
    pub(super) town: Town,
    pub(super) server: Server,
}

impl Place {
    pub(super) async fn start() -> Self {
        Self::named("Marchés publics").await
    }

    pub(super) async fn named(name: &str) -> Self {
        let mut town = Town::start(&config(name), at(START)).await;
        while town.now < PRESENT() {
            town.now += Duration::days(1);
            town.pass().await;
        }
        let site = app::site(town.config(), town.rig().sender.clerk(), PRESENT);
        let server = Server::on(site, Limits::default(), Router::new()).await;
        Self { town, server }
    }

    /// The path of a page in the reminder that went to this address.
    pub(super) fn page(&self, to: &str, part: &str) -> String {
        let links = links_to(&self.town.dir().join("outbox"), to);
        let link = links.iter().find(|l| l.ends_with(part)).unwrap();
        link.strip_prefix(&format!("https://{HOST}"))
            .unwrap()
            .to_owned()
    }

    async fn get(&self, path: &str) -> Reply {
        talk(self.server.at, request("GET", path, HOST, ""))
            .await
            .unwrap()
    }

    async fn post(&self, path: &str, form: &str) -> Reply {
        talk(self.server.at, request("POST", path, HOST, form))
            .await
            .unwrap()
    }

    /// Posts, and follows to the page that is shown then.
    async fn say(&self, path: &str, form: &str) -> String {
        let posted = self.post(path, form).await;
        assert_eq!(posted.status, 303, "{posted:?}");
        let name = posted.header("location").unwrap();
        let at = path.split('?').next().unwrap();
        let page = self
            .get(&format!("{}/{name}", at.rsplit_once('/').unwrap().0))
            .await;
        assert_eq!(page.status, 200);
        page.body
    }

    /// What was said of the token: (kind, who).
    pub(super) async fn said(&self) -> Vec<(Silence, String)> {
        let said = self.town.store().all_said().await.unwrap();
        said.into_iter().map(|(_, s)| (s.kind, s.who)).collect()
    }

    /// Everything on record that a page could have changed.
    async fn record(&self) -> String {
        let store = self.town.store();
        let history = store.history(None, 10_000).await.unwrap();
        let notices = store.all_notices().await.unwrap();
        format!(
            "{history:?} {notices:?} {:?} {:?}",
            self.said().await,
            self.town.mails().await
        )
    }

    async fn act(&self, verb: Verb) {
        let hand = Hand {
            calendar: &self.town.config().calendar,
            who: Who::User("alex".to_owned()),
            now: self.town.now,
        };
        verbs::act(self.town.store(), &hand, "marches", &verb)
            .await
            .unwrap()
            .unwrap();
    }
}

/// The links to pages in the latest reminder to an address, as its text part has them.
pub(crate) fn links_to(outbox: &Path, to: &str) -> Vec<String> {
    let mut mails: Vec<_> = std::fs::read_dir(outbox)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "eml"))
        .collect();
    mails.sort();
    let mut found = Vec::new();
    for mail in mails {
        let bytes = std::fs::read(mail).unwrap();
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let is_to = mail.to().unwrap().first().unwrap().address() == Some(to);
        let text = mail.body_text(0).unwrap();
        let links: Vec<String> = text
            .lines()
            .filter(|l| l.starts_with("https://") && l.contains("/l/"))
            .map(|l| l.trim().to_owned())
            .collect();
        if is_to && !links.is_empty() {
            let html = mail.body_html(0).unwrap();
            assert!(
                links.iter().all(|l| html.contains(&format!("\"{l}\""))),
                "{html}"
            );
            found = links;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_says_that_the_request_is_filed_and_takes_it_back() {
    let place = Place::start().await;
    let filed = place.page(CAMILLE, "/filed");
    let before = place.record().await;
    for _ in 0..3 {
        let page = place.get(&filed).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("<form method=\"post\""), "{}", page.body);
        let head = talk(place.server.at, request("HEAD", &filed, HOST, ""))
            .await
            .unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    assert_eq!(place.record().await, before, "a look changes nothing");

    let shown = place.say(&filed, "number=n%C2%B0+11+244&say=yes").await;
    assert!(shown.contains("Vous avez indiqué le 20"), "{shown}");
    assert!(
        shown.contains("n°\u{a0}11244") && !shown.contains("<input"),
        "{shown}"
    );
    let who = format!("recipient:{CAMILLE}");
    assert_eq!(place.said().await, [(Silence::Filed, who.clone())]);
    let after = place.record().await;
    // Once more, by a double click or a scanner.
    place.say(&filed, "number=11244&say=yes").await;
    place.say(&filed, "say=yes").await;
    assert_eq!(place.record().await, after);
    // The others see that it was said, and cannot take it back.
    let theirs = place.page(TECH, "/filed");
    let seen = place.say(&theirs, "say=no").await;
    assert!(
        seen.contains("Another person who is told said on 20 September 2026"),
        "{seen}"
    );
    assert!(!seen.contains(CAMILLE) && !seen.contains("Undo"), "{seen}");
    assert_eq!(place.record().await, after);

    let shown = place.say(&filed, "say=no").await;
    assert!(shown.contains("<input"), "{shown}");
    assert_eq!(place.said().await, []);
    let history = place.town.store().history(None, 100).await.unwrap();
    let words: Vec<(&str, &str)> = history
        .iter()
        .filter(|e| e.who == who)
        .map(|e| (e.who.as_str(), e.what.as_str()))
        .collect();
    assert_eq!(words.len(), 2, "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_renewal_silences_early_stages_only_and_asks_for_a_confirmation() {
    let mut place = Place::start().await;
    let renewed = place.page(TECH, "/renewed");
    let page = place.get(&renewed).await.body;
    for word in [
        "type=\"date\" min=\"2026-12-16\"",
        "recorded in the name of tech@editeur.example",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    for (date, why) in [
        (
            "2026-12-15",
            "not later than the date that we know, 15 December 2026",
        ),
        ("2026-09-01", "This date has passed"),
        ("2066-09-01", "please check the year"),
        ("31/02/2028", "not a date"),
        ("demain", "not a date"),
    ] {
        let form = format!("say=yes&date={date}");
        let refused = place.post(&renewed, &form).await;
        assert_eq!(refused.status, 422, "{date}");
        assert!(refused.body.contains(why), "{date}: {}", refused.body);
        assert!(refused.body.contains("aria-invalid=\"true\""));
        assert!(
            refused.body.contains(&format!("value=\"{date}\"")),
            "{}",
            refused.body
        );
    }
    assert_eq!(place.said().await, []);

    let shown = place.say(&renewed, "say=yes&date=2028-06-15").await;
    assert!(
        shown.contains("that the token is renewed, until 15 June 2028"),
        "{shown}"
    );
    place.say(&renewed, "say=yes").await;
    assert_eq!(
        place.said().await,
        [(Silence::Declared, format!("recipient:{TECH}"))]
    );
    let reminders = place.town.reminders().await.len();
    let mut day = place.town.now;
    while day < at("2026-12-20T08:00:00Z") {
        day += Duration::days(1);
        place.town.now = day;
        place.town.pass().await;
        place.town.pass().await;
    }
    let notes = place.town.notes().await;
    assert_eq!(
        notes,
        [("note_declared".to_owned(), "dsi@ville.example".to_owned())]
    );
    // 15, 7, 1 and 0 to both; 60 and 30 to nobody.
    assert_eq!(place.town.reminders().await.len() - reminders, 8);
    assert_eq!(place.town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_for_me_tells_the_others_once_and_changes_nothing_else() {
    let place = Place::start().await;
    let mine = place.page(TECH, "/not-for-me");
    assert!(place.get(&mine).await.body.contains("Tell the others"));
    for _ in 0..3 {
        let shown = place.say(&mine, "say=yes").await;
        assert!(shown.contains("this token is not for you"), "{shown}");
        assert!(!shown.contains("<button"), "{shown}");
        place.town.pass().await;
    }
    let mut notes = place.town.notes().await;
    notes.sort();
    let told = |to: &str| ("note_not_for_me".to_owned(), to.to_owned());
    assert_eq!(notes, [told(CAMILLE), told("dsi@ville.example")]);
    assert_eq!(place.said().await, []);
    let overview = place
        .get(&place.page(TECH, "/filed").replace("/filed", ""))
        .await;
    assert!(overview.body.contains("this token is not for you"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_nothing_gets_one_answer() {
    let mut place = Place::start().await;
    let (mine, theirs) = (place.page(CAMILLE, "/filed"), place.page(TECH, "/filed"));
    let forged = mine.replace("/l/A", "/l/B");
    let gone = place.get(&forged).await;
    assert_eq!(gone.status, 410);
    let before = place.record().await;
    for path in [
        forged.clone(),
        mine.replace("/filed", "x/filed"),
        format!("/l/{}/filed", "A".repeat(44)),
        format!("/l/{}/filed", "A".repeat(4000)),
        "/l/preview/filed".to_owned(),
        "/l/..%2f..%2fetc/filed".to_owned(),
        "/l/%27%20OR%201/filed".to_owned(),
    ] {
        assert_eq!(place.get(&path).await.body, gone.body, "{path}");
        assert_eq!(place.get(&path).await.status, 410, "{path}");
        let posted = place.post(&path, "say=yes").await;
        assert_eq!((posted.status, &posted.body), (410, &gone.body), "{path}");
    }
    assert_eq!(place.record().await, before);

    // Put away, and watched again.
    place.act(Verb::Archive).await;
    assert_eq!(place.get(&mine).await.body, gone.body);
    assert_eq!(place.post(&mine, "say=yes").await.status, 410);
    place.act(Verb::Restore).await;
    assert_eq!(place.get(&mine).await.status, 200);

    // No longer told about it.
    let without = config("Marchés publics").replace(
        &format!("  {{ email = \"{TECH}\", language = \"en\" }},\n"),
        "",
    );
    place.town.reload(&without).await;
    assert_eq!(place.get(&theirs).await.body, gone.body);
    assert_eq!(place.post(&theirs, "say=yes").await.status, 410);
    assert_eq!(place.get(&mine).await.status, 200);

    // Another period.
    place
        .act(Verb::Renew(Renewal::until(
            at("2028-06-15T21:59:59Z"),
            None,
        )))
        .await;
    assert_eq!(place.get(&mine).await.body, gone.body);
    assert_eq!(place.post(&mine, "say=yes").await.status, 410);
    assert_eq!(place.said().await, []);
    let states: Vec<State> = place
        .town
        .store()
        .tokens()
        .await
        .unwrap()
        .iter()
        .map(|t| t.state)
        .collect();
    assert_eq!(states, [State::Active]);

    // Without public_url no page of a link answers anything else.
    let site = app::site(
        place.town.config(),
        &app::clerk(place.town.config(), place.town.store().clone()),
        PRESENT,
    );
    place.server.live.switch(site);
    assert_eq!(place.get(&mine).await.body, gone.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_speaks_its_readers_language_and_the_other_one_at_will() {
    let place = Place::start().await;
    let (french, english) = (
        place.page(CAMILLE, "/renewed"),
        place.page(TECH, "/renewed"),
    );
    let lang = |page: &Reply| {
        let (_, rest) = page.body.split_once("<html lang=\"").unwrap();
        rest[..2].to_owned()
    };
    for (path, expected) in [
        (french.clone(), "fr"),
        (english.clone(), "en"),
        (format!("{french}?lang=en"), "en"),
        (format!("{english}?lang=fr"), "fr"),
        (format!("{english}?lang=de"), "en"),
        ("/l/none".to_owned(), "fr"),
        ("/l/none?lang=en".to_owned(), "en"),
    ] {
        assert_eq!(lang(&place.get(&path).await), expected, "{path}");
    }
    let posted = place.post(&format!("{french}?lang=en"), "say=yes").await;
    assert_eq!(posted.header("location"), Some("renewed?lang=en"));
    let browser = format!(
        "GET /l/none HTTP/1.1\r\nHost: {HOST}\r\nAccept-Language: de, en-GB;q=0.9, fr;q=0.5\r\n\r\n"
    );
    assert_eq!(lang(&talk(place.server.at, browser).await.unwrap()), "en");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_typed_or_declared_stays_text() {
    let place = Place::named("<script>alert(1)</script> & « M »").await;
    let filed = place.page(CAMILLE, "/filed");
    let page = place.get(&filed).await.body;
    assert!(
        page.contains("&lt;script&gt;alert") && !page.contains("<script"),
        "{page}"
    );
    let typed = "%22%3E%3Cscript%3Ealert%282%29%3C%2Fscript%3E";
    let refused = place.post(&filed, &format!("say=yes&number={typed}")).await;
    assert_eq!(refused.status, 422);
    assert!(
        !refused.body.contains("<script") && refused.body.contains("alert(2)"),
        "{}",
        refused.body
    );
    for form in [
        "",
        "say=maybe",
        "number=1",
        "say",
        "%FF%FE=&say=%00",
        "{\"say\":\"yes\"}",
    ] {
        assert_eq!(place.post(&filed, form).await.status, 400, "{form}");
    }
    assert_eq!(
        place
            .post(&filed.replace("/filed", ""), "say=yes")
            .await
            .status,
        405
    );
    assert_eq!(place.said().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_another_site_is_not_taken() {
    let place = Place::start().await;
    let filed = place.page(CAMILLE, "/filed");
    let post = |header: &str| {
        format!(
            "POST {filed} HTTP/1.1\r\nHost: {HOST}\r\n{header}\r\nContent-Length: 7\r\n\r\nsay=yes"
        )
    };
    for header in [
        "Origin: https://evil.example",
        "Origin: http://jetons.ville.example.evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site\r\nOrigin: null",
    ] {
        assert_eq!(
            talk(place.server.at, post(header)).await.unwrap().status,
            403,
            "{header}"
        );
    }
    assert_eq!(place.said().await, []);
    for header in [
        "Origin: https://jetons.ville.example",
        // What a browser sends under `Referrer-Policy: no-referrer`.
        "Origin: null\r\nSec-Fetch-Site: same-origin",
        "Accept: */*",
    ] {
        assert_eq!(
            talk(place.server.at, post(header)).await.unwrap().status,
            303,
            "{header}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_record_is_asked_again_later_and_nothing_is_lost() {
    let place = Place::start().await;
    let filed = place.page(CAMILLE, "/filed");
    let other = Store::open(&place.town.config().store).await.unwrap();
    let mut held = other.begin().await.unwrap();
    held.set("held", "1").await.unwrap();
    // Looking goes on; writing is put off.
    assert_eq!(place.get(&filed).await.status, 200);
    let refused = place.post(&filed, "say=yes").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("30"))
    );
    held.commit().await.unwrap();
    assert_eq!(place.said().await, []);
    assert_eq!(place.post(&filed, "say=yes").await.status, 303);
    assert_eq!(place.said().await.len(), 1);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_readers_who_leave_leave_their_answer_behind() {
    use tokio::io::AsyncWriteExt as _;
    let place = Place::start().await;
    let filed = place.page(CAMILLE, "/filed");
    for n in 0..500 {
        let say = if n % 2 == 0 { "say=yes" } else { "say=no" };
        let mut client = tokio::net::TcpStream::connect(place.server.at)
            .await
            .unwrap();
        client
            .write_all(request("POST", &filed, HOST, say).as_bytes())
            .await
            .unwrap();
    }
    place.say(&filed, "say=no").await;
    place.say(&filed, "say=yes").await;
    assert_eq!(place.said().await.len(), 1);
    let store = place.town.config().store.clone();
    let Place { mut town, server } = place;
    server.stop().await;
    town.stop().await;
    let again = Store::open(&store).await.unwrap();
    assert!(!again.all_said().await.unwrap().is_empty());
    again.check_soundness().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_well_set_and_loads_nothing_from_elsewhere() {
    let place = Place::start().await;
    let style = place.get("/style.css").await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    stands_out(&style.body);
    let overview = place.page(CAMILLE, "/filed").replace("/filed", "");
    let mut pages = Vec::new();
    for part in ["", "/filed", "/renewed", "/not-for-me"] {
        pages.push(("before", format!("{overview}{part}")));
    }
    for (moment, path) in &pages {
        check_page(&place, moment, path).await;
    }
    place
        .say(&format!("{overview}/filed"), "say=yes&number=11244")
        .await;
    place
        .say(&format!("{overview}/renewed"), "say=yes&date=2028-06-15")
        .await;
    place
        .say(&format!("{overview}/not-for-me"), "say=yes")
        .await;
    for (_, path) in &pages {
        check_page(&place, "after", path).await;
    }
    check_page(&place, "gone", "/l/none").await;
}

async fn check_page(place: &Place, moment: &str, path: &str) {
    for lang in [Lang::Fr, Lang::En] {
        let page = place.get(&format!("{path}?lang={lang}")).await.body;
        for absent in [
            "<script", "<img", "style=", "onclick", "onload", "http://", "@import",
        ] {
            assert!(!page.contains(absent), "{path}: {absent}");
        }
        assert_eq!(page.matches("<h1>").count(), 1, "{path}");
        assert_eq!(
            page.matches("<label for=").count(),
            page.matches("<input id=").count()
        );
        let text = visible(&page);
        match lang {
            Lang::Fr => assert_eq!(faults(&text), Vec::<String>::new(), "{path}"),
            Lang::En => assert!(!text.contains(['\'', '"']), "{text}"),
        }
        let part = path.rsplit('/').next().unwrap();
        let name = if part.len() > 20 { "overview" } else { part };
        let ticket = path.split('/').nth(2).unwrap();
        insta::assert_snapshot!(
            format!("page_{moment}_{name}_{lang}"),
            page.replace(ticket, "TICKET")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_someone_else_said_stays_theirs() {
    let place = Place::start().await;
    place
        .act(Verb::File(Filing {
            reference: Some("98765".to_owned()),
            ..Filing::default()
        }))
        .await;
    place.act(Verb::Declare { expires: None }).await;
    let (said, record) = (place.said().await, place.record().await);
    assert!(said.len() == 2 && said.iter().all(|(_, who)| !who.starts_with("recipient:")));
    let filed = place.page(TECH, "/filed");
    let renewed = place.page(TECH, "/renewed");
    for (page, form) in [
        (&filed, "number=1&say=yes"),
        (&filed, "say=no"),
        (&renewed, "say=yes&date=2028-06-15"),
        (&renewed, "say=no"),
    ] {
        let shown = place.say(page, form).await;
        assert!(shown.contains("The person in charge said"), "{shown}");
        assert_eq!(place.said().await, said, "{form}");
        assert_eq!(place.record().await, record, "{form}");
    }
}
