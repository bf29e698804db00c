//! The whole path beside what one would write in an afternoon: a Python script with `sqlite3` and
//! `smtplib` on one connection that commits each mail; goals 10 on loopback, 8 over 20 ms.
//!
//! Both record in SQLite with `synchronous=FULL` and send mails of the same words. A script has one
//! connection; ours are counted on 8, as they come, and on 1 beside it.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mail_parser::MessageParser;
use support::backlog::{self, Backlog, Way};
use support::between::slow_line;
use support::postfix::Postfix;
use support::{median, rate};

const EACH_WAY: Duration = Duration::from_millis(10);
const TIMES: u32 = 3;

/// One of the two lines.
struct Line {
    name: &'static str,
    each_way: Duration,
    /// Mails of ours, and of the script: each takes some seconds.
    mails: [u32; 2],
    goal: u32,
}

const LINES: [Line; 2] = [
    Line {
        name: "loopback",
        each_way: Duration::ZERO,
        mails: [10_000, 1_000],
        goal: 10,
    },
    Line {
        name: "20 ms",
        each_way: EACH_WAY,
        mails: [2_000, 100],
        goal: 8,
    },
];

fn main() {
    if backlog::delivered() {
        return;
    }
    let postfix = Postfix::unpacked();
    let place = tempfile::tempdir().expect("a temporary directory");
    words(place.path());
    println!("medians of {TIMES}");
    println!(
        "| line | the script, mails/s | ours on 8 connections | times the script | goal | ours on 1 | times the script |"
    );
    println!("|---|---|---|---|---|---|---|");
    for line in &LINES {
        compare(&postfix, line, place.path());
    }
}

fn compare(postfix: &Postfix, line: &Line, words: &Path) {
    let [ours, theirs] = line.mails;
    let backlog = Backlog::of(ours);
    let (mut script, mut on) = (vec![], [vec![], vec![]]);
    for _ in 0..TIMES {
        let sink = postfix.sink(theirs + 2 * ours);
        let port = if line.each_way.is_zero() {
            sink.port
        } else {
            slow_line(sink.port, line.each_way)
        };
        script.push(run_script(port, theirs, words));
        for (times, connections) in on.iter_mut().zip([8, 1]) {
            let way = Way {
                port,
                connections,
                authority: None,
            };
            times.push(backlog.deliver(&way).time);
        }
        sink.received();
    }
    let script = rate(theirs, median(&script));
    let [eight, one] = on.map(|times| rate(ours, median(&times)));
    println!(
        "| {} | {script:.0} | {eight:.0} | {:.1} | ≥ {} | {one:.0} | {:.1} |",
        line.name,
        eight / script,
        line.goal,
        one / script
    );
}

/// The words of one of our mails, for the script to put a name into.
fn words(place: &Path) {
    let (_, mail) = Backlog::sample(1);
    let mail = MessageParser::new().parse(&mail).expect("a mail");
    let text = mail.body_text(0).expect("a text");
    let html = mail.body_html(0).expect("a page");
    for (name, words) in [("text", text), ("html", html)] {
        assert!(words.contains("Jeton 0"), "the name of the token");
        std::fs::write(place.join(name), words.replace("Jeton 0", "{name}")).expect("a file");
    }
}

/// How long the script takes, by its own clock: from its first question until its last commit.
fn run_script(port: u16, mails: u32, words: &Path) -> Duration {
    let place = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/script.py"))
        .arg(place.path().join("script.db"))
        .arg(words)
        .args([port.to_string(), mails.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("python3");
    assert!(output.status.success(), "the script");
    let said = String::from_utf8_lossy(&output.stdout);
    Duration::from_secs_f64(said.trim().parse().expect("seconds"))
}
