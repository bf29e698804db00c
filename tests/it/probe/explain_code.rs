//! `jetond explain-code`: every row in words, whole answers from standard input, and what to write
//! instead of what is none.

use std::io::Write as _;
use std::process::{Output, Stdio};

use jetond::domain::verdict::ROWS;
use serde_json::Value;

use crate::cli::snapshots::faults;
use crate::support::program::Program;

const JWT: &str = concat!(
    "eyJhbGciOiJIUzI1NiJ9.",
    "eyJqdGkiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifQ.",
    "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
);

/// A directory without a config, a record or a token.
fn nowhere() -> Program {
    let program = Program::new("");
    std::fs::remove_file(program.place().join("config.toml")).unwrap();
    program
}

fn ran(args: &[&str], input: &[u8]) -> Output {
    let program = nowhere();
    let mut command = program.command(&[&["explain-code"], args].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that needs no input ends without reading it.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(std::fs::read_dir(program.place()).unwrap().count(), 0);
    for said in [&output.stdout, &output.stderr] {
        let said = String::from_utf8_lossy(said);
        assert!(!said.contains("panicked"), "{said}");
        assert!(!said.contains("eyJ"), "{said}");
    }
    output
}

fn told(args: &[&str], input: &[u8]) -> String {
    let mut told = String::new();
    for lang in ["fr", "en"] {
        let output = ran(&[&["--lang", lang], args].concat(), input);
        told += &format!("$ jetond --lang {lang} explain-code {}\n", args.join(" "));
        told += std::str::from_utf8(&output.stdout).unwrap();
        for line in std::str::from_utf8(&output.stderr).unwrap().lines() {
            told += &format!("2> {line}\n");
        }
        told += &format!("= {}\n\n", output.status.code().unwrap());
        if lang == "fr" {
            for said in [&output.stdout, &output.stderr] {
                // What a server said is set as it set it.
                let said = std::str::from_utf8(said).unwrap().lines();
                let ours: Vec<&str> = said.filter(|l| !l.starts_with("il est dit")).collect();
                assert_eq!(faults(&ours.join("\n")), Vec::<String>::new(), "{ours:?}");
            }
        }
    }
    told.replace('\u{a0}', "~")
}

fn json(args: &[&str], input: &[u8]) -> Vec<Value> {
    let output = ran(&[&["--json"], args].concat(), input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "jetond.explain-code/1");
    document["data"].as_array().unwrap().clone()
}

fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots");
    settings
}

const WHOLE: &str = "HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 429\r\ncontent-type: application/json\r\n\
    RETRY-AFTER: Fri, 01 Jan 2100 00:00:00 GMT\r\nset-cookie: \u{1b}[2J\r\n\r\n\
    {\"errors\":[{\"code\":\"00429\",\"title\":\"Trop de requêtes\",\"detail\":\"Patience\"}]}";

#[test]
fn in_words() {
    snapshots().bind(|| {
        insta::assert_snapshot!("explain_code_table", told(&[], b""));
        let every: String = ROWS
            .iter()
            .map(|r| match (r.status, r.code) {
                (Some(status), Some(code)) => format!("{status}/{code}"),
                (Some(status), None) => status.to_string(),
                (None, _) => r.case.word().to_owned(),
            })
            .chain([
                "401".to_owned(),
                "00105".to_owned(),
                "599".to_owned(),
                "404/01003".to_owned(),
            ])
            .map(|code| told(&[&code], b""))
            .collect();
        insta::assert_snapshot!("explain_code_every", every);
    });
}

#[test]
fn wrong_input_is_told_what_to_write() {
    let wrong = [
        "4O1",
        "abc",
        "418",
        "401/00100",
        "401/99999",
        "99999",
        "0",
        "-1",
        "401/",
        "",
        "401/00103/x",
        "é/00103",
        JWT,
    ];
    let mut all = String::new();
    for code in wrong {
        let shown = told(&["--", code], b"");
        assert_eq!(shown.matches("= 2\n").count(), 2, "{shown}");
        assert!(
            shown.contains("aide~:") && shown.contains("help:"),
            "{shown}"
        );
        all += &shown.replace(JWT, "[token]");
    }
    for body in [&b""[..], b" \n", b"{}", b"<html>", br#"{"errors":["x"]}"#] {
        let shown = told(&["-"], body);
        assert_eq!(shown.matches("= 2\n").count(), 2, "{shown}");
        all += &shown;
    }
    snapshots().bind(|| insta::assert_snapshot!("explain_code_wrong", all));
}

