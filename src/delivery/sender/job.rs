//! A mail on its way from the clerk to its outcome: composed, with what its notes need.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::Shop;
use super::queue::Bound;
use crate::delivery::clerk::Ready;
use crate::delivery::compose;
use crate::delivery::compose::letter::Draft;
use crate::delivery::desk::{Addressed, Matter};
use crate::delivery::notes::Trouble;
use crate::delivery::outcome::Outgoing;
use crate::domain::address::Address;
use crate::domain::body::Body;
use crate::domain::retry;
use crate::store::outbox::{Carried, Claimed};
use crate::store::settle::{NewNote, Settled, Settlement};

/// One mail with what is to be sent.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) mail: Claimed,
    pub(super) letter: Draft,
    pub(super) to: Address,
    /// The number of notices in it.
    pub(super) carried: i64,
    /// What the mails of its batch are about.
    pub(super) matter: Arc<Matter>,
    /// When it was taken up.
    pub(super) since: DateTime<Utc>,
    /// The same, to the fraction of a second.
    pub(super) taken: Instant,
    /// Whether the commit before the dot has been made.
    pub(super) entered: Entered,
}

pub(super) use crate::store::settle::Entered;

/// The moment at which a batch of mails was taken up.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakenUp {
    /// By the clock that delivery goes by.
    pub(super) at: DateTime<Utc>,
    /// By the machine.
    pub(super) instant: Instant,
}

impl TakenUp {
    pub(super) fn at(at: DateTime<Utc>) -> Self {
        Self {
            at,
            instant: Instant::now(),
        }
    }
}

impl Bound for Job {
    fn domain(&self) -> &str {
        self.to.ascii_domain()
    }

    fn is_doubtful(&self) -> bool {
        self.mail.doubts > 0
    }
}

/// Why a mail whose dot was not written returns to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Stopping,
    RelayOut,
    /// The store has failed.
    Unrecorded,
    /// Its commit before the dot was refused: it is not about the same notices any more.
    Changed,
    /// The connection of its flight was.
    Lost,
    /// Its domain is, and others wait.
    Slow,
    /// It waited for a connection until what it says may be untrue.
    Stale,
}

impl Why {
    /// For the record of the mail.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Stopping => "the daemon is stopping",
            Self::RelayOut => "the relay is out of reach",
            Self::Unrecorded => "the store failed",
            Self::Changed => "changed while it was on its way",
            Self::Lost => "the connection was lost",
            Self::Slow => "its domain is slow",
            Self::Stale => "it waited too long for a connection",
        }
    }
}

/// A mail that cannot leave, and why.
#[derive(Debug)]
pub(super) struct Hopeless {
    pub(super) mail: Claimed,
    pub(super) why: String,
}

impl Shop {
    /// Composes a mail that was taken up then.
    pub(super) fn job(
        &self,
        ready: Ready,
        matter: &Arc<Matter>,
        taken: TakenUp,
    ) -> Result<Job, Box<Hopeless>> {
        let Ready { mail, addressed } = ready;
        if mail.doubts > retry::DOUBT_REPEATS {
            let why = "in doubt too often: each time the reply was lost, or the sender ended";
            let why = why.to_owned();
            return Err(Box::new(Hopeless { mail, why }));
        }
        let drafted = addressed.and_then(|addressed| {
            let letter = self.draft(&mail, &addressed)?;
            Ok((letter, addressed.envelope.to.address, addressed.carried))
        });
        match drafted {
            Ok((letter, to, carried)) => Ok(Job {
                mail,
                letter,
                to,
                carried,
                matter: Arc::clone(matter),
                since: taken.at,
                taken: taken.instant,
                entered: Entered::No,
            }),
            Err(why) => Err(Box::new(Hopeless { mail, why })),
        }
    }

    fn draft(&self, mail: &Claimed, addressed: &Addressed) -> Result<Draft, String> {
        let Addressed {
            letter,
            envelope,
            carried,
        } = addressed;
        let calendar = &self.clerk.desk.calendar;
        // What was in doubt goes out with the same bytes, as long as it is about the same notices
        // and still true: not on a later day.
        if let Some(before) = &mail.content
            && before.carried == *carried
            && calendar.date(before.at) == calendar.date(envelope.now)
        {
            return Ok(Draft {
                subject: compose::subject(letter, envelope, calendar),
                bytes: before.bytes.clone(),
                body: Body::Whole(before.bytes.clone()),
            });
        }
        self.templates
            .draft(letter, envelope, calendar)
            .map_err(|e| e.to_string())
    }

    pub(super) fn outgoing<'a>(&'a self, job: &'a Job) -> Outgoing<'a> {
        Outgoing {
            id: job.mail.no,
            envelope_from: &self.clerk.desk.from.address,
            envelope_to: &job.to,
            message_id: &job.mail.message_id,
            bytes: &job.letter.bytes,
        }
    }

    /// An outcome for the record; it is counted.
    pub(super) fn settled(
        &self,
        mail: &Claimed,
        entered: Entered,
        (outcome, reply): (Settlement, String),
        now: DateTime<Utc>,
    ) -> Settled {
        self.meter.settled(&outcome, now);
        Settled {
            mail: mail.no,
            fence: mail.fence,
            entered,
            outcome,
            reply,
        }
    }

    /// Measures a mail that was accepted at `now`: what it took since it was taken up, and how long
    /// ago its reminders could have left.
    pub(super) fn measure(&self, job: &Job, now: DateTime<Utc>) {
        let carried = job.matter.carried(job.mail.no).iter();
        let owed_since = carried.map(|c| c.leaves_at).min();
        let took: Duration = job.taken.elapsed();
        self.meter.accepted(took, owed_since.map(|at| now - at));
    }

    /// The notes that tell people of what happened to a mail.
    pub(super) fn notes(
        &self,
        trouble: Trouble,
        mail: &Claimed,
        matter: &Matter,
        reply: &str,
        now: DateTime<Utc>,
    ) -> Vec<NewNote> {
        self.clerk
            .desk
            .notes_about(trouble, mail, matter, reply, now)
    }
}

/// The tokens of a mail, for the log: none for a note, each once.
pub(super) fn ids(carried: &[Carried]) -> Option<String> {
    let mut ids: Vec<&str> = carried.iter().map(|c| c.id.as_str()).collect();
    ids.dedup();
    (!ids.is_empty()).then(|| ids.join(" "))
}
