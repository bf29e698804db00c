//! The gate before every pass and every delivery: whether the clock is believed, and what time
//! it is to be.
//!
//! While the clock is held nothing is planned and no reminder leaves; the one mail that may
//! leave is the note that tells of it, dated by the time that is still known. All loops of the
//! daemon go through the same gate, so that a jump between two steps is seen by whichever comes
//! first. After a gap in the watch a pass comes before any delivery.

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use crate::app::Rig;
use crate::delivery::holds::NOTE_CLOCK;
use crate::delivery::step::Step;
use crate::domain::storm;
use crate::domain::timekeeping::{self, End, Hold, Look, Reading, TOLD_AFTER, Timekeeper};
use crate::probe::Asked;
use crate::store::Store;
use crate::store::error::Result;
use crate::store::outbox::Wanted;
use crate::store::posts::WantedPosts;
use crate::store::watch::ClockRecord;
use crate::tick::Ticked;

/// The gate of one process.
#[derive(Debug)]
pub struct Gate {
    store: Store,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    keeper: Timekeeper,
    /// Whether the store knows of the present hold; then its absence there is a person's word.
    recorded: bool,
    /// The hold that was noted last, by its name.
    noted: Option<Name>,
}

/// What came of a step that went through the gate.
#[derive(Debug)]
pub struct Passed<T> {
    /// The time that it went by.
    pub at: DateTime<Utc>,
    /// Set when the clock is held: then nothing was planned, and no reminder left.
    pub hold: Option<Hold>,
    /// What was done.
    pub done: Result<T>,
}

