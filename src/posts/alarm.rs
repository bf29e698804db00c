//! Alarms: the watch's illnesses, in a few words of our own, to the channels that want them.
//!
//! An illness is told when it begins, and once a day at most. Of a channel that fails the other
//! channels are told, and the contact by mail; never that channel itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Herald;
use crate::delivery::notes::Words;
use crate::health::Ill;
use crate::store::error::Result;
use crate::store::posts::{self, ALARM};

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
    /// Queues posts about the illnesses that have begun since the last look.
    ///
    /// # Errors
    /// When the store cannot be written; the next look tries again.
    pub async fn alarm(&self, ills: &[Ill], now: DateTime<Utc>) -> Result<usize> {
        let present: BTreeSet<String> = ills.iter().map(name).collect();
        let known = self.known.lock().expect("no holder panics").clone();
        let mut made = 0;
        let begun: Vec<&Ill> = ills.iter().filter(|i| !known.contains(&name(i))).collect();
        if !begun.is_empty() && self.lines.iter().any(|l| l.channel.config().alarms) {
            let day = self.desk.calendar.date(now);
            let mut tx = self.store.begin().await?;
            for ill in begun {
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
                    let post =
                        self.new_post(line, cause, ALARM, Some(row(ill.word(), &words)), now);
                    made += usize::from(tx.queue_post(&post, now).await?.is_some());
                }
            }
            tx.commit().await?;
        }
        *self.known.lock().expect("no holder panics") = present;
        Ok(made)
    }
}
