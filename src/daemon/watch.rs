//! What the daemon knows of its own health: the troubles of its loops, and after each pass the
//! illnesses that follow from them, from the relay and from the store.
//!
//! An illness is logged once when it begins and once when it is over. Nothing here stops a
//! loop: a watch that is ill goes on.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::app::Rig;
use crate::delivery::clerk::Clerk;
use crate::domain::timekeeping::Hold;
use crate::health::{Ill, PASS_PATIENCE, RELAY_PATIENCE, Vitals};
use crate::store::error::{Result as StoreResult, StoreError};
use crate::store::outbox::MailState;

/// Measuring takes at most a twentieth of the time: while a backlog leaves, passes come often.
const REST: u32 = 19;

/// But a pass a minute always measures.
const LONGEST_REST: Duration = Duration::from_secs(50);

/// Since when something fails, and what was last said.
type Trouble = Option<(DateTime<Utc>, String)>;

/// What the loops tell, and what was last known.
#[derive(Debug, Default)]
pub(super) struct Watch {
    passes: Mutex<Trouble>,
    deliveries: Mutex<Trouble>,
    clock: Mutex<Option<Hold>>,
    known: Mutex<Vec<Ill>>,
    full: Mutex<Option<DateTime<Utc>>>,
    measured: Mutex<Option<Measured>>,
    /// When what was last found is to be measured anew, because it was not fresh.
    stale_until: Mutex<Option<Instant>>,
}

/// What was measured of the store, and until when it is good enough.
#[derive(Debug, Clone)]
struct Measured {
    vitals: Vitals,
    until: Instant,
}

/// The state of the watch after a pass.
#[derive(Debug)]
pub(super) struct Findings {
    /// What the store says; `None` when it cannot be read.
    pub(super) vitals: Option<Vitals>,
    /// What is wrong; empty when all is well.
    pub(super) ills: Vec<Ill>,
}

impl Watch {
    /// Notes how a pass of the tick loop ended.
    pub(super) fn pass(&self, said: Result<(), String>, now: DateTime<Utc>) {
        note(&self.passes, said, now);
    }

    /// Notes how a step of the delivery loop ended.
    pub(super) fn delivery(&self, said: Result<(), String>, now: DateTime<Utc>) {
        note(&self.deliveries, said, now);
    }

    /// Notes whether the clock is held.
    pub(super) fn clock(&self, hold: Option<Hold>) {
        *self.clock.lock().expect("no holder panics") = hold;
    }

    /// Notes that the store failed for want of room on its disk.
    pub(super) fn no_room(&self, e: &StoreError, now: DateTime<Utc>) {
        if matches!(e, StoreError::Full(_)) {
            let mut full = self.full.lock().expect("no holder panics");
            full.get_or_insert(now);
        }
    }

    /// Since when the disk has had no room, as far as is known.
    pub(super) fn full_since(&self) -> Option<DateTime<Utc>> {
        *self.full.lock().expect("no holder panics")
    }

    /// Notes that there is room again.
    pub(super) fn room_again(&self) {
        *self.full.lock().expect("no holder panics") = None;
    }

