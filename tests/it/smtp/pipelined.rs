//! What PIPELINING (RFC 2920) adds to a session: who is answered what, and what costs a round
//! trip.

use std::time::Duration;

use jetond::delivery::outcome::Outcome;

use super::flight::{fly, told_truly};
use super::{Mail, TEXT, encrypted, open, settings, word};
use crate::support::smtp_server::{Act, Cert, Phase, Script, SmtpServer};

/// The commands that were heard, without what they are about and without the messages.
fn commands(server: &SmtpServer) -> Vec<String> {
    let heard = server.heard().into_iter();
    let verbs = heard.map(|h| h.line.split(' ').next().unwrap().to_owned());
    verbs
        .filter(|v| ["EHLO", "MAIL", "RCPT", "DATA", "RSET"].contains(&v.as_str()))
        .collect()
}

#[tokio::test]
async fn a_flight_leaves_in_one_go_a_mail_in_order_and_byte_for_byte() {
    for script in [Script::new(), Script::new().pipelining()] {
        let server = SmtpServer::start(script);
        let words = fly(&settings(server.port())).await;
        assert_eq!(words, ["accepted"; 3]);
        told_truly(&server, &words, "nothing goes wrong");
        assert_eq!(server.connections(), 1);
        let said = commands(&server);
        assert_eq!(said[0], "EHLO");
        assert_eq!(said[1..], ["MAIL", "RCPT", "DATA"].repeat(3), "{said:?}");
    }
}

#[tokio::test]
async fn replies_may_come_in_any_pieces() {
    for size in [1, 2, 3, 7, 64] {
        let script = Script::new()
            .pipelining()
            .to(
                "b@ville.example",
                Act::Reply("550-5.1.1 no\r\n550 5.1.1 one"),
            )
            .in_pieces_of(size);
        let server = SmtpServer::start(script);
        let words = fly(&settings(server.port())).await;
        assert_eq!(words, ["accepted", "recipient", "accepted"], "{size}");
        told_truly(&server, &words, "in pieces");
    }
}

#[tokio::test]
async fn a_refused_recipient_costs_a_reset_only_while_a_transaction_is_open() {
    // DATA is refused as it should be: RSET ends the transaction.
    let server = SmtpServer::start(
        Script::new()
            .pipelining()
            .to("b@ville.example", Act::Reply("550 5.1.1 gone")),
    );
    let words = fly(&settings(server.port())).await;
    assert_eq!(words, ["accepted", "recipient", "accepted"]);
    assert_eq!(server.connections(), 1);
    assert_eq!(commands(&server).iter().filter(|l| *l == "RSET").count(), 1);

    // MAIL is refused: there is none.
    let server = SmtpServer::start(Script::new().pipelining().after(
        1,
        Phase::Mail,
        Act::Reply("451 4.3.0 busy"),
    ));
    let words = fly(&settings(server.port())).await;
    assert_eq!(words, ["accepted", "Mail", "accepted"]);
    assert_eq!(server.connections(), 1);
    assert!(!commands(&server).contains(&"RSET".to_owned()));
}

#[tokio::test]
async fn a_server_that_waits_for_a_message_to_nobody_gets_an_empty_one() {
    for (position, to) in super::flight::FLIGHT.into_iter().enumerate() {
        let script = Script::new().pipelining().careless();
        let server = SmtpServer::start(script.to(to, Act::Reply("450 4.7.1 greylisted")));
        let words = fly(&settings(server.port())).await;
        for (at, word) in words.iter().enumerate() {
            let expected = if at == position {
                "deferred"
            } else {
                "accepted"
            };
            assert_eq!(word, expected, "{words:?}");
        }
        told_truly(&server, &words, "a careless server");
        assert_eq!(server.connections(), 1, "the session goes on");
        let heard = server.heard();
        let alone = heard
            .windows(2)
            .filter(|two| two[0].line == "DATA" && two[1].line == ".");
        assert_eq!(alone.count(), 1);
    }
}

