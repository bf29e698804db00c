//! What the tick reads and writes: due tokens, what is on record of them, new notices, open
//! mails.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use crate::domain::schedule::{Period, Quiet, Told};
use crate::domain::stage::{Schedule, Stage};
use crate::store::error::{Result, StoreError};
use crate::store::outbox::MailState;
use crate::store::{Tx, instant, quiet, seconds};

/// An active token whose time has come.
#[derive(Debug, Clone)]
pub struct DueToken {
    /// Its row.
    pub no: i64,
    /// Its id.
    pub id: String,
    /// The number of its current period.
    pub period_no: i64,
    /// Its current period.
    pub period: Period,
    /// When it was to be looked at: its next slot, or an edit before it.
    pub look_at: DateTime<Utc>,
    /// What silences its early stages.
    pub quiet: Option<Quiet>,
}

/// A recipient of a due token.
#[derive(Debug, Clone)]
pub struct DueRecipient {
    /// The token's row.
    pub token: i64,
    /// The recipient's key.
    pub key: String,
    /// The address as written.
    pub address: String,
    /// Which stages are theirs.
    pub told: Told,
}

/// A notice of the current period that is on record.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The token's row.
    pub token: i64,
    /// The recipient's key.
    pub recipient: String,
    /// Its stage.
    pub stage: Stage,
    /// Set while it is owed: the state of its mail, or `None` inside when it waits for one.
    pub owed: Option<Option<MailState>>,
}

/// A notice that is owed and waits until its recipient's mail is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The token's row, the period, the stage: its key with the recipient.
    pub key: (i64, i64, i32),
    /// The recipient's key.
    pub recipient: String,
    /// The address as written.
    pub address: String,
}

/// A recipient's open reminder mail.
#[derive(Debug, Clone, Copy)]
pub struct OpenMail {
    /// Its row.
    pub no: i64,
    /// Its state.
    pub state: MailState,
    /// The most urgent stage that it carries.
    pub urgency: i64,
    /// When it is taken up next.
    pub next_at: Option<DateTime<Utc>>,
}

/// What joining notices change of an open mail.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MailUpdate {
    /// Its row.
    pub no: i64,
    /// The most urgent stage that it carries.
    pub urgency: i64,
    /// When it is taken up next, in seconds.
    pub next_at: Option<i64>,
    /// Its state, a word.
    pub state: &'static str,
}

/// A notice to be written.
#[derive(Debug, Clone, serde::Serialize)]
pub struct NoticeRow(
    /// Token's row.
    pub i64,
    /// Period.
    pub i64,
    /// Stage.
    pub i32,
    /// Recipient's key.
    pub String,
    /// Slot, in seconds.
    pub i64,
    /// `leaves_at`, in seconds.
    pub i64,
    /// State.
    pub &'static str,
    /// Reason.
    pub Option<String>,
    /// Mail.
    pub Option<i64>,
);

/// A mail row to be made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct NewMail {
    /// Its row.
    pub no: i64,
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
    /// The recipient's key.
    pub recipient: String,
    /// The address as written.
    pub address: String,
    /// The most urgent stage that it carries.
    pub urgency: i64,
    /// When it may leave, in seconds.
    pub next_at: i64,
}

