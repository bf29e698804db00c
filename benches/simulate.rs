//! `jetond simulate --json` of 10,000 tokens over 18 months; goal: under 2 s.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::process::Command;

use support::{JETOND, TO_FILES, date, head, jetond, median, ms, person, place, token};

/// The recipients of the n-th token.
type Recipients = fn(usize) -> Vec<String>;

fn main() {
    let cases: [(&str, Recipients); 2] = [
        ("2 recipients of a pool of 3,000", |i| {
            vec![person(2 * i % 3000), person((2 * i + 1) % 3000)]
        }),
        ("1 recipient, another for each", |i| vec![person(i)]),
    ];
    println!("10,000 tokens, 18 months, none renewed; medians of 3");
    println!("| recipients | mails | ms | µs a mail |\n|---|---|---|---|");
    for (name, recipients) in cases {
        let mut text = head(TO_FILES);
        for i in 0..10_000 {
            let issued = date("2026-10-31") - chrono::Days::new(i * 7919 % 545);
            let i = usize::try_from(i).expect("a small number");
            token(&mut text, &format!("jeton-{i}"), issued, &recipients(i));
        }
        let (_place, file) = place(&text);
        let arguments = ["simulate", "--json", "--from", "2026-11-01"];
        let times: Vec<_> = (0..3).map(|_| jetond(&file, &arguments)).collect();
        let time = median(&times);
        let mails = mails(&file, &arguments);
        let each = time.as_secs_f64() * 1e6 / f64::from(mails.max(1));
        println!("| {name} | {mails} | {} | {each:.1} |", ms(time));
    }
}

/// How many mails it announces.
fn mails(file: &std::path::Path, arguments: &[&str]) -> u32 {
    let output = Command::new(JETOND)
        .arg("--config")
        .arg(file)
        .args(arguments)
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    u32::try_from(said.matches("\"kind\":").count()).unwrap_or(u32::MAX)
}
