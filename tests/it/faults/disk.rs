//! The disk is full, or read-only: files that cannot grow beyond a limit, and a small file
//! system of its own in a mount namespace.
//!
//! A run on such a disk ends with 0, 6 or 8 and never by a panic or a signal. What it could not
//! commit did not leave; with room again everything does.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::campaign::{Form, each, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, PATIENCE, Site, ended_in};
use crate::oracle::random::Dice;
use crate::support::debian;
use crate::support::smtp_server::Script;

const MAILS: usize = 20;

/// Runs on a full disk end so: mails that had no room stay, or the store cannot be used.
const CODES: [i32; 3] = [0, 6, 8];

/// A run whose files may not grow beyond so many kilobytes, and one with room.
fn limited(kilobytes: usize) -> Option<Judged> {
    let lanes = Lanes::ALL[kilobytes % Lanes::ALL.len()];
    let mut site = Site::new(Script::new(), MAILS, lanes)?;
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", 2 * kilobytes);
    site.run_through(&["sh", "-c", &limit, "sh"]);
    let ended = ended_in(&site.once(), &CODES);
    site.run_through(&[]);
    site.now += PATIENCE;
    let settled = site.settle();
    let allowed = Allowed {
        repeats: lanes.in_flight(),
        ..Allowed::default()
    };
    let judged = oracle::judge(&site, allowed).and(ended).and(settled);
    Some(judged.at(&format!("files of {kilobytes} kB, {lanes:?}")))
}

/// A file system of its own over a site's directory, which nobody else sees.
struct Small {
    holder: Child,
    runner: Vec<String>,
}

impl Small {
    /// So many kilobytes; `None` where this machine does not let one have that.
    fn mounted(place: &Path, kilobytes: usize) -> Option<Self> {
        let script = "mount -t tmpfs -o size=\"$1\"k tmpfs \"$0\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["-U", "-r", "-m", "sh", "-c", script])
            .arg(place)
            .arg(kilobytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = String::new();
        BufReader::new(holder.stdout.take()?)
            .read_line(&mut said)
            .ok()?;
        let within = format!("cd {} && exec \"$@\"", place.display());
        let process = holder.id().to_string();
        let runner = ["nsenter", "--preserve-credentials", "-U", "-m", "-t"]
            .into_iter()
            .chain([process.as_str(), "sh", "-c", within.as_str(), "sh"])
            .map(str::to_owned)
            .collect();
        let small = Self { holder, runner };
        (said.trim() == "mounted").then_some(small)
    }

    fn hold(&self, site: &mut Site) {
        let words: Vec<&str> = self.runner.iter().map(String::as_str).collect();
        site.run_through(&words);
    }

    /// Runs a shell's words in it.
    fn shell(&self, words: &str) {
        let status = Command::new(&self.runner[0])
            .args(&self.runner[1..])
            .args(["sh", "-c", words])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{words}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _killed = self.holder.kill();
        let _ended = self.holder.wait();
    }
}

/// Runs in a file system with so little left, read-only in between, and with room at last.
fn small(left: usize) -> Option<Judged> {
    let lanes = Lanes::ALL[left % Lanes::ALL.len()];
    let mut site = Site::new(Script::new(), MAILS, lanes)?;
    let place = site.program.place().to_owned();
    let config = std::fs::read_to_string(place.join("config.toml")).unwrap();
    let small = Small::mounted(&place, 4096)?;
    let outside = tempfile::tempdir().unwrap();
    let copy = outside.path().display().to_string();
    std::fs::write(outside.path().join("config.toml"), config).unwrap();
    small.shell(&format!("cp {copy}/config.toml ."));
    small.hold(&mut site);
    let mut broken = Vec::new();

    // A file without holes takes the room away.
    let rest = 4096 - left;
    small.shell(&format!(
        "dd if=/dev/zero of=ballast bs=1k count={rest} 2>&1 | grep -q copied"
    ));
    broken.extend(ended_in(&site.once(), &CODES).err());
    site.now += chrono::Duration::minutes(1);

    small.shell("mount -o remount,ro .");
    let before = site.server.count();
    broken.extend(ended_in(&site.once(), &[8]).err());
    if site.server.count() > before {
        broken.push("mails left from a read-only store".to_owned());
    }
    small.shell("mount -o remount,rw . && rm -f ballast");
    site.now += PATIENCE;
    let settled = site.settle();

    // The oracle looks from outside.
    small.shell(&format!("cp -a . {copy}"));
    for entry in std::fs::read_dir(outside.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().starts_with("jetond.db") {
            std::fs::copy(entry.path(), place.join(entry.file_name())).unwrap();
        }
    }
    site.run_through(&[]);
    let allowed = Allowed {
        repeats: lanes.in_flight(),
        ..Allowed::default()
    };
    let mut judged = oracle::judge(&site, allowed).and(settled);
    judged.broken.extend(broken);
    Some(judged.at(&format!("{left} kB left, {lanes:?}")))
}

#[test]
fn files_that_cannot_grow() {
    let form = Form::asked_for();
    // From no room for the schema to more than everything needs.
    let limits: Vec<usize> = (4..1000).step_by(form.of(101, 5)).collect();
    let done = each(&limits, |kilobytes| limited(*kilobytes));
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("disk: limit", limits.len(), &Judged::sum(done));
}

#[test]
fn a_file_system_without_room_and_a_read_only_one() {
    if debian::asked_for().is_none() {
        return;
    }
    let probe = tempfile::tempdir().unwrap();
    if Small::mounted(probe.path(), 64).is_none() {
        debian::left_out("no user and mount namespaces to be had");
        return;
    }
    let mut dice = Dice(28);
    let amounts: Vec<usize> = (0..Form::asked_for().of(4, 100))
        .map(|n| usize::try_from(dice.within(0, 200)).unwrap() * (1 + n % 6))
        .collect();
    let done = each(&amounts, |left| small(*left).expect("as the probe"));
    tell("disk: tmpfs", amounts.len() * 2, &Judged::sum(done));
}
