//! The mails of the next fourteen days, by the same functions as `simulate`, on a copy of what
//! they need of the store.
//!
//! It is found out in the background, once at a time, for at most a twentieth of the time; who
//! asks meanwhile is shown the last one with its hour. The first visitor of a small store waits
//! for it. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use tokio::sync::Notify;

use crate::delivery::clerk::Clerk;
use crate::delivery::report::Reporter;
use crate::domain::calendar::Calendar;
use crate::simulate::{self, Announced};
use crate::store::Store;
use crate::store::board::home::Change;
use crate::store::error::{Result, StoreError};
use crate::web::Site;

/// Days after today.
const DAYS: u64 = 14;

/// Entries of a day that are named.
const NAMED: usize = 3;

/// Finding out takes at most a twentieth of the time.
const REST: u32 = 19;

/// A visitor waits for no longer than this: as long as the page is in its turn, others wait.
const PATIENCE: Duration = Duration::from_millis(200);

/// The same store and configuration give another forecast only after this, or on another day.
const GOOD_FOR: chrono::Duration = chrono::Duration::hours(1);

/// What leaves on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DayAhead {
    pub(super) date: NaiveDate,
    pub(super) mails: usize,
    pub(super) people: usize,
    /// The most urgent first.
    pub(super) entries: Vec<Entry>,
    /// How many more entries there are.
    pub(super) more: usize,
}

/// What mails of a day are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) what: About,
    /// How many mails say so.
    pub(super) mails: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// The end of a token, so many days ahead.
    Token {
        days_left: i64,
        id: String,
        name: String,
    },
    /// The weekly report.
    Report,
    /// Something that happened.
    Note,
}

/// What is found out.
#[derive(Debug, Clone)]
pub(super) struct Forecast {
    /// From when on it tells.
    pub(super) at: DateTime<Utc>,
    /// Days on which something leaves.
    pub(super) days: Vec<DayAhead>,
    pub(super) mails: usize,
    pub(super) people: usize,
}

/// What there is to show.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// This.
    Known(Arc<Forecast>),
    /// Nothing yet: it is being found out.
    Pending,
    /// It could not be found out; the log has more.
    Failed,
}

/// Keeps the last forecast.
#[derive(Debug, Clone, Default)]
pub(super) struct Forecasts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    done: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Known>,
    running: bool,
    failed: bool,
    took: Duration,
    rest_until: Option<Instant>,
}

/// A forecast, and of what it is one.
#[derive(Debug, Clone)]
struct Known {
    forecast: Arc<Forecast>,
    site: Arc<Site>,
    change: Change,
}

impl Forecasts {
    /// The forecast at `now`, or what there is of it.
    pub(super) async fn look(&self, site: &Arc<Site>, change: Change, now: DateTime<Utc>) -> Seen {
        let done = self.0.done.notified();
        tokio::pin!(done);
        done.as_mut().enable();
        let (starts, waits) = {
            let mut state = self.0.state.lock().expect("no holder panics");
            if state.is_fresh(site, change, now) {
                return state.seen();
            }
            let rests = state.rest_until.is_some_and(|until| Instant::now() < until);
            let starts = !state.running && !rests;
            state.running |= starts;
            let is_quick = match &state.last {
                None => starts,
                // What took longer is not waited for a second time.
                Some(_) => state.took < PATIENCE,
            };
            (starts, state.running && is_quick)
        };
        if starts {
            let (of, site) = (self.clone(), Arc::clone(site));
            tokio::spawn(of.find_out(site, change, now));
        }
        if waits {
            let _late = tokio::time::timeout(PATIENCE, done).await;
        }
        self.0.state.lock().expect("no holder panics").seen()
    }

    async fn find_out(self, site: Arc<Site>, change: Change, now: DateTime<Utc>) {
        let began = Instant::now();
        let of = Arc::clone(&site);
        // In a task of its own: whatever becomes of it, another one may follow.
        let found = tokio::spawn(async move { Forecast::of(&of, now).await }).await;
        let found = match found {
            Ok(found) => found.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        let took = began.elapsed();
        let mut state = self.0.state.lock().expect("no holder panics");
        state.running = false;
        state.took = took;
        state.rest_until = Some(Instant::now() + took * REST);
        state.failed = found.is_err();
        match found {
            Ok(forecast) => {
                state.last = Some(Known {
                    forecast: Arc::new(forecast),
                    site,
                    change,
                });
            }
            Err(error) => tracing::error!(%error, "the mails of the next days cannot be found out"),
        }
        drop(state);
        self.0.done.notify_waiters();
    }
}

impl State {
    fn is_fresh(&self, site: &Arc<Site>, change: Change, now: DateTime<Utc>) -> bool {
        let calendar = &site.desk.calendar;
        self.last.as_ref().is_some_and(|last| {
            let at = last.forecast.at;
            last.change == change
                && Arc::ptr_eq(&last.site, site)
                && (at..at + GOOD_FOR).contains(&now)
                && calendar.date(at) == calendar.date(now)
        })
    }

