//! Alarms: the watch's illnesses, in a few words of our own, to the channels that want them.
//!
//! An illness is told when it begins, and once a day at most. Of a channel that fails the other
//! channels are told, and the contact by mail; never that channel itself. A token that the API
//! refuses before its date is no illness, but an alarm all the same: once for each death.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::Herald;
use super::queue::concerns;
use crate::delivery::notes::Words;
use crate::domain::language::text;
use crate::health::Ill;
use crate::store::Tx;
use crate::store::error::Result;
use crate::store::heard::{Heard, death_cause};
use crate::store::posts::{self, ALARM};

/// The word of an alarm that a token is refused.
const REFUSED: &str = "refused";

/// What was told before is no news to a channel that is added later.
const NEWS: Duration = Duration::days(7);

/// An alarm as the store keeps it: its words as those of a note, and the illness's word.
fn row(word: &str, words: &Words) -> String {
    let mut row: Value = serde_json::from_str(&words.to_row()).unwrap_or_default();
    row["word"] = word.into();
    row.to_string()
}

/// Reads [`row`].
pub(super) fn read(row: &str) -> Result<(String, Words)> {
    let words = Words::read(row)?;
    let row: Value = serde_json::from_str(row).unwrap_or_default();
    let word = row["word"].as_str().unwrap_or_default().to_owned();
    Ok((word, words))
}

/// What tells an illness from another.
fn name(ill: &Ill) -> String {
    match ill.channel() {
        Some(channel) => format!("{}:{channel}", ill.word()),
        None => ill.word().to_owned(),
    }
}

impl Herald {
    /// Queues posts about the illnesses that have begun since the last look, and about the tokens
    /// that the API has begun to refuse.
    ///
    /// # Errors
    /// When the store cannot be written; the next look tries again.
    pub async fn alarm(&self, ills: &[Ill], now: DateTime<Utc>) -> Result<usize> {
        let wants = self.lines.iter().any(|l| l.channel.config().alarms);
        let deaths = if wants {
            self.deaths(now).await?
        } else {
            Vec::new()
        };
        let mut present: BTreeSet<String> = ills.iter().map(name).collect();
        present.extend(deaths.iter().map(|(_, cause)| cause.clone()));
        let known = self.known.lock().expect("no holder panics").clone();
        let mut made = 0;
        if wants && !present.is_subset(&known) {
            let mut tx = self.store.begin().await?;
            for ill in ills.iter().filter(|i| !known.contains(&name(i))) {
                made += self.alarm_of_ill(&mut tx, ill, now).await?;
            }
            for death in deaths.iter().filter(|(_, cause)| !known.contains(cause)) {
                made += self.alarm_of_death(&mut tx, death, now).await?;
            }
            tx.commit().await?;
        }
        *self.known.lock().expect("no holder panics") = present;
        Ok(made)
    }

    async fn alarm_of_ill(&self, tx: &mut Tx, ill: &Ill, now: DateTime<Utc>) -> Result<usize> {
        let day = self.desk.calendar.date(now);
        let mut made = 0;
        for line in &self.lines {
            let channel = line.channel.config();
            let is_itself = ill
                .channel()
                .is_some_and(|c| posts::recipient(c) == line.recipient);
            if !channel.alarms || is_itself {
                continue;
            }
            let words = Words {
                subject: ill.headline(now),
                body: vec![ill.advice()],
                language: channel.language,
            };
            let cause = format!("ill:{}:{day}", name(ill));
            let post = self.new_post(line, cause, ALARM, Some(row(ill.word(), &words)), now);
            made += usize::from(tx.queue_post(&post, now).await?.is_some());
        }
        Ok(made)
    }

    /// The refused tokens of whose death mails were made lately, each with the key that both
    /// share: what is no death to people is none to a channel.
    async fn deaths(&self, now: DateTime<Utc>) -> Result<Vec<(Heard, String)>> {
        let told = self.store.deaths_told_since(now - NEWS).await?;
        if told.is_empty() {
            return Ok(Vec::new());
        }
        let heard = self.store.heard().await?.into_iter();
        let deaths = heard.filter_map(|h| {
            let cause = death_cause(&h.probed.id, h.probed.death()?.since);
            told.contains(&cause).then_some((h, cause))
        });
        Ok(deaths.collect())
    }

    /// It leaves on any day, within the hours of the window.
    async fn alarm_of_death(
        &self,
        tx: &mut Tx,
        (heard, cause): &(Heard, String),
        now: DateTime<Utc>,
    ) -> Result<usize> {
        let Some(token) = tx.token_of(heard.no).await? else {
            return Ok(0);
        };
        let (name, id, facts) = (&heard.name, &heard.probed.id, &token.facts);
        let mut made = 0;
        for line in &self.lines {
            let channel = line.channel.config();
            if !channel.alarms || !concerns(channel, facts.client.as_ref(), &facts.tags) {
                continue;
            }
            let words = Words {
                subject: text!(
                    "API Entreprise refuses the token “{name}”",
                    "API Entreprise refuse le jeton « {name} »"
                ),
                body: vec![text!(
                    "`jetond show {id}` says more; the mail to its recipients says what to do",
                    "`jetond show {id}` en dit plus ; le courriel à ses destinataires dit ce qu’il faut faire"
                )],
                language: channel.language,
            };
            let row = row(REFUSED, &words);
            let mut post = self.new_post(line, cause.clone(), ALARM, Some(row), now);
            post.next_at = self.desk.calendar.next_urgent(now);
            made += usize::from(tx.queue_post(&post, now).await?.is_some());
        }
        Ok(made)
    }
}
