//! `[web.metrics]`: what is wrong in it is told with its place in both languages, and the secret
//! is in no message; `check` says whether it can be read.

use crate::support::program::{Program, said};

fn config(metrics: &str) -> String {
    format!(
        "contact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n\
         [web]\nlisten = \"127.0.0.1:8080\"\n[web.metrics]\n{metrics}\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2030-01-01\nrecipients = [\"a@ville.example\"]\n"
    )
}

fn check(program: &Program, args: &[&str]) -> (Option<i32>, String) {
    let check = program.command(args).output().unwrap();
    (check.status.code(), said(&check))
}

#[test]
fn what_is_wrong_in_it_is_told_with_its_place_in_both_languages() {
    for (metrics, place, en, fr) in [
        (
            "tokens = \"yes\"",
            ":7:10",
            "without quotes",
            "sans guillemets",
        ),
        (
            "max_tokens = 0",
            ":7:14",
            "from 1 to 100000",
            "de 1 à 100000",
        ),
        (
            "max_tokens = \"many\"",
            ":7:14",
            "max_tokens = 10000",
            "max_tokens = 10000",
        ),
        (
            "token = \"s3cret-0123\"",
            ":7:9",
            "a secret must not stand in this file",
            "un secret n’a pas sa place dans ce fichier",
        ),
        (
            "token = { credential = \"a\", file = \"s3cret-0123\" }",
            ":7:9",
            "metrics.token",
            "metrics.token",
        ),
        ("tokenn = true", ":7:1", "did you mean", "vouliez-vous"),
    ] {
        let program = Program::new(&config(metrics));
        for (lang, words) in [("en", en), ("fr", fr)] {
            let (code, said) = check(&program, &["--lang", lang, "check", "--file"]);
            assert_eq!(code, Some(3), "{metrics}: {said}");
            for word in [place, words] {
                assert!(said.contains(word), "{word} in {said}");
            }
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}

#[test]
fn a_cap_without_series_and_a_secret_that_cannot_be_read_are_warned_about() {
    let idle = Program::new(&config("tokens = false\nmax_tokens = 5"));
    let (code, said) = check(&idle, &["--lang", "en", "check", "--file"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("config.toml:8:14"), "{said}");
    assert!(said.contains("no token has a series"), "{said}");

    let program = Program::new(&config("token = { file = \"metrics.token\" }"));
    let (code, said) = check(&program, &["--lang", "en", "check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("answered with 503"), "{said}");
    let secret = program.place().join("metrics.token");
    crate::support::private_file(&secret, "s3cret-0123");
    let (code, said) = check(&program, &["--lang", "en", "check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("/metrics and /readyz, by a secret"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}
