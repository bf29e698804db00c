//! Guessing: ever longer waits for a name, a bound for all of them, and no more than two
//! comparisons at a time.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Client, PASSWORD, serving_at, users};
use crate::support::daemon::at;

#[tokio::test(flavor = "multi_thread")]
async fn after_five_failures_a_name_waits_and_is_told_for_how_long() {
    static AHEAD: AtomicI64 = AtomicI64::new(0);
    fn clock() -> DateTime<Utc> {
        at("2026-11-23T09:00:00Z") + TimeDelta::seconds(AHEAD.load(Ordering::SeqCst))
    }
    let server = serving_at(&users(), clock).await;
    let browser = Client::of(&server);
    let inside = browser.inside("c.martin").await;
    // Who has the name and who has none are counted alike.
    for name in ["c.martin", "nobody"] {
        for _ in 0..5 {
            assert_eq!(browser.log_in(name, "wrong").await.status, 403);
        }
        // The right password waits as well: else the wait would tell.
        let reply = browser.log_in(name, PASSWORD).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (429, Some("30"))
        );
        assert!(
            reply.body.contains("please try again in 30 seconds"),
            "{}",
            reply.body
        );
    }
    let french = browser.post("/login?lang=fr", &[("name", "nobody"), ("password", "x")]);
    let french = french.await.body;
    assert!(
        french.contains("réessayer dans 30\u{a0}secondes"),
        "{french}"
    );
    // Programs wait by the same count; who is inside and everybody else do not.
    let basic = Client::of(&server).bare().with(
        "Authorization",
        &super::basic::authorization("c.martin", PASSWORD),
    );
    assert_eq!(basic.get("/").await.status, 429);
    assert_eq!(inside.get("/").await.status, 200);
    assert_eq!(browser.log_in("n.diallo", PASSWORD).await.status, 303);

    AHEAD.store(30, Ordering::SeqCst);
    assert_eq!(browser.log_in("c.martin", "wrong").await.status, 403);
    let reply = browser.log_in("c.martin", PASSWORD).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("60"))
    );
    AHEAD.store(90, Ordering::SeqCst);
    assert_eq!(browser.log_in("c.martin", PASSWORD).await.status, 303);
    // Once right, it starts anew.
    assert_eq!(browser.log_in("c.martin", "wrong").await.status, 403);
    assert_eq!(browser.log_in("c.martin", PASSWORD).await.status, 303);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_not_more_guesses() {
    fn clock() -> DateTime<Utc> {
        at("2026-11-23T09:00:00Z")
    }
    let server = serving_at(&users(), clock).await;
    let browser = Client::of(&server);
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            let browser = browser.clone();
            tokio::spawn(async move { browser.log_in("c.martin", "wrong").await.status })
        })
        .collect();
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guess.await.unwrap());
    }
    let compared = answers.iter().filter(|s| **s == 403).count();
    assert_eq!(compared, 5, "{answers:?}");
    assert!(
        answers.iter().all(|s| [403, 429].contains(s)),
        "{answers:?}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_by_the_dozen_are_bounded_together() {
    fn clock() -> DateTime<Utc> {
        at("2026-11-23T09:00:20Z")
    }
    let server = serving_at(&users(), clock).await;
    let browser = Client::of(&server);
    for n in 0..60 {
        let reply = browser.log_in(&format!("guess{n}"), "wrong").await;
        assert_eq!(reply.status, 403, "{n}");
    }
    let reply = browser.log_in("n.diallo", PASSWORD).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("40"))
    );
    server.stop().await;
}
