//! What `/metrics` answers, kept for a moment: whoever asks meanwhile gets the same bytes.
//!
//! It is made for one request at a time, the others wait for it and share it. How long it is kept
//! follows what it cost: making it takes a tenth of the time at most, and counting the notices,
//! which reads all of them, once a minute at most. It costs nothing while nobody asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use crate::domain::standing::Horizon;
use crate::store::StoreError;
use crate::store::gauge::Told;
use crate::web::Site;
use crate::web::metrics::classic::classic;
use crate::web::metrics::exposition::{Measured, Record, open_metrics};

/// An answer is kept for so long at least.
const KEPT: Duration = Duration::from_secs(5);

/// The notices are counted once in so long at most.
const NOTICES_KEPT: Duration = Duration::from_mins(1);

/// What was made is kept for so many times what it cost.
const REST: u32 = 9;

/// The answer in both forms.
#[derive(Debug, Clone)]
pub(super) struct Exposition {
    pub(super) open_metrics: Bytes,
    pub(super) classic: Bytes,
}

/// What was last answered.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Snapshot(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answer: Option<Kept<Exposition>>,
    notices: Option<Kept<Vec<Told>>>,
}

/// Something that was made under one configuration, at a moment, at a cost.
#[derive(Debug)]
struct Kept<T> {
    what: T,
    site: Arc<Site>,
    at: DateTime<Utc>,
    cost: Duration,
}

impl<T> Kept<T> {
    /// Whether it still serves at `now`. A clock that was set back makes it old.
    fn serves(&self, site: &Arc<Site>, now: DateTime<Utc>, least: Duration) -> bool {
        let age = (now - self.at).to_std();
        let long = least.max(self.cost * REST);
        Arc::ptr_eq(&self.site, site) && age.is_ok_and(|age| age < long)
    }
}

impl Snapshot {
    /// The answer for this site.
    pub(super) async fn of(&self, site: &Arc<Site>) -> Exposition {
        let mut state = self.0.lock().await;
        let now = (site.now)();
        if let Some(kept) = &state.answer
            && kept.serves(site, now, KEPT)
        {
            return kept.what.clone();
        }
        let began = Instant::now();
        let what = state.make(site, now).await;
        state.answer = Some(Kept {
            what: what.clone(),
            site: Arc::clone(site),
            at: now,
            cost: began.elapsed(),
        });
        what
    }
}

impl State {
    async fn make(&mut self, site: &Arc<Site>, now: DateTime<Utc>) -> Exposition {
        let record = match self.read(site, now).await {
            Ok(record) => Some(record),
            // What is measured elsewhere is told all the same: this is when it matters.
            Err(error) => {
                tracing::debug!(%error, "monitoring could not read the record");
                None
            }
        };
        let text = open_metrics(Measured {
            record,
            checkup: site.bulletin.last(),
            meter: site.meter.clone(),
            metrics: site.metrics.clone(),
            calendar: site.desk.calendar.clone(),
            now,
        });
        Exposition {
            classic: classic(&text).into(),
            open_metrics: text.into(),
        }
    }

    async fn read(&mut self, site: &Arc<Site>, now: DateTime<Utc>) -> Result<Record, StoreError> {
        let most = if site.metrics.tokens {
            site.metrics.max_tokens
        } else {
            0
        };
        let horizon = Horizon::at(&site.desk.calendar, now);
        let gauge = site.reader.gauge(&horizon, most).await?;
        let service = site.reader.service().await?;
        let heard = site.reader.heard().await?;
        let notices = self.notices(site, now).await?;
        Ok(Record {
            gauge,
            notices,
            service,
            heard,
        })
    }

    async fn notices(
        &mut self,
        site: &Arc<Site>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Told>, StoreError> {
        if let Some(kept) = &self.notices
            && kept.serves(site, now, NOTICES_KEPT)
        {
            return Ok(kept.what.clone());
        }
        let began = Instant::now();
        let notices = site.reader.notices_by_stage().await?;
        self.notices = Some(Kept {
            what: notices.clone(),
            site: Arc::clone(site),
            at: now,
            cost: began.elapsed(),
        });
        Ok(notices)
    }
}