#[tokio::test]
async fn a_server_that_would_take_an_empty_message_for_someone_is_left() {
    let script = Script::new().pipelining().careless();
    let script = script.first(1, Phase::Mail, Act::Reply("451 4.3.0 busy"));
    let server = SmtpServer::start(script);
    let words = fly(&settings(server.port())).await;
    assert_eq!(words, ["Mail", "accepted", "accepted"]);
    told_truly(&server, &words, "a server without a sender");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_has_had_enough_of_a_connection_says_nothing_against_the_next_mail() {
    for script in [Script::new(), Script::new().pipelining()] {
        let enough = Act::Reply("421 4.7.0 too many messages in this connection");
        let server = SmtpServer::start(script.after(1, Phase::Mail, enough));
        let settings = settings(server.port());
        let mut session = open(&settings).await.unwrap();
        let (first, second) = (Mail::to("a@ville.example"), Mail::to("b@ville.example"));
        let (first, second) = (first.out_as(1, TEXT), second.out_as(2, TEXT));
        session.offer(&first).await.unwrap();
        let completed = session.complete(&first, Some(&second)).await;
        assert_eq!(word(&completed.outcome), "accepted");
        assert!(completed.next.is_none(), "{:?}", completed.next);
        assert!(!session.is_usable());
    }
}

#[tokio::test]
async fn a_next_mail_that_cannot_be_carried_is_told_and_nothing_is_said_for_it() {
    for script in [Script::new(), Script::new().pipelining()] {
        let server = SmtpServer::start(script);
        let mut session = open(&settings(server.port())).await.unwrap();
        let (first, second) = (Mail::to("a@ville.example"), Mail::to("andré@ville.example"));
        let (first, second) = (first.out_as(1, TEXT), second.out_as(2, TEXT));
        session.offer(&first).await.unwrap();
        let completed = session.complete(&first, Some(&second)).await;
        assert_eq!(word(&completed.outcome), "accepted");
        let refused = completed.next.unwrap().unwrap_err();
        assert_eq!(word(&refused), "recipient");
        assert!(session.is_usable());
        assert_eq!(commands(&server).iter().filter(|l| *l == "MAIL").count(), 1);
    }
}

#[tokio::test]
async fn a_reply_that_fits_no_command_puts_the_dot_before_it_in_doubt() {
    // The server forgets its answer to the first dot: that to MAIL stands in its place.
    let script = Script::new()
        .pipelining()
        .first(1, Phase::Dot, Act::Raw(b""));
    let server = SmtpServer::start(script);
    let words = fly(&settings(server.port())).await;
    assert_eq!(words, ["in doubt", "Protocol", "accepted"]);
    told_truly(&server, &words, "an answer is missing");
}

#[tokio::test]
async fn each_reply_has_the_time_of_its_phase() {
    // Each answer comes after two thirds of its time: together they are over, each is within.
    let late = Act::TakeLate(Duration::from_millis(600));
    let mut script = Script::new().pipelining();
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot] {
        script = script.at(phase, late.clone());
    }
    let server = SmtpServer::start(script);
    let mut settings = settings(server.port());
    let limit = Duration::from_millis(900);
    settings.deadlines.command = limit;
    settings.deadlines.data = limit;
    settings.deadlines.dot = limit;
    let words = fly(&settings).await;
    assert_eq!(words, ["accepted"; 3]);
}

