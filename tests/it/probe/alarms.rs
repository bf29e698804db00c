//! When people are told of the API's answers: a death on any day and in rooms too, what comes and
//! goes seldom, and what befalls every token at once in other words.

use chrono::Duration;
use jetond::config::SecretSource;
use jetond::domain::verdict::Case;
use jetond::probe::Told;
use jetond::store::Store;
use jetond::store::posts::WantedPosts;

use super::notes::{
    CONTACT, alive, blacklisted, config, hear, hear_twice, of, reading, taken, told,
};
use super::{Asking, jwt};
use crate::posts::channel;
use crate::support::channel_server::ChannelServer;
use crate::support::daemon::{Town, at, token};
use crate::support::smtp_server::{Script, SmtpServer};

/// Answers that change from day to day are told once, and again after a month.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_and_go_make_no_mail_a_day() {
    let mut town = Town::start(&config(9, "fr"), at("2026-06-01T08:00:00Z")).await;
    let refused = reading(Case::AddressNotAllowed, 403, &["00107"]);
    for day in 0..60 {
        let answer = match day % 3 {
            0 => alive(&["entreprises"]),
            1 => alive(&["entreprises", "associations"]),
            _ => refused.clone(),
        };
        hear(&town, "marches", &answer).await;
        town.now += Duration::days(1);
    }
    let of_contact = |kind| of(kind, &[CONTACT; 2]);
    // Gained is told as it is lost: two kinds of news, twice in two months.
    let scopes = [of_contact("scopes"), of_contact("scopes")].concat();
    assert_eq!(told(&town).await, [of_contact("address"), scopes].concat());
}

/// Saturday the 6th: mails leave on working days, a death at once; not in the night.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_waits_for_no_working_day() {
    let server = SmtpServer::start(Script::new());
    let text = config(server.port(), "fr").replace(
        "[[token]]",
        "[schedule]\ndays = \"working\"\nwindow = \"09:00-18:00\"\n[[token]]",
    );
    let mut town = Town::start(&text, at("2026-06-05T21:00:00Z")).await;
    let before = ["entreprises"];
    hear(&town, "marches", &alive(&before)).await;
    town.now += Duration::hours(1);
    hear(&town, "marches", &alive(&[])).await;
    hear_twice(&mut town, "marches", &blacklisted()).await;
    town.rig().deliver(town.now).await.unwrap();
    assert_eq!(server.accepted().len(), 0, "it is night");
    town.now = at("2026-06-06T07:30:00Z");
    town.rig().deliver(town.now).await.unwrap();
    assert_eq!(
        server.accepted().len(),
        3,
        "those who are told of the death"
    );
    let mails = taken(&server);
    assert!(mails.iter().all(|m| m.contains("Urgent")), "{mails:?}");
    town.now = at("2026-06-08T07:30:00Z");
    town.rig().deliver(town.now).await.unwrap();
    assert_eq!(server.accepted().len(), 4, "the rights, on Monday");
}

/// Rooms and hooks that want alarms are told of it the same day, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_an_alarm_on_channels() {
    let hook = ChannelServer::start();
    let text = config(9, "fr").replace("[[token]]", "[schedule]\ndays = \"working\"\n[[token]]")
        + &channel("dsi", "webhook", &hook, "")
        + &channel("autre", "webhook", &hook, "tags = [\"autre\"]")
        + &channel("muet", "webhook", &hook, "alarms = false");
    let mut town = Town::start(&text, at("2026-06-05T22:30:00Z")).await;
    let alarms = async |town: &Town| town.rig().herald.alarm(&[], town.now).await.unwrap();
    hear(&town, "marches", &blacklisted()).await;
    assert_eq!(alarms(&town).await, 0, "one answer is a suspicion");
    town.now += Duration::minutes(70);
    hear(&town, "marches", &blacklisted()).await;
    assert_eq!(alarms(&town).await, 1);
    assert_eq!(alarms(&town).await, 0);
    town.now = at("2026-06-06T08:00:00Z");
    town.rig().post(WantedPosts::All, town.now).await.unwrap();
    let told = hook.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["alarm"], "refused");
    let said = told[0].json()["text"]["fr"].as_str().unwrap().to_owned();
    assert!(said.contains("refuse le jeton"), "{said}");
    // Neither the next day nor after a start.
    town.now += Duration::days(1);
    hear(&town, "marches", &blacklisted()).await;
    assert_eq!(alarms(&town).await, 0);
    town.start_again().await;
    assert_eq!(alarms(&town).await, 0);
}

