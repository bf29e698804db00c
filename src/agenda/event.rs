//! From a token to its events: the day on which it expires, and the days on which its renewal can
//! be asked for.
//!
//! Pure. A token has the same two events for ever: what happens to it moves or cancels them. All
//! of them are whole days of the calendar in force, so that no time zone of a reader moves one.

use chrono::{DateTime, Datelike as _, Days, Duration, NaiveDate, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::agenda::words;
use crate::delivery::desk::Desk;
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::domain::lifecycle::State;
use crate::domain::stage::Stage;
use crate::store::feed::Dated;

/// The alarms of an event at most: those nearest to the day of expiry.
const MOST_ALARMS: usize = 8;

/// Years that a date of RFC 5545 can carry, the day after an event included.
const LAST_YEAR: i32 = 9998;

/// Which of a token's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The day of expiry.
    Expiry,
    /// The days on which the renewal can be asked for.
    Window,
}

impl Kind {
    /// Its word in JSON, and in what identifies an event.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Window => "window",
        }
    }
}

/// Whether an event still is to come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Confirmed,
    /// It is not: the token was archived, superseded or revoked.
    Cancelled,
}

impl Status {
    /// The word of RFC 5545 §3.8.1.11.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// One event of whole days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What identifies it for ever, whatever becomes of the token.
    pub uid: String,
    /// Which of the token's events.
    pub kind: Kind,
    /// The token's id.
    pub token: String,
    /// Its first day.
    pub start: NaiveDate,
    /// The day after its last one.
    pub end: NaiveDate,
    /// Whether it is to come about.
    pub status: Status,
    /// Rises with each change, and never falls.
    pub sequence: i64,
    /// When the token last changed.
    pub changed_at: DateTime<Utc>,
    /// What it is, in a line.
    pub summary: String,
    /// What to do, in some lines.
    pub description: String,
    /// Where to do it.
    pub url: Option<String>,
    /// What a reader's program is asked to say before.
    pub alarms: Vec<Alarm>,
}

/// What is said before an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// When, in minutes from the beginning of the event's first day.
    pub minutes: i64,
    /// What.
    pub words: String,
}

/// What the events of one calendar have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) desk: &'a Desk,
    pub(super) lang: Lang,
    /// What makes the events of this store differ from those of any other.
    pub(super) identity: &'a str,
}

/// The events of a token, the renewal's first.
pub(super) fn of(setting: &Setting<'_>, token: &Dated) -> Vec<Event> {
    let calendar = &setting.desk.calendar;
    let day = calendar.date(token.expires);
    if !(1..=LAST_YEAR).contains(&day.year()) {
        return Vec::new();
    }
    let ended = token.state != State::Active;
    let status = |cancelled: bool| {
        if cancelled {
            Status::Cancelled
        } else {
            Status::Confirmed
        }
    };
    let named = words::named(setting.lang, token);
    let told = (token, named.as_str());
    let event = |kind, start: NaiveDate, end: NaiveDate, status| Event {
        uid: uid(setting.identity, &token.id, kind),
        kind,
        token: token.id.clone(),
        start,
        end,
        status,
        sequence: token.revision.clamp(0, i64::from(i32::MAX)),
        changed_at: token.changed_at,
        summary: words::summary(setting.lang, told, kind, status),
        description: words::description(setting, told, kind),
        url: words::link(setting.desk, token),
        alarms: match (kind, status) {
            (Kind::Expiry, Status::Confirmed) => alarms(setting, told, day),
            (Kind::Expiry, Status::Cancelled) | (Kind::Window, _) => Vec::new(),
        },
    };
    let opens = opening(setting.desk, token.expires).filter(|opens| *opens < day);
    // What ends revoked is not renewed.
    let window = opens.map(|opens| {
        let status = status(ended || token.ends_revoked);
        event(Kind::Window, opens, day, status)
    });
    let after = day.checked_add_days(Days::new(1)).unwrap_or(day);
    let expiry = event(Kind::Expiry, day, after, status(ended));
    window.into_iter().chain([expiry]).collect()
}

/// The first day on which a renewal can be asked for: when the form opens; where that is not
/// known, the day of the first reminder.
fn opening(desk: &Desk, expires: DateTime<Utc>) -> Option<NaiveDate> {
    let calendar = &desk.calendar;
    match calendar.opens {
        Some(days) => {
            let closed = expires - Duration::days(i64::from(days));
            Some(calendar.date(closed + Duration::seconds(1)))
        }
        None => match desk.schedule.stages().earliest() {
            ..=0 => None,
            first => Some(calendar.date(calendar.slot(Stage::new(first), expires))),
        },
    }
}

/// At the slots of the stages, but for those that are silenced.
fn alarms(setting: &Setting<'_>, told: (&Dated, &str), day: NaiveDate) -> Vec<Alarm> {
    let (calendar, token) = (&setting.desk.calendar, told.0);
    let listed = setting.desk.schedule.stages().listed();
    let mut alarms: Vec<Alarm> = listed
        .iter()
        .filter(|stage| stage.days() >= 0)
        .filter_map(|stage| {
            let slot = calendar.slot(*stage, token.expires);
            let silenced = token.quiet.is_some_and(|q| q.silences(*stage, slot));
            (!silenced).then(|| Alarm {
                minutes: minutes(calendar, day, slot),
                words: words::alarm(setting, told, slot),
            })
        })
        .collect();
    // Slots that fall together are one.
    alarms.dedup_by_key(|a| a.minutes);
    alarms.split_off(alarms.len().saturating_sub(MOST_ALARMS))
}

/// From the beginning of a day to an instant, by local clocks.
fn minutes(calendar: &Calendar, day: NaiveDate, at: DateTime<Utc>) -> i64 {
    let local = at.with_timezone(&calendar.tz).naive_local();
    (local - day.and_time(chrono::NaiveTime::MIN)).num_minutes()
}

/// A UUID of version 8 (RFC 9562 §5.8) from who keeps the record, the token's id, and which of
/// its events: it names nobody, and no renewal changes it.
fn uid(identity: &str, token: &str, kind: Kind) -> String {
    uuid(identity, &["event", kind.word(), token])
}

/// That of the event which says that a calendar is incomplete.
pub(super) fn uid_of_the_rest(identity: &str) -> String {
    uuid(identity, &["rest"])
}

fn uuid(identity: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(identity.as_bytes())
        .expect("HMAC takes a key of any length");
    for part in ["jetond"].iter().chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    let whole = mac.finalize().into_bytes();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&whole[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_identified_by_its_store_its_token_and_its_kind() {
        let all = [
            uid("a", "t", Kind::Expiry),
            uid("a", "t", Kind::Window),
            uid("b", "t", Kind::Expiry),
            uid("a", "u", Kind::Expiry),
        ];
        for (n, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 36, "{one}");
            assert_eq!((&one[14..15], one.matches('-').count()), ("8", 4));
            assert!(all[n + 1..].iter().all(|other| other != one));
        }
        // What calendars hold already must find its events again, whatever version writes them.
        assert_eq!(all[0], "d1a4e676-4bd2-8c9b-9093-2358b71c6bc3");
    }
}
