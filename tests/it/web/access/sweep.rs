//! Any bytes at any page: a proper status, never a panic, never a page to who is not let in, and
//! nothing of it harms what is on record.

use std::time::Duration;

use axum::Router;
use jetond::web::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::headers::is_hardened;
use super::{Client, PASSWORD, serving, site_at, users};
use crate::support::http_client::{heard, talk};
use crate::support::program::{Program, Running};
use crate::web::{Server, own_address};

/// Every address that is answered, and some below and beside them.
const PATHS: [&str; 50] = [
    "/clients.csv",
    "/recipients.csv",
    "/tokens/",
    "/tokens/%00",
    "/",
    "/tokens",
    "/tokens.csv",
    "/tokens/t",
    "/tokens/nothing",
    "/tokens/t/filed",
    "/tokens/t/renew",
    "/tokens/t/snooze",
    "/tokens/t/revoke",
    "/tokens/t/nothing",
    "/timeline",
    "/clients",
    "/clients/x",
    "/recipients",
    "/recipients/a@ville.example",
    "/outbox",
    "/outbox.csv",
    "/outbox/1",
    "/outbox/1.eml",
    "/outbox/-1",
    "/outbox/99999999999999999999999999",
    "/outbox/9223372036854775807",
    "/outbox/1/retry",
    "/outbox/release",
    "/journal",
    "/journal.csv",
    "/health",
    "/healthz",
    "/readyz",
    "/metrics",
    "/login",
    "/logout",
    "/board.css",
    "/style.css",
    "/calendar/x.ics",
    "/calendar/x/y.ics",
    "/l/x",
    "/l/x/filed",
    "/l/x/renewed",
    "/l/x/not-for-me",
    "/webhooks/datapass",
    "//",
    "/../../etc/passwd",
    "/.git/config",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/nothing",
];

/// The paths that everybody may see.
const PUBLIC: [&str; 7] = [
    "/login",
    "/logout",
    "/board.css",
    "/style.css",
    "/healthz",
    "/l/",
    "/calendar/",
];

const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "FOO", "get",
];

/// What may stand behind a path and its question mark.
fn queries() -> Vec<String> {
    let mut queries: Vec<String> = [
        "?",
        "?q=%",
        "?q=%zz&lang=%",
        "?q=%FF%FE%00&state=%C0%80",
        "?q=%00",
        "?page=-1",
        "?page=0",
        "?page=99999999999999999999999999999999999999",
        "?page=1e9&page=2&page=x",
        "?lang=xx&lang=fr&lang=en",
        "?state=expired&state=&state=%3Cscript%3E",
        "?q=%27%20OR%201=1%20--&tag=%22%3E%3Csvg%20onload=x%3E",
        "?to=//evil.example&to=%0D%0ASet-Cookie:x=y",
        "?from=0000-00-00&until=9999-99-99&from=-262144-01-01",
        "?sort=&order=&client=&recipient=&before=-1&after=18446744073709551616",
        "?=&=&&&;;;==",
        "?q=\u{1f9ff}é",
    ]
    .map(str::to_owned)
    .to_vec();
    queries.push(format!("?q={}", "x".repeat(8_000)));
    queries.push(format!("?{}", "a=b&".repeat(2_000)));
    queries.push(format!("?q={}", "%F0%9F%92%A9".repeat(600)));
    queries.push(format!("?page={}", "9".repeat(4_000)));
    queries
}

fn is_proper(status: u16) -> bool {
    matches!(
        status,
        200 | 303
            | 400
            | 401
            | 403
            | 404
            | 405
            | 410
            | 413
            | 414
            | 415
            | 421
            | 422
            | 429
            | 431
            | 503
    )
}

