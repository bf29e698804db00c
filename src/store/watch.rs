//! What the store remembers of the watch itself: its passes, the clock's high-water mark, the
//! late mails of a storm, and what a person answered to a hold.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row;

use crate::domain::storm;
use crate::domain::timekeeping::{self, Hold};
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::outbox::count;
use crate::store::plan::json;
use crate::store::settle::NewNote;
use crate::store::{Store, Tx, instant, seconds};

/// When the last pass ended well.
pub(super) const LAST_PASS: &str = "last_pass";
/// The latest `now` of a pass.
const MARK: &str = "clock_mark";
/// Written by the daemon while it holds because the clock jumped ahead: since when, by how many
/// seconds. A person's release takes it away.
const AHEAD: &str = "clock_ahead";

/// What is on record about time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockRecord {
    /// When the last pass ended well.
    pub last_pass: Option<DateTime<Utc>>,
    /// The latest `now` of a pass, or the clock that a person has believed since.
    pub mark: Option<DateTime<Utc>>,
    /// The hold of a daemon whose clock jumped ahead; void when no daemon runs.
    pub ahead: Option<Hold>,
}

/// A late mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateMail {
    /// Its row.
    pub no: i64,
    /// The most urgent stage that it carries.
    pub urgency: i64,
}

/// What a person's release did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// Held mails that may leave.
    pub mails: u32,
    /// The hold of the clock that it ended.
    pub clock: Option<Hold>,
    /// Notices that a clock ahead of its time had recorded before their day.
    pub taken_back: u32,
}

impl Store {
    /// What is on record about time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn clock_record(&self) -> Result<ClockRecord> {
        let rows = sqlx::query("SELECT key, value FROM setting WHERE key IN ($1, $2, $3)")
            .bind(LAST_PASS)
            .bind(MARK)
            .bind(AHEAD)
            .fetch_all(&self.pool)
            .await?;
        let mut record = ClockRecord::default();
        for r in &rows {
            let (key, value): (&str, &str) = (r.try_get(0)?, r.try_get(1)?);
            match key {
                LAST_PASS => record.last_pass = value.parse().ok().map(instant),
                MARK => record.mark = value.parse().ok().map(instant),
                _ => record.ahead = read_ahead(value),
            }
        }
        Ok(record)
    }

    /// Records that a pass has ended well.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn record_pass(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let mark = tx.setting(MARK).await?.and_then(|s| s.parse::<i64>().ok());
        let at = seconds(now);
        tx.set(LAST_PASS, &at.to_string()).await?;
        if mark.is_none_or(|mark| mark < at) {
            tx.set(MARK, &at.to_string()).await?;
        }
        tx.commit().await
    }

    /// When the last pass ended well.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_pass(&self) -> Result<Option<DateTime<Utc>>> {
        Ok(self.clock_record().await?.last_pass)
    }

    /// Records the daemon's hold because of a clock that jumped ahead, or its end, and queues
    /// the note that tells of it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn record_hold(
        &self,
        ahead: Option<Hold>,
        note: Option<&NewNote>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        match ahead {
            Some(Hold::Ahead { since, by }) => {
                let row = format!("{} {}", seconds(since), by.num_seconds());
                tx.set(AHEAD, &row).await?;
            }
            Some(Hold::Behind { .. }) | None => tx.forget(AHEAD).await?,
        }
        if let Some(note) = note {
            tx.queue_note(note, now).await?;
        }
        tx.commit().await
    }

    /// Frees the mails that are held, and has a running daemon believe a clock that jumped
    /// ahead.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release(&self, who: &str, now: DateTime<Utc>) -> Result<Released> {
        let mut tx = self.begin().await?;
        let released = tx.release(who, now).await?;
        tx.commit().await?;
        Ok(released)
    }
}

impl Tx {
    /// Frees the mails that are held, and has a running daemon believe a clock that jumped
    /// ahead.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release(&mut self, who: &str, now: DateTime<Utc>) -> Result<Released> {
        let mails = self.free_held(now).await?;
        if mails > 0 {
            let entry = Entry {
                what: "mails_released",
                token: None,
                detail: json!({"mails": mails}),
            };
            self.journal(who, &[entry], now).await?;
        }
        let clock = self.take_ahead().await?;
        if let Some(hold) = clock {
            self.journal_belief(who, hold, 0, now).await?;
        }
        Ok(Released {
            mails,
            clock,
            taken_back: 0,
        })
    }
}

impl Released {
    /// Whether there was nothing to release.
    pub fn is_nothing(&self) -> bool {
        self.mails == 0 && self.clock.is_none()
    }

    /// Whether it ended the hold of a clock that is behind the latest pass.
    pub fn was_behind(&self) -> bool {
        matches!(self.clock, Some(Hold::Behind { .. }))
    }
}

