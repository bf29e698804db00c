//! The tokens as a calendar for other programs (RFC 5545, with the names of RFC 7986).
//!
//! The same record on the same day gives the same bytes: no clock, no counter and no chance goes
//! into them. A token keeps its two events for ever (`docs/rules.md`, *Calendars*): a renewal moves
//! them, with a higher `SEQUENCE`; an end cancels them, and 90 days later they are left out.
//! Nothing is written here.

mod event;
mod ics;
mod words;

use chrono::{DateTime, Days, Utc};

pub use self::event::{Alarm, Event, Kind, Status};

use self::event::Setting;
use self::ics::{Lines, duration};
use crate::delivery::desk::Desk;
use crate::domain::language::Lang;
use crate::domain::lifecycle::State;
use crate::store::Store;
use crate::store::error::Result;
use crate::store::feed::{Dated, Scope, Wanted};

/// What calendars take from an address: Google no more than 1 MB, counted here in thousands.
pub const LARGEST: usize = 1_000_000;

/// Hardly a token takes less: more of them than fit into [`LARGEST`] are not read.
const SHORTEST: usize = 500;

/// What has expired or ended stays for so long.
const KEPT: Days = Days::new(90);

/// How often a program is asked to look again, as a duration.
const AGAIN: &str = "PT6H";

/// Room for what an incomplete calendar says of itself, and for its end.
const RESERVE: usize = 2_000;

/// How much of the record is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// As much as [`LARGEST`] bytes hold.
    Served,
}

/// A calendar.
#[derive(Debug)]
pub struct Agenda<'a> {
    desk: &'a Desk,
    identity: String,
    lang: Lang,
    name: String,
    tokens: Vec<Dated>,
    /// From here on it is to come.
    from: DateTime<Utc>,
    /// Whether the record may have more tokens than were read.
    may_have_more: bool,
}

impl<'a> Agenda<'a> {
    /// Reads the calendar of these tokens, as it is on the local day of `now`. `identity` makes
    /// its events differ from those of other stores.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn gather(
        store: &Store,
        desk: &'a Desk,
        identity: String,
        (scope, extent): (Scope<'_>, Extent),
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let today = desk.calendar.date(now);
        let since = today.checked_sub_days(KEPT).unwrap_or(today);
        let most = match extent {
            Extent::Whole => None,
            Extent::Served => Some(LARGEST / SHORTEST),
        };
        let from = desk.calendar.start_of_day(today);
        let wanted = Wanted {
            scope,
            since: desk.calendar.start_of_day(since),
            from,
            most,
        };
        let tokens = store.dated(&wanted).await?;
        let first = tokens.first();
        let lang = match scope {
            Scope::All => None,
            Scope::Client(_) => first.and_then(|t| Lang::parse(&t.language).ok()),
        };
        let lang = lang.unwrap_or(desk.language);
        let client = match scope {
            Scope::All => None,
            Scope::Client(key) => Some(first.and_then(|t| t.client_name.as_deref()).unwrap_or(key)),
        };
        Ok(Self {
            desk,
            identity,
            lang,
            name: words::title(lang, &desk.organisation, client),
            may_have_more: most.is_some_and(|most| tokens.len() >= most),
            tokens,
            from,
        })
    }

