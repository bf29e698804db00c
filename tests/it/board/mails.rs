//! What operators do with mails: a lost one leaves again, an open one is cancelled, held ones are
//! released; each once, in their name, and only as it was shown.

use chrono::{DateTime, Duration, Utc};
use jetond::store::mailbook::MailRow;
use jetond::store::outbox::MailState;

use super::house::{House, WEB};
use super::markup::Page;
use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Script, SmtpServer};

const PRESENT: fn() -> DateTime<Utc> = || at("2026-10-11T08:30:00Z");

/// A town whose storm brake holds mails of two days ago, and one address is refused.
async fn house() -> House {
    let refusing = Script::new().to("gone@ville.example", Act::Reply("550 5.1.1 no such user"));
    let server = SmtpServer::start(refusing);
    let mut config = head(server.port()).replace("[mail]\n", "[mail]\nstorm = 1\n") + WEB;
    config += &token("lost", "2026-12-11", &["gone@ville.example"]);
    for n in 0..5 {
        let expires = "2026-12-09";
        config += &token(&format!("t{n}"), expires, &[&format!("p{n}@ville.example")]);
    }
    let mut town = Town::start(&config, PRESENT() - Duration::days(29)).await;
    town.pass().await;
    // Stage 60 of five tokens was due two days ago.
    town.now = PRESENT();
    town.pass().await;
    drop(server);
    House::open(town, PRESENT).await
}

async fn mail_in(house: &House, state: MailState) -> MailRow {
    let mails = house.town.mails().await;
    let found = mails.iter().find(|m| m.state == state);
    found
        .unwrap_or_else(|| panic!("none is {state:?}: {mails:?}"))
        .clone()
}

async fn state_of(house: &House, no: i64) -> MailState {
    house.town.store().mail(no).await.unwrap().unwrap().0.state
}

async fn question(house: &House, path: &str) -> Vec<(String, String)> {
    let page = house.get(path, "alex").await;
    assert_eq!(page.status, 200, "{page:?}");
    let page = Page::read(&page.body);
    assert_eq!(page.faults(), Vec::<String>::new(), "{path}");
    page.question()
        .unwrap_or_else(|| panic!("{path}: {}", page.text()))
}

#[tokio::test]
async fn a_refused_mail_is_sent_again_and_a_held_one_cancelled_once() {
    let house = house().await;
    let refused = mail_in(&house, MailState::Refused).await.no;
    let held = mail_in(&house, MailState::Held).await.no;
    for (no, act, after, what) in [
        (refused, "retry", MailState::Queued, "mail_retried"),
        (held, "cancel", MailState::Cancelled, "mail_cancelled"),
    ] {
        let path = format!("/outbox/{no}/{act}");
        let before = house.record().await;
        let form = question(&house, &path).await;
        assert_eq!(
            house.record().await,
            before,
            "{path} changed something by GET"
        );
        let done = house.post(&path, "alex", &form).await;
        let note = if act == "retry" {
            "retried"
        } else {
            "cancelled"
        };
        assert_eq!(
            done.header("location"),
            Some(format!("../{no}?done={note}").as_str())
        );
        assert_eq!(state_of(&house, no).await, after);
        let events = house.town.store().history(None, 1_000).await.unwrap();
        let mine: Vec<_> = events.iter().filter(|e| e.who == "web:alex").collect();
        assert!(mine.iter().any(|e| e.what == what), "{mine:?}");
        // Twice.
        let once = house.record().await;
        let again = house.post(&path, "alex", &form).await;
        assert_eq!(
            again.header("location"),
            Some(format!("../{no}?done=already").as_str())
        );
        assert_eq!(house.record().await, once);
    }
    // What is done with is refused in words.
    let gone = house.get(&format!("/outbox/{held}/retry"), "alex").await;
    assert_eq!(gone.status, 409);
    assert!(
        Page::read(&gone.body)
            .said("problem")
            .unwrap()
            .contains("annulé")
    );
}

#[tokio::test]
async fn a_mail_that_changed_meanwhile_is_looked_at_again() {
    let house = house().await;
    let held = mail_in(&house, MailState::Held).await.no;
    let path = format!("/outbox/{held}/cancel");
    let form = question(&house, &path).await;
    house
        .town
        .store()
        .retry(held, "user:sam", PRESENT())
        .await
        .unwrap();
    let before = house.record().await;
    let refused = house.post(&path, "alex", &form).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(house.record().await, before);
    let page = Page::read(&refused.body);
    assert!(
        page.said("problem")
            .unwrap()
            .contains("a changé entre-temps")
    );
    let done = house.post(&path, "alex", &page.question().unwrap()).await;
    assert_eq!(done.status, 303);
    assert_eq!(state_of(&house, held).await, MailState::Cancelled);
}

#[tokio::test]
async fn what_is_held_is_released_as_it_was_shown() {
    let house = house().await;
    let held = house
        .town
        .mails()
        .await
        .iter()
        .filter(|m| m.state == MailState::Held)
        .count();
    assert!(held >= 2, "{held}");
    let stale = question(&house, "/outbox/release").await;
    let page = Page::read(&house.get("/outbox/release?lang=en", "alex").await.body);
    assert!(
        page.text().contains(&format!("{held} mails may leave")),
        "{}",
        page.text()
    );
    // Another one takes a mail out meanwhile.
    let one = mail_in(&house, MailState::Held).await.no;
    house
        .town
        .store()
        .cancel(one, "user:sam", PRESENT())
        .await
        .unwrap();
    assert_eq!(
        house.post("/outbox/release", "alex", &stale).await.status,
        409
    );
    assert!(mail_in(&house, MailState::Held).await.no != one);
    let form = question(&house, "/outbox/release").await;
    let done = house.post("/outbox/release", "alex", &form).await;
    assert_eq!(done.header("location"), Some("../outbox?done=released"));
    assert!(
        !house
            .town
            .mails()
            .await
            .iter()
            .any(|m| m.state == MailState::Held)
    );
    let again = house.post("/outbox/release", "alex", &form).await;
    assert_eq!(again.header("location"), Some("../outbox?done=already"));
    // Nothing is held, and the clock is right: nothing is asked.
    for path in ["/outbox/release", "/outbox/release?do=clock"] {
        let page = Page::read(&house.get(path, "alex").await.body);
        assert_eq!(page.question(), None, "{path}");
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_is_believed_on_a_word() {
    let house = house().await;
    // A pass of another year, by a clock that ran ahead.
    let ahead = PRESENT() + Duration::days(400);
    house.town.store().record_pass(ahead).await.unwrap();
    let form = question(&house, "/outbox/release?do=clock").await;
    let done = house.post("/outbox/release", "alex", &form).await;
    assert_eq!(
        done.header("location"),
        Some("../outbox?done=believed"),
        "{done:?}"
    );
    let record = house.town.store().clock_record().await.unwrap();
    assert_eq!(record.mark, Some(PRESENT()));
    let held = house
        .town
        .mails()
        .await
        .iter()
        .any(|m| m.state == MailState::Held);
    assert!(held, "mails that are held stay so");
}
