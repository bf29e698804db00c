//! What monitoring asks of the record: how the tokens stand, what the outbox holds, what became of
//! the notices. For `/metrics` only: no loop waits for it.
//!
//! [`Store::gauge`] reads each token and each open mail once; [`Store::notices_by_stage`] reads
//! every notice, and is for once a minute at most. Nothing here holds an address.

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::lifecycle::State;
use crate::domain::reach::TRIAL;
use crate::domain::standing::{Filing, Horizon, Standing};
use crate::store::error::{Result, StoreError};
use crate::store::outbox::{MailState, count};
use crate::store::plan::gathered;
use crate::store::watch::LAST_PASS;
use crate::store::{Store, Tx, instant, seconds};

/// How the tokens stand; the words are those of [`Standing`], and of [`State`] for those that are
/// not watched. A standing is decided as in [`Standing::of`]; a test holds the two together.
const STANDINGS: &str = "SELECT CASE WHEN t.state <> 'active' THEN t.state \
      WHEN p.expires < $1 THEN 'expired' WHEN p.expires < $2 THEN 'urgent' \
      WHEN EXISTS (SELECT 1 FROM quiet q WHERE q.token = t.no AND q.period = t.period AND q.kind IN ('filed', 'declared')) THEN 'filed' \
      WHEN p.expires < $3 THEN 'to_renew' ELSE 'active' END AS standing, count(*) \
    FROM token t JOIN period p ON p.token = t.no AND p.no = t.period GROUP BY standing ORDER BY standing";

/// The watched tokens whose end is nearest, past or to come: from the present outwards.
const NEAREST: &str = "SELECT json_group_array(json_array(t.no, t.id, t.client, n.expires, \
      EXISTS (SELECT 1 FROM quiet q WHERE q.token = t.no AND q.period = t.period AND q.kind IN ('filed', 'declared')))) \
    FROM (SELECT no, expires FROM ( \
        SELECT * FROM (SELECT p.token AS no, p.expires AS expires FROM period p \
            CROSS JOIN token t ON t.no = p.token AND t.period = p.no \
          WHERE p.expires >= $1 AND t.state = 'active' ORDER BY p.expires, p.token LIMIT $2) \
        UNION ALL \
        SELECT * FROM (SELECT p.token AS no, p.expires AS expires FROM period p \
            CROSS JOIN token t ON t.no = p.token AND t.period = p.no \
          WHERE p.expires < $1 AND t.state = 'active' ORDER BY p.expires DESC, p.token DESC LIMIT $2)) \
      ORDER BY abs(expires - $1), no LIMIT $2) n CROSS JOIN token t ON t.no = n.no";

/// The open mails by state: how many, the oldest, and the one whose time came first. A claimed
/// mail's time is the end of its claim. A test looks at its plan.
pub const OUTBOX: &str = "SELECT state, count(*), min(created_at), \
      min(CASE WHEN state IN ('queued', 'deferred', 'in_doubt', 'held') THEN next_at END) \
    FROM mail WHERE next_at IS NOT NULL AND urgency > -1000000000000 GROUP BY state ORDER BY state";

/// The latest mail that was accepted: from the latest that was, or may have been, backwards; a
/// test looks at its plan.
pub const LAST_SENT: &str = "SELECT settled_at FROM mail \
    WHERE counted_at IS NOT NULL AND state = 'sent' ORDER BY counted_at DESC LIMIT 1";

/// How a token on record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is watched.
    Watched(Standing),
    /// It is not, any more.
    Ended(State),
}

impl Placed {
    /// Every one, the most pressing first.
    pub fn all() -> impl Iterator<Item = Self> {
        let ended = State::ALL.iter().filter(|s| **s != State::Active);
        let watched = Standing::ALL.iter().map(|s| Self::Watched(*s));
        watched.chain(ended.map(|s| Self::Ended(*s)))
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Watched(standing) => standing.word(),
            Self::Ended(state) => state.word(),
        }
    }

    fn read(word: &str) -> Result<Self> {
        Self::all()
            .find(|placed| placed.word() == word)
            .ok_or_else(|| StoreError::Corrupt(format!("token state {word:?}")))
    }
}

/// A watched token with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its row.
    pub no: i64,
    /// Its id.
    pub id: String,
    /// The key of its client.
    pub client: Option<String>,
    /// When its period ends.
    pub expires: DateTime<Utc>,
    /// Whether its renewal is under way.
    pub filing: Filing,
}

/// The open mails in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenMails {
    /// The state.
    pub state: MailState,
    /// How many there are.
    pub mails: u32,
    /// When the oldest was made.
    pub oldest: DateTime<Utc>,
    /// The earliest time at which one of them may be taken up; `None`: they are on their way.
    pub next_at: Option<DateTime<Utc>>,
}

