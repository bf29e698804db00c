//! The overview in the words of its reader.

use chrono::NaiveDate;
use serde::Serialize;

use crate::delivery::compose;
use crate::domain::language::{Lang, Text, counted, text};
use crate::health::Checkup;
use crate::meter::{Ended, Mark};
use crate::web::board::Ask;
use crate::web::board::forecast::{About, DayAhead, Entry, Seen};
use crate::web::board::home::deliveries::Tally;
use crate::web::board::home::picture::Picture;
use crate::web::board::home::standing::Group;
use crate::web::board::home::todo::{self, Item};
use crate::web::board::lines::segment;
use crate::web::board::phrases::{ago, hour, left};
use crate::web::board::timeline::{Chart, percent};

/// The height of bars, in pixels.
const BARS: u64 = 96;

/// The page.
#[derive(Serialize)]
pub(super) struct View {
    watch: WatchView,
    tiles: Vec<Tile>,
    todo: Vec<Item>,
    chart: Chart,
    active: usize,
    forecast: ForecastView,
    days: Vec<DayBar>,
    most: u32,
    total: Tally,
    months: Vec<MonthBar>,
    /// Whether there is no room for a count over every month.
    crowded: bool,
}

/// How the watch itself does.
#[derive(Serialize)]
struct WatchView {
    /// `None`: nobody has looked yet.
    measured: Option<String>,
    /// `None`: the store could not be read.
    uncovered: Option<usize>,
    ills: usize,
    last_pass: Option<String>,
    /// What became of the last heartbeat; `None`: there was none.
    heartbeat: Option<String>,
}

#[derive(Serialize)]
struct Tile {
    word: &'static str,
    name: String,
    meaning: String,
    count: usize,
}

#[derive(Serialize)]
struct ForecastView {
    /// `known`, `pending` or `failed`.
    state: &'static str,
    at: String,
    mails: usize,
    people: usize,
    days: Vec<DayView>,
}

#[derive(Serialize)]
struct DayView {
    date: String,
    weekday: &'static str,
    mails: usize,
    people: usize,
    entries: Vec<EntryView>,
    more: usize,
}

#[derive(Serialize)]
struct EntryView {
    /// Of a token.
    path: Option<String>,
    name: String,
    said: String,
}

/// A day's bar, from the bottom: what was accepted, put off, broken off, lost.
#[derive(Serialize)]
struct DayBar {
    date: String,
    x: String,
    width: String,
    tally: Tally,
    all: u32,
    parts: Vec<Part>,
    /// Whether its date is written below.
    written: bool,
}

#[derive(Serialize)]
struct Part {
    kind: &'static str,
    y: u64,
    height: u64,
}

#[derive(Serialize)]
struct MonthBar {
    name: &'static str,
    year: i32,
    /// Whether its year is written below.
    written: bool,
    /// Every other one: what a narrow chart leaves out.
    odd: bool,
    x: String,
    middle: String,
    width: String,
    count: usize,
    y: u64,
    height: u64,
}

impl View {
    pub(super) fn of(
        ask: &Ask,
        picture: &Picture,
        checkup: Option<&Checkup>,
        forecast: &Seen,
    ) -> Self {
        let (calendar, lang, now) = (ask.calendar(), ask.lang, ask.now);
        let most = picture.days.iter().map(|(_, t)| t.all()).max().unwrap_or(0);
        let months = month_bars(picture, ask);
        Self {
            watch: WatchView::of(ask, checkup),
            tiles: Group::ALL
                .iter()
                .map(|of| tile(*of, picture, lang))
                .collect(),
            todo: todo::items(picture, checkup, ask),
            chart: Chart::of(&picture.lanes, calendar, lang, now),
            active: picture.count(Group::Active),
            forecast: ForecastView::of(forecast, ask),
            days: day_bars(&picture.days, most),
            most,
            total: picture
                .days
                .iter()
                .fold(Tally::default(), |sum, (_, t)| Tally {
                    accepted: sum.accepted + t.accepted,
                    deferred: sum.deferred + t.deferred,
                    broken_off: sum.broken_off + t.broken_off,
                    lost: sum.lost + t.lost,
                }),
            crowded: months.iter().any(|m| m.count >= 1000),
            months,
        }
    }
}

/// What became of a heartbeat, in words.
fn heartbeat(ask: &Ask) -> impl Fn(Mark) -> Text {
    |mark| {
        let when = ago(ask.now - mark.at);
        match mark.ended {
            Ended::Well => text!("Heartbeat {{}}", "Battement {{}}"),
            Ended::Badly => text!(
                "The heartbeat could not be told {{}}",
                "Le battement n’a pas pu être transmis {{}}"
            ),
        }
        .with(&when)
    }
}

