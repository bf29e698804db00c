//! The bodies of mails as they were handed over: written once, read by `outbox show`, cleared by
//! retention.
//!
//! What many bodies share word for word is kept once, as a form; a body is always read whole. It
//! outlives the settling of its mail. Of an open mail it is in flight as long as the mail is in
//! doubt (`doubts` above 0); nothing else here decides what is sent.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::body::{Body, DamagedBody, Form, fill};
use crate::store::error::{Result, StoreError};
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
        let row = sqlx::query(
            "SELECT b.content, f.content FROM body b LEFT JOIN form f ON f.no = b.form WHERE b.mail = $1",
        )
        .bind(mail)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|r| {
            whole(r.try_get(0)?, r.try_get(1)?)
                .map_err(|e| StoreError::Corrupt(format!("the body of mail {mail}: {e}")))
        })
        .transpose()
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
        let mut tx = self.begin().await?;
        tx.drop_unused_forms().await?;
        tx.commit().await?;
        Ok(cleared)
    }
}

impl Tx {
    /// The bytes of these mails as they were last handed over. One whose record is damaged is
    /// left out: it is composed anew.
    pub(super) async fn bodies(&mut self, mails: &[i64]) -> Result<HashMap<i64, Vec<u8>>> {
        let rows = sqlx::query(
            "SELECT b.mail, b.content, f.content FROM json_each($1) j CROSS JOIN body b ON b.mail = j.value \
             LEFT JOIN form f ON f.no = b.form",
        )
        .bind(json(mails))
        .fetch_all(&mut *self.inner)
        .await?;
        let mut bodies = HashMap::with_capacity(rows.len());
        for row in &rows {
            let mail = row.try_get(0)?;
            match whole(row.try_get(1)?, row.try_get(2)?) {
                Ok(bytes) => {
                    bodies.insert(mail, bytes);
                }
                Err(e) => {
                    tracing::error!(mail, error = %e, "the record of a mail’s body is damaged")
                }
            }
        }
        Ok(bodies)
    }

    /// Writes bodies, all with one statement; the same bytes again are not written again.
    pub(super) async fn write_bodies(&mut self, bodies: &[(i64, &Body)]) -> Result<()> {
        if bodies.is_empty() {
            return Ok(());
        }
        let forms = self.forms_of(bodies).await?;
        // JSON cannot carry bytes: they travel end to end, with the place of each.
        let (mut places, mut bytes) = (Vec::with_capacity(bodies.len()), Vec::new());
        for (mail, body) in bodies {
            let (own, form) = match body {
                Body::Whole(whole) => (whole, None),
                Body::Sparse { form, own } => (own, forms.get(&form.digest)),
            };
            places.push((mail, bytes.len() + 1, own.len(), form));
            bytes.extend_from_slice(own);
        }
        sqlx::query(
            "INSERT INTO body (mail, content, form) \
             SELECT j.value ->> 0, substr($2, j.value ->> 1, j.value ->> 2), j.value ->> 3 \
             FROM jsonb_each($1) j WHERE true \
             ON CONFLICT (mail) DO UPDATE SET content = excluded.content, form = excluded.form \
               WHERE content <> excluded.content OR form IS NOT excluded.form",
        )
        .bind(json(&places))
        .bind(bytes)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The rows of the forms of these bodies; those that are new are written.
    async fn forms_of(&mut self, bodies: &[(i64, &Body)]) -> Result<HashMap<[u8; 32], i64>> {
        let wanted: HashMap<[u8; 32], &Form> = bodies
            .iter()
            .filter_map(|(_, body)| match body {
                Body::Whole(_) => None,
                Body::Sparse { form, .. } => Some((form.digest, form.as_ref())),
            })
            .collect();
        let mut rows = HashMap::with_capacity(wanted.len());
        for (digest, form) in wanted {
            let known: Option<i64> = sqlx::query_scalar("SELECT no FROM form WHERE digest = $1")
                .bind(digest.as_slice())
                .fetch_optional(&mut *self.inner)
                .await?;
            let no = match known {
                Some(no) => no,
                None => {
                    sqlx::query_scalar(
                        "INSERT INTO form (digest, content) VALUES ($1, $2) RETURNING no",
                    )
                    .bind(digest.as_slice())
                    .bind(form.shared.as_slice())
                    .fetch_one(&mut *self.inner)
                    .await?
                }
            };
            rows.insert(digest, no);
        }
        Ok(rows)
    }

    /// Removes the forms that no body uses any more.
    pub(super) async fn drop_unused_forms(&mut self) -> Result<()> {
        sqlx::query(
            "DELETE FROM form WHERE NOT EXISTS (SELECT 1 FROM body b WHERE b.form = form.no)",
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

/// A body as it was handed over, from its record.
fn whole(content: Vec<u8>, form: Option<Vec<u8>>) -> std::result::Result<Vec<u8>, DamagedBody> {
    match form {
        None => Ok(content),
        Some(shared) => fill(&shared, &content),
    }
}