impl Tx {
    /// The schedule with its history; `None` in a store that has never been reconciled.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub async fn schedule(&mut self) -> Result<Option<Schedule>> {
        crate::store::record::schedule(&mut self.inner).await
    }

    /// The active tokens to be looked at by `now`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn due_tokens(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<DueToken>> {
        let rows = sqlx::query(DUE_TOKENS)
            .bind(seconds(now))
            .bind(limit)
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter()
            .map(|r| {
                Ok(DueToken {
                    no: r.try_get(0)?,
                    id: r.try_get(1)?,
                    period_no: r.try_get(2)?,
                    period: Period {
                        expires: instant(r.try_get(3)?),
                        opened_at: instant(r.try_get(4)?),
                        dated_at: instant(r.try_get(5)?),
                        declared_at: instant(r.try_get(6)?),
                        end: quiet::end(r.try_get(8)?),
                    },
                    look_at: instant(r.try_get(7)?),
                    quiet: quiet::quiet(r.try_get(9)?, r.try_get(10)?)?,
                })
            })
            .collect()
    }

    /// The present recipients of these tokens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recipients_of(&mut self, tokens: &[i64]) -> Result<Vec<DueRecipient>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(r.token, r.key, r.address, r.from_stage, r.since)) \
             FROM json_each($1) j CROSS JOIN recipient r ON r.token = j.value WHERE r.removed_at IS NULL",
        )
        .bind(json(tokens))
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(gathered::<(i64, String, String, Option<i64>, i64)>(&rows)?
            .into_iter()
            .map(|(token, key, address, from_stage, since)| DueRecipient {
                token,
                key,
                address,
                told: Told {
                    from_stage: from_stage.and_then(|n| u32::try_from(n).ok()),
                    since: instant(since),
                },
            })
            .collect())
    }

    /// What is on record of these (token, period) pairs.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recorded(&mut self, periods: &[(i64, i64)]) -> Result<Vec<Recorded>> {
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(n.token, n.recipient, n.stage, n.state = 'owed', m.state)) \
             FROM jsonb_each($1) j CROSS JOIN notice n \
               ON n.token = j.value ->> 0 AND n.period = j.value ->> 1 \
             LEFT JOIN mail m ON n.state = 'owed' AND m.no = n.mail",
        )
        .bind(json(periods))
        .fetch_one(&mut *self.inner)
        .await?;
        gathered::<(i64, String, i32, i64, Option<String>)>(&rows)?
            .into_iter()
            .map(|(token, recipient, stage, owed, mail)| {
                Ok(Recorded {
                    token,
                    recipient,
                    stage: Stage::new(stage),
                    owed: if owed == 1 {
                        Some(mail.map(|m| MailState::read(&m)).transpose()?)
                    } else {
                        None
                    },
                })
            })
            .collect()
    }

    /// The owed notices that have no mail yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting(&mut self) -> Result<Vec<Waiting>> {
        let rows = sqlx::query(
            "SELECT n.token, n.period, n.stage, n.recipient, r.address FROM notice n \
             JOIN recipient r ON r.token = n.token AND r.key = n.recipient \
             WHERE n.state = 'owed' AND n.mail IS NULL",
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Waiting {
                    key: (r.try_get(0)?, r.try_get(1)?, r.try_get(2)?),
                    recipient: r.try_get(3)?,
                    address: r.try_get(4)?,
                })
            })
            .collect()
    }

    /// The open reminder mails of these recipients.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_mails(&mut self, recipients: &[&str]) -> Result<Vec<(String, OpenMail)>> {
        let rows = sqlx::query(
            "SELECT m.recipient, m.no, m.state, m.urgency, m.next_at FROM json_each($1) j \
             CROSS JOIN mail m ON m.recipient = j.value WHERE m.kind = 'reminder' \
             AND m.settled_at IS NULL",
        )
        .bind(json(recipients))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                let open = OpenMail {
                    no: r.try_get(1)?,
                    state: MailState::read(r.try_get(2)?)?,
                    urgency: r.try_get(3)?,
                    next_at: r.try_get::<Option<i64>, _>(4)?.map(instant),
                };
                Ok((r.try_get(0)?, open))
            })
            .collect()
    }

    /// How many reminders were accepted, or went in doubt, for these recipients from `from`
    /// until before `to`; a recipient without any is left out. The mails `except` do not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn counted(
        &mut self,
        recipients: &[&str],
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        except: &[i64],
    ) -> Result<Vec<(String, u32)>> {
        counted(&mut self.inner, recipients, from, to, except).await
    }

    /// The number after that of the last mail.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_mail_no(&mut self) -> Result<i64> {
        Ok(
            sqlx::query_scalar("SELECT coalesce(max(no), 0) + 1 FROM mail")
                .fetch_one(&mut *self.inner)
                .await?,
        )
    }

    /// Makes reminder mails.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn insert_mails(&mut self, mails: &[NewMail], now: DateTime<Utc>) -> Result<()> {
        if mails.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO mail (no, message_id, kind, cause, recipient, address, state, urgency, created_at, next_at, domain) \
             SELECT value ->> 'no', value ->> 'message_id', 'reminder', '', value ->> 'recipient', \
               value ->> 'address', 'queued', value ->> 'urgency', $2, value ->> 'next_at', \
               substr(value ->> 'recipient', instr(value ->> 'recipient', '@') + 1) FROM jsonb_each($1)",
        )
        .bind(json(mails))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Writes new notices. A key that is there already is an error: nothing is planned twice.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn insert_notices(
        &mut self,
        notices: &[NoticeRow],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO notice (token, period, stage, recipient, slot, leaves_at, state, reason, mail, settled_at) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
               value ->> 7, value ->> 8, CASE WHEN value ->> 6 = 'owed' THEN NULL ELSE $2 END FROM jsonb_each($1)",
        )
        .bind(json(notices))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Records that a more urgent stage speaks for these owed notices:
    /// (token, period, stage, recipient, the more urgent stage).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn absorb(
        &mut self,
        notices: &[(i64, i64, i32, String, i32)],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE notice SET state = 'absorbed', reason = j.value ->> 4, mail = NULL, settled_at = $2 \
             FROM jsonb_each($1) j WHERE notice.token = j.value ->> 0 AND notice.period = j.value ->> 1 \
             AND notice.stage = j.value ->> 2 AND notice.recipient = j.value ->> 3 AND notice.state = 'owed'",
        )
        .bind(json(notices))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Puts waiting notices into mails: (token, period, stage, recipient, mail). Of one token a
    /// mail then carries the most urgent notice only; the others are absorbed.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn attach(
        &mut self,
        notices: &[(i64, i64, i32, String, i64)],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE notice SET mail = j.value ->> 4 FROM jsonb_each($1) j \
             WHERE notice.token = j.value ->> 0 AND notice.period = j.value ->> 1 \
             AND notice.stage = j.value ->> 2 AND notice.recipient = j.value ->> 3 AND notice.state = 'owed'",
        )
        .bind(json(notices))
        .execute(&mut *self.inner)
        .await?;
        let mails: Vec<i64> = notices.iter().map(|n| n.4).collect();
        sqlx::query(
            "UPDATE notice SET state = 'absorbed', mail = NULL, settled_at = $2, reason = \
               (SELECT min(l.stage) FROM notice l WHERE l.mail = notice.mail AND l.state = 'owed' \
                 AND l.token = notice.token AND l.period = notice.period) \
             WHERE state = 'owed' AND mail IN (SELECT value FROM json_each($1)) AND EXISTS \
               (SELECT 1 FROM notice l WHERE l.mail = notice.mail AND l.state = 'owed' \
                 AND l.token = notice.token AND l.period = notice.period AND l.stage < notice.stage)",
        )
        .bind(json(&mails))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Sets what joining notices change of open mails.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn update_mails(&mut self, mails: &[MailUpdate]) -> Result<()> {
        if mails.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE mail SET urgency = j.value ->> 'urgency', next_at = j.value ->> 'next_at', \
               state = j.value ->> 'state' \
             FROM jsonb_each($1) j WHERE mail.no = j.value ->> 'no'",
        )
        .bind(json(mails))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Moves the promised moment of a mail's notices later, where a rule makes the mail wait:
    /// (mail, instant in seconds).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn promise_later(&mut self, mails: &[(i64, i64)]) -> Result<()> {
        if mails.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE notice SET leaves_at = max(leaves_at, j.value ->> 1) FROM jsonb_each($1) j \
             WHERE notice.mail = j.value ->> 0 AND notice.state = 'owed'",
        )
        .bind(json(mails))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Sets when the tick must look at tokens next: (token's row, instant in seconds).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_next_due(&mut self, tokens: &[(i64, Option<i64>)]) -> Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE token SET next_due_at = j.value ->> 1 FROM jsonb_each($1) j WHERE token.no = j.value ->> 0",
        )
        .bind(json(tokens))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

