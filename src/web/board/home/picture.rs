//! What the overview reads of the store: made once for all who ask, as long as nothing is written
//! and the minute is the same.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use tokio::sync::Mutex;

use crate::store::board::home::{Among, Change, Spoken};
use crate::store::error::Result;
use crate::store::heard::Heard;
use crate::store::outbox::MailState;
use crate::store::probe::Service;
use crate::store::record::Token;
use crate::store::unreachable::Unreachable;
use crate::web::Site;
use crate::web::board::home::deliveries::{self, Tally};
use crate::web::board::home::standing::{Group, Standing};
use crate::web::board::home::todo;
use crate::web::board::timeline::{Lane, lanes};

/// Tokens of the timeline.
const SHOWN: usize = 30;

/// What the store says.
#[derive(Debug)]
pub(in crate::web::board) struct Picture {
    pub(in crate::web::board) standing: Standing,
    pub(in crate::web::board) spoken: Vec<Spoken>,
    pub(in crate::web::board) lanes: Vec<Lane>,
    pub(in crate::web::board) days: Vec<(NaiveDate, Tally)>,
    pub(in crate::web::board) open: Vec<(MailState, u32)>,
    pub(in crate::web::board) given_up: Vec<(MailState, u32)>,
    pub(in crate::web::board) unreachable: Vec<Unreachable>,
    /// What API Entreprise says of the watched tokens, and of itself.
    pub(in crate::web::board) heard: Vec<Heard>,
    pub(in crate::web::board) service: Service,
    /// The tokens that wait for a person, besides those of the timeline.
    pub(in crate::web::board) tokens: Vec<Token>,
}

impl Picture {
    async fn of(site: &Site, now: DateTime<Utc>) -> Result<Self> {
        let (reader, calendar) = (&site.reader, &site.desk.calendar);
        let spoken = reader.spoken().await?;
        let endings = reader.endings(&Among::default()).await?;
        let standing = Standing::of(endings, &spoken, calendar, now);
        let nearest = standing.nearest(SHOWN);
        let attempts = reader
            .attempts_since(deliveries::since(calendar, now))
            .await?;
        let named = todo::named(&standing, &spoken, now);
        Ok(Self {
            lanes: lanes(reader, calendar, &nearest, &spoken, now).await?,
            days: deliveries::by_day(&attempts, calendar, now),
            open: reader.open_mail_counts().await?,
            given_up: reader.given_up().await?,
            unreachable: reader.unreachable(now).await?,
            heard: reader.heard().await?,
            service: reader.service().await?,
            tokens: reader.tokens_among(&named).await?,
            standing,
            spoken,
        })
    }

    pub(in crate::web::board) fn count(&self, group: Group) -> usize {
        self.standing.count(group)
    }
}

/// Keeps the last picture.
#[derive(Debug, Clone, Default)]
pub(in crate::web::board) struct Pictures(Arc<Mutex<Option<Kept>>>);

#[derive(Debug)]
struct Kept {
    site: Arc<Site>,
    change: Change,
    minute: i64,
    picture: Arc<Picture>,
}

impl Pictures {
    /// The picture at `now`, and the state of the store that it shows.
    pub(in crate::web::board) async fn look(
        &self,
        site: &Arc<Site>,
        now: DateTime<Utc>,
    ) -> Result<(Arc<Picture>, Change)> {
        let mut kept = self.0.lock().await;
        // Looked at before anything is read: what is written meanwhile makes it another one.
        let change = site.reader.change().await?;
        let minute = now.timestamp().div_euclid(60);
        if let Some(kept) = &*kept
            && kept.change == change
            && kept.minute == minute
            && Arc::ptr_eq(&kept.site, site)
        {
            return Ok((Arc::clone(&kept.picture), change));
        }
        let picture = Arc::new(Picture::of(site, now).await?);
        *kept = Some(Kept {
            site: Arc::clone(site),
            change,
            minute,
            picture: Arc::clone(&picture),
        });
        Ok((picture, change))
    }
}
