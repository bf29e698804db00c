//! Completion in shells: the ids of a real config and the mails of a real store, in bash, zsh
//! and fish themselves; and silence where there is nothing to tell.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::package::manual::commands;
use crate::package::source;
use crate::support::debian;
use crate::support::program::{Program, said};

/// Two tokens, one of whose ids bash cuts at the colon; mails may leave at any hour.
const CONFIG: &str = r#"contact = "dsi@ville.example"
[schedule]
window = "00:00-24:00"
[mail]
from = "jetons@ville.example"
transport = "sendmail"
sendmail = "/bin/false"
[[token]]
id = "marches-publics"
name = "Marchés publics: portail"
issued = 2026-03-15
[[token]]
id = "mairie-x:aides"
name = "Aides"
issued = 2026-03-15
"#;

/// What the shells' scripts are told for these words.
fn told(program: &Program, shell: &str, words: &[&str]) -> Vec<String> {
    let args = [&["complete", shell, "--", "jetond"], words].concat();
    let output = program.command(&args).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(ToOwned::to_owned).collect()
}

/// A shell in the program's directory that finds the program by its name.
fn in_shell(program: &Program, mut shell: Command) -> Output {
    let built = Path::new(env!("CARGO_BIN_EXE_jetond")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    shell
        .env("PATH", format!("{}:{path}", built.display()))
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", program.place())
        .current_dir(program.place())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A pass that leaves mails which nobody takes; each has a number.
fn with_mails() -> Program {
    let program = Program::new(&CONFIG.replace("issued = 2026-03-15", "expires = 2026-11-30"));
    let ran = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(6), "{}", said(&ran));
    program
}

#[test]
fn ids_come_from_the_file_and_nothing_is_made() {
    let program = Program::new(CONFIG);
    let both = ["marches-publics", "mairie-x:aides"];
    for command in [
        "show",
        "explain",
        "history",
        "preview",
        "renew",
        "supersede",
        "filed",
        "snooze",
        "revoke",
        "archive",
        "restore",
    ] {
        assert_eq!(told(&program, "bash", &[command, ""]), both, "{command}");
    }
    assert_eq!(
        told(&program, "bash", &["supersede", "marches-publics", ""]),
        both
    );
    assert_eq!(told(&program, "bash", &["show", "marc"]), both[..1]);
    // As bash cuts it.
    assert_eq!(
        told(&program, "bash", &["show", "mairie-x", ":"]),
        ["aides"]
    );
    let said = told(&program, "fish", &["show", "mai"]);
    assert_eq!(said, ["mairie-x:aides\tAides"]);
    let said = told(&program, "zsh", &["show", ""]);
    assert_eq!(said[0], "marches-publics:Marchés publics: portail");
    assert_eq!(said[1], "mairie-x\\:aides:Aides");
    // Another config than the one at hand.
    std::fs::create_dir(program.place().join("empty")).unwrap();
    std::fs::write(program.place().join("empty/config.toml"), "").unwrap();
    for words in [
        &["-c", "empty/config.toml", "show", ""][..],
        &["show", "--config=empty/config.toml", ""],
    ] {
        let said = told(&program, "zsh", words);
        assert!(said.iter().all(|l| l.starts_with('-')), "{said:?}");
    }
    let left: BTreeSet<_> = std::fs::read_dir(program.place())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, BTreeSet::from(["config.toml".into(), "empty".into()]));
}

#[test]
fn ids_and_mails_come_from_the_store_where_there_is_one() {
    let program = with_mails();
    // Gone from the file, still on record.
    program.rewrite(CONFIG.split("[[token]]").next().unwrap());
    let ids = told(&program, "bash", &["show", ""]);
    assert_eq!(ids.len(), 2, "{ids:?}");
    let mails = program.json(&["outbox", "list"]);
    let numbers: Vec<String> = mails.iter().map(|m| m["mail"].to_string()).collect();
    assert!(!numbers.is_empty());
    for command in ["show", "retry", "cancel"] {
        assert_eq!(
            told(&program, "bash", &["outbox", command, ""]),
            numbers,
            "{command}"
        );
    }
    let said = told(&program, "fish", &["outbox", "show", ""]);
    assert!(said[0].contains("\tdsi@ville.example, "), "{said:?}");
    assert!(!program.place().join("jetond.db-wal").exists());
}

#[test]
fn a_config_that_cannot_be_read_is_met_with_silence() {
    for config in [
        "[[token]\nid = \"a\"",
        "token = 3",
        "[store]\nurl = \"x:\"",
        "",
    ] {
        let program = Program::new(config);
        let ids: Vec<String> = told(&program, "bash", &["show", ""]);
        assert!(ids.iter().all(|l| l.starts_with('-')), "{ids:?}");
        std::fs::write(program.place().join("jetond.db"), "no database").unwrap();
        told(&program, "bash", &["outbox", "show", ""]);
        std::fs::remove_file(program.place().join("config.toml")).unwrap();
        told(&program, "bash", &["show", ""]);
        assert_eq!(told(&program, "bash", &["sho"]), ["show"]);
    }
}

