//! The bodies of mails as they were handed over: written once, read by `outbox show`, cleared by
//! retention.
//!
//! A body outlives the settling of its mail. Of an open mail it is in flight as long as the mail
//! is in doubt (`doubts` above 0); nothing else here decides what is sent.

use chrono::{DateTime, Utc};

use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Store, Tx, seconds};

/// Bodies cleared in one transaction: a sender never waits long for it.
const CLEARED_AT_ONCE: usize = 500;

impl Store {
    /// The bytes of a mail as it was last handed over; `None` when it never was, or when its
    /// body has been cleared.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn body(&self, mail: i64) -> Result<Option<Vec<u8>>> {
        Ok(
            sqlx::query_scalar("SELECT content FROM body WHERE mail = $1")
                .bind(mail)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Clears the bodies of the mails that were settled before an instant; answers how many.
    /// What is open keeps its own. Reads every settled mail once: for a daily pass, not for a
    /// tick.
    ///
    /// # Errors
    /// When the store cannot be written; what was cleared until then stays so.
    pub async fn forget_bodies(&self, before: DateTime<Utc>) -> Result<u64> {
        let old: Vec<i64> = sqlx::query_scalar(
            "SELECT m.no FROM mail m WHERE m.settled_at < $1 \
               AND EXISTS (SELECT 1 FROM body b WHERE b.mail = m.no)",
        )
        .bind(seconds(before))
        .fetch_all(&self.pool)
        .await?;
        let mut cleared = 0;
        for mails in old.chunks(CLEARED_AT_ONCE) {
            let mut tx = self.begin().await?;
            // Looked at again: a person may have opened the mail once more meanwhile.
            let done = sqlx::query(
                "DELETE FROM body WHERE mail IN (SELECT m.no FROM json_each($1) j \
                   CROSS JOIN mail m ON m.no = j.value WHERE m.settled_at < $2)",
            )
            .bind(json(mails))
            .bind(seconds(before))
            .execute(&mut *tx.inner)
            .await?;
            tx.commit().await?;
            cleared += done.rows_affected();
        }
        Ok(cleared)
    }
}

impl Tx {
    /// Writes bodies, all with one statement; the same bytes again are not written again.
    pub(crate) async fn write_bodies(&mut self, bodies: &[(i64, &[u8])]) -> Result<()> {
        if bodies.is_empty() {
            return Ok(());
        }
        // JSON cannot carry bytes: they travel end to end, with the place of each.
        let (mut places, mut bytes) = (Vec::with_capacity(bodies.len()), Vec::new());
        for (mail, body) in bodies {
            places.push((mail, bytes.len() + 1, body.len()));
            bytes.extend_from_slice(body);
        }
        sqlx::query(
            "INSERT INTO body (mail, content) \
             SELECT j.value ->> 0, substr($2, j.value ->> 1, j.value ->> 2) FROM jsonb_each($1) j WHERE true \
             ON CONFLICT (mail) DO UPDATE SET content = excluded.content WHERE content <> excluded.content",
        )
        .bind(json(&places))
        .bind(bytes)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
