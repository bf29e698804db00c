//! Promise 1: nothing owed is forgotten. What is uncovered is counted here; the count must be 0.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use sqlx::Row;

use crate::domain::calendar::Calendar;
use crate::domain::schedule::{self, Period};
use crate::domain::stage::{Schedule, Stage};
use crate::store::error::Result;
use crate::store::plan::{DueRecipient, Recorded, gathered};
use crate::store::{Store, Tx, instant, quiet, seconds};

/// An owed notice may be open for this long after its slot.
pub const PATIENCE: Duration = Duration::hours(24);

/// A pass comes each minute: a stage is unseen when it has been due for longer than this.
pub const SEEN_WITHIN: Duration = Duration::minutes(2);

/// Tokens that the audit holds in memory at once.
const PAGE: i64 = 1000;

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
           AND o.settled_at IS NULL)) AS stranded \
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

    /// The due notices that are not on record. A page of tokens is read at a time, as one moment
    /// of the store: mails leave between two pages.
    async fn unseen(&self, calendar: &Calendar, now: DateTime<Utc>) -> Result<Vec<Uncovered>> {
        let (mut unseen, mut last) = (Vec::new(), i64::MIN);
        loop {
            let mut tx = Tx {
                inner: self.pool.begin().await?,
            };
            let Some(schedule) = tx.schedule().await? else {
                return Ok(Vec::new());
            };
            let page = Page::read(&mut tx, &schedule, last, now).await?;
            tx.rollback().await?;
            let Some(end) = page.tokens.last() else {
                return Ok(unseen);
            };
            last = end.no;
            page.unseen(calendar, &schedule, now, &mut unseen);
        }
    }
}

/// An active token of which something may be due.
struct Watched {
    no: i64,
    id: String,
    period_no: i64,
    period: Period,
}

/// Some of them, with their people and what is on record of their present periods.
struct Page {
    tokens: Vec<Watched>,
    people: Vec<DueRecipient>,
    recorded: Vec<Recorded>,
}

impl Page {
    /// The tokens after the row `last`.
    async fn read(tx: &mut Tx, schedule: &Schedule, last: i64, now: DateTime<Utc>) -> Result<Self> {
        // Nothing is due earlier than the earliest stage, two weeks of holidays allowed for.
        let horizon = now + Duration::days(i64::from(schedule.stages().earliest()) + 14);
        // The join begins at the periods, so that all that is far from its end costs one
        // comparison, not a look at its token.
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(no, id, period, expires, opened_at, dated_at, declared_at, revoked)) \
             FROM (SELECT t.no, t.id, t.period, p.expires, p.opened_at, p.dated_at, t.declared_at, \
                 p.revoked_from IS NOT NULL AS revoked FROM period p \
               CROSS JOIN token t ON t.no = p.token AND t.period = p.no \
               WHERE p.token > $2 AND p.expires <= $1 AND t.state = 'active' ORDER BY p.token LIMIT $3)",
        )
        .bind(seconds(horizon))
        .bind(last)
        .bind(PAGE)
        .fetch_one(&mut *tx.inner)
        .await?;
        let tokens: Vec<Watched> = gathered::<(i64, String, i64, i64, i64, i64, i64, i64)>(&rows)?
            .into_iter()
            .map(
                |(no, id, period_no, expires, opened_at, dated_at, declared_at, revoked)| Watched {
                    no,
                    id,
                    period_no,
                    period: Period {
                        expires: instant(expires),
                        opened_at: instant(opened_at),
                        dated_at: instant(dated_at),
                        declared_at: instant(declared_at),
                        end: quiet::end(revoked == 1),
                    },
                },
            )
            .collect();
        let rows: Vec<i64> = tokens.iter().map(|t| t.no).collect();
        let periods: Vec<(i64, i64)> = tokens.iter().map(|t| (t.no, t.period_no)).collect();
        Ok(Self {
            people: tx.recipients_of(&rows).await?,
            recorded: tx.recorded(&periods).await?,
            tokens,
        })
    }

    fn unseen(
        &self,
        calendar: &Calendar,
        schedule: &Schedule,
        now: DateTime<Utc>,
        found: &mut Vec<Uncovered>,
    ) {
        let recorded: HashSet<(i64, Stage, &str)> = self
            .recorded
            .iter()
            .map(|r| (r.token, r.stage, r.recipient.as_str()))
            .collect();
        let mut people: HashMap<i64, Vec<&DueRecipient>> = HashMap::new();
        for person in &self.people {
            people.entry(person.token).or_default().push(person);
        }
        for token in &self.tokens {
            let period = &token.period;
            let due = schedule::due(calendar, schedule, period, now);
            for DueRecipient { key, told, .. } in people.get(&token.no).into_iter().flatten() {
                let theirs = schedule::due_for(schedule, period, told, &due);
                let is_recorded =
                    |stage: Stage| recorded.contains(&(token.no, stage, key.as_str()));
                let new = schedule::newly_due(calendar, &theirs, now, is_recorded);
                // What became due by an event, not by its slot, has been due since that event.
                let from = period.opened_at.max(period.dated_at).max(told.since);
                let is_late = |n: &schedule::NewNotice| n.slot.max(from) <= now - SEEN_WITHIN;
                found.extend(new.into_iter().filter(is_late).map(|n| Uncovered {
                    token: token.id.clone(),
                    stage: n.stage.days(),
                    recipient: key.clone(),
                    since: n.slot,
                    why: Why::Unseen,
                }));
            }
        }
    }
}
