//! The power cut: `kill -9` at random moments of a batch.
//!
//! A mail is met by two kills at most, because a doubt rests for half an hour: so the third
//! attempt reaches everybody, and nothing may be lost nor given up.

use std::time::Duration;

use super::campaign::{Form, each, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, PATIENCE, Site};
use crate::oracle::random::Dice;
use crate::support::smtp_server::{Act, Phase, Script};

/// A server that takes a message and lets the client wait a little for its answer: the moment
/// in which a crash leaves a doubt.
pub(super) fn slow() -> Script {
    Script::new().at(Phase::Dot, Act::TakeLate(Duration::from_millis(10)))
}

/// A moment of a run that begins: after so many more messages or lines, or at any time at all.
fn a_moment(site: &Site, dice: &mut Dice) {
    let mut draw = |below: i64| usize::try_from(dice.within(0, below)).unwrap();
    match draw(3) {
        0 => site
            .server
            .come_to(site.server.count() + draw(12), 0, MOMENT),
        1 => {
            let lines = site.server.lines() + draw(1500);
            site.server.come_to(0, lines, MOMENT);
        }
        _ => std::thread::sleep(Duration::from_micros(draw(250_000) as u64)),
    }
}

/// No moment is later than this: by then a run has nothing left to do.
pub(super) const MOMENT: Duration = Duration::from_millis(1500);

/// Two rounds of kills, and the peace after them.
fn killed(seed: usize, kills: usize, mails: usize) -> Option<(usize, Judged)> {
    let lanes = Lanes::ALL[seed % Lanes::ALL.len()];
    let mut site = Site::new(slow(), mails, lanes)?;
    let mut dice = Dice(seed as u64);
    let mut met = 0;
    let mut broken = Vec::new();
    for round in 0..2 {
        for kill in 0..kills / 2 {
            let running = site.begin();
            a_moment(&site, &mut dice);
            met += usize::from(running.kill());
            // Some runs find the store as the kill left it, others as a reader did.
            if kill % 2 == 0 {
                let mails = site.mails_on_record();
                let sent = oracle::falsely_sent(&mails, &site.server.accepted());
                if !sent.is_empty() {
                    broken.push(format!("round {round}, kill {kill}: never taken: {sent:?}"));
                }
            }
            site.now += chrono::Duration::minutes(1);
        }
        site.now += PATIENCE;
    }
    let settled = site.settle();
    let allowed = Allowed {
        repeats: met * lanes.in_flight(),
        ..Allowed::default()
    };
    let mut judged = oracle::judge(&site, allowed).and(settled);
    judged.broken.extend(broken);
    Some((met, judged.at(&format!("seed {seed}, {lanes:?}"))))
}

#[test]
fn kills_at_random_moments() {
    let form = Form::asked_for();
    let batches: Vec<usize> = (0..form.of(10, 100)).collect();
    let done = each(&batches, |seed| killed(*seed, 10, 60));
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    let met: usize = done.iter().map(|(met, _)| met).sum();
    let judged = Judged::sum(done.into_iter().map(|(_, judged)| judged));
    assert!(met * 2 > batches.len() * 10, "{met} kills met a run");
    assert!(judged.repeated > 0, "no kill met a mail in flight");
    tell("kill", met, &judged);
}
