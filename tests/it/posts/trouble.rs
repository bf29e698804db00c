//! A channel that fails: nothing that is owed depends on it, no other channel waits for it, and
//! the contact is told by mail.

use chrono::Duration;
use jetond::health::Ill;
use jetond::store::outbox::MailState;
use jetond::store::posts::WantedPosts;

use super::{channel, december, fifteen_before, head, hurried, pass, post, posts};
use crate::support::channel_server::{ChannelServer, Does};
use crate::support::daemon::{Town, at, token};

fn refuses(status: u16) -> Does {
    Does::Says(status, "", String::new())
}

async fn notes(town: &Town) -> Vec<(String, String)> {
    let mut notes = town.notes().await;
    notes.retain(|(kind, _)| kind.starts_with("note_"));
    notes
}

fn to_contact() -> (String, String) {
    ("note_channel".to_owned(), "dsi@ville.example".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hangs_holds_up_neither_mails_nor_other_channels() {
    let (dead, well) = (ChannelServer::start(), ChannelServer::start());
    let text = head()
        + &channel("mort", "webhook", &dead, "alarms = false")
        + &channel("vif", "webhook", &well, "alarms = false")
        + &december("m");
    let town = Town::start(&text, fifteen_before()).await;
    dead.will([Does::Hangs]);
    town.rig().tick(town.now).await.unwrap();
    let mut posting = std::pin::pin!(post(&town));
    tokio::select! {
        _ = &mut posting => panic!("the first channel does not answer"),
        () = async { dead.until_told(1).await; well.until_told(1).await } => {}
    }
    // While it hangs, mails leave.
    assert_eq!(town.rig().deliver(town.now).await.unwrap().sent, 1);
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_by_mail_does_not_depend_on_a_channel() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "webhook", &server, "alarms = false");
    let with = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    let without = Town::start(&(head() + &december("m")), fifteen_before()).await;
    for (mut town, asked) in [(with, true), (without, false)] {
        while town.now < at("2026-12-03T00:00:00+01:00") {
            server.will([refuses(500), refuses(500)]);
            pass(&town).await;
            assert_eq!(town.uncovered().await, 0);
            town.now += Duration::days(1);
        }
        let expected: Vec<_> = [15, 7, 1, 0]
            .map(|stage| (stage, "sent"))
            .into_iter()
            .collect();
        let fates = town.fates("m").await;
        let mut told: Vec<(i32, &str)> = fates.iter().map(|f| (f.0, f.2.as_str())).collect();
        told.sort_unstable_by_key(|t| -t.0);
        told.retain(|(stage, _)| *stage <= 15);
        assert_eq!(told, expected, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_has_failed_after_five_days_and_the_contact_was_told_on_the_second() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "webhook", &server, "alarms = false");
    let mut town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    let mut told_at = None;
    while posts(&town)
        .await
        .first()
        .is_none_or(|m| m.state != MailState::Failed)
    {
        assert!(
            town.now < fifteen_before() + Duration::days(6),
            "it is still tried"
        );
        server.will([refuses(502)]);
        pass(&town).await;
        if told_at.is_none() && !notes(&town).await.is_empty() {
            told_at = Some(town.now - fifteen_before());
        }
        town.now += Duration::hours(1);
    }
    let told_at = told_at.unwrap();
    assert!(
        told_at >= Duration::days(1) && told_at < Duration::hours(30),
        "{told_at}"
    );
    // One a day: on the second, third, fourth and fifth day, and one that says that it is over.
    let notes = notes(&town).await;
    assert!(
        notes.iter().all(|n| *n == to_contact()) && notes.len() <= 6,
        "{notes:?}"
    );
    // Its mails have left long ago.
    assert!(
        town.reminders()
            .await
            .iter()
            .all(|(_, s)| *s == MailState::Sent)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_for_good_and_told_once() {
    for status in [400, 401, 403, 404, 410, 301, 307] {
        let server = ChannelServer::start();
        let tokens = [
            december("m"),
            token("n", "2026-11-17", &["b@ville.example"]),
        ]
        .concat();
        let hook = channel("dsi", "webhook", &server, "alarms = false");
        let mut town = Town::start(&(head() + &hook + &tokens), fifteen_before()).await;
        server.will([refuses(status), refuses(status)]);
        assert_eq!(pass(&town).await.parked, 1, "{status}");
        // Stage 0 of the other one, a day later: another post, another refusal.
        town.now += Duration::hours(5);
        assert_eq!(
            pass(&town).await.claimed,
            0,
            "it is not tried again by itself"
        );
        assert_eq!(notes(&town).await, [to_contact()]);
        assert_eq!(server.told().len(), 1, "no redirection is followed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_circuit_spares_a_dead_channel_and_closes_with_an_answer() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "matrix", &server, "alarms = false");
    let tokens = [
        december("m"),
        token("n", "2026-12-02", &["b@ville.example"]),
    ]
    .concat();
    let mut town = Town::start(&(head() + &hook + &tokens), fifteen_before()).await;
    super::secret(&town, "matrix.token", "syt_token");
    let herald = hurried(&town);
    server.will([refuses(500)]);
    town.pass().await;
    let first = herald.step(WantedPosts::All, town.now).await.unwrap();
    assert_eq!((first.claimed, first.deferred), (1, 1));
    // The next day there is another post, and the channel is well again.
    town.now += Duration::days(1);
    town.pass().await;
    let step = herald.step(WantedPosts::All, town.now).await.unwrap();
    assert_eq!((step.claimed, step.sent), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_takes_nothing_is_an_illness_until_it_does() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "webhook", &server, "alarms = false");
    let mut town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    server.will([refuses(503)]);
    pass(&town).await;
    assert_eq!(Ill::of_channels(town.store(), town.now).await.unwrap(), []);
    let begun = town.now;
    town.now += Duration::minutes(20);
    let ills = Ill::of_channels(town.store(), town.now).await.unwrap();
    let expected = Ill::Channel {
        name: "dsi".to_owned(),
        since: begun,
        why: "503".to_owned(),
    };
    assert_eq!(ills, [expected]);
    assert_eq!(
        ills[0].headline(town.now).en,
        "channel dsi takes nothing for 20 min"
    );
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!(Ill::of_channels(town.store(), town.now).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_makes_the_post_wait() {
    let server = ChannelServer::start();
    let hook = channel("dsi", "matrix", &server, "alarms = false");
    let mut town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    assert_eq!(pass(&town).await.deferred, 1);
    let reply = posts(&town).await.remove(0).reply.unwrap();
    assert!(reply.contains("matrix.token"), "{reply}");
    super::secret(&town, "matrix.token", "syt_token");
    town.now += Duration::minutes(10);
    assert_eq!(pass(&town).await.sent, 1, "without a restart");
}
