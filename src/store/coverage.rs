//! Promise 1: nothing owed is forgotten. What is uncovered is counted here; the count must be 0.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use sqlx::Row;

use crate::domain::calendar::Calendar;
use crate::domain::schedule::{self, Period, Told};
use crate::domain::stage::Stage;
use crate::store::error::Result;
use crate::store::{Store, instant, quiet, seconds};

/// An owed notice may be open for this long after its slot.
pub const PATIENCE: Duration = Duration::hours(24);

/// A pass comes each minute: a stage is unseen when it has been due for longer than this.
pub const SEEN_WITHIN: Duration = Duration::minutes(2);

/// A due notice that has neither a terminal record nor an open mail with a next time, or that
/// is open for more than 24 h.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered {
    /// The token's id.
    pub token: String,
    /// The stage.
    pub stage: i32,
    /// The recipient's key.
    pub recipient: String,
    /// Since when it could have left.
    pub since: DateTime<Utc>,
    /// Why it counts.
    pub why: Why,
}

/// Why a notice is uncovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is due, and no tick has seen it.
    Unseen,
    /// It is owed, and no mail will take it up.
    Stranded,
    /// Its mail has been open for more than 24 h.
    Late,
}

impl Why {
    /// The word of JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Stranded => "stranded",
            Self::Late => "late",
        }
    }
}

/// The one query: every open notice that is late, or that nothing will take up.
const OPEN_AND_UNCOVERED: &str = "\
    SELECT t.id, n.stage, n.recipient, n.leaves_at, \
      (m.no IS NOT NULL AND m.next_at IS NULL) OR (m.no IS NULL AND NOT EXISTS \
        (SELECT 1 FROM mail o WHERE o.recipient = n.recipient AND o.kind = 'reminder' \
           AND o.state IN ('queued', 'claimed', 'in_doubt', 'deferred', 'held'))) AS stranded \
    FROM notice n JOIN token t ON t.no = n.token LEFT JOIN mail m ON m.no = n.mail \
    WHERE n.state = 'owed' AND (n.leaves_at < $1 OR m.no IS NULL OR m.next_at IS NULL)";

impl Store {
    /// What is uncovered at `now`: the open notices by one query, and the due notices that are
    /// not on record at all by an audit that computes every due stage of every active token
    /// anew, whatever the tick believes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn uncovered(
        &self,
        calendar: &Calendar,
        now: DateTime<Utc>,
    ) -> Result<Vec<Uncovered>> {
        let rows = sqlx::query(OPEN_AND_UNCOVERED)
            .bind(seconds(now - PATIENCE))
            .fetch_all(&self.pool)
            .await?;
        let mut found: Vec<Uncovered> = rows
            .iter()
            .map(|r| {
                let stranded: bool = r.try_get(4)?;
                Ok(Uncovered {
                    token: r.try_get(0)?,
                    stage: r.try_get(1)?,
                    recipient: r.try_get(2)?,
                    since: instant(r.try_get(3)?),
                    why: if stranded { Why::Stranded } else { Why::Late },
                })
            })
            .collect::<Result<_>>()?;
        found.retain(|u| u.why == Why::Stranded || u.since < now - PATIENCE);
        found.extend(self.unseen(calendar, now).await?);
        found.sort_by(|a, b| {
            (a.since, &a.token, a.stage, &a.recipient).cmp(&(
                b.since,
                &b.token,
                b.stage,
                &b.recipient,
            ))
        });
        Ok(found)
    }

    async fn unseen(&self, calendar: &Calendar, now: DateTime<Utc>) -> Result<Vec<Uncovered>> {
        let mut tx = self.pool.begin().await?;
        let Some(schedule) = crate::store::record::schedule(&mut tx).await? else {
            return Ok(Vec::new());
        };
        // The joins begin at the periods, so that all that is far from its end costs one
        // comparison, not a look at its token and its recipients.
        // Nothing is due earlier than the earliest stage, two weeks of holidays allowed for.
        let horizon = now + Duration::days(i64::from(schedule.stages().earliest()) + 14);
        let tokens = sqlx::query(
            "SELECT t.no, t.id, t.period, p.expires, p.opened_at, p.dated_at, t.declared_at, \
               p.revoked_from IS NOT NULL FROM period p \
             CROSS JOIN token t ON t.no = p.token AND t.period = p.no \
             WHERE t.state = 'active' AND p.expires <= $1",
        )
        .bind(seconds(horizon))
        .fetch_all(&mut *tx)
        .await?;
        let recipients = sqlx::query(
            "SELECT r.token, r.key, r.from_stage, r.since FROM period p \
             CROSS JOIN token t ON t.no = p.token AND t.period = p.no CROSS JOIN recipient r ON r.token = t.no \
             WHERE r.removed_at IS NULL AND t.state = 'active' AND p.expires <= $1",
        )
        .bind(seconds(horizon))
        .fetch_all(&mut *tx)
        .await?;
        let notices = sqlx::query(
            "SELECT n.token, n.stage, n.recipient FROM period p \
             CROSS JOIN token t ON t.no = p.token AND t.period = p.no \
             CROSS JOIN notice n ON n.token = t.no AND n.period = p.no WHERE t.state = 'active' AND p.expires <= $1",
        )
        .bind(seconds(horizon))
        .fetch_all(&mut *tx)
        .await?;
        tx.rollback().await?;

        let recorded: HashSet<(i64, i32, &str)> = notices
            .iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?, r.try_get(2)?)))
            .collect::<Result<_>>()?;
        let mut people: HashMap<i64, Vec<(&str, Told)>> = HashMap::new();
        for r in &recipients {
            let from_stage = r
                .try_get::<Option<i64>, _>(2)?
                .and_then(|n| u32::try_from(n).ok());
            people.entry(r.try_get(0)?).or_default().push((
                r.try_get(1)?,
                Told {
                    from_stage,
                    since: instant(r.try_get(3)?),
                },
            ));
        }
        let mut unseen = Vec::new();
        for t in &tokens {
            let (no, id): (i64, &str) = (t.try_get(0)?, t.try_get(1)?);
            let period = Period {
                expires: instant(t.try_get(3)?),
                opened_at: instant(t.try_get(4)?),
                dated_at: instant(t.try_get(5)?),
                declared_at: instant(t.try_get(6)?),
                end: quiet::end(t.try_get(7)?),
            };
            let due = schedule::due(calendar, &schedule, &period, now);
            for (key, told) in people.get(&no).into_iter().flatten() {
                let theirs = schedule::due_for(&schedule, &period, told, &due);
                let is_recorded = |stage: Stage| recorded.contains(&(no, stage.days(), key));
                let new = schedule::newly_due(calendar, &theirs, now, is_recorded);
                // What became due by an event, not by its slot, has been due since that event.
                let from = period.opened_at.max(period.dated_at).max(told.since);
                let is_late = |n: &schedule::NewNotice| n.slot.max(from) <= now - SEEN_WITHIN;
                for n in new.into_iter().filter(is_late) {
                    unseen.push(Uncovered {
                        token: id.to_owned(),
                        stage: n.stage.days(),
                        recipient: (*key).to_owned(),
                        since: n.slot,
                        why: Why::Unseen,
                    });
                }
            }
        }
        Ok(unseen)
    }
}
