//! Mails as the pages list them. The outbox grows with the years: what is open and what needs a
//! person is found by indexes, the rest from the latest back, and counting ends somewhere.

use std::collections::HashMap;

use sqlx::Row;

use crate::store::Store;
use crate::store::board::{COUNTED, Count, Slice, Sql, cut};
use crate::store::error::Result;
use crate::store::mailbook::{MailRow, mail_of};
use crate::store::outbox::MailState;
use crate::store::plan::json;

/// Which mails, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// What is not settled, and what needs a person.
    #[default]
    Unfinished,
    /// One state.
    In(MailState),
    /// Whatever became of them.
    All,
}

/// Which mails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailFilter {
    /// By what became of them.
    pub fate: Fate,
    /// By their kind: `reminder`, or that of a note.
    pub kind: Option<String>,
    /// By whom they went to, by the key.
    pub recipient: Option<String>,
    /// By the row of a token that they carry, or carried.
    pub token: Option<i64>,
}

impl MailFilter {
    fn narrow(&self, sql: &mut Sql) {
        if let Some(kind) = &self.kind {
            if kind != "reminder" {
                sql.push(" AND m.kind <> 'reminder'");
            }
            sql.push(" AND m.kind = ").push_bind(kind.clone());
        }
        if let Some(key) = &self.recipient {
            sql.push(" AND m.recipient = ").push_bind(key.clone());
        }
        if let Some(token) = self.token {
            sql.push(
                " AND m.no IN (SELECT n.mail FROM notice n WHERE n.mail IS NOT NULL AND n.token = ",
            );
            sql.push_bind(token).push(")");
        }
    }

    /// The numbers of these mails in their order, without an end.
    fn rows(&self, sql: &mut Sql) {
        match self.fate {
            Fate::Unfinished => {
                sql.push("SELECT no FROM (SELECT m.no AS no, 0 AS part, m.next_at AS place FROM mail m WHERE m.next_at IS NOT NULL");
                self.narrow(sql);
                sql.push(" UNION ALL SELECT m.no, 1, -m.no FROM mail m INDEXED BY mail_stuck WHERE m.state IN ('refused', 'parked', 'failed')");
                self.narrow(sql);
                sql.push(") ORDER BY part, place, no");
                return;
            }
            Fate::In(state) => {
                sql.push("SELECT m.no FROM mail m ");
                sql.push(found_by(state)).push(" AND m.state = ");
                sql.push_bind(state.word());
            }
            Fate::All => {
                sql.push("SELECT m.no FROM mail m WHERE true");
            }
        }
        self.narrow(sql);
        sql.push(" ORDER BY m.no DESC");
    }
}

/// What finds the mails of a state among all: an index of a few, or their numbers.
fn found_by(state: MailState) -> &'static str {
    match state {
        MailState::Queued
        | MailState::Claimed
        | MailState::InDoubt
        | MailState::Deferred
        | MailState::Held => "INDEXED BY mail_due WHERE m.next_at IS NOT NULL",
        MailState::Refused | MailState::Parked | MailState::Failed => {
            "INDEXED BY mail_stuck WHERE m.state IN ('refused', 'parked', 'failed')"
        }
        MailState::Sent | MailState::Cancelled => "WHERE true",
    }
}

impl Store {
    /// How many mails there are of these.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_mails(&self, filter: &MailFilter) -> Result<Count> {
        let mut sql = Sql::new("SELECT count(*) FROM (");
        filter.rows(&mut sql);
        sql.push(" LIMIT ").push_bind(COUNTED + 1).push(")");
        let rows = sql.build_query_scalar().fetch_one(&self.pool).await?;
        Ok(Count::at_most(rows))
    }

    /// The numbers of a part of the list of these mails: what leaves next first, then the latest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_mails(&self, filter: &MailFilter, slice: Slice) -> Result<Vec<i64>> {
        let mut sql = Sql::new("");
        filter.rows(&mut sql);
        cut(&mut sql, slice);
        Ok(sql.build_query_scalar().fetch_all(&self.pool).await?)
    }

    /// How the first page of a list of mails is found, step by step.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn plan_of_mails(&self, filter: &MailFilter) -> Result<Vec<String>> {
        let mut sql = Sql::new("");
        filter.rows(&mut sql);
        cut(&mut sql, Slice { from: 0, rows: 200 });
        self.query_plan(sql.sql().as_str()).await
    }

    /// These mails, in this order, with what they carry or carried.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mails_of(&self, nos: &[i64]) -> Result<Vec<MailRow>> {
        let asked = json(nos);
        let carried = sqlx::query(
            "SELECT n.mail, t.id, n.stage FROM json_each($1) j CROSS JOIN notice n ON n.mail = j.value \
             CROSS JOIN token t ON t.no = n.token ORDER BY n.mail, n.stage, t.id",
        )
        .bind(&asked)
        .fetch_all(&self.pool)
        .await?;
        let mut notices: HashMap<i64, Vec<(String, i32)>> = HashMap::new();
        for r in &carried {
            let notice = (r.try_get(1)?, r.try_get(2)?);
            notices.entry(r.try_get(0)?).or_default().push(notice);
        }
        let rows = sqlx::query(
            "SELECT m.* FROM json_each($1) j CROSS JOIN mail m ON m.no = j.value ORDER BY j.key",
        )
        .bind(&asked)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                let no: i64 = r.try_get("no")?;
                mail_of(r, notices.remove(&no).unwrap_or_default())
            })
            .collect()
    }

    /// The row of a mail's recipient, by which other mails to them are found.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recipient_of(&self, mail: i64) -> Result<Option<String>> {
        let key = sqlx::query_scalar("SELECT recipient FROM mail WHERE no = $1")
            .bind(mail)
            .fetch_optional(&self.pool)
            .await?;
        Ok(key)
    }

    /// The kinds of mails on record, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn kinds_of_mails(&self) -> Result<Vec<String>> {
        // From one kind of note to the next by the index of notes, not mail by mail.
        let kinds = sqlx::query_scalar(
            "WITH RECURSIVE kinds (kind) AS ( \
               SELECT min(kind) FROM mail WHERE kind <> 'reminder' \
               UNION ALL SELECT (SELECT min(m.kind) FROM mail m WHERE m.kind <> 'reminder' AND m.kind > kinds.kind) \
                 FROM kinds WHERE kinds.kind IS NOT NULL) \
             SELECT kind FROM kinds WHERE kind IS NOT NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(kinds)
    }
}
