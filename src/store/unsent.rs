//! What became of mails that were taken up and not accepted: they go on later, or are lost.
//!
//! One statement for all of a kind, however many. A definite answer takes back the doubt of its
//! own attempt, and no earlier one: as long as a copy may have been accepted, the mail stays in
//! doubt, with its bytes and the day on which it counts. A claim that no longer holds changes
//! nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::reach::Way;
use crate::domain::retry;
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::settle::{Entered, Settled, Settlement};
use crate::store::{Tx, seconds};

/// A change of claimed mails; `$1`: an array of (row, fence, …) each, `$2`: now.
macro_rules! of_claimed {
    ($($set:expr),+) => {
        concat!(
            "UPDATE mail SET ", $($set,)+
            " reply = coalesce(nullif(j.value ->> 3, ''), reply) FROM jsonb_each($1) j \
             WHERE mail.no = j.value ->> 0 AND mail.fence = j.value ->> 1 AND mail.state = 'claimed'"
        )
    };
}

/// Takes back the doubt of this attempt.
macro_rules! take_back {
    () => {
        "doubts = max(doubts - 1, 0), counted_at = CASE WHEN doubts > 1 THEN counted_at END, "
    };
}

/// It waits as before, when more than this many doubts stand against it.
macro_rules! waits {
    ($doubts:literal) => {
        concat!(
            "state = CASE WHEN doubts > ",
            $doubts,
            " THEN 'in_doubt' WHEN deferred_since IS NOT NULL THEN 'deferred' ELSE 'queued' END, \
             next_at = j.value ->> 2,"
        )
    };
}

/// It was put off, since a moment.
macro_rules! deferred {
    ($doubts:literal, $since:literal) => {
        concat!(
            "state = CASE WHEN doubts > ",
            $doubts,
            " THEN 'in_doubt' ELSE 'deferred' END, next_at = j.value ->> 2, deferrals = deferrals + 1, \
             attempts = attempts + 1, deferred_since = ",
            $since,
            ","
        )
    };
}

macro_rules! lost {
    () => {
        "state = j.value ->> 2, next_at = NULL, settled_at = $2, \
         attempts = attempts + (j.value ->> 2 <> 'cancelled'),"
    };
}

const WAITS: &str = of_claimed!(waits!("0"));
const WAITS_AFTER_ALL: &str = of_claimed!(take_back!(), waits!("1"));
const DEFERRED: &str = of_claimed!(deferred!("0", "coalesce(deferred_since, $2)"));
const DEFERRED_AFTER_ALL: &str =
    of_claimed!(take_back!(), deferred!("1", "coalesce(deferred_since, $2)"));
const IN_DOUBT: &str =
    of_claimed!("state = 'in_doubt', next_at = j.value ->> 2, attempts = attempts + 1,");
const IN_DOUBT_ALL_THE_SAME: &str = of_claimed!(
    "state = 'in_doubt', next_at = j.value ->> 2, attempts = attempts + 1, \
     doubts = doubts + 1, doubt_at = $2, counted_at = $2,"
);
const LOST: &str = concat!(of_claimed!(lost!()), " RETURNING no");
const LOST_AFTER_ALL: &str = concat!(of_claimed!(take_back!(), lost!()), " RETURNING no");

/// It goes on with the notices that have not waited long enough, deferred since the first of
/// them (`j.value ->> 4`).
const GOES_ON: &str = concat!(
    of_claimed!(deferred!("0", "j.value ->> 4")),
    " RETURNING no"
);
const GOES_ON_AFTER_ALL: &str = concat!(
    of_claimed!(take_back!(), deferred!("1", "j.value ->> 4")),
    " RETURNING no"
);

/// What follows from an outcome.
enum Change {
    /// Nothing here.
    None,
    /// It is taken up again.
    Later(&'static str, DateTime<Utc>),
    /// It is not.
    Lost(&'static str),
    /// It is not, unless notices joined it that have not waited long enough.
    Failed,
}

impl Change {
    fn of(s: &Settled) -> Self {
        match (&s.outcome, s.entered) {
            (Settlement::Sent { .. }, Entered::Yes | Entered::No) => Self::None,
            (Settlement::Deferred { next_at }, Entered::No) => Self::Later(DEFERRED, *next_at),
            (Settlement::Deferred { next_at }, Entered::Yes) => {
                Self::Later(DEFERRED_AFTER_ALL, *next_at)
            }
            (Settlement::InDoubt { next_at }, Entered::Yes) => Self::Later(IN_DOUBT, *next_at),
            (Settlement::InDoubt { next_at }, Entered::No) => {
                Self::Later(IN_DOUBT_ALL_THE_SAME, *next_at)
            }
            (Settlement::Returned { next_at } | Settlement::Postponed { next_at }, Entered::No) => {
                Self::Later(WAITS, *next_at)
            }
            (
                Settlement::Returned { next_at } | Settlement::Postponed { next_at },
                Entered::Yes,
            ) => Self::Later(WAITS_AFTER_ALL, *next_at),
            (Settlement::Refused, _) => Self::Lost("refused"),
            (Settlement::Parked | Settlement::StuckInDoubt, _) => Self::Lost("parked"),
            (Settlement::Cancelled, _) => Self::Lost("cancelled"),
            (Settlement::Failed, _) => Self::Failed,
        }
    }
}

/// The statement that ends a mail: it takes back a doubt that a definite answer has resolved.
fn end_of(s: &Settled) -> &'static str {
    match (&s.outcome, s.entered) {
        (Settlement::StuckInDoubt, _) | (_, Entered::No) => LOST,
        (_, Entered::Yes) => LOST_AFTER_ALL,
    }
}

/// Mails that go on: row, fence, when, reply, and since when they count as deferred.
type Later<'a> = (i64, i64, i64, &'a str, Option<i64>);

