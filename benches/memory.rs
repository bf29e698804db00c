//! The peak of resident memory: `run --once` with 100,000 mails due over SMTP, goal 64 MB, and the
//! daemon with tokens that are not due.
//!
//! The peak is the kernel's own (`VmHWM`), read until the process ends. The mails are counted at
//! the sink and on record.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::backlog::{self, Backlog, Way};
use support::postfix::Postfix;
use support::{JETOND, Running, TO_FILES, head, kilobytes, ms, place, token};

const MAILS: u32 = 100_000;
const GOAL_KB: u64 = 64_000;
/// Between two looks: what grows within the last of them is not seen.
const LOOK: Duration = Duration::from_millis(5);

fn main() {
    if backlog::delivered() {
        return;
    }
    println!("| what | ms | VmHWM, kB | VmRSS, kB | goal |\n|---|---|---|---|---|");
    due();
    for tokens in [1, 10_000] {
        let [peak, now] = idle(tokens);
        println!("| `run`, {tokens} tokens of the file, after 5 s | | {peak} | {now} | |");
    }
}

/// One pass over imported tokens, of each of which a reminder is due.
fn due() {
    let postfix = Postfix::unpacked();
    let backlog = Backlog::of(MAILS);
    let sink = postfix.sink(MAILS);
    let place = backlog.to_be_planned(&Way {
        port: sink.port,
        connections: 8,
        authority: None,
    });
    let began = Instant::now();
    let mut run = Running(place.run_once().spawn().expect("the binary starts"));
    let (mut peak, mut last) = (0, 0);
    let status = loop {
        peak = kilobytes(run.0.id(), "VmHWM").unwrap_or(peak);
        last = kilobytes(run.0.id(), "VmRSS").unwrap_or(last);
        if let Some(status) = run.0.try_wait().expect("a process of ours") {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    assert!(status.success(), "run --once: {status}");
    place.hold_that_all_are_on_record();
    sink.received();
    println!(
        "| `run --once`, {MAILS} mails due, tokens imported | {} | {peak} | {last} | ≤ {GOAL_KB} |",
        ms(began.elapsed())
    );
}

/// The peak and the present resident memory of a daemon with nothing to do.
fn idle(tokens: usize) -> [u64; 2] {
    let mut text = head(TO_FILES);
    let issued = jetond::clock::now().date_naive() - chrono::Months::new(1);
    for n in 0..tokens {
        let recipient = [format!("personne.{n}@ville.example")];
        token(&mut text, &format!("jeton-{n}"), issued, &recipient);
    }
    let (_place, file) = place(&text);
    let mut daemon = Running(
        Command::new(JETOND)
            .arg("--config")
            .arg(&file)
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts"),
    );
    std::thread::sleep(Duration::from_secs(5));
    assert!(
        daemon.0.try_wait().is_ok_and(|ended| ended.is_none()),
        "the daemon ended"
    );
    ["VmHWM", "VmRSS"].map(|key| kilobytes(daemon.0.id(), key).expect("Linux's /proc"))
}
