//! Retention: once a local day, what the record need not name any more stops naming people.
//!
//! What decides whether something is owed is never touched. A pass that was missed is made up
//! for by the next one; a clock that is wrong must not get here, so the tick calls it.

use chrono::{DateTime, Months, Utc};

use crate::domain::calendar::Calendar;
use crate::store::Store;
use crate::store::error::Result;

/// The day of the last tidying, as the store keeps it.
const SETTING: &str = "tidied_on";

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
    /// Clears what is older than is kept, if that was not done today.
    ///
    /// # Errors
    /// When the store cannot be written; the next pass tries again.
    pub async fn tidy(&self, store: &Store, now: DateTime<Utc>) -> Result<()> {
        let today = self.calendar.date(now).to_string();
        if store.setting(SETTING).await?.as_deref() == Some(&today) {
            return Ok(());
        }
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
        let mut tx = store.begin().await?;
        tx.set(SETTING, &today).await?;
        tx.commit().await
    }
}
