//! Delivery while the pages are asked for without end: 5,000 due mails leave a running daemon for
//! `smtp-sink`, with `wrk` on the home page and on `/metrics`, and without, in turns; goal 0.9.
//!
//! Timed is what the record says, from the first acceptances until the last.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::backlog::{Backlog, Way};
use support::postfix::Postfix;
use support::{Running, median, ms};

const MAILS: u32 = 5_000;
const TIMES: usize = 7;
const GOAL: f64 = 0.9;

/// What is asked for.
const PAGES: [&str; 2] = ["/", "/metrics"];

fn main() {
    let postfix = Postfix::unpacked_with(&["wrk", "libluajit-5.1-2"]);
    let backlog = Backlog::of(MAILS);
    let (mut alone, mut asked) = (vec![], vec![]);
    for turn in 0..TIMES {
        for kind in 0..2 {
            if (turn + kind) % 2 == 0 {
                alone.push(deliver(&postfix, &backlog, &[]));
            } else {
                asked.push(deliver(&postfix, &backlog, &PAGES));
            }
        }
    }
    let answered: u64 = asked.iter().map(|run: &Run| run.answered).sum();
    let times = |runs: &[Run]| median(&runs.iter().map(|run| run.took).collect::<Vec<_>>());
    let (alone, asked) = (times(&alone), times(&asked));
    let ratio = alone.as_secs_f64() / asked.as_secs_f64();
    println!("{MAILS} mails; medians of {TIMES}; {answered} answers in all");
    println!("| | ms | of its speed alone | goal |");
    println!("|---|---|---|---|");
    println!("| delivery alone | {} | | |", ms(alone));
    println!(
        "| while wrk asks for {} | {} | {ratio:.2} | ≥ {GOAL} |",
        PAGES.join(" and "),
        ms(asked)
    );
}

/// What a delivery took, and how many answers there were meanwhile.
struct Run {
    took: Duration,
    answered: u64,
}

fn deliver(postfix: &Postfix, backlog: &Backlog, pages: &[&str]) -> Run {
    let sink = postfix.sink(MAILS);
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let web = free.local_addr().expect("its address").port();
    drop(free);
    let way = Way {
        port: sink.port,
        connections: 8,
        authority: None,
    };
    let place = backlog.watched(&way, web);
    let daemon = Running(place.run().spawn().expect("the daemon starts"));
    while TcpStream::connect(("127.0.0.1", web)).is_err() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let asking: Vec<Child> = pages.iter().map(|page| ask(postfix, web, page)).collect();
    let took = place.first_to_last();
    let answered = asking.into_iter().map(answered).sum();
    drop(daemon);
    place.hold_that_all_are_on_record();
    Run { took, answered }
}

/// Asks until it is stopped.
fn ask(postfix: &Postfix, web: u16, page: &str) -> Child {
    let mut wrk = Command::new(postfix.root().join("usr/bin/wrk"));
    wrk.env(
        "LD_LIBRARY_PATH",
        postfix.root().join("usr/lib/x86_64-linux-gnu"),
    );
    wrk.args(["-t1", "-c8", "-d600s"])
        .arg(format!("http://127.0.0.1:{web}{page}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("wrk starts")
}

/// Stops it; how many answers it had.
fn answered(asking: Child) -> u64 {
    let stopped = Command::new("kill")
        .args(["-INT", &asking.id().to_string()])
        .status();
    assert!(stopped.is_ok_and(|s| s.success()), "wrk ran");
    let said = asking.wait_with_output().expect("wrk ends").stdout;
    let said = String::from_utf8_lossy(&said);
    let count = said
        .lines()
        .find_map(|l| l.trim().split_once(" requests in ")?.0.parse().ok());
    count.expect("wrk counts its answers")
}