/// A town whose channel takes alarms, at a moment.
async fn town_with_room(now: &str) -> (Town, ChannelServer) {
    let hook = ChannelServer::start();
    let text = config(9, "fr") + &channel("dsi", "webhook", &hook, "");
    (Town::start(&text, at(now)).await, hook)
}

/// The record ends the day with its last second, the token at its own hour: the first answer of a
/// death comes before the one, and the second after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_on_its_day_is_no_alarm() {
    let (mut town, _hook) = town_with_room("2027-03-15T22:30:00Z").await;
    let expired = reading(Case::Expired, 401, &["00103"]);
    hear_twice(&mut town, "marches", &expired).await;
    let belief = town.store().probed("marches").await.unwrap().unwrap();
    assert!(belief.death().is_some());
    let alarms = town.rig().herald.alarm(&[], town.now).await.unwrap();
    assert_eq!((told(&town).await, alarms), (Vec::new(), 0));
}

/// Between the two answers the service failed for longer than news are news.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_is_confirmed_late_is_an_alarm_too() {
    let (mut town, _hook) = town_with_room("2026-06-01T08:00:00Z").await;
    hear(&town, "marches", &blacklisted()).await;
    for _ in 0..8 {
        town.now += Duration::days(1);
        hear(&town, "marches", &reading(Case::Unavailable, 503, &[])).await;
    }
    town.now += Duration::days(1);
    hear(&town, "marches", &blacklisted()).await;
    let alarms = town.rig().herald.alarm(&[], town.now).await.unwrap();
    assert_eq!(alarms, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_token_is_refused_at_once_the_note_speaks_of_the_api() {
    for (others, is_common) in [
        (&[true, true][..], true),
        (&[true], false),
        (&[true, true, false], false),
    ] {
        let mut text = config(9, "en");
        for n in 0..others.len() {
            text += &token(&format!("t{n}"), "2027-03-15", &[]);
        }
        let mut town = Town::start(&text, at("2026-06-01T08:00:00Z")).await;
        for (n, is_refused) in others.iter().enumerate() {
            let answer = if *is_refused {
                blacklisted()
            } else {
                alive(&[])
            };
            hear(&town, &format!("t{n}"), &answer).await;
        }
        hear_twice(&mut town, "marches", &blacklisted()).await;
        let mails = town.mails().await;
        let dead = mails.iter().find(|m| m.kind == "note_probe_dead").unwrap();
        let says = dead.note.as_deref().unwrap();
        assert_eq!(
            says.contains("may well be at API Entreprise"),
            is_common,
            "{says}"
        );
        assert_eq!(says.contains("it is this token"), !is_common, "{says}");
    }
}

/// Who believes a token watched while it is not is told, once it has lasted a day.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_about_is_told_once_after_a_day() {
    let mut asking =
        Asking::start(&["m", "n", "o"], "2027-12-01", "2026-11-16T09:00:00+01:00").await;
    asking.give("m", &jwt("x"));
    asking.give("n", "nothing of the kind");
    asking.probe.hour = 9;
    asking.town.now += Duration::days(3) + Duration::hours(1);
    asking.step().await;
    let since = asking.probed("m").await.hindered_at.unwrap();
    let notes = async |asking: &Asking| {
        let notes = asking.town.notes().await;
        let of_it = notes.iter().filter(|n| n.0 == "note_probe_hindered");
        of_it.count()
    };
    asking.town.now = since + Duration::hours(23);
    asking.step().await;
    assert_eq!(notes(&asking).await, 0);
    for _ in 0..6 {
        asking.town.now += Duration::hours(12);
        asking.step().await;
        assert_eq!(
            notes(&asking).await,
            1,
            "for both tokens, whatever they lack"
        );
    }
    // Mended, and broken again: another one.
    asking.town.now += Duration::hours(1);
    for (text, count) in [(jwt("m"), 1), (jwt("x"), 2)] {
        asking.give("m", &text);
        for _ in 0..4 {
            asking.town.now += Duration::hours(24);
            asking.step().await;
        }
        assert_eq!(notes(&asking).await, count);
    }
}

