//! What the daemon knows of its own health: the troubles of its loops, and after each pass the
//! illnesses that follow from them, from the relay and from the store.
//!
//! An illness is logged once when it begins and once when it is over. Nothing here stops a
//! loop: a watch that is ill goes on.

use std::sync::Mutex;

use chrono::{DateTime, Utc};

use crate::app::Rig;
use crate::domain::timekeeping::Hold;
use crate::health::{Ill, PASS_PATIENCE, RELAY_PATIENCE, Vitals};
use crate::store::outbox::MailState;

/// Since when something fails, and what was last said.
type Trouble = Option<(DateTime<Utc>, String)>;

/// What the loops tell, and what was last known.
#[derive(Debug, Default)]
pub(super) struct Watch {
    passes: Mutex<Trouble>,
    deliveries: Mutex<Trouble>,
    clock: Mutex<Option<Hold>>,
    known: Mutex<Vec<Ill>>,
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

    /// Looks at everything.
    pub(super) async fn look(&self, rig: &Rig, now: DateTime<Utc>) -> Findings {
        let clerk = rig.sender.clerk();
        let looked = Vitals::look(&clerk.store, &clerk.desk.calendar, now).await;
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
        self.log_changes(&ills, now);
        Findings { vitals, ills }
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
