//! Retention: once a local day, what the record need not name any more stops naming people.
//!
//! What decides whether something is owed is never touched. What is cleared does not come back,
//! so a clock that is years ahead at a start must not get here: after a gap in the days nothing
//! is cleared until they have gone on for a week. What was missed is made up for then.

use chrono::{DateTime, Months, NaiveDate, Utc};

use crate::domain::calendar::Calendar;
use crate::store::Store;
use crate::store::error::Result;

/// The day of the last tidying, as the store keeps it.
const SETTING: &str = "tidied_on";

/// The day since which the days have gone on without a gap, as the store keeps it.
const SINCE: &str = "tidy_since";

/// More days than this without a tidying are a gap: a long stop, or a clock that is wrong.
const GAP_DAYS: i64 = 14;

/// After a gap the clock is trusted with what cannot be undone once it went on for so many days.
const TRUSTED_AFTER_DAYS: i64 = 7;

/// Tidies.
#[derive(Debug, Clone)]
pub struct Tidier {
    /// Whose days count.
    pub calendar: Calendar,
    /// For how long bodies are kept, in calendar months; `None`: for ever.
    pub bodies: Option<u32>,
    /// For how long people are named, in calendar months; `None`: for ever.
    pub names: Option<u32>,
}

impl Tidier {
    /// Clears what is older than is kept, if that was not done today and no gap is recent.
    ///
    /// # Errors
    /// When the store cannot be written; the next pass tries again.
    pub async fn tidy(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        let today = self.calendar.date(now);
        let last = day(store, SETTING).await?;
        if last == Some(today) {
            return Ok(());
        }
        let begun = day(store, SINCE)
            .await?
            .filter(|begun| goes_on(last, today) && *begun <= today)
            .unwrap_or(today);
        if (today - begun).num_days() >= TRUSTED_AFTER_DAYS {
            self.clear(store, now).await?;
        }
        let mut tx = store.begin().await?;
        tx.set(SETTING, &today.to_string()).await?;
        tx.set(SINCE, &begun.to_string()).await?;
        tx.commit().await
    }

    async fn clear(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        let since = |months: u32| now.checked_sub_months(Months::new(months));
        if let Some(before) = self.bodies.and_then(since) {
            let bodies = store.forget_bodies(before).await?;
            if bodies > 0 {
                tracing::info!(bodies, "the texts of old mails are cleared");
            }
        }
        if let Some(before) = self.names.and_then(since) {
            let done = store.forget_names(before).await?;
            if done.mails + done.notices + done.recipients + done.texts > 0 {
                tracing::info!(
                    mails = done.mails,
                    notices = done.notices,
                    recipients = done.recipients,
                    texts = done.texts,
                    "people in the record of the past are pseudonyms now"
                );
            }
        }
        Ok(())
    }
}

/// Whether no gap lies between the last tidying and `today`.
fn goes_on(last: Option<NaiveDate>, today: NaiveDate) -> bool {
    last.is_some_and(|last| (0..=GAP_DAYS).contains(&(today - last).num_days()))
}

async fn day(store: &Store, key: &str) -> Result<Option<NaiveDate>> {
    Ok(store.setting(key).await?.and_then(|s| s.parse().ok()))
}
