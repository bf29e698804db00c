//! What is no answer of the API, over a real connection: each ends in words, in time and within
//! bounds, and is a death of no token.

use std::time::{Duration, Instant};

use jetond::domain::verdict::Case;
use jetond::probe::Told;

use super::{Asking, SHORT, declared, head, jwt, section};
use crate::support::api_server::{ApiServer, Does, redirect_by};
use crate::support::private_file;
use crate::support::program::{Program, said};

const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// A death, as the API says it.
const DEAD: &str = r#"{"errors":[{"code":"00105","title":"Interdit","detail":"Jeton bloqué"}]}"#;

const OK: &str = "HTTP/1.1 200 so\r\n";
const UNAUTHORISED: &str = "HTTP/1.1 401 so\r\n";

fn writes(parts: &[&str]) -> Does {
    Does::Writes(parts.concat().into_bytes())
}

fn pours(first: &str, then: &str, pause: Duration) -> Does {
    Does::Pours(first.into(), then.into(), pause)
}

/// `Content-Encoding: gzip` around a death, stored as it is; nobody has asked for it.
fn gzipped() -> Does {
    let length = u16::try_from(DEAD.len()).unwrap();
    let mut body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01".to_vec();
    body.extend(length.to_le_bytes());
    body.extend((!length).to_le_bytes());
    body.extend(DEAD.as_bytes());
    body.extend([0; 8]);
    let head = format!(
        "{UNAUTHORISED}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Does::Writes([head.into_bytes(), body].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_ends_in_words_and_is_no_death() {
    let (none, odd) = (Case::NoAnswer, Case::NotUnderstood);
    let (at_once, often) = (Duration::ZERO, Duration::from_millis(20));
    let cut = &DEAD[..DEAD.len() - 1];
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    for (name, does, case) in [
        (
            "a body drop by drop",
            pours(&format!("{OK}Content-Length: 9000\r\n\r\n{{"), " ", often),
            odd,
        ),
        (
            "a death drop by drop",
            pours(&format!("{UNAUTHORISED}\r\n{cut}"), " ", often),
            odd,
        ),
        (
            "a body without end",
            pours(&format!("{OK}\r\n"), &"x".repeat(60_000), at_once),
            odd,
        ),
        (
            "a death, then no end",
            pours(
                &format!("{UNAUTHORISED}\r\n{DEAD}"),
                &"x".repeat(60_000),
                at_once,
            ),
            odd,
        ),
        (
            "a head without end",
            pours(OK, "X-Much: 0123456789abcdef\r\n", at_once),
            none,
        ),
        (
            "a header of a megabyte",
            writes(&[OK, "X-Much: ", &"x".repeat(1 << 20), "\r\n\r\n{}"]),
            none,
        ),
        (
            "many headers",
            writes(&[OK, &"A: b\r\n".repeat(500), "\r\n{}"]),
            none,
        ),
        (
            "go on, and on",
            pours("", "HTTP/1.1 100 Continue\r\n\r\n", at_once),
            none,
        ),
        (
            "a status of four digits",
            writes(&["HTTP/1.1 4010 so\r\n\r\n", DEAD]),
            none,
        ),
        (
            "another version",
            writes(&["HTTP/9.9 401 so\r\n\r\n", DEAD]),
            none,
        ),
        ("no head", writes(&[DEAD]), none),
        (
            "two lengths",
            writes(&[
                UNAUTHORISED,
                "Content-Length: 3\r\nContent-Length: 99\r\n\r\n",
                DEAD,
            ]),
            none,
        ),
        (
            "a negative length",
            writes(&[UNAUTHORISED, "Content-Length: -1\r\n\r\n", DEAD]),
            none,
        ),
        (
            "broken off",
            writes(&[UNAUTHORISED, "Content-Length: 900\r\n\r\n", cut]),
            odd,
        ),
        (
            "chunks of rubbish",
            writes(&[
                UNAUTHORISED,
                "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                DEAD,
            ]),
            odd,
        ),
        (
            "a chunk that lies",
            writes(&[
                UNAUTHORISED,
                "Transfer-Encoding: chunked\r\n\r\n10\r\n",
                DEAD,
                "\r\n0\r\n\r\n",
            ]),
            odd,
        ),
        (
            "a chunk beyond counting",
            writes(&[
                OK,
                "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
            ]),
            odd,
        ),
        ("gzip", gzipped(), odd),
        (
            "no body",
            writes(&[UNAUTHORISED, "Content-Length: 0\r\n\r\n"]),
            odd,
        ),
        (
            "a NUL in a header",
            writes(&[OK, "X: a\0b\r\n\r\n{}"]),
            none,
        ),
    ] {
        asking.server.will([does]);
        let began = Instant::now();
        let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
        let Told::Heard(heard) = told else {
            panic!("{name}: {told:?}");
        };
        assert!(began.elapsed() < SHORT * 4, "{name}: {:?}", began.elapsed());
        let reading = &heard.reading;
        assert_eq!(reading.case, case, "{name}: {reading:?}");
        assert!(
            reading.case != none || !reading.said.is_empty(),
            "{name}: {reading:?}"
        );
        assert!(reading.said.chars().count() <= 512, "{name}");
        let known = heard.known.unwrap();
        assert_eq!((known.belief, known.suspicion), (None, None), "{name}");
        assert!(heard.service.incident.is_some(), "{name}");
        asking.town.now += chrono::Duration::days(1);
    }
    // After a week it is told that it is asked about in vain, and nothing else.
    let notes = asking.town.notes().await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].0, "note_probe_hindered");
    // An old server may say it in the old way.
    let said = [
        &OK.replace("1.1", "1.0"),
        "\r\n",
        r#"{"privileges":["entreprises"]}"#,
    ]
    .concat();
    asking.server.will([Does::Writes(said.into_bytes())]);
    let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Heard(heard) if heard.reading.case == Case::Complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_follows_no_redirection() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    let elsewhere = ApiServer::start();
    let port = elsewhere.port();
    // To another server, and to another page of this one.
    for to in [
        format!("https://localhost:{port}/privileges"),
        "/elsewhere".to_owned(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            asking.server.will([redirect_by(status, &to)]);
            let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
            assert!(
                matches!(told, Told::Heard(ref heard) if heard.reading.case == Case::NotUnderstood),
                "{status} {to}: {told:?}"
            );
            asking.town.now += chrono::Duration::days(1);
        }
    }
    assert!(elsewhere.told().is_empty());
    assert_eq!(asking.server.asked("/privileges"), 10);
    assert_eq!(asking.server.asked("/elsewhere"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_no_tls_hears_no_token() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    for greeting in [
        "HTTP/1.1 302 Found\r\nLocation: http://portail.example/\r\n\r\n",
        "",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        asking.probe.base_url = format!("https://localhost:{port}").parse().unwrap();
        let heard = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting.as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            // However it ends, what came before counts.
            let _ended = stream.read_to_end(&mut bytes).await;
            bytes
        });
        let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
        let Told::Heard(told) = told else {
            panic!("{told:?}");
        };
        assert_eq!(told.reading.case, Case::NoAnswer);
        assert_eq!(told.service.incident.unwrap().side.word(), "our_side");
        let heard = heard.await.unwrap();
        assert!(memchr::memmem::find(&heard, b"Bearer").is_none());
        asking.town.now += chrono::Duration::days(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_by_http() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    asking.probe.base_url = format!("http://localhost:{port}").parse().unwrap();
    let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Hindered(_)), "{told:?}");
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// The program is given little memory; a body or a head without end would take it all.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_takes_more_memory_than_its_bounds() {
    let server = ApiServer::start();
    let token = declared("m", "2099-12-01") + "secret = { file = \"m.jwt\" }\n";
    let mut program = Program::new(&(head() + &section(&server) + &token));
    private_file(&program.place().join("m.jwt"), &jwt("m"));
    let made = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let runner = ["sh", "-c", "ulimit -v 1000000; exec \"$@\"", "sh"];
    program.run_through(&runner.map(std::ffi::OsStr::new));
    for head in [
        format!("{OK}\r\n"),
        OK.to_owned(),
        "HTTP/1.1 404 so\r\n\r\n".to_owned(),
    ] {
        let line = "X-Much: 0123456789abcdef\r\n".repeat(10_000);
        server.will([pours(&head, &line, Duration::ZERO)]);
        let asked = program.command(&["probe", "m", "--json"]).output().unwrap();
        let words = said(&asked);
        assert!(
            words.contains("not_understood") || words.contains("no_answer"),
            "{words}"
        );
        assert_eq!(asked.status.code(), Some(6), "{words}");
        super::daemon::record(&program, "DELETE FROM service").await;
    }
}
