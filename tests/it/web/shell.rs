//! The shell: whatever a client does, it takes no more than its share, nothing is broken off
//! half-way, and every answer carries the headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use jetond::store::Store;
use jetond::web::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use super::{HOST, Server, site};
use crate::support::http_client::{heard, request, talk};

fn echo() -> Router {
    Router::new().route(
        "/echo",
        post(|body: Bytes| async move { body.len().to_string() }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_keeps_a_browser_from_doing_more() {
    let shell = Server::start(Limits::default(), echo()).await;
    let long = "x".repeat(65_537);
    for (asked, status) in [
        (request("POST", "/echo", HOST, "abc"), 200),
        (request("GET", "/nowhere", HOST, ""), 404),
        (request("GET", "/echo", HOST, ""), 405),
        (request("POST", "/echo", HOST, &long), 413),
        (request("POST", "/echo", "evil.example", ""), 421),
        (request("POST", "/echo", "", ""), 400),
    ] {
        let reply = talk(shell.at, &asked).await.unwrap();
        assert_eq!(reply.status, status, "{reply:?}");
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("connection", "close"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name} of {reply:?}");
        }
        assert_eq!(reply.header("server"), None);
    }
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_names_are_answered() {
    let shell = Server::start(Limits::default(), echo()).await;
    let port = shell.at.port();
    for (host, status) in [
        ("jetons.ville.example", 200),
        ("JETONS.ville.example.", 200),
        ("jetons.ville.example:443", 200),
        ("autre.ville.example", 200),
        (&format!("127.0.0.1:{port}"), 200),
        ("localhost", 200),
        ("[::1]:8080", 200),
        ("ville.example", 421),
        ("jetons.ville.example.evil.example", 421),
        ("192.0.2.1", 421),
        ("user@jetons.ville.example", 400),
        ("jetons.ville.example/x", 400),
        ("", 400),
    ] {
        let reply = talk(shell.at, request("POST", "/echo", host, ""))
            .await
            .unwrap();
        assert_eq!(reply.status, status, "{host}: {reply:?}");
    }
    for (head, status) in [
        // The request line counts as well, and wins nothing.
        (
            "POST http://evil.example/echo HTTP/1.1\r\nHost: localhost\r\n",
            421,
        ),
        (
            "POST http://localhost/echo HTTP/1.1\r\nHost: evil.example\r\n",
            421,
        ),
        (
            "POST http://localhost/echo HTTP/1.1\r\nHost: localhost\r\n",
            200,
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
            400,
        ),
        ("POST /echo HTTP/1.1\r\n", 400),
        ("POST /echo HTTP/1.0\r\n", 400),
        ("POST /echo HTTP/1.0\r\nHost: localhost\r\n", 200),
    ] {
        let reply = talk(shell.at, format!("{head}Content-Length: 0\r\n\r\n"))
            .await
            .unwrap();
        assert_eq!(reply.status, status, "{head}");
    }
    // A reload puts other names in force for the next request.
    let mut other = site(Store::in_memory().await.unwrap(), "neu.ville.example");
    other.hosts.clear();
    shell.live.switch(other);
    for (host, status) in [("jetons.ville.example", 421), ("neu.ville.example", 200)] {
        let reply = talk(shell.at, request("POST", "/echo", host, ""))
            .await
            .unwrap();
        assert_eq!(reply.status, status, "{host}");
    }
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_a_page_does_not_know_are_told_those_it_does() {
    let page = Router::new().route("/page", get(|| async { "words" }));
    let shell = Server::start(Limits::default(), page).await;
    let head = talk(shell.at, request("HEAD", "/page", HOST, ""))
        .await
        .unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some("5"));
    for method in ["OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "BREW"] {
        let reply = talk(shell.at, request(method, "/page", HOST, ""))
            .await
            .unwrap();
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET,HEAD"), "{method}");
    }
    let whole = talk(shell.at, request("OPTIONS", "*", HOST, ""))
        .await
        .unwrap();
    assert_eq!(whole.status, 404);
    let tunnel = "CONNECT localhost:25 HTTP/1.1\r\nHost: localhost:25\r\n\r\n";
    assert!(talk(shell.at, tunnel).await.unwrap().status >= 400);
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_the_answer_arrives() {
    let shell = Server::start(Limits::default(), echo()).await;
    let most = "x".repeat(65_536);
    let reply = talk(shell.at, request("POST", "/echo", HOST, &most))
        .await
        .unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "65536"));

    // Announced: refused before a byte of it is sent.
    let announced = format!(
        "POST /echo HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n"
    );
    assert_eq!(talk(shell.at, announced).await.unwrap().status, 413);

    // Not announced: refused when it has grown too long, and the client that has sent all of it
    // reads the answer.
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(6)
    );
    assert_eq!(talk(shell.at, chunked).await.unwrap().status, 413);

    let line = format!(
        "GET /{} HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
        "x".repeat(20_000)
    );
    let long = talk(shell.at, line).await.unwrap().status;
    assert!([414, 431].contains(&long), "{long}");
    let lines = "X: y\r\n".repeat(100);
    let many = format!("GET /echo HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n");
    assert_eq!(talk(shell.at, many).await.unwrap().status, 431);
    assert_eq!(
        talk(shell.at, "not http at all\r\n\r\n")
            .await
            .unwrap()
            .status,
        400
    );
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_is_let_go_in_every_phase() {
    let limits = Limits {
        header: Duration::from_millis(150),
        request: Duration::from_millis(150),
        answer: Duration::from_millis(150),
        ..Limits::default()
    };
    let stuck = Router::new().route("/stuck", get(std::future::pending::<&str>));
    let shell = Server::start(limits, echo().merge(stuck)).await;
    // Nothing at all, and a head that never ends, one byte at a time.
    assert_eq!(
        heard(TcpStream::connect(shell.at).await.unwrap()).await,
        None
    );
    let (mut read, mut write) = TcpStream::connect(shell.at).await.unwrap().into_split();
    let dripping = tokio::spawn(async move {
        write.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        while write.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut said = Vec::new();
    let _reset = read.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{said:?}");
    dripping.await.unwrap();

    let body = format!("POST /echo HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\n\r\nabc");
    let mut slow = TcpStream::connect(shell.at).await.unwrap();
    slow.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(heard(slow).await.unwrap().status, 408);

    let reply = talk(shell.at, request("GET", "/stuck", HOST, ""))
        .await
        .unwrap();
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("30"))
    );
    // Its handler goes on for ever, as no real one does: the end is not waited for.
    shell.stopping.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_so_many_are_served_at_once_and_the_others_wait() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let (inside, open) = (
        Arc::new(watch::Sender::new(0_usize)),
        Arc::new(watch::Sender::new(false)),
    );
    let most = Arc::new(AtomicUsize::new(0));
    let slow = Router::new().route("/slow", {
        let (inside, open, most) = (Arc::clone(&inside), Arc::clone(&open), Arc::clone(&most));
        get(move || async move {
            inside.send_modify(|n| *n += 1);
            most.fetch_max(*inside.borrow(), Ordering::SeqCst);
            open.subscribe().wait_for(|open| *open).await.unwrap();
            inside.send_modify(|n| *n -= 1);
            "done"
        })
    });
    let shell = Server::start(limits, slow).await;
    let at = shell.at;
    let clients: Vec<_> = (0..6)
        .map(|_| tokio::spawn(async move { talk(at, request("GET", "/slow", HOST, "")).await }))
        .collect();
    inside.subscribe().wait_for(|n| *n == 2).await.unwrap();
    open.send_replace(true);
    for client in clients {
        assert_eq!(client.await.unwrap().unwrap().body, "done");
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_request_on_its_connection_is_never_another_one() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Router::new().route("/count", {
        let asked = Arc::clone(&asked);
        post(move || async move { asked.fetch_add(1, Ordering::SeqCst).to_string() })
    });
    let shell = Server::start(Limits::default(), counting).await;
    let one = request("POST", "/count", HOST, "a=b");
    let reply = talk(shell.at, format!("{one}{one}{one}")).await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "0"));
    let both = format!(
        "POST /count HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{one}"
    );
    let _either = talk(shell.at, both).await;
    assert!(
        asked.load(Ordering::SeqCst) <= 2,
        "a smuggled request was served"
    );
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_fails_alone() {
    async fn broken() -> &'static str {
        panic!("a fault of ours")
    }
    let shell = Server::start(Limits::default(), echo().route("/broken", get(broken))).await;
    let reply = talk(shell.at, request("GET", "/broken", HOST, ""))
        .await
        .unwrap();
    assert_eq!(reply.status, 500);
    assert!(!reply.body.contains("a fault of ours"));
    let reply = talk(shell.at, request("POST", "/echo", HOST, ""))
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_has_begun_and_waits_for_nobody_else() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = Router::new().route("/slow", {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        get(move || async move {
            begun.notify_one();
            go_on.notified().await;
            "done"
        })
    });
    let shell = Server::start(Limits::default(), slow).await;
    let at = shell.at;
    let silent = TcpStream::connect(at).await.unwrap();
    let client = tokio::spawn(async move { talk(at, request("GET", "/slow", HOST, "")).await });
    begun.notified().await;
    shell.stopping.cancel();
    assert_eq!(heard(silent).await, None);
    go_on.notify_one();
    assert_eq!(client.await.unwrap().unwrap().body, "done");
    shell.serving.await.unwrap();
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_that_leave_in_the_middle_break_no_transaction_off() {
    const CLIENTS: usize = 1_000;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("jetond.db");
    let store = Store::open(&path).await.unwrap();
    let (begun, ended) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(watch::Sender::new(0_usize)),
    );
    let writing = Router::new().route("/write", {
        let (store, begun, ended) = (store.clone(), Arc::clone(&begun), Arc::clone(&ended));
        post(move || async move {
            begun.fetch_add(1, Ordering::SeqCst);
            let mut tx = store.begin().await.unwrap();
            let before = tx.setting("clicks").await.unwrap();
            let n: usize = before.map_or(0, |n| n.parse().unwrap());
            tokio::task::yield_now().await;
            tx.set("clicks", &(n + 1).to_string()).await.unwrap();
            tx.commit().await.unwrap();
            ended.send_modify(|n| *n += 1);
        })
    });
    let shell = Server::on(site(store.clone(), HOST), Limits::default(), writing).await;
    let whole = request("POST", "/write", HOST, "a=b");
    for n in 0..CLIENTS {
        let mut client = TcpStream::connect(shell.at).await.unwrap();
        // Some leave before their request is whole, the others before it is answered.
        let cut = if n % 4 == 0 {
            whole.len() - 1
        } else {
            whole.len()
        };
        client.write_all(&whole.as_bytes()[..cut]).await.unwrap();
        if n % 2 == 0 {
            // Not a farewell but a reset, as of a client that crashed.
            client.set_zero_linger().unwrap();
        }
    }
    let mut done = ended.subscribe();
    // Those who sent all and left with a farewell are served, every one.
    done.wait_for(|n| *n >= CLIENTS / 2).await.unwrap();
    shell.stop().await;
    let begun = begun.load(Ordering::SeqCst);
    assert_eq!(begun, *ended.borrow(), "a handler was cancelled");

    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.setting("clicks").await.unwrap(), Some(begun.to_string()));
    tx.set("after", "1").await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    let again = Store::open(&path).await.unwrap();
    assert_eq!(again.setting("after").await.unwrap(), Some("1".to_owned()));
    assert_eq!(
        again.setting("clicks").await.unwrap(),
        Some(begun.to_string())
    );
    again.check_soundness().await.unwrap();
}
