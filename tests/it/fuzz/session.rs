//! The SMTP session against a server that says anything, in any pieces, at any moment.
//!
//! An input is a server's behaviour: four bytes for its manner, then one action for each command
//! that it hears and for each moment at which both wait. What the session tells is then held
//! against both streams, which are read here by code of their own.

mod server;

use std::sync::LazyLock;
use std::time::Duration;

use jetond::config::{Deadlines, Smtp};
use jetond::delivery::outcome::{Outcome, Outgoing};
use jetond::delivery::smtp::{Relay, Session};
use tokio::runtime::Runtime;

use self::server::{Server, Streams};
use super::engine::Target;
use crate::smtp::{Mail, settings};

const WORDS: &[&[u8]] = &[
    b"\xb0\x08250 ok\r\n",
    b"\xb0\x08354 go\r\n",
    b"\xb0\x09421 bye\r\n",
    b"\xb0\x09550 5.1\r\n",
    b"\xb0\x04250-",
    b"\xb0\x04250\r",
    b"\xb0\x02\r\n",
    b"\xd0\x08250 ok\r\n",
    b"\xd8\x08250 ok\r\n",
    b"\xe0",
    b"\xe8",
    b"\xf0",
    b"\x82",
    b"\x92",
    b"\xa0",
    b"\xa3",
];

/// Longer than any case takes whose deadlines are kept.
const TOO_LONG: Duration = Duration::from_secs(60);

static RELAY: LazyLock<Relay> = LazyLock::new(|| {
    let short = Duration::from_millis(20);
    let deadlines = Deadlines {
        connect: short,
        tls: short,
        command: short,
        data: short,
        body: short,
        dot: short,
        quit: short,
    };
    Relay::prepare(&Smtp {
        deadlines,
        ..settings(25)
    })
    .unwrap()
});

