//! Takes a list over: one transaction, so all of it or nothing.
//!
//! With `sync`, tokens of earlier imports that the list no longer has are archived, unless so
//! many are missing that the list looks like an accident.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::lifecycle::{By, News, Origin, State, Suppression, Who, looks_like_an_accident};
use crate::renewal::import::plan::{Done, Fate, House, Plan, Planner, Wish};
use crate::renewal::import::rows::{Fault, Row};
use crate::renewal::reconcile;
use crate::renewal::undue::take_back_what_is_not_due;
use crate::store::error::Result;
use crate::store::imported::Arrival;
use crate::store::journal::Entry;
use crate::store::periods::Dates;
use crate::store::record::Token;
use crate::store::{Store, Tx};

/// New tokens that one statement writes.
const AT_ONCE: usize = 5_000;

/// What becomes of tokens of earlier imports that the list does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They stay.
    Kept,
    /// They are archived, unless the list looks like an accident.
    Archived,
    /// They are archived: a person confirmed it.
    ArchivedAllTheSame,
}

/// Whose hand imports, and how.
#[derive(Debug, Clone)]
pub struct Hand<'a> {
    /// What the configuration gives.
    pub house: House<'a>,
    /// What a person said for rows that leave it out.
    pub wish: Wish<'a>,
    /// What becomes of the tokens that the list does not have.
    pub absent: Absent,
    /// The list, for the journal.
    pub who: Who,
    /// The present.
    pub now: DateTime<Utc>,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What each row did, in their order.
    pub done: Vec<Done>,
    /// The ids of the tokens that were archived.
    pub archived: Vec<String>,
}

/// Why an import was refused as a whole.
#[derive(Debug)]
pub enum Refused {
    /// Rows that cannot be taken.
    Rows(Vec<Fault>),
    /// It has no row, and is to say what there is.
    Empty,
    /// More tokens are missing from it than a slip should cost.
    Accident {
        /// The ids of those that are missing.
        missing: Vec<String>,
        /// How many are watched.
        active: usize,
    },
}

/// Imports a list; `progress` hears how many of how many new tokens are written.
///
/// # Errors
/// When the store cannot be written; then, and when the list is refused, nothing is changed.
pub async fn import(
    store: &Store,
    hand: &Hand<'_>,
    rows: &[Row],
    mut progress: impl FnMut(usize, usize),
) -> Result<std::result::Result<Outcome, Refused>> {
    if rows.is_empty() && hand.absent == Absent::Archived {
        return Ok(Err(Refused::Empty));
    }
    let mut tx = store.begin().await?;
    let known = tx.tokens().await?;
    let recipients = tx.known_recipients().await?;
    let next_no = tx.next_token_no().await?;
    let planner = Planner::new(hand.house, hand.wish, &known, &recipients, next_no);
    let plan = match planner.plan(rows) {
        Ok(plan) => plan,
        Err(faults) => {
            tx.rollback().await?;
            return Ok(Err(Refused::Rows(faults)));
        }
    };
    let missing = match absent(hand, &known, &plan) {
        Ok(missing) => missing,
        Err(refused) => {
            tx.rollback().await?;
            return Ok(Err(refused));
        }
    };
    let archived = missing.iter().map(|k| k.id.clone()).collect();
    write_new(&mut tx, hand, &plan, &mut progress).await?;
    let touched = write_known(&mut tx, hand, &plan).await?;
    archive(&mut tx, hand, &missing).await?;
    take_back_what_is_not_due(&mut tx, hand.house.calendar, &touched, hand.now).await?;
    tx.cancel_empty_mails(hand.now).await?;
    journal_summary(&mut tx, hand, &plan, missing.len()).await?;
    tx.commit().await?;
    Ok(Ok(Outcome {
        done: plan.done,
        archived,
    }))
}

/// The tokens to be archived.
fn absent<'k>(
    hand: &Hand<'_>,
    known: &'k [Token],
    plan: &Plan,
) -> std::result::Result<Vec<&'k Token>, Refused> {
    if hand.absent == Absent::Kept {
        return Ok(Vec::new());
    }
    let client = hand.wish.client;
    let active: Vec<&Token> = known
        .iter()
        .filter(|k| k.origin == Origin::Import && k.state == State::Active)
        .filter(|k| client.is_none() || k.facts.client.as_deref() == client)
        .collect();
    let missing: Vec<&Token> = active
        .iter()
        .copied()
        .filter(|k| !plan.seen.contains(&k.no))
        .collect();
    if hand.absent == Absent::Archived && looks_like_an_accident(missing.len(), active.len()) {
        return Err(Refused::Accident {
            missing: missing.iter().map(|k| k.id.clone()).collect(),
            active: active.len(),
        });
    }
    Ok(missing)
}

