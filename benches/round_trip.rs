//! The whole path over a line with a round trip of 20 ms: how near it comes to one round trip a
//! mail on each connection; goal 0.9 of connections / round trip.
//!
//! The line is a process-wide proxy that delays bytes and limits nothing else. What is timed of
//! ours is what `delivery` times, the opening of the connections included.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::time::Duration;

use support::backlog::{self, Backlog, Way};
use support::between::{round_trip, slow_line};
use support::postfix::Postfix;
use support::{median, ms, rate};

const CONNECTIONS: u32 = 8;
const EACH_WAY: Duration = Duration::from_millis(10);
/// Ten seconds at one round trip a mail.
const MAILS: u32 = 4_000;
/// Without PIPELINING a mail takes several.
const THEIR_MAILS: u32 = 800;
const TIMES: u32 = 3;
const GOAL: f64 = 0.9;

fn main() {
    if backlog::delivered() {
        return;
    }
    let postfix = Postfix::unpacked();
    let (size, _) = Backlog::sample(200);
    let backlog = Backlog::of(MAILS);
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..TIMES {
        let sink = postfix.sink(MAILS + THEIR_MAILS);
        let port = slow_line(sink.port, EACH_WAY);
        let way = Way {
            port,
            connections: CONNECTIONS,
            authority: None,
        };
        ours.push(backlog.deliver(&way).time);
        theirs.push(postfix.source(port, CONNECTIONS, THEIR_MAILS, size));
        sink.received();
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    let limit = f64::from(CONNECTIONS) / (2 * EACH_WAY).as_secs_f64();
    println!(
        "{CONNECTIONS} connections, mails of {size} bytes, medians of {TIMES}; a byte took {} ms there and back",
        ms(round_trip(EACH_WAY))
    );
    println!("| way | mails | ms | mails/s | of connections / round trip | goal |");
    println!("|---|---|---|---|---|---|");
    for (way, mails, time, goal) in [
        ("whole path", MAILS, ours, format!("≥ {GOAL}")),
        ("smtp-source -d", THEIR_MAILS, theirs, String::new()),
    ] {
        let each = rate(mails, time);
        println!(
            "| {way} | {mails} | {} | {each:.0} | {:.2} | {goal} |",
            ms(time),
            each / limit
        );
    }
}