/// Sends the mails over one session, as far as it goes; a mail that was not tried has no outcome.
async fn send(
    pipe: tokio::io::DuplexStream,
    mails: &[Outgoing<'_>],
    in_flight: usize,
) -> Vec<Option<Outcome>> {
    let mut outcomes = vec![None; mails.len()];
    let Ok(mut session) = Session::over(&RELAY, pipe).await else {
        return outcomes;
    };
    let (mut at, mut offered) = (0, false);
    while at < mails.len() {
        if !offered {
            if !session.is_usable() {
                break;
            }
            if let Err(outcome) = session.offer(&mails[at]).await {
                assert!(
                    !matches!(outcome, Outcome::Accepted(_) | Outcome::InDoubt(_)),
                    "an offer came to {outcome:?}"
                );
                outcomes[at] = Some(outcome);
                at += 1;
                continue;
            }
        }
        let next = mails.get(at + 1).filter(|_| (at + 1) % in_flight != 0);
        let completed = session.complete(&mails[at], next).await;
        if matches!(completed.outcome, Outcome::InDoubt(_)) {
            assert!(!session.is_usable(), "a session in doubt is not used again");
        }
        outcomes[at] = Some(completed.outcome);
        at += 1;
        offered = matches!(completed.next, Some(Ok(())));
        if let Some(Err(refused)) = completed.next {
            outcomes[at] = Some(refused);
            at += 1;
        }
    }
    session.quit().await;
    outcomes
}

/// Holds what was told of each mail against what was said and heard.
fn told_truly(streams: &Streams, mails: &[Outgoing<'_>], outcomes: &[Option<Outcome>]) {
    let dots = streams.dots();
    for (mail, outcome) in mails.iter().zip(outcomes) {
        let to = mail.envelope_to.on_the_wire();
        let mut its = dots.iter().filter(|dot| dot.to == to && !dot.is_empty());
        let dot = its.next();
        assert!(its.next().is_none(), "{to} left twice");
        let reply = dot.and_then(|dot| streams.reply(dot.index));
        let code = reply.map(|reply| reply.code);
        match outcome {
            Some(Outcome::Accepted(_)) => {
                let dot = dot.expect("what is sent has left");
                assert_eq!(dot.message, mail.bytes, "{to} left whole");
                assert_eq!(code, Some(250), "{to} was answered 250");
                let reply = reply.unwrap();
                assert!(
                    reply.heard_before > dot.start,
                    "{to}: the answer came before the message"
                );
            }
            Some(Outcome::Deferred(_)) if dot.is_some() => {
                assert_eq!(code.map(|c| c / 100), Some(4), "{to}");
            }
            Some(Outcome::Parked(_)) if dot.is_some() => {
                assert_eq!(code.map(|c| c / 100), Some(5), "{to}");
            }
            Some(Outcome::InDoubt(_)) => {}
            Some(
                Outcome::Deferred(_)
                | Outcome::Parked(_)
                | Outcome::RefusedRecipient(_)
                | Outcome::Relay(_),
            )
            | None => {
                // It may be sent again at once: the server must not have it.
                assert!(dot.is_none(), "{to} left and is told as {outcome:?}");
            }
        }
    }
}

fn one(runtime: &Runtime, bytes: &[u8]) {
    let (manner, actions) = bytes.split_at(bytes.len().min(4));
    let manner = |n: usize| manner.get(n).copied().unwrap_or(0);
    let (count, in_flight) = (
        usize::from(manner(3) % 4) + 1,
        usize::from(manner(3) / 4 % 4) + 1,
    );
    let long = [b"Subject: long\r\n\r\n".to_vec(), b".line\r\n".repeat(100)].concat();
    let texts: [&[u8]; 3] = [b"Subject: x\r\n\r\n.\r\n..a\r\n", &long, b"\r\n"];
    let owned: Vec<Mail> = (0..count)
        .map(|n| Mail::to(&format!("m{n}@x.example")))
        .collect();
    let mails: Vec<Outgoing<'_>> = (0..)
        .zip(&owned)
        .map(|(n, mail)| mail.out_as(n, texts[(usize::from(manner(0) >> 4) + owned.len()) % 3]))
        .collect();
    let (ours, theirs) = tokio::io::duplex(usize::from(manner(1)) * 32 + 8);
    let server = Server::new(theirs, manner(0), usize::from(manner(2)), actions);
    let both = async { tokio::join!(send(ours, &mails, in_flight), server.serve()) };
    let (outcomes, streams) = runtime
        .block_on(async { tokio::time::timeout(TOO_LONG, both).await })
        .expect("every step ends by its deadline");
    told_truly(&streams, &mails, &outcomes);
}

#[test]
fn session() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let target = Target {
        name: "session",
        words: WORDS,
        cases: 1_500,
        longest: 600,
    };
    target.run(|bytes| one(&runtime, bytes));
}

#[test]
fn a_server_that_behaves_is_told_of_as_it_is() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Pipelining, a wide pipe, whole replies, three mails in one flight.
    let manner = [1, 255, 0, 2 + 3 * 4];
    let owned: Vec<Mail> = (0..3)
        .map(|n| Mail::to(&format!("m{n}@x.example")))
        .collect();
    let text = b"Subject: x\r\n\r\n.\r\n";
    let mails: Vec<Outgoing<'_>> = (0..).zip(&owned).map(|(n, m)| m.out_as(n, text)).collect();
    let (ours, theirs) = tokio::io::duplex(4096);
    let server = Server::new(theirs, manner[0], 0, &[]);
    let (outcomes, streams) =
        runtime.block_on(async { tokio::join!(send(ours, &mails, 4), server.serve()) });
    let sent = |o: &Option<Outcome>| matches!(o, Some(Outcome::Accepted(_)));
    assert!(outcomes.iter().all(sent), "{outcomes:?}");
    assert_eq!(streams.dots().len(), 3);
    told_truly(&streams, &mails, &outcomes);
}
