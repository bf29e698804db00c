//! The outbox: claiming mails, what they are about, and the commit before the dot.
//!
//! A claim is a lease with a fence that rises each time: an older holder can no longer commit
//! before its dot. No transaction is held while a mail is on its way.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::lifecycle::words;
use crate::domain::retry;
use crate::domain::schedule::End;
use crate::store::error::{Result, StoreError};
use crate::store::plan::{counted, gathered, json};
use crate::store::{Store, Tx, instant, quiet, seconds};

/// The state of a mail (`docs/rules.md`, *A mail's life*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailState {
    /// It waits for its time.
    Queued,
    /// A sender has taken it up.
    Claimed,
    /// Its final dot may have been written; nobody knows whether it was accepted.
    InDoubt,
    /// The server refused it for the time being.
    Deferred,
    /// The storm brake holds it; it leaves by itself when its time has come.
    Held,
    /// A mail server has answered 250 to it.
    Sent,
    /// The server refused its recipient for good.
    Refused,
    /// The server refused the message itself, or it stayed in doubt.
    Parked,
    /// It was deferred for too long.
    Failed,
    /// What it was to say is no longer so.
    Cancelled,
}

words!(MailState {
    Queued = "queued",
    Claimed = "claimed",
    InDoubt = "in_doubt",
    Deferred = "deferred",
    Held = "held",
    Sent = "sent",
    Refused = "refused",
    Parked = "parked",
    Failed = "failed",
    Cancelled = "cancelled",
});

impl MailState {
    /// Whether the mail is not settled.
    pub fn is_open(self) -> bool {
        match self {
            Self::Queued | Self::Claimed | Self::InDoubt | Self::Deferred | Self::Held => true,
            Self::Sent | Self::Refused | Self::Parked | Self::Failed | Self::Cancelled => false,
        }
    }

    /// Whether a notice may still join the mail.
    pub fn takes_notices(self) -> bool {
        match self {
            Self::Queued | Self::Deferred | Self::Held => true,
            Self::Claimed
            | Self::InDoubt
            | Self::Sent
            | Self::Refused
            | Self::Parked
            | Self::Failed
            | Self::Cancelled => false,
        }
    }

    pub(crate) fn read(word: &str) -> Result<Self> {
        Self::from_word(word).ok_or_else(|| StoreError::Corrupt(format!("mail state {word:?}")))
    }
}

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

/// One owed notice of a claimed mail, with its token as it is now.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The mail's row.
    pub mail: i64,
    /// The token's row.
    pub token: i64,
    /// The token's id.
    pub id: String,
    /// The token's name.
    pub name: String,
    /// The client's name.
    pub client: Option<String>,
    /// The number of the token's current period.
    pub period: i64,
    /// The stage.
    pub stage: i32,
    /// The recipient's key.
    pub recipient: String,
    /// The end of the token's current period.
    pub expires: DateTime<Utc>,
    /// When that period was opened and dated.
    pub opened_at: DateTime<Utc>,
    /// When its dates were last corrected.
    pub dated_at: DateTime<Utc>,
    /// When the token was first declared.
    pub declared_at: DateTime<Utc>,
    /// What comes after the period's end.
    pub end: End,
    /// When the renewal request was filed.
    pub filed_at: Option<DateTime<Utc>>,
    /// Data Pass number.
    pub datapass_id: Option<String>,
    /// `jti`.
    pub jti: Option<String>,
    /// SIRET.
    pub siret: Option<String>,
    /// Services that use it.
    pub used_by: Vec<String>,
    /// The token's contact.
    pub contact: String,
}

/// A recipient as a mail names them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The token's row.
    pub token: i64,
    /// The recipient's key.
    pub key: String,
    /// The address as written.
    pub address: String,
    /// Their name.
    pub name: Option<String>,
    /// Their role, as a word.
    pub role: String,
    /// Their language, as a word.
    pub language: String,
    /// They are told from this stage on.
    pub from_stage: Option<u32>,
    /// Since when they are told.
    pub since: DateTime<Utc>,
}

/// [`Carried`] and [`Person`] as statements gather them.
type CarriedRow = (
    i64,
    i64,
    String,
    String,
    Option<String>,
    i32,
    String,
    i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    String,
    (i64, i64, Option<i64>, i64),
);
type PersonRow = (
    i64,
    String,
    String,
    Option<String>,
    String,
    String,
    Option<i64>,
    i64,
);

/// One entry of the commit before the dot.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// The mail's row.
    pub mail: i64,
    /// The fence of the claim.
    pub fence: i64,
    /// The bytes about to be in flight.
    pub content: Vec<u8>,
    /// The number of notices in them (0 for a note).
    pub carried: i64,
}

/// Which mails to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever may leave.
    All,
    /// Notes of one kind.
    Kind(&'static str),
}

