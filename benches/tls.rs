//! The whole path over TLS beside the same without: goal 0.8.
//!
//! Both go through the same kind of server in front of `smtp-sink`, which ends TLS or only copies,
//! so that nothing but TLS differs: on our side, and on the server's, which shares this machine.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use support::backlog::{self, Backlog, Way};
use support::between::{Side, front};
use support::postfix::Postfix;
use support::{median, ms, rate, ratio};

const MAILS: u32 = 20_000;
const CONNECTIONS: u32 = 8;
const TIMES: u32 = 3;
const GOAL: f64 = 0.8;

fn main() {
    if backlog::delivered() {
        return;
    }
    let postfix = Postfix::unpacked();
    let backlog = Backlog::of(MAILS);
    let place = tempfile::tempdir().expect("a temporary directory");
    let (mut plain, mut tls) = (vec![], vec![]);
    for turn in 0..TIMES {
        let sink = postfix.sink(2 * MAILS);
        let mut sides = [(Side::Plain, &mut plain), (Side::Tls, &mut tls)];
        if turn % 2 == 1 {
            sides.reverse();
        }
        for (side, times) in sides {
            let authority = place.path().join(format!("{}-{side:?}.pem", sink.port));
            let way = Way {
                port: front(sink.port, side, &authority),
                connections: CONNECTIONS,
                authority: (side == Side::Tls).then_some(authority.as_path()),
            };
            times.push(backlog.deliver(&way));
        }
        sink.received();
    }
    println!("{MAILS} mails, {CONNECTIONS} connections; medians of {TIMES}");
    println!("| way | ms | mails/s | of plain | goal | µs of processor a mail |");
    println!("|---|---|---|---|---|---|");
    let time = |times: &[backlog::Took]| median(&times.iter().map(|t| t.time).collect::<Vec<_>>());
    for (way, times, goal) in [
        ("plain", &plain, String::new()),
        ("TLS", &tls, format!("≥ {GOAL}")),
    ] {
        let processor = median(&times.iter().map(|t| t.processor).collect::<Vec<_>>());
        println!(
            "| {way} | {} | {:.0} | {} | {goal} | {:.0} |",
            ms(time(times)),
            rate(MAILS, time(times)),
            ratio(time(&plain), time(times)),
            processor.as_secs_f64() * 1e6 / f64::from(MAILS)
        );
    }
}
