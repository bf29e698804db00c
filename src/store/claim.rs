//! Taking mails up: claims, the most urgent first, within what quotas leave.
//!
//! A claim is a lease with a fence that rises each time: an older holder can no longer commit
//! before its dot. What it costs follows what it takes, not what is due: it walks the open
//! urgencies, and reads of each no more mails than it lacks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::retry;
use crate::store::error::Result;
use crate::store::outbox::count;
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, seconds};

/// A mail that a sender has taken up.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its row.
    pub no: i64,
    /// The fence of this claim.
    pub fence: i64,
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
    /// `reminder` or the kind of a note.
    pub kind: String,
    /// The recipient's key.
    pub recipient: String,
    /// The address as written.
    pub address: String,
    /// The recipient's domain, as it travels.
    pub domain: String,
    /// How often it went in doubt before.
    pub doubts: u32,
    /// What was in flight when it went in doubt.
    pub content: Option<InFlight>,
    /// A note's words.
    pub note: Option<String>,
    /// Temporary refusals so far.
    pub deferrals: u32,
    /// Since when it has been deferred.
    pub deferred_since: Option<DateTime<Utc>>,
}

/// The bytes of a mail in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The message.
    pub bytes: Vec<u8>,
    /// The number of notices in it.
    pub carried: i64,
    /// When it was composed.
    pub at: DateTime<Utc>,
}

/// Which mails to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever may leave.
    All,
    /// Notes of one kind.
    Kind(&'static str),
}

/// How many mails of a domain may be claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Of each domain that is not named; `None`: any number.
    pub default: Option<u32>,
    /// By domain, as its A-label in lower case; 0: none now.
    pub by_domain: HashMap<String, u32>,
}

/// Candidates that are read at once where some of them may be skipped.
const READ_AT_ONCE: usize = 256;

/// The urgencies of open mails, but not of posts, that have some whose time has come, one step of the index
/// `mail_due` for each; a test looks at its plan.
pub const DUE_URGENCIES: &str = "WITH RECURSIVE open (urgency) AS ( \
       SELECT min(urgency) FROM mail WHERE next_at IS NOT NULL AND urgency > -1000000000000 \
       UNION ALL SELECT (SELECT min(m.urgency) FROM mail m WHERE m.next_at IS NOT NULL AND m.urgency > open.urgency) \
         FROM open WHERE open.urgency IS NOT NULL) \
     SELECT urgency FROM open \
     WHERE EXISTS (SELECT 1 FROM mail m WHERE m.urgency = open.urgency AND m.next_at <= $1) ORDER BY urgency";

/// The mails of one urgency whose time has come, behind a place in their order; a test sees that
/// SQLite reads them in this order and sorts nothing. Of the named domains only, or of all others.
pub const DUE_MAILS: &str = "SELECT next_at, no, domain FROM mail \
     WHERE urgency = $1 AND next_at <= $2 AND (next_at, no) > ($3, $4) \
       AND (domain IN (SELECT value FROM json_each($6))) = $7 \
     ORDER BY next_at, no LIMIT $5";

/// The notes of one kind whose time has come.
const DUE_NOTES: &str = "SELECT next_at, no, domain FROM mail \
     WHERE kind = $1 AND kind <> 'reminder' AND next_at <= $2 ORDER BY next_at, no";

/// Goes from the chosen mails to their rows; a test looks at its plan.
/// A mail whose claim ended while it was in doubt, its outcome never recorded, is not claimed: it
/// is in doubt, and waits for its time.
pub const CLAIM: &str = "UPDATE mail SET \
       state = CASE WHEN state = 'claimed' AND doubts > 0 AND doubt_at + $4 > $1 THEN 'in_doubt' ELSE 'claimed' END, \
       next_at = CASE WHEN state = 'claimed' AND doubts > 0 AND doubt_at + $4 > $1 THEN doubt_at + $4 ELSE $1 + $3 END, \
       fence = fence + 1 \
     WHERE no IN (SELECT value FROM json_each($2)) \
     RETURNING no, fence, message_id, kind, recipient, address, domain, doubts, carried, doubt_at, note, \
       deferrals, deferred_since, state";

