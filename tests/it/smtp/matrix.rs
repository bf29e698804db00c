//! Everything a server can do wrong, in each of the nine phases, to the first, the middle and
//! the last mail of a flight, with and without PIPELINING and TLS: what each mail comes to.

use std::sync::Arc;
use std::time::Duration;

use jetond::config::{Deadlines, Smtp};
use tokio::sync::Semaphore;

use super::flight::{FLIGHT, fly_in, told_truly};
use super::{PHASES, encrypted, settings};
use crate::support::smtp_server::{Act, Cert, Phase, Script, SmtpServer};

/// Servers that run side by side.
const AT_ONCE: usize = 24;

/// How the two talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Pipelining,
    PipeliningInTls,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Closing421,
    Temporary,
    Permanent,
    /// A reply that this command never gets.
    Misplaced,
    Hang,
    Drip,
    /// The connection ends before the answer, and after it.
    Drop,
    DropAll,
    AnswerAndDrop,
    Garbage,
    Oversized,
    Unasked,
    TakeAndDrop,
    TakeLate,
}

const QUICK: [Way; 10] = [
    Way::Closing421,
    Way::Temporary,
    Way::Permanent,
    Way::Misplaced,
    Way::Drop,
    Way::DropAll,
    Way::AnswerAndDrop,
    Way::Garbage,
    Way::Oversized,
    Way::Unasked,
];

fn act(way: Way, phase: Phase) -> Option<Act> {
    if phase == Phase::Connect && ![Way::Hang, Way::Drop].contains(&way) {
        return None;
    }
    let only_at_the_dot = [Way::TakeAndDrop, Way::TakeLate].contains(&way);
    if only_at_the_dot && phase != Phase::Dot {
        return None;
    }
    Some(match way {
        Way::Closing421 => Act::Reply("421 4.3.2 closing"),
        Way::Temporary => Act::Reply("451 4.3.0 busy"),
        Way::Permanent => Act::Reply("550 5.7.1 no"),
        Way::Misplaced => match phase {
            Phase::Greeting | Phase::Starttls | Phase::Auth | Phase::Data => {
                Act::Reply("250 2.0.0 what")
            }
            Phase::Connect | Phase::Ehlo | Phase::Mail | Phase::Rcpt | Phase::Dot => {
                Act::Reply("354 what")
            }
        },
        Way::Hang => Act::Hang,
        Way::Drip => Act::Drip,
        Way::Drop => Act::Drop,
        Way::DropAll => Act::DropAll,
        Way::AnswerAndDrop => Act::AnswerAndDrop,
        Way::Garbage => Act::Garbage,
        Way::Oversized => Act::Oversized,
        Way::Unasked => Act::AnswerAnd(b"250 2.0.0 and more\r\n"),
        Way::TakeAndDrop => Act::TakeAndDrop,
        Way::TakeLate => Act::TakeLate(Duration::from_secs(60)),
    })
}

/// What the mail to which it happens comes to, as `docs/rules.md` has it.
fn own(way: Way, phase: Phase, manner: Manner, rides: bool) -> &'static [&'static str] {
    use Phase::{Auth, Connect, Data, Dot, Ehlo, Greeting, Mail, Rcpt, Starttls};
    // Behind another mail's dot nothing was said about this one yet: it goes another time.
    let unheard = rides && phase == Mail;
    match (way, phase) {
        (Way::Closing421, Dot) => &["deferred"],
        (Way::Closing421 | Way::Drop | Way::DropAll, _) if unheard => &["accepted"],
        // What was answered to its first commands never left the server either.
        (Way::DropAll, Rcpt | Data) if rides && manner != Manner::Plain => &["accepted"],
        (Way::Closing421, _) => &["Closing421"],
        (Way::Temporary | Way::Permanent, Greeting) => &["Greeting"],
        (Way::Temporary, Ehlo) => &["Hello"],
        // HELO will do.
        (Way::Permanent, Ehlo) => &["accepted"],
        (Way::Temporary | Way::Permanent, Starttls) => &["Tls"],
        (Way::Temporary | Way::Permanent, Auth) => &["Auth"],
        (Way::Temporary | Way::Permanent, Mail) => &["Mail"],
        (Way::Temporary, Rcpt | Data | Dot) => &["deferred"],
        (Way::Permanent, Rcpt) => &["recipient"],
        (Way::Permanent, Data | Dot) => &["parked"],
        (Way::AnswerAndDrop, Dot) => &["accepted"],
        // The end of the connection is seen before the next step, or amid it.
        (Way::AnswerAndDrop, Starttls) => &["Dropped", "Tls"],
        (Way::AnswerAndDrop, Data) => &["Dropped", "in doubt"],
        (_, Dot) => &["in doubt"],
        (Way::Hang | Way::Drip, Rcpt) => &["Unanswered"],
        (Way::Hang | Way::Drip, _) => &["Timeout"],
        (Way::Drop | Way::DropAll | Way::AnswerAndDrop, _) => &["Dropped"],
        (Way::Misplaced | Way::Garbage | Way::Oversized | Way::Unasked, _) => &["Protocol"],
        (Way::TakeAndDrop | Way::TakeLate, _) | (Way::Temporary | Way::Permanent, Connect) => {
            unreachable!("not acted out there")
        }
    }
}

