//! What the timeline shows of each token: its period, and of every stage what became of it, or
//! what will as nothing but time passes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::Silence;
use crate::domain::schedule::{self, Quiet, Told};
use crate::domain::stage::{Schedule, Stage};
use crate::store::Store;
use crate::store::board::home::{Audience, Fates, Spoken};
use crate::store::error::Result;
use crate::store::record::Token;

/// What became of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::board) enum Fate {
    /// Somebody was told.
    Sent,
    /// It is on its way.
    Waiting,
    /// It reached nobody.
    Failed,
    /// A more urgent stage spoke for it.
    Absorbed,
    /// Something silenced it, or will.
    Silenced,
    /// Its day has not come.
    Coming,
}

/// A stage of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::board) struct Mark {
    pub(in crate::web::board) stage: i32,
    pub(in crate::web::board) at: DateTime<Utc>,
    pub(in crate::web::board) fate: Fate,
}

/// A token and its stages, the earliest first.
#[derive(Debug, Clone)]
pub(in crate::web::board) struct Lane {
    pub(in crate::web::board) token: Token,
    pub(in crate::web::board) people: u32,
    pub(in crate::web::board) said: Option<Spoken>,
    pub(in crate::web::board) marks: Vec<Mark>,
}

impl Lane {
    /// The next reminder.
    pub(in crate::web::board) fn next(&self) -> Option<Mark> {
        let of = |fate| self.marks.iter().find(|m| m.fate == fate).copied();
        of(Fate::Waiting).or_else(|| of(Fate::Coming))
    }
}

/// The lanes of these tokens, the first to expire first. `spoken` says what silences tokens.
pub(in crate::web::board) async fn lanes(
    store: &Store,
    calendar: &Calendar,
    rows: &[i64],
    spoken: &[Spoken],
    now: DateTime<Utc>,
) -> Result<Vec<Lane>> {
    let Some(schedule) = store.schedule().await? else {
        return Ok(Vec::new());
    };
    let tokens = store.tokens_among(rows).await?;
    let periods: Vec<(i64, i64)> = tokens.iter().map(|t| (t.no, t.period_no)).collect();
    let mut fates: HashMap<i64, Vec<Fates>> = HashMap::new();
    for fate in store.fates(&periods).await? {
        fates.entry(fate.no).or_default().push(fate);
    }
    let audiences: HashMap<i64, Audience> = store
        .audiences(rows)
        .await?
        .into_iter()
        .map(|a| (a.no, a))
        .collect();
    Ok(tokens
        .into_iter()
        .map(|token| {
            let audience = audiences.get(&token.no);
            let theirs = spoken.iter().filter(|s| s.no == token.no);
            let said = theirs.min_by_key(|s| s.kind).cloned();
            let plan = Plan {
                calendar,
                schedule: &schedule,
                token: &token,
                told: Told {
                    from_stage: audience.and_then(|a| a.from_stage),
                    since: token.period.opened_at,
                },
                said: said.as_ref(),
                now,
            };
            let recorded = fates.get(&token.no).map_or(&[][..], Vec::as_slice);
            Lane {
                people: audience.map_or(0, |a| a.people),
                marks: plan.marks(recorded),
                said,
                token,
            }
        })
        .collect())
}

struct Plan<'a> {
    calendar: &'a Calendar,
    schedule: &'a Schedule,
    token: &'a Token,
    told: Told,
    said: Option<&'a Spoken>,
    now: DateTime<Utc>,
}

impl Plan<'_> {
    fn marks(&self, recorded: &[Fates]) -> Vec<Mark> {
        let mut marks: Vec<Mark> = recorded
            .chunk_by(|a, b| a.stage == b.stage)
            .filter_map(|same| self.recorded(same))
            .collect();
        let known = |stage: i32| recorded.iter().any(|f| f.stage == stage);
        let coming = || {
            schedule::coming(
                self.calendar,
                self.schedule,
                &self.token.period,
                &self.told,
                self.now,
            )
            .filter(|d| !known(d.stage.days()))
        };
        let before: Vec<_> = coming().take_while(|d| d.stage.days() >= 0).collect();
        // After the end they go on for ever, until it is renewed: the next one stands for them.
        let shown = if before.is_empty() {
            coming().next().into_iter().collect()
        } else {
            before
        };
        marks.extend(shown.into_iter().map(|d| Mark {
            stage: d.stage.days(),
            at: d.slot,
            fate: if self.is_silent(d.stage, d.slot) {
                Fate::Silenced
            } else {
                Fate::Coming
            },
        }));
        marks
    }

    fn is_silent(&self, stage: Stage, slot: DateTime<Utc>) -> bool {
        self.said.is_some_and(|said| {
            let quiet = Quiet {
                why: said.kind,
                until: match said.kind {
                    Silence::Snoozed => said.until,
                    Silence::Declared | Silence::Filed => None,
                },
            };
            quiet.silences(stage, slot)
        })
    }

    /// What became of one stage, of all who were to be told: the best of it, or what goes on.
    fn recorded(&self, same: &[Fates]) -> Option<Mark> {
        let of = |state: &str| same.iter().find(|f| f.state == state);
        let stage = same.first()?.stage;
        let slot = self
            .calendar
            .slot(Stage::new(stage), self.token.period.expires);
        let told_at = |f: &Fates| f.settled_at.unwrap_or(slot);
        let (fate, at) = if of("owed").is_some() {
            (Fate::Waiting, slot)
        } else if let Some(sent) = of("sent") {
            (Fate::Sent, told_at(sent))
        } else if let Some(failed) = of("failed") {
            (Fate::Failed, told_at(failed))
        } else if of("absorbed").is_some() {
            (Fate::Absorbed, slot)
        } else {
            (Fate::Silenced, slot)
        };
        Some(Mark { stage, at, fate })
    }
}
