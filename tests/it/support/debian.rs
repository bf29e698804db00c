//! Programs of Debian, unpacked under `target/` and never installed.
//!
//! Only with `JETOND_TEST_REAL=1`, because this downloads packages; `tests/run.sh` sets it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory that these packages are unpacked in; `None`, with a word on stderr, when tests
/// with real programs are not asked for.
pub(crate) fn unpacked(packages: &[&str]) -> Option<PathBuf> {
    asked_for()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian.sh");
    let output = Command::new(script)
        .args(packages)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "tests/debian.sh failed");
    Some(PathBuf::from(
        String::from_utf8(output.stdout).unwrap().trim(),
    ))
}

/// Where the libraries of unpacked packages are.
pub(crate) fn libraries(root: &Path) -> PathBuf {
    root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

/// The file of this name below a directory.
pub(crate) fn find(under: &Path, name: &str) -> PathBuf {
    let mut directories = vec![under.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|n| n == name) {
                return path;
            }
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
            }
        }
    }
    panic!("no {name} under {}", under.display());
}

/// Whether tests with real programs are asked for; says so on stderr when they are not.
pub(crate) fn asked_for() -> Option<()> {
    if std::env::var_os("JETOND_TEST_REAL").is_some_and(|v| v == "1") {
        return Some(());
    }
    left_out("JETOND_TEST_REAL=1 is not set");
    None
}

/// Past the test harness, which keeps what successful tests print.
pub(crate) fn left_out(why: &str) {
    // Nobody may be listening.
    let _unheard = writeln!(std::io::stderr(), "left out: {why}");
}
