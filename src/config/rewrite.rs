//! The text of a config file with other dates for one of its tokens: order, spaces and comments
//! stay.
//!
//! Whether the text then says what it should is judged by whoever loads it.

use chrono::{DateTime, SecondsFormat, Utc};
use toml_edit::{DocumentMut, Item, Key, TableLike, Value};

use crate::config::Config;
use crate::config::edit::Dates;
use crate::domain::calendar::Calendar;
use crate::domain::token::Jti;

/// The text with these dates; `None` where the token is not found in it.
pub(super) fn rewritten(text: &str, id: &str, dates: &Dates, config: &Config) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let is_it = |t: &dyn TableLike| {
        t.get("id")
            .and_then(Item::as_str)
            .is_some_and(|i| i.trim() == id)
    };
    match document.get_mut("token")? {
        Item::ArrayOfTables(tables) => {
            let table = tables.iter_mut().find(|t| is_it(*t))?;
            let keys: Vec<String> = table.iter().map(|(k, _)| k.to_owned()).collect();
            write_dates(table, dates, config);
            for added in ["issued", "expires", "jti"] {
                if table.contains_key(added) && !keys.iter().any(|k| k == added) {
                    move_up(table, added);
                }
            }
        }
        Item::Value(Value::Array(tables)) => {
            let table = tables
                .iter_mut()
                .filter_map(Value::as_inline_table_mut)
                .find(|t| is_it(*t))?;
            write_dates(table, dates, config);
        }
        Item::None | Item::Value(_) | Item::Table(_) => return None,
    }
    let written = document.to_string();
    // The writer ends every line in its own way; ends of both kinds cannot be told apart again.
    let ends = text.matches('\n').count();
    match text.matches("\r\n").count() {
        0 => Some(written),
        windows if windows == ends => Some(written.replace('\n', "\r\n")),
        _ => None,
    }
}

/// By the date of issue alone where the expiry follows from it, else by the expiry.
fn write_dates(table: &mut dyn TableLike, dates: &Dates, config: &Config) {
    let calendar = &config.calendar;
    let reckoned = |issued| calendar.add_months(issued, config.validity_months);
    match dates.issued {
        Some(issued) if reckoned(issued) == dates.expires => {
            put(table, "issued", date(issued, calendar));
            drop_expires(table);
        }
        Some(issued) => {
            put(table, "issued", date(issued, calendar));
            put(table, "expires", date(dates.expires, calendar));
        }
        None => put(table, "expires", date(dates.expires, calendar)),
    }
    if let Some(jti) = &dates.jti {
        let written = table.get("jti").and_then(Item::as_str);
        if written.and_then(|w| Jti::parse(w).ok()).as_ref() != Some(jti) {
            put(table, "jti", Value::from(jti.as_str()));
        }
    }
}

/// A bare date where the instant ends that local day, else the instant with its offset.
fn date(at: DateTime<Utc>, calendar: &Calendar) -> Value {
    let day = calendar.date(at);
    let written = if calendar.end_of_day(day) == at {
        day.to_string()
    } else {
        at.with_timezone(&calendar.tz)
            .to_rfc3339_opts(SecondsFormat::Secs, false)
    };
    let read: toml_edit::Datetime = written.parse().expect("a date in TOML's own form");
    Value::from(read)
}

/// Sets a value in place, its spaces and its comment kept; a new key stands under its neighbour's
/// equals sign.
fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(Item::Value(old)) = table.get_mut(key) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    let width = ["issued", "expires", "name", "id"]
        .into_iter()
        .find_map(|neighbour| {
            let spaces = table.key(neighbour)?.leaf_decor().suffix()?.as_str()?;
            Some(neighbour.len() + spaces.len())
        });
    table.insert(key, Item::Value(value));
    if let (Some(width), Some(mut key)) = (width, table.key_mut(key)) {
        let spaces = width.saturating_sub(key.get().len()).max(1);
        key.leaf_decor_mut().set_suffix(" ".repeat(spaces));
    }
}

/// Takes `expires` out; a comment of its own stays above `issued`.
fn drop_expires(table: &mut dyn TableLike) {
    let text = |raw: Option<&toml_edit::RawString>| {
        raw.and_then(toml_edit::RawString::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let above = table
        .key("expires")
        .map(|k| text(k.leaf_decor().prefix()))
        .unwrap_or_default();
    let Some(removed) = table.remove("expires") else {
        return;
    };
    let behind = removed
        .as_value()
        .map(|v| text(v.decor().suffix()))
        .unwrap_or_default();
    let mut kept = String::new();
    if above.contains('#') {
        kept.push_str(&above);
    }
    if behind.contains('#') {
        kept.push_str(behind.trim());
        kept.push('\n');
    }
    if kept.is_empty() {
        return;
    }
    if let Some(mut issued) = table.key_mut("issued") {
        let before = text(issued.leaf_decor().prefix());
        issued.leaf_decor_mut().set_prefix(before + &kept);
    }
}

/// Moves a key that was added behind the one that it belongs to.
fn move_up(table: &mut toml_edit::Table, added: &str) {
    let keys: Vec<String> = table.iter().map(|(k, _)| k.to_owned()).collect();
    let neighbours = match added {
        "jti" => ["datapass_id", "expires", "issued"],
        _ => ["issued", "name", "id"],
    };
    let Some(behind) = neighbours
        .iter()
        .find_map(|n| keys.iter().position(|k| k == n))
    else {
        return;
    };
    let place = |key: &Key| {
        if key.get() == added {
            return (behind, 1);
        }
        let own = keys.iter().position(|known| known == key.get());
        (own.unwrap_or(keys.len()), 0)
    };
    table.sort_values_by(|a, _, b, _| place(a).cmp(&place(b)));
}

/// The lines that are new, between those that begin and those that end both texts alike; `None`
/// where more changed than three values and the comments of one of them.
pub(super) fn new_lines(before: &str, after: &str) -> Option<Vec<String>> {
    const MOST: usize = 3;
    const MOST_COMMENTS: usize = 20;
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split('\n').collect(), after.split('\n').collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = (old.iter().rev())
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let besides = |these: &[&str], others: &[&str]| -> Vec<String> {
        let lines = these.iter().filter(|line| !others.contains(line));
        lines
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    };
    let (gone, come) = (besides(old, new), besides(new, old));
    let (comments, values): (Vec<&String>, Vec<&String>) = come
        .iter()
        .partition(|line| line.trim_start().starts_with('#'));
    let fits = gone.len() <= MOST && values.len() <= MOST && comments.len() <= MOST_COMMENTS;
    fits.then_some(come)
}