/// A mail whose time has come: when it had come, its row, its domain.
type Due = (i64, i64, String);

/// What is taken, and what may still be.
struct Choice {
    left: Bounds,
    mails: Vec<i64>,
    limit: usize,
}

impl Bounds {
    /// Whether nothing is bounded.
    pub fn is_open(&self) -> bool {
        self.default.is_none() && self.by_domain.is_empty()
    }

    /// Takes one mail of a domain off, if it may be claimed.
    fn take(&mut self, domain: &str) -> bool {
        let left = match (self.by_domain.get_mut(domain), self.default) {
            (Some(left), _) => left,
            (None, Some(default)) => self.by_domain.entry(domain.to_owned()).or_insert(default),
            (None, None) => return true,
        };
        let may = *left > 0;
        *left = left.saturating_sub(1);
        may
    }

    /// The domains worth reading, as [`DUE_MAILS`] takes them: only those that are named here
    /// (1), or all but those (0).
    fn readable(&self) -> (String, i64) {
        let only_named = self.default == Some(0);
        let named: Vec<&str> = self
            .by_domain
            .iter()
            .filter(|(_, left)| (**left > 0) == only_named)
            .map(|(domain, _)| domain.as_str())
            .collect();
        (json(&named), i64::from(only_named))
    }
}

impl Choice {
    fn lacks(&self) -> usize {
        self.limit - self.mails.len()
    }

    fn offer(&mut self, due: &[Due]) {
        for (_, no, domain) in due {
            if self.lacks() > 0 && self.left.take(domain) {
                self.mails.push(*no);
            }
        }
    }
}

impl Store {
    /// Voids the claims of a sender that is no more: called by the holder of the sender's lock
    /// at its start. What was in doubt stays in doubt.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn void_claims(&self, now: DateTime<Utc>) -> Result<u64> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "UPDATE mail SET state = CASE WHEN doubts > 0 THEN 'in_doubt' \
                 WHEN deferred_since IS NOT NULL THEN 'deferred' ELSE 'queued' END, \
               next_at = CASE WHEN doubts > 0 THEN coalesce(doubt_at, $1) + $2 ELSE $1 END \
             WHERE next_at IS NOT NULL AND state = 'claimed'",
        )
        .bind(seconds(now))
        .bind(retry::DOUBT_PATIENCE.num_seconds())
        .execute(&mut *tx.inner)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(done)
    }

    /// As [`Tx::claim`], in a transaction of its own.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim(
        &self,
        wanted: Wanted,
        now: DateTime<Utc>,
        limit: i64,
        bounds: &Bounds,
    ) -> Result<Vec<Claimed>> {
        self.require_own_file()?;
        let mut tx = self.begin().await?;
        let claimed = tx.claim(wanted, now, limit, bounds).await?;
        tx.commit().await?;
        Ok(claimed)
    }
}

