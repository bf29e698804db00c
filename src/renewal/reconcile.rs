//! The file against the record, in one transaction (`docs/rules.md`: origin, dates, recipients).
//!
//! Absence from the file archives, and presence restores, only what came from the file. A
//! change of dates in the file is an event; an unchanged file never undoes the record. A file
//! from which many tokens vanished is not believed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{
    By, DateChange, FileDates, News, Origin, State, Suppression, date_change,
    looks_like_an_accident,
};
use crate::domain::stage::Stages;
use crate::domain::token::Declared;
use crate::renewal::handover::take_over_declared;
use crate::renewal::report::differences;
use crate::renewal::undue::{take_back_from_all, take_back_what_is_not_due};
use crate::store::declared::{Facts, Known, Numbered};
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::told::{KnownRecipient, RecipientOrigin};
use crate::store::{Store, Tx};

pub use crate::renewal::report::{Change, Report};

/// What the file says, as far as the record is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'a> {
    /// The tokens.
    pub tokens: &'a [Declared],
    /// The stages in force.
    pub stages: &'a Stages,
    /// The calendar in force.
    pub calendar: &'a Calendar,
    /// Months from issue to expiry.
    pub validity_months: u32,
    /// The digest of the files.
    pub digest: &'a str,
}

/// Tokens that are compared, or written, at once: the cost in memory of a file of any length.
const AT_ONCE: usize = 1000;

/// What to do when more tokens are missing than an editor's slip should cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brake {
    /// Refuse the file as a whole: a reload.
    Refuse,
    /// Take the rest over and keep the missing tokens active: a start.
    Keep,
    /// Archive them: a person said so.
    Archive,
}

/// Takes a declaration over into the record.
///
/// # Errors
/// When the store cannot be written; then nothing is changed.
pub async fn reconcile(
    store: &Store,
    file: Declaration<'_>,
    brake: Brake,
    now: DateTime<Utc>,
) -> Result<Report> {
    let mut tx = store.begin().await?;
    let mut report = Report::default();

    let of_file = tx.active_tokens_of_file().await?;
    let watched = of_file.len();
    let missing = {
        let declared: HashSet<&str> = file.tokens.iter().map(|d| d.id.as_str()).collect();
        let mut missing = of_file;
        missing.retain(|(_, id)| !declared.contains(id.as_str()));
        missing
    };
    let ids = || missing.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>();
    match (looks_like_an_accident(missing.len(), watched), brake) {
        (true, Brake::Refuse) => {
            report.refused = ids();
            tx.rollback().await?;
            return Ok(report);
        }
        (true, Brake::Keep) => report.kept = ids(),
        (true, Brake::Archive) | (false, _) => {
            let rows: Vec<i64> = missing.iter().map(|(no, _)| *no).collect();
            archive(&mut tx, &rows, ("file", "not in the file"), now).await?;
            report.archived = ids();
        }
    }

    let mut plan = Plan {
        dating: dating(&mut tx, &file).await?,
        ..Plan::default()
    };
    let numbers = plan.compare_tokens(&mut tx, &file).await?;
    take_over_declared(&mut tx, &plan.elsewhere, now).await?;
    plan.compare_people(&mut tx, file.tokens, &numbers).await?;
    drop(numbers);
    let touched = plan.write(&mut tx, &mut report, now).await?;
    match write_schedule(&mut tx, &file, now).await? {
        Schedules::Same => {
            take_back_what_is_not_due(&mut tx, file.calendar, &touched, now).await?;
        }
        Schedules::Changed => take_back_from_all(&mut tx, file.calendar, now).await?,
    }
    tx.cancel_empty_mails(now).await?;
    tx.set("config_digest", file.digest).await?;
    tx.commit().await?;
    Ok(report)
}

