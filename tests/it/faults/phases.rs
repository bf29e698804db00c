//! A server that misbehaves at each of the nine phases of the dialogue in every way, for a batch
//! of mails through the whole program.
//!
//! Each misbehaviour strikes a few times, one after another, over as many passes as it takes.
//! Only an acceptance whose answer is lost may repeat a mail; only a refusal may keep one away.

use std::time::Duration;

use super::campaign::{Form, each_by, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, Site};
use crate::support::smtp_server::{Act, Cert, Phase, Script};

/// The program's patience with each phase, in seconds: short, so that silence costs little.
const SECONDS: u64 = 3;

/// The phases, by name.
const PHASES: [(&str, Phase); 9] = [
    ("connect", Phase::Connect),
    ("greeting", Phase::Greeting),
    ("ehlo", Phase::Ehlo),
    ("starttls", Phase::Starttls),
    ("auth", Phase::Auth),
    ("mail", Phase::Mail),
    ("rcpt", Phase::Rcpt),
    ("data", Phase::Data),
    ("dot", Phase::Dot),
];

/// What a misbehaviour may cost.
#[derive(Clone, Copy)]
enum Cost {
    /// Time.
    Nothing,
    /// The mail may come once more.
    Repeat,
    /// The mail is refused, and somebody is told.
    Refusal,
    /// Nobody knows whether it arrived; a mail that meets three of these is given up.
    Doubt,
}

/// Every way of a phase.
fn ways(phase: Phase) -> Vec<(Act, Cost)> {
    use Cost::{Nothing, Refusal, Repeat};
    let drop = (Act::Drop, Nothing);
    let hang = (Act::Hang, Nothing);
    if phase == Phase::Connect {
        return vec![drop, hang];
    }
    let mut ways = vec![
        (Act::Reply("421 4.3.2 closing down"), Nothing),
        drop,
        (Act::AnswerAndDrop, Nothing),
        (Act::Garbage, Nothing),
        (Act::Oversized, Nothing),
        (Act::Raw(b"\r\n"), Nothing),
        (Act::Raw(b"999 what\r\n"), Nothing),
        (Act::Raw(b"451-4.3.0 never\r\n550 5.3.0 twice\r\n"), Nothing),
        hang,
    ];
    ways.extend(match phase {
        Phase::Connect => vec![],
        Phase::Greeting => vec![
            (Act::Reply("554 5.3.2 no service"), Nothing),
            (Act::Raw(b"220 one\r\n220 two\r\n"), Nothing),
            (Act::Drip, Nothing),
        ],
        Phase::Ehlo | Phase::Starttls | Phase::Mail => vec![
            (Act::Reply("451 4.3.0 later"), Nothing),
            (Act::Reply("550 5.7.1 not you"), Nothing),
            (Act::Reply("354 go on"), Nothing),
            (Act::Drip, Nothing),
        ],
        Phase::Auth => vec![
            (Act::Reply("535 5.7.8 wrong password"), Nothing),
            (Act::Reply("454 4.7.0 later"), Nothing),
            (Act::Drip, Nothing),
        ],
        Phase::Rcpt => vec![
            (Act::Reply("450 4.7.1 greylisted"), Nothing),
            (Act::Reply("452 4.2.2 full"), Nothing),
            (Act::Reply("552 5.2.2 full"), Nothing),
            (Act::Reply("550 5.1.1 no such user"), Refusal),
            (Act::Reply("354 go on"), Nothing),
            (Act::Drip, Nothing),
        ],
        Phase::Data => vec![
            (Act::Reply("451 4.3.0 later"), Nothing),
            (Act::Reply("554 5.6.0 no"), Refusal),
            (Act::Reply("250 2.0.0 already"), Nothing),
            (Act::Drip, Nothing),
        ],
        // A drip at the dot: the message was never taken, and its answer never came.
        Phase::Dot => vec![
            (Act::Reply("451 4.3.0 later"), Nothing),
            (Act::Reply("554 5.6.0 no"), Refusal),
            (Act::Raw(b"354 go on\r\n"), Nothing),
            (Act::TakeAndDrop, Repeat),
            (Act::TakeLate(Duration::from_secs(SECONDS + 1)), Repeat),
        ],
    });
    // A reply in a wrong syntax, or of several lines with several codes, may be read by its
    // first or last digit: what then becomes of the mail is a refusal at worst.
    ways.into_iter()
        .map(|(act, cost)| match (&act, phase) {
            (Act::Raw(b"451-4.3.0 never\r\n550 5.3.0 twice\r\n" | b"999 what\r\n"), _) => {
                (act, Refusal)
            }
            (Act::Reply("354 go on"), Phase::Rcpt) => (act, Refusal),
            (Act::Reply("250 2.0.0 already"), Phase::Data) => (act, Refusal),
            (_, Phase::Dot) if matches!(cost, Nothing) => (act, Cost::Doubt),
            (_, _) => (act, cost),
        })
        .collect()
}

fn misbehaving(phase: Phase, lanes: Lanes, times: usize, mails: usize) -> Option<Judged> {
    let ways = ways(phase);
    let mut script = Script::new();
    let (mut repeats, mut refusals, mut doubts) = (0, 0, 0);
    for (act, cost) in &ways {
        script = script.first(times, phase, act.clone());
        match cost {
            Cost::Nothing => {}
            Cost::Repeat => {
                repeats += times;
                doubts += times;
            }
            Cost::Doubt => doubts += times,
            Cost::Refusal => refusals += times,
        }
    }
    let mut smtp = format!(
        "timeouts = {{ connect = {SECONDS}, command = {SECONDS}, data = {SECONDS}, \
         body = {SECONDS}, dot = {SECONDS}, quit = 1 }}\n"
    );
    if matches!(phase, Phase::Starttls | Phase::Auth) {
        script = script.tls(Cert::Valid);
        smtp.push_str("tls = \"starttls\"\nca_file = \"CA\"\n");
    }
    if phase == Phase::Auth {
        smtp.push_str("username = \"jetond\"\npassword = { file = \"secret\" }\n");
    }
    let mut site = Site::with(script, mails, lanes, &smtp)?;
    let secret = site.program.place().join("secret");
    crate::support::private_file(&secret, "correct horse\n");
    // The relay is left alone after a fault, so that one pass may meet one fault only.
    let settled = site.settle_within(ways.len() * times + 12);
    let allowed = Allowed {
        repeats,
        told: refusals + doubts / 3,
        ..Allowed::default()
    };
    Some(oracle::judge(&site, allowed).and(settled))
}

#[test]
fn a_server_misbehaves_at_each_phase_in_every_way() {
    let form = Form::asked_for();
    let (times, mails) = form.of((1, 40), (8, 1000));
    let phases: Vec<usize> = (0..PHASES.len()).collect();
    let done = each_by(PHASES.len(), &phases, |n| {
        let (name, phase) = PHASES[*n];
        let lanes = Lanes::ALL[n % Lanes::ALL.len()];
        let judged = misbehaving(phase, lanes, times, mails)?;
        let cycles = ways(phase).len() * times;
        Some((name, cycles, judged.at(&format!("{name}, {lanes:?}"))))
    });
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    let cycles = done.iter().map(|(_, cycles, _)| cycles).sum();
    let judged = Judged::sum(done.into_iter().map(|(_, _, judged)| judged));
    tell("phases", cycles, &judged);
}