/// What each mail of the flight comes to when it happens to the one at `position`.
fn expected(
    way: Way,
    phase: Phase,
    manner: Manner,
    position: usize,
) -> [&'static [&'static str]; 3] {
    let own = own(way, phase, manner, position > 0);
    let mut all: [&[&str]; 3] = [&["accepted"]; 3];
    all[position] = own;
    if manner == Manner::Plain {
        return all;
    }
    let commands = [Phase::Mail, Phase::Rcpt, Phase::Data];
    let replies_may_be_off_by_one = match way {
        // With DropAll the reply to the dot before is lost with the rest.
        Way::Misplaced | Way::DropAll => commands.contains(&phase),
        // Behind the 354 nothing is owed: what more is said is no reply to anything.
        Way::Unasked => commands[..2].contains(&phase),
        Way::Closing421
        | Way::Temporary
        | Way::Permanent
        | Way::Hang
        | Way::Drip
        | Way::Drop
        | Way::AnswerAndDrop
        | Way::Garbage
        | Way::Oversized
        | Way::TakeAndDrop
        | Way::TakeLate => false,
    };
    if replies_may_be_off_by_one && position > 0 {
        all[position - 1] = &["in doubt"];
    }
    if way == Way::Unasked && phase == Phase::Dot && position < 2 {
        all[position + 1] = &["Protocol"];
    }
    all
}

async fn cell(way: Way, phase: Phase, manner: Manner, position: usize, act: Act) {
    let cell = format!("{way:?} at {phase:?} of mail {position}, {manner:?}");
    let script = Script::new().after(position, phase, act);
    let script = match manner {
        Manner::Plain => script,
        Manner::Pipelining | Manner::PipeliningInTls => script.pipelining(),
    };
    let once_a_connection = [
        Phase::Connect,
        Phase::Greeting,
        Phase::Ehlo,
        Phase::Starttls,
        Phase::Auth,
    ]
    .contains(&phase);
    let tls = manner == Manner::PipeliningInTls || [Phase::Starttls, Phase::Auth].contains(&phase);
    let server = SmtpServer::start(if tls { script.tls(Cert::Valid) } else { script });
    let settings = if tls {
        encrypted(&server)
    } else {
        settings(server.port())
    };
    let settings = Smtp {
        deadlines: short_where_it_waits(way, phase),
        ..settings
    };
    let parts = if once_a_connection { 1 } else { FLIGHT.len() };
    let words = fly_in(&settings, parts).await;
    let expected = expected(way, phase, manner, position);
    for (word, expected) in words.iter().zip(expected) {
        assert!(
            expected.contains(&word.as_str()),
            "{cell}: {words:?} instead of {expected:?}"
        );
    }
    told_truly(&server, &words, &cell);
}

/// Long enough for every step of a busy machine; short where the server lets one wait.
fn short_where_it_waits(way: Way, phase: Phase) -> Deadlines {
    let mut deadlines = Deadlines::default();
    let short = Duration::from_millis(900);
    if [Way::Hang, Way::Drip, Way::TakeLate].contains(&way) {
        match phase {
            Phase::Dot => deadlines.dot = short,
            Phase::Data => deadlines.data = short,
            Phase::Connect
            | Phase::Greeting
            | Phase::Ehlo
            | Phase::Starttls
            | Phase::Auth
            | Phase::Mail
            | Phase::Rcpt => deadlines.command = short,
        }
    }
    deadlines
}

async fn all(ways: &[Way], manner: Manner) {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut cells = tokio::task::JoinSet::new();
    for &way in ways {
        for phase in PHASES {
            // TLS is there before the first mail whatever the manner; once is enough.
            let before_tls = [Phase::Connect, Phase::Greeting, Phase::Ehlo].contains(&phase);
            if manner == Manner::PipeliningInTls && before_tls {
                continue;
            }
            let Some(act) = act(way, phase) else {
                continue;
            };
            for position in 0..FLIGHT.len() {
                let (free, act) = (Arc::clone(&free), act.clone());
                cells.spawn(async move {
                    let _turn = free.acquire_owned().await.unwrap();
                    cell(way, phase, manner, position, act).await;
                });
            }
        }
    }
    assert!(cells.len() >= 3, "something is acted out");
    while let Some(done) = cells.join_next().await {
        if let Err(failed) = done {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_phase_of_a_plain_flight_has_its_outcomes() {
    all(&QUICK, Manner::Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_phase_of_a_pipelined_flight_has_its_outcomes() {
    all(&QUICK, Manner::Pipelining).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_phase_of_an_encrypted_flight_has_its_outcomes() {
    all(&QUICK, Manner::PipeliningInTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_or_drips_in_a_plain_flight_ends_at_the_deadline() {
    all(&[Way::Hang, Way::Drip], Manner::Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_or_drips_in_a_pipelined_flight_ends_at_the_deadline() {
    all(&[Way::Hang, Way::Drip], Manner::Pipelining).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_taken_without_a_word_is_in_doubt_wherever_it_flies() {
    for manner in [Manner::Plain, Manner::Pipelining, Manner::PipeliningInTls] {
        all(&[Way::TakeAndDrop, Way::TakeLate], manner).await;
    }
}
