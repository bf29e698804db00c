//! `demo`, the first thing that anybody runs.

use std::path::Path;

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
