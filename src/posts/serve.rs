//! One channel's turn: claim a post, look again at what it says, put it, record what became of it.
//!
//! It goes in doubt before anything of it may have left, as a mail does before its dot: so a crash
//! repeats it twice at most, under the same id. Nothing of the store is cancelled midway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::channel::Reply;
use super::message::{Entry, Message, Post, Says};
use super::verdict::Trouble;
use super::{Line, alarm, setting};
use crate::delivery::desk::Desk;
use crate::delivery::step::Step;
use crate::domain::body::Body;
use crate::domain::public_url::PublicUrl;
use crate::domain::retry;
use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::outbox::{Claimed, Doubt};
use crate::store::posts::{ALARM, WantedPosts};
use crate::store::settle::{Entered, NewNote, Settled, Settlement};

/// After SIGTERM an answer is waited for this long.
const GRACE: Duration = Duration::from_secs(10);

/// Tries to write an outcome.
const TRIES: u32 = 3;

/// What serves a channel.
pub(super) struct Server {
    pub(super) store: Store,
    pub(super) desk: Desk,
    pub(super) public_url: Option<PublicUrl>,
    pub(super) line: Arc<Line>,
    pub(super) stopping: CancellationToken,
}

/// An outcome with all that is written beside it.
struct Outcome {
    settled: Settled,
    notes: Vec<NewNote>,
    /// The tokens that the post told of, where it told of any.
    told: Option<Vec<i64>>,
    /// What the channel said; `None`: it was not asked.
    reply: Option<Reply>,
}

impl Server {
    /// Posts what may leave, beginning at `now`, until nothing more may.
    pub(super) async fn serve(&self, wanted: WantedPosts, now: DateTime<Utc>) -> Result<Step> {
        let started = Instant::now();
        let mut step = Step::default();
        loop {
            let now = now + chrono::Duration::seconds(started.elapsed().as_secs().cast_signed());
            if self.stopping.is_cancelled() || self.line.rests(now) {
                return Ok(step);
            }
            let channel = &self.line.recipient;
            let Some(mail) = self.store.claim_post(channel, wanted, now).await? else {
                return Ok(step);
            };
            step.claimed += 1;
            if let Some(outcome) = self.one(&mail, now).await? {
                self.record(&mail, &outcome, now).await?;
                step.count(&outcome.settled.outcome);
            }
        }
    }

    /// Puts one post; `None`: its claim no longer holds.
    async fn one(&self, mail: &Claimed, now: DateTime<Utc>) -> Result<Option<Outcome>> {
        let settled = |outcome, entered, reply: &str| Settled {
            mail: mail.no,
            fence: mail.fence,
            outcome,
            entered,
            reply: reply.to_owned(),
        };
        let (says, told) = match self.says(mail, now).await {
            Ok(Some(says)) => says,
            Ok(None) => {
                return Ok(Some(Outcome {
                    settled: settled(Settlement::Cancelled, Entered::No, ""),
                    notes: Vec::new(),
                    told: Some(Vec::new()),
                    reply: None,
                }));
            }
            // One bad row never stops the others.
            Err(StoreError::Corrupt(why)) => {
                return Ok(Some(Outcome {
                    settled: settled(Settlement::Parked, Entered::No, &why),
                    notes: Vec::new(),
                    told: None,
                    reply: None,
                }));
            }
            Err(e) => return Err(e),
        };
        // As many copies as there may be have left, and of none is it known what became of it.
        if mail.doubts > retry::DOUBT_REPEATS {
            let note = Trouble::Unsure.note(&self.line.recipient, "", &self.desk, now);
            return Ok(Some(Outcome {
                settled: settled(Settlement::StuckInDoubt, Entered::No, ""),
                notes: vec![self.desk.note_to(&self.desk.contact, note, now)],
                told: None,
                reply: None,
            }));
        }
        let channel = &self.line.channel;
        let post = Post {
            id: id_of(&mail.message_id),
            at: now,
            says,
        };
        let body = channel.body(&post, setting(&self.desk, self.public_url.as_ref()));
        let doubt = Doubt {
            mail: mail.no,
            fence: mail.fence,
            content: Body::Whole(body.clone().into_bytes()),
            carried: 0,
        };
        if self.store.enter_doubt(&[doubt], now).await? != [true] {
            return Ok(None);
        }
        let (reply, stopped) = tokio::select! {
            reply = channel.post(&post, &body, now) => (reply, false),
            () = self.has_no_time() => {
                (Reply::Lost("stopped before an answer came".to_owned()), true)
            }
        };
        let calendar = &self.desk.calendar;
        let subject = Message::of(&post, channel.config().language, calendar).title;
        let (outcome, trouble) = {
            let mut state = self.line.state.lock().expect("no holder panics");
            state.judge(&reply, mail, &subject, now)
        };
        let (name, said) = (&self.line.recipient, reply.said());
        let notes = trouble.map(|t| {
            let draft = t.note(name, said, &self.desk, now);
            self.desk.note_to(&self.desk.contact, draft, now)
        });
        match &reply {
            Reply::Taken(said) => tracing::info!(channel = %name, post = mail.no, %said, "posted"),
            Reply::Later(said, _) | Reply::Never(said) | Reply::Lost(said) => {
                tracing::warn!(channel = %name, post = mail.no, %said, "not posted");
            }
        }
        Ok(Some(Outcome {
            settled: settled(outcome, Entered::Yes, said),
            notes: notes.into_iter().collect(),
            told: matches!(reply, Reply::Taken(_)).then_some(told),
            // A stop says nothing of the channel.
            reply: (!stopped).then_some(reply),
        }))
    }

