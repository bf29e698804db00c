//! What a token is, how near its end is, what silences its reminders, and who said so.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{By, LAST_WORDS, Origin, Silence, State};
use crate::domain::schedule::{self, End};
use crate::domain::urgency::Urgency;
use crate::renewal::verbs::words::filed;
use crate::store::quiet::Said;
use crate::store::record::Token;
use crate::store::told::RecipientOrigin;
use crate::words::{count, event, when};

/// The state of a token, or how near its end is.
pub(crate) fn condition(
    t: &Token,
    said: Option<&Said>,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Text {
    match t.state {
        State::Archived => text!("archived", "archivé"),
        State::Superseded => text!("superseded", "remplacé"),
        State::Revoked => text!("revoked", "révoqué"),
        State::Active if !schedule::is_mailed(calendar, &t.period) => {
            text!(
                "expired long ago, not mailed",
                "expiré de longue date, sans courriel"
            )
        }
        State::Active => match (said, t.period.end) {
            (None, End::Renewable) => urgency(t, calendar, now),
            (None, End::Revoked) => text!("to be revoked", "à révoquer"),
            (Some(said), End::Renewable | End::Revoked) => {
                let is_silent =
                    calendar.days_between(now, t.period.expires) > i64::from(LAST_WORDS);
                if is_silent {
                    silence(said, calendar)
                } else {
                    text!("{{}}, {{}}", "{{}}, {{}}")
                        .with(&urgency(t, calendar, now))
                        .with(&silence(said, calendar))
                }
            }
        },
    }
}

fn silence(said: &Said, calendar: &Calendar) -> Text {
    match said.kind {
        Silence::Declared => text!("renewal declared", "renouvellement déclaré"),
        Silence::Filed => text!("filed", "demande déposée"),
        Silence::Snoozed => {
            let until = said
                .until
                .map(|u| when::day(u, calendar))
                .unwrap_or_default();
            text!("put off until {until}", "en sommeil jusqu’au {until}")
        }
    }
}

/// How near the end of a token is.
fn urgency(t: &Token, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    match Urgency::at(calendar, t.period.expires, now) {
        Urgency::Information => text!("active", "actif"),
        Urgency::Reminder => text!("to renew", "à renouveler"),
        Urgency::Urgent => text!("urgent", "urgent"),
        Urgency::Tomorrow => text!("tomorrow", "demain"),
        Urgency::Today => text!("today", "aujourd’hui"),
        Urgency::Expired => text!("expired", "expiré"),
    }
}

/// The state of a token with since when and by whom.
pub(crate) fn state(t: &Token, said: &[Said], calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let Text { en, fr } = condition(t, said.first(), calendar, now);
    let since = when::day(t.state_at, calendar);
    match (t.state, t.state_by) {
        // Since when it is to be renewed is the date of its expiry, not of its state.
        (State::Active, _) => text!("{en}", "{fr}"),
        (State::Archived, By::File) => text!(
            "{en} (since {since}), not in the file",
            "{fr} (depuis le {since}), absent du fichier"
        ),
        (State::Archived, By::Person) => text!(
            "{en} (since {since}), by a person",
            "{fr} (depuis le {since}), par une personne"
        ),
        (State::Superseded | State::Revoked, _) => {
            text!("{en} (since {since})", "{fr} (depuis le {since})")
        }
    }
}

/// When a token expires, how far that is, and why it differs from what was to be expected.
pub(crate) fn end(t: &Token, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let at = when::minute(t.period.expires, calendar);
    let Text { en, fr } = count::left(calendar.days_between(now, t.period.expires));
    if let Some(former) = t.revoked_from {
        let former = when::day(former, calendar);
        text!(
            "{at} — {en}: revoked from then on (it was to expire on {former})",
            "{at} — {fr} : révoqué ensuite (il devait expirer le {former})"
        )
    } else if t.file_expires.is_some_and(|f| f != t.period.expires) {
        text!(
            "{at} — {en} (from the record; the file has another date)",
            "{at} — {fr} (d’après l’historique\u{a0}; le fichier porte une autre date)"
        )
    } else {
        text!("{at} — {en}", "{at} — {fr}")
    }
}

/// Who said the dates, and when.
pub(crate) fn dates_by(t: &Token, calendar: &Calendar) -> Text {
    let on = when::day(t.period.dated_at, calendar);
    text!("{{}}, {on}", "{{}}, {on}").with(&event::who(&t.source))
}

/// What silences the early stages, and who said so.
pub(crate) fn silent(said: &Said, calendar: &Calendar) -> Text {
    let what = match said.kind {
        Silence::Filed => filed(said, calendar),
        Silence::Declared => match said.expires {
            Some(until) => {
                let until = when::day(until, calendar);
                text!(
                    "renewal declared until {until}, to be confirmed with `jetond renew`",
                    "renouvellement déclaré jusqu’au {until}, à confirmer par `jetond renew`"
                )
            }
            None => text!(
                "renewal declared, to be confirmed with `jetond renew`",
                "renouvellement déclaré, à confirmer par `jetond renew`"
            ),
        },
        Silence::Snoozed => {
            let until = said
                .until
                .map(|u| when::day(u, calendar))
                .unwrap_or_default();
            text!("put off until {until}", "en sommeil jusqu’au {until}")
        }
    };
    text!("{{}} ({{}})", "{{}} ({{}})")
        .with(&what)
        .with(&event::who(&said.who))
}

/// Where a token comes from.
pub(crate) fn origin(origin: Origin) -> Text {
    match origin {
        Origin::File => text!("file", "fichier"),
        Origin::Import => text!("import", "import"),
        Origin::Webhook => text!("webhook", "webhook"),
    }
}

/// Where a recipient comes from.
pub(crate) fn person_from(origin: RecipientOrigin) -> Text {
    match origin {
        RecipientOrigin::File => text!("file", "fichier"),
        RecipientOrigin::Import => text!("import", "import"),
        RecipientOrigin::Webhook => text!("Data Pass", "Data Pass"),
        RecipientOrigin::Inherited => text!("superseded token", "jeton remplacé"),
    }
}
