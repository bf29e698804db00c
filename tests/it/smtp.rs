//! The SMTP session against a server that refuses, hangs, drips, lies and breaks.

mod flight;
mod matrix;
mod pipelined;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use jetond::config::{Auth, Deadlines, SecretSource, Smtp, Tls};
use jetond::delivery::outcome::{Outcome, Outgoing, RelayFault, RelayFaultKind};
use jetond::delivery::smtp::{Relay, Session};
use jetond::domain::address::Address;
use secrecy::SecretString;

use crate::support::smtp_server::{Act, Cert, Phase, Script, SmtpServer};

pub(crate) const TEXT: &[u8] = b"Subject: due\r\n\r\n.hidden\r\n..\r\nbody text\r\n.\r\nend\r\n";
const PASSWORD: &str = "correct horse";

/// Owns the addresses of a mail.
pub(crate) struct Mail {
    from: Address,
    to: Address,
    id: String,
}

impl Mail {
    pub(crate) fn to(recipient: &str) -> Self {
        Self {
            from: Address::parse("jetons@ville.example").unwrap(),
            to: Address::parse(recipient).unwrap(),
            id: "<m1.a-b@ville.example>".to_owned(),
        }
    }

    pub(crate) fn out<'a>(&'a self, bytes: &'a [u8]) -> Outgoing<'a> {
        self.out_as(7, bytes)
    }

    pub(crate) fn out_as<'a>(&'a self, id: i64, bytes: &'a [u8]) -> Outgoing<'a> {
        Outgoing {
            id,
            envelope_from: &self.from,
            envelope_to: &self.to,
            message_id: &self.id,
            bytes,
        }
    }
}

pub(crate) fn settings(port: u16) -> Smtp {
    Smtp {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        ca_file: None,
        plaintext_ok: Vec::new(),
        auth: None,
        helo: Some("client.example".to_owned()),
        connections: 1,
        flight: 1,
        deadlines: Deadlines::default(),
    }
}

fn account() -> Option<Auth> {
    Some(Auth {
        username: "jetond".to_owned(),
        password: SecretSource::Env("UNUSED".to_owned()),
    })
}

fn encrypted(server: &SmtpServer) -> Smtp {
    let mut settings = settings(server.port());
    settings.host = "localhost".to_owned();
    settings.tls = Tls::Starttls;
    settings.ca_file = Some(server.ca_file().to_owned());
    settings.auth = account();
    settings
}

async fn open(settings: &Smtp) -> Result<Session, RelayFault> {
    let password = SecretString::from(PASSWORD);
    Session::open(&Relay::prepare(settings)?, Some(&password)).await
}

/// One whole attempt on a connection of its own, and whether the session may go on.
async fn attempt(settings: &Smtp) -> (Outcome, bool) {
    let mail = Mail::to("camille@ville.example");
    let mail = mail.out(TEXT);
    let mut session = match open(settings).await {
        Ok(session) => session,
        Err(fault) => return (Outcome::Relay(fault), false),
    };
    let outcome = match session.offer(&mail).await {
        Ok(()) => session.complete(&mail, None).await.outcome,
        Err(outcome) => outcome,
    };
    let usable = session.is_usable();
    session.quit().await;
    (outcome, usable)
}

/// The outcome in a word.
pub(crate) fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(_) => "accepted".to_owned(),
        Outcome::Deferred(_) => "deferred".to_owned(),
        Outcome::RefusedRecipient(_) => "recipient".to_owned(),
        Outcome::Parked(_) => "parked".to_owned(),
        Outcome::InDoubt(_) => "in doubt".to_owned(),
        Outcome::Relay(fault) => format!("{:?}", fault.kind),
    }
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte() {
    let server = SmtpServer::start(Script::new());
    let (outcome, usable) = attempt(&settings(server.port())).await;
    assert_eq!(outcome.to_string(), "250 2.0.0 taken");
    assert!(usable);
    let accepted = &server.accepted()[0];
    assert_eq!(accepted.bytes, TEXT);
    assert_eq!(
        accepted.from,
        format!(
            "<jetons@ville.example> SIZE={} RET=HDRS ENVID=m1.a-b@ville.example",
            TEXT.len()
        )
    );
    assert_eq!(
        accepted.to,
        ["<camille@ville.example> NOTIFY=FAILURE,DELAY"]
    );
    assert_eq!(server.heard()[0].line, "EHLO client.example");
}

