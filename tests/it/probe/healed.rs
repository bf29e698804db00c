//! The end of a death: told to those whom the death had reached, once, whatever became of the
//! record meanwhile; and what has not left by then does not leave.

use chrono::Duration;
use jetond::domain::verdict::Case;
use jetond::store::outbox::MailState;
use jetond::store::posts::WantedPosts;

use super::notes::{CONTACT, alive, blacklisted, config, hear, hear_twice, of, reading, told};
use crate::posts::channel;
use crate::support::channel_server::ChannelServer;
use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

const EVERYBODY: [&str; 3] = ["c.martin@ville.example", CONTACT, "tech@editeur.example"];

/// A town at a moment, and the relay that takes its mails.
async fn town(now: &str) -> (Town, SmtpServer) {
    let server = SmtpServer::start(Script::new());
    let town = Town::start(&config(server.port(), "fr"), at(now)).await;
    (town, server)
}

/// Gives the token another date, as its death mail advises.
async fn correct(town: &mut Town, expires: &str) {
    let text = std::fs::read_to_string(town.file()).unwrap();
    let (before, after) = text.split_once("expires = ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let text = format!("{before}expires = {expires}\n{after}");
    town.reload(&text).await;
}

async fn healed(town: &Town) -> usize {
    let told = told(town).await;
    told.iter().filter(|n| n.0 == "note_probe_healed").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_corrects_the_record_is_told_that_it_works_again() {
    let (mut town, _server) = town("2026-06-01T08:00:00Z").await;
    let expired = reading(Case::Expired, 401, &["00103"]);
    hear_twice(&mut town, "marches", &expired).await;
    town.rig().deliver(town.now).await.unwrap();
    town.now += Duration::days(1);
    correct(&mut town, "2027-03-16").await;
    for _ in 0..3 {
        town.now += Duration::days(1);
        hear(&town, "marches", &alive(&[])).await;
        let both = [of("dead", &EVERYBODY), of("healed", &EVERYBODY)].concat();
        assert_eq!(told(&town).await, both);
    }
    // An expiry that is told of as no death ends as none.
    town.rig().deliver(town.now).await.unwrap();
    town.now = at("2027-03-18T08:00:00Z");
    hear_twice(&mut town, "marches", &expired).await;
    town.now += Duration::days(2);
    hear(&town, "marches", &alive(&[])).await;
    assert_eq!(healed(&town).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_forgotten_is_told_nothing() {
    let (mut town, _server) = town("2026-06-01T08:00:00Z").await;
    hear_twice(&mut town, "marches", &blacklisted()).await;
    town.rig().deliver(town.now).await.unwrap();
    town.now += Duration::days(1);
    town.store().forget_names(town.now).await.unwrap();
    hear(&town, "marches", &alive(&[])).await;
    let mails = town.mails().await;
    assert!(
        mails
            .iter()
            .all(|m| m.address.ends_with("@forgotten.invalid"))
    );
    assert_eq!(healed(&town).await, 0);
}

/// An id may go on where another one ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_one_token_is_not_that_of_another() {
    let server = SmtpServer::start(Script::new());
    let text = head(server.port())
        + &token("a", "2026-05-20", &["a@ville.example"])
        + &token("a:1", "2027-03-15", &["b@ville.example"]);
    let mut town = Town::start(&text, at("2026-06-01T08:00:00Z")).await;
    let expired = reading(Case::Expired, 401, &["00103"]);
    hear_twice(&mut town, "a", &expired).await;
    hear_twice(&mut town, "a:1", &blacklisted()).await;
    assert_eq!(told(&town).await.len(), 2);
    hear(&town, "a", &alive(&[])).await;
    town.rig().deliver(town.now).await.unwrap();
    town.now += Duration::days(1);
    hear(&town, "a", &alive(&[])).await;
    assert_eq!(healed(&town).await, 0);
    let mails = town.mails().await;
    let dead = mails.iter().filter(|m| m.kind == "note_probe_dead");
    assert!(dead.map(|m| m.state).all(|s| s == MailState::Sent));
    hear(&town, "a:1", &alive(&[])).await;
    assert_eq!(healed(&town).await, 2);
}

/// A death of half past midnight that is over before the window opens.
#[tokio::test(flavor = "multi_thread")]
async fn what_works_again_before_its_death_left_is_told_to_nobody() {
    let (server, hook) = (SmtpServer::start(Script::new()), ChannelServer::start());
    let text = config(server.port(), "fr") + &channel("dsi", "webhook", &hook, "");
    let mut town = Town::start(&text, at("2026-06-05T21:20:00Z")).await;
    hear_twice(&mut town, "marches", &blacklisted()).await;
    let alarms = town.rig().herald.alarm(&[], town.now).await.unwrap();
    assert_eq!((told(&town).await.len(), alarms), (3 + 1, 1));
    town.now = at("2026-06-06T06:00:00Z");
    hear(&town, "marches", &alive(&[])).await;
    for hour in [8, 9] {
        town.now = at(&format!("2026-06-06T0{hour}:00:00Z"));
        town.rig().deliver(town.now).await.unwrap();
        town.rig().post(WantedPosts::All, town.now).await.unwrap();
        hear(&town, "marches", &alive(&[])).await;
        let said = (server.accepted().len(), hook.told().len());
        assert_eq!((said, healed(&town).await), ((0, 0), 0));
    }
}
