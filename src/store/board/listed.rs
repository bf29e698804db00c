//! What a list shows of each of its tokens, and the page of one of its past.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::domain::verdict::Verdict;
use crate::store::board::tokens::Today;
use crate::store::error::Result;
use crate::store::outbox::count;
use crate::store::plan::json;
use crate::store::probe::STANDS;
use crate::store::quiet::{SAID, Said, said};
use crate::store::record::{TOKENS, Token, token};
use crate::store::{Store, instant};

/// A token of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The token.
    pub token: Token,
    /// What silences it most.
    pub said: Option<Said>,
    /// How many are told.
    pub told: u32,
    /// How many of them cannot be reached.
    pub unreachable: u32,
    /// What is believed of it by the API's answers, and when one last said so.
    pub verdict: Option<(Verdict, DateTime<Utc>)>,
}

/// One period of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodRow {
    /// Its number.
    pub no: i64,
    /// When its token was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// Its end.
    pub expires: DateTime<Utc>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// Who said its dates, as the journal names them.
    pub source: String,
}

impl Store {
    /// These tokens, in this order, with what a list shows of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn listed(&self, nos: &[i64], today: &Today) -> Result<Vec<Listed>> {
        let asked = json(nos);
        let sql = sqlx::AssertSqlSafe(format!(
            "{TOKENS} JOIN json_each($1) j ON j.value = t.no ORDER BY j.key"
        ));
        let tokens = sqlx::query(sql).bind(&asked).fetch_all(&self.pool).await?;
        let sql = sqlx::AssertSqlSafe(format!(
            "{SAID} AND token IN (SELECT value FROM json_each($1)) ORDER BY token, kind DESC"
        ));
        let quiet = sqlx::query(sql).bind(&asked).fetch_all(&self.pool).await?;
        // The strongest comes last, and stays.
        let mut quiet: HashMap<i64, Said> = quiet.iter().map(said).collect::<Result<_>>()?;
        let people = sqlx::query(
            "SELECT r.token, count(*), count(u.recipient) FROM json_each($1) j CROSS JOIN recipient r ON r.token = j.value \
             LEFT JOIN unreachable u ON u.recipient = r.key AND (u.accepted_at IS NULL OR u.accepted_at > $2) \
             WHERE r.removed_at IS NULL GROUP BY r.token",
        )
        .bind(&asked)
        .bind(today.trial)
        .fetch_all(&self.pool)
        .await?;
        let mut told = HashMap::new();
        for r in &people {
            let no: i64 = r.try_get(0)?;
            told.insert(no, (count(r.try_get(1)?), count(r.try_get(2)?)));
        }
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT b.token, b.verdict, b.verdict_at FROM json_each($1) j CROSS JOIN probe b ON b.token = j.value \
             CROSS JOIN token t ON t.no = b.token CROSS JOIN period p ON p.token = t.no AND p.no = t.period \
             WHERE b.verdict IS NOT NULL AND {STANDS}"
        ));
        let heard = sqlx::query(sql).bind(&asked).fetch_all(&self.pool).await?;
        let mut verdicts = HashMap::new();
        for r in &heard {
            let no: i64 = r.try_get(0)?;
            let at = instant(r.try_get(2)?);
            verdicts.extend(Verdict::from_word(r.try_get(1)?).map(|v| (no, (v, at))));
        }
        tokens
            .iter()
            .map(|r| {
                let token = token(r)?;
                let (told, unreachable) = told.get(&token.no).copied().unwrap_or_default();
                Ok(Listed {
                    said: quiet.remove(&token.no),
                    told,
                    unreachable,
                    verdict: verdicts.get(&token.no).copied(),
                    token,
                })
            })
            .collect()
    }

    /// Every period of a token, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn periods(&self, token: i64) -> Result<Vec<PeriodRow>> {
        let rows = sqlx::query(
            "SELECT no, issued, expires, opened_at, source FROM period WHERE token = $1 ORDER BY no DESC",
        )
        .bind(token)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|r| {
                Ok(PeriodRow {
                    no: r.try_get(0)?,
                    issued: r.try_get::<Option<i64>, _>(1)?.map(instant),
                    expires: instant(r.try_get(2)?),
                    opened_at: instant(r.try_get(3)?),
                    source: r.try_get(4)?,
                })
            })
            .collect()
    }
}