#[tokio::test]
async fn a_session_goes_on_after_a_refusal() {
    let script = Script::new()
        .to("gone@ville.example", Act::Reply("550 5.1.1 no such user"))
        .to(
            "grey@ville.example",
            Act::Reply("450 4.7.1 come back later"),
        )
        .first(1, Phase::Dot, Act::Reply("554 5.6.0 not this one"))
        .first(1, Phase::Mail, Act::Reply("451 4.3.0 busy"));
    let server = SmtpServer::start(script);
    let mut session = open(&settings(server.port())).await.unwrap();
    let mut said = Vec::new();
    for to in ["first", "gone", "grey", "parked", "camille"] {
        let mail = Mail::to(&format!("{to}@ville.example"));
        let mail = mail.out(TEXT);
        let outcome = match session.offer(&mail).await {
            Ok(()) => session.complete(&mail, None).await.outcome,
            Err(outcome) => outcome,
        };
        assert!(session.is_usable(), "{to}");
        said.push(word(&outcome));
    }
    assert_eq!(
        said,
        ["Mail", "recipient", "deferred", "parked", "accepted"]
    );
    assert_eq!(server.connections(), 1);
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn every_refusal_in_every_phase_has_its_outcome() {
    use Phase::{Data, Dot, Ehlo, Greeting, Mail, Rcpt};
    for (phase, reply, expected, usable) in [
        (Greeting, "421 4.3.2 closing", "Closing421", false),
        (Greeting, "450 busy", "Greeting", false),
        (Greeting, "554 5.7.1 go away", "Greeting", false),
        (Greeting, "250 hello", "Protocol", false),
        (Ehlo, "421 closing", "Closing421", false),
        (Ehlo, "451 busy", "Hello", false),
        (Ehlo, "354 what", "Protocol", false),
        (Mail, "421 closing", "Closing421", false),
        (Mail, "452 4.3.1 full", "Mail", true),
        (Mail, "550 5.7.1 not you", "Mail", true),
        (Mail, "354 what", "Protocol", false),
        (Rcpt, "421 closing", "Closing421", false),
        (Rcpt, "450 4.7.1 greylisted", "deferred", true),
        (Rcpt, "452 4.2.2 over quota", "deferred", true),
        (Rcpt, "450 5.1.1 first digit wins", "deferred", true),
        (Rcpt, "552 5.2.2 over quota", "deferred", true),
        (Rcpt, "550 5.1.1 no such user", "recipient", true),
        (Rcpt, "551 not here", "recipient", true),
        (Rcpt, "553 5.1.3 syntax", "recipient", true),
        (Rcpt, "554 5.2.1 disabled", "recipient", true),
        (Rcpt, "554 5.7.1 policy", "recipient", true),
        (Rcpt, "550 4.7.1 first digit wins", "recipient", true),
        (Rcpt, "354 what", "Protocol", false),
        (Data, "421 closing", "Closing421", false),
        (Data, "451 4.3.0 busy", "deferred", true),
        (Data, "554 5.7.1 no", "parked", true),
        (Data, "250 what", "Protocol", false),
        (Dot, "421 4.3.2 closing", "deferred", false),
        (Dot, "451 4.7.1 busy", "deferred", true),
        (Dot, "552 5.3.4 too big", "parked", true),
        (Dot, "554 5.6.0 spam", "parked", true),
        (Dot, "354 what", "in doubt", false),
        (Dot, "252 what", "in doubt", false),
    ] {
        for script in [Script::new(), Script::new().pipelining()] {
            let server = SmtpServer::start(script.at(phase, Act::Reply(reply)));
            let (outcome, reusable) = attempt(&settings(server.port())).await;
            assert_eq!(word(&outcome), expected, "{phase:?} {reply}: {outcome}");
            assert_eq!(reusable, usable, "{phase:?} {reply}");
            let taken = server.accepted().len();
            assert_eq!(taken, 0, "{phase:?} {reply}: nothing was taken");
        }
    }
}

#[tokio::test]
async fn auth_and_starttls_refusals_are_the_relays() {
    for (phase, reply, expected) in [
        (Phase::Auth, "421 closing", "Closing421"),
        (Phase::Auth, "454 4.7.0 later", "Auth"),
        (Phase::Auth, "535 5.7.8 wrong", "Auth"),
        (Phase::Auth, "250 what", "Protocol"),
        (Phase::Starttls, "421 closing", "Closing421"),
        (Phase::Starttls, "454 4.7.0 later", "Tls"),
        (Phase::Starttls, "501 what", "Tls"),
        (Phase::Starttls, "250 what", "Protocol"),
    ] {
        let server = SmtpServer::start(Script::new().tls(Cert::Valid).at(phase, Act::Reply(reply)));
        let (outcome, _) = attempt(&encrypted(&server)).await;
        assert_eq!(word(&outcome), expected, "{phase:?} {reply}: {outcome}");
    }
}

const PHASES: [Phase; 9] = [
    Phase::Connect,
    Phase::Greeting,
    Phase::Ehlo,
    Phase::Starttls,
    Phase::Auth,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Dot,
];

/// Acts the same way in each phase of an encrypted session and tells what came of it.
async fn in_each_phase(act: Act, deadlines: Deadlines) -> Vec<(Phase, String)> {
    let mut tries = tokio::task::JoinSet::new();
    for phase in PHASES {
        let script = Script::new().tls(Cert::Valid).at(phase, act.clone());
        tries.spawn(async move {
            let server = SmtpServer::start(script);
            let mut settings = encrypted(&server);
            settings.deadlines = deadlines;
            let (outcome, usable) = attempt(&settings).await;
            assert!(!usable, "{phase:?}: {outcome}");
            let before_tls = [Phase::Connect, Phase::Greeting, Phase::Ehlo];
            if before_tls.contains(&phase) {
                let secret = |h: &crate::support::smtp_server::Heard| h.line.contains("MAIL");
                assert!(!server.heard().iter().any(secret), "{phase:?}");
            }
            (phase, word(&outcome))
        });
    }
    let mut told = tries.join_all().await;
    told.sort_by_key(|(phase, _)| PHASES.iter().position(|p| p == phase));
    told
}

fn at_the_dot_in_doubt(told: &[(Phase, String)], elsewhere: &str) {
    for (phase, outcome) in told {
        let expected = match phase {
            Phase::Dot => "in doubt",
            // Most likely the relay waits for that domain's server.
            Phase::Rcpt if elsewhere == "Timeout" => "Unanswered",
            _ => elsewhere,
        };
        assert_eq!(outcome, expected, "{phase:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_in_any_phase_ends_at_the_deadline() {
    at_the_dot_in_doubt(&in_each_phase(Act::Hang, short()).await, "Timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drips_in_any_phase_ends_at_the_deadline() {
    let mut told = in_each_phase(Act::Drip, short()).await;
    // A dripping server has let the connection come about.
    told.retain(|(phase, _)| *phase != Phase::Connect);
    at_the_dot_in_doubt(&told, "Timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_in_any_phase_loses_nothing() {
    let told = in_each_phase(Act::Drop, Deadlines::default()).await;
    at_the_dot_in_doubt(&told, "Dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_endless_replies_are_protocol_faults() {
    for act in [Act::Garbage, Act::Oversized] {
        let mut told = in_each_phase(act, Deadlines::default()).await;
        told.retain(|(phase, _)| *phase != Phase::Connect);
        at_the_dot_in_doubt(&told, "Protocol");
    }
}

/// Long enough for every step of a busy machine, short enough to wait for.
fn short() -> Deadlines {
    let s = Duration::from_millis(900);
    Deadlines {
        connect: s,
        tls: s,
        command: s,
        data: s,
        body: s,
        dot: s,
        quit: s,
    }
}

#[tokio::test]
async fn bytes_that_no_command_asked_for_break_the_session() {
    use Phase::{Data, Ehlo, Greeting, Mail, Rcpt};
    for (phase, bytes) in [
        (Greeting, &b"220 a\r\n220 b\r\n"[..]),
        (Ehlo, b"250 a\r\n250 b\r\n"),
        (Mail, b"250 a\r\n250 b\r\n"),
        (Rcpt, b"250 a\r\n250 b\r\n"),
        (Data, b"354 a\r\n250 taken\r\n"),
    ] {
        let server = SmtpServer::start(Script::new().at(phase, Act::Raw(bytes)));
        let (outcome, usable) = attempt(&settings(server.port())).await;
        assert_eq!(word(&outcome), "Protocol", "{phase:?}: {outcome}");
        assert!(!usable);
        assert!(
            server.accepted().is_empty(),
            "{phase:?}: the dot was not written"
        );
    }
}

#[tokio::test]
async fn two_answers_to_one_dot_are_in_doubt_and_a_farewell_is_not() {
    let server = SmtpServer::start(Script::new().at(Phase::Dot, Act::Raw(b"250 a\r\n550 b\r\n")));
    let (outcome, usable) = attempt(&settings(server.port())).await;
    assert_eq!(word(&outcome), "in doubt", "{outcome}");
    assert!(!usable);

    let farewell = Act::Raw(b"250 a\r\n421 closing\r\n");
    let server = SmtpServer::start(Script::new().at(Phase::Dot, farewell));
    let (outcome, usable) = attempt(&settings(server.port())).await;
    assert_eq!(word(&outcome), "accepted", "{outcome}");
    assert!(!usable);
}

#[tokio::test]
async fn a_message_taken_whose_reply_is_lost_is_in_doubt_and_never_sent() {
    let started = Instant::now();
    let late = Act::TakeLate(Duration::from_secs(60));
    for act in [Act::TakeAndDrop, late] {
        let server = SmtpServer::start(Script::new().at(Phase::Dot, act));
        let mut settings = settings(server.port());
        settings.deadlines.dot = Duration::from_millis(200);
        let (outcome, usable) = attempt(&settings).await;
        assert_eq!(word(&outcome), "in doubt", "{outcome}");
        assert!(!usable);
        assert_eq!(server.accepted().len(), 1);
        assert!(server.accepted()[0].at >= started);
    }
    let server = SmtpServer::start(Script::new().at(Phase::Dot, Act::AnswerAndDrop));
    let (outcome, _) = attempt(&settings(server.port())).await;
    assert_eq!(word(&outcome), "accepted", "{outcome}");
}

#[tokio::test]
async fn an_abandoned_message_is_thrown_away() {
    let server = SmtpServer::start(Script::new());
    let mail = Mail::to("camille@ville.example");
    let mail = mail.out(TEXT);
    let mut session = open(&settings(server.port())).await.unwrap();
    session.offer(&mail).await.unwrap();
    assert!(!session.is_usable());
    session.abandon();
    let (outcome, _) = attempt(&settings(server.port())).await;
    assert_eq!(word(&outcome), "accepted");
    assert_eq!(server.accepted().len(), 1);
    assert_eq!(server.accepted()[0].connection, 1);
}

#[tokio::test]
async fn a_cancelled_step_makes_the_session_unusable() {
    let script = Script::new().at(Phase::Rcpt, Act::TakeLate(Duration::from_millis(200)));
    let server = SmtpServer::start(script);
    let mail = Mail::to("camille@ville.example");
    let mail = mail.out(TEXT);
    let mut session = open(&settings(server.port())).await.unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(50), session.offer(&mail)).await;
    assert!(cut.is_err());
    assert!(!session.is_usable());
    assert!(session.offer(&mail).await.is_err());
    assert_eq!(
        word(&session.complete(&mail, None).await.outcome),
        "Protocol"
    );
    assert!(server.accepted().is_empty());
}

#[tokio::test]
async fn a_connection_that_breaks_amid_the_message_is_not_in_doubt() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut room = [0; 512];
        stream.write_all(b"220 x\r\n").await.unwrap();
        for reply in [&b"250 x\r\n"[..], b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"] {
            let _said = stream.read(&mut room).await.unwrap();
            stream.write_all(reply).await.unwrap();
        }
        let _beginning = stream.read(&mut room).await.unwrap();
    };
    let client = async {
        // More than the buffers of both sides hold.
        let bytes = [&[b'x'; 998][..], b"\r\n"].concat().repeat(30_000);
        let mail = Mail::to("camille@ville.example");
        let mail = mail.out(&bytes);
        let mut session = open(&settings(port)).await.unwrap();
        session.offer(&mail).await.unwrap();
        let outcome = session.complete(&mail, None).await.outcome;
        assert_eq!(word(&outcome), "Dropped", "{outcome}");
        assert!(!session.is_usable());
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_server_that_left_before_the_dot_leaves_nothing_in_doubt() {
    for (farewell, expected) in [
        (&b"354 go\r\n421 4.4.2 timeout\r\n"[..], "Closing421"),
        (b"354 go\r\n554 no\r\n", "Protocol"),
    ] {
        let server = SmtpServer::start(Script::new().at(Phase::Data, Act::Raw(farewell)));
        let (outcome, _) = attempt(&settings(server.port())).await;
        assert_eq!(word(&outcome), expected, "{outcome}");
        assert!(server.accepted().is_empty());
    }
}

#[tokio::test]
async fn an_address_with_letters_beyond_ascii_needs_smtputf8() {
    let mail = Mail::to("andré@ville.example");
    let mail = mail.out(TEXT);
    let server = SmtpServer::start(Script::new());
    let mut session = open(&settings(server.port())).await.unwrap();
    let outcome = session.offer(&mail).await.unwrap_err();
    assert_eq!(word(&outcome), "recipient");
    assert!(outcome.to_string().contains("SMTPUTF8"), "{outcome}");
    assert!(session.is_usable());

    let server = SmtpServer::start(Script::new().with("SMTPUTF8"));
    let mut session = open(&settings(server.port())).await.unwrap();
    session.offer(&mail).await.unwrap();
    assert_eq!(
        word(&session.complete(&mail, None).await.outcome),
        "accepted"
    );
    let accepted = &server.accepted()[0];
    assert!(accepted.from.contains(" SMTPUTF8"), "{}", accepted.from);
    assert!(accepted.to[0].starts_with("<andré@ville.example>"));
}

#[tokio::test]
async fn an_idn_domain_goes_out_as_its_a_label() {
    let server = SmtpServer::start(Script::new());
    let mail = Mail::to("dsi@mairie-évry.example");
    let mail = mail.out(TEXT);
    let mut session = open(&settings(server.port())).await.unwrap();
    session.offer(&mail).await.unwrap();
    let outcome = session.complete(&mail, None).await.outcome;
    assert_eq!(word(&outcome), "accepted");
    assert!(server.accepted()[0].to[0].starts_with("<dsi@xn--"));
}

#[tokio::test]
async fn a_message_that_the_relay_cannot_carry_is_parked_and_the_session_goes_on() {
    let server = SmtpServer::start(Script::new().without("SIZE").with("SIZE 100"));
    let mut session = open(&settings(server.port())).await.unwrap();
    let mail = Mail::to("camille@ville.example");
    for (bytes, why) in [
        (b"x\r\n".repeat(50), "100 bytes at most"),
        (b"a\nb\r\n".to_vec(), "bare LF"),
        ("é\r\n".as_bytes().to_vec(), "7-bit"),
    ] {
        let outcome = session.offer(&mail.out(&bytes)).await.unwrap_err();
        assert_eq!(word(&outcome), "parked");
        assert!(outcome.to_string().contains(why), "{outcome}");
        assert!(session.is_usable());
    }
}

#[tokio::test]
async fn helo_serves_where_ehlo_is_unknown() {
    let script = Script::new().at(Phase::Ehlo, Act::Reply("502 5.5.1 what?"));
    let server = SmtpServer::start(script);
    let (outcome, _) = attempt(&settings(server.port())).await;
    assert_eq!(word(&outcome), "accepted");
    let accepted = &server.accepted()[0];
    assert_eq!(
        (accepted.from.as_str(), accepted.to[0].as_str()),
        ("<jetons@ville.example>", "<camille@ville.example>")
    );
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_the_relays_fault() {
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = settings(free.local_addr().unwrap().port());
    drop(free);
    assert_eq!(word(&attempt(&closed).await.0), "Connect");

    // A full backlog leaves further connections unanswered.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    let brief = Duration::from_millis(100);
    while let Ok(Ok(stream)) =
        tokio::time::timeout(brief, tokio::net::TcpStream::connect(address)).await
    {
        held.push(stream);
    }
    let mut full = settings(address.port());
    full.deadlines.connect = Duration::from_millis(200);
    assert_eq!(word(&attempt(&full).await.0), "Timeout");

    let mut nowhere = settings(25);
    nowhere.host = "relay.invalid".to_owned();
    assert_eq!(word(&attempt(&nowhere).await.0), "Resolve");
}

mod encryption {
    use super::*;

    #[tokio::test]
    async fn a_mail_goes_out_encrypted_with_either_mechanism() {
        for (mechanisms, expected) in [
            ("AUTH PLAIN LOGIN", " jetond correct horse"),
            ("AUTH LOGIN", "correct horse"),
            ("AUTH=PLAIN", " jetond correct horse"),
        ] {
            let script = Script::new()
                .tls(Cert::Valid)
                .without("AUTH")
                .with(mechanisms);
            let server = SmtpServer::start(script);
            let (outcome, _) = attempt(&encrypted(&server)).await;
            assert_eq!(word(&outcome), "accepted", "{outcome}");
            let heard = server.heard();
            assert!(
                heard.iter().any(|h| h.line == expected && h.encrypted),
                "{mechanisms}"
            );
            let plain: Vec<_> = heard.iter().filter(|h| !h.encrypted).collect();
            assert_eq!(
                plain.len(),
                2,
                "EHLO and STARTTLS only in plaintext: {plain:?}"
            );
        }
    }

    #[tokio::test]
    async fn tls_from_the_first_byte_works_too() {
        let server = SmtpServer::start(Script::new().implicit_tls(Cert::Valid));
        let mut settings = encrypted(&server);
        settings.tls = Tls::Implicit;
        let (outcome, _) = attempt(&settings).await;
        assert_eq!(word(&outcome), "accepted", "{outcome}");
        assert!(server.heard().iter().all(|h| h.encrypted));
    }

    #[tokio::test]
    async fn nothing_leaves_when_tls_is_not_what_it_should_be() {
        for script in [
            Script::new().tls(Cert::Expired),
            Script::new().tls(Cert::WrongHost),
            Script::new().tls(Cert::UnknownCa),
            Script::new().tls(Cert::Valid).without("STARTTLS"),
            Script::new()
                .tls(Cert::Valid)
                .at(Phase::Starttls, Act::Reply("454 4.7.0 TLS is down")),
            Script::new().tls(Cert::Valid).at(
                Phase::Starttls,
                Act::Raw(b"220 go\r\n250-scripted\r\n250 AUTH PLAIN\r\n"),
            ),
            Script::new()
                .tls(Cert::Valid)
                .at(Phase::Ehlo, Act::Reply("502 5.5.1 what?")),
        ] {
            let told = format!("{script:?}");
            let server = SmtpServer::start(script);
            let (outcome, _) = attempt(&encrypted(&server)).await;
            let expected = [RelayFaultKind::Tls, RelayFaultKind::Protocol];
            assert!(
                matches!(&outcome, Outcome::Relay(f) if expected.contains(&f.kind)),
                "{told}: {outcome}"
            );
            for heard in server.heard() {
                let verb = heard.line.split(' ').next().unwrap();
                assert!(["EHLO", "HELO", "STARTTLS"].contains(&verb), "{heard:?}");
            }
            assert!(server.accepted().is_empty());
        }
        for cert in [Cert::Expired, Cert::WrongHost, Cert::UnknownCa] {
            let server = SmtpServer::start(Script::new().implicit_tls(cert));
            let mut settings = encrypted(&server);
            settings.tls = Tls::Implicit;
            assert_eq!(word(&attempt(&settings).await.0), "Tls");
            assert!(server.heard().is_empty());
        }
    }

    #[tokio::test]
    async fn a_password_that_the_server_echoes_is_not_kept() {
        // base64 of "\0jetond\0correct horse", and the words themselves.
        let echo = "535 5.7.8 AGpldG9uZABjb3JyZWN0IGhvcnNl is correct horse, refused";
        let server = SmtpServer::start(
            Script::new()
                .tls(Cert::Valid)
                .at(Phase::Auth, Act::Reply(echo)),
        );
        let (outcome, _) = attempt(&encrypted(&server)).await;
        let told = outcome.to_string();
        assert!(told.contains("[redacted] is [redacted], refused"), "{told}");
    }

    #[tokio::test]
    async fn auth_that_is_not_possible_is_told() {
        let server = SmtpServer::start(Script::new().tls(Cert::Valid).without("AUTH"));
        let (outcome, _) = attempt(&encrypted(&server)).await;
        assert_eq!(word(&outcome), "Auth");

        let server = SmtpServer::start(Script::new().tls(Cert::Valid));
        let relay = Relay::prepare(&encrypted(&server)).unwrap();
        let fault = Session::open(&relay, None).await.unwrap_err();
        assert_eq!(fault.kind, RelayFaultKind::Auth);
    }

    #[test]
    fn a_file_without_authorities_is_told() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let mut settings = settings(25);
        settings.tls = Tls::Starttls;
        for file in [empty.path(), std::path::Path::new("/nonexistent/ca.pem")] {
            settings.ca_file = Some(file.to_owned());
            let fault = Relay::prepare(&settings).unwrap_err();
            assert_eq!(fault.kind, RelayFaultKind::Tls);
            assert!(fault.detail.contains(file.to_str().unwrap()), "{fault}");
        }
    }
}
