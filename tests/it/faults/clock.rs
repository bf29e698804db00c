//! The machine's clock jumps while a mail is in flight and others wait, with libfaketime.
//!
//! The daemon holds back what it cannot date, or goes on; once the clock is right everybody has
//! one mail.

use chrono::{DateTime, Duration, Utc};

use super::campaign::{Form, each_by, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, Site};
use crate::support::program::Running;
use crate::support::smtp_server::{Act, Gate, Phase, Script};

const MAILS: usize = 20;

/// Where the clock goes, from where it is.
type Jump = fn(DateTime<Utc>) -> DateTime<Utc>;

const JUMPS: [(&str, Jump); 6] = [
    ("an hour ahead", |now| now + Duration::hours(1)),
    ("an hour back", |now| now - Duration::hours(1)),
    ("40 days ahead", |now| now + Duration::days(40)),
    ("400 days back", |now| now - Duration::days(400)),
    ("1970", |_| DateTime::UNIX_EPOCH),
    ("2038", |now| now + Duration::days(366 * 11)),
];

fn jumping(jump: Jump, phase: Phase, lanes: Lanes) -> Option<Judged> {
    let gate = Gate::new();
    let script = Script::new().first(1, phase, Act::Wait(gate.clone()));
    let mut site = Site::new(script, MAILS, lanes)?;
    site.program.set_clock(site.now);
    let running = Running::start(site.program.command_by_clock(&["run"]));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(gate.reached());
    site.program.set_clock(jump(site.now));
    let before = site.server.count();
    gate.open();
    site.server.wait_for(before + 1, 0);
    running.signal("HUP");
    running.wait_for("reloaded");
    running.signal("TERM");
    let mut broken = Vec::new();
    let code = running.ended();
    if code != Some(0) {
        broken.push(format!("it ended with {code:?}"));
    }
    // The clock is right again; whoever believed it far ahead waits until it is there, unless
    // a person says that it is right.
    site.now += Duration::hours(3);
    let release = site
        .program
        .command_at(site.now, &["outbox", "release", "--clock"])
        .output()
        .unwrap();
    if release.status.code() != Some(0) {
        broken.push(crate::support::program::said(&release));
    }
    let settled = site.settle();
    let mut judged = oracle::judge(&site, Allowed::default()).and(settled);
    judged.broken.extend(broken);
    Some(judged)
}

#[test]
fn a_clock_that_jumps_while_mails_leave() {
    let all = [Phase::Mail, Phase::Data, Phase::Dot];
    let mut cases = Vec::new();
    for (n, jump) in JUMPS.iter().enumerate() {
        for (m, phase) in all.iter().enumerate() {
            for (l, lanes) in Lanes::ALL.iter().enumerate() {
                if Form::asked_for() == Form::Long || (n % 3 == m && n % 2 == l % 2 && l < 2) {
                    cases.push((jump, *phase, *lanes));
                }
            }
        }
    }
    let done = each_by(2, &cases, |((name, jump), phase, lanes)| {
        let judged = jumping(*jump, *phase, *lanes)?;
        Some(judged.at(&format!("{name} at {phase:?}, {lanes:?}")))
    });
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("clock", cases.len(), &Judged::sum(done));
}