/// Archives tokens that a file or a list no longer has; their presence restores them.
pub(super) async fn archive(
    tx: &mut Tx,
    tokens: &[i64],
    (who, reason): (&str, &str),
    now: DateTime<Utc>,
) -> Result<()> {
    tx.set_state(tokens, State::Archived, By::File, now).await?;
    tx.suppress_tokens(tokens, Suppression::Archived, now)
        .await?;
    let entries: Vec<Entry> = tokens
        .iter()
        .map(|no| Entry {
            what: "archived",
            token: Some(*no),
            detail: json!({"reason": reason}),
        })
        .collect();
    tx.journal(who, &entries, now).await
}

/// The stages and the calendar of the file; a change of either makes the tick look at every
/// token again.
async fn write_schedule(
    tx: &mut Tx,
    file: &Declaration<'_>,
    now: DateTime<Utc>,
) -> Result<Schedules> {
    let history = tx.schedule().await?;
    let stages_changed = history.as_ref().is_none_or(|h| h.stages() != file.stages);
    if stages_changed {
        // The first version counts as having held always.
        tx.append_schedule(file.stages, now).await?;
    }
    let calendar = file.calendar.to_spec();
    let calendar_changed = tx.setting("calendar").await?.as_deref() != Some(&calendar);
    if calendar_changed {
        tx.set("calendar", &calendar).await?;
    }
    if history.is_some() && (stages_changed || calendar_changed) {
        tx.look_at_all_again(now).await?;
        let what = if stages_changed {
            "stages_changed"
        } else {
            "calendar_changed"
        };
        let detail = json!({"stages": file.stages.to_spec(), "calendar": calendar});
        tx.journal(
            "file",
            &[Entry {
                what,
                token: None,
                detail,
            }],
            now,
        )
        .await?;
        return Ok(Schedules::Changed);
    }
    Ok(Schedules::Same)
}

/// Whether the stages or the calendar changed under tokens that are on record.
enum Schedules {
    Same,
    Changed,
}

/// Whether the dates of the file are computed as they were when it was last read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Dating {
    #[default]
    Same,
    /// The time zone or the months of validity are others.
    Another,
}

async fn dating(tx: &mut Tx, file: &Declaration<'_>) -> Result<Dating> {
    let now = format!("{};{}", file.calendar.tz.name(), file.validity_months);
    let before = tx.setting("dating").await?;
    if before.as_deref() == Some(now.as_str()) {
        return Ok(Dating::Same);
    }
    tx.set("dating", &now).await?;
    Ok(match before {
        Some(_) => Dating::Another,
        None => Dating::Same,
    })
}

/// The differences between the file and the record.
#[derive(Default)]
struct Plan<'a> {
    dating: Dating,
    /// The ids of those that the record has from elsewhere than the file.
    elsewhere: Vec<&'a str>,
    new: Vec<Numbered<'a>>,
    facts: Vec<Numbered<'a>>,
    dates: Vec<Numbered<'a>>,
    renewed: Vec<Numbered<'a>>,
    corrected: Vec<Numbered<'a>>,
    restored: Vec<(i64, String)>,
    entries: Vec<Entry>,
    put: Vec<KnownRecipient>,
    again: Vec<(i64, String)>,
    gone: Vec<(i64, String)>,
    changed: BTreeMap<String, BTreeSet<Change>>,
}

impl<'a> Plan<'a> {
    /// Compares the tokens, a page at a time: of what is the same nothing stays in memory. Gives
    /// their rows.
    async fn compare_tokens(&mut self, tx: &mut Tx, file: &Declaration<'a>) -> Result<Vec<i64>> {
        let mut next_no = tx.next_token_no().await?;
        let mut numbers = Vec::with_capacity(file.tokens.len());
        for page in file.tokens.chunks(AT_ONCE) {
            let ids: Vec<&str> = page.iter().map(|d| d.id.as_str()).collect();
            let known = tx.known_tokens(&ids).await?;
            let by_id: HashMap<&str, &Known> = known.iter().map(|k| (k.id.as_str(), k)).collect();
            for declared in page {
                let no = match by_id.get(declared.id.as_str()) {
                    Some(k) => {
                        self.compare(file.calendar, k, declared);
                        k.no
                    }
                    None => {
                        let no = next_no;
                        next_no += 1;
                        self.new.push(Numbered { no, declared });
                        no
                    }
                };
                numbers.push(no);
            }
        }
        Ok(numbers)
    }