#[tokio::test]
async fn a_write_that_breaks_behind_the_dot_is_in_doubt_and_before_it_is_not() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    // The pipe takes so many bytes and no more until they are read; then it breaks.
    async fn breaking_after(room: usize, mail: &Mail, next: &Mail) -> (Outcome, bool) {
        let (ours, mut theirs) = tokio::io::duplex(room);
        let server = async {
            let until = |end: &'static [u8]| {
                async move |pipe: &mut DuplexStream| {
                    let mut seen = Vec::new();
                    while !seen.ends_with(end) {
                        seen.push(pipe.read_u8().await.unwrap());
                    }
                }
            };
            theirs.write_all(b"220 x\r\n").await.unwrap();
            until(b"\r\n")(&mut theirs).await;
            theirs
                .write_all(b"250-x\r\n250 PIPELINING\r\n")
                .await
                .unwrap();
            until(b"DATA\r\n")(&mut theirs).await;
            theirs
                .write_all(b"250 x\r\n250 x\r\n354 x\r\n")
                .await
                .unwrap();
            // One byte shows that the message has begun: the pipe is full by then.
            theirs.read_u8().await.unwrap();
            drop(theirs);
        };
        let relay = jetond::delivery::smtp::Relay::prepare(&settings(25)).unwrap();
        let client = async {
            let mut session = jetond::delivery::smtp::Session::over(&relay, ours)
                .await
                .unwrap();
            let (mail, next) = (mail.out_as(1, TEXT), next.out_as(2, TEXT));
            session.offer(&mail).await.unwrap();
            let completed = session.complete(&mail, Some(&next)).await;
            assert!(!session.is_usable());
            (completed.outcome, completed.next.is_some())
        };
        let (done, ()) = tokio::join!(client, server);
        done
    }

    let (mail, next) = (Mail::to("a@ville.example"), Mail::to("b@ville.example"));
    let stuffed = TEXT
        .split(|b| *b == b'\n')
        .filter(|l| l.starts_with(b"."))
        .count();
    let dot = TEXT.len() + stuffed + ".\r\n".len();
    for (room, expected) in [
        (dot - 1, "Dropped"),
        (dot, "in doubt"),
        (dot + 1, "in doubt"),
    ] {
        let (outcome, next) = breaking_after(room, &mail, &next).await;
        assert_eq!(word(&outcome), expected, "{room}: {outcome}");
        assert!(!next, "nothing is known against the next one");
    }
}

#[tokio::test]
async fn nothing_said_before_tls_offers_pipelining_after_it() {
    // Injected behind the answer to STARTTLS: the session is refused.
    let injected = Act::Raw(b"220 go\r\n250-scripted\r\n250 PIPELINING\r\n");
    let script = Script::new().tls(Cert::Valid).at(Phase::Starttls, injected);
    let server = SmtpServer::start(script);
    assert!(open(&encrypted(&server)).await.is_err());

    // Offered in plaintext only: it is forgotten, and each answer is waited for.
    let before = Act::Reply("250-scripted\r\n250-PIPELINING\r\n250 STARTTLS");
    let script = Script::new().tls(Cert::Valid).first(1, Phase::Ehlo, before);
    let server = SmtpServer::start(script);
    let session = open(&encrypted(&server)).await.unwrap();
    assert!(!session.extensions().pipelining);
    session.quit().await;
    assert_eq!(fly(&encrypted(&server)).await, ["accepted"; 3]);
}

#[tokio::test]
async fn a_cancelled_flight_leaves_no_session_behind() {
    let late = Act::TakeLate(Duration::from_secs(60));
    let server = SmtpServer::start(Script::new().pipelining().first(1, Phase::Dot, late));
    let mut session = open(&settings(server.port())).await.unwrap();
    let (first, second) = (Mail::to("a@ville.example"), Mail::to("b@ville.example"));
    let (first, second) = (first.out_as(1, TEXT), second.out_as(2, TEXT));
    session.offer(&first).await.unwrap();
    let step = session.complete(&first, Some(&second));
    let cut = tokio::time::timeout(Duration::from_millis(100), step).await;
    assert!(cut.is_err());
    assert!(!session.is_usable());
    assert_eq!(word(&session.offer(&second).await.unwrap_err()), "Protocol");
    let completed = session.complete(&second, None).await;
    assert_eq!(word(&completed.outcome), "Protocol");
}
