//! What operators do by the pages: asked once, done once, in their name, and only to what they
//! were shown.

use chrono::{DateTime, Utc};
use jetond::delivery::compose;
use jetond::domain::language::Lang;
use jetond::domain::lifecycle::{Silence, State, Who};
use jetond::renewal::verbs::words;
use jetond::renewal::verbs::{self, Hand, Verb};

use super::house::{House, WEB};
use super::markup::Page;
use crate::support::daemon::{Town, at, token};

/// 65 days before the end of the tokens.
const PRESENT: fn() -> DateTime<Utc> = || at("2026-10-11T08:30:00Z");

const HOSTILE: &str = "<b>Marchés</b> & \\\"co\\\" {{ x }} 😀 \u{5e9}\u{5dc}\u{5d5}\u{5dd}";

fn config() -> String {
    let mut config = format!(
        "language = \"fr\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"Veille <jetons@ville.example>\"\n{WEB}"
    );
    for id in ["marches", "cantine", "a/b?c#d%20é"] {
        config += &token(
            id,
            "2026-12-15",
            &["c.martin@ville.example", "tech@editeur.example"],
        );
    }
    config.replace("Jeton marches", HOSTILE)
}

/// The town has sent the first reminders.
async fn house() -> House {
    let mut town = Town::start(&config(), at("2026-09-16T08:30:00Z")).await;
    town.pass().await;
    town.now = PRESENT();
    House::open(town, PRESENT).await
}

/// Asks, confirms, and goes to where that leads; answers where, and what is said there.
async fn confirm(house: &House, path: &str, who: &str) -> String {
    let page = house.get(path, who).await;
    assert_eq!(page.status, 200, "{page:?}");
    let asked = Page::read(&page.body);
    assert_eq!(asked.faults(), Vec::<String>::new(), "{path}");
    let form = asked
        .question()
        .unwrap_or_else(|| panic!("{path}: {}", asked.text()));
    let posted = house
        .post(path.split('?').next().unwrap(), who, &form)
        .await;
    assert_eq!(posted.status, 303, "{posted:?}");
    posted.header("location").unwrap().to_owned()
}

/// The latest entry of the journal.
async fn latest(house: &House) -> (String, String, Option<String>) {
    let events = house.town.store().history(None, 1).await.unwrap();
    let latest = events.into_iter().next().unwrap();
    (latest.who, latest.what, latest.token)
}

async fn says(house: &House, path: &str) -> (u16, String) {
    let page = house.get(path, "alex").await;
    let read = Page::read(&page.body);
    assert_eq!(read.faults(), Vec::<String>::new(), "{path}");
    (page.status, read.said("problem").unwrap_or_default())
}

#[tokio::test]
async fn an_act_is_shown_asked_and_done_in_the_name_of_who_does_it() {
    let house = house().await;
    for (path, back, what) in [
        ("filed", "filed", "filed"),
        ("filed?do=refused", "filing-refused", "filed_refused"),
        (
            "filed?do=file&on=2026-10-01&by=Z%C3%A9&reference=11245",
            "filed",
            "filed",
        ),
        ("filed?do=undo", "unfiled", "filed_undone"),
        ("snooze?do=snooze&until=2026-11-01", "snoozed", "snoozed"),
        ("snooze?do=wake", "woken", "snooze_undone"),
        ("renew?do=renew&expires=2028-06-15", "renewed", "renewed"),
        (
            "renew?do=correct&expires=2028-06-16",
            "corrected",
            "corrected",
        ),
        ("renew?do=renew&issued=2027-01-05", "renewed", "renewed"),
        (
            "revoke?do=revoke&on=2027-12-01",
            "revocation-planned",
            "revocation_planned",
        ),
        ("revoke", "revoked", "revoked"),
    ] {
        let before = house.record().await;
        let path = format!("/tokens/marches/{path}");
        let page = house.get(&path, "alex").await;
        assert!(
            Page::read(&page.body).question().is_some(),
            "{path} {}",
            page.body
        );
        assert_eq!(
            house.record().await,
            before,
            "{path} changed something by GET"
        );
        let to = confirm(&house, &path, "alex").await;
        assert_eq!(to, format!("../marches?done={back}"));
        let entry = (
            "web:alex".to_owned(),
            what.to_owned(),
            Some("marches".to_owned()),
        );
        assert_eq!(latest(&house).await, entry);
    }
    let token = house.town.store().token("marches").await.unwrap().unwrap();
    assert_eq!(token.state, State::Revoked);
}

