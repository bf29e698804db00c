//! Mails to files: a batch in one go. Files are whole or not there, and a repeat overwrites
//! itself: no doubt arises, and a batch costs one commit.

use std::sync::Arc;

use super::allowance::Allowance;
use super::job::{Entered, TakenUp};
use super::{BATCH, Pace, Shop};
use crate::delivery::clerk::Batch;
use crate::delivery::outcome::Outgoing;
use crate::delivery::step::Step;
use crate::delivery::transport::FileTransport;
use crate::store::error::Result;
use crate::store::outbox::Wanted;

impl Shop {
    /// Takes up one batch of what is allowed, and writes it.
    pub(super) async fn write_files(
        &self,
        files: &FileTransport,
        wanted: Wanted,
        allowance: Allowance,
        pace: Pace,
    ) -> Result<Step> {
        let taken = TakenUp::at(pace.now());
        let now = taken.at;
        let (most, bounds) = (allowance.mails(BATCH), allowance.bounds(&[].into()));
        let Batch {
            ready,
            mut settled,
            matter,
            ..
        } = self.clerk.take_up_of(wanted, now, most, &bounds).await?;
        let matter = Arc::new(matter);
        let (mut jobs, mut notes) = (Vec::with_capacity(ready.len()), Vec::new());
        let claimed = ready.len() + settled.len();
        for ready in ready {
            match self.job(ready, &matter, taken) {
                Ok(job) => jobs.push(job),
                Err(hopeless) => {
                    let (parked, about) = self.parked(hopeless, &matter, now);
                    settled.push(parked);
                    notes.extend(about);
                }
            }
        }
        let mails: Vec<Outgoing<'_>> = jobs.iter().map(|job| self.outgoing(job)).collect();
        let outcomes = files.deliver_batch(&mails).await;
        drop(mails);
        let (now, session) = (pace.now(), self.relay().openings());
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            debug_assert_eq!(job.entered, Entered::No);
            let (one, about) = self.judge(&job, outcome, session, now);
            settled.push(one);
            notes.extend(about);
        }
        let mut done = Step {
            claimed,
            ..Step::default()
        };
        for one in &settled {
            done.count(&one.outcome);
        }
        if !settled.is_empty() {
            self.clerk.store.settle(&settled, &notes, now).await?;
        }
        Ok(done)
    }
}
