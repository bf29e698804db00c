//! Mails as files and through a sendmail command: whole or not at all, and told truly.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jetond::config::Transport;
use jetond::delivery::outcome::{Outcome, RelayFaultKind};
use jetond::delivery::transport::{FileTransport, SendmailTransport, Way};

use crate::smtp::{Mail, TEXT, word};

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

mod file {
    use super::*;

    /// Set in the child process of a test: the directory to write to.
    const INTO: &str = "JETOND_TEST_WRITE_INTO";

    /// This test binary again, running one of the tests below that need a process to lose.
    fn child(test: &str, directory: &Path, before: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{before} exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("ways_out::file::{test}")])
            .env(INTO, directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    fn into() -> Option<PathBuf> {
        std::env::var_os(INTO).map(PathBuf::from)
    }

    fn large() -> Vec<u8> {
        [b"Subject: x\r\n\r\n".to_vec(), b"line\r\n".repeat(20_000)].concat()
    }

    #[tokio::test]
    async fn a_mail_is_a_file_named_for_its_message_and_a_repeat_overwrites_it() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("new/outbox");
        let way = Way::prepare(&Transport::File {
            directory: directory.clone(),
        })
        .unwrap();
        let mail = Mail::to("camille@ville.example");
        for text in [b"first\r\n", b"again\r\n"] {
            let mail = mail.out(text);
            let mut courier = way.open().await.unwrap();
            courier.offer(&mail).await.unwrap();
            let outcome = courier.complete(&mail, None).await.outcome;
            assert_eq!(outcome.to_string(), "written as m1.a-b.eml");
            assert!(courier.is_usable());
            courier.quit().await;
        }
        assert_eq!(names(&directory), ["m1.a-b.eml"]);
        let file = directory.join("m1.a-b.eml");
        assert_eq!(std::fs::read(&file).unwrap(), b"again\r\n");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "others do not read mails");
    }

    #[tokio::test]
    async fn a_batch_has_one_outcome_a_mail_in_order() {
        let place = tempfile::tempdir().unwrap();
        let files = FileTransport::open(place.path()).unwrap();
        std::fs::create_dir(place.path().join("taken.eml")).unwrap();
        let mail = Mail::to("camille@ville.example");
        let mut mails = [mail.out(TEXT); 3];
        mails[0].message_id = "<one@x>";
        mails[1].message_id = "<taken@x>";
        mails[2].message_id = "<three@x>";
        let told: Vec<String> = files.deliver_batch(&mails).await.iter().map(word).collect();
        assert_eq!(told, ["accepted", "Local", "accepted"]);
        assert_eq!(
            names(place.path()),
            ["one.eml", "taken.eml", "three.eml"],
            "and no temporary file"
        );
    }

    #[tokio::test]
    async fn a_directory_that_went_away_is_told() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("outbox");
        let files = FileTransport::open(&directory).unwrap();
        std::fs::remove_dir(&directory).unwrap();
        let mail = Mail::to("camille@ville.example");
        let outcome = files.deliver(&mail.out(TEXT)).await;
        assert!(
            outcome.to_string().contains("outbox") && word(&outcome) == "Local",
            "{outcome}"
        );

        std::fs::write(&directory, "a file in the way").unwrap();
        let fault = FileTransport::open(&directory).unwrap_err();
        assert_eq!(fault.kind, RelayFaultKind::Local);
    }

    #[test]
    fn what_a_crash_left_half_written_goes_at_the_next_start_and_nothing_else_does() {
        let place = tempfile::tempdir().unwrap();
        for name in [".jetond-1-0.part", "mine.eml", ".hidden"] {
            std::fs::write(place.path().join(name), "half").unwrap();
        }
        let held = std::fs::File::create(place.path().join(".jetond-2-0.part")).unwrap();
        held.lock().unwrap();
        FileTransport::open(place.path()).unwrap();
        assert_eq!(
            names(place.path()),
            [".hidden", ".jetond-2-0.part", "mine.eml"]
        );
    }

    /// Not a case of its own: what `a_killed_writer_leaves_whole_files_only` kills.
    #[tokio::test]
    async fn writes_until_killed() {
        let Some(directory) = into() else { return };
        let files = FileTransport::open(&directory).unwrap();
        let mail = Mail::to("camille@ville.example");
        let bytes = large();
        for n in 0..10_000 {
            let id = format!("<m{n}@x>");
            let mut mail = mail.out(&bytes);
            mail.message_id = &id;
            assert_eq!(word(&files.deliver(&mail).await), "accepted");
            // Past the capture of the test harness.
            writeln!(std::io::stdout(), "accepted m{n}").unwrap();
        }
    }

    #[test]
    fn a_killed_writer_leaves_whole_files_only() {
        let whole = large();
        for cycle in 1..=20 {
            let place = tempfile::tempdir().unwrap();
            let mut writer = child("writes_until_killed", place.path(), "")
                .spawn()
                .unwrap();
            let said = BufReader::new(writer.stdout.take().unwrap()).lines();
            let mut accepted: Vec<String> = Vec::new();
            for line in said.map_while(Result::ok) {
                let Some((_, id)) = line.split_once("accepted ") else {
                    continue;
                };
                accepted.push(format!("{id}.eml"));
                if accepted.len() == cycle {
                    writer.kill().unwrap();
                }
            }
            writer.wait().unwrap();
            assert!(accepted.len() >= cycle, "cycle {cycle}");

            let here = names(place.path());
            for name in &accepted {
                assert!(
                    here.contains(name),
                    "cycle {cycle}: {name} was accepted and is lost"
                );
            }
            for name in here.iter().filter(|n| n.ends_with(".eml")) {
                let bytes = std::fs::read(place.path().join(name)).unwrap();
                assert!(bytes == whole, "cycle {cycle}: {name} is not whole");
            }
            FileTransport::open(place.path()).unwrap();
            assert!(names(place.path()).iter().all(|n| n.ends_with(".eml")));
        }
    }

    /// Not a case of its own: run where files cannot grow beyond a few kilobytes.
    #[tokio::test]
    async fn writes_where_there_is_no_room() {
        let Some(directory) = into() else { return };
        let files = FileTransport::open(&directory).unwrap();
        let mail = Mail::to("camille@ville.example");
        let outcome = files.deliver(&mail.out(&large())).await;
        assert_eq!(word(&outcome), "Local", "{outcome}");
        assert_eq!(word(&files.deliver(&mail.out(TEXT)).await), "accepted");
    }

    #[test]
    fn a_disk_without_room_leaves_nothing_half_written() {
        let place = tempfile::tempdir().unwrap();
        let limited = "trap '' XFSZ; ulimit -f 8;";
        let output = child("writes_where_there_is_no_room", place.path(), limited)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert_eq!(names(place.path()), ["m1.a-b.eml"]);
        assert_eq!(
            std::fs::read(place.path().join("m1.a-b.eml")).unwrap(),
            TEXT
        );
    }
}