impl Tx {
    /// Sets the high-water mark to `now` and ends a daemon's hold; where the mark was ahead, what
    /// was recorded by it is taken back.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn believe_clock(&mut self, who: &str, now: DateTime<Utc>) -> Result<Released> {
        let mark = self.setting(MARK).await?.and_then(|s| s.parse().ok());
        let ahead = self.take_ahead().await?;
        let behind = mark.and_then(|mark| timekeeping::behind(Some(instant(mark)), now));
        let taken_back = match behind {
            Some(_) => self.take_back_what_was_ahead(now).await?,
            None => 0,
        };
        self.set(MARK, &seconds(now).to_string()).await?;
        let clock = behind.or(ahead);
        if let Some(hold) = clock {
            self.journal_belief(who, hold, taken_back, now).await?;
        }
        Ok(Released {
            mails: 0,
            clock,
            taken_back,
        })
    }

    /// The reminder mails that have not left and are late: not those on their way, nor those
    /// whose wait a rule or a hold has allowed. One whose hold has ended leaves, also when the
    /// watch had another gap meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn late_mails(&mut self, now: DateTime<Utc>) -> Result<Vec<LateMail>> {
        let rows = sqlx::query(
            "SELECT m.no, m.urgency FROM mail m JOIN notice n ON n.mail = m.no AND n.state = 'owed' \
             WHERE m.next_at IS NOT NULL AND m.kind = 'reminder' AND (m.state IN ('queued', 'deferred') OR m.state = 'held' AND m.next_at > $2) \
             GROUP BY m.no, m.urgency HAVING max(n.leaves_at) < $1 ORDER BY m.no",
        )
        .bind(seconds(now - storm::LATE))
        .bind(seconds(now))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(LateMail {
                    no: r.try_get(0)?,
                    urgency: r.try_get(1)?,
                })
            })
            .collect()
    }

    /// How many tokens are watched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn active_tokens(&mut self) -> Result<u32> {
        let n = sqlx::query_scalar("SELECT count(*) FROM token WHERE state = 'active'")
            .fetch_one(&mut *self.inner)
            .await?;
        Ok(count(n))
    }

    /// Holds mails, each until an instant (in seconds) at which it leaves by itself; what was
    /// promised moves with it; one that was held before leaves no later than it would have. What a server said of them is long ago: they start anew.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn hold(&mut self, mails: &[(i64, i64)]) -> Result<()> {
        if mails.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE mail SET state = 'held', deferrals = 0, deferred_since = NULL, \
               next_at = CASE WHEN mail.state = 'held' THEN min(mail.next_at, j.value ->> 1) ELSE j.value ->> 1 END \
             FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0 AND mail.state IN ('queued', 'deferred', 'held')",
        )
        .bind(json(mails))
        .execute(&mut *self.inner)
        .await?;
        self.promise_later(mails).await
    }

    /// Lets the held mails leave; from now on they are late again after a day.
    async fn free_held(&mut self, now: DateTime<Utc>) -> Result<u32> {
        sqlx::query(
            "UPDATE notice SET leaves_at = $1 WHERE state = 'owed' \
             AND mail IN (SELECT no FROM mail WHERE next_at IS NOT NULL AND state = 'held')",
        )
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        let done = sqlx::query("UPDATE mail SET state = 'queued', next_at = $1 WHERE next_at IS NOT NULL AND state = 'held'")
            .bind(seconds(now))
            .execute(&mut *self.inner)
            .await?;
        Ok(u32::try_from(done.rows_affected()).unwrap_or(u32::MAX))
    }

    async fn take_ahead(&mut self) -> Result<Option<Hold>> {
        let ahead = self.setting(AHEAD).await?;
        self.forget(AHEAD).await?;
        Ok(ahead.as_deref().and_then(read_ahead))
    }

    async fn forget(&mut self, key: &str) -> Result<()> {
        sqlx::query("DELETE FROM setting WHERE key = $1")
            .bind(key)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    async fn journal_belief(
        &mut self,
        who: &str,
        hold: Hold,
        taken_back: u32,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let detail = match hold {
            Hold::Ahead { since, by } => {
                json!({"was": "ahead", "seconds": by.num_seconds(), "since": since.to_rfc3339()})
            }
            Hold::Behind { until, by } => {
                json!({"was": "behind", "seconds": by.num_seconds(), "until": until.to_rfc3339(), "taken_back": taken_back})
            }
        };
        let entry = Entry {
            what: "clock_believed",
            token: None,
            detail,
        };
        self.journal(who, &[entry], now).await
    }
}

fn read_ahead(row: &str) -> Option<Hold> {
    let (since, by) = row.split_once(' ')?;
    Some(Hold::Ahead {
        since: instant(since.parse().ok()?),
        by: Duration::try_seconds(by.parse().ok()?)?,
    })
}
