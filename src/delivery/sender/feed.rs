//! From due mails to jobs: the claim, what the mails are about, and their composition.

use std::sync::Arc;

use super::Shop;
use super::allowance::Allowance;
use super::job::{Entered, Hopeless, Job, TakenUp, Why};
use super::run::Run;
use crate::delivery::clerk::Batch;
use crate::delivery::desk::Matter;
use crate::delivery::notes::Trouble;
use crate::store::error::Result;
use crate::store::outbox::{Bounds, Wanted};
use crate::store::settle::{NewNote, Settled, Settlement};

/// Mails composed before others have their turn on the processor.
const AT_ONCE: usize = 16;

impl Run {
    /// Takes up and composes at most `most` mails and hands them to the lanes; answers how many
    /// were taken up.
    pub(super) async fn take_up(
        &self,
        wanted: Wanted,
        most: u32,
        bounds: &Bounds,
        allowance: &mut Allowance,
    ) -> Result<usize> {
        let taken = TakenUp::at(self.pace.now());
        let now = taken.at;
        let Batch {
            ready,
            settled: ended,
            matter,
            domains,
        } = self
            .shop
            .clerk
            .take_up_of(wanted, now, most, bounds)
            .await?;
        allowance.took(&domains);
        let claimed = ready.len() + ended.len();
        self.done().claimed += claimed;
        for one in ended {
            self.done().count(&one.outcome);
            self.recorder.settle(one, Vec::new(), now).await;
        }
        let matter = Arc::new(matter);
        let mut jobs = Vec::with_capacity(AT_ONCE);
        for ready in ready {
            match self.shop.job(ready, &matter, taken) {
                Ok(job) => jobs.push(job),
                Err(hopeless) => {
                    let (settled, notes) = self.shop.parked(hopeless, &matter, self.pace.now());
                    self.done().count(&settled.outcome);
                    self.recorder.settle(settled, notes, self.pace.now()).await;
                }
            }
            if jobs.len() == AT_ONCE {
                self.hand_over(&mut jobs).await;
                tokio::task::yield_now().await;
            }
        }
        self.hand_over(&mut jobs).await;
        Ok(claimed)
    }

    async fn hand_over(&self, jobs: &mut Vec<Job>) {
        for job in self.queue.push(jobs.drain(..)) {
            self.give_back(&job, self.pace.now(), Why::Slow).await;
        }
    }
}

impl Shop {
    /// A mail that cannot be composed, or was in doubt too often, is for a person to look at.
    pub(super) fn parked(
        &self,
        hopeless: Box<Hopeless>,
        matter: &Matter,
        now: chrono::DateTime<chrono::Utc>,
    ) -> (Settled, Vec<NewNote>) {
        let Hopeless { mail, why } = *hopeless;
        tracing::error!(mail = mail.no, %why, "a mail cannot leave; it is parked");
        let notes = self.notes(Trouble::Parked, &mail, matter, &why, now);
        let said = (Settlement::Parked, why);
        let settled = self.settled(&mail, Entered::No, said, now);
        (settled, notes)
    }
}
