//! Texts that may name a person: journal entries, servers' replies, notes. Where they are, and
//! how an address is taken out of one.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Row;

use crate::store::Tx;
use crate::store::error::Result;
use crate::store::plan;

/// Whose records are looked for in the rows of texts.
const IN_TEXTS: &str = "%@%";

const SET_DETAIL: &str = "UPDATE journal SET detail = j.value ->> 1 FROM jsonb_each($1) j WHERE journal.no = j.value ->> 0";
const SET_WHO: &str =
    "UPDATE journal SET who = j.value ->> 1 FROM jsonb_each($1) j WHERE journal.no = j.value ->> 0";
const SET_REPLY: &str = "UPDATE attempt SET reply = j.value ->> 1 FROM jsonb_each($1) j WHERE attempt.no = j.value ->> 0";
const SET_LAST_REPLY: &str =
    "UPDATE mail SET reply = j.value ->> 1 FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0";
const SET_SUBJECT: &str =
    "UPDATE mail SET subject = j.value ->> 1 FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0";
const SET_NOTE: &str =
    "UPDATE mail SET note = j.value ->> 1 FROM jsonb_each($1) j WHERE mail.no = j.value ->> 0";

const SET_NEWS_WHO: &str =
    "UPDATE news SET who = j.value ->> 1 FROM jsonb_each($1) j WHERE news.no = j.value ->> 0";
const SET_NEWS_DETAIL: &str =
    "UPDATE news SET detail = j.value ->> 1 FROM jsonb_each($1) j WHERE news.no = j.value ->> 0";

/// Every text that may hold an address: how its rows are found, how they are written back.
pub(super) const TEXTS: [(&str, &str); 8] = [
    (
        "SELECT no, detail FROM journal WHERE detail LIKE $1",
        SET_DETAIL,
    ),
    ("SELECT no, who FROM journal WHERE who LIKE $1", SET_WHO),
    (
        "SELECT no, reply FROM attempt WHERE reply LIKE $1",
        SET_REPLY,
    ),
    (
        "SELECT no, reply FROM mail WHERE reply LIKE $1",
        SET_LAST_REPLY,
    ),
    (
        "SELECT no, subject FROM mail WHERE subject LIKE $1",
        SET_SUBJECT,
    ),
    ("SELECT no, note FROM mail WHERE note LIKE $1", SET_NOTE),
    ("SELECT no, who FROM news WHERE who LIKE $1", SET_NEWS_WHO),
    (
        "SELECT no, detail FROM news WHERE detail LIKE $1",
        SET_NEWS_DETAIL,
    ),
];

/// Entries that say who filed a request, by name.
pub(super) const FILINGS: (&str, &str) = (
    "SELECT no, detail FROM journal WHERE detail LIKE '%\"filed_by\":\"%' AND $1 IS NOT NULL",
    SET_DETAIL,
);

/// The same of the past; what a mask left holds no `@`.
pub(super) const PAST_TEXTS: [(&str, &str); 3] = [
    (
        "SELECT no, detail FROM journal WHERE at < $1 AND (detail LIKE '%@%' OR detail LIKE '%\"filed_by\":\"%')",
        SET_DETAIL,
    ),
    (
        "SELECT no, reply FROM attempt WHERE at < $1 AND reply LIKE '%@%'",
        SET_REPLY,
    ),
    (
        "SELECT no, reply FROM mail WHERE settled_at < $1 AND reply LIKE '%@%'",
        SET_LAST_REPLY,
    ),
];

impl Tx {
    pub(super) async fn rewrite(
        &mut self,
        select: &'static str,
        update: &'static str,
        change: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<u64> {
        let rows: Vec<(i64, String)> = sqlx::query(select)
            .bind(IN_TEXTS)
            .fetch_all(&mut *self.inner)
            .await?
            .iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect::<Result<_>>()?;
        self.write_texts(update, &rows, change).await
    }

    /// Writes back the texts that a change makes different, in one statement.
    pub(super) async fn write_texts(
        &mut self,
        update: &'static str,
        rows: &[(i64, String)],
        change: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<u64> {
        let changed: BTreeMap<i64, String> = rows
            .iter()
            .map(|(no, text)| (*no, change(text)))
            .zip(rows)
            .filter(|((_, new), (_, old))| new != old)
            .map(|(new, _)| new)
            .collect();
        if changed.is_empty() {
            return Ok(0);
        }
        let changed: Vec<(i64, String)> = changed.into_iter().collect();
        Ok(sqlx::query(update)
            .bind(plan::json(&changed))
            .execute(&mut *self.inner)
            .await?
            .rows_affected())
    }
}

/// The text with an address replaced, however its letters are written. Only whole addresses
/// count: that of `anne@ville.example` is no part of `marianne@ville.example`.
pub(super) fn replaced(text: &str, address: &str, by: &str) -> String {
    let wanted: Vec<char> = address.chars().flat_map(char::to_lowercase).collect();
    let is_part = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(c);
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let found = if is_part(before) {
            None
        } else {
            length_of(rest, &wanted).filter(|n| {
                let mut after = rest[*n..].chars();
                match after.next() {
                    // A full stop may end the sentence instead of going on with the domain.
                    Some('.') => !after.next().is_some_and(is_part),
                    Some(next) => !is_part(next),
                    None => true,
                }
            })
        };
        match found {
            Some(length) => {
                out.push_str(by);
                rest = &rest[length..];
                before = ' ';
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                before = c;
            }
        }
    }
    out
}

/// The bytes that `text` spends on `wanted` (lower case) at its start.
fn length_of(text: &str, wanted: &[char]) -> Option<usize> {
    let mut wanted = wanted.iter();
    for (at, c) in text.char_indices() {
        for lower in c.to_lowercase() {
            match wanted.next() {
                None => return Some(at),
                Some(w) if *w == lower => {}
                Some(_) => return None,
            }
        }
    }
    wanted.next().is_none().then_some(text.len())
}

/// The text without anything that looks like an address; the values of a JSON object stay JSON.
pub(super) fn masked(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value @ Value::Object(_)) => {
            mask_value(&mut value);
            value.to_string()
        }
        _ => mask_words(text),
    }
}

fn mask_value(value: &mut Value) {
    match value {
        Value::String(s) if s.contains('@') => *s = mask_words(s),
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        Value::Object(map) => {
            if let Some(name) = map.get_mut("filed_by") {
                *name = Value::Null;
            }
            map.values_mut().for_each(mask_value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mask_words(text: &str) -> String {
    text.split(' ')
        .map(|word| {
            if word.contains('@') {
                "forgotten"
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_replaced_whole_and_in_any_case() {
        let said = "<C.Martin@Ville.Example>: c.martin@ville.example, marc.martin@ville.example \
                    c.martin@ville.example.org c.martin@ville.example.";
        assert_eq!(
            replaced(said, "c.martin@ville.example", "x"),
            "<x>: x, marc.martin@ville.example c.martin@ville.example.org x."
        );
        assert_eq!(replaced("Écrire à ÉLO@a.fr", "élo@a.fr", "x"), "Écrire à x");
        assert_eq!(replaced("", "a@b.c", "x"), "");
    }

    #[test]
    fn a_masked_text_holds_no_address_and_stays_json() {
        let detail = r#"{"contact":{"after":"b@c.d","before":"a@b.c"},"n":1}"#;
        assert_eq!(
            masked(detail),
            r#"{"contact":{"after":"forgotten","before":"forgotten"},"n":1}"#
        );
        assert_eq!(
            masked("550 5.1.1 <a@b.c>: unknown"),
            "550 5.1.1 forgotten unknown"
        );
    }
}
