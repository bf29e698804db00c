//! Rights that are missing: each case has its sentence, its exit code, and leaves things as they
//! were. Root may read everything, so root runs the program as nobody; anyone else as themselves.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::place::{Place, Ran};

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// A place whose program runs without root's rights.
struct Plain {
    place: Place,
    program: PathBuf,
    as_root: bool,
}

impl Plain {
    fn new() -> Self {
        let place = Place::new();
        let as_root = is_root();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_jetond"));
        if as_root {
            // The build may lie where nobody may not look.
            let copy = place.path("program");
            std::fs::copy(&program, &copy).unwrap();
            program = copy;
        }
        let plain = Self {
            place,
            program,
            as_root,
        };
        plain.own(plain.place.root(), 0o755);
        plain.own(&plain.place.path("config.toml"), 0o644);
        plain
    }

    /// Gives a path to the user of the program, with these rights.
    fn own(&self, path: &Path, mode: u32) {
        if self.as_root {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn run(&self, args: &str) -> Ran {
        let mut command = Command::new(&self.program);
        command
            .args(args.split(' '))
            .args(["--lang", "en"])
            .current_dir(self.place.root());
        if self.as_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::of(&mut command)
    }

    /// Each of these commands ends so, and says this.
    fn all(&self, commands: &[&str], code: i32, words: &[&str]) {
        for args in commands {
            let ran = self.run(args);
            assert_eq!(ran.code, code, "{args}: {ran:?}");
            for word in words {
                let said = ran.out.clone() + &ran.err;
                assert!(said.contains(word), "{args}: {word:?} in {ran:?}");
            }
        }
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

const TAKING_THE_FILE: [&str; 4] = ["check", "run --once", "run", "status"];

#[test]
fn a_config_that_may_not_be_read_is_told_with_what_to_do() {
    let plain = Plain::new();
    plain.own(&plain.place.path("config.toml"), 0o000);
    let words = ["config.toml: reading it is not permitted", "chgrp jetond"];
    plain.all(&TAKING_THE_FILE, 3, &words);
    assert!(!plain.place.path("jetond.db").exists());
}

#[test]
fn a_conf_d_that_may_not_be_read_is_not_taken_for_an_empty_one() {
    let plain = Plain::new();
    let directory = plain.place.path("conf.d");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("a.toml");
    std::fs::write(&file, "[groups.x]\nrecipients = [\"a@ville.example\"]\n").unwrap();
    plain.own(&file, 0o000);
    plain.own(&directory, 0o755);
    let words = ["conf.d/a.toml: reading it is not permitted", "chgrp jetond"];
    plain.all(&TAKING_THE_FILE, 3, &words);
    plain.own(&directory, 0o000);
    plain.all(
        &TAKING_THE_FILE,
        3,
        &["conf.d: reading it is not permitted"],
    );
    plain.own(&directory, 0o755);
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::write(&directory, "").unwrap();
    let words = ["conf.d: this is a file, not a directory of files"];
    plain.all(&TAKING_THE_FILE, 3, &words);
    assert!(!plain.place.path("jetond.db").exists());
}

#[test]
fn a_state_directory_that_may_not_be_written_ends_in_8() {
    let plain = Plain::new();
    plain.own(plain.place.root(), 0o555);
    let words = [
        "jetond.db.lock: Permission denied",
        "give the user of the daemon the right to write the file and its directory",
    ];
    plain.all(&["run --once", "run"], 8, &words);
    plain.all(&["check"], 8, &["jetond.db cannot be made"]);
    // There is no store yet: what only reads shows the file.
    plain.all(&["list", "status"], 0, &[]);
    plain.own(plain.place.root(), 0o755);
}

#[test]
fn a_store_that_may_not_be_read_or_written_ends_in_8() {
    let plain = Plain::new();
    plain.all(&["run --once"], 0, &[]);
    let store = plain.place.store();
    let before = std::fs::read(&store).unwrap();
    plain.own(&store, 0o000);
    let words = ["the store cannot be opened or written", "jetond.db"];
    plain.all(&["status", "list", "check", "run --once", "run"], 8, &words);
    plain.own(&store, 0o444);
    plain.all(&["list", "status"], 0, &[]);
    plain.all(&["run --once", "run", "outbox release"], 8, &words);
    plain.own(&store, 0o644);
    let after = std::fs::read(&store).unwrap();
    assert_eq!(after.len(), before.len());
    let differing: Vec<usize> = (0..after.len())
        .filter(|i| after[*i] != before[*i])
        .collect();
    assert_eq!(differing, [0usize; 0]);
    plain.all(&["run --once"], 0, &[]);
}

#[test]
fn check_tells_a_directory_for_mails_that_may_not_be_written() {
    let plain = Plain::new();
    let outbox = plain.place.path("outbox");
    std::fs::create_dir(&outbox).unwrap();
    plain.own(&outbox, 0o555);
    let words = ["no file can be written into", "outbox", "its permissions"];
    plain.all(&["check", "check --online"], 6, &words);
    plain.own(&outbox, 0o755);
    plain.all(&["check"], 0, &[]);
}
