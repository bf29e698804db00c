//! A post's life in the outbox: doubt, deferral, retry, and what a crash repeats.

use chrono::Duration;
use jetond::store::outbox::{Bounds, MailState, Wanted};
use jetond::store::posts::{NEXT_POST, WantedPosts};

use super::{channel, december, fifteen_before, head, hurried, pass, post, posts, secret};
use crate::support::channel_server::{ChannelServer, Does};
use crate::support::daemon::{Town, at};

async fn town(kind: &str, server: &ChannelServer) -> Town {
    let window = "[schedule]\nwindow = \"00:00-24:00\"\n";
    let text = head() + window + &channel("dsi", kind, server, "alarms = false") + &december("m");
    let town = Town::start(&text, fifteen_before()).await;
    secret(&town, "matrix.token", "syt_token");
    town
}

/// The states of the posts, and how often each was tried.
async fn states(town: &Town) -> Vec<(MailState, u32)> {
    let posts = posts(town).await;
    posts.iter().map(|m| (m.state, m.attempts)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_answer_and_the_record_repeats_nothing_in_a_room() {
    let server = ChannelServer::start();
    let mut town = town("matrix", &server).await;
    town.pass().await;
    // The room has the message; before its answer comes, the process ends.
    server.will([Does::Hangs]);
    tokio::select! {
        _ = post(&town) => panic!("there is no answer"),
        () = server.until_told(1) => {}
    }
    town.start_again().await;
    assert_eq!(states(&town).await, [(MailState::InDoubt, 0)]);
    // It is not touched before its time …
    town.now += Duration::minutes(29);
    assert_eq!(pass(&town).await.claimed, 0);
    town.now += Duration::minutes(1);
    // … and then told again under the same transaction: the room shows it once.
    assert_eq!(pass(&town).await.sent, 1);
    assert_eq!(states(&town).await, [(MailState::Sent, 1)]);
    let told = server.told();
    assert_eq!((told.len(), server.events().len()), (2, 1));
    assert_eq!(told[0].line, told[1].line);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_gives_a_hook_three_copies_at_most_under_one_id() {
    let server = ChannelServer::start();
    let mut town = town("webhook", &server).await;
    town.pass().await;
    for time in 1..=5 {
        server.will([Does::Hangs]);
        let asked = server.told().len() + 1;
        tokio::select! {
            step = post(&town) => assert_eq!(step.claimed, usize::from(time == 4), "nothing is left"),
            () = server.until_told(asked) => assert!(time <= 3, "a fourth copy"),
        }
        town.start_again().await;
        town.now += Duration::minutes(31);
    }
    let told = server.told();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .all(|t| t.header("idempotency-key") == told[0].header("idempotency-key"))
    );
    assert_eq!(states(&town).await[0].0, MailState::Parked);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_puts_a_post_off_is_tried_later_and_repeats_one_transaction() {
    let server = ChannelServer::start();
    let mut town = town("matrix", &server).await;
    town.pass().await;
    for does in [
        Does::Says(500, "", "oops".to_owned()),
        Does::Hangs,
        Does::Drops,
        Does::Garbage,
        Does::Drips,
    ] {
        server.will([does.clone()]);
        let herald = hurried(&town);
        let step = herald.step(WantedPosts::All, town.now).await.unwrap();
        assert_eq!((step.claimed, step.deferred), (1, 1), "{does:?}");
        // The channel rests, and so does the post.
        let again = herald.step(WantedPosts::All, town.now).await.unwrap();
        assert_eq!(again.claimed, 0);
        town.now += Duration::hours(3);
    }
    assert_eq!(states(&town).await, [(MailState::Deferred, 5)]);
    let step = pass(&town).await;
    assert_eq!(
        (step.sent, states(&town).await),
        (1, vec![(MailState::Sent, 6)])
    );
    assert_eq!(server.events().len(), 1, "the room knows the repeats");
    assert_eq!(server.told().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_may_have_taken_a_post_is_asked_again_after_half_an_hour() {
    for does in [Does::Hangs, Does::Drops, Does::Garbage, Does::Drips] {
        let server = ChannelServer::start();
        let mut town = town("mattermost", &server).await;
        town.pass().await;
        server.will([does.clone()]);
        let step = hurried(&town)
            .step(WantedPosts::All, town.now)
            .await
            .unwrap();
        assert_eq!((step.claimed, step.in_doubt), (1, 1), "{does:?}");
        town.now += Duration::minutes(29);
        assert_eq!(post(&town).await.claimed, 0);
        town.now += Duration::minutes(2);
        assert_eq!(post(&town).await.sent, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_ten_megabytes_is_an_answer() {
    let server = ChannelServer::start();
    let town = town("webhook", &server).await;
    server.will([Does::Huge]);
    assert_eq!(pass(&town).await.sent, 1);
    let reply = posts(&town).await.remove(0).reply.unwrap();
    assert!(
        reply.starts_with("200 xxx") && reply.chars().count() < 220,
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_that_a_channel_asks_for_is_given() {
    let limited = |body: &str| Does::Says(429, "", body.to_owned());
    for (kind, does, minutes) in [
        (
            "matrix",
            limited(r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1200000}"#),
            20,
        ),
        (
            "webhook",
            Does::Says(429, "Retry-After: 2400\r\n", String::new()),
            40,
        ),
        (
            "mattermost",
            Does::Says(503, "Retry-After: 60\r\n", String::new()),
            1,
        ),
    ] {
        let server = ChannelServer::start();
        let mut town = town(kind, &server).await;
        server.will([does]);
        assert_eq!(pass(&town).await.deferred, 1);
        let next = posts(&town).await[0].next_at.unwrap();
        assert_eq!(next, town.now + Duration::minutes(minutes), "{kind}");
        town.now = next - Duration::seconds(1);
        assert_eq!(post(&town).await.claimed, 0);
        town.now = next;
        assert_eq!(post(&town).await.sent, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_posts_beside_mails_and_may_retry_and_cancel_them() {
    let server = ChannelServer::start();
    let mut town = town("webhook", &server).await;
    server.will([Does::Says(410, "", "gone".to_owned())]);
    assert_eq!(pass(&town).await.parked, 1);
    let post_row = posts(&town).await.remove(0);
    assert_eq!(
        (post_row.address.as_str(), post_row.kind.as_str()),
        ("#dsi", "post")
    );
    assert_eq!(post_row.reply.as_deref(), Some("410 gone"));
    let (_, attempts) = town.store().mail(post_row.no).await.unwrap().unwrap();
    assert_eq!(attempts[0].outcome, "parked");
    town.now += Duration::minutes(1);
    let (store, now) = (town.store(), town.now);
    store.retry(post_row.no, "user:alex", now).await.unwrap();
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!(server.told()[1].json()["tokens"][0]["token"], "m");
    // The next stage is cancelled by hand.
    town.now = at("2026-11-24T09:00:00+01:00");
    town.pass().await;
    let next = posts(&town).await.pop().unwrap();
    let cancelled = town.store().cancel(next.no, "user:alex", town.now).await;
    cancelled.unwrap();
    assert_eq!(post(&town).await.claimed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_and_posts_are_claimed_apart() {
    let server = ChannelServer::start();
    let town = town("webhook", &server).await;
    town.rig().tick(town.now).await.unwrap();
    let store = town.store();
    let soon = town.now + Duration::minutes(1);
    let mails = store
        .claim(Wanted::All, soon, 100, &Bounds::default())
        .await;
    let kinds: Vec<String> = mails.unwrap().into_iter().map(|m| m.kind).collect();
    assert_eq!(kinds, ["reminder"]);
    let post = store
        .claim_post("#dsi", WantedPosts::All, soon)
        .await
        .unwrap();
    assert_eq!(post.unwrap().kind, "post");
    let more = store
        .claim_post("#dsi", WantedPosts::All, soon)
        .await
        .unwrap();
    assert!(more.is_none(), "its claim holds");
    // The outbox of mails, by which `status` and the pass go, has no posts in it.
    assert_eq!(
        store.open_mail_counts().await.unwrap(),
        [(MailState::Claimed, 1)]
    );
    let plan = store.query_plan(NEXT_POST).await.unwrap();
    assert!(
        plan.iter()
            .any(|l| l.contains("USING INDEX mail_post (recipient=? AND next_at<?)")),
        "{plan:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_counts_for_no_quota_and_no_day() {
    let server = ChannelServer::start();
    let text = head().replace("[mail]\n", "[mail]\nrate = \"1/h\"\n")
        + &channel("dsi", "webhook", &server, "")
        + &december("m");
    let town = Town::start(&text, fifteen_before()).await;
    town.rig().tick(town.now).await.unwrap();
    assert_eq!(post(&town).await.sent, 1);
    assert_eq!(town.pass().await.sent, 1, "the quota is that of mails");
}
