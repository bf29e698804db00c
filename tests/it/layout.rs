//! The architecture as a test: who may import whom, and what no file may contain.
//!
//! A module that is not in the table fails here until someone has decided what it may import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the files at a path below `src` may import of ours, besides what lies beside them.
/// The longest path that fits a file counts.
const MAY_IMPORT: [(&str, &[&str]); 25] = [
    ("domain", &[]),
    ("clock", &["domain"]),
    ("config", &["domain"]),
    ("store", &["domain"]),
    ("renewal", &["domain", "store"]),
    ("words", &["domain", "renewal", "store"]),
    ("tick", &["domain", "store"]),
    ("tidy", &["domain", "store"]),
    ("http", &["domain"]),
    ("meter", &["domain", "store"]),
    ("delivery", &["config", "domain", "meter", "store"]),
    ("delivery/compose", &["domain"]),
    ("health", &["domain", "meter", "store"]),
    ("systemd", &[]),
    ("heartbeat", &["config", "health", "http", "meter"]),
    ("simulate", &["delivery", "store", "tick"]),
    (
        "tell",
        &["delivery", "domain", "health", "simulate", "store", "tick"],
    ),
    (
        "posts",
        &["config", "delivery", "domain", "health", "http", "store"],
    ),
    (
        "probe",
        &["config", "delivery", "domain", "http", "renewal", "store"],
    ),
    ("agenda", &["delivery", "domain", "store"]),
    (
        "web",
        &[
            "agenda", "config", "delivery", "domain", "health", "meter", "renewal", "simulate",
            "store", "tick", "words",
        ],
    ),
    (
        "app",
        &[
            "config", "delivery", "domain", "health", "meter", "posts", "probe", "renewal",
            "store", "tell", "tick", "tidy", "web",
        ],
    ),
    (
        "daemon",
        &[
            "app",
            "clock",
            "config",
            "delivery",
            "domain",
            "health",
            "heartbeat",
            "meter",
            "renewal",
            "store",
            "systemd",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "agenda",
            "app",
            "clock",
            "config",
            "daemon",
            "delivery",
            "domain",
            "health",
            "heartbeat",
            "posts",
            "probe",
            "renewal",
            "simulate",
            "store",
            "systemd",
            "tick",
            "web",
            "words",
        ],
    ),
    ("main", &["cli"]),
];

/// What no file contains, and where it may stand all the same.
const NOWHERE: [(&str, &str); 10] = [
    (concat!("println", "!"), ""),
    (concat!("eprint", "!"), ""),
    (concat!("dbg", "!"), ""),
    (concat!("todo", "!"), ""),
    (concat!("unimplemented", "!"), ""),
    (concat!("#[", "ignore"), ""),
    (concat!("#[", "allow("), ""),
    (concat!("#![", "allow("), ""),
    (concat!("Utc::", "now"), "src/clock.rs"),
    (concat!("SystemTime::", "now"), "src/clock.rs"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a directory of the package, by their path from the package, with what
/// is in them.
fn files(directory: &str) -> BTreeMap<String, String> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![root().join(directory)]);
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The module of a file of `src`: `src/store/mod.rs` and `src/store/lock.rs` give `store` and
/// `store/lock`.
fn module(file: &str) -> String {
    let path = Path::new(file.strip_prefix("src/").unwrap()).with_extension("");
    let path = path.to_str().unwrap();
    path.strip_suffix("/mod").unwrap_or(path).to_owned()
}

fn is_within(module: &str, part: &str) -> bool {
    module
        .strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The code without comments; what is in strings does not look like a path.
fn code(text: &str) -> String {
    let line = |l: &str| {
        l.split_once("//")
            .map_or(l, |(code, _)| code)
            .trim()
            .to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("")
}

/// The modules that a file names, as `a/b` for `crate::a::b::C` and for `crate::{a::b::C, d}`.
fn imports(code: &str, root: &str) -> BTreeSet<String> {
    code.match_indices(root)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
        })
        .flat_map(|(at, _)| {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                None => vec![rest],
                Some(group) => members(group),
            }
        })
        .map(|path| {
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            path[..end.unwrap_or(path.len())]
                .trim_end_matches(':')
                .replace("::", "/")
        })
        .collect()
}

/// The members of a `{…}` whose opening brace is gone.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                found.push(group[from..at].trim());
                from = at + 1;
            }
            '}' if depth == 0 => {
                found.push(group[from..at].trim());
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|m| !m.is_empty());
    found
}

#[test]
fn every_module_imports_only_what_it_may() {
    let mut wrong = Vec::new();
    for (file, text) in files("src") {
        let module = module(&file);
        if module == "lib" {
            continue;
        }
        let code = code(&text);
        let root = if module == "main" {
            "jetond::"
        } else {
            "crate::"
        };
        let Some((part, may)) = MAY_IMPORT
            .iter()
            .filter(|(part, _)| is_within(&module, part))
            .max_by_key(|(part, _)| part.len())
        else {
            wrong.push(format!("{file}: its module is not in the table"));
            continue;
        };
        for import in imports(&code, root) {
            let allowed = is_within(&import, part) || may.iter().any(|m| is_within(&import, m));
            if !allowed {
                wrong.push(format!("{file}: {part} may not import {import}"));
            }
        }
        // Ways around the rule above.
        let around = concat!("super::", "super");
        if code.contains(around) || (!module.contains('/') && text.contains("\nuse super::")) {
            wrong.push(format!("{file}: say crate:: instead of super::"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_the_map_and_the_directory_name_the_same_modules() {
    let files = files("src");
    let top = |m: &String| m.split('/').next().unwrap().to_owned();
    let mut there: BTreeSet<String> = files.keys().map(|f| top(&module(f))).collect();
    there.remove("lib");
    let table: BTreeSet<String> = MAY_IMPORT
        .iter()
        .map(|(m, _)| top(&(*m).to_owned()))
        .collect();
    assert_eq!(table, there);

    there.remove("main");
    let map = &files["src/lib.rs"];
    let declared: Vec<&str> = map
        .lines()
        .filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let told: Vec<&str> = map
        .lines()
        .filter_map(|l| Some(l.strip_prefix("//! - [`")?.split_once("`]")?.0))
        .collect();
    assert_eq!(declared, told, "the map tells the modules in their order");
    assert_eq!(declared.len(), there.len());
    assert!(declared.iter().all(|m| there.contains(*m)));
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let all = files("src").into_iter().chain(files("tests"));
    let silent: Vec<String> = all
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn nothing_prints_reads_the_clock_or_is_left_for_later() {
    let mut found = Vec::new();
    for (file, text) in files("src").into_iter().chain(files("tests")) {
        for (what, but_in) in NOWHERE {
            if file != but_in && text.contains(what) {
                found.push(format!("{file}: {what}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn imports_are_found_in_every_spelling() {
    let of = |code| imports(code, "crate::").into_iter().collect::<Vec<_>>();
    assert_eq!(of("use crate::store::{Store, lock};"), ["store"]);
    assert_eq!(of("let x = crate::clock::now();"), ["clock/now"]);
    assert_eq!(
        of("use crate::{app::{self, Rig}, clock, domain::link::Link};"),
        ["app", "clock", "domain/link/Link"]
    );
    assert!(of("mycrate::a; annotate::crate::b").is_empty());
}
