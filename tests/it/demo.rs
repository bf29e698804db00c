//! `demo`, the first thing that anybody runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use assert_cmd::Command;
use tempfile::TempDir;

fn demo(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetond"));
    command
        .current_dir(dir)
        .env("LC_ALL", "en_GB.UTF-8")
        .arg("demo")
        .args(args);
    command
}

fn mails(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .filter(|e| {
            e.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|x| x == "eml")
        })
        .count()
}

#[test]
fn the_demo_misses_no_reminder_and_leaves_mails_to_open() {
    let dir = TempDir::new().unwrap();
    let output = demo(dir.path(), &["--once"])
        .assert()
        .success()
        .get_output()
        .clone();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("Reminders missing: 0"), "{said}");
    assert!(
        said.contains(
            "Due: 18 reminders. Sent: 16. Absorbed by a more urgent one: 2. Failed or open: 0."
        ),
        "{said}"
    );
    let open = said
        .lines()
        .find_map(|l| l.strip_prefix("Open a mail:"))
        .unwrap()
        .trim();
    let bytes = std::fs::read(dir.path().join(open)).unwrap();
    let mail = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    assert!(
        mail.body_text(0)
            .unwrap()
            .contains("https://datapass.api.gouv.fr/demandes/11244/reopen-from-external")
    );
    // And a closing note to each of the two who had been reminded.
    assert_eq!(mails(&dir.path().join("jetond-demo/life/outbox")), 16 + 2);
    assert!(mails(&dir.path().join("jetond-demo/samples/outbox")) >= 4);
    // It can be played again.
    demo(dir.path(), &["--once"]).assert().success();
}

#[test]
fn the_demo_never_touches_a_directory_that_is_not_its_own() {
    let dir = TempDir::new().unwrap();
    let mine = dir.path().join("mine");
    std::fs::create_dir_all(mine.join("life")).unwrap();
    std::fs::write(mine.join("life/diary.txt"), "dear diary").unwrap();
    let assert = demo(dir.path(), &["--once", "--dir", "mine"])
        .assert()
        .code(5);
    let words = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(words.contains("was not made by the demo"), "{words}");
    assert_eq!(
        std::fs::read_to_string(mine.join("life/diary.txt")).unwrap(),
        "dear diary"
    );
}

#[test]
fn the_demo_says_where_its_dashboard_is_and_answers_there() {
    let dir = TempDir::new().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_jetond"))
        .current_dir(dir.path())
        .env("LC_ALL", "en_GB.UTF-8")
        .arg("demo")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = said
        .find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("http://")?;
            rest.split_once('/').map(|(address, _)| address.to_owned())
        })
        .unwrap();
    let mut page = String::new();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    stream.read_to_string(&mut page).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(page.contains("Marchés publics"), "{page}");
}
