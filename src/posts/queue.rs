//! From stages that became owed to posts: one for each channel and pass.
//!
//! The tick notes such stages in its own transaction, so that none is lost between the two. What
//! is new joins a post that still waits and has never been tried.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::{Herald, Line};
use crate::config;
use crate::domain::message_id::message_id;
use crate::store::error::Result;
use crate::store::posts::{NewPost, STAGES, StageNews};

/// Whether a channel is told of a token.
pub(super) fn concerns(
    channel: &config::Channel,
    client: Option<&String>,
    tags: &[String],
) -> bool {
    let of_client =
        channel.clients.is_empty() || client.is_some_and(|c| channel.clients.contains(c));
    let of_tag = channel.tags.is_empty() || tags.iter().any(|t| channel.tags.contains(t));
    of_client && of_tag
}

impl Herald {
    /// Queues what a tick has noted. Answers how many posts were made.
    ///
    /// # Errors
    /// When the store cannot be written; what was noted stays, and the next pass tries again.
    pub async fn queue(&self, now: DateTime<Utc>) -> Result<usize> {
        self.sweep(now).await?;
        if !self.store.has_stage_news().await? {
            return Ok(0);
        }
        let mut tx = self.store.begin().await?;
        let mut made = 0;
        for line in &self.lines {
            let channel = line.channel.config();
            let mut news = tx.stage_news(&line.recipient, channel.from_stage).await?;
            news.retain(|n| concerns(channel, n.client.as_ref(), &n.tags));
            if news.is_empty() {
                continue;
            }
            let mail = match tx.waiting_post(&line.recipient).await? {
                Some(waiting) => Some(waiting),
                None => {
                    made += 1;
                    let post = self.new_post(line, cause(&news, now), STAGES, None, now);
                    tx.queue_post(&post, now).await?
                }
            };
            if let Some(mail) = mail {
                tx.tell_channel(&line.recipient, mail, &news).await?;
            }
        }
        tx.clear_stage_news().await?;
        tx.commit().await?;
        Ok(made)
    }

    /// A post under a key. Its Message-ID follows from it.
    pub(super) fn new_post(
        &self,
        line: &Line,
        cause: String,
        kind: &'static str,
        words: Option<String>,
        now: DateTime<Utc>,
    ) -> NewPost {
        let mut hash = Sha256::new();
        hash.update(format!("{kind}\0{cause}\0{}", line.recipient));
        let calendar = &self.desk.calendar;
        let domain = self.desk.from.address.ascii_domain();
        NewPost {
            kind,
            message_id: message_id(calendar.date(now), hash, domain),
            cause,
            channel: line.recipient.clone(),
            words,
            next_at: calendar.next_leave(now),
        }
    }

    /// Ends, after each start and reload, what waits for channels that are no more; what was on its
    /// way then, as soon as it is back.
    async fn sweep(&self, now: DateTime<Utc>) -> Result<()> {
        if self.swept.load(Ordering::Acquire) {
            return Ok(());
        }
        let channels: Vec<String> = self.lines.iter().map(|l| l.recipient.clone()).collect();
        let mut tx = self.store.begin().await?;
        let ended = tx.end_channels_besides(&channels, now).await?;
        let is_clean = !tx.has_posts_besides(&channels).await?;
        if ended > 0 {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        self.swept.store(is_clean, Ordering::Release);
        Ok(())
    }
}

/// What tells a post from the others of its channel.
fn cause(news: &[StageNews], now: DateTime<Utc>) -> String {
    let mut hash = Sha256::new();
    for n in news {
        hash.update(format!("{}\0{}\0{}\0", n.token, n.period, n.stage));
    }
    let of: String = hash.finalize()[..8]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("stages:{}:{of}", now.timestamp())
}
