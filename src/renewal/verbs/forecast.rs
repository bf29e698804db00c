//! Which reminders of one token are to leave, as things stand: what a verb compares before and
//! after. The endless tail of a schedule is left out.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{Hand, Subject};
use crate::domain::lifecycle::{Silence, State};
use crate::domain::schedule::{self, Fate, Quiet};
use crate::domain::stage::{Schedule, Stage};
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::outbox::Person;
use crate::store::record::Notice;

/// A reminder that is to leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Planned {
    /// When, at the earliest.
    pub at: DateTime<Utc>,
    /// Days before expiry; negative after it.
    pub stage: i32,
    /// The recipient's address as written.
    pub recipient: String,
    /// The period.
    pub period: i64,
}

/// The reminders of a token that are to leave, the earliest first.
pub(super) async fn of(tx: &mut Tx, hand: &Hand<'_>, subject: &Subject) -> Result<Vec<Planned>> {
    let token = &subject.token;
    let Some(schedule) = tx.schedule().await? else {
        return Ok(Vec::new());
    };
    if token.state != State::Active {
        return Ok(Vec::new());
    }
    let notices = tx.notices(token.no, token.period_no).await?;
    let people = tx.people_of(token.no).await?;
    let quiet = subject.said.first().map(|s| Quiet {
        why: s.kind,
        until: match s.kind {
            Silence::Snoozed => s.until,
            Silence::Declared | Silence::Filed => None,
        },
    });
    let mut planned: Vec<Planned> = people
        .iter()
        .flat_map(|p| of_one(hand, subject, &schedule, quiet, p, &notices))
        .collect();
    planned.sort();
    Ok(planned)
}

fn of_one(
    hand: &Hand<'_>,
    subject: &Subject,
    schedule: &Schedule,
    quiet: Option<Quiet>,
    person: &Person,
    notices: &[Notice],
) -> Vec<Planned> {
    let Hand { calendar, now, .. } = *hand;
    let period = &subject.token.period;
    let planned = |stage: Stage, at| Planned {
        at,
        stage: stage.days(),
        recipient: person.address.clone(),
        period: subject.token.period_no,
    };
    let theirs: Vec<&Notice> = notices
        .iter()
        .filter(|n| n.recipient == person.key)
        .collect();
    let owed = theirs.iter().filter(|n| n.state == "owed").map(|n| {
        let at = n.mail.and_then(|(_, _, next)| next).unwrap_or(n.leaves_at);
        planned(Stage::new(n.stage), calendar.next_leave(at.max(now)))
    });
    let told = person.told();
    let due = schedule::due_for(
        schedule,
        period,
        &told,
        &schedule::due(calendar, schedule, period, now),
    );
    let is_recorded = |stage: Stage| theirs.iter().any(|n| n.stage == stage.days());
    let new = schedule::newly_due(calendar, &due, now, is_recorded);
    let new = schedule::silenced(new, quiet, now)
        .into_iter()
        .filter(|n| n.fate == Fate::Owed)
        .map(|n| planned(n.stage, n.leaves_at));
    let listed = schedule.stages().listed();
    let coming: Vec<_> = schedule::coming(calendar, schedule, period, &told, now)
        .take_while(|d| listed.contains(&d.stage))
        .filter(|d| !is_recorded(d.stage))
        .collect();
    let (silent, heard): (Vec<_>, Vec<_>) = coming
        .into_iter()
        .partition(|d| quiet.is_some_and(|q| q.silences(d.stage, d.slot)));
    // What a snooze silenced speaks at its end, through the most urgent stage.
    let woken = quiet.and_then(|q| q.until).and_then(|until| {
        let passed = due
            .iter()
            .filter(|d| {
                !theirs
                    .iter()
                    .any(|n| n.stage == d.stage.days() && n.state == "sent")
            })
            .map(|d| d.stage);
        let last = silent.iter().map(|d| d.stage).chain(passed).min()?;
        Some(planned(last, calendar.next_leave(until.max(now))))
    });
    owed.chain(new)
        .chain(woken)
        .chain(heard.into_iter().map(|d| planned(d.stage, d.slot)))
        .collect()
}

/// Those of `these` that are not among `others`, whenever they leave.
pub(super) fn without(these: &[Planned], others: &[Planned]) -> Vec<Planned> {
    let keys: HashSet<(i64, i32, &str)> = others
        .iter()
        .map(|p| (p.period, p.stage, p.recipient.as_str()))
        .collect();
    these
        .iter()
        .filter(|p| !keys.contains(&(p.period, p.stage, p.recipient.as_str())))
        .cloned()
        .collect()
}
