//! `jetond check` and the texts of tokens: what is said of each place, and of the API. Whatever it
//! finds there, no command, in no form, at no level of its log, shows anything of it.

use std::fs;

use serde_json::Value;

use super::settings::JWT;
use crate::config::LEAST;
use crate::support::http_server::{Answer, HttpServer};
use crate::support::program::{Program, Running};
use crate::support::smtp_server::Cert;
use crate::support::{pipe, private_file};

/// The `jti` of [`JWT`].
const JTI: &str = "11111111-2222-4333-8444-555555555555";

/// Pieces of the token: of its text, of what is in it. Its `jti` is no secret: the config names it.
const PIECES: [&str; 5] = [
    "eyJhbGci",
    "eyJ1aWQi",
    "v-S5y1sROmw7",
    "BGbCmyaPN5CC",
    "attestation_fiscale_dgfip",
];

/// Nobody is there: whatever is asked at whatever hour, no test reaches the real API.
const NOWHERE: &str = "[probe]\nbase_url = \"https://127.0.0.1:1\"\nallowed_hosts = [\"127.0.0.1\"]\nallow_private = true\n";

fn token(id: &str, more: &str) -> String {
    format!(
        "[[token]]\nid = \"{id}\"\nname = \"T\"\nissued = 2026-01-01\nrecipients = [\"a@ville.example\", \"b@ville.example\"]\nsecret = {{ file = \"{id}.jwt\" }}\n{more}\n"
    )
}

fn declared(id: &str) -> String {
    token(id, &format!("jti = \"{JTI}\""))
}

/// A program with a file for the text of each of these tokens, readable by its owner only.
fn program(config: &str, texts: &[(&str, &str)]) -> Program {
    let program = Program::new(&format!("{LEAST}{config}"));
    for (id, text) in texts {
        let file = program.place().join(format!("{id}.jwt"));
        private_file(&file, text);
    }
    program
}

/// Exit code, and all that was written, on both streams.
fn run(program: &Program, args: &[&str]) -> (Option<i32>, String) {
    let ran = program
        .command(args)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let words = [ran.stdout, ran.stderr].map(|b| String::from_utf8(b).unwrap());
    (ran.status.code(), words.concat())
}

fn holds_none(words: &str) {
    for piece in PIECES {
        assert!(!words.contains(piece), "{piece} in:\n{words}");
    }
}

/// What `check --json` says of this token.
fn of<'r>(rows: &'r [Value], id: &str) -> &'r Value {
    let found = rows.iter().find(|r| {
        let message = r["message"].as_str().unwrap();
        r["check"] == "probe" && message.starts_with(&format!("{id}: "))
    });
    found.unwrap_or_else(|| panic!("{id} in {rows:#?}"))
}

#[test]
fn check_says_of_each_text_whether_it_is_this_tokens() {
    let config = [
        declared("good"),
        token("undeclared", ""),
        token("other", "jti = \"8c089a39-c02f-40b3-984b-bd8843f245a5\""),
        declared("cut"),
        token("empty", ""),
        token("absent", ""),
    ]
    .concat();
    let program = program(
        &config,
        &[
            ("good", &format!("{JWT}\n")),
            ("undeclared", &format!("Bearer {JWT}")),
            ("other", JWT),
            ("cut", &JWT[40..]),
            ("empty", "\n"),
        ],
    );
    let rows = program.json(&["--lang", "en", "check"]);
    for (id, severity, said) in [
        ("good", "ok", "its text can be read, and has its jti"),
        ("undeclared", "warning", "its jti is not declared"),
        ("other", "warning", "is another token, with another jti"),
        (
            "cut",
            "warning",
            "a token has three parts with dots between them, this text has 2",
        ),
        ("empty", "warning", "the secret is empty"),
        ("absent", "warning", "cannot be read"),
    ] {
        let row = of(&rows, id);
        assert_eq!(row["severity"], severity, "{row}");
        assert!(row["message"].as_str().unwrap().contains(said), "{row}");
        assert_eq!(row["ok"], true, "reminders do not depend on it");
        assert_eq!(row["help"].is_null(), id == "good", "{row}");
        let line = config
            .lines()
            .position(|l| l == format!("id = \"{id}\""))
            .unwrap();
        let place = (severity == "warning").then_some(LEAST.lines().count() + line);
        assert_eq!(row["line"].as_u64(), place.map(|n| n as u64), "{row}");
    }
    let advice = of(&rows, "undeclared")["help"].as_str().unwrap();
    assert!(advice.contains(&format!("jti = \"{JTI}\"")), "{advice}");
    let says_where = rows.iter().any(|r| {
        r["message"] == "the daemon asks entreprise.api.gouv.fr about 6 tokens, once a day from 23:00 on; this check asks nothing"
    });
    assert!(says_where, "{rows:#?}");
}