#[tokio::test]
async fn what_is_shown_is_what_the_command_would_tell() {
    let house = house().await;
    let expires = "2028-06-15T21:59:59Z";
    let renewal = verbs::Renewal::until(at(expires), None);
    let hand = Hand {
        calendar: &house.town.config().calendar,
        who: Who::User("x".to_owned()),
        now: PRESENT(),
    };
    let verb = Verb::Renew(renewal);
    let store = house.town.store();
    let done = verbs::seen::try_out(store, &hand, "marches", &verb)
        .await
        .unwrap()
        .unwrap();
    assert!(!done.no_longer.is_empty() && !done.from_now.is_empty());
    let calendar = &house.town.config().calendar;
    for lang in [Lang::En, Lang::Fr] {
        let path = format!("/tokens/marches/renew?do=renew&expires=2028-06-15&lang={lang}");
        let page = Page::read(&house.get(&path, "alex").await.body);
        let text = page.text();
        let told = [
            Some(words::done(&done, &verb, calendar)),
            words::no_longer(&done.no_longer, calendar),
            words::from_now(&done.from_now),
            Some(words::next(&done.coming, calendar)),
        ];
        for told in told
            .into_iter()
            .chain(done.remarks.iter().map(|r| Some(words::remark(r))))
        {
            let told = told.unwrap().in_lang(lang).replace('\u{a0}', " ");
            assert!(
                text.replace('\u{a0}', " ").contains(&told),
                "{told}: {text}"
            );
        }
        // Each day on which something no longer leaves, or does from now on.
        for planned in done.no_longer.iter().chain(&done.from_now) {
            let day = compose::date(lang, calendar.date(planned.at)).replace('\u{a0}', " ");
            assert!(text.replace('\u{a0}', " ").contains(&day), "{day}: {text}");
        }
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_does_its_work_once() {
    let house = house().await;
    for path in [
        "/tokens/cantine/filed",
        "/tokens/cantine/snooze?do=snooze&until=2026-11-01",
        "/tokens/cantine/renew?do=renew&expires=2028-06-15",
        "/tokens/cantine/revoke",
    ] {
        let page = house.get(path, "alex").await;
        let form = Page::read(&page.body).question().unwrap();
        let to = path.split('?').next().unwrap();
        assert_eq!(house.post(to, "alex", &form).await.status, 303);
        let once = house.record().await;
        let again = house.post(to, "alex", &form).await;
        assert_eq!(
            again.header("location"),
            Some("../cantine?done=already"),
            "{path}"
        );
        assert_eq!(house.record().await, once);
    }
}

#[tokio::test]
async fn of_two_operators_the_second_sees_what_the_first_one_did() {
    let house = house().await;
    let path = "/tokens/cantine/renew?do=renew&expires=2028-06-15";
    let seen_by_sam = Page::read(&house.get(path, "sam").await.body)
        .question()
        .unwrap();
    confirm(&house, "/tokens/cantine/filed?do=file&by=Alex", "alex").await;
    let before = house.record().await;
    let refused = house
        .post("/tokens/cantine/renew", "sam", &seen_by_sam)
        .await;
    assert_eq!(refused.status, 409);
    assert_eq!(house.record().await, before);
    let page = Page::read(&refused.body);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(
        page.said("problem")
            .unwrap()
            .contains("a changé entre-temps")
    );
    assert!(page.text().contains("par Alex"), "{}", page.text());
    // Looked at again, it is confirmed.
    let form = page.question().unwrap();
    let done = house.post("/tokens/cantine/renew", "sam", &form).await;
    assert_eq!(
        done.header("location"),
        Some("../cantine?done=renewed"),
        "{done:?}"
    );
    assert_eq!(latest(&house).await.0, "web:sam");
}

#[tokio::test]
async fn who_may_look_only_is_offered_nothing_and_does_nothing() {
    let house = house().await;
    let before = house.record().await;
    let form = Page::read(&house.get("/tokens/cantine/filed", "alex").await.body)
        .question()
        .unwrap();
    for path in [
        "/tokens/cantine/filed",
        "/tokens/cantine/renew",
        "/tokens/cantine/snooze",
        "/tokens/cantine/revoke",
        "/tokens/nosuch/revoke",
        "/outbox/1/retry",
        "/outbox/1/cancel",
        "/outbox/release",
    ] {
        let shut = house.get(path, "nina").await;
        assert_eq!(shut.status, 403, "{path}");
        let page = Page::read(&shut.body);
        assert_eq!(page.faults(), Vec::<String>::new());
        assert_eq!(page.question(), None, "{path}");
        assert!(page.text().contains("réservé aux opérateurs"));
        assert_eq!(house.post(path, "nina", &form).await.status, 403, "{path}");
        // Nor an operator without the token of their own pages.
        assert_eq!(house.post(path, "alex", &[]).await.status, 403, "{path}");
        assert_eq!(house.post(path, "sam", &form).await.status, 403, "{path}");
    }
    assert_eq!(house.record().await, before);
    // A note of something done is an operator's.
    let home = house.get("/?done=revoked", "nina").await;
    assert!(!home.body.contains("révoqué"), "{}", home.body);
    let home = house.get("/?done=revoked", "alex").await;
    assert!(
        Page::read(&home.body)
            .said("good-note")
            .unwrap()
            .contains("est révoqué")
    );
    let home = house.get("/?done=Bonjour", "alex").await;
    assert!(!home.body.contains("Bonjour\"") && Page::read(&home.body).said("good-note").is_none());
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_keeps_what_was_typed() {
    let house = house().await;
    let before = house.record().await;
    for (path, status, words) in [
        ("filed?do=file&on=2026-10-12", 409, "est encore à venir"),
        ("filed?do=refused", 409, "aucune demande pour"),
        ("filed?do=file&on=hier", 422, "n’est pas une date"),
        ("renew?do=renew", 422, "Donner la nouvelle échéance"),
        (
            "renew?do=renew&expires=2028-01-01&issued=2027-01-01",
            422,
            "une seule des deux",
        ),
        (
            "renew?do=renew&expires=2026-12-01",
            409,
            "n’est pas plus tard",
        ),
        (
            "renew?do=renew&expires=99999-01-01",
            422,
            "n’est pas une date",
        ),
        ("snooze?do=snooze&until=2026-10-11", 409, "a déjà commencé"),
        ("snooze?do=snooze&until=2026-12-05", 409, "2026-11-30"),
        ("snooze?do=snooze", 422, "Donner le jour"),
        ("revoke?do=revoke&on=2027-01-01", 409, "expire avant"),
    ] {
        let (code, problem) = says(&house, &format!("/tokens/marches/{path}")).await;
        assert_eq!(code, status, "{path}");
        assert!(problem.contains(words), "{path}: {problem}");
    }
    let page = house
        .get("/tokens/marches/renew?do=renew&expires=2026-12-01", "alex")
        .await;
    let page = Page::read(&page.body);
    assert_eq!(page.field("renew-expires").as_deref(), Some("2026-12-01"));
    assert_eq!(page.question(), None);
    // The text of a token is not given back.
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJl";
    let page = house
        .get(
            &format!("/tokens/marches/filed?do=file&reference={jwt}"),
            "alex",
        )
        .await;
    assert_eq!(page.status, 422);
    let main = page.body.split_once("<main").unwrap().1;
    assert!(!main.contains("eyJ"), "{main}");
    assert_eq!(house.record().await, before);
    // Posted as well: what cannot be read, or be done, changes nothing.
    let csrf = Page::read(&house.get("/tokens/marches/filed", "alex").await.body)
        .question()
        .unwrap()
        .into_iter()
        .find(|(name, _)| name == "csrf")
        .unwrap();
    for (form, status) in [
        (vec![], 422),
        (vec![("do", "snooze"), ("until", "2026-11-01")], 422),
        (vec![("do", "file"), ("on", "hier")], 422),
        (vec![("do", "file")], 409),
    ] {
        let mut fields = vec![csrf.clone()];
        fields.extend(form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let answer = house.post("/tokens/marches/filed", "alex", &fields).await;
        assert_eq!(answer.status, status, "{form:?}");
    }
    assert_eq!(house.record().await, before);
}

#[tokio::test]
async fn a_renewal_that_a_recipient_declared_is_confirmed_or_denied() {
    let house = house().await;
    let hand = Hand {
        calendar: &house.town.config().calendar,
        who: Who::Recipient("c.martin@ville.example".to_owned()),
        now: PRESENT(),
    };
    let declare = Verb::Declare {
        expires: Some(at("2028-06-15T21:59:59Z")),
    };
    for id in ["marches", "cantine"] {
        verbs::act(house.town.store(), &hand, id, &declare)
            .await
            .unwrap()
            .unwrap();
    }
    let page = Page::read(&house.get("/tokens/cantine/renew", "alex").await.body);
    assert_eq!(page.field("renew-expires").as_deref(), Some("2028-06-15"));
    let to = confirm(&house, "/tokens/cantine/renew?do=not-renewed", "alex").await;
    assert_eq!(to, "../cantine?done=not-renewed");
    confirm(
        &house,
        "/tokens/marches/renew?do=renew&expires=2028-06-15",
        "alex",
    )
    .await;
    let said = house.town.store().all_said().await.unwrap();
    assert!(!said.iter().any(|(_, s)| s.kind == Silence::Declared));
}

#[tokio::test]
async fn any_id_and_any_name_is_found_and_shown_as_it_is() {
    let house = house().await;
    let path = "/tokens/a%2Fb%3Fc%23d%2520%C3%A9/filed";
    let to = confirm(&house, &format!("{path}?lang=en"), "alex").await;
    assert_eq!(to, "../a%2Fb%3Fc%23d%2520%C3%A9?done=filed");
    assert_eq!(latest(&house).await.2.as_deref(), Some("a/b?c#d%20é"));
    let page = Page::read(&house.get("/tokens/marches/filed", "alex").await.body);
    let name = HOSTILE.replace("\\\"", "\"");
    assert!(page.text().contains(&name), "{}", page.text());
    for missing in [
        "/tokens/nosuch/filed",
        "/outbox/999/retry",
        "/outbox/x/cancel",
    ] {
        assert_eq!(house.get(missing, "alex").await.status, 404, "{missing}");
    }
}
