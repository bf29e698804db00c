//! Posts: what chat rooms and hooks are told, in the outbox beside the mails.
//!
//! A post is a row of `mail` whose recipient is a channel, `#name`. It goes through the same
//! claims, doubts, deferrals and attempts, and through no claim of mails: its urgency lies below
//! theirs. No notice hangs on it, so nothing that is owed depends on a channel.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::LAST_WORDS;
use crate::store::error::Result;
use crate::store::outbox::Claimed;
use crate::store::plan::json;
use crate::store::{Store, Tx, instant, seconds};

/// The kind of a post about stages.
pub const STAGES: &str = "post";

/// The kind of a post about the watch itself.
pub const ALARM: &str = "post_alarm";

/// The urgency of posts about stages, and above that of every alarm; every mail's is greater.
pub const BELOW_MAILS: i64 = -1_000_000_000_000;

/// Whether a row of this kind is a post.
pub fn is_post(kind: &str) -> bool {
    [STAGES, ALARM].contains(&kind)
}

/// A channel as the store names it.
pub fn recipient(channel: &str) -> String {
    format!("#{channel}")
}

/// A post to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPost {
    /// [`STAGES`] or [`ALARM`].
    pub kind: &'static str,
    /// What it is about: with kind and channel its key.
    pub cause: String,
    /// The channel, as `#name`.
    pub channel: String,
    /// Its Message-ID; what follows from it tells a repeat at the other end.
    pub message_id: String,
    /// An alarm's words, as JSON.
    pub words: Option<String>,
    /// When it may leave.
    pub next_at: DateTime<Utc>,
}

/// A stage that became owed, and of which a channel has not been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageNews {
    /// The token's row.
    pub token: i64,
    /// Its period.
    pub period: i64,
    /// The stage, the most urgent one of the period.
    pub stage: i32,
    /// The client's key.
    pub client: Option<String>,
    /// The token's tags.
    pub tags: Vec<String>,
}

/// A token that a post is about, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedToken {
    /// Its row.
    pub token: i64,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The client's name.
    pub client: Option<String>,
    /// The stage.
    pub stage: i32,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Data Pass number.
    pub datapass_id: Option<String>,
    /// `jti`.
    pub jti: Option<String>,
}

/// Since when a channel has been failing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTrouble {
    /// The channel, as `#name`.
    pub channel: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What was said last.
    pub why: String,
}

/// Which posts to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedPosts {
    /// Whatever may leave.
    All,
    /// Alarms only: while the clock is held nothing is said of stages.
    Alarms,
}

/// The next post of a channel whose time has come, by the index `mail_post`; a test looks at its
/// plan.
pub const NEXT_POST: &str = "SELECT no FROM mail WHERE kind IN ('post', 'post_alarm') AND recipient = $1 \
     AND next_at <= $2 AND kind >= $3 ORDER BY urgency, next_at, no LIMIT 1";

/// What a post is still about: tokens in their period, whose stage mail tells too, which nothing
/// silences, and of which the channel was told nothing more urgent.
const STILL: &str = "SELECT t.no, t.id, t.name, t.client_name, s.stage, p.expires, t.datapass_id, t.jti \
     FROM post_stage s JOIN token t ON t.no = s.token AND t.period = s.period AND t.state = 'active' \
     JOIN period p ON p.token = s.token AND p.no = s.period \
     WHERE s.mail = $1 \
       AND EXISTS (SELECT 1 FROM notice n WHERE n.token = s.token AND n.period = s.period AND n.stage = s.stage \
         AND n.state IN ('owed', 'sent', 'failed')) \
       AND (s.stage <= $3 OR NOT EXISTS (SELECT 1 FROM quiet q WHERE q.token = s.token AND q.period = s.period \
         AND (q.until IS NULL OR q.until > $2))) \
       AND NOT EXISTS (SELECT 1 FROM post_stage m WHERE m.channel = s.channel AND m.token = s.token \
         AND m.period = s.period AND m.stage < s.stage) \
     ORDER BY p.expires, t.id";

