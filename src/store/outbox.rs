//! The outbox: the states of mails, and what claimed mails are about.
//!
//! Mails are taken up by `claim`, and go in doubt by `doubt`; what becomes of them is in `settle`.
//! No transaction is held while a mail is on its way.

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use crate::domain::lifecycle::words;
use crate::domain::schedule::End;
use crate::domain::verdict::Verdict;
pub use crate::store::claim::{Bounds, CLAIM, Claimed, InFlight, Wanted};
pub use crate::store::doubt::{Doubt, ENTER_DOUBT};
use crate::store::error::{Result, StoreError};
use crate::store::plan::{counted, gathered, json};
use crate::store::probe::STANDS;
use crate::store::{Store, Tx, instant, quiet, seconds};

/// The kind of the notes that API Entreprise refuses a token.
pub const NOTE_DEAD: &str = "note_probe_dead";

/// … and of those that it accepts it again, under the same causes.
pub const NOTE_HEALED: &str = "note_probe_healed";

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
    /// When the notice could leave by the rules.
    pub leaves_at: DateTime<Utc>,
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
    /// What API Entreprise says of it, and by which answer last.
    pub heard: Option<(Verdict, DateTime<Utc>)>,
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
    (i64, i64, Option<i64>, i64, i64, Option<String>, Option<i64>),
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

impl Store {
    /// What these mails are about: their notices that are still owed, by active tokens in their
    /// current period.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn carried(&self, mails: &[i64]) -> Result<Vec<Carried>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT json_group_array(json_array(n.mail, t.no, t.id, t.name, t.client_name, n.stage, n.recipient, \
               p.expires, p.opened_at, p.dated_at, t.datapass_id, t.jti, t.siret, t.used_by, t.contact, \
               json_array(t.declared_at, p.revoked_from IS NOT NULL, (SELECT q.filed_at FROM quiet q \
                 WHERE q.token = t.no AND q.period = p.no AND q.kind = 'filed'), n.period, n.leaves_at, b.verdict, b.verdict_at)) \
               ORDER BY n.mail, p.expires, t.id) \
             FROM json_each($1) j CROSS JOIN notice n ON n.mail = j.value \
             CROSS JOIN token t ON t.no = n.token AND t.period = n.period AND t.state = 'active' \
             CROSS JOIN period p ON p.token = n.token AND p.no = n.period LEFT JOIN probe b ON b.token = n.token AND {STANDS} \
             WHERE n.state = 'owed'"
        ));
        let rows: String = sqlx::query_scalar(sql)
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
                leaves_at: instant(r.15.4),
                heard: r
                    .15
                    .5
                    .as_deref()
                    .and_then(Verdict::from_word)
                    .zip(r.15.6.map(instant)),
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
             WHERE kind = 'reminder' AND settled_at IS NULL AND state <> 'claimed' AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.mail = mail.no AND n.state = 'owed')",
        )
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected())
    }
}