/// Must use the partial index `mail_next`; a test looks at its plan.
pub const CLAIM: &str = "UPDATE mail SET state = 'claimed', fence = fence + 1, next_at = $1 + $3 \
     WHERE no IN (SELECT no FROM mail WHERE next_at <= $1 AND ($4 IS NULL OR kind = $4) \
       ORDER BY urgency, next_at, no LIMIT $2) \
     RETURNING no, fence, message_id, kind, recipient, address, doubts, carried, doubt_at, note, \
       CASE WHEN doubts > 0 THEN (SELECT b.content FROM body b WHERE b.mail = mail.no) END AS content, \
       deferrals, deferred_since, urgency";

/// Goes from the mails of the batch to their rows; a test looks at its plan.
pub const ENTER_DOUBT: &str = "UPDATE mail SET doubts = doubts + 1, doubt_at = $1, counted_at = $1, carried = j.value ->> 2 \
     FROM jsonb_each($2) j WHERE mail.no = j.value ->> 0 AND mail.fence = j.value ->> 1 \
       AND mail.state = 'claimed' AND (mail.kind <> 'reminder' OR j.value ->> 2 = ( \
         SELECT count(*) FROM notice n JOIN token t ON t.no = n.token AND t.period = n.period \
           AND t.state = 'active' WHERE n.mail = mail.no AND n.state = 'owed')) \
     RETURNING mail.no, mail.fence";

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
             WHERE state = 'claimed'",
        )
        .bind(seconds(now))
        .bind(retry::DOUBT_PATIENCE.num_seconds())
        .execute(&mut *tx.inner)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(done)
    }

    /// Claims at most `limit` mails whose time has come, the most urgent first.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim(
        &self,
        wanted: Wanted,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<Claimed>> {
        let kind = match wanted {
            Wanted::All => None,
            Wanted::Kind(kind) => Some(kind),
        };
        let mut tx = self.begin().await?;
        let rows = sqlx::query(CLAIM)
            .bind(seconds(now))
            .bind(limit)
            .bind(retry::LEASE.num_seconds())
            .bind(kind)
            .fetch_all(&mut *tx.inner)
            .await?;
        tx.commit().await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            match claimed_row(row) {
                Ok(mail) => claimed.push(mail),
                // It stays claimed until its lease ends; the others leave.
                Err(e) => {
                    tracing::error!(mail = row.try_get::<i64, _>("no").ok(), error = %e, "a mail’s row is damaged");
                }
            }
        }
        claimed.sort_by_key(|(urgency, m)| (*urgency, m.no));
        Ok(claimed.into_iter().map(|(_, m)| m).collect())
    }

    /// What these mails are about: their notices that are still owed, by active tokens in their
    /// current period.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn carried(&self, mails: &[i64]) -> Result<Vec<Carried>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(n.mail, t.no, t.id, t.name, t.client_name, n.stage, n.recipient, \
               p.expires, p.opened_at, p.dated_at, t.datapass_id, t.jti, t.siret, t.used_by, t.contact, \
               json_array(t.declared_at, p.revoked_from IS NOT NULL, (SELECT q.filed_at FROM quiet q \
                 WHERE q.token = t.no AND q.period = p.no AND q.kind = 'filed'), n.period)) \
               ORDER BY n.mail, p.expires, t.id) \
             FROM json_each($1) j CROSS JOIN notice n ON n.mail = j.value \
             JOIN token t ON t.no = n.token AND t.period = n.period AND t.state = 'active' \
             JOIN period p ON p.token = n.token AND p.no = n.period \
             WHERE n.state = 'owed'",
        )
        .bind(json(mails))
        .fetch_one(&self.pool)
        .await?;
        Ok(gathered::<CarriedRow>(&rows)?
            .into_iter()
            .map(|r| Carried {
                mail: r.0,
                token: r.1,
                id: r.2,
                name: r.3,
                client: r.4,
                stage: r.5,
                recipient: r.6,
                expires: instant(r.7),
                opened_at: instant(r.8),
                dated_at: instant(r.9),
                datapass_id: r.10,
                jti: r.11,
                siret: r.12,
                used_by: list(&r.13),
                contact: r.14,
                declared_at: instant(r.15.0),
                end: quiet::end(r.15.1 == 1),
                filed_at: r.15.2.map(instant),
                period: r.15.3,
            })
            .collect())
    }

    /// The present recipients of these tokens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn people(&self, tokens: &[i64]) -> Result<Vec<Person>> {
        let mut connection = self.pool.acquire().await?;
        people(&mut connection, tokens).await
    }

    /// Looks again at these claimed mails: how many reminders each recipient already got from
    /// `from` until before `to`, other than by these mails themselves.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn counted_besides(
        &self,
        recipients: &[&str],
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        except: &[i64],
    ) -> Result<Vec<(String, u32)>> {
        let mut connection = self.pool.acquire().await?;
        counted(&mut connection, recipients, from, to, except).await
    }

    /// How many mails went out, or may have, since `since`: what a rate limit counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn accepted_since(&self, since: DateTime<Utc>) -> Result<u32> {
        let n: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM attempt WHERE at > $1 AND outcome IN ('sent', 'in_doubt')",
        )
        .bind(seconds(since))
        .fetch_one(&self.pool)
        .await?;
        Ok(count(n))
    }

    /// The commit before the dot: records that these mails are about to be in doubt. Answers,
    /// for each, whether it still may leave: the claim holds and all of its notices are still
    /// owed. No mail's dot may be written unless this answered true.
    ///
    /// # Errors
    /// When the store cannot be written; then no dot may be written.
    pub async fn enter_doubt(&self, doubts: &[Doubt], now: DateTime<Utc>) -> Result<Vec<bool>> {
        let rows: Vec<(i64, i64, i64)> = doubts
            .iter()
            .map(|d| (d.mail, d.fence, d.carried))
            .collect();
        let mut tx = self.begin().await?;
        let entered: Vec<(i64, i64)> = sqlx::query_as(ENTER_DOUBT)
            .bind(seconds(now))
            .bind(json(&rows))
            .fetch_all(&mut *tx.inner)
            .await?;
        let entered: HashSet<(i64, i64)> = entered.into_iter().collect();
        let may_leave: Vec<bool> = doubts
            .iter()
            .map(|d| entered.contains(&(d.mail, d.fence)))
            .collect();
        let bodies: Vec<(i64, &[u8])> = doubts
            .iter()
            .zip(&may_leave)
            .filter(|(_, may)| **may)
            .map(|(d, _)| (d.mail, d.content.as_slice()))
            .collect();
        tx.write_bodies(&bodies).await?;
        tx.commit().await?;
        Ok(may_leave)
    }
}