/// A closed firewall, an address that is not allowed any more: nobody would ever hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_about_in_vain_is_told_once_after_a_week() {
    let mut asking = Asking::start(&["m", "n"], "2027-12-01", "2026-11-16T22:00:00+01:00").await;
    let notes = async |asking: &Asking| {
        let notes = asking.town.notes().await;
        let of_it = notes.iter().filter(|n| n.0 == "note_probe_hindered");
        of_it.count()
    };
    asking.until_called(2).await;
    for (episode, count) in [(1, 1), (2, 2)] {
        asking.probe.allow_private = false;
        asking.until_called(2).await;
        let since = asking.probed("m").await.in_vain_since.unwrap();
        while asking.town.now < since + Duration::days(12) {
            asking.until_called(2).await;
            let [m, n] = [asking.probed("m").await, asking.probed("n").await];
            let first = m.in_vain_since.min(n.in_vain_since).unwrap();
            let is_told = asking.town.now >= first + Duration::days(7);
            assert_eq!(
                notes(&asking).await,
                count - usize::from(!is_told),
                "{episode}: one note of both tokens, since {first}, on {}",
                asking.town.now
            );
        }
        asking.probe.allow_private = true;
        asking.until_called(2).await;
        assert_eq!(asking.probed("m").await.in_vain_since, None);
    }
}

/// What was told once makes no transaction a minute.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_of_a_hindrance_is_not_written_again() {
    let mut asking = Asking::start(&["m"], "2027-12-01", "2026-11-16T09:00:00+01:00").await;
    asking.give("m", "nothing of the kind");
    asking.probe.hour = 9;
    asking.town.now += Duration::days(3) + Duration::hours(1);
    for _ in 0..2 {
        asking.step().await;
        asking.town.now += Duration::days(1);
    }
    asking.step().await;
    assert_eq!(asking.town.notes().await.len(), 1);
    // Another program writes: who wants to write too waits for it.
    let other = Store::open_existing(&asking.town.config().store);
    let other = other.await.unwrap();
    let tx = other.begin().await.unwrap();
    asking.town.now += Duration::minutes(1);
    let step = asking.step();
    let done = tokio::time::timeout(std::time::Duration::from_secs(2), step).await;
    assert!(done.is_ok(), "it waits to write");
    tx.rollback().await.unwrap();
    other.close().await;
}

/// What a person may read, the daemon may not: that is for the daemon to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_asks_hides_no_secret_that_the_daemon_cannot_read() {
    let mut asking = Asking::start(&["m"], "2027-12-01", "2026-11-16T09:00:00+01:00").await;
    let of_person = asking.probe.clone();
    asking.probe.secrets[0].1 = SecretSource::File(asking.town.dir().join("absent.jwt"));
    asking.probe.hour = 9;
    asking.town.now += Duration::hours(2);
    asking.step().await;
    let before = asking.probed("m").await;
    assert!(before.hindrance.is_some());
    asking.town.now += Duration::hours(1);
    let person = asking.asker_of(of_person.clone());
    let told = person.ask_now("m", asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Heard(_)), "{told:?}");
    let after = asking.probed("m").await;
    assert_eq!(after.hindrance, before.hindrance);
    assert_eq!(after.hindered_at, before.hindered_at);
    // The day of patience goes on from its beginning, and ends with what the daemon reads.
    asking.town.now += Duration::days(1);
    asking.step().await;
    assert_eq!(asking.town.notes().await.len(), 1);
    asking.probe = of_person;
    asking.probe.hour = 9;
    asking.step().await;
    assert_eq!(asking.probed("m").await.hindrance, None);
}