impl Tx {
    /// Claims at most `limit` mails whose time has come, the most urgent first, and of each domain
    /// no more than its bound. Nothing of them may leave before this is committed.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim(
        &mut self,
        wanted: Wanted,
        now: DateTime<Utc>,
        limit: i64,
        bounds: &Bounds,
    ) -> Result<Vec<Claimed>> {
        let mut choice = Choice {
            left: bounds.clone(),
            mails: Vec::new(),
            limit: usize::try_from(limit).unwrap_or(0),
        };
        match wanted {
            Wanted::All => self.choose(&mut choice, now).await?,
            Wanted::Kind(kind) => {
                let due: Vec<Due> = sqlx::query_as(DUE_NOTES)
                    .bind(kind)
                    .bind(seconds(now))
                    .fetch_all(&mut *self.inner)
                    .await?;
                choice.offer(&due);
            }
        }
        self.claim_rows(&choice.mails, now).await
    }

    /// Claims these mails, whose time has come; in their order.
    pub(in crate::store) async fn claim_rows(
        &mut self,
        mails: &[i64],
        now: DateTime<Utc>,
    ) -> Result<Vec<Claimed>> {
        if mails.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(CLAIM)
            .bind(seconds(now))
            .bind(json(mails))
            .bind(retry::LEASE.num_seconds())
            .bind(retry::DOUBT_PATIENCE.num_seconds())
            .fetch_all(&mut *self.inner)
            .await?;
        let mut claimed: HashMap<i64, Claimed> = HashMap::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<&str, _>(13)? == "in_doubt" {
                continue;
            }
            match claimed_row(row) {
                Ok(mail) => {
                    claimed.insert(mail.no, mail);
                }
                // It stays claimed until its lease ends; the others leave.
                Err(e) => {
                    tracing::error!(mail = row.try_get::<i64, _>("no").ok(), error = %e, "a mail’s row is damaged");
                }
            }
        }
        self.read_in_flight(&mut claimed).await?;
        Ok(mails.iter().filter_map(|no| claimed.remove(no)).collect())
    }

    /// Chooses among what is due, urgency by urgency.
    async fn choose(&mut self, choice: &mut Choice, now: DateTime<Utc>) -> Result<()> {
        if choice.limit == 0 {
            return Ok(());
        }
        let urgencies: Vec<i64> = sqlx::query_scalar(DUE_URGENCIES)
            .bind(seconds(now))
            .fetch_all(&mut *self.inner)
            .await?;
        for urgency in urgencies {
            let mut behind = (i64::MIN, i64::MIN);
            while choice.lacks() > 0 {
                let at_once = if choice.left.is_open() {
                    choice.lacks()
                } else {
                    choice.lacks().max(READ_AT_ONCE)
                };
                let (domains, only_named) = choice.left.readable();
                let due: Vec<Due> = sqlx::query_as(DUE_MAILS)
                    .bind(urgency)
                    .bind(seconds(now))
                    .bind(behind.0)
                    .bind(behind.1)
                    .bind(i64::try_from(at_once).unwrap_or(i64::MAX))
                    .bind(domains)
                    .bind(only_named)
                    .fetch_all(&mut *self.inner)
                    .await?;
                choice.offer(&due);
                match due.last() {
                    Some((next_at, no, _)) if due.len() == at_once => behind = (*next_at, *no),
                    Some(_) | None => break,
                }
            }
        }
        Ok(())
    }

    /// Reads the bytes of those that are in doubt.
    async fn read_in_flight(&mut self, claimed: &mut HashMap<i64, Claimed>) -> Result<()> {
        let in_doubt: Vec<i64> = claimed
            .values()
            .filter(|m| m.doubts > 0)
            .map(|m| m.no)
            .collect();
        if in_doubt.is_empty() {
            return Ok(());
        }
        let mut bodies = self.bodies(&in_doubt).await?;
        for mail in claimed.values_mut().filter(|m| m.doubts > 0) {
            let bytes = bodies.remove(&mail.no);
            mail.content = mail
                .content
                .take()
                .zip(bytes)
                .map(|(flight, bytes)| InFlight { bytes, ..flight });
        }
        Ok(())
    }
}

/// A claimed mail; the bytes in flight of one that is in doubt come after it.
fn claimed_row(r: &SqliteRow) -> Result<Claimed> {
    let doubts = count(r.try_get(7)?);
    let carried: Option<i64> = r.try_get(8)?;
    let doubt_at: Option<i64> = r.try_get(9)?;
    let content = (doubts > 0).then(|| InFlight {
        bytes: Vec::new(),
        carried: carried.unwrap_or(0),
        at: instant(doubt_at.unwrap_or(0)),
    });
    Ok(Claimed {
        no: r.try_get(0)?,
        fence: r.try_get(1)?,
        message_id: r.try_get(2)?,
        kind: r.try_get(3)?,
        recipient: r.try_get(4)?,
        address: r.try_get(5)?,
        domain: r.try_get(6)?,
        doubts,
        content,
        note: r.try_get(10)?,
        deferrals: count(r.try_get(11)?),
        deferred_since: r.try_get::<Option<i64>, _>(12)?.map(instant),
    })
}
