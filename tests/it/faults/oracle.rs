//! The oracle: the record and the server's log of acceptances, read together.
//!
//! *Lost*: a mail is owed that was neither taken nor is open with a next time, and nobody was
//! told of it. *Repeated*: taken more than once. *Falsely sent*: recorded as sent, and never
//! taken. It asks the program itself for the record, and SQLite for the file's soundness.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::site::{Site, recipient};
use crate::support::smtp_server::Accepted;

/// A mail may arrive so often, whatever happens.
const COPIES: usize = 3;

/// What a scenario may lead to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// Mails taken once more, all together.
    pub(super) repeats: usize,
    /// Mails that never arrived, if the contact was told so.
    pub(super) told: usize,
    /// Mails taken of which the record was taken away.
    pub(super) unrecorded: usize,
}

/// What the oracle found.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged {
    pub(super) mails: usize,
    pub(super) lost: usize,
    pub(super) repeated: usize,
    pub(super) allowed_repeats: usize,
    pub(super) falsely_sent: usize,
    /// Not arrived, with word to the contact.
    pub(super) told: usize,
    /// The rules that were broken.
    pub(super) broken: Vec<String>,
}

impl Judged {
    /// The sum of several.
    pub(super) fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, one| {
            sum.mails += one.mails;
            sum.lost += one.lost;
            sum.repeated += one.repeated;
            sum.allowed_repeats += one.allowed_repeats;
            sum.falsely_sent += one.falsely_sent;
            sum.told += one.told;
            sum.broken.extend(one.broken);
            sum
        })
    }

    fn require(&mut self, holds: bool, rule: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(rule());
        }
    }

    /// The same, with what went wrong besides.
    pub(super) fn and(mut self, done: Result<(), String>) -> Self {
        self.broken.extend(done.err());
        self
    }

    /// The same, each broken rule with the circumstances.
    pub(super) fn at(mut self, circumstances: &str) -> Self {
        for rule in &mut self.broken {
            *rule = format!("{circumstances}: {rule}");
        }
        self
    }
}

/// A header of a message; the lines that it goes on over are left out.
pub(super) fn header<'a>(message: &'a [u8], name: &str) -> Option<&'a str> {
    let head = message.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&message[..head]).ok()?;
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The Message-ID of what was taken, as the record writes it.
pub(super) fn message_id(message: &Accepted) -> String {
    let id = header(&message.bytes, "Message-ID").unwrap_or_default();
    id.trim_matches(['<', '>']).to_owned()
}

/// The mails that are recorded as sent and were never taken.
pub(super) fn falsely_sent(mails: &[Value], taken: &[Accepted]) -> Vec<String> {
    let taken: BTreeSet<String> = taken.iter().map(message_id).collect();
    mails
        .iter()
        .filter(|m| m["state"] == "sent")
        .map(|m| m["message_id"].as_str().unwrap().to_owned())
        .filter(|id| !taken.contains(id))
        .collect()
}

/// Judges a scenario that is over.
pub(super) fn judge(site: &Site, allowed: Allowed) -> Judged {
    let mails = site.mails_on_record();
    let taken = site.server.accepted();
    let mut judged = Judged {
        mails: site.mails,
        allowed_repeats: allowed.repeats,
        ..Judged::default()
    };
    let false_ones = falsely_sent(&mails, &taken);
    judged.falsely_sent = false_ones.len();
    judged.require(false_ones.is_empty(), || {
        format!("recorded as sent, never taken: {false_ones:?}")
    });
    let by_id = copies(&mut judged, &mails, &taken, allowed.unrecorded);
    judged.repeated = by_id.values().map(|copies| copies.len() - 1).sum();
    let repeated = judged.repeated;
    judged.require(repeated <= allowed.repeats, || {
        format!("{repeated} repeats, at most {} can be", allowed.repeats)
    });
    owed(&mut judged, site, &mails, &by_id, allowed);
    soundness(&site.store(), &mut judged);
    let status = site
        .program
        .command_at(site.now, &["status", "--json"])
        .output()
        .unwrap();
    judged.require(status.status.code() == Some(0), || {
        format!("status: {}", crate::support::program::said(&status))
    });
    judged
}