    /// Its language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Its events, those of the next token to expire first.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let setting = self.setting();
        self.tokens.iter().flat_map(move |t| event::of(&setting, t))
    }

    /// Its whole text, in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = String> + '_ {
        let setting = self.setting();
        let tokens = self.tokens.iter().map(move |t| piece(&setting, t));
        std::iter::once(self.head())
            .chain(tokens)
            .chain(std::iter::once(foot()))
    }

    /// Its text, as far as it fits into so many bytes; where something to come is left out, an
    /// event says so on the first day that is not whole.
    pub fn within(&self, most: usize) -> String {
        let setting = self.setting();
        let mut text = self.head();
        let mut left_out = None;
        for token in &self.tokens {
            let piece = piece(&setting, token);
            if text.len() + piece.len() + RESERVE > most {
                left_out = Some(token);
                break;
            }
            text.push_str(&piece);
        }
        let last = self.tokens.last().filter(|_| self.may_have_more);
        if let Some(token) = left_out.or(last).filter(|t| self.is_to_come(t)) {
            text.push_str(&self.incomplete(token));
        }
        text.push_str(&foot());
        text
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            desk: self.desk,
            lang: self.lang,
            identity: &self.identity,
        }
    }

    fn is_to_come(&self, token: &Dated) -> bool {
        token.state == State::Active && token.expires >= self.from
    }

    fn head(&self) -> String {
        let mut lines = Lines::default();
        lines.plain("BEGIN", "VCALENDAR");
        lines.plain("VERSION", "2.0");
        lines.plain(
            "PRODID",
            format_args!("-//jetond//tokens//{}", self.lang.code().to_uppercase()),
        );
        lines.plain("CALSCALE", "GREGORIAN");
        lines.plain("METHOD", "PUBLISH");
        // RFC 7986 §5.1 and §5.7, and what was in use before it.
        lines.text(&format!("NAME;LANGUAGE={}", self.lang), &self.name);
        lines.text("X-WR-CALNAME", &self.name);
        lines.plain("REFRESH-INTERVAL;VALUE=DURATION", AGAIN);
        lines.plain("X-PUBLISHED-TTL", AGAIN);
        lines.finish()
    }

    fn incomplete(&self, first: &Dated) -> String {
        let day = self.desk.calendar.date(first.expires);
        let changed = self.tokens.iter().map(|t| t.changed_at).max();
        let (summary, description) = words::incomplete(self.lang);
        let event = Event {
            uid: event::uid_of_the_rest(&self.identity),
            kind: Kind::Expiry,
            token: String::new(),
            start: day,
            end: day.checked_add_days(Days::new(1)).unwrap_or(day),
            status: Status::Confirmed,
            sequence: 0,
            changed_at: changed.unwrap_or(first.changed_at),
            summary,
            description,
            url: None,
            alarms: Vec::new(),
        };
        let mut lines = Lines::default();
        write(&mut lines, &event, self.lang);
        lines.finish()
    }
}

/// The events of one token as text.
fn piece(setting: &Setting<'_>, token: &Dated) -> String {
    let mut lines = Lines::default();
    for event in event::of(setting, token) {
        write(&mut lines, &event, setting.lang);
    }
    lines.finish()
}

fn foot() -> String {
    let mut lines = Lines::default();
    lines.plain("END", "VCALENDAR");
    lines.finish()
}

fn write(lines: &mut Lines, event: &Event, lang: Lang) {
    let stamp = event.changed_at.format("%Y%m%dT%H%M%SZ");
    lines.plain("BEGIN", "VEVENT");
    lines.plain("UID", &event.uid);
    lines.plain("DTSTAMP", &stamp);
    lines.plain("LAST-MODIFIED", &stamp);
    lines.plain("SEQUENCE", event.sequence);
    lines.plain("STATUS", event.status.word());
    lines.plain("DTSTART;VALUE=DATE", event.start.format("%Y%m%d"));
    lines.plain("DTEND;VALUE=DATE", event.end.format("%Y%m%d"));
    // A day of expiry keeps nobody busy.
    lines.plain("TRANSP", "TRANSPARENT");
    lines.plain("CATEGORIES", "API Entreprise");
    lines.text(&format!("SUMMARY;LANGUAGE={lang}"), &event.summary);
    lines.text(&format!("DESCRIPTION;LANGUAGE={lang}"), &event.description);
    if let Some(url) = &event.url {
        lines.plain("URL", url);
    }
    for alarm in &event.alarms {
        lines.plain("BEGIN", "VALARM");
        lines.plain("ACTION", "DISPLAY");
        lines.plain("TRIGGER", duration(alarm.minutes));
        lines.text("DESCRIPTION", &alarm.words);
        lines.plain("END", "VALARM");
    }
    lines.plain("END", "VEVENT");
}
