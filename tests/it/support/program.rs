//! The program itself, as cargo built it, at any moment of the calendar.
//!
//! The clock is libfaketime's: it starts at the given instant and goes on from there. The
//! monotonic clock stays the machine's, so waiting and deadlines are not touched.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::support::debian;

/// How long the program may take to say a word; it takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with a configuration file in a directory of its own.
pub(crate) struct Program {
    place: tempfile::TempDir,
    faketime: Option<PathBuf>,
    runner: Vec<OsString>,
}

impl Program {
    /// On the machine's clock.
    pub(crate) fn new(config: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("config.toml"), config).unwrap();
        Self {
            place,
            faketime: None,
            runner: Vec::new(),
        }
    }

    /// Has another program start it from now on: `strace …`, `sh -c …`; nobody without one.
    pub(crate) fn run_through(&mut self, runner: &[&OsStr]) {
        self.runner = runner.iter().map(|word| (*word).to_owned()).collect();
    }

    /// On any clock; `None` when tests with real programs are not asked for.
    pub(crate) fn timeless(config: &str) -> Option<Self> {
        let root = debian::unpacked(&["libfaketime"])?;
        let faketime = debian::find(&root.join("usr/lib"), "libfaketimeMT.so.1");
        Some(Self {
            faketime: Some(faketime),
            ..Self::new(config)
        })
    }

    /// Where the configuration, the store and the outbox are.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// Writes the configuration anew.
    pub(crate) fn rewrite(&self, config: &str) {
        std::fs::write(self.place().join("config.toml"), config).unwrap();
    }

    /// A command of the program, with nothing of the surroundings that could steer it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let program = OsStr::new(env!("CARGO_BIN_EXE_jetond"));
        let mut words = self.runner.iter().map(OsString::as_os_str).chain([program]);
        let mut command = Command::new(words.next().expect("the program at least"));
        command
            .args(words)
            .args(args)
            .env_clear()
            .env("LANG", "C")
            .env("TZ", "UTC")
            .current_dir(self.place())
            .stdin(Stdio::null());
        command
    }

    /// The same, begun at an instant.
    pub(crate) fn command_at(&self, now: DateTime<Utc>, args: &[&str]) -> Command {
        let faketime = self.faketime.as_ref().expect("it was made timeless");
        let mut command = self.command(args);
        command
            .env("LD_PRELOAD", faketime)
            .env("FAKETIME", now.format("@%Y-%m-%d %H:%M:%S").to_string())
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        command
    }

    /// The same, by a clock that [`Program::set_clock`] can set while it runs.
    pub(crate) fn command_by_clock(&self, args: &[&str]) -> Command {
        let faketime = self.faketime.as_ref().expect("it was made timeless");
        let mut command = self.command(args);
        command
            .env("LD_PRELOAD", faketime)
            .env("FAKETIME_TIMESTAMP_FILE", self.place().join("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        command
    }

    /// Sets the clock of [`Program::command_by_clock`]; it goes on from there.
    pub(crate) fn set_clock(&self, now: DateTime<Utc>) {
        let ahead = (now - jetond::clock::now()).num_seconds();
        let (new, clock) = (self.place().join("clock.new"), self.place().join("clock"));
        std::fs::write(&new, format!("{ahead:+}")).unwrap();
        std::fs::rename(new, clock).unwrap();
    }

    /// What a command with `--json` says at an instant; it must end well.
    pub(crate) fn json_at(&self, now: DateTime<Utc>, args: &[&str]) -> Vec<Value> {
        rows(self.command_at(now, args), args)
    }

    /// What a command with `--json` says; it must end well.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        rows(self.command(args), args)
    }
}

fn rows(mut command: Command, args: &[&str]) -> Vec<Value> {
    let output = command.arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["data"].as_array().unwrap().clone()
}

/// All that a command said, for the message of a test that fails.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// The program while it runs; it does not outlive its owner.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (told, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Whoever is no longer listening does not mind.
                let _unheard = told.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits until it says this on stderr.
    pub(crate) fn wait_for(&self, word: &str) {
        self.words_until(word);
    }

    /// The same; tells what it said since it was last listened to, with that line.
    pub(crate) fn words_until(&self, word: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(word) => {
                    before.push(line);
                    return before;
                }
                Ok(line) => before.push(line),
                Err(e) => panic!("it never said {word:?} ({e}), but {before:#?}"),
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end and tells its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Waits for its end; tells its exit code, and what it said since it was last listened to.
    pub(crate) fn ended_with_its_words(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        (code, self.lines.iter().collect())
    }

    /// Ends it as a power cut would; tells whether it was still running.
    pub(crate) fn kill(mut self) -> bool {
        let running = self.child.try_wait().unwrap().is_none();
        self.end();
        running
    }

    fn end(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
        // What libfaketime shares within a process stays behind when that has no time to end.
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _absent = std::fs::remove_file(format!("/dev/shm/{name}{}", self.child.id()));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal by its name, through the shell: not every machine has `kill` as a program.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -s {name} {process}")])
        .status()
        .unwrap();
    assert!(sent.success());
}
