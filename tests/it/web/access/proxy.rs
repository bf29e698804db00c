//! A reverse proxy that logs people in: believed from its own addresses, from nowhere else.

use super::{Client, csrf, serving, users};

const PROXY: &str = "[web.auth]\nproxy = { header = \"X-Remote-User\", from = [\"127.0.0.9\", \"127.7.0.0/16\"], operators = [\"c.martin\"] }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_counts_from_the_listed_addresses_only() {
    let server = serving(PROXY).await;
    let named = |name: &str| Client::of(&server).with("X-Remote-User", name);
    for from in ["127.0.0.9", "127.7.1.2"] {
        let page = named("c.martin").from(from).get("/").await;
        assert_eq!(page.status, 200, "{from}");
        assert!(page.body.contains("c.martin"));
    }
    // Spoofed: from here, from beside the listed network, and with the proxy's usual headers.
    for from in ["127.0.0.1", "127.0.0.8", "127.8.0.1"] {
        let page = named("c.martin").from(from).get("/").await;
        assert_eq!(page.status, 403, "{from}");
        assert!(!page.body.contains("c.martin"));
        let forwarded = named("c.martin")
            .from(from)
            .with("X-Forwarded-For", "127.0.0.9")
            .with("X-Real-IP", "127.0.0.9")
            .with("Forwarded", "for=127.0.0.9");
        assert_eq!(forwarded.get("/").await.status, 403, "{from}");
    }
    // The proxy itself, when it names nobody.
    for silent in [
        Client::of(&server).from("127.0.0.9"),
        named("").from("127.0.0.9"),
        Client::of(&server)
            .from("127.0.0.9")
            .with("X-Remote-Users", "c.martin"),
    ] {
        let page = silent.get("/").await;
        assert_eq!(page.status, 403);
        assert!(page.body.contains("did not say who asks"), "{page:?}");
    }
    // There is no other login.
    assert_eq!(Client::of(&server).get("/login").await.status, 404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_holds_no_single_name_is_refused() {
    let server = serving(PROXY).await;
    let proxy = Client::of(&server).from("127.0.0.9");
    let twice = proxy
        .clone()
        .with("X-Remote-User", "n.diallo")
        .with("x-remote-user", "c.martin");
    assert_eq!(twice.get("/").await.status, 400);
    let long = "x".repeat(129);
    for rubbish in [
        "n.diallo, c.martin",
        "a:b",
        "c.martin\u{202e}",
        "\u{80}",
        &long,
    ] {
        let reply = proxy.clone().with("X-Remote-User", rubbish).get("/").await;
        assert_eq!(reply.status, 400, "{rubbish:?}");
    }
    let accents = proxy.with("X-Remote-User", " Zoé Lefèvre ").get("/").await;
    assert!(accents.status == 200 && accents.body.contains("Zoé Lefèvre"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_has_a_token_of_its_own_and_no_session() {
    let server = serving(PROXY).await;
    let proxy = Client::of(&server).from("127.0.0.9");
    let token = async |name: &str| {
        let page = proxy.clone().with("X-Remote-User", name).get("/").await;
        assert_eq!(page.header("set-cookie"), None);
        csrf(&page)
    };
    let martin = token("c.martin").await;
    assert_eq!(martin.len(), 64);
    assert_eq!(martin, token("c.martin").await);
    assert_ne!(martin, token("n.diallo").await);
    let out = proxy.with("X-Remote-User", "c.martin");
    let out = out.post("/logout", &[("csrf", &martin)]).await;
    assert_eq!(out.status, 200);
    assert!(out.body.contains("log out there"), "{out:?}");
    server.stop().await;
    // Another process has another key.
    let other = serving(PROXY).await;
    let page = Client::of(&other).from("127.0.0.9");
    let page = page.with("X-Remote-User", "c.martin").get("/").await;
    assert_ne!(csrf(&page), martin);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_a_proxy_may_stand_side_by_side() {
    let proxy = PROXY.strip_prefix("[web.auth]\n").unwrap();
    let server = serving(&format!("{}{proxy}", users())).await;
    let outside = Client::of(&server);
    // Who is not named by the proxy logs in.
    assert_eq!(outside.from("127.0.0.9").get("/").await.status, 303);
    let inside = Client::of(&server).inside("n.diallo").await;
    assert!(inside.get("/").await.body.contains("n.diallo"));
    // What the proxy tells comes first; from elsewhere it is not read.
    let named = inside.clone().with("X-Remote-User", "c.martin");
    let page = named.clone().from("127.0.0.9").get("/").await;
    assert!(page.body.contains("c.martin") && !page.body.contains("n.diallo"));
    let page = named.get("/").await;
    assert!(page.body.contains("n.diallo") && !page.body.contains("c.martin"));
    server.stop().await;
}