    fn seen(&self) -> Seen {
        match &self.last {
            Some(last) => Seen::Known(Arc::clone(&last.forecast)),
            None if self.failed && !self.running => Seen::Failed,
            None => Seen::Pending,
        }
    }
}

/// The last instant of a forecast.
fn end(calendar: &Calendar, now: DateTime<Utc>) -> DateTime<Utc> {
    let today = calendar.date(now);
    let last = today.checked_add_days(Days::new(DAYS)).unwrap_or(today);
    calendar.end_of_day(last)
}

impl Forecast {
    async fn of(site: &Site, now: DateTime<Utc>) -> Result<Self> {
        let path = site
            .reader
            .path()
            .ok_or_else(|| StoreError::Io("the store is not a file".to_owned()))?;
        let end = end(&site.desk.calendar, now);
        let clerk = Clerk {
            store: Store::copy_until(path, now, end).await?,
            desk: site.desk.clone(),
        };
        let told = Self::told(&clerk, site, now, end).await;
        clerk.store.close().await;
        told
    }

    async fn told(
        clerk: &Clerk,
        site: &Site,
        now: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<Self> {
        let reports = &site.outlook.reports;
        let reporter = (!reports.is_empty()).then(|| Reporter::new(reports.clone()));
        let calendar = &site.desk.calendar;
        let mut gathered = Gathered::default();
        let planner = &site.outlook.planner;
        simulate::run(clerk, planner, reporter.as_ref(), now, end, |at, mails| {
            gathered.take(calendar.date(at), mails);
        })
        .await?;
        let ids: Vec<&str> = gathered.ids().into_iter().collect();
        let names: BTreeMap<String, String> = clerk.store.names(&ids).await?.into_iter().collect();
        Ok(gathered.end(now, &names))
    }
}

/// What was announced so far, by the day.
#[derive(Default)]
struct Gathered {
    days: BTreeMap<NaiveDate, Day>,
    people: BTreeSet<String>,
    mails: usize,
}

#[derive(Default)]
struct Day {
    mails: usize,
    people: BTreeSet<String>,
    about: BTreeMap<About, usize>,
}

impl Gathered {
    fn take(&mut self, date: NaiveDate, mails: Vec<Announced>) {
        let day = self.days.entry(date).or_default();
        for mail in mails {
            self.mails += 1;
            day.mails += 1;
            let about = match mail.kind.as_str() {
                "reminder" => None,
                "note_report" => Some(About::Report),
                _ => Some(About::Note),
            };
            if let Some(about) = about {
                *day.about.entry(about).or_default() += 1;
            }
            for notice in mail.notices {
                let about = About::Token {
                    days_left: notice.days_left,
                    id: notice.token,
                    name: String::new(),
                };
                *day.about.entry(about).or_default() += 1;
            }
            self.people.insert(mail.recipient.clone());
            day.people.insert(mail.recipient);
        }
    }

    /// The tokens that are named in the end.
    fn ids(&self) -> BTreeSet<&str> {
        self.days
            .values()
            .flat_map(|day| day.about.keys().take(NAMED))
            .filter_map(|about| match about {
                About::Token { id, .. } => Some(id.as_str()),
                About::Report | About::Note => None,
            })
            .collect()
    }

    fn end(self, at: DateTime<Utc>, names: &BTreeMap<String, String>) -> Forecast {
        let named = |about: About| match about {
            About::Token { days_left, id, .. } => About::Token {
                days_left,
                name: names.get(&id).cloned().unwrap_or_else(|| id.clone()),
                id,
            },
            other @ (About::Report | About::Note) => other,
        };
        Forecast {
            at,
            mails: self.mails,
            people: self.people.len(),
            days: self
                .days
                .into_iter()
                .map(|(date, day)| DayAhead {
                    date,
                    mails: day.mails,
                    people: day.people.len(),
                    more: day.about.len().saturating_sub(NAMED),
                    entries: day
                        .about
                        .into_iter()
                        .take(NAMED)
                        .map(|(about, mails)| Entry {
                            what: named(about),
                            mails,
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}