#[test]
fn a_whole_answer_is_read_with_its_head() {
    let row = &json(&["-"], WHOLE.as_bytes())[0];
    assert_eq!(
        (&row["case"], &row["status"]),
        (&"over_volume".into(), &429.into())
    );
    assert!(row["not_before"].is_string());
    assert_eq!(row["codes"], serde_json::json!(["00429"]));
    let shown = told(&["-"], WHOLE.as_bytes());
    assert!(
        shown.contains("not before") && shown.contains("pas~avant") | shown.contains("pas avant")
    );

    let answer = "HTTP/1.1 200 OK\nRateLimit-Limit: 250\nratelimit-remaining: 3\nRATELIMIT-RESET: 20\n\n\
        {\"data\":{\"privileges\":[\"entreprises\"]}}";
    let row = &json(&["-"], answer.as_bytes())[0];
    assert_eq!(row["scopes"], serde_json::json!(["entreprises"]));
    assert_eq!(row["volume"]["remaining"], 3);
    let portal = b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n<html>proxy</html>";
    assert_eq!(json(&["-"], portal)[0]["case"], "not_understood");
    assert_eq!(json(&["-"], portal)[0]["token"], "unknown");
}

#[test]
fn a_body_alone_tells_what_it_can() {
    for (body, case) in [
        (r#"{"errors":[{"code":"00103","title":"x"}]}"#, "expired"),
        (r#"{"errors":[{"code":"00107"}]}"#, "address_not_allowed"),
        (r#"{"errors":["x"],"gateway_error":true}"#, "gateway_error"),
        (
            r#"{"errors":["x"],"gateway error":"true"}"#,
            "gateway_error",
        ),
        (r#"{"privileges":[]}"#, "complete"),
    ] {
        assert_eq!(json(&["-"], body.as_bytes())[0]["case"], case, "{body}");
    }
}

#[test]
fn no_token_is_repeated_and_rubbish_is_bounded() {
    let answer = format!("HTTP/1.1 500\n\nBearer {JWT} {}", "x".repeat(10_000_000));
    let row = &json(&["-"], answer.as_bytes())[0];
    assert_eq!(row["case"], "internal_error");
    assert!(row["said"].as_str().unwrap().chars().count() <= 512);
    for garbage in [
        &b"HTTP/"[..],
        b"HTTP/1.1",
        b"HTTP/1.1 x\n\n",
        b"\xff\xfe",
        b"HTTP/1.1 99999 x\n",
    ] {
        let output = ran(&["-"], garbage);
        assert_eq!(output.status.code(), Some(2), "{garbage:?}");
    }
}

#[test]
fn the_table_is_data() {
    let rows = json(&[], b"");
    assert_eq!(rows.len(), ROWS.len());
    for (row, known) in rows.iter().zip(ROWS) {
        assert_eq!(row["case"], known.case.word());
        assert_eq!(row["support"], "support@entreprise.api.gouv.fr");
        for key in [
            "meaning",
            "advice",
            "write_to",
            "fault",
            "verdict",
            "incidents",
            "real_time",
        ] {
            assert!(!row[key].as_str().unwrap().is_empty(), "{key}");
        }
    }
}

#[test]
fn each_code_of_an_answer_is_named_and_a_forgotten_header_is_no_dead_token() {
    let both = br#"{"errors":[{"code":"00103","title":"t"},{"code":"00105","title":"t"}]}"#;
    let said = told(
        &["-"],
        &[&b"HTTP/1.1 401 Unauthorized\r\n\r\n"[..], both].concat(),
    );
    assert!(said.contains("401/00103+00105"), "{said}");
    let said = told(&["00101"], b"");
    assert!(said.contains("not accepted as it was sent"), "{said}");
    assert_eq!(json(&["HTTP 451"], b""), json(&["451"], b""));
}
