//! What a verb would change, in words: the token before and after, and the reminders that no
//! longer leave or leave from now on.

use chrono::{DateTime, Utc};

use crate::delivery::compose;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::Silence;
use crate::renewal::verbs::refusal::state_word;
use crate::renewal::verbs::words;
use crate::renewal::verbs::words::filed;
use crate::renewal::verbs::{Done, Planned, Standing, Verb};
use crate::store::quiet::Said;
use crate::web::board::Ask;
use crate::web::board::acts::view::{Change, Effect, Fact, Reminders};
use crate::web::board::frame::grouped;
use crate::words::count::from_the_end;
use crate::words::when::day;

/// Days that are listed.
const LISTED: usize = 12;

/// Addresses of one day that are named.
const NAMED: usize = 4;

/// What a verb would do.
pub(super) fn of(ask: &Ask, done: &Done, verb: &Verb) -> Effect {
    let calendar = ask.calendar();
    let say = |text: &Text| ask.say(text).to_owned();
    let mut effect = Effect {
        what: say(&words::done(done, verb, calendar)),
        ..Effect::default()
    };
    if !done.changed() {
        return effect;
    }
    let (before, after) = (standing(ask, &done.before), standing(ask, &done.after));
    effect.changes = before
        .into_iter()
        .zip(after)
        .filter(|(before, after)| before.value != after.value)
        .map(|(before, after)| Change {
            label: before.label,
            before: before.value,
            after: after.value,
        })
        .collect();
    let no_longer = words::no_longer(&done.no_longer, calendar);
    let from_now = words::from_now(&done.from_now);
    effect.reminders = [(no_longer, &done.no_longer), (from_now, &done.from_now)]
        .into_iter()
        .filter_map(|(heading, planned)| Some(reminders(ask, say(&heading?), planned)))
        .collect();
    effect.next = Some(say(&words::next(&done.coming, calendar)));
    for remark in &done.remarks {
        let said = say(&words::remark(remark));
        if words::is_warning(remark) {
            effect.warnings.push(said);
        } else {
            effect.remarks.push(said);
        }
    }
    effect
}

/// How a token stands: the same lines for every token, in the same order.
pub(super) fn standing(ask: &Ask, standing: &Standing) -> Vec<Fact> {
    let (lang, calendar) = (ask.lang, ask.calendar());
    let nothing = || "—".to_owned();
    let day = |at: DateTime<Utc>| compose::date(lang, calendar.date(at));
    let silences: Vec<String> = standing
        .said
        .iter()
        .map(|s| silence(s, calendar).in_lang(lang).to_owned())
        .collect();
    let expires = day(standing.expires);
    let expires = if standing.ends_revoked {
        text!(
            "{expires}, revoked that day",
            "{expires}, révoqué ce jour-là"
        )
    } else {
        text!("{expires}", "{expires}")
    };
    let fact = |en: &str, fr: &str, value: String| Fact {
        label: lang.pick(en, fr).to_owned(),
        value,
    };
    vec![
        fact(
            "State",
            "État",
            state_word(standing.state).in_lang(lang).to_owned(),
        ),
        fact(
            "Issued",
            "Délivré",
            standing.issued.map_or_else(nothing, day),
        ),
        fact("Expiry", "Échéance", expires.in_lang(lang).to_owned()),
        fact(
            "Reminders",
            "Rappels",
            if silences.is_empty() {
                lang.pick("not silenced", "pas mis en sommeil").to_owned()
            } else {
                silences.join(lang.pick("; ", "\u{a0}; "))
            },
        ),
    ]
}

/// What silences early reminders.
fn silence(said: &Said, calendar: &Calendar) -> Text {
    let day = |at: DateTime<Utc>| day(at, calendar);
    match said.kind {
        Silence::Filed => filed(said, calendar),
        Silence::Declared => match said.expires.map(day) {
            Some(until) => text!(
                "renewal declared until {until}, to be confirmed",
                "renouvellement déclaré jusqu’au {until}, à confirmer"
            ),
            None => text!(
                "renewal declared, to be confirmed",
                "renouvellement déclaré, à confirmer"
            ),
        },
        Silence::Snoozed => {
            let until = said.until.map(day).unwrap_or_default();
            text!("put off until {until}", "en sommeil jusqu’au {until}")
        }
    }
}

/// The reminders, a line for each day and stage.
fn reminders(ask: &Ask, heading: String, planned: &[Planned]) -> Reminders {
    let days: Vec<&[Planned]> = planned
        .chunk_by(|a, b| (a.at, a.stage) == (b.at, b.stage))
        .collect();
    let lines = days.iter().take(LISTED).map(|day| line(ask, day));
    Reminders {
        heading,
        lines: lines.collect(),
        more: days.len().saturating_sub(LISTED),
    }
}

fn line(ask: &Ask, day: &[Planned]) -> String {
    let first = &day[0];
    let on = compose::date(ask.lang, ask.calendar().date(first.at));
    let stage = from_the_end(first.stage.into());
    let stage = ask.say(&stage);
    let names = day.iter().take(NAMED).map(|p| p.recipient.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    let more = match day.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => {
            let n = grouped(ask.lang, i64::try_from(n).unwrap_or(i64::MAX));
            match ask.lang {
                Lang::En => format!(" and {n} more"),
                Lang::Fr => format!(" et {n} de plus"),
            }
        }
    };
    format!("{on} ({stage}) → {names}{more}")
}
