//! Sessions: their ids are ours, they end in time, and with the user they are of.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Client, HASH, OTHER, PASSWORD, cookie, serving, serving_at, site_at, users};
use crate::support::daemon::at;

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_never_taken_from_a_client_and_changes_at_each_login() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    // Planted before the login: it stays worthless.
    let planted = format!("jetond={}", "A".repeat(43));
    let victim = browser.clone().keeping(&planted);
    let first = victim.log_in("c.martin", PASSWORD).await;
    let first = cookie(&first);
    assert_ne!(first, planted);
    assert_eq!(browser.clone().keeping(&planted).get("/").await.status, 303);
    assert_eq!(browser.clone().keeping(&first).get("/").await.status, 200);

    // Another login from the same browser: another id, and the one before is over.
    let second = browser
        .clone()
        .keeping(&first)
        .log_in("n.diallo", PASSWORD)
        .await;
    let second = cookie(&second);
    assert_ne!(first, second);
    assert_eq!(browser.clone().keeping(&first).get("/").await.status, 303);
    let page = browser.clone().keeping(&second).get("/").await;
    assert!(page.status == 200 && page.body.contains("n.diallo"));

    // A failed login ends nothing.
    let kept = browser.clone().keeping(&second);
    assert_eq!(kept.log_in("c.martin", "wrong").await.status, 403);
    assert_eq!(kept.get("/").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_doubled_cut_or_altered_names_nobody() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let good = cookie(&browser.log_in("c.martin", PASSWORD).await);
    let value = good.strip_prefix("jetond=").unwrap();
    for odd in [
        format!("{good}; {good}"),
        format!("jetond=x; {good}"),
        format!("jetond={}", &value[..42]),
        format!("jetond={value}A"),
        format!("jetond=\"{value}\""),
        format!("JETOND={value}"),
        format!("jetond={}", value.to_lowercase()),
        "jetond=".to_owned(),
        "jetond".to_owned(),
        ";;;=;jetond".to_owned(),
    ] {
        let page = browser.clone().keeping(&odd).get("/").await;
        assert_eq!(page.status, 303, "{odd}");
    }
    let twice = browser.clone().keeping(&good).keeping(&good).get("/").await;
    assert_eq!(twice.status, 303);
    let among = format!("a=b; jetond_lang=fr; {good}; c=d");
    assert_eq!(browser.keeping(&among).get("/").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_the_session_on_the_server() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let (one, other) = (
        browser.inside("c.martin").await,
        browser.inside("c.martin").await,
    );
    let csrf = one.csrf().await;
    let out = one.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!((out.status, out.header("location")), (303, Some("./login")));
    assert_eq!(
        out.header("set-cookie"),
        Some("jetond=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
    );
    assert_eq!(one.get("/").await.status, 303);
    assert_eq!(other.get("/").await.status, 200, "another browser stays");
    // Once more, and by GET: nothing to end.
    assert_eq!(one.post("/logout", &[("csrf", &csrf)]).await.status, 303);
    assert_eq!(other.get("/logout").await.status, 405);
    assert_eq!(other.get("/").await.status, 200);
    server.stop().await;
}

static AHEAD: AtomicI64 = AtomicI64::new(0);

fn clock() -> DateTime<Utc> {
    at("2026-11-23T09:00:00Z") + TimeDelta::seconds(AHEAD.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_an_idle_hour_and_after_twelve() {
    let minute = |n: i64| AHEAD.store(60 * n, Ordering::SeqCst);
    let server = serving_at(&users(), clock).await;
    let browser = Client::of(&server);
    let busy = browser.inside("c.martin").await;
    let idle = browser.inside("n.diallo").await;
    minute(59);
    assert_eq!(busy.get("/").await.status, 200);
    minute(61);
    assert_eq!(idle.get("/").await.status, 303);
    for n in 2..14 {
        minute(n * 55);
        if n * 55 < 720 {
            assert_eq!(busy.get("/").await.status, 200, "{n}");
        }
    }
    minute(720);
    assert_eq!(busy.get("/").await.status, 303);
    minute(660);
    assert_eq!(busy.get("/").await.status, 303, "it does not come back");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_a_user_ends_their_sessions_and_nobody_elses() {
    let user = |name: &str, hash: &str, role: &str| {
        format!("{{ name = \"{name}\", password = \"{hash}\", role = \"{role}\" }}")
    };
    let auth = |list: &[String]| format!("[web.auth]\nusers = [{}]\n", list.join(", "));
    let diallo = user("n.diallo", HASH, "viewer");
    for (what, after) in [
        ("gone", auth(std::slice::from_ref(&diallo))),
        (
            "password",
            auth(&[user("c.martin", OTHER, "operator"), diallo.clone()]),
        ),
        (
            "role",
            auth(&[user("c.martin", HASH, "viewer"), diallo.clone()]),
        ),
    ] {
        let before = auth(&[user("c.martin", HASH, "operator"), diallo.clone()]);
        let server = serving(&before).await;
        let browser = Client::of(&server);
        let martin = browser.inside("c.martin").await;
        let other = browser.inside("n.diallo").await;
        // A reload that changes nothing of them ends nothing.
        server
            .live
            .switch(site_at(&before, jetond::clock::now).await);
        assert_eq!(martin.get("/").await.status, 200, "{what}");
        server
            .live
            .switch(site_at(&after, jetond::clock::now).await);
        assert_eq!(martin.get("/").await.status, 303, "{what}");
        assert_eq!(other.get("/").await.status, 200, "{what}");
        // Put back, it stays over.
        server
            .live
            .switch(site_at(&before, jetond::clock::now).await);
        assert_eq!(martin.get("/").await.status, 303, "{what}");
        server.stop().await;
    }
    // Without [web.auth] there are no sessions at all.
    let server = serving(&users()).await;
    let martin = Client::of(&server).inside("c.martin").await;
    server.live.switch(site_at("", jetond::clock::now).await);
    let page = martin.get("/").await;
    assert!(page.status == 200 && !page.body.contains("c.martin"));
    server.stop().await;
}