impl Store {
    /// Whether channels are to be told of something.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_stage_news(&self) -> Result<bool> {
        let found: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM stage_news)")
            .fetch_one(&self.pool)
            .await?;
        Ok(found == 1)
    }

    /// Claims the next post of a channel, the most urgent first.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim_post(
        &self,
        channel: &str,
        wanted: WantedPosts,
        now: DateTime<Utc>,
    ) -> Result<Option<Claimed>> {
        let next = |kind: &'static str| {
            sqlx::query_scalar(NEXT_POST)
                .bind(channel.to_owned())
                .bind(seconds(now))
                .bind(kind)
        };
        let kind = match wanted {
            WantedPosts::All => STAGES,
            WantedPosts::Alarms => ALARM,
        };
        // Nothing is written where nothing is to be sent.
        let waiting: Option<i64> = next(kind).fetch_optional(&self.pool).await?;
        if waiting.is_none() {
            return Ok(None);
        }
        self.require_own_file()?;
        let mut tx = self.begin().await?;
        let found: Option<i64> = next(kind).fetch_optional(&mut *tx.inner).await?;
        let claimed = match found {
            Some(no) => tx.claim_rows(&[no], now).await?.pop(),
            None => None,
        };
        tx.commit().await?;
        Ok(claimed)
    }

    /// What a post is still about at `now`, the most urgent first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn posted_tokens(&self, mail: i64, now: DateTime<Utc>) -> Result<Vec<PostedToken>> {
        let rows = sqlx::query(STILL)
            .bind(mail)
            .bind(seconds(now))
            .bind(LAST_WORDS)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|r| {
                Ok(PostedToken {
                    token: r.try_get(0)?,
                    id: r.try_get(1)?,
                    name: r.try_get(2)?,
                    client: r.try_get(3)?,
                    stage: r.try_get(4)?,
                    expires: instant(r.try_get(5)?),
                    datapass_id: r.try_get(6)?,
                    jti: r.try_get(7)?,
                })
            })
            .collect()
    }

    /// The channels that have been failing since `since` or longer, by their names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn failing_channels(&self, since: DateTime<Utc>) -> Result<Vec<ChannelTrouble>> {
        let rows = sqlx::query(
            "SELECT channel, since, why FROM channel_trouble WHERE since <= $1 ORDER BY channel",
        )
        .bind(seconds(since))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(ChannelTrouble {
                    channel: r.try_get(0)?,
                    since: instant(r.try_get(1)?),
                    why: r.try_get(2)?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Notes stages that became owed, for the channels: (token's row, period, stage).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note_stages(&mut self, stages: &[(i64, i64, i32)]) -> Result<()> {
        if stages.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO stage_news (token, period, stage) \
             SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each($1) WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(json(stages))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// What a channel is to be told, from a stage on: of each token the most urgent stage, unless
    /// it was told that or more before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stage_news(&mut self, channel: &str, from_stage: u32) -> Result<Vec<StageNews>> {
        let rows = sqlx::query(
            "SELECT n.token, n.period, min(n.stage), t.client, t.tags FROM stage_news n \
             JOIN token t ON t.no = n.token AND t.period = n.period AND t.state = 'active' \
             WHERE n.stage <= $2 AND NOT EXISTS (SELECT 1 FROM post_stage s WHERE s.channel = $1 \
               AND s.token = n.token AND s.period = n.period AND s.stage <= n.stage) \
             GROUP BY n.token, n.period ORDER BY n.token, n.period",
        )
        .bind(channel)
        .bind(from_stage)
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(StageNews {
                    token: r.try_get(0)?,
                    period: r.try_get(1)?,
                    stage: r.try_get(2)?,
                    client: r.try_get(3)?,
                    tags: crate::store::outbox::list(r.try_get(4)?),
                })
            })
            .collect()
    }

    /// Forgets what channels were to be told: it is queued.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn clear_stage_news(&mut self) -> Result<()> {
        sqlx::query("DELETE FROM stage_news")
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The post of a channel that waits and has never been tried: what is new joins it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting_post(&mut self, channel: &str) -> Result<Option<i64>> {
        let found = sqlx::query_scalar(
            "SELECT no FROM mail WHERE kind = 'post' AND kind IN ('post', 'post_alarm') AND recipient = $1 \
             AND next_at IS NOT NULL AND state = 'queued' AND attempts = 0 AND doubts = 0 ORDER BY no LIMIT 1",
        )
        .bind(channel)
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(found)
    }

    /// Queues a post; answers its row, or `None` where one was queued under the same key.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn queue_post(&mut self, post: &NewPost, now: DateTime<Utc>) -> Result<Option<i64>> {
        let urgency = if post.kind == ALARM {
            BELOW_MAILS - 1
        } else {
            BELOW_MAILS
        };
        let made = sqlx::query_scalar(
            "INSERT INTO mail (message_id, kind, cause, recipient, address, domain, state, urgency, created_at, next_at, note) \
             VALUES ($1, $2, $3, $4, $4, $4, 'queued', $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING no",
        )
        .bind(&post.message_id)
        .bind(post.kind)
        .bind(&post.cause)
        .bind(&post.channel)
        .bind(urgency)
        .bind(seconds(now))
        .bind(seconds(post.next_at))
        .bind(&post.words)
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(made)
    }

    /// Has a post tell a channel of these stages.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn tell_channel(
        &mut self,
        channel: &str,
        mail: i64,
        stages: &[StageNews],
    ) -> Result<()> {
        let rows: Vec<(i64, i64, i32)> = stages
            .iter()
            .map(|s| (s.token, s.period, s.stage))
            .collect();
        sqlx::query(
            "INSERT INTO post_stage (channel, token, period, stage, mail) \
             SELECT $1, value ->> 0, value ->> 1, value ->> 2, $3 FROM jsonb_each($2) WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(channel)
        .bind(json(&rows))
        .bind(mail)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Forgets that a post was about anything but these tokens: of what dropped out the channel
    /// has not been told.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn told_only(&mut self, mail: i64, tokens: &[i64]) -> Result<()> {
        sqlx::query(
            "DELETE FROM post_stage WHERE mail = $1 AND token NOT IN (SELECT value FROM json_each($2))",
        )
        .bind(mail)
        .bind(json(tokens))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Cancels the open posts to channels that are no more, and forgets their troubles; `channels`
    /// are those that are, as `#name`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_channels_besides(
        &mut self,
        channels: &[String],
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let ended = sqlx::query(
            "UPDATE mail SET state = 'cancelled', next_at = NULL, settled_at = $2 \
             WHERE kind IN ('post', 'post_alarm') AND next_at IS NOT NULL AND state <> 'claimed' \
               AND recipient NOT IN (SELECT value FROM json_each($1))",
        )
        .bind(json(channels))
        .bind(seconds(now))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        let forgotten = sqlx::query(
            "DELETE FROM channel_trouble WHERE channel NOT IN (SELECT value FROM json_each($1))",
        )
        .bind(json(channels))
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        Ok(ended + forgotten)
    }

    /// Whether posts to other channels than these are open: those that were on their way when
    /// their channel went.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_posts_besides(&mut self, channels: &[String]) -> Result<bool> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM mail WHERE kind IN ('post', 'post_alarm') AND kind <> 'reminder' \
               AND next_at IS NOT NULL AND recipient NOT IN (SELECT value FROM json_each($1)))",
        )
        .bind(json(channels))
        .fetch_one(&mut *self.inner)
        .await?)
    }

    /// Notes that a channel failed at `now`: it has been failing since then, or since earlier.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn channel_failed(
        &mut self,
        channel: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO channel_trouble (channel, since, why) VALUES ($1, $2, $3) \
             ON CONFLICT (channel) DO UPDATE SET why = excluded.why",
        )
        .bind(channel)
        .bind(seconds(now))
        .bind(why)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Notes that a channel took a post.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn channel_took(&mut self, channel: &str) -> Result<()> {
        sqlx::query("DELETE FROM channel_trouble WHERE channel = $1")
            .bind(channel)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
