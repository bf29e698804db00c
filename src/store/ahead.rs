//! What a clock that ran ahead has left on record, put right once a person says what time it is.
//!
//! A pass by a date that has not come yet settles stages before their day and dates events in the
//! future; left alone, those stages would stay silent when their day comes. Server replies and
//! the journal keep their words and times; no instant that a rule reads is left in the future. What
//! a rule reads of the journal counts as of this moment at the latest (`JOURNALLED_AT`).

use chrono::{DateTime, Duration, Utc};

use crate::domain::retry;
use crate::store::error::Result;
use crate::store::{Tx, seconds};

/// A reminder that left by less than this too early told what was true within a day: it stands.
const STANDS_WITHIN: Duration = Duration::hours(24);

/// No rule makes a notice wait for longer than this.
const LONGEST_WAIT: Duration = Duration::days(7);

/// A held mail leaves unanswered after this long.
const HELD_FOR: Duration = Duration::hours(24);

/// Notices of stages that have not come: nobody can have owed them yet.
const FORGET_NOTICES: &str =
    "DELETE FROM notice WHERE slot > $1 AND NOT (state = 'sent' AND slot <= $2)";

/// Of such stages the channels have been told too early; they are told when their day comes.
const FORGET_POSTED: [&str; 2] = [
    "DELETE FROM post_stage AS s WHERE NOT EXISTS (SELECT 1 FROM notice n \
       WHERE n.token = s.token AND n.period = s.period AND n.stage = s.stage)",
    "DELETE FROM stage_news AS s WHERE NOT EXISTS (SELECT 1 FROM notice n \
       WHERE n.token = s.token AND n.period = s.period AND n.stage = s.stage)",
];

/// When what an entry of the journal tells happened: it was written before each later word that
/// the clock is right, whatever clock it was written by.
pub(in crate::store) const JOURNALLED_AT: &str = "min(at, coalesce((SELECT min(c.at) FROM journal c \
     WHERE c.no > journal.no AND c.what = 'clock_believed' AND c.detail ->> 'was' = 'behind'), at))";

/// Instants that lie in the past by their nature; `min` of nothing stays nothing.
const EVENTS: [&str; 16] = [
    "UPDATE schedule SET since = $1 WHERE since > $1",
    "UPDATE token SET declared_at = min(declared_at, $1), state_at = min(state_at, $1) \
       WHERE declared_at > $1 OR state_at > $1",
    "UPDATE period SET opened_at = min(opened_at, $1), dated_at = min(dated_at, $1), \
       closed_at = min(closed_at, $1) WHERE opened_at > $1 OR dated_at > $1 OR closed_at > $1",
    "UPDATE recipient SET since = min(since, $1), removed_at = min(removed_at, $1) \
       WHERE since > $1 OR removed_at > $1",
    "UPDATE attempt SET at = $1 WHERE at > $1",
    "UPDATE quiet SET at = min(at, $1), filed_at = min(filed_at, $1), asked_at = NULL \
       WHERE at > $1 OR filed_at > $1 OR asked_at > $1",
    "UPDATE news SET at = $1 WHERE at > $1",
    "UPDATE not_for_me SET at = $1 WHERE at > $1",
    "UPDATE unreachable SET since = min(since, $1), at = min(at, $1), accepted_at = min(accepted_at, $1) \
       WHERE since > $1 OR at > $1 OR accepted_at > $1",
    "UPDATE untold SET at = $1 WHERE at > $1",
    "UPDATE bounce SET at = $1 WHERE at > $1",
    "UPDATE channel_trouble SET since = $1 WHERE since > $1",
    // A wait is as long as it was asked for; by what clock it was, is seen by the last call, so this
    // comes before the calls are put right.
    "UPDATE service SET not_before = min($1 + 604800, not_before - max(0, \
         max(coalesce(seen_at, 0), coalesce((SELECT max(asked_at) FROM probe), 0)) - $1)), \
       patience = min($1 + 604800, patience - max(0, \
         max(coalesce(seen_at, 0), coalesce((SELECT max(asked_at) FROM probe), 0)) - $1)), \
       since = min(since, $1), failed_at = min(failed_at, $1), seen_at = min(seen_at, $1) \
       WHERE since > $1 OR failed_at > $1 OR seen_at > $1 OR not_before > $1 + 604800 \
         OR EXISTS (SELECT 1 FROM probe WHERE asked_at > $1)",
    "UPDATE probe SET asked_at = min(asked_at, $1), answered_at = min(answered_at, $1), \
       verdict_since = min(verdict_since, $1), verdict_at = min(verdict_at, $1), suspected_at = min(suspected_at, $1), \
       volume_resets = CASE WHEN volume_resets <= $1 + 604800 THEN volume_resets END, \
       of_record = min(of_record, $1), hindered_at = min(hindered_at, $1), \
       in_vain_since = min(in_vain_since, $1) \
       WHERE max(coalesce(asked_at, 0), coalesce(answered_at, 0), coalesce(verdict_at, 0), coalesce(suspected_at, 0), \
         coalesce(of_record, 0), coalesce(hindered_at, 0), coalesce(in_vain_since, 0)) > $1",
    "UPDATE webhook_event SET received_at = $1 WHERE received_at > $1",
    "UPDATE setting SET value = $1 WHERE key IN ('last_pass', 'unreached_seen') \
       AND CAST(value AS INTEGER) > $1",
];

const MAILS: &str = "UPDATE mail SET created_at = min(created_at, $1), settled_at = min(settled_at, $1), \
       counted_at = min(counted_at, $1), deferred_since = min(deferred_since, $1), doubt_at = min(doubt_at, $1), \
       next_at = CASE WHEN state IN ('queued', 'deferred') THEN min(next_at, $1) \
         WHEN state = 'held' THEN min(next_at, $2) ELSE min(next_at, $3) END \
     WHERE max(created_at, coalesce(settled_at, 0), coalesce(counted_at, 0), coalesce(deferred_since, 0), \
       coalesce(doubt_at, 0), coalesce(next_at, 0)) > $1";

const PROMISES: &str = "UPDATE notice SET leaves_at = $1 WHERE state = 'owed' AND leaves_at > $2";

impl Tx {
    /// Forgets the notices of stages that have not come at `now`, and moves to `now` whatever is
    /// dated after it; answers how many notices there were. What was absorbed by them, and when
    /// tokens are looked at next, is for the caller to see to.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn take_back_what_was_ahead(&mut self, now: DateTime<Utc>) -> Result<u32> {
        let at = seconds(now);
        let forgotten = sqlx::query(FORGET_NOTICES)
            .bind(at)
            .bind(seconds(now + STANDS_WITHIN))
            .execute(&mut *self.inner)
            .await?
            .rows_affected();
        for sql in FORGET_POSTED {
            sqlx::query(sql).execute(&mut *self.inner).await?;
        }
        for sql in EVENTS {
            sqlx::query(sql).bind(at).execute(&mut *self.inner).await?;
        }
        sqlx::query(MAILS)
            .bind(at)
            .bind(seconds(now + HELD_FOR))
            .bind(seconds(now + retry::DOUBT_PATIENCE))
            .execute(&mut *self.inner)
            .await?;
        sqlx::query(PROMISES)
            .bind(at)
            .bind(seconds(now + LONGEST_WAIT))
            .execute(&mut *self.inner)
            .await?;
        Ok(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}