mod sendmail {
    use super::*;

    /// A command of these shell lines, in a directory of its own.
    struct Script {
        directory: tempfile::TempDir,
    }

    impl Script {
        fn new(lines: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            // Written by another process: were it ours, a fork of another test could hold the
            // file open for writing, and the kernel would refuse to run it.
            let mut shell = Command::new("sh")
                .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
                .arg(directory.path().join("sendmail"))
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let text = format!("#!/bin/sh\nhere=$(dirname \"$0\")\n{lines}\n");
            shell
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            assert!(shell.wait().unwrap().success());
            Self { directory }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        async fn deliver(&self, bytes: &[u8], deadline: Duration) -> Outcome {
            let command = SendmailTransport::new(&self.path("sendmail"), deadline);
            let mail = Mail::to("camille@ville.example");
            command.deliver(&mail.out(bytes)).await
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_mail_is_handed_over_with_the_line_ends_of_this_machine() {
        let script = Script::new("printf '%s|' \"$@\" > $here/args; cat > $here/mail; echo ok >&2");
        let way = Way::prepare(&Transport::Sendmail {
            command: script.path("sendmail"),
        })
        .unwrap();
        let mail = Mail::to("camille@ville.example");
        let mail = mail.out(TEXT);
        let mut courier = way.open().await.unwrap();
        courier.offer(&mail).await.unwrap();
        let outcome = courier.complete(&mail, None).await.outcome;
        assert_eq!(word(&outcome), "accepted");
        assert_eq!(outcome.to_string(), "exit 0 ok");
        let read = |name| std::fs::read_to_string(script.path(name)).unwrap();
        assert_eq!(
            read("args"),
            "-i|-f|jetons@ville.example|--|camille@ville.example|"
        );
        assert_eq!(
            read("mail"),
            std::str::from_utf8(TEXT).unwrap().replace("\r\n", "\n")
        );
    }

    #[tokio::test]
    async fn every_exit_status_has_its_outcome() {
        for (status, expected) in [
            (0, "accepted"),
            (1, "parked"),
            (64, "parked"),
            (65, "parked"),
            (67, "recipient"),
            (68, "recipient"),
            (69, "Local"),
            (70, "Local"),
            (71, "deferred"),
            (74, "deferred"),
            (75, "deferred"),
            (76, "Local"),
            (77, "Local"),
            (78, "Local"),
            (127, "Local"),
        ] {
            let script = Script::new(&format!(
                "cat > /dev/null; printf 'why\\033[2J\\n' >&2; exit {status}"
            ));
            let outcome = script.deliver(TEXT, LONG).await;
            assert_eq!(word(&outcome), expected, "{status}: {outcome}");
            assert!(outcome.to_string().contains(&format!("exit {status} why")));
            assert!(!outcome.to_string().contains('\u{1b}'));
        }
    }

    #[tokio::test]
    async fn a_command_that_cannot_run_is_a_relay_fault() {
        let script = Script::new("");
        let outcome = SendmailTransport::new(&script.path("absent"), LONG)
            .deliver(&Mail::to("camille@ville.example").out(TEXT))
            .await;
        assert_eq!(word(&outcome), "Local");
        assert!(outcome.to_string().contains("absent"), "{outcome}");
        let outcome = SendmailTransport::new(script.directory.path(), LONG)
            .deliver(&Mail::to("camille@ville.example").out(TEXT))
            .await;
        assert_eq!(word(&outcome), "Local");
    }

    #[tokio::test]
    async fn a_command_lost_after_its_input_ended_leaves_the_mail_in_doubt() {
        let killed = Script::new("cat > /dev/null; kill -9 $$");
        assert_eq!(word(&killed.deliver(TEXT, LONG).await), "in doubt");
        let slow = Script::new("cat > /dev/null; exec sleep 60");
        let brief = Duration::from_millis(300);
        assert_eq!(word(&slow.deliver(TEXT, brief).await), "in doubt");
    }

    #[tokio::test]
    async fn a_command_lost_before_its_input_ended_leaves_no_doubt() {
        let more_than_a_pipe_holds = b"line\r\n".repeat(100_000);
        let deaf = Script::new("exec sleep 60");
        let brief = Duration::from_millis(300);
        let outcome = deaf.deliver(&more_than_a_pipe_holds, brief).await;
        assert_eq!(word(&outcome), "Timeout");
        let killed = Script::new("kill -9 $$");
        let outcome = killed.deliver(&more_than_a_pipe_holds, LONG).await;
        assert_eq!(word(&outcome), "Local");
        let early = Script::new("exit 0");
        let outcome = early.deliver(&more_than_a_pipe_holds, LONG).await;
        assert_eq!(word(&outcome), "in doubt", "{outcome}");
    }

    #[tokio::test]
    async fn a_flood_of_complaints_is_bounded_and_does_not_block() {
        let script = Script::new("yes complaint | head -c 1000000 >&2; cat > /dev/null; exit 75");
        let outcome = script.deliver(TEXT, LONG).await;
        assert_eq!(word(&outcome), "deferred");
        assert!(outcome.to_string().chars().count() < 600);
    }

    #[tokio::test]
    async fn a_process_left_behind_does_not_hold_the_mail_up() {
        let script = Script::new("cat > /dev/null; sleep 60 & echo queued >&2");
        let outcome = script.deliver(TEXT, LONG).await;
        assert_eq!(outcome.to_string(), "exit 0 queued");
    }
}
