//! `jetond check` of a file of 10,000 tokens; goal: under 1 s.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use support::{TO_FILES, date, head, jetond, median, ms, person, place, ratio, timed, token};

fn main() {
    let mut text = head(TO_FILES);
    for i in 0..10_000 {
        let issued = date("2026-10-31") - chrono::Days::new(i * 7919 % 545);
        let i = usize::try_from(i).expect("a small number");
        let recipients = [person(2 * i % 3000), person((2 * i + 1) % 3000)];
        token(&mut text, &format!("jeton-{i}"), issued, &recipients);
    }
    let (_place, file) = place(&text);
    let (mut whole, mut parsing) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        whole.push(jetond(&file, &["check"]));
        let (time, table) = timed(|| toml::de::DeTable::parse(&text).map(drop));
        table.expect("the file is TOML");
        parsing.push(time);
    }
    let (whole, parsing) = (median(&whole), median(&parsing));
    println!("10,000 tokens, {} kB, medians of 7", text.len() / 1000);
    println!("| what | ms | of parsing |\n|---|---|---|");
    println!(
        "| `jetond check` | {} | {} |",
        ms(whole),
        ratio(whole, parsing)
    );
    println!("| parsing the TOML alone | {} | 1 |", ms(parsing));
}