/// As [`Tx::counted`], on any connection.
pub(crate) async fn counted(
    connection: &mut SqliteConnection,
    recipients: &[&str],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    except: &[i64],
) -> Result<Vec<(String, u32)>> {
    let rows = sqlx::query(
        "SELECT m.recipient, count(*) FROM json_each($1) j CROSS JOIN mail m ON m.recipient = j.value \
         WHERE m.counted_at >= $2 AND m.counted_at < $3 AND m.kind = 'reminder' \
         AND m.no NOT IN (SELECT value FROM json_each($4)) GROUP BY m.recipient",
    )
    .bind(json(recipients))
    .bind(seconds(from))
    .bind(seconds(to))
    .bind(json(except))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|r| {
            let n: i64 = r.try_get(1)?;
            Ok((r.try_get(0)?, u32::try_from(n).unwrap_or(u32::MAX)))
        })
        .collect()
}

/// Must use the partial index `token_due`; a test looks at its plan.
pub const DUE_TOKENS: &str = concat!(
    "SELECT t.no, t.id, t.period, p.expires, p.opened_at, p.dated_at, t.declared_at, t.next_due_at, \
       p.revoked_from IS NOT NULL, ",
    quiet::quiet_columns!(),
    " FROM token t JOIN period p ON p.token = t.no AND p.no = t.period \
     WHERE t.next_due_at <= $1 ORDER BY t.next_due_at LIMIT $2"
);

/// Rows that a statement gathered with `json_group_array` into one value: what sqlx hands over
/// row by row costs a microsecond or two a row, in two threads.
pub(crate) fn gathered<T: serde::de::DeserializeOwned>(rows: &str) -> Result<Vec<T>> {
    serde_json::from_str(rows).map_err(|e| StoreError::Corrupt(e.to_string()))
}

pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("numbers and strings always serialise")
}
