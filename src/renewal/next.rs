//! The next reminder of a token, whoever gets it: what lists show of what is to come.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::lifecycle::{Silence, State, Suppression};
use crate::domain::schedule::{self, Due, Told};
use crate::domain::stage::{Schedule, Stage};
use crate::store::Store;
use crate::store::error::Result;
use crate::store::quiet::Said;
use crate::store::record::{Notice, Token};

/// The strongest silence of each token.
pub(crate) fn strongest(said: Vec<(i64, Said)>) -> HashMap<i64, Said> {
    let mut strongest = HashMap::new();
    for (token, said) in said {
        strongest.entry(token).or_insert(said);
    }
    strongest
}

/// The most urgent stage that a snooze has silenced already.
fn silenced(notices: &[Notice]) -> Option<Stage> {
    let snoozed = Some(Suppression::Snoozed.word());
    let silent = notices
        .iter()
        .filter(|n| n.state == "suppressed" && n.reason.as_deref() == snoozed);
    silent.map(|n| Stage::new(n.stage)).min()
}

/// The most urgent stages that snoozes have silenced already, by the rows of the tokens.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn woken(
    store: &Store,
    tokens: impl Iterator<Item = &Token>,
    said: &HashMap<i64, Said>,
) -> Result<HashMap<i64, Stage>> {
    let mut woken = HashMap::new();
    for token in tokens {
        let is_snoozed = said
            .get(&token.no)
            .is_some_and(|s| s.kind == Silence::Snoozed);
        if is_snoozed {
            let notices = store.notices(token.no, token.period_no).await?;
            woken.extend(silenced(&notices).map(|stage| (token.no, stage)));
        }
    }
    Ok(woken)
}

/// The next reminder of anybody: not one that is silenced; at the end of a snooze the most
/// urgent of those speaks, also one that it has `woken`.
pub(crate) fn reminder(
    t: &Token,
    said: Option<&Said>,
    woken: Option<&Stage>,
    (calendar, schedule): (&Calendar, &Schedule),
    now: DateTime<Utc>,
) -> Option<Due> {
    if t.state != State::Active {
        return None;
    }
    let quiet = said.map(Said::quiet);
    let everyone = Told {
        from_stage: None,
        since: t.period.opened_at,
    };
    let is_silent = |d: &Due| quiet.is_some_and(|q| q.silences(d.stage, d.slot));
    let coming = || schedule::coming(calendar, schedule, &t.period, &everyone, now);
    let heard = coming().find(|d| !is_silent(d));
    let Some(until) = quiet.and_then(|q| q.until) else {
        return heard;
    };
    let last = coming().take_while(is_silent).last().map(|d| d.stage);
    let woken = last.or(woken.copied()).map(|stage| Due {
        stage,
        slot: calendar.next_leave(until.max(now)),
    });
    woken.into_iter().chain(heard).min_by_key(|d| d.slot)
}
