//! The headers that keep a browser from doing more, on every class of answer.

use super::{Client, PASSWORD, serving, users};
use crate::support::http_client::Reply;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every answer carries, whatever was asked.
pub(super) fn is_hardened(what: &str, reply: &Reply) {
    let referrer = reply.header("referrer-policy").unwrap_or_default();
    let known = ["no-referrer", "same-origin"];
    assert!(known.contains(&referrer), "{what}: {referrer}");
    check(what, reply, referrer);
}

/// What every answer carries; of the pages behind the login only the origin may be told, and
/// that to themselves alone.
fn check(what: &str, reply: &Reply, referrer: &str) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", referrer),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-robots-tag", "noindex, nofollow"),
        ("connection", "close"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{what}: {name}");
    }
    for absent in [
        "server",
        "access-control-allow-origin",
        "x-powered-by",
        "x-frame-options",
        "strict-transport-security",
    ] {
        assert_eq!(reply.header(absent), None, "{what}: {absent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_class_of_answer_carries_them() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let inside = browser.inside("c.martin").await;
    let program = Client::of(&server).bare();
    let long = "x".repeat(70_000);
    let none = "no-referrer";
    for (what, reply, status, referrer) in [
        ("page", inside.get("/").await, 200, "same-origin"),
        (
            "login page",
            browser.get("/login").await,
            200,
            "same-origin",
        ),
        (
            "login",
            browser.log_in("n.diallo", PASSWORD).await,
            303,
            none,
        ),
        (
            "failed login",
            browser.log_in("n.diallo", "x").await,
            403,
            "same-origin",
        ),
        (
            "no login form",
            browser.post("/login", &[]).await,
            400,
            none,
        ),
        ("to the login", browser.get("/").await, 303, none),
        ("challenge", program.get("/").await, 401, none),
        ("logout", inside.post("/logout", &[]).await, 403, none),
        ("style", browser.get("/style.css").await, 200, none),
        (
            "style of the pages",
            browser.get("/board.css").await,
            200,
            none,
        ),
        ("link", browser.get("/l/AAAA").await, 410, none),
        ("nothing", browser.get("/nothing").await, 404, none),
        ("method", browser.ask("PUT", "/login", "").await, 405, none),
        (
            "webhook",
            browser.post("/webhooks/datapass", &[]).await,
            404,
            none,
        ),
        (
            "too large",
            browser.ask("POST", "/login", &long).await,
            413,
            none,
        ),
        (
            "another host",
            browser.clone().under("evil.example").get("/").await,
            421,
            none,
        ),
        (
            "no host",
            browser.clone().under("").get("/").await,
            400,
            none,
        ),
    ] {
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        check(what, &reply, referrer);
    }
    server.stop().await;
    let shut = serving("public_url = \"https://jetons.ville.example\"").await;
    let reply = Client::of(&shut).get("/").await;
    assert_eq!(reply.status, 403);
    check("shut", &reply, none);
    shut.stop().await;
}
