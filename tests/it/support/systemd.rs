//! A machine with Debian's own systemd as PID 1: an overlay of this one in throw-away namespaces,
//! gone with the test (`tests/systemd/boot.sh`).
//!
//! It has a network of its own, loopback only; a server of the test is reached in it at the same
//! port through a socket in a directory that both see ([`Machine::reach`]). Only with
//! `JETOND_TEST_REAL=1`, as root, where overlayfs and namespaces are to be had: otherwise the
//! test says on stderr that it was left out, and why.

use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::debian;

/// A machine before it starts: what is put over the root of this one.
pub(crate) struct Machine {
    tree: tempfile::TempDir,
    /// `/var/collect` in the machine.
    collected: tempfile::TempDir,
}

/// What a script in the machine came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    /// What it said.
    pub(crate) output: String,
    collected: PathBuf,
}

impl Machine {
    /// An empty one; `None` where it cannot be.
    pub(crate) fn new() -> Option<Self> {
        debian::asked_for()?;
        let can = Command::new(script("boot.sh"))
            .arg("--can")
            .output()
            .unwrap();
        if !can.status.success() {
            let why = String::from_utf8_lossy(&can.stderr);
            debian::left_out(&format!("a real systemd {}", why.trim()));
            return None;
        }
        Some(Self {
            tree: tempfile::tempdir().unwrap(),
            collected: tempfile::tempdir().unwrap(),
        })
    }

    /// What is `/var/collect` in the machine, also while it runs.
    pub(crate) fn collected(&self) -> &Path {
        self.collected.path()
    }

    /// Has a file in it.
    pub(crate) fn file(&self, path: &str, content: &[u8], mode: u32) -> &Self {
        let place = self.tree.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, content).unwrap();
        std::fs::set_permissions(&place, PermissionsExt::from_mode(mode)).unwrap();
        self
    }

    /// Has a file of this machine in it, by another name.
    pub(crate) fn copy(&self, from: &Path, path: &str, mode: u32) -> &Self {
        self.file(path, &std::fs::read(from).unwrap(), mode)
    }

    /// Has a server that listens on 127.0.0.1 of this machine at the same place in it, by way of
    /// systemd's own proxy.
    pub(crate) fn reach(&self, port: u16) -> &Self {
        let socket = format!("port-{port}");
        let listener = UnixListener::bind(self.collected.path().join(&socket)).unwrap();
        // It ends with the process: whoever still waits for a connection harms nobody.
        std::thread::spawn(move || {
            for inside in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (mut to, mut from) = (server.try_clone().unwrap(), server);
                let mut back = inside.try_clone().unwrap();
                let mut inside = inside;
                std::thread::spawn(move || {
                    let _ended = std::io::copy(&mut inside, &mut to);
                    let _closed = to.shutdown(Shutdown::Write);
                });
                std::thread::spawn(move || {
                    let _ended = std::io::copy(&mut from, &mut back);
                    let _closed = back.shutdown(Shutdown::Write);
                });
            }
        });
        let unit = |kind: &str| format!("/etc/systemd/system/reach-{port}.{kind}");
        let listens = format!("[Socket]\nListenStream=127.0.0.1:{port}\n");
        let proxy = "/lib/systemd/systemd-socket-proxyd";
        let passes = format!("[Service]\nExecStart={proxy} /var/collect/{socket}\n");
        self.file(&unit("socket"), listens.as_bytes(), 0o644).file(
            &unit("service"),
            passes.as_bytes(),
            0o644,
        )
    }

    /// Boots it, runs a script of `tests/systemd`, and ends it.
    pub(crate) fn run(&self, name: &str) -> Ran {
        let collected = self.collected.path();
        let output = Command::new(script("boot.sh"))
            .arg(self.tree.path())
            .arg(script(name))
            .arg(collected)
            .output()
            .unwrap();
        let said = std::fs::read(collected.join("output")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        Ran {
            code: output.status.code().unwrap_or(-1),
            output: format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
            collected: collected.to_owned(),
        }
    }
}

impl Ran {
    /// A file that the script put into `/var/collect`.
    pub(crate) fn collected(&self, name: &str) -> String {
        let path = self.collected.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.output))
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/systemd")
        .join(name)
}
