//! Without `[web.auth]`: whoever can only be on this machine looks, everybody else is told what
//! to configure; nothing that a proxy could have passed on counts as local.

use std::net::{IpAddr, UdpSocket};

use axum::Router;
use jetond::web::Limits;

use super::{Client, Server, serving, site_at, users};

const PUBLIC: &str = "public_url = \"https://jetons.ville.example\"";

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_this_machine_looks_without_login_and_does_not_act() {
    let server = serving("").await;
    let port = server.at.port();
    for host in [
        format!("127.0.0.1:{port}"),
        "localhost".to_owned(),
        "LOCALHOST:8080".to_owned(),
        "127.9.9.9".to_owned(),
        "[::1]:8080".to_owned(),
    ] {
        for client in [Client::of(&server), Client::of(&server).bare()] {
            let page = client.under(&host).get("/").await;
            assert_eq!(page.status, 200, "{host}: {page:?}");
            assert!(!page.body.contains("csrf"), "{}", page.body);
        }
    }
    let page = Client::of(&server).from("127.0.0.77").get("/").await;
    assert_eq!(page.status, 200);
    // There is nowhere to log in.
    assert_eq!(Client::of(&server).get("/login").await.status, 404);
    assert_eq!(Client::of(&server).log_in("a", "b").await.status, 404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_has_passed_on_is_not_local() {
    let server = serving("hosts = [\"a.ville.example\"]").await;
    for header in [
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "X-Forwarded",
        "X-FORWARDED-FOR",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Original-Forwarded-For",
        "X-Envoy-External-Address",
        "True-Client-IP",
        "CF-Connecting-IP",
    ] {
        for value in ["127.0.0.1", ""] {
            let page = Client::of(&server).with(header, value).get("/").await;
            assert_eq!(page.status, 403, "{header}: {page:?}");
            assert!(page.body.contains("[web.auth]"), "{page:?}");
            assert!(!page.body.contains("<"), "{page:?}");
        }
    }
    let other_name = Client::of(&server).under("a.ville.example").get("/").await;
    assert_eq!(other_name.status, 403);
    // The name in the request line is a name as well.
    let line = Client::of(&server).get("http://a.ville.example/").await;
    assert_eq!(line.status, 403);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_public_address_announces_a_proxy_nobody_is_local_unless_the_file_says_so() {
    let server = serving(PUBLIC).await;
    let page = Client::of(&server).get("/").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("loopback = true"), "{page:?}");
    let page = Client::of(&server)
        .under("jetons.ville.example")
        .get("/")
        .await;
    assert_eq!(page.status, 403);
    // The links of mails, and what they need, are for everybody.
    for (path, status) in [("/style.css", 200), ("/board.css", 200), ("/l/x", 410)] {
        let open = Client::of(&server)
            .under("jetons.ville.example")
            .get(path)
            .await;
        assert_eq!(open.status, status, "{path}");
    }

    let permitted = format!("{PUBLIC}\n[web.auth]\nloopback = true");
    server
        .live
        .switch(site_at(&permitted, jetond::clock::now).await);
    assert_eq!(Client::of(&server).get("/").await.status, 200);
    for (client, what) in [
        (Client::of(&server).under("jetons.ville.example"), "name"),
        (Client::of(&server).with("X-Forwarded-For", "::1"), "header"),
    ] {
        let page = client.get("/").await;
        assert_eq!(page.status, 403, "{what}");
        assert!(page.body.contains("only this machine"), "{what}: {page:?}");
    }

    // With users everybody logs in, this machine too.
    server
        .live
        .switch(site_at(&users(), jetond::clock::now).await);
    assert_eq!(Client::of(&server).get("/").await.status, 303);
    server
        .live
        .switch(site_at(&format!("{}loopback = true\n", users()), jetond::clock::now).await);
    assert_eq!(Client::of(&server).get("/").await.status, 200);
    // Whoever has logged in all the same is who they are.
    let inside = Client::of(&server).inside("c.martin").await;
    assert!(inside.get("/").await.body.contains("c.martin"));
    server.stop().await;
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_this_machine_nobody_is_local() {
    let mut site = site_at("", jetond::clock::now).await;
    site.door.is_at_home = false;
    let server = Server::on(site, Limits::default(), Router::new()).await;
    // Even from here: what is listened on can be reached from elsewhere.
    assert_eq!(Client::of(&server).get("/").await.status, 403);
    server.stop().await;

    let Some(own) = own_address() else { return };
    // However it came about that such an address is listened on.
    let site = site_at("", jetond::clock::now).await;
    let live = jetond::web::Live::new(site);
    let Ok(listener) = jetond::web::bind(std::net::SocketAddr::new(own, 0)).await else {
        return;
    };
    let at = listener.local_addr().unwrap();
    let stopping = tokio_util::sync::CancellationToken::new();
    let pages = (jetond::web::router(live.clone()), live.clone());
    let serving = tokio::spawn(jetond::web::serve(
        listener,
        pages,
        Limits::default(),
        stopping.clone(),
    ));
    for host in [at.to_string(), "localhost".to_owned()] {
        assert_eq!(Client::to(at).under(&host).get("/").await.status, 403);
    }
    stopping.cancel();
    serving.await.unwrap();
}
