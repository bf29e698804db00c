//! Channels by the program itself: its commands, its exit codes, its words.

use crate::support::channel_server::{ChannelServer, Does};
use crate::support::program::{Program, said};

const TOKEN: &str = "syt_dmVpbGxl_k3y";

fn config(server: &ChannelServer) -> String {
    // A token that is due today, whatever today is; it is told from its first day on.
    let expires = (jetond::clock::now() + chrono::Duration::days(10)).date_naive();
    super::head()
        + "[schedule]\nwindow = \"00:00-24:00\"\n"
        + &super::channel("dsi", "mattermost", server, "")
        + &super::channel("salon", "matrix", server, "alarms = false")
        + &crate::support::daemon::token("m", &expires.to_string(), &["c.martin@ville.example"])
}

fn program(server: &ChannelServer) -> Program {
    let program = Program::new(&config(server));
    let secret = program.place().join("matrix.token");
    crate::support::private_file(&secret, TOKEN);
    program
}

fn run(program: &Program, args: &[&str]) -> (Option<i32>, String) {
    let output = program
        .command(args)
        .args(["--lang", "en"])
        .output()
        .unwrap();
    let words = said(&output);
    for canary in [TOKEN, "k3yk3y"] {
        assert!(!words.contains(canary), "{args:?}: {words}");
    }
    (output.status.code(), words)
}

#[test]
fn a_test_message_reaches_a_channel_and_a_refusal_is_told() {
    let server = ChannelServer::start();
    let program = program(&server);
    let (code, words) = run(&program, &["send-test", "#dsi"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("taken: 200 ok"), "{words}");
    assert!(
        server.told()[0].json()["text"]
            .as_str()
            .unwrap()
            .contains("d’essai")
    );
    server.will([Does::Says(403, "", format!("bad {TOKEN}"))]);
    let (code, words) = run(&program, &["send-test", "#salon"]);
    assert_eq!(code, Some(6), "{words}");
    assert!(words.contains("403 bad …"), "{words}");
    let (code, words) = run(&program, &["send-test", "#nobody"]);
    assert_eq!(code, Some(4), "{words}");
    assert!(words.contains("#dsi, #salon"), "{words}");
}

#[test]
fn a_check_asks_channels_and_posts_nothing() {
    let server = ChannelServer::start();
    let program = program(&server);
    let (code, words) = run(&program, &["check"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("#dsi (mattermost, 127.0.0.1)"), "{words}");
    assert!(server.told().is_empty());
    let (_, words) = run(&program, &["check", "--online"]);
    assert!(
        words.contains("it posts as @veille:ville.example"),
        "{words}"
    );
    let asked: Vec<String> = server.told().into_iter().map(|t| t.line).collect();
    assert_eq!(asked, ["GET /_matrix/client/v3/account/whoami"]);
    server.will([Does::Says(
        401,
        "",
        r#"{"errcode":"M_UNKNOWN_TOKEN"}"#.to_owned(),
    )]);
    let (code, words) = run(&program, &["check", "--online"]);
    assert_eq!(code, Some(6), "{words}");
    assert!(words.contains("M_UNKNOWN_TOKEN"), "{words}");
}

#[test]
fn one_run_posts_and_says_what_was_not_delivered() {
    let server = ChannelServer::start();
    let program = program(&server);
    server.will([Does::Says(500, "", String::new())]);
    let (code, words) = run(&program, &["run", "--once"]);
    assert_eq!(code, Some(6), "{words}");
    // Mail and one post have left, the other post waits.
    let rows = program.json(&["outbox", "list", "--all"]);
    let mut seen: Vec<(String, String)> = rows
        .iter()
        .map(|r| {
            let word = |key: &str| r[key].as_str().unwrap().to_owned();
            (word("kind"), word("state"))
        })
        .collect();
    seen.sort();
    let pair = |kind: &str, state: &str| (kind.to_owned(), state.to_owned());
    assert_eq!(
        seen,
        [
            pair("post", "deferred"),
            pair("post", "sent"),
            pair("reminder", "sent")
        ]
    );
    let waiting = rows.iter().find(|r| r["state"] == "deferred").unwrap();
    let no = waiting["mail"].to_string();
    let (code, words) = run(&program, &["outbox", "show", &no]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("Jeton m expire dans"), "{words}");
    let (code, words) = run(&program, &["outbox", "retry", &no]);
    assert_eq!(code, Some(0), "{words}");
    let (code, words) = run(&program, &["run", "--once"]);
    assert_eq!(code, Some(0), "{words}");
    let left = rows
        .iter()
        .find(|r| r["kind"] == "post" && r["state"] == "sent");
    let no = left.unwrap()["mail"].to_string();
    let (_, words) = run(&program, &["outbox", "show", &no]);
    assert!(
        words.contains("\"msgtype\"") || words.contains("\"text\""),
        "{words}"
    );
    // What is shown in advance is what is owed by mail, as without channels.
    let ahead = program.json(&["simulate"]);
    let to_people = |r: &serde_json::Value| r["recipient"].as_str().unwrap().contains('@');
    assert!(!ahead.is_empty() && ahead.iter().all(to_people));
}