#[test]
fn commands_options_and_values_are_completed() {
    let program = Program::new(CONFIG);
    let commands = told(&program, "bash", &[""]);
    assert!(commands.contains(&"simulate".to_owned()), "{commands:?}");
    assert!(!commands.contains(&"complete".to_owned()), "{commands:?}");
    assert_eq!(told(&program, "bash", &["list", "--al"]), ["--all"]);
    assert_eq!(
        told(&program, "bash", &["preview", "--format", "=", "h"]),
        ["html"]
    );
    assert_eq!(told(&program, "bash", &["-c", "conf"]), ["config.toml"]);
    let codes = told(&program, "fish", &["explain-code", "401/00103"]);
    assert_eq!(codes, ["401/00103\tle jeton a expiré"]);
}

/// Names in capitals that stand for values, which no program can know; ids and numbers of mails
/// are completed. A new one is to be put here, or into `cli::complete`.
const FREE: [&str; 6] = ["ADDRESS", "DIR", "NUMBER", "OPTIONS", "PAGE", "SHELL"];

#[test]
fn what_a_command_takes_is_completed_or_known_not_to_be() {
    let program = with_mails();
    for (words, help) in commands(&program) {
        let usage = help.lines().find(|l| l.starts_with("Usage:")).unwrap();
        let is_name = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_uppercase());
        for value in usage.split([' ', '[', ']', '<', '>', '.']).filter(is_name) {
            if value == "COMMAND" || FREE.contains(&value) {
                continue;
            }
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.push("");
            let known = told(&program, "bash", &words);
            let is_option = |k: &String| k.starts_with('-');
            assert!(!known.iter().all(is_option), "{value} of {words:?}");
        }
    }
}

#[test]
fn bash_completes() {
    let program = Program::new(CONFIG);
    let complete = |words: &str, cword: usize, last: &str| {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c"]).arg(format!(
            "source <(jetond completions bash); COMP_WORDS=({words}); COMP_CWORD={cword}; \
             _jetond jetond '{last}' x; printf '%s\\n' \"${{COMPREPLY[@]}}\"; complete -p jetond"
        ));
        let output = in_shell(&program, bash);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    };
    let registered = "complete -o nosort -F _jetond jetond\n";
    assert_eq!(
        complete("jetond show ''", 2, ""),
        format!("marches-publics\nmairie-x:aides\n{registered}")
    );
    assert_eq!(
        complete("jetond show mairie-x : ''", 4, ""),
        format!("aides\n{registered}")
    );
    assert_eq!(
        complete("jetond sho more words", 1, "sho"),
        format!("show\n{registered}")
    );
}

#[test]
fn fish_completes() {
    let Some(root) = debian::unpacked(&["fish", "fish-common"]) else {
        return;
    };
    let program = Program::new(CONFIG);
    let mut fish = Command::new(root.join("usr/bin/fish"));
    fish.env("LD_LIBRARY_PATH", debian::libraries(&root)).args([
        "--no-config",
        "-c",
        "jetond completions fish | source; complete -C 'jetond show '; complete -C 'jetond list --al'",
    ]);
    let output = in_shell(&program, fish);
    let said = said(&output);
    assert_eq!(
        said,
        "marches-publics\tMarchés publics: portail\nmairie-x:aides\tAides\n--all\tAlso the tokens that are no longer watched\n"
    );
}

#[test]
fn zsh_completes() {
    let Some(root) = debian::unpacked(&["zsh", "zsh-common"]) else {
        return;
    };
    let program = Program::new(CONFIG);
    // As the package installs it, and as a person may source it.
    for load in [
        format!(
            "fpath=({} $fpath); autoload -Uz compinit; compinit -u -D",
            source("packaging/completions").display()
        ),
        "autoload -Uz compinit; compinit -u -D; source <(jetond completions zsh)".to_owned(),
    ] {
        // It waits for what it expects to see.
        let mut zsh = Command::new("timeout");
        zsh.arg("60")
            .arg(root.join("bin/zsh"))
            .env("LD_LIBRARY_PATH", debian::libraries(&root))
            .env("ZSH_ROOT", &root)
            .env("ZSH_LOAD", load)
            .arg("-f")
            .arg(source("tests/it/package/complete.zsh"));
        let output = in_shell(&program, zsh);
        let said = said(&output);
        for id in ["marches-publics", "mairie-x:aides"] {
            assert!(said.contains(id), "{id}: {said:?}");
        }
        assert!(said.contains("-- Aides"), "{said:?}");
    }
}