/// What was taken, by Message-ID: known to the record, never too often, the same bytes unless
/// days apart.
fn copies<'a>(
    judged: &mut Judged,
    mails: &[Value],
    taken: &'a [Accepted],
    unrecorded: usize,
) -> BTreeMap<String, Vec<&'a Accepted>> {
    let known: BTreeSet<&str> = mails
        .iter()
        .filter_map(|m| m["message_id"].as_str())
        .collect();
    let mut by_id: BTreeMap<String, Vec<&Accepted>> = BTreeMap::new();
    for message in taken {
        by_id.entry(message_id(message)).or_default().push(message);
    }
    let unknown: Vec<&String> = by_id
        .keys()
        .filter(|id| !known.contains(id.as_str()))
        .collect();
    judged.require(unknown.len() <= unrecorded, || {
        format!("taken without a record: {unknown:?}")
    });
    for (id, copies) in &by_id {
        judged.require(copies.len() <= COPIES, || {
            format!("{id} was taken {} times", copies.len())
        });
        let day = |m: &Accepted| {
            let date = header(&m.bytes, "Date").unwrap_or_default();
            date.get(..16).unwrap_or_default().to_owned()
        };
        let first = copies[0];
        let same = |m: &&&Accepted| m.bytes == first.bytes || day(m) != day(first);
        judged.require(copies.iter().all(|m| same(&m)), || {
            format!("{id} was repeated on the same day with other bytes")
        });
    }
    by_id
}

/// Whether everybody was told, or somebody else was told that they were not.
fn owed(
    judged: &mut Judged,
    site: &Site,
    mails: &[Value],
    by_id: &BTreeMap<String, Vec<&Accepted>>,
    allowed: Allowed,
) {
    let mut theirs: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let mut notes = 0;
    for mail in mails {
        if mail["kind"] == "reminder" {
            let to = mail["recipient"].as_str().unwrap_or_default();
            theirs.entry(to).or_default().push(mail);
        } else if mail["kind"] != "note_unreachable" && mail["state"] != "cancelled" {
            notes += 1;
        }
    }
    let (mut lost, mut open, mut failed) = (Vec::new(), Vec::new(), 0);
    for n in 0..site.mails {
        let to = recipient(n);
        let mails = theirs.get(to.as_str()).map_or(&[][..], Vec::as_slice);
        let arrived = |m: &&&Value| by_id.contains_key(m["message_id"].as_str().unwrap());
        let waits = |m: &&&Value| !m["next_at"].is_null();
        let given_up = |m: &&&Value| {
            ["parked", "refused", "failed"].contains(&m["state"].as_str().unwrap_or_default())
        };
        if mails.iter().any(|m| arrived(&m)) {
        } else if mails.iter().any(|m| waits(&m)) {
            open.push(to);
        } else if mails.iter().any(|m| given_up(&m)) && notes > 0 {
            failed += 1;
        } else {
            lost.push(to);
        }
    }
    judged.lost = lost.len();
    judged.told = failed;
    judged.require(lost.is_empty(), || format!("lost: {lost:?}"));
    // Every scenario lets the daemon finish.
    judged.require(open.is_empty(), || format!("still open: {open:?}"));
    judged.require(failed <= allowed.told, || {
        format!("{failed} were given up, at most {}", allowed.told)
    });
}

/// SQLite's own look at the file.
pub(super) fn soundness(store: &Path, judged: &mut Judged) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (integrity, foreign) = runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(store);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let integrity: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&mut connection)
            .await
            .unwrap_or_else(|e| vec![e.to_string()]);
        let foreign = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&mut connection)
            .await
            .map_or_else(|e| Err(e.to_string()), |rows| Ok(rows.len()));
        connection.close().await.unwrap();
        (integrity, foreign)
    });
    judged.require(integrity == ["ok"], || {
        format!("integrity_check: {integrity:?}")
    });
    judged.require(foreign == Ok(0), || {
        format!("foreign_key_check: {foreign:?}")
    });
}
