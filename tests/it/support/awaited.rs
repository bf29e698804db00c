//! What tests await of a real server that they started: its greeting, the messages in its Maildir.
//!
//! Another process gives no other sign than what can be looked at, so it is looked at again and
//! again until it is there; whoever waits in vain is shown the server's log.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a server may take for anything; it takes a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// What `look` finds once it is there.
///
/// # Panics
/// After [`PATIENCE`], with the server's log.
pub(crate) fn awaited<T>(what: &str, log: &Path, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    panic!("no {what} within {PATIENCE:?}; the log:\n{log}");
}

/// Waits until a mail server greets at this loopback port.
pub(crate) fn greeting(port: u16, log: &Path) {
    awaited("greeting", log, || greets(port).then_some(()));
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut code = [0; 3];
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut code).is_ok() && &code == b"220"
}

/// Waits until so many files are in a directory.
pub(crate) fn files(directory: &Path, count: usize, log: &Path) -> Vec<PathBuf> {
    awaited(&format!("{count} messages"), log, || {
        let entries = std::fs::read_dir(directory).ok()?;
        let files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        (files.len() >= count).then_some(files)
    })
}
