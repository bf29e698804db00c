//! Taking mails up: the claim, a last look at the rules, and what each mail is about.
//!
//! Real delivery and `simulate` go through the same clerk; they differ only in what happens to
//! the mails that it hands out.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::delivery::desk::{Addressed, Desk, Matter};
use crate::domain::schedule::{Urgent, earliest_leave};
use crate::domain::stage::Stage;
use crate::store::Store;
use crate::store::error::Result;
use crate::store::outbox::{Bounds, Claimed, NOTE_DEAD, Wanted};
use crate::store::settle::{Entered, Settled, Settlement};

/// Takes mails up for a sender.
#[derive(Debug, Clone)]
pub struct Clerk {
    /// The store.
    pub store: Store,
    /// What every mail has in common.
    pub desk: Desk,
}

/// A mail to be sent now.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The claim.
    pub mail: Claimed,
    /// What it says, or why its row cannot be read.
    pub addressed: std::result::Result<Addressed, String>,
}

/// A batch of claimed mails.
#[derive(Debug, Default)]
pub struct Batch {
    /// To be sent, the most urgent first.
    pub ready: Vec<Ready>,
    /// Not to be sent now: a rule makes them wait, or they carry nothing any more.
    pub settled: Vec<Settled>,
    /// What the mails are about.
    pub matter: Matter,
    /// The domains of all that were claimed, one for each mail: what quotas count.
    pub domains: Vec<String>,
}

impl Batch {
    /// The number of mails that were claimed.
    pub fn claimed(&self) -> usize {
        self.ready.len() + self.settled.len()
    }
}

impl Clerk {
    /// Whether a mail of this kind may leave at `now`: inside the window, and a note that a token
    /// is refused on any day, within its hours.
    pub fn may_leave(&self, kind: &str, now: DateTime<Utc>) -> bool {
        let calendar = &self.desk.calendar;
        calendar.may_leave(now) || (kind == NOTE_DEAD && calendar.is_in_hours(now))
    }

    /// Claims at most `limit` mails that may leave at `now`; none outside the window, but those
    /// that [`Clerk::may_leave`] excepts.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn take_up(&self, now: DateTime<Utc>, limit: u32) -> Result<Batch> {
        self.take_up_of(Wanted::All, now, limit, &Bounds::default())
            .await
    }

    /// As [`Clerk::take_up`], of the wanted mails, and of each domain no more than `bounds` say.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn take_up_of(
        &self,
        wanted: Wanted,
        now: DateTime<Utc>,
        limit: u32,
        bounds: &Bounds,
    ) -> Result<Batch> {
        let calendar = &self.desk.calendar;
        let wanted = match wanted {
            _ if limit == 0 => return Ok(Batch::default()),
            wanted if calendar.may_leave(now) => wanted,
            Wanted::All if self.may_leave(NOTE_DEAD, now) => Wanted::Kind(NOTE_DEAD),
            Wanted::All | Wanted::Kind(_) => return Ok(Batch::default()),
        };
        let claimed = self
            .store
            .claim(wanted, now, i64::from(limit), bounds)
            .await?;
        if claimed.is_empty() {
            return Ok(Batch::default());
        }
        let rows: Vec<i64> = claimed.iter().map(|m| m.no).collect();
        let matter = Matter::of(&self.store, &rows).await?;
        let today = calendar.date(now);
        let (from, to) = (
            calendar.start_of_day(today),
            calendar.start_of_day(today.succ_opt().unwrap_or(today)),
        );
        let reminded: Vec<&str> = claimed
            .iter()
            .filter(|m| m.note.is_none())
            .map(|m| m.recipient.as_str())
            .collect();
        let counted: HashMap<String, u32> = self
            .store
            .counted_besides(&reminded, from, to, &rows)
            .await?
            .into_iter()
            .collect();

        let mut batch = Batch {
            domains: claimed.iter().map(|m| m.domain.clone()).collect(),
            ..Batch::default()
        };
        for mail in claimed {
            let settle = |settlement| Settled {
                mail: mail.no,
                fence: mail.fence,
                outcome: settlement,
                entered: Entered::No,
                reply: String::new(),
            };
            if mail.note.is_none() {
                let stages = matter.carried(mail.no).iter().map(|c| Stage::new(c.stage));
                let counted = counted.get(&mail.recipient).copied().unwrap_or(0);
                let next_at = earliest_leave(calendar, now, counted, Urgent::of(stages));
                if next_at > now {
                    batch
                        .settled
                        .push(settle(Settlement::Postponed { next_at }));
                    continue;
                }
            }
            match self.desk.address(&mail, &matter, now) {
                Ok(Some(addressed)) => batch.ready.push(Ready {
                    addressed: Ok(addressed),
                    mail,
                }),
                Ok(None) => batch.settled.push(settle(Settlement::Cancelled)),
                Err(damaged) => batch.ready.push(Ready {
                    addressed: Err(damaged.to_string()),
                    mail,
                }),
            }
        }
        batch.matter = matter;
        Ok(batch)
    }
}
