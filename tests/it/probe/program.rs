//! `jetond probe`: what it refuses, and with which words and exit codes.

use serde_json::Value;

use super::{declared, head};
use crate::support::program::{Program, said};

fn told(program: &Program, args: &[&str]) -> (i32, Value, String) {
    let output = program.command(args).arg("--json").output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let code = answer["error"]["code"].clone();
    (output.status.code().unwrap(), code, said(&output))
}

#[test]
fn what_cannot_be_asked_about_is_refused_with_what_to_do() {
    let program = Program::new(&(head() + &declared("m", "2099-12-01")));
    let nothing = program.command(&["probe"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(5), "{}", said(&nothing));
    let made = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    for (args, exit, code) in [
        (&["probe", "elsewhere"][..], 4, "not_found"),
        (&["probe", "m"][..], 5, "no_secret"),
        (&["probe"][..], 5, "no_secret"),
    ] {
        let (found, word, said) = told(&program, args);
        assert_eq!((found, word.as_str()), (exit, Some(code)), "{said}");
    }
    for (lang, words) in [
        ("fr", "aucun secret n’est donné pour `m`"),
        ("en", "no secret is given for `m`"),
    ] {
        let output = program
            .command(&["--lang", lang, "probe", "m"])
            .output()
            .unwrap();
        let said = said(&output);
        assert!(
            said.contains(words) && said.contains("secret = { credential"),
            "{said}"
        );
    }
}
