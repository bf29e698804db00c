//! Postfix's own tools: `smtp-sink`, which takes mails in and forgets them, and `smtp-source`, which
//! sends them as fast as it can and records nothing.
//!
//! They come from Debian's package, unpacked by `tests/debian.sh`. The sink counts by itself, so
//! that counting costs nothing while it is measured.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Running, timed};

/// What `smtp-source` writes above the bytes that it is told to send.
const ITS_HEADER: u64 = 150;

/// Where Postfix was unpacked.
pub(crate) struct Postfix(PathBuf);

/// A running `smtp-sink`.
pub(crate) struct Sink {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    expected: u32,
    process: Running,
}

impl Postfix {
    /// Unpacks it.
    ///
    /// # Panics
    /// Where that fails: nothing can be compared then.
    pub(crate) fn unpacked() -> Self {
        Self::unpacked_with(&[])
    }

    /// Unpacks it with other packages beside it.
    ///
    /// # Panics
    /// Where that fails.
    pub(crate) fn unpacked_with(others: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian.sh");
        let output = Command::new(script)
            .arg("postfix")
            .args(others)
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/debian.sh");
        assert!(output.status.success(), "this needs Debian's postfix");
        let root = String::from_utf8(output.stdout).expect("a path");
        Self(PathBuf::from(root.trim()))
    }

    /// Where the packages were unpacked.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    fn command(&self, program: &str) -> Command {
        let libraries = ["usr/lib/postfix", "usr/lib/x86_64-linux-gnu"].map(|d| self.0.join(d));
        let mut command = Command::new(self.0.join("usr/sbin").join(program));
        command
            .env(
                "LD_LIBRARY_PATH",
                std::env::join_paths(libraries).expect("paths"),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// A sink for so many mails.
    pub(crate) fn sink(&self, expected: u32) -> Sink {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let mut sink = self.command("smtp-sink");
        // It refuses to run as root.
        if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            sink.args(["-u", "nobody"]);
        }
        // It ends with the mail after the last one: see `received`.
        let process = sink
            .args(["-M", &(expected + 1).to_string()])
            .arg(format!("inet:127.0.0.1:{port}"))
            .arg("512")
            .spawn()
            .expect("smtp-sink starts");
        let mut sink = Sink {
            port,
            expected,
            process: Running(process),
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(!sink.ended(), "smtp-sink ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        sink
    }

    /// How long `smtp-source -d` takes for so many mails of so many bytes.
    pub(crate) fn source(&self, port: u16, connections: u32, mails: u32, bytes: u64) -> Duration {
        let run = || {
            let status = self
                .command("smtp-source")
                .args(["-d", "-s", &connections.to_string()])
                .args(["-m", &mails.to_string()])
                .args(["-l", &bytes.saturating_sub(ITS_HEADER).to_string()])
                .args(["-f", "a@ville.example", "-t", "b@ville.example"])
                .arg(format!("inet:127.0.0.1:{port}"))
                .status();
            assert!(status.is_ok_and(|s| s.success()), "smtp-source");
        };
        timed(run).0
    }
}

impl Sink {
    /// Holds that it received exactly the mails that were expected: it is there still, and one
    /// more ends it.
    ///
    /// # Panics
    /// When it received fewer, or more.
    pub(crate) fn received(mut self) {
        assert!(
            !self.ended(),
            "smtp-sink received more than {} mails",
            self.expected
        );
        let mut last = TcpStream::connect(("127.0.0.1", self.port)).expect("smtp-sink");
        last.write_all(
            b"HELO localhost\r\nMAIL FROM:<a@ville.example>\r\nRCPT TO:<b@ville.example>\r\nDATA\r\n.\r\nQUIT\r\n",
        )
        .expect("smtp-sink");
        let mut said = Vec::new();
        let _end = last.read_to_end(&mut said);
        for _ in 0..100 {
            if self.ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("smtp-sink received fewer than {} mails", self.expected);
    }

    fn ended(&mut self) -> bool {
        self.process
            .0
            .try_wait()
            .expect("a process of ours")
            .is_some()
    }
}
