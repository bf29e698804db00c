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
use crate::domain::schedule;
use crate::domain::stage::{Stage, Stages};
use crate::domain::token::Declared;
use crate::renewal::handover::take_over_declared;
use crate::renewal::report::differences;
use crate::store::declared::{Facts, Known, Numbered};
use crate::store::error::Result;
use crate::store::events::{NotLeft, Standing};
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
    let known = tx.known_tokens().await?;
    let mut report = Report::default();

    let declared_ids: HashSet<&str> = file.tokens.iter().map(|d| d.id.as_str()).collect();
    let of_file: Vec<&Known> = known
        .iter()
        .filter(|k| k.origin == Origin::File && k.state == State::Active)
        .collect();
    let missing: Vec<&Known> = of_file
        .iter()
        .copied()
        .filter(|k| !declared_ids.contains(k.id.as_str()))
        .collect();
    let accident = looks_like_an_accident(missing.len(), of_file.len());
    let ids = |tokens: &[&Known]| tokens.iter().map(|k| k.id.clone()).collect::<Vec<_>>();
    match (accident, brake) {
        (true, Brake::Refuse) => {
            report.refused = ids(&missing);
            tx.rollback().await?;
            return Ok(report);
        }
        (true, Brake::Keep) => report.kept = ids(&missing),
        (true, Brake::Archive) | (false, _) => {
            let rows: Vec<i64> = missing.iter().map(|k| k.no).collect();
            archive(&mut tx, &rows, ("file", "not in the file"), now).await?;
            report.archived = ids(&missing);
        }
    }

    take_over_declared(&mut tx, &known, file.tokens, now).await?;
    let mut plan = Plan {
        dating: dating(&mut tx, &file).await?,
        ..Plan::default()
    };
    let by_id: HashMap<&str, &Known> = known.iter().map(|k| (k.id.as_str(), k)).collect();
    let mut next_no = tx.next_token_no().await?;
    let mut numbers = HashMap::with_capacity(file.tokens.len());
    for declared in file.tokens {
        let no = match by_id.get(declared.id.as_str()) {
            Some(k) => {
                plan.compare(file.calendar, k, declared);
                k.no
            }
            None => {
                let no = next_no;
                next_no += 1;
                plan.new.push(Numbered { no, declared });
                no
            }
        };
        numbers.insert(declared.id.as_str(), no);
    }
    plan.compare_recipients(&tx.known_recipients().await?, file.tokens, &numbers);
    let touched = plan.write(&mut tx, &mut report, now).await?;
    let looked_at = match write_schedule(&mut tx, &file, now).await? {
        Schedules::Same => touched,
        Schedules::Changed => known.iter().map(|k| k.no).collect(),
    };
    take_back_what_is_not_due(&mut tx, file.calendar, &looked_at, now).await?;
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
    fn compare(&mut self, calendar: &Calendar, known: &Known, declared: &'a Declared) {
        let numbered = || Numbered {
            no: known.no,
            declared,
        };
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
        known: &[KnownRecipient],
        tokens: &[Declared],
        numbers: &HashMap<&str, i64>,
    ) {
        let mut on_record: HashMap<(i64, String), &KnownRecipient> = known
            .iter()
            .map(|r| ((r.token, r.key.clone()), r))
            .collect();
        let new: HashSet<i64> = self.new.iter().map(|n| n.no).collect();
        let of_file: HashSet<i64> = numbers.values().copied().collect();
        for declared in tokens {
            let token = numbers[declared.id.as_str()];
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
                if before == Some(&wanted) {
                    continue;
                }
                match before {
                    Some(b) if b.removed => self.again.push((token, wanted.key.clone())),
                    Some(_) => {}
                    None if new.contains(&token) => {}
                    None => self.entries.push(Entry {
                        what: "recipient_added",
                        token: Some(token),
                        detail: json!({"recipient": wanted.address}),
                    }),
                }
                if !new.contains(&token) {
                    self.note(declared.id.as_str(), Change::Recipients);
                }
                self.put.push(wanted);
            }
        }
        let ids: HashMap<i64, &str> = numbers.iter().map(|(id, no)| (*no, *id)).collect();
        for r in on_record.into_values().filter(|r| {
            !r.removed && r.origin == RecipientOrigin::File && of_file.contains(&r.token)
        }) {
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

        tx.insert_tokens(&self.new, now).await?;
        let declared: Vec<Entry> = self
            .new
            .iter()
            .map(|n| Entry {
                what: "declared",
                token: Some(n.no),
                detail: json!({"expires": n.declared.expires.to_rfc3339()}),
            })
            .collect();
        tx.journal("file", &declared, now).await?;

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
        tx.put_recipients(&self.put, now).await?;
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

/// Takes back what a new date, schedule or `from_stage` makes undue: owed notices that are not
/// due any more, absorbed ones whose slot is to come again, and those that lost the notice which
/// was to speak for them. The next tick owes anew what is due.
pub(super) async fn take_back_what_is_not_due(
    tx: &mut Tx,
    calendar: &Calendar,
    tokens: &[i64],
    now: DateTime<Utc>,
) -> Result<()> {
    let Some(schedule) = tx.schedule().await? else {
        return Ok(());
    };
    let is_due = |n: &NotLeft| {
        let due = schedule::due(calendar, &schedule, &n.period, now);
        let theirs = schedule::due_for(&schedule, &n.period, &n.told, &due);
        theirs.iter().any(|d| d.stage.days() == n.key.2)
    };
    let is_to_come = |n: &NotLeft| calendar.slot(Stage::new(n.key.2), n.period.expires) > now;
    let undue: Vec<_> = tx
        .not_left(tokens)
        .await?
        .into_iter()
        .filter(|n| match n.standing {
            Standing::Owed => !is_due(n),
            Standing::SpokenFor | Standing::Unspoken => is_to_come(n),
        })
        .map(|n| n.key)
        .collect();
    tx.take_back(&undue).await?;
    // Only now is it known what has lost its speaker.
    let unspoken: Vec<_> = tx
        .not_left(tokens)
        .await?
        .into_iter()
        .filter(|n| n.standing == Standing::Unspoken && is_due(n))
        .map(|n| n.key)
        .collect();
    tx.take_back(&unspoken).await
}
