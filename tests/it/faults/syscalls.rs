//! `kill -9` at each system call of a run of 20 mails, with strace.
//!
//! A first run is traced for the calls it makes. strace counts each kind of call in each thread
//! by itself, so the point (call, n) is the first moment at which any thread makes it for the
//! n-th time. Both in the run that plans and sends, and in one that finds doubts to repeat.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use super::campaign::{Form, each, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, PATIENCE, Site};
use crate::support::debian;
use crate::support::program::Program;
use crate::support::smtp_server::Script;

const MAILS: usize = 20;

/// strace as Debian has it.
pub(crate) struct Strace {
    program: PathBuf,
    libraries: PathBuf,
}

impl Strace {
    pub(crate) fn unpacked() -> Option<Self> {
        let root = debian::unpacked(&["strace"])?;
        Some(Self {
            program: root.join("usr/bin/strace"),
            libraries: debian::libraries(&root),
        })
    }

    /// Has a program run under it.
    pub(crate) fn hold(&self, program: &mut Program, options: &[&str]) {
        // Its own libraries may be unpacked ones, too.
        let libraries = format!("LD_LIBRARY_PATH={}", self.libraries.display());
        let mut words = vec![OsStr::new("env"), OsStr::new(&libraries)];
        words.push(self.program.as_os_str());
        words.extend(["-f", "-qq", "-E", "LD_LIBRARY_PATH"].map(OsStr::new));
        words.extend(options.iter().map(OsStr::new));
        program.run_through(&words);
    }
}

/// The calls of a whole run: how often the busiest thread makes each.
fn calls(strace: &Strace, lanes: Lanes) -> Option<BTreeMap<String, usize>> {
    let mut site = Site::new(Script::new(), MAILS, lanes)?;
    let log = site.program.place().join("calls");
    strace.hold(&mut site.program, &["-o", log.to_str().unwrap()]);
    let output = site.once();
    assert_eq!(site.server.count(), MAILS, "{output:?}");
    let mut by_thread: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        // `1234  pwrite64(5, …` begins a call, `<... pwrite64 resumed>` ends one.
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, _)) = call.trim_start().split_once('(') else {
            continue;
        };
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *by_thread
                .entry((name.to_owned(), thread.to_owned()))
                .or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((name, _), count) in by_thread {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    Some(most)
}

/// Calls that nothing outside the process can tell apart: every one of the others is a point,
/// of these only every tenth.
const INNER: [&str; 10] = [
    "futex",
    "mmap",
    "munmap",
    "mprotect",
    "madvise",
    "brk",
    "rt_sigprocmask",
    "rt_sigaction",
    "sched_yield",
    "sigaltstack",
];

fn killed_at(strace: &Strace, call: &str, nth: usize, lanes: Lanes) -> Judged {
    let mut site = Site::new(Script::new(), MAILS, lanes).expect("it was asked for");
    let kill = format!("inject={call}:signal=SIGKILL:when={nth}");
    let trace = format!("trace={call}");
    let options = ["-e", &trace, "-e", &kill, "-o", "/dev/null"];
    strace.hold(&mut site.program, &options);
    let _killed = site.once();
    site.now += PATIENCE;
    // Once more, where doubts may wait.
    let _killed = site.once();
    site.run_through(&[]);
    site.now += PATIENCE;
    let settled = site.settle();
    let allowed = Allowed {
        repeats: 2 * lanes.in_flight(),
        ..Allowed::default()
    };
    oracle::judge(&site, allowed)
        .and(settled)
        .at(&format!("{call} {nth}"))
}

#[test]
fn kills_at_each_system_call() {
    let Some(strace) = Strace::unpacked() else {
        return;
    };
    let lanes = Lanes::new(2, 16);
    let Some(calls) = calls(&strace, lanes) else {
        return;
    };
    let mut points = Vec::new();
    for (call, count) in &calls {
        let step = if INNER.contains(&call.as_str()) {
            10
        } else {
            1
        };
        points.extend((1..=*count).step_by(step).map(|nth| (call.as_str(), nth)));
    }
    let every = Form::asked_for().of(points.len().div_ceil(30), 1);
    let points: Vec<(&str, usize)> = points.into_iter().step_by(every).collect();
    let done = each(&points, |(call, nth)| killed_at(&strace, call, *nth, lanes));
    tell("syscalls", points.len(), &Judged::sum(done));
}