    /// Compares the people of the tokens in these rows, a page at a time.
    async fn compare_people(
        &mut self,
        tx: &mut Tx,
        tokens: &'a [Declared],
        numbers: &[i64],
    ) -> Result<()> {
        for (page, numbers) in tokens.chunks(AT_ONCE).zip(numbers.chunks(AT_ONCE)) {
            let known = tx.known_recipients_of(numbers).await?;
            self.compare_recipients(known, page, numbers);
        }
        Ok(())
    }

    fn compare(&mut self, calendar: &Calendar, known: &Known, declared: &'a Declared) {
        let numbered = || Numbered {
            no: known.no,
            declared,
        };
        if known.origin != Origin::File {
            self.elsewhere.push(declared.id.as_str());
        }
        let facts = Facts::of(declared);
        if known.facts != facts {
            self.facts.push(numbered());
            for change in differences(&known.facts, &facts) {
                self.note(&known.id, change);
            }
            let detail = json!({"before": known.facts, "after": facts});
            self.entries.push(Entry {
                what: "facts_changed",
                token: Some(known.no),
                detail,
            });
        }
        if known.state == State::Archived && known.state_by == By::File {
            self.restored.push((known.no, known.id.clone()));
        }
        let in_file = FileDates {
            expires: declared.expires,
            jti: declared.jti.clone(),
        };
        if known.file.as_ref() == Some(&in_file) {
            return;
        }
        self.dates.push(numbered());
        let moved_on = known
            .file
            .as_ref()
            .is_some_and(|f| f.expires != known.recorded.expires);
        if self.dating == Dating::Another && moved_on {
            // Another time zone or validity shifts every date of the file: that says nothing of
            // a token whose dates have come from elsewhere since.
            return;
        }
        let what = match date_change(calendar, known.file.as_ref(), &known.recorded, &in_file) {
            DateChange::Unchanged => return,
            DateChange::Renewal => {
                self.renewed.push(numbered());
                "renewed"
            }
            DateChange::Correction => {
                self.corrected.push(numbered());
                self.note(&known.id, Change::Dates);
                "corrected"
            }
        };
        let detail = json!({
            "before": {"expires": known.recorded.expires.to_rfc3339(), "jti": known.recorded.jti.as_ref().map(|j| j.as_str().to_owned())},
            "after": {"expires": in_file.expires.to_rfc3339(), "jti": in_file.jti.as_ref().map(|j| j.as_str().to_owned())},
        });
        self.entries.push(Entry {
            what,
            token: Some(known.no),
            detail,
        });
    }

    fn note(&mut self, token: &str, change: Change) {
        self.changed
            .entry(token.to_owned())
            .or_default()
            .insert(change);
    }

    fn compare_recipients(
        &mut self,
        known: Vec<KnownRecipient>,
        tokens: &[Declared],
        numbers: &[i64],
    ) {
        let mut on_record: HashMap<(i64, String), KnownRecipient> = known
            .into_iter()
            .map(|r| ((r.token, r.key.clone()), r))
            .collect();
        // New rows are numbered after all others.
        let first_new = self.new.first().map_or(i64::MAX, |n| n.no);
        let is_new = |token: i64| token >= first_new;
        for (declared, token) in tokens.iter().zip(numbers.iter().copied()) {
            for r in &declared.recipients {
                let wanted = KnownRecipient {
                    token,
                    key: r.address.key(),
                    address: r.address.as_str().to_owned(),
                    name: r.name.clone(),
                    role: r.role.word().to_owned(),
                    language: r.language.code().to_owned(),
                    from_stage: r.from_stage,
                    origin: RecipientOrigin::File,
                    removed: false,
                };
                let before = on_record.remove(&(token, wanted.key.clone()));
                if before.as_ref() == Some(&wanted) {
                    continue;
                }
                match before {
                    Some(b) if b.removed => self.again.push((token, wanted.key.clone())),
                    Some(_) => {}
                    None if is_new(token) => {}
                    None => self.entries.push(Entry {
                        what: "recipient_added",
                        token: Some(token),
                        detail: json!({"recipient": wanted.address}),
                    }),
                }
                if !is_new(token) {
                    self.note(declared.id.as_str(), Change::Recipients);
                }
                self.put.push(wanted);
            }
        }
        let mut gone: Vec<KnownRecipient> = on_record
            .into_values()
            .filter(|r| !r.removed && r.origin == RecipientOrigin::File)
            .collect();
        gone.sort_unstable_by(|a, b| (a.token, &a.key).cmp(&(b.token, &b.key)));
        let ids: HashMap<i64, &str> = numbers
            .iter()
            .copied()
            .zip(tokens.iter().map(|d| d.id.as_str()))
            .collect();
        for r in gone {
            self.note(ids[&r.token], Change::Recipients);
            self.gone.push((r.token, r.key.clone()));
            let detail = json!({"recipient": r.address});
            self.entries.push(Entry {
                what: "recipient_removed",
                token: Some(r.token),
                detail,
            });
        }
    }