async fn write_new(
    tx: &mut Tx,
    hand: &Hand<'_>,
    plan: &Plan,
    progress: &mut impl FnMut(usize, usize),
) -> Result<()> {
    let who = hand.who.to_string();
    let mut written = 0;
    for chunk in plan.new.chunks(AT_ONCE) {
        tx.insert_arrivals(chunk, &who, hand.now).await?;
        let declared: Vec<Entry> = chunk
            .iter()
            .map(|a| Entry {
                what: "declared",
                token: Some(a.no),
                detail: json!({"expires": a.expires.to_rfc3339()}),
            })
            .collect();
        tx.journal(&who, &declared, hand.now).await?;
        written += chunk.len();
        progress(written, plan.new.len());
    }
    Ok(())
}

/// Writes what changes of tokens on record, and the recipients of all; gives the tokens of which
/// something may be due no more.
async fn write_known(tx: &mut Tx, hand: &Hand<'_>, plan: &Plan) -> Result<Vec<i64>> {
    let (who, now) = (hand.who.to_string(), hand.now);
    let facts: Vec<Arrival> = plan.facts.iter().map(|(a, _)| a.clone()).collect();
    if !facts.is_empty() {
        tx.update_arrivals(&facts).await?;
    }
    let renewed: Vec<i64> = plan.renewed.iter().map(|(a, _)| a.no).collect();
    if !renewed.is_empty() {
        tx.closing_news(News::Renewed, &renewed, &who, &json!({}), now)
            .await?;
        tx.suppress_tokens(&renewed, Suppression::Renewed, now)
            .await?;
        tx.open_periods(&dates(&plan.renewed), &who, now).await?;
    }
    tx.correct_periods(&dates(&plan.corrected), &who, now)
        .await?;

    tx.set_state(&plan.restored, State::Active, By::File, now)
        .await?;
    tx.reopen_tokens(&plan.restored, Suppression::Archived)
        .await?;
    tx.tell_from_now(&plan.restored, now).await?;

    tx.suppress_recipients(&plan.gone, now).await?;
    tx.remove_recipients(&plan.gone, now).await?;
    tx.reopen_recipients(&plan.again).await?;
    for chunk in plan.put.chunks(2 * AT_ONCE) {
        tx.put_recipients(chunk, now).await?;
    }

    let first_new = plan.new.first().map_or(i64::MAX, |a| a.no);
    let mut touched: Vec<i64> = plan.put.iter().map(|r| r.token).collect();
    touched.retain(|no| *no < first_new);
    touched.extend(plan.gone.iter().map(|(no, _)| *no));
    touched.extend(&plan.restored);
    touched.extend(plan.corrected.iter().map(|(a, _)| a.no));
    touched.sort_unstable();
    touched.dedup();
    tx.look_again(&touched, now).await?;
    tx.journal(&who, &entries(plan), now).await?;
    Ok(touched)
}

fn dates(moved: &[(Arrival, DateTime<Utc>)]) -> Vec<Dates> {
    moved.iter().map(|(a, _)| a.dates()).collect()
}

fn entries(plan: &Plan) -> Vec<Entry> {
    let moved = |what, moved: &[(Arrival, DateTime<Utc>)]| -> Vec<Entry> {
        let entry = |(a, before): &(Arrival, DateTime<Utc>)| Entry {
            what,
            token: Some(a.no),
            detail: json!({
                "before": {"expires": before.to_rfc3339()},
                "after": {"expires": a.expires.to_rfc3339(), "jti": a.jti},
            }),
        };
        moved.iter().map(entry).collect()
    };
    let mut entries = moved("renewed", &plan.renewed);
    entries.extend(moved("corrected", &plan.corrected));
    entries.extend(
        plan.facts
            .iter()
            .filter(|(a, before)| a.facts != *before)
            .map(|(a, before)| Entry {
                what: "facts_changed",
                token: Some(a.no),
                detail: json!({"before": before, "after": a.facts}),
            }),
    );
    entries.extend(plan.restored.iter().map(|no| Entry {
        what: "restored",
        token: Some(*no),
        detail: json!({"reason": "back in the import"}),
    }));
    entries.extend(plan.people.iter().map(|(no, what, address)| Entry {
        what,
        token: Some(*no),
        detail: json!({"recipient": address}),
    }));
    entries
}

async fn archive(tx: &mut Tx, hand: &Hand<'_>, missing: &[&Token]) -> Result<()> {
    let rows: Vec<i64> = missing.iter().map(|k| k.no).collect();
    let who = hand.who.to_string();
    reconcile::archive(tx, &rows, (&who, "not in the import"), hand.now).await
}

/// One line for the list as a whole, where it changed something.
async fn journal_summary(tx: &mut Tx, hand: &Hand<'_>, plan: &Plan, archived: usize) -> Result<()> {
    let of = |fate: Fate| plan.done.iter().filter(|d| d.fate == fate).count();
    if plan.done.iter().all(|d| d.fate == Fate::Unchanged) && archived == 0 {
        return Ok(());
    }
    let entry = Entry {
        what: "imported",
        token: None,
        detail: json!({
            "rows": plan.done.len(), "added": of(Fate::Added), "renewed": of(Fate::Renewed),
            "corrected": of(Fate::Corrected), "restored": of(Fate::Restored),
            "changed": of(Fate::Changed), "unchanged": of(Fate::Unchanged), "archived": archived,
        }),
    };
    tx.journal(&hand.who.to_string(), &[entry], hand.now).await
}