impl Gate {
    /// A gate that has seen no clock yet. A hold that an earlier process recorded is void.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn open(store: Store, reading: Reading) -> Result<(Self, Look)> {
        let record = store.clock_record().await?;
        let mut keeper = Timekeeper::default();
        let look = keeper.look(reading, record.mark);
        if record.ahead.is_some() {
            store.record_hold(None, None, look.at).await?;
        }
        let gate = Self {
            store,
            inner: Mutex::new(Inner {
                keeper,
                ..Inner::default()
            }),
        };
        tell(&look);
        Ok((gate, look))
    }

    /// One tick, if the clock is believed.
    pub async fn tick(&self, rig: &Rig, reading: Reading) -> Passed<Ticked> {
        let (look, _) = match self.look(rig, reading).await {
            Ok(seen) => seen,
            Err(e) => return Passed::failed(reading, e),
        };
        let done = match look.hold {
            Some(_) => Ok(Ticked::default()),
            None => rig.tick(look.at).await,
        };
        Passed {
            at: look.at,
            hold: look.hold,
            done,
        }
    }

    /// One step of delivery, if the clock is believed and no pass must come first; else only
    /// the note about the clock leaves.
    pub async fn deliver(&self, rig: &Rig, reading: Reading) -> Passed<Step> {
        let (look, record) = match self.look(rig, reading).await {
            Ok(seen) => seen,
            Err(e) => return Passed::failed(reading, e),
        };
        let done = match look.hold {
            Some(_) => {
                let note = Wanted::Kind(NOTE_CLOCK);
                rig.sender.step_of(note, look.at).await
            }
            None if storm::is_gap(record.last_pass, look.at) => Ok(Step::default()),
            None => rig.sender.step(look.at).await,
        };
        Passed {
            at: look.at,
            hold: look.hold,
            done: rig.heed(done),
        }
    }

    /// One step of posting, as [`Gate::deliver`]; while the clock is held only alarms leave.
    pub async fn post(&self, rig: &Rig, reading: Reading) -> Passed<Step> {
        let (look, record) = match self.look(rig, reading).await {
            Ok(seen) => seen,
            Err(e) => return Passed::failed(reading, e),
        };
        let done = match look.hold {
            Some(_) => rig.post(WantedPosts::Alarms, look.at).await,
            None if storm::is_gap(record.last_pass, look.at) => Ok(Step::default()),
            None => rig.post(WantedPosts::All, look.at).await,
        };
        Passed {
            at: look.at,
            hold: look.hold,
            done,
        }
    }

    /// One step of asking API Entreprise, if the clock is believed and no pass must come first: by
    /// a wrong date a token would be asked about twice in a day, or not for many.
    pub async fn ask(&self, rig: &Rig, reading: Reading) -> Passed<Asked> {
        let (look, record) = match self.look(rig, reading).await {
            Ok(seen) => seen,
            Err(e) => return Passed::failed(reading, e),
        };
        let done = if look.hold.is_some() || storm::is_gap(record.last_pass, look.at) {
            Ok(Asked::default())
        } else {
            rig.ask(look.at).await
        };
        Passed {
            at: look.at,
            hold: look.hold,
            done,
        }
    }

    /// The time to go by for what is written at this moment, whether or not mails may leave.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn time(&self, rig: &Rig, reading: Reading) -> Result<DateTime<Utc>> {
        Ok(self.look(rig, reading).await?.0.at)
    }

    async fn look(&self, rig: &Rig, reading: Reading) -> Result<(Look, ClockRecord)> {
        let mut inner = self.inner.lock().await;
        let record = self.store.clock_record().await?;
        let was = inner.keeper.hold();
        let person = match was {
            Some(Hold::Ahead { .. }) => inner.recorded && record.ahead.is_none(),
            Some(Hold::Behind { until, .. }) => {
                timekeeping::behind(record.mark, reading.wall).is_none()
                    && record.mark.is_some_and(|mark| mark < until)
            }
            None => false,
        };
        let look = if person {
            inner.recorded = false;
            if matches!(was, Some(Hold::Behind { .. })) {
                rig.sender.forget_relay_state();
                rig.herald.forget_state();
            }
            inner.keeper.believe(reading)
        } else {
            inner.keeper.look(reading, record.mark)
        };
        if was.map(name) != look.hold.map(name) {
            tell(&look);
        }
        let desk = &rig.sender.clerk().desk;
        let told = look.hold.or(look.ended.map(|(hold, _)| hold));
        let note = told
            .filter(|hold| look.lasted >= TOLD_AFTER && inner.noted != Some(name(*hold)))
            .map(|hold| desk.note_about_clock(hold, look.ended.map(|(_, end)| end), look.at));
        let is_ahead = matches!(look.hold, Some(Hold::Ahead { .. }));
        if is_ahead != inner.recorded || note.is_some() {
            let ahead = look.hold.filter(|_| is_ahead);
            self.store
                .record_hold(ahead, note.as_ref(), look.at)
                .await?;
            inner.recorded = is_ahead;
            if note.is_some() {
                inner.noted = told.map(name);
            }
        }
        Ok((look, record))
    }
}

impl<T> Passed<T> {
    fn failed(reading: Reading, e: crate::store::StoreError) -> Self {
        Self {
            at: reading.wall,
            hold: None,
            done: Err(e),
        }
    }
}

/// What tells one hold from another: its figures change with each reading.
type Name = (&'static str, DateTime<Utc>);

fn name(hold: Hold) -> Name {
    match hold {
        Hold::Ahead { since, .. } => (hold.word(), since),
        Hold::Behind { until, .. } => (hold.word(), until),
    }
}

fn tell(look: &Look) {
    match (look.hold, look.ended) {
        (Some(Hold::Ahead { since, by }), _) => tracing::error!(
            %since,
            seconds = by.num_seconds(),
            "the clock jumped ahead; nothing leaves until it is back or steady for 15 minutes, or `jetond outbox release`"
        ),
        (Some(Hold::Behind { until, by }), _) => tracing::error!(
            %until,
            seconds = by.num_seconds(),
            "the clock is behind the last pass; nothing leaves until it has reached it, or `jetond outbox release --clock`"
        ),
        (None, Some((_, end))) => tracing::info!(
            because = match end {
                End::Right => "it is right again",
                End::Steady => "it was steady for 15 minutes",
                End::Person => "a person believes it",
            },
            "the clock is believed again"
        ),
        (None, None) => {}
    }
}
