//! Illnesses of the watch, told to channels.

use chrono::Duration;
use jetond::health::Ill;
use jetond::store::posts::WantedPosts;

use super::{channel, december, fifteen_before, head, post};
use crate::support::channel_server::ChannelServer;
use crate::support::daemon::Town;

async fn told(town: &Town, ills: &[Ill]) -> usize {
    town.rig().herald.alarm(ills, town.now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_illness_is_told_when_it_begins_and_once_a_day_at_most() {
    let (server, quiet) = (ChannelServer::start(), ChannelServer::start());
    let text = head()
        + &channel("dsi", "webhook", &server, "")
        + &channel("muet", "webhook", &quiet, "alarms = false");
    let mut town = Town::start(&text, fifteen_before()).await;
    let ills = [
        Ill::Uncovered(2),
        Ill::Relay {
            since: town.now - Duration::minutes(20),
            why: "450 <c.martin@ville.example> s3cret".to_owned(),
        },
    ];
    assert_eq!(told(&town, &ills).await, 2);
    assert_eq!(told(&town, &ills).await, 0);
    // Over, and there again the same day: not once more. The next day: it is.
    assert_eq!(told(&town, &[]).await, 0);
    assert_eq!(told(&town, &ills).await, 0);
    town.now += Duration::days(1);
    assert_eq!(told(&town, &[]).await, 0);
    assert_eq!(told(&town, &ills[..1]).await, 1);
    assert_eq!(post(&town).await.sent, 3);
    let told = server.told();
    let words: Vec<String> = told
        .iter()
        .map(|t| t.json()["alarm"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(words, ["uncovered", "relay", "uncovered"]);
    assert_eq!(told[1].json()["kind"], "alarm");
    let text = told[1].json()["text"]["en"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("Token watch: relay unreachable for 20 min\n"),
        "{text}"
    );
    let all = String::from_utf8(told.iter().flat_map(|t| t.body.clone()).collect()).unwrap();
    assert!(
        !all.contains("c.martin") && !all.contains("s3cret"),
        "{all}"
    );
    assert_eq!(quiet.told().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_channel_that_fails_the_others_are_told_and_never_itself() {
    let (server, other) = (ChannelServer::start(), ChannelServer::start());
    let text =
        head() + &channel("dsi", "webhook", &server, "") + &channel("autre", "webhook", &other, "");
    let town = Town::start(&text, fifteen_before()).await;
    let ill = Ill::Channel {
        name: "dsi".to_owned(),
        since: town.now,
        why: String::new(),
    };
    assert_eq!(town.rig().herald.alarm(&[ill], town.now).await.unwrap(), 1);
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!((server.told().len(), other.told().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clock_is_held_only_alarms_leave() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "webhook", &server, "");
    let town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    town.pass().await;
    let ills = [Ill::StormHeld(60)];
    town.rig().herald.alarm(&ills, town.now).await.unwrap();
    let step = town
        .rig()
        .post(WantedPosts::Alarms, town.now)
        .await
        .unwrap();
    assert_eq!(step.sent, 1);
    assert_eq!(server.told()[0].json()["kind"], "alarm");
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!(server.told()[1].json()["kind"], "stages");
}
