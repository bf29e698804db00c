//! Streams: terminals with and without colour, pipes that close, streams that were never open.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::cli::place::{Place, Ran};

/// Runs a command in a terminal of 80 columns; `None` where there is no `script`.
fn in_a_terminal(place: &Place, words: &str) -> Option<String> {
    let line = format!(
        "stty cols 80 rows 24; '{}' {words}",
        env!("CARGO_BIN_EXE_jetond")
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.root())
        .env_remove("COLUMNS")
        .env("TERM", "xterm")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8(output.stdout).unwrap().replace('\r', ""))
}

#[test]
fn no_colour_where_none_is_wanted() {
    let place = Place::new();
    for words in [
        "list",
        "show nothing",
        "lst",
        "--help",
        "-c nowhere.toml check",
        "run --once",
    ] {
        let ran = place.run(words);
        assert!(
            !ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'),
            "{words}"
        );
    }
    let Some(coloured) = in_a_terminal(&place, "show nothing") else {
        return;
    };
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    std::fs::write(place.path("broken.toml"), "timezone = 3").unwrap();
    for words in [
        "show nothing",
        "lst",
        "--help",
        "",
        "-c broken.toml check",
        "simulate --to 2030-01-01",
        "run --once",
    ] {
        let line = format!(
            "NO_COLOR=1; export NO_COLOR; '{}' {words}",
            env!("CARGO_BIN_EXE_jetond")
        );
        let place_line = format!("--version; {line}");
        let said = in_a_terminal(&place, &place_line).unwrap();
        assert!(!said.contains("\u{1b}["), "{words}: {said:?}");
    }
}

#[test]
fn in_80_columns_only_words_are_parted() {
    let long = "instruction-des-aides-sociales-du-departement";
    let place = Place::with(long, "aides");
    for words in [
        "list",
        "explain marches-publics",
        "simulate --from 2026-09-01 --to 2026-12-31",
        "outbox list",
        "history",
    ] {
        let Some(said) = in_a_terminal(&place, words) else {
            return;
        };
        let wide = said.lines().find(|l| l.chars().count() > 80);
        assert_eq!(wide, None, "{words}: {said}");
    }
    let place = Place::new();
    let list = in_a_terminal(&place, "list").unwrap();
    for whole in [long, "2028-02-29", "2028-01-30 (30)"] {
        assert!(list.contains(whole), "{list}");
    }
    let show = in_a_terminal(&place, &format!("show {long}")).unwrap();
    assert!(show.contains("une-adresse-plutot-longue@communaute-de-communes.example"));
    // Elsewhere a row is a line.
    assert_eq!(place.run("list").out.lines().count(), 3);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    for words in [
        "preview marches-publics --format html",
        "config show",
        "simulate --from 2020-01-01",
        "--help",
    ] {
        let args: Vec<&str> = words.split(' ').collect();
        let mut child = place
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{words}: {err}");
        assert!(!err.contains("panicked"), "{words}: {err}");
    }
}

#[test]
fn closed_streams_are_no_failure() {
    let place = Place::new();
    for words in [
        "list",
        "--help",
        "simulate --from 2020-01-01 --json",
        "status --at 2026-11-10",
        "lst",
        "--json lst",
    ] {
        for closed in [">&-", "2>&-", ">&- 2>&- <&-"] {
            let line = format!("'{}' {words} {closed}", env!("CARGO_BIN_EXE_jetond"));
            let ran = Ran::of(
                Command::new("sh")
                    .args(["-c", &line])
                    .current_dir(place.root()),
            );
            let expected = if words.contains("lst") { 2 } else { 0 };
            assert_eq!(ran.code, expected, "{line}: {ran:?}");
        }
    }
}

#[test]
fn a_full_disk_under_stdout_is_told() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let place = Place::new();
    let line = format!(
        "'{}' --lang en list > /dev/full",
        env!("CARGO_BIN_EXE_jetond")
    );
    let ran = Ran::of(
        Command::new("sh")
            .args(["-c", &line])
            .current_dir(place.root()),
    );
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the output cannot be written"), "{ran:?}");
}
