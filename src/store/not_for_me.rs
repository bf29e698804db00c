//! Who said by a link that a token is not for them: once for each period.

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use crate::store::error::Result;
use crate::store::{Store, Tx, instant, seconds};

async fn said_at(
    connection: &mut SqliteConnection,
    (token, period): (i64, i64),
    recipient: &str,
) -> Result<Option<DateTime<Utc>>> {
    let at: Option<i64> = sqlx::query_scalar(
        "SELECT at FROM not_for_me WHERE token = $1 AND period = $2 AND recipient = $3",
    )
    .bind(token)
    .bind(period)
    .bind(recipient)
    .fetch_optional(connection)
    .await?;
    Ok(at.map(instant))
}

impl Store {
    /// When this recipient said so of this period.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn not_for_me(
        &self,
        token: i64,
        period: i64,
        recipient: &str,
    ) -> Result<Option<DateTime<Utc>>> {
        let mut connection = self.pool.acquire().await?;
        said_at(&mut connection, (token, period), recipient).await
    }
}

impl Tx {
    /// As [`Store::not_for_me`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn not_for_me(
        &mut self,
        token: i64,
        period: i64,
        recipient: &str,
    ) -> Result<Option<DateTime<Utc>>> {
        said_at(&mut self.inner, (token, period), recipient).await
    }

    /// Records it; whether it is new.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn say_not_for_me(
        &mut self,
        token: i64,
        period: i64,
        recipient: &str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO not_for_me (token, period, recipient, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (token, period, recipient) DO NOTHING",
        )
        .bind(token)
        .bind(period)
        .bind(recipient)
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
