//! Damaged stores: mutants of one that was left in the middle of a batch, with mails that were
//! sent, deferred, in doubt and not yet taken up.
//!
//! A pass on a mutant works or ends with 8, never by a panic, a signal or not at all; and what
//! leaves has its row in the store, where that can still be read.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

use super::campaign::{Form, each, tell};
use super::oracle::{Judged, message_id};
use super::site::{Lanes, PATIENCE, Site, ended_in};
use crate::cli::faults::damaged;
use crate::support::program::said;
use crate::support::smtp_server::{Act, Phase, Script};

const MAILS: usize = 12;

/// The store of which mutants are made.
fn base() -> Option<Vec<u8>> {
    let script = Script::new()
        .to(&super::site::recipient(3), Act::Reply("450 4.7.1 later"))
        .first(1, Phase::Dot, Act::AnswerAndDrop)
        .first(2, Phase::Dot, Act::TakeAndDrop)
        .first(3, Phase::Dot, Act::AnswerAndDrop)
        .at(Phase::Dot, Act::Drop);
    let site = Site::new(script, MAILS, Lanes::new(2, 1))?;
    ended_in(&site.once(), &[6]).unwrap();
    let states = site.mails_on_record();
    let states: std::collections::BTreeSet<&str> =
        states.iter().filter_map(|m| m["state"].as_str()).collect();
    for state in ["sent", "in_doubt"] {
        assert!(states.contains(state), "{states:?}");
    }
    Some(std::fs::read(site.store()).unwrap())
}

/// The Message-IDs of a store, as far as it can be read, each with its state and with the moment,
/// in seconds, of the last commit that it may be leaving.
fn rows(store: &Path) -> Option<Vec<(String, String, Option<i64>)>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(store);
        let mut connection = SqliteConnection::connect_with(&options).await.ok()?;
        let rows = sqlx::query("SELECT message_id, state, doubt_at FROM mail NOT INDEXED")
            .fetch_all(&mut connection)
            .await
            .ok();
        // What it says of a damaged file at its end is of no matter here.
        let _closed = connection.close().await;
        rows?
            .iter()
            .map(|r| Some((r.try_get(0).ok()?, r.try_get(1).ok()?, r.try_get(2).ok()?)))
            .collect()
    })
}

/// What came of a mutant.
struct Mutant {
    told: bool,
    unverified: usize,
    judged: Judged,
}

fn mutant(base: &[u8], n: usize) -> Mutant {
    let lanes = Lanes::ALL[n % Lanes::ALL.len()];
    let mut site = Site::new(Script::new(), MAILS, lanes).expect("as the base");
    std::fs::write(site.store(), damaged(base, n)).unwrap();
    site.now += PATIENCE;
    // A pass that does not end is one that fails: 124.
    site.run_through(&["timeout", "120"]);
    let output = site
        .program
        .command_at(site.now, &["run", "--once", "--lang", "en"])
        .output()
        .unwrap();
    let mut judged = Judged {
        mails: MAILS,
        ..Judged::default()
    };
    judged.broken.extend(ended_in(&output, &[0, 6, 8]).err());
    let told = output.status.code() == Some(8);
    if told && !said(&output).contains("help: ") {
        let said = said(&output);
        judged.broken.push(format!("no advice: {said}"));
    }
    // A reader now and then: they are looked at by tests of their own.
    if n.is_multiple_of(4) {
        let mut status = site.program.command_at(site.now, &["status"]);
        let status = status.output().unwrap();
        judged.broken.extend(ended_in(&status, &[0, 6, 8]).err());
    }

    let taken = site.server.accepted();
    let mut unverified = 0;
    match rows(&site.store()) {
        None => unverified = taken.len(),
        Some(rows) => {
            for message in &taken {
                let id = message_id(message);
                // `claimed` where the damage lay in the way of the outcome: the next pass takes it for
                // what it is, one in doubt.
                let committed = |state: &str, doubt_at: Option<i64>| {
                    ["sent", "in_doubt", "claimed"].contains(&state)
                        && doubt_at.is_some_and(|at| at >= site.now.timestamp())
                };
                let row = rows.iter().find(|(there, ..)| *there == id);
                if !row.is_some_and(|(_, state, doubt_at)| committed(state, *doubt_at)) {
                    judged
                        .broken
                        .push(format!("{id} left without its commit: {row:?}"));
                }
            }
        }
    }
    Mutant {
        told,
        unverified,
        judged: judged.at(&format!("mutant {n}")),
    }
}

#[test]
fn damaged_stores_are_told_or_answer_soundly() {
    let Some(base) = base() else { return };
    let mutants: Vec<usize> = (0..Form::asked_for().of(100, 1000)).collect();
    let done = each(&mutants, |n| mutant(&base, *n));
    let told = done.iter().filter(|m| m.told).count();
    let unverified: usize = done.iter().map(|m| m.unverified).sum();
    assert!(told * 4 > mutants.len(), "{told} were told");
    assert!(
        unverified < mutants.len() * MAILS / 10,
        "{unverified} could not be verified"
    );
    tell(
        "corrupt",
        mutants.len(),
        &Judged::sum(done.into_iter().map(|m| m.judged)),
    );
}
