//! HTTP Basic: for programs that look; it never acts.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Client, PASSWORD, serving, serving_at, site_at, users};
use crate::support::daemon::at;

pub(super) fn authorization(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn sending(server: &super::Server, authorization: &str) -> Client {
    Client::of(server)
        .bare()
        .with("Authorization", authorization)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_looks_with_its_password_and_never_acts() {
    let server = serving(&users()).await;
    let right = authorization("c.martin", PASSWORD);
    let program = sending(&server, &right);
    let page = program.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("set-cookie").is_none());
    // An operator by its name, but no form of a page is its own.
    assert!(page.body.contains("c.martin") && !page.body.contains("csrf"));
    assert_eq!(program.ask("HEAD", "/", "").await.status, 200);
    assert_eq!(program.ask("POST", "/login", "").await.status, 400);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_one_right_pair_is_401() {
    let server = serving(&users()).await;
    let right = authorization("c.martin", PASSWORD);
    for wrong in [
        authorization("c.martin", "something else"),
        authorization("nobody", PASSWORD),
        authorization("", ""),
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {}", STANDARD.encode("c.martin")),
        format!("Basic {}", STANDARD.encode(b"\xff\xfe:x")),
        right.replace("Basic", "Bearer"),
        right.replace("Basic ", "Basic"),
    ] {
        let reply = sending(&server, &wrong).get("/").await;
        assert_eq!(reply.status, 401, "{wrong}");
        assert!(reply.header("www-authenticate").is_some());
    }
    let twice = sending(&server, &right).with("Authorization", &right);
    assert_eq!(twice.get("/").await.status, 401);
    let small = right.replace("Basic", "basic");
    assert_eq!(sending(&server, &small).get("/").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_pair_is_believed_for_five_minutes_and_not_after_a_change() {
    static AHEAD: AtomicI64 = AtomicI64::new(0);
    fn clock() -> DateTime<Utc> {
        at("2026-11-23T09:00:00Z") + TimeDelta::seconds(AHEAD.load(Ordering::SeqCst))
    }
    let server = serving_at(&users(), clock).await;
    let program = sending(&server, &authorization("c.martin", PASSWORD));
    let lock = async || {
        while Client::of(&server).log_in("c.martin", "wrong").await.status != 429 {}
    };
    assert_eq!(program.get("/").await.status, 200);
    // While nothing can be compared for this name, it shows who is not compared.
    lock().await;
    assert_eq!(program.get("/").await.status, 200);
    let other = sending(&server, &authorization("c.martin", "something else"));
    assert_eq!(other.get("/").await.status, 429);
    AHEAD.store(299, Ordering::SeqCst);
    lock().await;
    assert_eq!(program.get("/").await.status, 200);
    AHEAD.store(300, Ordering::SeqCst);
    assert_eq!(program.get("/").await.status, 429);
    // Long after, it is compared once more, and believed again.
    AHEAD.store(5_000, Ordering::SeqCst);
    assert_eq!(program.get("/").await.status, 200);
    lock().await;
    assert_eq!(program.get("/").await.status, 200);
    // Another hash in the configuration: what was believed counts for nothing.
    let changed = users().replace(super::HASH, super::OTHER);
    server.live.switch(site_at(&changed, clock).await);
    assert_eq!(program.get("/").await.status, 429);
    server.stop().await;
}
