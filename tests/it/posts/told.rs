//! What is posted, and what no longer is when its time comes.

use chrono::Duration;
use jetond::domain::lifecycle::Who;
use jetond::renewal::verbs::{self, Filing, Hand, Verb};
use jetond::store::outbox::MailState;

use super::{channel, december, fifteen_before, head, pass, post, posts};
use crate::support::channel_server::{ChannelServer, Does};
use crate::support::daemon::{Town, at, token};

async fn act(town: &Town, id: &str, verb: Verb) {
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: town.now,
    };
    let done = verbs::act(town.store(), &hand, id, &verb).await.unwrap();
    done.unwrap();
}

fn told_tokens(server: &ChannelServer) -> Vec<Vec<(String, i64, i64)>> {
    let of = |v: &serde_json::Value| {
        (
            v["token"].as_str().unwrap().to_owned(),
            v["stage"].as_i64().unwrap(),
            v["days_left"].as_i64().unwrap(),
        )
    };
    let told = server.told();
    told.iter()
        .map(|t| {
            t.json()["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(of)
                .collect()
        })
        .collect()
}

fn one(id: &str, stage: i64, days_left: i64) -> Vec<(String, i64, i64)> {
    vec![(id.to_owned(), stage, days_left)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_told_once_of_each_stage_from_its_own_on() {
    let server = ChannelServer::start();
    let text = head() + &channel("dsi", "webhook", &server, "alarms = false") + &december("m");
    // 90, 60 and 30 are not its own.
    let first = at("2026-09-01T10:00:00+02:00");
    let mut town = Town::start(&text, first).await;
    let mut days = 0;
    while town.now < at("2027-01-15T09:00:00+01:00") {
        pass(&town).await;
        // A second pass of the same day finds nothing new.
        town.now += Duration::minutes(1);
        pass(&town).await;
        days += 1;
        town.now = first + Duration::days(days);
    }
    let expected: Vec<_> = [15, 7, 1, 0, -7, -30]
        .into_iter()
        .map(|stage| one("m", stage, stage))
        .collect();
    assert_eq!(told_tokens(&server), expected);
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_makes_one_post_of_all_tokens_the_most_urgent_first() {
    let server = ChannelServer::start();
    let tokens = [
        token("plus-tard", "2026-12-01", &["a@ville.example"]),
        token(
            "bientot",
            "2026-11-23",
            &["b@ville.example", "a@ville.example"],
        ),
        token("loin", "2027-02-14", &["a@ville.example"]),
    ];
    let text = head() + &channel("dsi", "webhook", &server, "") + &tokens.concat();
    let town = Town::start(&text, fifteen_before()).await;
    assert_eq!(pass(&town).await.sent, 1);
    let expected = vec![
        ("bientot".to_owned(), 7, 7),
        ("plus-tard".to_owned(), 15, 15),
    ];
    assert_eq!(told_tokens(&server), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_there_is_one_post_with_the_most_urgent_stage() {
    let server = ChannelServer::start();
    let text = head() + &channel("dsi", "webhook", &server, "from_stage = 90") + &december("m");
    let mut town = Town::start(&text, at("2026-09-02T09:00:00+02:00")).await;
    pass(&town).await;
    assert_eq!(told_tokens(&server), [one("m", 90, 90)]);
    // Two months later: 60, 30 and 15 have come, and the most urgent one speaks for them.
    town.now = at("2026-11-20T10:00:00+01:00");
    town.start_again().await;
    pass(&town).await;
    assert_eq!(told_tokens(&server)[1..], [one("m", 15, 11)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_before_it_is_posted_drops_out_and_an_empty_post_is_cancelled() {
    let server = ChannelServer::start();
    let stay = token("reste", "2026-12-01", &["a@ville.example"]);
    let both = [stay.clone(), december("m")].concat();
    let hook = channel("dsi", "webhook", &server, "alarms = false");
    let mut town = Town::start(&(head() + &hook + &both), fifteen_before()).await;
    town.pass().await;
    // Renewed by the file before the post leaves.
    let renewed = token("m", "2028-06-01", &["c.martin@ville.example"]);
    town.reload(&(head() + &hook + &stay + &renewed)).await;
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!(told_tokens(&server), [one("reste", 15, 15)]);
    // The next one is about nothing by the time that it is sent.
    town.now = at("2026-11-24T09:00:00+01:00");
    town.pass().await;
    let gone = token("reste", "2028-06-01", &["a@ville.example"]);
    town.reload(&(head() + &hook + &gone + &renewed)).await;
    assert_eq!(post(&town).await.cancelled, 1);
    assert_eq!(server.told().len(), 1);
    let states: Vec<MailState> = posts(&town).await.iter().map(|m| m.state).collect();
    assert_eq!(states, [MailState::Sent, MailState::Cancelled]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filed_request_silences_the_post_and_its_undoing_brings_it_back() {
    let server = ChannelServer::start();
    let far = token("m", "2027-01-15", &["c.martin@ville.example"]);
    let hook = channel("dsi", "webhook", &server, "from_stage = 90\nalarms = false");
    let mut town = Town::start(&(head() + &hook + &far), fifteen_before()).await;
    server.will([Does::Says(503, "", String::new())]);
    town.rig().tick(town.now).await.unwrap();
    assert_eq!(post(&town).await.deferred, 1);
    // Neither mail nor post has left when the request is filed.
    town.now += Duration::minutes(10);
    act(&town, "m", Verb::File(Filing::default())).await;
    assert_eq!(post(&town).await.cancelled, 1);
    act(&town, "m", Verb::Unfile).await;
    town.now += Duration::minutes(10);
    assert_eq!(pass(&town).await.sent, 1);
    assert_eq!(told_tokens(&server)[1..], [one("m", 60, 60)]);
    assert_eq!(town.reminders().await.last().unwrap().1, MailState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_told_of_its_clients_and_tags_only() {
    let (of_client, of_tag, of_all) = (
        ChannelServer::start(),
        ChannelServer::start(),
        ChannelServer::start(),
    );
    let client =
        "[clients.mairie-x]\nname = \"Mairie de X\"\nrecipients = [\"dgs@mairie-x.example\"]\n";
    let tokens = [
        december("rien"),
        december("client") + "client = \"mairie-x\"\n",
        december("marque") + "tags = [\"achats\", \"autre\"]\n",
    ];
    let text = head()
        + &channel("un", "webhook", &of_client, "client = \"mairie-x\"")
        + &channel("deux", "webhook", &of_tag, "tags = [\"achats\"]")
        + &channel("trois", "webhook", &of_all, "")
        + client
        + &tokens.concat();
    let town = Town::start(&text, fifteen_before()).await;
    assert_eq!(pass(&town).await.sent, 3);
    let ids = |server: &ChannelServer| -> Vec<String> {
        let told = told_tokens(server).concat();
        told.into_iter().map(|(id, ..)| id).collect()
    };
    assert_eq!(ids(&of_client), ["client"]);
    assert_eq!(ids(&of_tag), ["marque"]);
    assert_eq!(ids(&of_all), ["client", "marque", "rien"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_leave_inside_the_window_only() {
    let server = ChannelServer::start();
    let text = head() + &channel("dsi", "webhook", &server, "") + &december("m");
    let mut town = Town::start(&text, fifteen_before()).await;
    town.pass().await;
    town.now = at("2026-11-16T22:00:00+01:00");
    assert_eq!(post(&town).await.claimed, 0);
    town.now = at("2026-11-17T09:00:00+01:00");
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!(told_tokens(&server), [one("m", 15, 14)], "true when read");
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_to_a_channel_that_is_no_more_are_cancelled() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "webhook", &server, "");
    let mut town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    town.pass().await;
    town.reload(&(head() + &december("m"))).await;
    pass(&town).await;
    let states: Vec<MailState> = posts(&town).await.iter().map(|m| m.state).collect();
    assert_eq!(states, [MailState::Cancelled]);
    // … and nothing is noted for nobody.
    town.now = at("2026-11-24T09:00:00+01:00");
    pass(&town).await;
    assert!(!town.store().has_stage_news().await.unwrap());
    assert_eq!(server.told().len(), 0);
}