/// As [`Store::people`], on any connection.
pub(crate) async fn people(
    connection: &mut SqliteConnection,
    tokens: &[i64],
) -> Result<Vec<Person>> {
    let rows: String = sqlx::query_scalar(
        "SELECT json_group_array(json_array(r.token, r.key, r.address, r.name, r.role, r.language, \
           r.from_stage, r.since)) \
         FROM json_each($1) j CROSS JOIN recipient r ON r.token = j.value WHERE r.removed_at IS NULL",
    )
    .bind(json(tokens))
    .fetch_one(connection)
    .await?;
    Ok(gathered::<PersonRow>(&rows)?
        .into_iter()
        .map(|r| Person {
            token: r.0,
            key: r.1,
            address: r.2,
            name: r.3,
            role: r.4,
            language: r.5,
            from_stage: r.6.and_then(|n| u32::try_from(n).ok()),
            since: instant(r.7),
        })
        .collect())
}

/// A claimed mail, with the most urgent stage that it carries.
fn claimed_row(r: &SqliteRow) -> Result<(i64, Claimed)> {
    let content: Option<Vec<u8>> = r.try_get("content")?;
    let carried: Option<i64> = r.try_get("carried")?;
    let doubt_at: Option<i64> = r.try_get("doubt_at")?;
    let mail = Claimed {
        no: r.try_get("no")?,
        fence: r.try_get("fence")?,
        message_id: r.try_get("message_id")?,
        kind: r.try_get("kind")?,
        recipient: r.try_get("recipient")?,
        address: r.try_get("address")?,
        doubts: count(r.try_get("doubts")?),
        content: content.map(|bytes| InFlight {
            bytes,
            carried: carried.unwrap_or(0),
            at: instant(doubt_at.unwrap_or(0)),
        }),
        note: r.try_get("note")?,
        deferrals: count(r.try_get("deferrals")?),
        deferred_since: r.try_get::<Option<i64>, _>("deferred_since")?.map(instant),
    };
    Ok((r.try_get("urgency")?, mail))
}

pub(crate) fn count(n: i64) -> u32 {
    u32::try_from(n.max(0)).unwrap_or(u32::MAX)
}

/// A JSON array of strings as the store keeps it.
pub(crate) fn list(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

impl Tx {
    /// Cancels open reminder mails that carry nothing any more.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn cancel_empty_mails(&mut self, now: DateTime<Utc>) -> Result<u64> {
        let done = sqlx::query(
            "UPDATE mail SET state = 'cancelled', next_at = NULL, settled_at = $1 \
             WHERE kind = 'reminder' AND state IN ('queued', 'claimed', 'in_doubt', 'deferred', 'held') \
               AND state <> 'claimed' AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.mail = mail.no AND n.state = 'owed')",
        )
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected())
    }
}