/// Mails that are lost: row, fence, state, reply.
type Lost<'a> = (i64, i64, &'static str, &'a str);

impl Tx {
    /// Records what was not accepted.
    pub(super) async fn settle_unsent(
        &mut self,
        settled: &[Settled],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut later: BTreeMap<&'static str, Vec<Later<'_>>> = BTreeMap::new();
        let mut lost: BTreeMap<&'static str, Vec<Lost<'_>>> = BTreeMap::new();
        let (mut failed, mut postponed) = (Vec::new(), Vec::new());
        for s in settled {
            match Change::of(s) {
                Change::None => {}
                Change::Later(sql, at) => {
                    let row = (s.mail, s.fence, seconds(at), s.reply.as_str(), None);
                    later.entry(sql).or_default().push(row);
                }
                Change::Lost(state) => {
                    let row = (s.mail, s.fence, state, s.reply.as_str());
                    lost.entry(end_of(s)).or_default().push(row);
                }
                Change::Failed => failed.push(s),
            }
            if let Settlement::Postponed { next_at } = s.outcome {
                postponed.push((s.mail, seconds(next_at)));
            }
        }
        for (sql, rows) in later {
            sqlx::query(sql)
                .bind(json(&rows))
                .bind(seconds(now))
                .execute(&mut *self.inner)
                .await?;
        }
        self.promise_later(&postponed).await?;
        for s in self.without_young_notices(&failed, now).await? {
            let row = (s.mail, s.fence, "failed", s.reply.as_str());
            lost.entry(end_of(s)).or_default().push(row);
        }
        let mut ended = Vec::new();
        for (sql, rows) in lost {
            let done: Vec<i64> = sqlx::query_scalar(sql)
                .bind(json(&rows))
                .bind(seconds(now))
                .fetch_all(&mut *self.inner)
                .await?;
            ended.extend(done);
        }
        self.lose_notices(settled, &ended, now).await
    }

    /// The notices of mails that ended have failed; people hear of those that were refused.
    async fn lose_notices(
        &mut self,
        settled: &[Settled],
        ended: &[i64],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if ended.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE notice SET state = 'failed', reason = m.state, settled_at = $2 \
             FROM json_each($1) j CROSS JOIN mail m ON m.no = j.value \
             WHERE notice.mail = m.no AND notice.state = 'owed'",
        )
        .bind(json(ended))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        let refused: Vec<i64> = settled
            .iter()
            .filter(|s| s.outcome == Settlement::Refused && ended.contains(&s.mail))
            .map(|s| s.mail)
            .collect();
        self.refused_for_good(&refused, Way::Refused, now).await
    }

    /// Gives up the notices that have waited for too long; a mail that others joined goes on with
    /// them. Answers the mails that carry none of those: they are lost.
    async fn without_young_notices<'a>(
        &mut self,
        failed: &[&'a Settled],
        now: DateTime<Utc>,
    ) -> Result<Vec<&'a Settled>> {
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        let long_ago = seconds(now - retry::GIVEN_UP_AFTER);
        let mails: Vec<i64> = failed.iter().map(|s| s.mail).collect();
        let young: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT n.mail, min(n.leaves_at) FROM json_each($1) j CROSS JOIN notice n ON n.mail = j.value \
             WHERE n.state = 'owed' AND n.leaves_at > $2 GROUP BY n.mail",
        )
        .bind(json(&mails))
        .bind(long_ago)
        .fetch_all(&mut *self.inner)
        .await?;
        let young: BTreeMap<i64, i64> = young.into_iter().collect();
        let again = seconds(now + retry::LONGEST_PAUSE);
        let mut going_on = Vec::new();
        for (sql, entered) in [(GOES_ON, Entered::No), (GOES_ON_AFTER_ALL, Entered::Yes)] {
            let rows: Vec<Later<'_>> = failed
                .iter()
                .filter(|s| s.entered == entered)
                .filter_map(|s| {
                    let since = Some(*young.get(&s.mail)?);
                    Some((s.mail, s.fence, again, s.reply.as_str(), since))
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            let done: Vec<i64> = sqlx::query_scalar(sql)
                .bind(json(&rows))
                .bind(seconds(now))
                .fetch_all(&mut *self.inner)
                .await?;
            going_on.extend(done);
        }
        sqlx::query(
            "UPDATE notice SET state = 'failed', reason = 'failed', settled_at = $3 \
             FROM json_each($1) j WHERE notice.mail = j.value AND notice.state = 'owed' AND notice.leaves_at <= $2",
        )
        .bind(json(&going_on))
        .bind(long_ago)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(failed
            .iter()
            .filter(|s| !young.contains_key(&s.mail))
            .copied()
            .collect())
    }
}