    /// Looks at everything.
    pub(super) async fn look(&self, rig: &Rig, now: DateTime<Utc>) -> Findings {
        let clerk = rig.sender.clerk();
        let looked = self.measure(clerk, now).await;
        let mut ills = Vec::new();
        let trouble = |of: &Mutex<Trouble>| of.lock().expect("no holder panics").clone();
        let vitals = match looked {
            Ok(vitals) => {
                if !vitals.uncovered.is_empty() {
                    ills.push(Ill::Uncovered(vitals.uncovered.len()));
                }
                let held = vitals.count(|s| s == MailState::Held);
                if held > 0 {
                    ills.push(Ill::StormHeld(held));
                }
                match vitals.out_of_reach.len() {
                    0 => {}
                    n => ills.push(Ill::OutOfReach(n)),
                }
                let contact = clerk.desk.contact.key();
                match clerk.store.lost_notes(&contact).await {
                    Ok(0) => {}
                    Ok(n) => ills.push(Ill::Unread(n)),
                    Err(e) => self.pass(Err(e.to_string()), now),
                }
                if rig.bounces.is_some() {
                    match clerk.store.bounces_trouble().await {
                        Ok(Some((since, what))) => ills.push(Ill::Bounces { since, what }),
                        Ok(None) => {}
                        Err(e) => self.pass(Err(e.to_string()), now),
                    }
                }
                match Ill::of_channels(&clerk.store, now).await {
                    Ok(failing) => ills.extend(failing),
                    Err(e) => self.pass(Err(e.to_string()), now),
                }
                Some(vitals)
            }
            Err(e) => {
                self.pass(Err(e.to_string()), now);
                None
            }
        };
        if let Some(hold) = *self.clock.lock().expect("no holder panics") {
            ills.push(Ill::ClockHeld(hold));
        }
        if let Some((since, why)) = trouble(&self.passes)
            && (vitals.is_none() || now - since >= PASS_PATIENCE)
        {
            ills.push(Ill::Passes { since, why });
        }
        if let Some((since, why)) = trouble(&self.deliveries) {
            ills.push(Ill::Deliveries { since, why });
        }
        if let Some((since, why)) = rig.sender.relay_trouble()
            && now - since >= RELAY_PATIENCE
        {
            ills.push(Ill::Relay { since, why });
        }
        if let Some(since) = self.full_since() {
            ills.push(Ill::Disk { since });
        }
        self.log_changes(&ills, now);
        Findings { vitals, ills }
    }

    /// The vitals: measured, or those of a moment ago when measuring costs much. A fault of the
    /// store is never remembered: it is looked at each time.
    async fn measure(&self, clerk: &Clerk, now: DateTime<Utc>) -> StoreResult<Vitals> {
        let last = self.measured.lock().expect("no holder panics").clone();
        let stale = last.filter(|m| Instant::now() < m.until);
        *self.stale_until.lock().expect("no holder panics") = stale.as_ref().map(|m| m.until);
        if let Some(last) = stale {
            return Ok(last.vitals);
        }
        let began = Instant::now();
        let vitals = Vitals::look(&clerk.store, &clerk.desk.calendar, now).await?;
        let rest = (began.elapsed() * REST).min(LONGEST_REST);
        *self.measured.lock().expect("no holder panics") = Some(Measured {
            vitals: vitals.clone(),
            until: Instant::now() + rest,
        });
        Ok(vitals)
    }

    /// In how much time another look is due, when the last one was not fresh.
    pub(super) fn look_again_in(&self) -> Option<Duration> {
        let until = *self.stale_until.lock().expect("no holder panics");
        until.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Has the next look measure anew: what it found before is about another configuration.
    pub(super) fn forget(&self) {
        *self.measured.lock().expect("no holder panics") = None;
    }

    fn log_changes(&self, ills: &[Ill], now: DateTime<Utc>) {
        let mut known = self.known.lock().expect("no holder panics");
        for ill in ills {
            if !known.iter().any(|k| k.is_like(ill)) {
                tracing::error!("ill: {}", ill.told(now).en);
            }
        }
        for k in known.iter().filter(|k| !ills.iter().any(|i| i.is_like(k))) {
            tracing::info!("over: {}", k.told(now).en);
        }
        *known = ills.to_vec();
    }
}

fn note(place: &Mutex<Trouble>, said: Result<(), String>, now: DateTime<Utc>) {
    let mut place = place.lock().expect("no holder panics");
    *place = match (said, place.take()) {
        (Ok(()), _) => None,
        (Err(why), Some((since, _))) => Some((since, why)),
        (Err(why), None) => Some((now, why)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_lasts_from_its_first_fault_until_a_pass_is_written() {
        let (watch, minute) = (Watch::default(), chrono::Duration::minutes(1));
        let start = DateTime::UNIX_EPOCH;
        watch.no_room(&StoreError::Busy, start);
        assert_eq!(watch.full_since(), None);
        for minutes in 1..4 {
            watch.no_room(&StoreError::Full("13".to_owned()), start + minute * minutes);
        }
        assert_eq!(watch.full_since(), Some(start + minute));
        watch.room_again();
        assert_eq!(watch.full_since(), None);
    }
}