/// What the record says at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// How many tokens stand how; what there is none of is not here.
    pub tokens: Vec<(Placed, u32)>,
    /// The watched tokens that are nearest to their end, the first to end first.
    pub endings: Vec<Ending>,
    /// The open mails; states without any are not here.
    pub outbox: Vec<OpenMails>,
    /// How many people cannot be reached.
    pub unreachable: u32,
    /// When a mail was last accepted.
    pub last_sent: Option<DateTime<Utc>>,
    /// When the last pass ended well.
    pub last_pass: Option<DateTime<Utc>>,
    /// The version of the store's schema.
    pub schema: i64,
}

impl Gauge {
    /// How many tokens are watched.
    pub fn watched(&self) -> u32 {
        let watched = |placed: &Placed| matches!(placed, Placed::Watched(_));
        let counts = self.tokens.iter().filter(|(p, _)| watched(p));
        counts.map(|(_, n)| n).sum()
    }
}

/// How many notices of one stage came to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The stage.
    pub stage: i32,
    /// `owed`, `sent`, `absorbed`, `suppressed` or `failed`.
    pub state: String,
    /// How many.
    pub notices: u32,
}

impl Store {
    /// What the record says at the moment of `horizon`, with the ends of at most `most` tokens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn gauge(&self, horizon: &Horizon, most: u32) -> Result<Gauge> {
        let mut tx = Tx {
            inner: self.pool.begin().await?,
        };
        let gauge = Gauge {
            tokens: tx.standings(horizon).await?,
            endings: tx.endings(horizon.now, most).await?,
            outbox: tx.outbox_by_state().await?,
            unreachable: tx.unreachable_people(horizon.now).await?,
            last_sent: tx.last_sent().await?,
            last_pass: tx.last_pass().await?,
            schema: tx.schema().await?,
        };
        tx.rollback().await?;
        Ok(gauge)
    }

    /// What became of the notices, by stage. Reads every notice.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notices_by_stage(&self) -> Result<Vec<Told>> {
        let rows = sqlx::query(
            "SELECT stage, state, count(*) FROM notice GROUP BY stage, state ORDER BY stage DESC, state",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(Told {
                    stage: r.try_get(0)?,
                    state: r.try_get(1)?,
                    notices: count(r.try_get(2)?),
                })
            })
            .collect()
    }
}

impl Tx {
    async fn standings(&mut self, horizon: &Horizon) -> Result<Vec<(Placed, u32)>> {
        let rows = sqlx::query(STANDINGS)
            .bind(seconds(horizon.now))
            .bind(seconds(horizon.urgent))
            .bind(seconds(horizon.to_renew))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter()
            .map(|r| Ok((Placed::read(r.try_get(0)?)?, count(r.try_get(1)?))))
            .collect()
    }

    async fn endings(&mut self, now: DateTime<Utc>, most: u32) -> Result<Vec<Ending>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let rows: String = sqlx::query_scalar(NEAREST)
            .bind(seconds(now))
            .bind(most)
            .fetch_one(&mut *self.inner)
            .await?;
        let mut endings: Vec<Ending> = gathered::<(i64, String, Option<String>, i64, i64)>(&rows)?
            .into_iter()
            .map(|(no, id, client, expires, filed)| Ending {
                no,
                id,
                client,
                expires: instant(expires),
                filing: if filed == 1 {
                    Filing::Pending
                } else {
                    Filing::None
                },
            })
            .collect();
        endings.sort_by(|a, b| (a.expires, &a.id).cmp(&(b.expires, &b.id)));
        Ok(endings)
    }

    async fn outbox_by_state(&mut self) -> Result<Vec<OpenMails>> {
        let rows = sqlx::query(OUTBOX).fetch_all(&mut *self.inner).await?;
        rows.iter()
            .map(|r| {
                Ok(OpenMails {
                    state: MailState::read(r.try_get(0)?)?,
                    mails: count(r.try_get(1)?),
                    oldest: instant(r.try_get(2)?),
                    next_at: r.try_get::<Option<i64>, _>(3)?.map(instant),
                })
            })
            .collect()
    }

    async fn unreachable_people(&mut self, now: DateTime<Utc>) -> Result<u32> {
        let n = sqlx::query_scalar(
            "SELECT count(*) FROM unreachable WHERE accepted_at IS NULL OR accepted_at > $1",
        )
        .bind(seconds(now - TRIAL))
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(count(n))
    }

    async fn last_sent(&mut self) -> Result<Option<DateTime<Utc>>> {
        let at: Option<Option<i64>> = sqlx::query_scalar(LAST_SENT)
            .fetch_optional(&mut *self.inner)
            .await?;
        Ok(at.flatten().map(instant))
    }

    async fn last_pass(&mut self) -> Result<Option<DateTime<Utc>>> {
        let at = self.setting(LAST_PASS).await?;
        Ok(at.and_then(|s| s.parse().ok()).map(instant))
    }

    async fn schema(&mut self) -> Result<i64> {
        Ok(
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&mut *self.inner)
                .await?,
        )
    }
}