    /// What a post says at `now`, with the rows of its tokens; `None`: nothing any more.
    async fn says(&self, mail: &Claimed, now: DateTime<Utc>) -> Result<Option<(Says, Vec<i64>)>> {
        let row = Row {
            no: mail.no,
            kind: &mail.kind,
            words: mail.note.as_deref(),
        };
        let public_url = self.public_url.as_ref();
        says(&self.store, &self.desk, public_url, &row, now).await
    }

    async fn has_no_time(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    async fn record(&self, mail: &Claimed, outcome: &Outcome, now: DateTime<Utc>) -> Result<()> {
        let mut tries = 1;
        loop {
            match self.write(mail, outcome, now).await {
                Err(StoreError::Busy) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn write(&self, mail: &Claimed, outcome: &Outcome, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let settled = std::slice::from_ref(&outcome.settled);
        tx.settle(settled, &outcome.notes, now).await?;
        if let Some(told) = &outcome.told {
            tx.told_only(mail.no, told).await?;
        }
        let channel = &self.line.recipient;
        match &outcome.reply {
            None => {}
            Some(Reply::Taken(_)) => tx.channel_took(channel).await?,
            Some(reply) => tx.channel_failed(channel, reply.said(), now).await?,
        }
        tx.commit().await
    }
}

/// What must be known of a row of the outbox to say what it says.
pub(super) struct Row<'a> {
    pub(super) no: i64,
    pub(super) kind: &'a str,
    /// An alarm's.
    pub(super) words: Option<&'a str>,
}

/// What a row of the outbox says to its channel at `now`, with the rows of its tokens.
pub(super) async fn says(
    store: &Store,
    desk: &Desk,
    public_url: Option<&PublicUrl>,
    post: &Row<'_>,
    now: DateTime<Utc>,
) -> Result<Option<(Says, Vec<i64>)>> {
    if post.kind == ALARM {
        let (word, words) = alarm::read(post.words.unwrap_or_default())?;
        return Ok(Some((Says::Alarm { word, words }, Vec::new())));
    }
    let tokens = store.posted_tokens(post.no, now).await?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let rows = tokens.iter().map(|t| t.token).collect();
    let setting = setting(desk, public_url);
    let entries = tokens.into_iter().map(|t| Entry::of(t, setting, now));
    Ok(Some((Says::Stages(entries.collect()), rows)))
}

/// What a repeat of a post has in common with it: its Message-ID without the domain.
fn id_of(message_id: &str) -> String {
    let id = message_id.split('@').next().unwrap_or(message_id);
    id.to_owned()
}
