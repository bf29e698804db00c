//! The whole path of 20,000 due mails beside Postfix's load generator `smtp-source -d`, which
//! records nothing: same `smtp-sink`, same connections, same size of mail, in turns; goals 1.5.
//!
//! Timed of ours is `Sender::drain` in a process of its own: from the first claim until the last
//! outcome is on record, SQLite with `synchronous=FULL`. `run --once` beside it is the whole
//! program, from its start to its end: also the check of the store, the planning, and the log.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::time::Duration;

use support::backlog::{self, Backlog, Way};
use support::postfix::Postfix;
use support::{median, ms, rate, timed};

const MAILS: u32 = 20_000;
const TIMES: u32 = 3;
const GOAL: f64 = 1.5;

fn main() {
    if backlog::delivered() {
        return;
    }
    let postfix = Postfix::unpacked();
    let (size, _) = Backlog::sample(200);
    let backlog = Backlog::of(MAILS);
    println!("{MAILS} mails of {size} bytes, one recipient each; medians of {TIMES}");
    println!(
        "| way | connections | ms | mails/s | of smtp-source | goal | µs of processor a mail |"
    );
    println!("|---|---|---|---|---|---|---|");
    for connections in [8, 1] {
        compare(&postfix, &backlog, connections, size);
    }
}

fn compare(postfix: &Postfix, backlog: &Backlog, connections: u32, size: u64) {
    let (mut ours, mut processor, mut theirs, mut whole) = (vec![], vec![], vec![], vec![]);
    for turn in 0..TIMES {
        let sink = postfix.sink(3 * MAILS);
        let way = Way {
            port: sink.port,
            connections,
            authority: None,
        };
        let mut source = || theirs.push(postfix.source(sink.port, connections, MAILS, size));
        if turn % 2 == 0 {
            source();
        }
        let took = backlog.deliver(&way);
        ours.push(took.time);
        processor.push(took.processor);
        if turn % 2 == 1 {
            source();
        }
        let place = backlog.to_be_planned(&way);
        let (time, ended) = timed(|| place.run_once().status());
        assert!(ended.is_ok_and(|status| status.success()), "run --once");
        place.hold_that_all_are_on_record();
        whole.push(time);
        sink.received();
    }
    let theirs = median(&theirs);
    let row = |way: &str, time: Duration, goal: &str, each: &str| {
        let (persecond, of) = (rate(MAILS, time), theirs.as_secs_f64() / time.as_secs_f64());
        println!(
            "| {way} | {connections} | {} | {persecond:.0} | {of:.2} | {goal} | {each} |",
            ms(time)
        );
    };
    let each = median(&processor).as_secs_f64() * 1e6 / f64::from(MAILS);
    row(
        "whole path",
        median(&ours),
        &format!("≥ {GOAL}"),
        &format!("{each:.0}"),
    );
    row("all of `run --once`", median(&whole), "", "");
    row("smtp-source -d", theirs, "", "");
}
