//! A private Exim: unpacked under `target/`, never installed, gone with the test.
//!
//! It needs an account of its own name, which `libnss-wrapper` gives it: that of whoever runs
//! the tests, or `nobody` for root, who gives its rights up. Configuration, spool and mail are in
//! a temporary directory, and it listens on a free loopback port. Mail for `ville.example` and
//! `mairie-évry.example` ends in one Maildir; other domains are refused. Only with
//! `JETOND_TEST_REAL=1`: [`Exim::start`] gives `None` otherwise.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::awaited::{files, free_port, greeting};
use crate::support::debian;
use crate::support::program::signal;

/// Whom root becomes.
const NOBODY: u32 = 65_534;

/// Whether it offers SMTPUTF8 (RFC 6531).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utf8 {
    Offered,
    Absent,
}

/// A running Exim.
pub(crate) struct Exim {
    port: u16,
    place: tempfile::TempDir,
    daemon: Child,
}

impl Exim {
    /// Starts one that answers RCPT of `gone@ville.example` with 550, and of
    /// `grey@ville.example` with 451 until [`Exim::lift`].
    pub(crate) fn start(utf8: Utf8) -> Option<Self> {
        let root = debian::unpacked(&["exim4-daemon-light", "libnss-wrapper"])?;
        let place = tempfile::tempdir().unwrap();
        let port = free_port();
        let here = place.path();
        for directory in ["lib", "spool", "mail", "log"] {
            std::fs::create_dir(here.join(directory)).unwrap();
        }
        bring(&root, here);
        std::fs::write(here.join("conf"), configuration(here, port, utf8)).unwrap();
        std::fs::write(here.join("grey"), "").unwrap();
        let (user, group) = whose(here);
        let root_runs = user == 0;
        let (user, group) = if root_runs {
            (NOBODY, NOBODY)
        } else {
            (user, group)
        };
        let passwd = format!("root:x:0:0::/:/bin/sh\nDebian-exim:x:{user}:{group}::/:/bin/sh\n");
        std::fs::write(here.join("passwd"), passwd).unwrap();
        let groups = format!("root:x:0:\nDebian-exim:x:{group}:\n");
        std::fs::write(here.join("group"), groups).unwrap();
        if root_runs {
            give(here, NOBODY);
        }

        let mut command = if root_runs {
            let mut command = Command::new("setpriv");
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
            command.arg(here.join("exim"));
            command
        } else {
            Command::new(here.join("exim"))
        };
        let daemon = command
            .args(["-bdf", "-C"])
            .arg(here.join("conf"))
            .env_clear()
            .env("LD_LIBRARY_PATH", here.join("lib"))
            .env("LD_PRELOAD", here.join("lib/libnss_wrapper.so"))
            .env("NSS_WRAPPER_PASSWD", here.join("passwd"))
            .env("NSS_WRAPPER_GROUP", here.join("group"))
            .current_dir(here)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let exim = Self {
            port,
            place,
            daemon,
        };
        greeting(port, &exim.log());
        Some(exim)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the greylisting.
    pub(crate) fn lift(&self) {
        std::fs::remove_file(self.place.path().join("grey")).unwrap();
    }

    /// Waits until so many messages are in the Maildir and gives them as they are there.
    pub(crate) fn messages(&self, count: usize) -> Vec<Vec<u8>> {
        let files = files(&self.place.path().join("mail/box/new"), count, &self.log());
        let read = |file: &PathBuf| std::fs::read(file).unwrap();
        files.iter().map(read).collect()
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("log/mainlog")
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        signal(self.daemon.id(), "TERM");
        let _ended = self.daemon.wait();
    }
}

/// Copies the program, without the set-user-id bit, and the libraries that this machine lacks:
/// whom root becomes may not see the target directory.
fn bring(root: &Path, here: &Path) {
    let program = here.join("exim");
    std::fs::copy(root.join("usr/sbin/exim4"), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let libraries = debian::libraries(root);
    let needed = Command::new("ldd")
        .arg(&program)
        .env("LD_LIBRARY_PATH", &libraries)
        .output()
        .unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    let unpacked = needed
        .split_whitespace()
        .map(Path::new)
        .filter(|word| word.starts_with(&libraries));
    let wrapper = libraries.join("libnss_wrapper.so");
    for library in unpacked.chain([wrapper.as_path()]) {
        let name = library.file_name().unwrap();
        std::fs::copy(library, here.join("lib").join(name)).unwrap();
    }
}

/// Who runs the tests.
fn whose(file: &Path) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(file).unwrap();
    (metadata.uid(), metadata.gid())
}

fn give(path: &Path, to: u32) {
    chown(path, Some(to), Some(to)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), to);
        }
    }
}

fn configuration(here: &Path, port: u16, utf8: Utf8) -> String {
    let here = here.display();
    let utf8 = match utf8 {
        Utf8::Offered => "*",
        Utf8::Absent => "",
    };
    format!(
        "exim_path = {here}/exim
spool_directory = {here}/spool
log_file_path = {here}/log/%slog
pid_file_path = {here}/pid
primary_hostname = mx.jetond.test
qualify_domain = ville.example
keep_environment = *
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
domainlist ours = ville.example : xn--mairie-vry-h7a.example
deliver_drop_privilege
host_lookup =
rfc1413_hosts =
tls_advertise_hosts =
smtputf8_advertise_hosts = {utf8}
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = rcpt

begin acl
rcpt:
  deny recipients = gone@ville.example
       message = 5.1.1 no such user here
  defer recipients = grey@ville.example
        condition = ${{if exists{{{here}/grey}}}}
        message = 4.7.1 greylisted, come back
  accept domains = +ours
  deny message = 5.7.1 relaying denied

begin routers
all:
  driver = accept
  domains = +ours
  transport = box

begin transports
box:
  driver = appendfile
  directory = {here}/mail/box
  maildir_format
  create_directory
"
    )
}
