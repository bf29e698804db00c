//! People in what Data Pass said: they are taken out of it, for good; that there was someone stays.
//!
//! A delivery that is repeated does not bring them back.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Kept, read};
use crate::domain::address::Address;
use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Tx, seconds};

impl Tx {
    /// Takes one person out of what Data Pass said; only that it named someone is kept.
    pub(in crate::store) async fn forget_in_webhook_events(&mut self, key: &str) -> Result<u64> {
        let is_them = |kept: &Kept| {
            let address = kept.email.as_deref().map(Address::parse);
            address.is_some_and(|a| a.is_ok_and(|a| a.key() == key))
        };
        let sql = "SELECT no, content FROM webhook_event WHERE content LIKE '%@%'";
        let rows = sqlx::query(sql).fetch_all(&mut *self.inner).await?;
        self.forget_people(&rows, is_them).await
    }

    /// Takes everyone out of what Data Pass said before an instant.
    pub(in crate::store) async fn forget_old_webhook_people(
        &mut self,
        before: DateTime<Utc>,
    ) -> Result<u64> {
        let sql =
            "SELECT no, content FROM webhook_event WHERE received_at < $1 AND content LIKE '%@%'";
        let rows = sqlx::query(sql)
            .bind(seconds(before))
            .fetch_all(&mut *self.inner)
            .await?;
        self.forget_people(&rows, |kept| kept.email.is_some()).await
    }

    async fn forget_people(
        &mut self,
        rows: &[SqliteRow],
        is_meant: impl Fn(&Kept) -> bool,
    ) -> Result<u64> {
        let mut changed: Vec<(i64, String)> = Vec::new();
        for r in rows {
            let mut content = read(r.try_get("content")?)?;
            let mut found = false;
            for kept in content.people.iter_mut().filter(|k| is_meant(k)) {
                (kept.email, kept.name, found) = (None, None, true);
            }
            if found {
                changed.push((r.try_get("no")?, json(&content)));
            }
        }
        if changed.is_empty() {
            return Ok(0);
        }
        let done = sqlx::query(
            "UPDATE webhook_event SET content = j.value ->> 1 FROM jsonb_each($1) j \
             WHERE webhook_event.no = j.value ->> 0",
        )
        .bind(json(&changed))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected())
    }
}
