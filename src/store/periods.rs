//! The dates of periods: opened by a renewal, corrected, ended by a revocation.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::store::error::Result;
use crate::store::plan::json;
use crate::store::{Tx, seconds};

/// The dates of a period to be opened or corrected.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Dates {
    /// The token's row.
    pub no: i64,
    /// When the token was issued, in seconds, if known.
    pub issued: Option<i64>,
    /// The end of the period, in seconds.
    pub expires: i64,
}

impl Tx {
    /// Opens the next period of these tokens, with dates by `source`, as the journal names
    /// them; due to be looked at now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn open_periods(
        &mut self,
        periods: &[Dates],
        source: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.redate(
            &[
                "UPDATE period SET closed_at = $2 WHERE (token, no) IN \
                   (SELECT t.no, t.period FROM jsonb_each($1) j JOIN token t ON t.no = j.value ->> 'no')",
                "INSERT INTO period (token, no, issued, expires, opened_at, dated_at, source) \
                   SELECT t.no, t.period + 1, j.value ->> 'issued', j.value ->> 'expires', $2, $2, $3 \
                   FROM jsonb_each($1) j JOIN token t ON t.no = j.value ->> 'no'",
                "UPDATE token SET period = period + 1, next_due_at = CASE WHEN state = 'active' THEN $2 ELSE NULL END \
                   FROM jsonb_each($1) j WHERE token.no = j.value ->> 'no'",
            ],
            (periods, source, now),
        )
        .await
    }

    /// Corrects the dates of the current period of these tokens, by `source`; due to be looked
    /// at now. A revocation to come is taken back by it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn correct_periods(
        &mut self,
        periods: &[Dates],
        source: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.redate(
            &[
                "UPDATE period SET issued = j.value ->> 'issued', expires = j.value ->> 'expires', dated_at = $2, \
                   source = $3, revoked_from = NULL FROM jsonb_each($1) j JOIN token t ON t.no = j.value ->> 'no' \
                   WHERE period.token = t.no AND period.no = t.period",
                "UPDATE token SET next_due_at = CASE WHEN state = 'active' THEN $2 ELSE NULL END \
                   FROM jsonb_each($1) j WHERE token.no = j.value ->> 'no'",
            ],
            (periods, source, now),
        )
        .await
    }

    /// Ends the current period of these tokens at a day of revocation.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn revoke_periods(
        &mut self,
        periods: &[Dates],
        source: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.redate(
            &[
                "UPDATE period SET revoked_from = coalesce(revoked_from, period.expires), \
                   expires = j.value ->> 'expires', dated_at = $2, source = $3 \
                   FROM jsonb_each($1) j JOIN token t ON t.no = j.value ->> 'no' \
                   WHERE period.token = t.no AND period.no = t.period",
                "UPDATE token SET next_due_at = CASE WHEN state = 'active' THEN $2 ELSE NULL END \
                   FROM jsonb_each($1) j WHERE token.no = j.value ->> 'no'",
            ],
            (periods, source, now),
        )
        .await
    }

    async fn redate(
        &mut self,
        statements: &[&'static str],
        (periods, source, now): (&[Dates], &str, DateTime<Utc>),
    ) -> Result<()> {
        if periods.is_empty() {
            return Ok(());
        }
        let rows = json(periods);
        for sql in statements {
            sqlx::query(*sql)
                .bind(&rows)
                .bind(seconds(now))
                .bind(source)
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }
}
