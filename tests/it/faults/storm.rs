//! Thousands of mails at once: due on one day, and late after a long outage.
//!
//! On their day all leave, each once. Late, they are held, the contact is told, and they leave
//! when a person lets them.

use chrono::Duration;

use super::campaign::{Form, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, Site, ended_in};
use crate::support::program::said;
use crate::support::smtp_server::Script;

fn at_once(mails: usize) -> Option<Judged> {
    let mut site = Site::new(Script::new(), mails, Lanes::new(8, 64))?;
    let settled = site.settle();
    Some(oracle::judge(&site, Allowed::default()).and(settled))
}

fn late(mails: usize) -> Option<Judged> {
    let mut site = Site::new(Script::new(), mails, Lanes::new(4, 16))?;
    let config = site.program.place().join("config.toml");
    let config = std::fs::read_to_string(config).unwrap();
    site.program
        .rewrite(&config.replace("storm = 0", "storm = 10"));
    let due = site.now;
    // Watched since before anything was due, and not any more until well after it.
    site.now = due - Duration::days(100);
    let mut broken = Vec::new();
    broken.extend(ended_in(&site.once(), &[0]).err());
    let begun = site.server.count();
    site.now = due + Duration::days(3);
    broken.extend(ended_in(&site.once(), &[0]).err());
    let held = site
        .mails_on_record()
        .iter()
        .filter(|m| m["state"] == "held")
        .count();
    let notes = site.server.count() - begun;
    if held != mails || notes != 1 {
        broken.push(format!("{held} of {mails} are held, {notes} notes left"));
    }
    let release = site
        .program
        .command_at(site.now, &["outbox", "release"])
        .output()
        .unwrap();
    if release.status.code() != Some(0) {
        broken.push(said(&release));
    }
    let settled = site.settle();
    let mut judged = oracle::judge(&site, Allowed::default()).and(settled);
    judged.broken.extend(broken);
    Some(judged)
}

#[test]
fn thousands_of_mails_at_once() {
    let form = Form::asked_for();
    let Some(on_the_day) = at_once(form.of(600, 5000)) else {
        return;
    };
    let late = late(form.of(200, 5000)).expect("as the first");
    tell(
        "storm",
        2,
        &Judged::sum([on_the_day.at("on the day"), late.at("late")]),
    );
}
