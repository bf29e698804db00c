//! The weekly report: when it is due, what it is about, and its words.
//!
//! It comes once a week, also when there is nothing to say: its absence is the alarm. After a
//! downtime the present week's is sent late; past weeks are not made up for. Asking whether one
//! is due costs nothing until it is.

mod words;

use std::sync::Mutex;

use chrono::{DateTime, Datelike as _, Days, Duration, NaiveDate, Utc};

use crate::delivery::alarms::LISTED;
use crate::delivery::desk::Desk;
use crate::domain::address::Address;
use crate::domain::calendar::Calendar;
use crate::store::Store;
use crate::store::error::Result;
use crate::store::heard::Heard;
use crate::store::telling::{Lost, Named, Standing, Waiting};

/// The setting that holds the Monday of the last week that was dealt with.
const DONE: &str = "report_week";

/// No slot of a next report is farther away, holidays included; one that is was found while the
/// clock ran ahead.
const FARTHEST: Duration = Duration::days(15);

/// How far back and ahead a report looks.
pub const SPAN: Duration = Duration::days(7);

/// Who gets the reports, and when the next one is due.
#[derive(Debug)]
pub struct Reporter {
    recipients: Vec<Address>,
    next: Mutex<Option<DateTime<Utc>>>,
}

/// A reminder that will leave, for some people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// The day.
    pub on: NaiveDate,
    /// The token's name.
    pub name: String,
    /// Days left on that day.
    pub days_left: i64,
    /// How many people it goes to.
    pub people: usize,
}

/// What only the real watch knows.
#[derive(Debug, Default)]
pub struct Beyond {
    /// The reminders of the next seven days, in their order; `None`: they could not be found
    /// out.
    pub ahead: Option<Vec<Ahead>>,
    /// Promise 1: how many owed notices are uncovered.
    pub uncovered: usize,
}

/// What a report is about.
#[derive(Default)]
struct Facts {
    standing: Standing,
    expired: Vec<Named>,
    lost: (u32, Vec<Lost>),
    sent: u32,
    waiting: Waiting,
    /// What API Entreprise says of the watched tokens that were asked about.
    heard: Vec<Heard>,
    /// When it was looked up.
    at: DateTime<Utc>,
}

/// The slot of the week's report: Monday's, or on working days only that of the first working
/// day of the week.
pub fn slot_of_week(calendar: &Calendar, monday: NaiveDate) -> DateTime<Utc> {
    calendar.first_slot_after(calendar.start_of_day(monday) - Duration::seconds(1))
}

fn monday_of(date: NaiveDate) -> NaiveDate {
    let back = u64::from(date.weekday().num_days_from_monday());
    date.checked_sub_days(Days::new(back)).unwrap_or(date)
}

fn week_before(monday: NaiveDate) -> NaiveDate {
    monday.checked_sub_days(Days::new(7)).unwrap_or(monday)
}

fn week_after(monday: NaiveDate) -> NaiveDate {
    monday.checked_add_days(Days::new(7)).unwrap_or(monday)
}

impl Reporter {
    /// Reports to these recipients.
    pub fn new(recipients: Vec<Address>) -> Self {
        Self {
            recipients,
            next: Mutex::new(None),
        }
    }

