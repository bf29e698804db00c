//! Posts: chat rooms and hooks that are told what mails tell, and when the watch is ill.
//!
//! Posts are rows of the outbox with a life like that of mails, and steps of their own: a channel
//! that fails or hangs holds up neither a mail nor another channel. Mail remains the record:
//! nothing that is owed is settled by a post. What a post says is read from the store at the
//! moment of sending, and holds no address of a person.

mod alarm;
pub mod channel;
pub mod message;
mod queue;
mod serve;
mod verdict;
mod words;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::delivery::circuit::Circuit;
use crate::delivery::desk::Desk;
use crate::delivery::step::Step;
use crate::domain::public_url::PublicUrl;
use crate::posts::channel::{Channel, DEADLINE};
use crate::posts::message::{Message, Post, Setting};
use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::mailbook::MailRow;
use crate::store::posts::{self, WantedPosts};

/// Tells the channels of a configuration.
#[derive(Debug)]
pub struct Herald {
    store: Store,
    desk: Desk,
    lines: Vec<Arc<Line>>,
    /// Where the pages are, for links to them.
    public_url: Option<PublicUrl>,
    /// The illnesses that were found by the last look, by their words.
    known: Mutex<BTreeSet<String>>,
    /// Whether posts to channels that are no more were ended since the start.
    swept: AtomicBool,
    stopping: CancellationToken,
}

/// A channel, and what is known of it.
#[derive(Debug)]
struct Line {
    channel: Channel,
    /// As the store names it.
    recipient: String,
    state: Mutex<LineState>,
}

#[derive(Debug, Clone, Default)]
struct LineState {
    circuit: Circuit,
    /// It asked to be left alone until then.
    not_before: Option<DateTime<Utc>>,
}

impl Line {
    /// Whether it is to be left alone at `now`.
    fn rests(&self, now: DateTime<Utc>) -> bool {
        let state = self.state.lock().expect("no holder panics");
        state.circuit.open_until(now).is_some() || state.not_before.is_some_and(|at| at > now)
    }
}

impl Herald {
    /// A herald of these channels. Its desk says how links and dates are written.
    pub fn new(
        channels: &[config::Channel],
        store: Store,
        desk: Desk,
        public_url: Option<PublicUrl>,
        stopping: CancellationToken,
    ) -> Self {
        Self::by(DEADLINE, channels, store, (desk, public_url), stopping)
    }

    /// As [`Herald::new`], with another deadline for each exchange.
    pub fn by(
        deadline: Duration,
        channels: &[config::Channel],
        store: Store,
        (desk, public_url): (Desk, Option<PublicUrl>),
        stopping: CancellationToken,
    ) -> Self {
        let line = |channel: &config::Channel| {
            Arc::new(Line {
                recipient: posts::recipient(&channel.name),
                channel: Channel::new(channel.clone(), deadline),
                state: Mutex::default(),
            })
        };
        Self {
            store,
            desk,
            lines: channels.iter().map(line).collect(),
            public_url,
            known: Mutex::default(),
            swept: AtomicBool::new(false),
            stopping,
        }
    }

    /// Whether there is nobody to tell.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// From which stage on somebody is told; `None`: nobody is.
    pub fn from_stage(&self) -> Option<u32> {
        let stages = self.lines.iter().map(|l| l.channel.config().from_stage);
        stages.max()
    }

    /// Takes over from the herald before what is known of the channels and of the illnesses.
    pub fn keep_state(&mut self, before: &Self) {
        for line in &self.lines {
            let same = before.lines.iter().find(|l| l.recipient == line.recipient);
            if let Some(same) = same {
                let known = same.state.lock().expect("no holder panics").clone();
                *line.state.lock().expect("no holder panics") = known;
            }
        }
        let known = before.known.lock().expect("no holder panics").clone();
        *self.known.lock().expect("no holder panics") = known;
    }

    /// Forgets when channels are to be left alone: that was dated by a clock that ran ahead.
    pub fn forget_state(&self) {
        for line in &self.lines {
            *line.state.lock().expect("no holder panics") = LineState::default();
        }
    }

    /// Posts what may leave from `now` on, each channel on its own, until nothing more may.
    ///
    /// # Errors
    /// When the store fails; no post leaves without its commit.
    pub async fn step(&self, wanted: WantedPosts, now: DateTime<Utc>) -> Result<Step> {
        let mut total = Step::default();
        let calendar = &self.desk.calendar;
        let wanted = match wanted {
            wanted if calendar.may_leave(now) => wanted,
            // What waits for a day of mails has its time there.
            _ if calendar.is_in_hours(now) => WantedPosts::Alarms,
            _ => return Ok(total),
        };
        let mut serving = JoinSet::new();
        for line in &self.lines {
            let server = serve::Server {
                store: self.store.clone(),
                desk: self.desk.clone(),
                public_url: self.public_url.clone(),
                line: Arc::clone(line),
                stopping: self.stopping.clone(),
            };
            serving.spawn(async move { server.serve(wanted, now).await });
        }
        let mut fault = None;
        while let Some(served) = serving.join_next().await {
            match served {
                Ok(Ok(step)) => total.add(step),
                Ok(Err(e)) => fault = Some(e),
                Err(e) => {
                    fault = Some(StoreError::Io(format!(
                        "the task of a channel stopped: {e}"
                    )));
                }
            }
        }
        fault.map_or(Ok(total), Err)
    }
}

/// What an open post would say at `now`, in the language of its channel; `None`: nothing any more.
///
/// # Errors
/// When the store cannot be read, or the row is damaged.
pub async fn would_say(
    channel: &config::Channel,
    store: &Store,
    (desk, public_url): (&Desk, Option<&PublicUrl>),
    mail: &MailRow,
    now: DateTime<Utc>,
) -> Result<Option<Message>> {
    let row = serve::Row {
        no: mail.no,
        kind: &mail.kind,
        words: mail.note.as_deref(),
    };
    let said = serve::says(store, desk, public_url, &row, now).await?;
    Ok(said.map(|(says, _)| {
        let post = Post {
            id: String::new(),
            at: now,
            says,
        };
        Message::of(&post, channel.language, &desk.calendar)
    }))
}

/// What every post of a configuration has in common.
pub fn setting<'a>(desk: &'a Desk, public_url: Option<&'a PublicUrl>) -> Setting<'a> {
    Setting {
        calendar: &desk.calendar,
        link: &desk.link,
        public_url,
    }
}