impl WatchView {
    fn of(ask: &Ask, checkup: Option<&Checkup>) -> Self {
        let vitals = checkup.and_then(|c| c.vitals.as_ref());
        let since = |at| ask.say(&ago(ask.now - at)).to_owned();
        let beat = ask.site.meter.last_heartbeat().map(heartbeat(ask));
        Self {
            measured: checkup.map(|c| hour(c.at, ask.calendar(), ask.now)),
            uncovered: vitals.map(|v| v.uncovered.len()),
            ills: checkup.map_or(0, |c| c.ills.len()),
            last_pass: vitals.and_then(|v| v.last_pass).map(since),
            heartbeat: beat.map(|said| ask.say(&said).to_owned()),
        }
    }
}

fn tile(of: Group, picture: &Picture, lang: Lang) -> Tile {
    Tile {
        word: of.word(),
        name: of.name().in_lang(lang).to_owned(),
        meaning: of.meaning().in_lang(lang).to_owned(),
        count: picture.count(of),
    }
}

impl ForecastView {
    fn of(seen: &Seen, ask: &Ask) -> Self {
        let without = |state| Self {
            state,
            at: String::new(),
            mails: 0,
            people: 0,
            days: Vec::new(),
        };
        match seen {
            Seen::Pending => without("pending"),
            Seen::Failed => without("failed"),
            Seen::Known(forecast) => Self {
                state: "known",
                at: hour(forecast.at, ask.calendar(), ask.now),
                mails: forecast.mails,
                people: forecast.people,
                days: forecast
                    .days
                    .iter()
                    .map(|d| day_view(d, ask.lang))
                    .collect(),
            },
        }
    }
}

fn day_view(of: &DayAhead, lang: Lang) -> DayView {
    DayView {
        date: of.date.to_string(),
        weekday: compose::weekday(lang, of.date),
        mails: of.mails,
        people: of.people,
        entries: of.entries.iter().map(|e| entry_view(e, lang)).collect(),
        more: of.more,
    }
}

fn entry_view(entry: &Entry, lang: Lang) -> EntryView {
    let n = entry.mails;
    let mails = counted(n, ["mail", "mails"], ["courriel", "courriels"]);
    let own = |name: &Text| EntryView {
        path: None,
        name: name.in_lang(lang).to_owned(),
        said: mails.in_lang(lang).to_owned(),
    };
    match &entry.what {
        About::Token {
            days_left,
            id,
            name,
        } => {
            let said = match days_left {
                0.. => text!("ends {{}}: {{}}", "se termine {{}} : {{}}"),
                ..0 => text!("expired {{}}: {{}}", "expiré {{}} : {{}}"),
            };
            let said = said.with(&left(*days_left)).with(&mails);
            EntryView {
                path: Some(segment(id)),
                name: name.clone(),
                said: said.in_lang(lang).to_owned(),
            }
        }
        About::Report => own(&text!("weekly report", "bilan de la semaine")),
        About::Note => own(&text!("notes about an event", "avis d’un événement")),
    }
}

/// So much of the height of bars; what is there is seen.
fn height(part: u64, most: u64) -> u64 {
    match part {
        0 => 0,
        n => (n * BARS / most.max(1)).max(2),
    }
}

/// Where the n-th of so many columns stands, and how wide it is.
fn column(n: usize, of: usize) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a few columns of a picture")]
    let (n, of) = (n as f64, of.max(1) as f64);
    (n * 100.0 / of, 100.0 / of)
}

fn day_bars(days: &[(NaiveDate, Tally)], most: u32) -> Vec<DayBar> {
    let (count, most) = (days.len(), u64::from(most));
    days.iter()
        .enumerate()
        .map(|(n, (date, tally))| {
            let (x, width) = column(n, count);
            let mut top = BARS;
            let parts = [
                ("accepted", tally.accepted),
                ("deferred", tally.deferred),
                ("broken-off", tally.broken_off),
                ("lost", tally.lost),
            ];
            DayBar {
                date: date.to_string(),
                x: percent(x + width * 0.12),
                width: percent(width * 0.76),
                tally: *tally,
                all: tally.all(),
                parts: parts
                    .into_iter()
                    .filter(|(_, n)| *n > 0)
                    .map(|(kind, n)| {
                        let height = height(u64::from(n), most);
                        top = top.saturating_sub(height);
                        Part {
                            kind,
                            y: top,
                            height,
                        }
                    })
                    .collect(),
                written: n == 0 || n + 1 == count,
            }
        })
        .collect()
}

fn month_bars(picture: &Picture, ask: &Ask) -> Vec<MonthBar> {
    let months = picture.standing.months(ask.calendar(), ask.lang, ask.now);
    let most = months.iter().map(|m| m.count).max().unwrap_or(0) as u64;
    let count = months.len();
    months
        .into_iter()
        .enumerate()
        .map(|(n, month)| {
            let (x, width) = column(n, count);
            let height = height(month.count as u64, most);
            MonthBar {
                written: n == 0 || month.name == ask.lang.pick("Jan", "jan"),
                odd: n % 2 == 1,
                name: month.name,
                year: month.year,
                x: percent(x + width * 0.15),
                middle: percent(x + width * 0.5),
                width: percent(width * 0.7),
                count: month.count,
                y: BARS - height,
                height,
            }
        })
        .collect()
}
