//! The timeline as a picture and as a table, which say the same: a row a token, a bar up to its
//! end, and its stages by their shapes, not by their colours.

use chrono::{DateTime, Months, Utc};
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::Silence;
use crate::domain::schedule::{End, is_mailed};
use crate::web::board::lines::segment;
use crate::web::board::phrases::left;
use crate::web::board::timeline::axis::{Axis, Tick, percent};
use crate::web::board::timeline::lanes::{Fate, Lane, Mark};
use crate::words::when;

/// The height of the head with the months, and of a row: the style sheet has the same.
const HEAD: usize = 40;
const ROW: usize = 28;

/// Months for which a token lives: where the bar begins of one whose issue is not known.
const LIFE: u32 = 18;

/// A timeline.
#[derive(Debug, Clone, Serialize)]
pub(in crate::web::board) struct Chart {
    height: usize,
    months: Vec<Tick>,
    today: String,
    rows: Vec<Row>,
}

/// A token.
#[derive(Debug, Clone, Serialize)]
struct Row {
    /// Its id, as a piece of a path.
    path: String,
    id: String,
    name: String,
    client: Option<String>,
    /// The middle of the row.
    y: usize,
    /// From where to where, and whether the end is on the axis.
    bar: Option<Bar>,
    level: &'static str,
    marks: Vec<Shape>,
    expires: String,
    left: String,
    condition: String,
    people: u32,
    /// The stages by what became of them, for the table.
    told: String,
    untold: String,
    next: String,
}

#[derive(Debug, Clone, Serialize)]
struct Bar {
    x: String,
    width: String,
    end: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Shape {
    x: String,
    kind: &'static str,
    said: String,
}

impl Chart {
    /// The chart of these lanes.
    pub(in crate::web::board) fn of(
        lanes: &[Lane],
        calendar: &Calendar,
        lang: Lang,
        now: DateTime<Utc>,
    ) -> Self {
        let axis = Axis::around(calendar, now);
        let draw = Draw {
            axis,
            calendar,
            lang,
            now,
        };
        Self {
            height: HEAD + ROW * lanes.len(),
            months: axis.months(calendar, lang),
            today: percent(axis.at(now)),
            rows: lanes
                .iter()
                .enumerate()
                .map(|(n, lane)| draw.row(lane, HEAD + ROW * n + ROW / 2))
                .collect(),
        }
    }
}

struct Draw<'a> {
    axis: Axis,
    calendar: &'a Calendar,
    lang: Lang,
    now: DateTime<Utc>,
}

impl Draw<'_> {
    fn row(&self, lane: &Lane, y: usize) -> Row {
        let (token, expires) = (&lane.token, lane.token.period.expires);
        let days = self.calendar.days_between(self.now, expires);
        let is_expired = expires < self.now;
        let listed = |of: fn(Fate) -> bool| -> String {
            let marks: Vec<String> = lane
                .marks
                .iter()
                .filter(|m| of(m.fate))
                .map(|m| self.listed(m))
                .collect();
            marks.join(", ")
        };
        Row {
            path: segment(&token.id),
            id: token.id.clone(),
            name: token.facts.name.clone(),
            client: token.facts.client_name.clone(),
            y,
            bar: self.bar(lane),
            level: match days {
                _ if is_expired => "expired",
                ..=15 => "urgent",
                16..=90 => "soon",
                91.. => "far",
            },
            marks: lane
                .marks
                .iter()
                .filter(|m| self.axis.covers(m.at))
                .map(|m| Shape {
                    x: percent(self.axis.at(m.at)),
                    kind: word(m.fate),
                    said: self.told(m),
                })
                .collect(),
            expires: when::day(expires, self.calendar),
            left: left(days).in_lang(self.lang).to_owned(),
            condition: condition(lane, self.calendar, self.now)
                .in_lang(self.lang)
                .to_owned(),
            people: lane.people,
            told: listed(|f| f == Fate::Sent),
            untold: listed(|f| matches!(f, Fate::Absorbed | Fate::Silenced | Fate::Failed)),
            next: lane.next().map(|m| self.told(&m)).unwrap_or_default(),
        }
    }

    /// The period, as far as it lies on the axis.
    fn bar(&self, lane: &Lane) -> Option<Bar> {
        let period = &lane.token.period;
        let life = Months::new(LIFE);
        let begins = lane.token.issued.unwrap_or_else(|| {
            let begun = period.expires.checked_sub_months(life);
            begun.unwrap_or(period.opened_at)
        });
        let (from, to) = (self.axis.at(begins), self.axis.at(period.expires));
        (to > from).then(|| Bar {
            x: percent(from),
            width: percent(to - from),
            end: self.axis.covers(period.expires).then(|| percent(to)),
        })
    }

    /// A mark in words: "30: sent 2026-11-15".
    fn told(&self, mark: &Mark) -> String {
        let (stage, on) = (mark.stage, when::day(mark.at, self.calendar));
        let said = match mark.fate {
            Fate::Sent => text!("{stage}: sent {on}", "{stage} : envoyé le {on}"),
            Fate::Waiting => text!("{stage}: on its way", "{stage} : en route"),
            Fate::Failed => text!("{stage}: failed {on}", "{stage} : échoué le {on}"),
            Fate::Absorbed => text!("{stage}: absorbed", "{stage} : absorbé"),
            Fate::Silenced => text!("{stage}: silenced", "{stage} : mis en silence"),
            Fate::Coming => text!("{stage}: due {on}", "{stage} : prévu le {on}"),
        };
        said.in_lang(self.lang).to_owned()
    }

    /// A mark in a list of its like.
    fn listed(&self, mark: &Mark) -> String {
        match mark.fate {
            Fate::Sent | Fate::Waiting | Fate::Coming => mark.stage.to_string(),
            Fate::Failed | Fate::Absorbed | Fate::Silenced => self.told(mark),
        }
    }
}

/// The word of a fate: its shape in the picture.
fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Sent => "sent",
        Fate::Waiting => "waiting",
        Fate::Failed => "failed",
        Fate::Absorbed => "absorbed",
        Fate::Silenced => "silenced",
        Fate::Coming => "coming",
    }
}

/// What a token is, in a word or two.
fn condition(lane: &Lane, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let period = &lane.token.period;
    if !is_mailed(calendar, period) {
        return text!(
            "not mailed: expired long ago",
            "sans courriel : expiré de longue date"
        );
    }
    let near = match calendar.days_between(now, period.expires) {
        _ if period.expires < now => text!("expired", "expiré"),
        ..=15 => text!("urgent", "urgent"),
        16..=90 => text!("to renew", "à renouveler"),
        91.. => text!("active", "actif"),
    };
    let said = match (&lane.said, period.end) {
        (Some(said), End::Renewable | End::Revoked) => match said.kind {
            Silence::Declared => text!("renewal declared", "renouvellement déclaré"),
            Silence::Filed => text!("filed", "demande déposée"),
            Silence::Snoozed => text!("put off", "en sommeil"),
        },
        (None, End::Revoked) => text!("to be revoked", "à révoquer"),
        (None, End::Renewable) => return near,
    };
    text!("{{}}, {{}}", "{{}}, {{}}").with(&near).with(&said)
}