    /// Writes the differences; gives the tokens of which something may be due no more.
    async fn write(self, tx: &mut Tx, report: &mut Report, now: DateTime<Utc>) -> Result<Vec<i64>> {
        let named = |tokens: &[Numbered<'_>]| {
            tokens
                .iter()
                .map(|n| n.declared.id.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        let rows = |tokens: &[Numbered<'_>]| tokens.iter().map(|n| n.no).collect::<Vec<_>>();

        for chunk in self.new.chunks(AT_ONCE) {
            tx.insert_tokens(chunk, now).await?;
            let declared: Vec<Entry> = chunk
                .iter()
                .map(|n| Entry {
                    what: "declared",
                    token: Some(n.no),
                    detail: json!({"expires": n.declared.expires.to_rfc3339()}),
                })
                .collect();
            tx.journal("file", &declared, now).await?;
        }

        tx.update_facts(&self.facts).await?;
        tx.closing_news(News::Renewed, &rows(&self.renewed), "file", &json!({}), now)
            .await?;
        tx.suppress_tokens(&rows(&self.renewed), Suppression::Renewed, now)
            .await?;
        let dates =
            |tokens: &[Numbered<'_>]| tokens.iter().map(Numbered::dates).collect::<Vec<_>>();
        tx.open_periods(&dates(&self.renewed), "file", now).await?;
        tx.correct_periods(&dates(&self.corrected), "file", now)
            .await?;
        tx.remember_file_dates(&self.dates).await?;

        let restored: Vec<i64> = self.restored.iter().map(|(no, _)| *no).collect();
        tx.set_state(&restored, State::Active, By::File, now)
            .await?;
        tx.reopen_tokens(&restored, Suppression::Archived).await?;
        tx.tell_from_now(&restored, now).await?;
        let back: Vec<Entry> = restored
            .iter()
            .map(|no| Entry {
                what: "restored",
                token: Some(*no),
                detail: json!({"reason": "back in the file"}),
            })
            .collect();
        tx.journal("file", &back, now).await?;

        tx.suppress_recipients(&self.gone, now).await?;
        tx.remove_recipients(&self.gone, now).await?;
        tx.reopen_recipients(&self.again).await?;
        for chunk in self.put.chunks(AT_ONCE) {
            tx.put_recipients(chunk, now).await?;
        }
        let mut touched: Vec<i64> = self.put.iter().map(|r| r.token).collect();
        touched.extend(&restored);
        touched.extend(rows(&self.corrected));
        touched.sort_unstable();
        touched.dedup();
        tx.look_again(&touched, now).await?;
        tx.journal("file", &self.entries, now).await?;

        report.added = named(&self.new);
        report.renewed = named(&self.renewed);
        report.corrected = named(&self.corrected);
        report.changed = self.changed;
        report.restored = self.restored.into_iter().map(|(_, id)| id).collect();
        Ok(touched)
    }
}
