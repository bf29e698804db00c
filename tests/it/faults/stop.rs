//! The stop: SIGTERM at random moments of a batch.
//!
//! It ends with 0, and at that moment the record and the server's log agree: nothing is lost,
//! nothing is in doubt, nothing comes twice.

use super::campaign::{Form, each, tell};
use super::kill::{MOMENT, slow};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, Site};
use crate::oracle::random::Dice;
use crate::support::program::Running;

/// So many stops in the middle of a batch; after each, the record and the log agree.
fn stopped(seed: usize, stops: usize) -> Option<(usize, Judged)> {
    let lanes = Lanes::ALL[seed % Lanes::ALL.len()];
    let mut site = Site::new(slow(), 40 * stops, lanes)?;
    let mut dice = Dice(seed as u64 + 1000);
    let mut met = 0;
    let mut broken = Vec::new();
    for stop in 0..stops {
        let before = site.server.count();
        let running = Running::start(site.program.command_at(site.now, &["run"]));
        running.wait_for("watching");
        let lines = site.server.lines() + usize::try_from(dice.within(0, 1000)).unwrap();
        site.server.come_to(0, lines, MOMENT);
        running.signal("TERM");
        let code = running.ended();
        if code != Some(0) {
            broken.push(format!("stop {stop}: it ended with {code:?}"));
        }
        met += usize::from(site.server.count() > before);
        let mails = site.mails_on_record();
        let sent = mails.iter().filter(|m| m["state"] == "sent").count();
        let taken = site.server.count();
        if sent != taken {
            broken.push(format!("stop {stop}: {taken} were taken, {sent} recorded"));
        }
        site.now += chrono::Duration::minutes(1);
    }
    let settled = site.settle();
    let mut judged = oracle::judge(&site, Allowed::default()).and(settled);
    judged.broken.extend(broken);
    Some((met, judged.at(&format!("seed {seed}, {lanes:?}"))))
}

#[test]
fn stops_in_the_middle_of_a_batch() {
    let form = Form::asked_for();
    let batches: Vec<usize> = (0..form.of(3, 40)).collect();
    let done = each(&batches, |seed| stopped(*seed, 5));
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    let met: usize = done.iter().map(|(met, _)| met).sum();
    assert!(met > batches.len(), "{met} stops met a batch");
    let judged = Judged::sum(done.into_iter().map(|(_, judged)| judged));
    tell("stop", batches.len() * 5, &judged);
}
