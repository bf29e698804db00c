//! The future, run through the real functions: the same reconciliation, tick and clerk as the
//! daemon, on a store in memory, with mails accepted at once.
//!
//! The run jumps from one instant at which something is due to the next; between them nothing
//! can happen. There is no quota, no brake and no circuit here.

use chrono::{DateTime, Duration, Utc};

use crate::delivery::clerk::Clerk;
use crate::delivery::compose;
use crate::delivery::compose::letter::Letter;
use crate::delivery::news;
use crate::delivery::report::Reporter;
use crate::store::error::Result;
use crate::store::settle::{Entered, Settled, Settlement};
use crate::tick::Planner;

/// Mails accepted in one transaction.
const BATCH: u32 = 4096;

/// A mail that will leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// When.
    pub at: DateTime<Utc>,
    /// `reminder` or the kind of a note.
    pub kind: String,
    /// The address as written.
    pub recipient: String,
    /// The subject that it will have.
    pub subject: String,
    /// What it carries, the most urgent first.
    pub notices: Vec<AnnouncedNotice>,
}

/// A notice of an announced mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedNotice {
    /// The token's id.
    pub token: String,
    /// The stage.
    pub stage: i32,
    /// Days left at that moment, in local calendar days.
    pub days_left: i64,
    /// The end of the token's period.
    pub expires: DateTime<Utc>,
}

/// Runs from `from` to `to` inclusive, and hands each instant's mails to `each`, in order; with
/// a `reporter`, its reports among them.
///
/// # Errors
/// When the store in memory fails.
pub async fn run(
    clerk: &Clerk,
    planner: &Planner,
    reporter: Option<&Reporter>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    mut each: impl FnMut(DateTime<Utc>, Vec<Announced>),
) -> Result<()> {
    let mut now = from;
    while now <= to {
        planner.tick(&clerk.store, now).await?;
        news::queue(&clerk.store, &clerk.desk, now).await?;
        if let Some(reporter) = reporter
            && reporter
                .is_due(&clerk.store, &clerk.desk.calendar, now)
                .await?
        {
            reporter.announce(&clerk.store, &clerk.desk, now).await?;
        }
        while let Some(mails) = leave(clerk, now).await? {
            each(now, mails);
            // What waited for one of these mails may leave now too.
            if clerk.store.has_waiting().await? {
                planner.tick(&clerk.store, now).await?;
            }
        }
        let (token, mail) = clerk.store.next_instants().await?;
        let mail = mail.map(|at| clerk.desk.calendar.next_leave(at));
        let report = reporter.and_then(Reporter::next);
        let Some(next) = [token, mail, report].into_iter().flatten().min() else {
            break;
        };
        now = next.max(now + Duration::seconds(1));
    }
    Ok(())
}

/// Lets one batch leave; `None` when there is nothing to leave now.
async fn leave(clerk: &Clerk, now: DateTime<Utc>) -> Result<Option<Vec<Announced>>> {
    let batch = clerk.take_up(now, BATCH).await?;
    if batch.claimed() == 0 {
        return Ok(None);
    }
    let mut settled = batch.settled;
    let mut mails = Vec::with_capacity(batch.ready.len());
    for ready in &batch.ready {
        let outcome = match &ready.addressed {
            Ok(addressed) => {
                let subject =
                    compose::subject(&addressed.letter, &addressed.envelope, &clerk.desk.calendar);
                mails.push(announce(clerk, ready, &addressed.letter, &subject, now));
                Settlement::Sent {
                    subject,
                    body: None,
                }
            }
            Err(_) => Settlement::Parked,
        };
        settled.push(Settled {
            mail: ready.mail.no,
            fence: ready.mail.fence,
            outcome,
            entered: Entered::No,
            reply: String::new(),
        });
    }
    clerk.store.settle(&settled, &[], now).await?;
    Ok(Some(mails))
}

fn announce(
    clerk: &Clerk,
    ready: &crate::delivery::clerk::Ready,
    letter: &Letter,
    subject: &str,
    now: DateTime<Utc>,
) -> Announced {
    let notices = match letter {
        Letter::Note(_) => Vec::new(),
        Letter::Reminder(reminder) => reminder
            .tokens
            .iter()
            .map(|t| AnnouncedNotice {
                token: t.id.as_str().to_owned(),
                stage: t.stage.days(),
                days_left: clerk.desk.calendar.days_between(now, t.expires),
                expires: t.expires,
            })
            .collect(),
    };
    Announced {
        at: now,
        kind: ready.mail.kind.clone(),
        recipient: ready.mail.address.clone(),
        subject: subject.to_owned(),
        notices,
    }
}