/// Without its authorities nothing is asked, however well each text can be read.
#[test]
fn check_says_that_the_authorities_of_the_api_are_missing() {
    let probe = "[probe]\nca_file = \"absent.pem\"\n";
    let program = program(&format!("{probe}{}", declared("t")), &[("t", JWT)]);
    let (code, words) = run(&program, &["--lang", "en", "check"]);
    assert_eq!(code, Some(0), "reminders do not depend on it: {words}");
    assert!(words.contains("absent.pem cannot be found"), "{words}");
}

#[test]
fn check_says_that_a_pipe_is_no_place_for_a_text() {
    let program = program(&token("t", ""), &[]);
    pipe(&program.place().join("t.jwt"));
    let (code, words) = run(&program, &["--lang", "en", "check"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("t.jwt is not a regular file"), "{words}");
}

#[test]
fn the_jti_on_record_goes_before_the_declared_one() {
    let over = token("t", "").replace("2026-01-01", "2024-01-01");
    let program = program(&format!("{NOWHERE}{over}"), &[("t", JWT)]);
    let (code, words) = run(&program, &["run", "--once"]);
    assert_eq!(code, Some(0), "{words}");
    let said = |program: &Program| {
        let rows = program.json(&["--lang", "en", "check"]);
        of(&rows, "t")["message"].as_str().unwrap().to_owned()
    };
    assert!(said(&program).contains("its jti is not declared"));
    // The record takes the jti from the token's text; the file goes on without one.
    let renewed = program
        .command(&["renew", "t", "--jwt", "-"])
        .stdin(fs::File::open(program.place().join("t.jwt")).unwrap())
        .output()
        .unwrap();
    assert!(renewed.status.success(), "{renewed:?}");
    assert!(said(&program).contains("has its jti"));
}

#[test]
fn a_knock_at_the_api_sends_no_token() {
    let server = HttpServer::start_tls(Answer::Status(200), Cert::Valid);
    let probe = format!(
        "[probe]\nbase_url = \"https://127.0.0.1:{}\"\nallowed_hosts = [\"127.0.0.1\"]\nca_file = {:?}\n",
        server.port(),
        server.ca_file()
    );
    let with = |more: &str| program(&format!("{probe}{more}{}", declared("t")), &[("t", JWT)]);
    let near = with("allow_private = true\n");
    let (code, words) = run(&near, &["--lang", "en", "check", "--online"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("a connection is made, with a valid certificate; no token was sent"),
        "{words}"
    );
    assert_eq!(server.asked(), [], "a knock asks nothing");
    holds_none(&words);

    let (code, words) = run(&with(""), &["--lang", "en", "check", "--online"]);
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("allow_private = true"), "{words}");

    for (cert, said) in [
        (Cert::Expired, "TLS: "),
        (Cert::WrongHost, "TLS: "),
        (Cert::UnknownCa, "TLS: "),
    ] {
        let bad = HttpServer::start_tls(Answer::Status(200), cert);
        let config = format!(
            "[probe]\nbase_url = \"https://127.0.0.1:{}\"\nallowed_hosts = [\"127.0.0.1\"]\nca_file = {:?}\nallow_private = true\n{}",
            bad.port(),
            bad.ca_file(),
            declared("t")
        );
        let program = program(&config, &[("t", JWT)]);
        let (code, words) = run(&program, &["--lang", "en", "check", "--online"]);
        assert_eq!(code, Some(6), "{words}");
        assert!(words.contains(said), "{words}");
        assert!(words.contains("no reminder depends on it"), "{words}");
        assert_eq!(bad.asked(), []);
        holds_none(&words);
    }

    // Without a secret nobody is knocked at.
    let idle = program(&format!("{probe}allow_private = true\n"), &[]);
    let (_, words) = run(&idle, &["check", "--online"]);
    assert!(
        !words.contains("https://127.0.0.1") && !words.contains("127.0.0.1:"),
        "{words}"
    );
}

#[test]
fn no_command_ever_shows_anything_of_a_token() {
    let config = [
        NOWHERE.to_owned(),
        declared("good"),
        token("other", "jti = \"8c089a39-c02f-40b3-984b-bd8843f245a5\""),
        declared("cut"),
        declared("long"),
    ]
    .concat();
    let program = program(
        &config,
        &[
            ("good", JWT),
            ("other", JWT),
            ("cut", &JWT[..JWT.len() - 50]),
            ("long", &JWT.repeat(100)),
        ],
    );
    for args in [
        &["check"][..],
        &["check", "--json"],
        &["check", "--file"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["run", "--once"],
        &["list", "--json"],
        &["show", "good"],
        &["status", "--json"],
        &["history"],
        &["check", "--json", "--lang", "fr"],
    ] {
        let (_, words) = run(&program, args);
        assert!(!words.is_empty(), "{args:?}");
        holds_none(&words);
    }
    // What lies in the directory, but for the secrets themselves.
    for entry in fs::read_dir(program.place()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.extension().is_none_or(|e| e != "jwt") {
            let bytes = fs::read(&path).unwrap();
            holds_none(&String::from_utf8_lossy(&bytes));
        }
    }
    // Pasted into the file, it is refused by every command alike.
    program.rewrite(&format!(
        "{LEAST}{NOWHERE}{}",
        declared("t").replace("{ file = \"t.jwt\" }", &format!("\"{JWT}\""))
    ));
    for args in [
        &["check"][..],
        &["check", "--json"],
        &["config", "show", "--json"],
        &["run", "--once"],
        &["list"],
        &["check", "--lang", "fr"],
    ] {
        let (code, words) = run(&program, args);
        assert_eq!(code, Some(3), "{args:?} {words}");
        holds_none(&words);
        assert!(words.contains("credential = "), "{words}");
    }
}

#[test]
fn a_reload_of_a_pasted_token_is_refused_and_its_words_hold_none_of_it() {
    let good = format!("{LEAST}{NOWHERE}{}", declared("t"));
    let program = program(&format!("{NOWHERE}{}", declared("t")), &[("t", JWT)]);
    let mut daemon = program.command(&["run"]);
    daemon.env("RUST_LOG", "jetond=trace");
    let running = Running::start(daemon);
    running.wait_for("watching");
    let pasted = good.replace("{ file = \"t.jwt\" }", &format!("\"{JWT}\""));
    assert_ne!(pasted, good);
    program.rewrite(&pasted);
    let (code, words) = run(&program, &["reload"]);
    assert_eq!(
        code,
        Some(3),
        "the command sees it before the daemon does: {words}"
    );
    holds_none(&words);
    running.signal("HUP");
    let mut words = running.words_until("the old configuration stays in force");

    program.rewrite(&good.replace("[probe]\n", "[probe]\nhour = 4\n"));
    running.signal("HUP");
    words.extend(running.words_until("reloaded"));
    running.signal("TERM");
    let (code, last) = running.ended_with_its_words();
    assert_eq!(code, Some(0));
    words.extend(last);
    holds_none(&words.join("\n"));
}
