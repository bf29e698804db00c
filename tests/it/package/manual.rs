//! The manual: a page for every command, every option and every key; without a word of the
//! linters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use jetond::config::KEYS;

use crate::support::debian;
use crate::support::program::{Program, said};

/// The pages, written by the program.
fn written() -> (Program, PathBuf) {
    let program = Program::new("");
    let ran = program
        .command(&["--lang", "en", "man", "--out", "pages"])
        .env("SOURCE_DATE_EPOCH", "1795000000")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", said(&ran));
    let pages = program.place().join("pages");
    (program, pages)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// What a page says, free of roff's escapes and fonts.
fn plain(page: &Path) -> String {
    let text = std::fs::read_to_string(page).unwrap();
    text.replace("\\fB", "")
        .replace("\\fI", "")
        .replace("\\fR", "")
        .replace("\\-", "-")
        .replace("\\*(Aq", "'")
        .replace("\\&", "")
}

/// The commands with what their `--help` says, as `--help` itself names them.
pub(crate) fn commands(program: &Program) -> Vec<(Vec<String>, String)> {
    let (mut found, mut pending) = (Vec::new(), vec![Vec::new()]);
    while let Some(words) = pending.pop() {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = said(&program.command(&args).output().unwrap());
        if let Some((_, list)) = help.split_once("\nCommands:\n") {
            for line in list.lines().take_while(|l| !l.is_empty()) {
                let name = line.split_whitespace().next().unwrap();
                if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
                    let mut below = words.clone();
                    below.push(name.to_owned());
                    pending.push(below);
                }
            }
        }
        found.push((words, help));
    }
    found
}

#[test]
fn every_command_has_a_page_with_its_options() {
    let (program, pages) = written();
    let commands = commands(&program);
    assert!(commands.len() > 15, "{commands:?}");
    let mut expected = BTreeSet::new();
    for (words, help) in commands {
        let name = [&["jetond".to_owned()], words.as_slice()]
            .concat()
            .join("-");
        let page = plain(&pages.join(format!("man1/{name}.1")));
        for option in help.split_whitespace().filter(|w| w.starts_with("--")) {
            let option = option.trim_end_matches(|c: char| !c.is_ascii_lowercase());
            assert!(page.contains(option), "{name}: {option}");
        }
        assert!(page.contains(".SH \"EXIT STATUS\""), "{name}");
        assert!(page.contains("BR jetond.toml (5)"), "{name}");
        expected.insert(format!("{name}.1"));
    }
    let there: BTreeSet<String> = files(&pages.join("man1"))
        .iter()
        .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(there, expected);
}

#[test]
fn the_page_of_the_config_has_every_key_in_both_languages() {
    let (_program, pages) = written();
    for (place, in_french) in [("man5", false), ("fr/man5", true)] {
        let page = plain(&pages.join(place).join("jetond.toml.5"));
        let lines: Vec<&str> = page.lines().collect();
        let mut from = 0;
        for key in KEYS {
            let doc = if in_french { key.doc_fr } else { key.doc_en };
            let value = key.default.unwrap_or(key.example);
            let term = format!("{} = {value}  (", key.name);
            let found = (from..lines.len() - 1).find(|&at| {
                lines[at].starts_with(&term) && lines[at + 1].replace('\u{a0}', " ") == doc
            });
            from = found.unwrap_or_else(|| panic!("{place}: {} is missing", key.path())) + 1;
        }
    }
}

#[test]
fn a_page_is_printed_by_any_of_its_names() {
    let (program, pages) = written();
    let printed = |args: &[&str]| {
        let ran = program
            .command(args)
            .env("SOURCE_DATE_EPOCH", "1795000000")
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", said(&ran));
        String::from_utf8(ran.stdout).unwrap()
    };
    for (args, file) in [
        (&["man"][..], "man1/jetond.1"),
        (&["man", "outbox-list"], "man1/jetond-outbox-list.1"),
        (&["man", "jetond-list.1"], "man1/jetond-list.1"),
        (&["man", "jetond-config"], "man1/jetond-config.1"),
        (&["--lang", "en", "man", "config"], "man5/jetond.toml.5"),
        (&["--lang", "fr", "man", "config"], "fr/man5/jetond.toml.5"),
        (&["--lang", "fr", "man", "list"], "man1/jetond-list.1"),
    ] {
        let page = std::fs::read_to_string(pages.join(file)).unwrap();
        assert_eq!(printed(args), page, "{args:?}");
    }
    let unknown = program.command(&["man", "lst"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(4), "{}", said(&unknown));
    assert!(said(&unknown).contains("simulate"), "{}", said(&unknown));
    assert!(!program.place().join("jetond.db").exists());
}

#[test]
fn linters_have_nothing_to_say() {
    let Some(root) = debian::unpacked(&["mandoc"]) else {
        return;
    };
    let (_program, pages) = written();
    for page in files(&pages) {
        let ran = Command::new(root.join("usr/bin/mandoc"))
            .args(["-Tlint", "-Wwarning"])
            .arg(&page)
            .output()
            .unwrap();
        assert_eq!(said(&ran), "", "{}", page.display());
    }
}