    /// When the next report is due, once that is known.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        *self.next.lock().expect("no holder panics")
    }

    /// Whether a report is due at `now`. A store that is seen for the first time gets its first
    /// report at the slot of the week after.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn is_due(
        &self,
        store: &Store,
        calendar: &Calendar,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        if self.next().is_some_and(|n| now < n && n - now < FARTHEST) {
            return Ok(false);
        }
        let monday = monday_of(calendar.date(now));
        let done = match store.setting(DONE).await?.and_then(|s| s.parse().ok()) {
            // A clock that ran ahead wrote a week that has not come: the present one has none.
            Some(done) if done > monday => week_before(monday),
            Some(done) => done,
            None => {
                let mut tx = store.begin().await?;
                tx.set(DONE, &monday.to_string()).await?;
                tx.commit().await?;
                monday
            }
        };
        let next = if done >= monday {
            slot_of_week(calendar, week_after(monday))
        } else {
            slot_of_week(calendar, monday)
        };
        *self.next.lock().expect("no holder panics") = Some(next);
        Ok(now >= next)
    }

    /// Queues the report of the present week.
    ///
    /// # Errors
    /// When the store cannot be read or written; then the report is still due.
    pub async fn queue(
        &self,
        store: &Store,
        desk: &Desk,
        beyond: &Beyond,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let facts = Facts::of(store, &desk.calendar, now).await?;
        self.put(store, desk, &facts, beyond, now).await
    }

    /// Queues what stands for the report in a simulation: its subject is true, its body is not
    /// found out.
    ///
    /// # Errors
    /// As [`Reporter::queue`].
    pub async fn announce(&self, store: &Store, desk: &Desk, now: DateTime<Utc>) -> Result<()> {
        let facts = Facts {
            standing: standing_at(store, &desk.calendar, now).await?,
            lost: store.lost(now - SPAN, 0).await?,
            heard: store.heard().await?,
            at: now,
            ..Facts::default()
        };
        self.put(store, desk, &facts, &Beyond::default(), now).await
    }

    async fn put(
        &self,
        store: &Store,
        desk: &Desk,
        facts: &Facts,
        beyond: &Beyond,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let monday = monday_of(desk.calendar.date(now));
        let draft = desk.report(facts, beyond, monday);
        let notes: Vec<_> = self
            .recipients
            .iter()
            .map(|to| desk.note_to(to, draft.clone(), now))
            .collect();
        let mut tx = store.begin().await?;
        tx.settle(&[], &notes, now).await?;
        tx.set(DONE, &monday.to_string()).await?;
        tx.commit().await?;
        *self.next.lock().expect("no holder panics") =
            Some(slot_of_week(&desk.calendar, week_after(monday)));
        Ok(())
    }
}

impl Facts {
    async fn of(store: &Store, calendar: &Calendar, now: DateTime<Utc>) -> Result<Self> {
        let limit = i64::try_from(LISTED).unwrap_or(i64::MAX);
        Ok(Self {
            standing: standing_at(store, calendar, now).await?,
            expired: store.expired(now, limit).await?,
            lost: store.lost(now - SPAN, limit).await?,
            sent: store.sent_since(now - SPAN).await?,
            waiting: store.waiting(now - Duration::days(1)).await?,
            heard: store.heard().await?,
            at: now,
        })
    }
}

async fn standing_at(store: &Store, calendar: &Calendar, now: DateTime<Utc>) -> Result<Standing> {
    let today = calendar.date(now);
    let bound = |days| {
        let date = today.checked_add_days(Days::new(days)).unwrap_or(today);
        calendar.end_of_day(date)
    };
    store.standing(now, [bound(15), bound(30), bound(90)]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Days as MailDays, Window};

    #[test]
    fn the_report_stands_at_the_first_slot_of_the_week() {
        let calendar = |days| Calendar {
            tz: chrono_tz::Europe::Paris,
            window: Window::parse("09:00-18:00").unwrap(),
            days,
            opens: None,
        };
        let slot = |days, monday: &str| {
            let slot = slot_of_week(&calendar(days), monday.parse().unwrap());
            slot.with_timezone(&chrono_tz::Europe::Paris).to_string()
        };
        assert_eq!(
            slot(MailDays::Working, "2026-11-23"),
            "2026-11-23 09:00:00 CET"
        );
        // Easter Monday.
        assert_eq!(
            slot(MailDays::Working, "2026-04-06"),
            "2026-04-07 09:00:00 CEST"
        );
        assert_eq!(
            slot(MailDays::Any, "2026-04-06"),
            "2026-04-06 09:00:00 CEST"
        );
    }

    #[test]
    fn a_week_begins_on_monday() {
        let of = |d: &str| monday_of(d.parse().unwrap()).to_string();
        assert_eq!(of("2026-11-22"), "2026-11-16");
        assert_eq!(of("2026-11-23"), "2026-11-23");
        assert_eq!(of("2027-01-01"), "2026-12-28");
    }
}