/// A daemon of its own, and its log to the end.
fn started(at: std::net::SocketAddr, more: &str) -> (Program, Running) {
    let program = Program::new(&super::program::config(at, more));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    (program, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_methods_and_paths_get_a_proper_status_inside_and_outside() {
    let server = serving(&users()).await;
    let outside = Client::of(&server);
    let inside = outside.inside("c.martin").await;
    for path in PATHS {
        let is_public = PUBLIC.iter().any(|p| path.starts_with(p)) || path.starts_with("/webhooks");
        for method in METHODS {
            let reply = outside.ask(method, path, "").await;
            assert!(is_proper(reply.status), "{method} {path}: {reply:?}");
            is_hardened(&format!("{method} {path}"), &reply);
            let is_shown = reply.status == 200 || reply.body.contains("<h1");
            assert!(!is_shown || is_public, "{method} {path} is open: {reply:?}");
            let reply = inside.ask(method, path, "").await;
            assert!(is_proper(reply.status), "{method} {path}: {reply:?}");
            is_hardened(&format!("{method} {path} inside"), &reply);
            if method == "HEAD" {
                assert_eq!(reply.body, "", "{path}");
            }
        }
    }
    assert_eq!(inside.get("/").await.status, 200, "still inside");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_queries_and_bodies_get_a_proper_status() {
    let server = serving(&users()).await;
    let inside = Client::of(&server).inside("c.martin").await;
    let csrf = inside.csrf().await;
    let looked_at = PATHS.iter().filter(|p| !p.starts_with("/webhooks"));
    for path in looked_at {
        for query in queries() {
            let reply = inside.get(&format!("{path}{query}")).await;
            assert!(is_proper(reply.status), "{path}{query}: {reply:?}");
            assert!(!reply.body.contains("<svg onload"), "{path}{query}");
            let planted = reply.headers.iter().any(|(_, v)| v.contains("x=y"));
            assert!(!planted, "{path}{query}: {reply:?}");
        }
        if *path == "/logout" {
            continue;
        }
        for body in [
            "%".to_owned(),
            "csrf=%FF&csrf=%00".to_owned(),
            format!("csrf={csrf}&issued=%00&expires=9999999-99-99&until=x&number=%FF&at=-1"),
            format!("csrf={csrf}&{}", "a=b&".repeat(5_000)),
            format!("csrf={csrf}&expires={}", "9".repeat(60_000)),
            "{\"json\":true}".to_owned(),
            "\u{0}\u{1}é".to_owned(),
        ] {
            let reply = inside.ask("POST", path, &body).await;
            assert!(is_proper(reply.status), "{path}: {reply:?}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_are_refused_or_dropped() {
    let server = serving(&users()).await;
    let host = server.at.to_string();
    for bytes in [
        b"\x00\x01\x02\x03\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        format!("GET /\x00 HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: \x00\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost : {host}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\nHost: {host}\n\n").into_bytes(),
        [b"GET /\xff\xfe HTTP/1.1\r\nHost: ".as_slice(), host.as_bytes(), b"\r\n\r\n"].concat(),
        [
            b"GET / HTTP/1.1\r\nCookie: jetond=\xff\xfe\r\nAuthorization: Basic \xff\r\nHost: ".as_slice(),
            host.as_bytes(),
            b"\r\n\r\n",
        ]
        .concat(),
        // TLS, SSH and HTTP/2 at the wrong port.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n").into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18446744073709551616\r\n\r\n").into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n").into_bytes(),
    ] {
        if let Some(reply) = talk(server.at, &bytes).await {
            assert!(is_proper(reply.status), "{bytes:?}: {reply:?}");
            assert!(!reply.body.contains("<h1"), "{bytes:?}: {reply:?}");
        }
    }
    assert_eq!(Client::of(&server).get("/login").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_of_header_are_not_read_to_their_end() {
    let server = serving(&users()).await;
    let host = server.at.to_string();
    let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n");
    let line = format!("X-Bomb: {}\r\n", "x".repeat(1_000));
    for bomb in [
        format!("{head}X-Bomb: {}\r\n\r\n", "x".repeat(10 << 20)),
        format!("{head}{}\r\n", line.repeat(10_000)),
        format!("{head}Cookie: {}\r\n\r\n", "jetond=x; ".repeat(1 << 20)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(10 << 20)),
    ] {
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        // It stops reading long before, and says so; a client that goes on is cut off.
        let sent = stream.write_all(bomb.as_bytes()).await;
        let mut answer = Vec::new();
        let _reset = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
        let said = String::from_utf8_lossy(&answer);
        let refused = said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 414");
        assert!(refused || (sent.is_err() && answer.is_empty()), "{said}");
    }
    assert_eq!(Client::of(&server).get("/login").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_its_login_is_let_go() {
    let limits = Limits {
        header: Duration::from_millis(200),
        request: Duration::from_millis(200),
        answer: Duration::from_millis(200),
        ..Limits::default()
    };
    let site = site_at(&users(), jetond::clock::now).await;
    let server = Server::on(site, limits, Router::new()).await;
    let host = server.at.to_string();
    let begun =
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 60000\r\n\r\nname=");
    let (read, mut write) = TcpStream::connect(server.at).await.unwrap().into_split();
    write.write_all(begun.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut read = read;
    let mut said = Vec::new();
    let _reset = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut said).await;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 408"),
        "{said}"
    );
    dripping.await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_aborted_requests_leave_the_daemon_and_its_record_as_they_were() {
    let at = own_address();
    let (program, running) = started(at, &users());
    let browser = Client::to(at);
    let inside = browser.inside("c.martin").await;
    let cookie = &inside.headers.last().unwrap().1;
    let csrf = inside.csrf().await;
    let form = format!("csrf={csrf}&say=yes");
    let login = format!("name=nobody&password={}", PASSWORD.replace(' ', "+"));
    let pages = [
        ("GET", "/", ""),
        ("POST", "/tokens/t/filed", &form),
        ("GET", "/tokens.csv", ""),
    ];
    let mut sent = 0;
    for n in 0..1_000_usize {
        // One in a hundred aborts a login: those are bounded in a minute.
        let (method, path, body) = match n % 100 {
            99 => ("POST", "/login", login.as_str()),
            _ => pages[n % pages.len()],
        };
        let length = body.len();
        let whole = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let cut = match n % 4 {
            0 => whole.len() / 2,
            1 => whole.len() - 1,
            _ => whole.len(),
        };
        let mut stream = TcpStream::connect(at).await.unwrap();
        if stream.write_all(&whole.as_bytes()[..cut]).await.is_ok() {
            sent += 1;
        }
        if n % 2 == 0 {
            // Not a farewell but a reset.
            stream.set_zero_linger().unwrap();
        }
    }
    assert_eq!(sent, 1_000);
    assert_eq!(inside.get("/").await.status, 200);
    // What is written now is durable, and no transaction is left open behind it.
    for args in [&["filed", "t"][..], &["check"], &["history", "t"]] {
        let ran = program.command(args).output().unwrap();
        let told = crate::support::program::said(&ran);
        assert_eq!(ran.status.code(), Some(0), "{args:?}: {told}");
    }
    running.signal("TERM");
    let (code, log) = running.ended_with_its_words();
    assert_eq!(code, Some(0));
    assert!(!log.iter().any(|l| l.contains("panic")), "{log:#?}");
    let history = program.json(&["history", "t"]);
    assert!(history.iter().any(|e| e["what"] == "filed"), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_the_daemon_never_shows_as_a_panic_in_its_log() {
    let at = own_address();
    let (_program, running) = started(at, &users());
    let inside = Client::to(at).inside("c.martin").await;
    let rubbish = queries();
    for (n, path) in PATHS.iter().enumerate() {
        let query = &rubbish[n % rubbish.len()];
        for method in ["GET", "POST", "FOO"] {
            let reply = inside
                .ask(method, &format!("{path}{query}"), "csrf=%FF")
                .await;
            assert!(is_proper(reply.status), "{method} {path}{query}: {reply:?}");
        }
    }
    let mut slow = TcpStream::connect(at).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    running.signal("TERM");
    assert_eq!(heard(slow).await, None);
    let (code, log) = running.ended_with_its_words();
    assert_eq!(code, Some(0));
    assert!(!log.iter().any(|l| l.contains("panic")), "{log:#?}");
}
