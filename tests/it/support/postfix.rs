//! A private Postfix: unpacked under `target/`, never installed, gone with the test.
//!
//! It runs under `fakeroot`, so that it takes the same path for root and for anyone else, with
//! its configuration, queue and mail in a temporary directory, and listens on a free loopback
//! port. Mail for `ville.example`, `editeur.example` and `mairie-évry.example` ends in one Maildir;
//! other domains are refused. Only with `JETOND_TEST_REAL=1` (it downloads packages): [`Postfix::start`] gives
//! `None` otherwise and says on stderr that the test was left out.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::awaited::{awaited, files, free_port, greeting};
use crate::support::debian;
use crate::support::program::signal;

/// A running Postfix.
pub(crate) struct Postfix {
    port: u16,
    place: tempfile::TempDir,
    /// Its Maildir is `box` in here.
    mail: PathBuf,
    master: Child,
    _faked: Killed,
}

/// Where mails end.
enum Boxes {
    /// All in one.
    One,
    /// Those for `sender` in `bounces`, those for `gone` nowhere, the others in `box`.
    Bounces {
        gone: &'static str,
        sender: &'static str,
    },
}

/// A process that does not outlive its owner, not even when a test panics.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl Postfix {
    /// Starts one that answers RCPT of these recipients with these replies.
    pub(crate) fn start(refusals: &[(&str, &str)]) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mail = place.path().join("mail");
        Self::start_in(place, mail, refusals, &Boxes::One, None)
    }

    /// The same, which besides asks a policy service on this port of each recipient.
    pub(crate) fn with_policy(refusals: &[(&str, &str)], policy: u16) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mail = place.path().join("mail");
        Self::start_in(place, mail, refusals, &Boxes::One, Some(policy))
    }

    /// Starts one whose Maildir is `box` in this directory.
    pub(crate) fn delivering_to(mail: PathBuf) -> Option<Self> {
        Self::start_in(tempfile::tempdir().unwrap(), mail, &[], &Boxes::One, None)
    }

    /// Starts one that takes mails for `gone` and sends them back: what is addressed to `sender`
    /// is in a Maildir of its own, [`Postfix::bounces`].
    pub(crate) fn bouncing(gone: &'static str, sender: &'static str) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mail = place.path().join("mail");
        Self::start_in(place, mail, &[], &Boxes::Bounces { gone, sender }, None)
    }

    /// The Maildir of what came back.
    pub(crate) fn bounces(&self) -> PathBuf {
        self.mail.join("bounces")
    }

    /// Waits until so many messages came back, whether somebody has read them or not.
    pub(crate) fn wait_for_bounces(&self, count: usize) {
        let bounces = self.bounces();
        // A pass of the daemon may have taken them up already.
        let there = |part: &str| std::fs::read_dir(bounces.join(part)).map_or(0, Iterator::count);
        awaited(&format!("{count} bounces"), &self.log(), || {
            (there("new") + there("cur") >= count).then_some(())
        });
    }

    fn start_in(
        place: tempfile::TempDir,
        mail: PathBuf,
        refusals: &[(&str, &str)],
        boxes: &Boxes,
        policy: Option<u16>,
    ) -> Option<Self> {
        let root = debian::unpacked(&["postfix", "fakeroot", "libfakeroot"])?;
        // Its daemons reach it under other identities where those are real.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(place.path(), open).unwrap();
        let port = free_port();
        write_configuration(&root, place.path(), &mail, port, refusals, boxes, policy);

        let faked = Command::new(root.join("usr/bin/faked-tcp"))
            .arg("--foreground")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut faked = Killed(faked);
        let mut key = String::new();
        BufReader::new(faked.0.stdout.take().unwrap())
            .read_line(&mut key)
            .unwrap();
        let key = key.split(':').next().unwrap().trim();
        let libraries = root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
        let preload = debian::find(&root.join("usr/lib"), "libfakeroot-tcp.so");
        let search = std::env::join_paths([root.join("usr/lib/postfix"), libraries]).unwrap();
        let master = Command::new(root.join("usr/lib/postfix/sbin/master"))
            .arg("-c")
            .arg(place.path().join("conf"))
            .arg("-d")
            .env("MAIL_CONFIG", place.path().join("conf"))
            .env("LD_LIBRARY_PATH", search)
            .env("LD_PRELOAD", preload)
            .env("FAKEROOTKEY", key)
            .current_dir(place.path().join("queue"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its farewell goes to its process group, which must not be that of the tests.
            .process_group(0)
            .spawn()
            .unwrap();
        let postfix = Self {
            port,
            place,
            mail,
            master,
            _faked: faked,
        };
        greeting(port, &postfix.log());
        Some(postfix)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until so many messages are in the Maildir and gives them as they are there.
    pub(crate) fn messages(&self, count: usize) -> Vec<Vec<u8>> {
        let read = |file: &PathBuf| std::fs::read(file).unwrap();
        self.files(count).iter().map(read).collect()
    }

    /// Waits until so many messages are in the Maildir and takes them out of it.
    pub(crate) fn take(&self, count: usize) -> Vec<Vec<u8>> {
        let files = self.files(count);
        let take = |file: &PathBuf| {
            let message = std::fs::read(file).unwrap();
            std::fs::remove_file(file).unwrap();
            message
        };
        files.iter().map(take).collect()
    }

    fn files(&self, count: usize) -> Vec<PathBuf> {
        if count == 0 {
            return Vec::new();
        }
        files(&self.mail.join("box/new"), count, &self.log())
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        signal(self.master.id(), "TERM");
        let _ended = self.master.wait();
    }
}

fn write_configuration(
    root: &Path,
    place: &Path,
    mail: &Path,
    port: u16,
    refusals: &[(&str, &str)],
    boxes: &Boxes,
    policy: Option<u16>,
) {
    for directory in [&place.join("conf"), &place.join("data"), mail] {
        std::fs::create_dir(directory).unwrap();
    }
    for directory in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
        "maildrop", "pid", "private", "public", "saved", "trace",
    ] {
        std::fs::create_dir_all(place.join("queue").join(directory)).unwrap();
    }
    let mut access = String::new();
    for (recipient, reply) in refusals {
        write!(access, " {{{recipient} = {reply}}}").unwrap();
    }
    if refusals.is_empty() {
        access.push_str(" {nobody@invalid = OK}");
    }
    let policy = policy.map_or(String::new(), |port| {
        format!("check_policy_service inet:127.0.0.1:{port},")
    });
    let (root, place, mail) = (root.display(), place.display(), mail.display());
    let boxes = match boxes {
        Boxes::One => "virtual_mailbox_maps = static:box/".to_owned(),
        // Whoever has no box is unknown to the delivery agent only, after the mail was taken.
        Boxes::Bounces { gone, sender } => {
            let exactly = |address: &str| format!("/^{}$/", address.replace('.', "\\."));
            let (gone, sender) = (exactly(gone), exactly(sender));
            let table = format!("{sender} bounces/\n!{gone} box/\n");
            std::fs::write(format!("{place}/conf/boxes"), table).unwrap();
            format!(
                "virtual_mailbox_maps = regexp:{place}/conf/boxes\nsmtpd_reject_unlisted_recipient = no"
            )
        }
    };
    // The accounts are those every Debian has; under fakeroot they need only exist.
    let main = format!(
        "compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
command_directory = {root}/usr/sbin
mail_owner = mail
setgid_group = games
default_privs = nobody
import_environment = MAIL_CONFIG LD_LIBRARY_PATH LD_PRELOAD FAKEROOTKEY
maillog_file = {place}/log
maillog_file_prefixes = /
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.jetond.test
mydestination =
alias_maps =
alias_database =
in_flow_delay = 0
virtual_mailbox_domains = ville.example, editeur.example, xn--mairie-vry-h7a.example
virtual_mailbox_base = {mail}
{boxes}
virtual_uid_maps = static:8
virtual_gid_maps = static:8
virtual_minimum_uid = 1
smtpd_peername_lookup = no
smtpd_recipient_restrictions =
    check_recipient_access inline:{{{access} }}, {policy} reject_unauth_destination
"
    );
    std::fs::write(format!("{place}/conf/main.cf"), main).unwrap();
    let master = format!(
        "127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"
    );
    std::fs::write(format!("{place}/conf/master.cf"), master).unwrap();
}
