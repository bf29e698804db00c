//! Retention: people in what is over become pseudonyms after their time.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::store::error::Result;
use crate::store::plan;
use crate::store::privacy::texts::{PAST_TEXTS, masked};
use crate::store::privacy::{Forgotten, NOWHERE};
use crate::store::{Store, Tx, seconds};

/// Who gets which pseudonym, as a table that SQLite may index for the statement.
const NEW_NAMES: &str =
    "WITH j (key, name) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM jsonb_each($2))";

/// Mails whose record is of the past: settled before `$1`, and of no period that goes on.
const PAST_MAILS: &str = "m.settled_at < $1 AND m.recipient NOT LIKE '%@forgotten.invalid' \
    AND m.kind NOT IN ('post', 'post_alarm') AND NOT EXISTS ( \
    SELECT 1 FROM notice n JOIN token t ON t.no = n.token AND t.period = n.period \
    LEFT JOIN recipient r ON r.token = n.token AND r.key = n.recipient \
    WHERE n.mail = m.no AND NOT (t.state <> 'active' AND t.state_at < $1) \
      AND NOT coalesce(r.removed_at < $1, false))";

/// Notices of the past, by the same rule.
const PAST_NOTICES: &str = "n.settled_at < $1 AND n.recipient NOT LIKE '%@forgotten.invalid' AND EXISTS ( \
    SELECT 1 FROM token t LEFT JOIN recipient r ON r.token = t.no AND r.key = n.recipient \
    WHERE t.no = n.token AND (n.period < t.period OR (t.state <> 'active' AND t.state_at < $1) \
      OR coalesce(r.removed_at < $1, false)))";

/// Recipients of the past.
const PAST_RECIPIENTS: &str = "r.key NOT LIKE '%@forgotten.invalid' AND (r.removed_at < $1 OR EXISTS ( \
    SELECT 1 FROM token t WHERE t.no = r.token AND t.state <> 'active' AND t.state_at < $1))";

impl Store {
    /// Puts pseudonyms in the place of the people in what was settled before an instant: mails
    /// and notices of periods that are over, recipients that are no longer told, the journal,
    /// servers' replies.
    ///
    /// # Errors
    /// When the store cannot be written; then nothing was changed.
    pub async fn forget_names(&self, before: DateTime<Utc>) -> Result<Forgotten> {
        let mut tx = self.begin().await?;
        let mut names = Vec::new();
        for key in tx.keys_of_the_past(before).await? {
            names.push((key, tx.next_pseudonym().await? + NOWHERE));
        }
        let mut done = tx.rename_the_past(&names, before).await?;
        done.texts = tx.mask_texts(before).await?;
        done.texts += tx.forget_old_webhook_people(before).await?;
        if done.bodies > 0 {
            tx.drop_unused_forms().await?;
        }
        if done == Forgotten::default() {
            tx.rollback().await?;
        } else {
            tx.commit().await?;
        }
        Ok(done)
    }
}

impl Tx {
    /// Everyone who is named in rows of the past only by their key.
    async fn keys_of_the_past(&mut self, before: DateTime<Utc>) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT m.recipient FROM mail m WHERE {PAST_MAILS} \
             UNION SELECT n.recipient FROM notice n WHERE {PAST_NOTICES} \
             UNION SELECT r.key FROM recipient r WHERE {PAST_RECIPIENTS} ORDER BY 1"
        );
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(seconds(before))
            .fetch_all(&mut *self.inner)
            .await?)
    }

    async fn rename_the_past(
        &mut self,
        names: &[(String, String)],
        before: DateTime<Utc>,
    ) -> Result<Forgotten> {
        if names.is_empty() {
            return Ok(Forgotten::default());
        }
        // The recipients last: the others are judged by them.
        let statements = [
            format!(
                "{NEW_NAMES} DELETE FROM body WHERE mail IN (SELECT m.no FROM j JOIN mail m ON m.recipient = j.key WHERE {PAST_MAILS})"
            ),
            format!(
                "{NEW_NAMES} UPDATE mail AS m SET recipient = j.name, address = j.name, \
                   domain = substr(j.name, instr(j.name, '@') + 1), \
                   note = CASE WHEN note IS NULL THEN NULL ELSE '{{}}' END, \
                   subject = CASE WHEN kind = 'reminder' THEN subject END \
                 FROM j WHERE m.recipient = j.key AND {PAST_MAILS}"
            ),
            format!(
                "{NEW_NAMES} UPDATE notice AS n SET recipient = j.name FROM j WHERE n.recipient = j.key AND {PAST_NOTICES}"
            ),
            format!(
                "{NEW_NAMES} UPDATE recipient AS r SET key = j.name, address = j.name, name = NULL, \
                   removed_at = coalesce(removed_at, $1) \
                 FROM j WHERE r.key = j.key AND {PAST_RECIPIENTS}"
            ),
        ];
        let mut count = [0; 4];
        for (done, sql) in count.iter_mut().zip(statements) {
            *done = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(seconds(before))
                .bind(plan::json(names))
                .execute(&mut *self.inner)
                .await?
                .rows_affected();
        }
        let [bodies, mails, notices, recipients] = count;
        Ok(Forgotten {
            mails,
            notices,
            recipients,
            bodies,
            texts: 0,
        })
    }

    /// Masks every address in the texts of the past, and the names of the users who acted.
    async fn mask_texts(&mut self, before: DateTime<Utc>) -> Result<u64> {
        let mut done = 0;
        for (select, update) in PAST_TEXTS {
            let rows: Vec<(i64, String)> = sqlx::query(select)
                .bind(seconds(before))
                .fetch_all(&mut *self.inner)
                .await?
                .iter()
                .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
                .collect::<Result<_>>()?;
            done += self.write_texts(update, &rows, &masked).await?;
        }
        for way in ["user", "web"] {
            done += sqlx::query(
                "UPDATE journal SET who = $2 || 'forgotten' WHERE at < $1 AND who LIKE $2 || '%' AND who <> $2 || 'forgotten'",
            )
            .bind(seconds(before))
            .bind(format!("{way}:"))
            .execute(&mut *self.inner)
            .await?
            .rows_affected();
        }
        done += sqlx::query(
            "UPDATE journal SET who = 'recipient:forgotten' WHERE at < $1 AND who LIKE 'recipient:%@%'",
        )
        .bind(seconds(before))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        done += sqlx::query(
            "UPDATE quiet SET who = 'forgotten', filed_by = NULL WHERE at < $1 \
             AND (who <> 'forgotten' OR filed_by IS NOT NULL) AND EXISTS (SELECT 1 FROM token t \
               WHERE t.no = quiet.token AND (t.period > quiet.period OR (t.state <> 'active' AND t.state_at < $1)))",
        )
        .bind(seconds(before))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        done += sqlx::query(
            "DELETE FROM not_for_me WHERE at < $1 AND EXISTS (SELECT 1 FROM token t \
               WHERE t.no = not_for_me.token AND (t.period > not_for_me.period OR (t.state <> 'active' AND t.state_at < $1)))",
        )
        .bind(seconds(before))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        done += sqlx::query(
            "UPDATE token SET contact = 'forgotten@forgotten.invalid' \
             WHERE state <> 'active' AND state_at < $1 AND contact NOT LIKE '%@forgotten.invalid'",
        )
        .bind(seconds(before))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        Ok(done)
    }
}
