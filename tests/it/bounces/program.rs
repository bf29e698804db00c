//! Through the program itself: what each command says of people who cannot be reached, and of a
//! Maildir that cannot be read.

use chrono::Duration;

use super::{CONTACT, ONE, TWO, config, maildir, notification};
use crate::support::daemon::token;
use crate::support::http_server::{Answer, HttpServer};
use crate::support::program::{Program, Running, said};
use crate::support::smtp_server::{Script, SmtpServer};

/// A program of which a mail to the only recipient of a token came back; another token has one
/// more recipient.
fn after_a_bounce(server: &SmtpServer) -> Program {
    let on = |days| {
        let today = jetond::clock::now().with_timezone(&chrono_tz::Europe::Paris);
        (today + Duration::days(days)).date_naive().to_string()
    };
    let tokens = token("marches", &on(10), &[ONE])
        + &token("aides", &on(10), &[ONE, TWO])
        + &token("later", &on(400), &[ONE]);
    let always = "[schedule]\nwindow = \"00:00-24:00\"\n[reports]\nweekly = false\n";
    let program = Program::new(&config(server.port(), &(always.to_owned() + &tokens)));
    maildir(program.place());
    run_once(&program, 0);
    let mails = program.json(&["outbox", "list", "--all"]);
    let mail = mails.iter().find(|m| m["recipient"] == ONE).unwrap();
    let id = mail["message_id"].as_str().unwrap();
    let bounce = notification(id, ONE, "failed", "5.1.1");
    std::fs::write(program.place().join("bounces/new/1"), bounce).unwrap();
    run_once(&program, 0);
    program
}

fn run_once(program: &Program, code: i32) {
    let once = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(once.status.code(), Some(code), "{}", said(&once));
}

/// What a command says on stdout in both languages, without its instants.
fn told(program: &Program, args: &[&str]) -> String {
    let mut told = String::new();
    for lang in ["fr", "en"] {
        let output = program
            .command(args)
            .args(["--lang", lang])
            .output()
            .unwrap();
        told += &format!("$ jetond --lang {lang} {}\n", args.join(" "));
        told += &String::from_utf8(output.stdout).unwrap();
        told += &format!("= {}\n\n", output.status.code().unwrap());
    }
    told.replace('\u{a0}', "~")
        .replace(&program.place().display().to_string(), "[place]")
}

fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"\d{1,2}(er)? \p{L}+\.? \d{4}( [0-2]\d:\d\d)?", "[when]");
    settings.add_filter(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?( UTC)?", "[when]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]");
    settings.add_filter(r"pass_age=\d+s", "pass_age=[n]s");
    settings.add_filter(r"\[when\] +", "[when] ");
    settings.set_snapshot_path("snapshots");
    settings
}

#[test]
fn each_command_tells_who_cannot_be_reached() {
    let server = SmtpServer::start(Script::new());
    let program = after_a_bounce(&server);
    for (name, args) in [
        ("status", vec!["status"]),
        (
            "nagios",
            vec!["status", "--nagios", "--nagios-max-age", "1h"],
        ),
        ("list", vec!["list"]),
        ("show", vec!["show", "marches"]),
        ("check", vec!["check"]),
        ("explain", vec!["explain", "marches"]),
        ("history", vec!["history", "marches"]),
    ] {
        snapshots().bind(|| {
            insta::assert_snapshot!(format!("reach_{name}"), told(&program, &args));
        });
    }

    let status = &program.json(&["status"])[0];
    assert_eq!(status["uncovered"], 0);
    assert_eq!(status["ills"][0]["ill"], "out_of_reach");
    assert_eq!(
        status["tokens_out_of_reach"],
        serde_json::json!(["marches", "later"])
    );
    let mark = &status["unreachable"][0];
    assert_eq!(
        (&mark["recipient"], &mark["how"]),
        (&ONE.into(), &"bounced".into())
    );
    assert_eq!(
        mark["tokens"],
        serde_json::json!(["aides", "later", "marches"])
    );
    let show = &program.json(&["show", "aides"])[0]["recipients"];
    assert_eq!(show[0]["unreachable"]["mail"], mark["mail"]);
    assert_eq!(show[1]["unreachable"], serde_json::Value::Null);
    let list = program.json(&["list"]);
    assert!(
        list.iter()
            .all(|t| t["unreachable"] == serde_json::json!([ONE]))
    );

    // The others are told the same day, in one note each.
    let to: Vec<String> = program
        .json(&["outbox", "list", "--all"])
        .iter()
        .filter(|m| m["kind"] == "note_refused" && m["state"] == "sent")
        .map(|m| m["recipient"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(to.len(), 2);
    assert!(to.contains(&CONTACT.to_owned()) && to.contains(&TWO.to_owned()));
}

#[test]
fn a_person_who_is_forgotten_is_no_longer_marked() {
    let server = SmtpServer::start(Script::new());
    let program = after_a_bounce(&server);
    let day = (jetond::clock::now() + Duration::days(10)).date_naive();
    program.rewrite(&config(
        server.port(),
        &token("marches", &day.to_string(), &[TWO]),
    ));
    run_once(&program, 0);
    assert_eq!(program.json(&["forget", ONE]).len(), 1);
    let status = program.json(&["status"])[0].to_string();
    assert!(!status.contains(ONE), "{status}");
    let store = std::fs::read(program.place().join("jetond.db")).unwrap();
    // The end of a Message-ID may look like this short address.
    let named = store.windows(ONE.len() + 1).any(|w| {
        let (before, word) = (w[0], &w[1..]);
        word == ONE.as_bytes() && !before.is_ascii_hexdigit()
    });
    assert!(!named, "the store still names them");
}

#[test]
fn a_maildir_that_cannot_be_read_is_told_by_check_and_status() {
    let server = SmtpServer::start(Script::new());
    let program = Program::new(&config(server.port(), ""));
    run_once(&program, 0);
    for (name, args) in [("check", vec!["check"]), ("status", vec!["status"])] {
        snapshots().bind(|| {
            insta::assert_snapshot!(format!("unread_{name}"), told(&program, &args));
        });
    }
    std::fs::write(program.place().join("bounces"), "From x\n").unwrap();
    let check = program
        .command(&["check", "--lang", "en"])
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(6));
    assert!(
        said(&check).contains("it is no Maildir"),
        "{}",
        said(&check)
    );

    std::fs::remove_file(program.place().join("bounces")).unwrap();
    maildir(program.place());
    run_once(&program, 0);
    let check = program
        .command(&["check", "--lang", "en"])
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", said(&check));
    assert_eq!(program.json(&["status"])[0]["ills"], serde_json::json!([]));
}

#[test]
fn a_monitor_hears_of_both() {
    let (server, monitor) = (
        SmtpServer::start(Script::new()),
        HttpServer::start(Answer::Status(200)),
    );
    let program = after_a_bounce(&server);
    let config = std::fs::read_to_string(program.place().join("config.toml")).unwrap();
    let beat = format!(
        "[heartbeat]\nurl = \"http://127.0.0.1:{}/x\"\n",
        monitor.port()
    );
    program.rewrite(&config.replace("[schedule]", &format!("{beat}[schedule]")));
    std::fs::remove_dir_all(program.place().join("bounces")).unwrap();
    let running = Running::start(program.command(&["run"]));
    let heard = &monitor.wait_for(1)[0];
    assert_eq!(
        (heard.line.as_str(), heard.body.as_str()),
        (
            "POST /x/fail",
            "2 tokens of which nobody can be reached; bounces not read for 0 min"
        )
    );
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}
