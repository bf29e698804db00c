//! Subjects: the fact first, at most [`MAX`] characters, whatever the name of the token.
//!
//! They are made here and not by the template engine: `simulate` writes thousands of them, and
//! the match on the urgency leaves none without a wording.

use crate::delivery::compose::letter::{Envelope, Heard, Letter, Reminder, TokenPart};
use crate::delivery::compose::prose;
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::domain::urgency::Urgency;

/// The most characters that a subject has: what a list of mails shows whole.
pub(super) const MAX: usize = 74;

/// The subject of a letter as a reader sees it.
pub(super) fn subject(letter: &Letter, envelope: &Envelope, calendar: &Calendar) -> String {
    match letter {
        Letter::Note(note) => {
            let said = note.subject.in_lang(envelope.lang);
            prose::shorten(&prose::tidy_name(said), MAX)
        }
        Letter::Reminder(Reminder { tokens }) => match tokens.as_slice() {
            [] => String::new(),
            [token] => of_one(token, envelope, calendar),
            [first, ..] => of_many(first, tokens.len(), envelope, calendar),
        },
    }
}

/// What stands before and after the token's name.
struct Frame {
    before: String,
    after: String,
}

fn of_one(token: &TokenPart, envelope: &Envelope, calendar: &Calendar) -> String {
    let Frame { before, after } = frame(token, envelope, calendar);
    let name = prose::tidy_name(&token.name);
    let (open, close) = envelope.lang.pick(("“", "”"), ("«\u{a0}", "\u{a0}»"));
    if let Some(client) = &token.client {
        let client = prose::tidy_name(client);
        let with_client = format!("{before}{open}{name}{close} ({client}){after}");
        if with_client.chars().count() <= MAX {
            return with_client;
        }
    }
    let around = [before.as_str(), open, close, after.as_str()];
    let taken: usize = around.iter().map(|s| s.chars().count()).sum();
    let name = prose::shorten(&name, MAX.saturating_sub(taken));
    format!("{before}{open}{name}{close}{after}")
}

fn frame(token: &TokenPart, envelope: &Envelope, calendar: &Calendar) -> Frame {
    let lang = envelope.lang;
    let urgency = Urgency::at(calendar, token.expires, envelope.now);
    let days_left = calendar.days_between(envelope.now, token.expires);
    let date = || prose::date(lang, calendar.date(token.expires));
    let days = || prose::days(lang, days_left);
    let frame = |before: &str, after: String| Frame {
        before: before.to_owned(),
        after,
    };
    let by_date = |date: &str| match lang {
        Lang::Fr => frame("Jeton ", format!("\u{a0}: à renouveler avant le {date}")),
        Lang::En => frame("Token ", format!(": renew before {date}")),
    };
    match urgency {
        Urgency::Information => by_date(&date()),
        // Beyond a month a date says more than a number of days.
        Urgency::Reminder if days_left > 30 => by_date(&date()),
        Urgency::Reminder => match lang {
            Lang::Fr => frame(
                "Jeton ",
                format!("\u{a0}: à renouveler, il expire dans {}", days()),
            ),
            Lang::En => frame("Token ", format!(": renew it, it expires in {}", days())),
        },
        Urgency::Urgent => match lang {
            Lang::Fr => frame(
                "Urgent\u{a0}: le jeton ",
                format!(" expire dans {}", days()),
            ),
            Lang::En => frame("Urgent: token ", format!(" expires in {}", days())),
        },
        Urgency::Tomorrow => match lang {
            Lang::Fr => frame("Demain\u{a0}: coupure de l’accès ", String::new()),
            Lang::En => frame("Tomorrow: access ", " will be cut".to_owned()),
        },
        Urgency::Today => {
            let hour = prose::hour(lang, calendar, token.expires);
            let at = hour.map_or_else(String::new, |hour| match lang {
                Lang::Fr => format!(" à {hour}"),
                Lang::En => format!(" at {hour}"),
            });
            match lang {
                Lang::Fr => Frame {
                    before: format!("Aujourd’hui{at}\u{a0}: coupure de l’accès "),
                    after: String::new(),
                },
                Lang::En => Frame {
                    before: format!("Today{at}: access "),
                    after: " will be cut".to_owned(),
                },
            }
        }
        Urgency::Expired if matches!(token.heard, Some(Heard::Works(_))) => match lang {
            Lang::Fr => frame(
                "Jeton ",
                "\u{a0}: date passée, mais il fonctionne encore".to_owned(),
            ),
            Lang::En => frame("Token ", ": past its date, but still works".to_owned()),
        },
        Urgency::Expired => match lang {
            Lang::Fr => frame(
                "Accès coupé\u{a0}: le jeton ",
                format!(" a expiré le {}", date()),
            ),
            Lang::En => frame("Access cut: token ", format!(" expired on {}", date())),
        },
    }
}

fn of_many(first: &TokenPart, count: usize, envelope: &Envelope, calendar: &Calendar) -> String {
    let lang = envelope.lang;
    let urgency = Urgency::at(calendar, first.expires, envelope.now);
    let days_left = calendar.days_between(envelope.now, first.expires);
    let tokens = prose::tokens(lang, count);
    match urgency {
        Urgency::Information
        | Urgency::Reminder
        | Urgency::Urgent
        | Urgency::Tomorrow
        | Urgency::Today => {
            let left = prose::left(lang, urgency, days_left);
            match lang {
                Lang::Fr => format!("{tokens} à renouveler, le premier expire {left}"),
                Lang::En => format!("{tokens} to renew, the first expires {left}"),
            }
        }
        Urgency::Expired => {
            let date = prose::date(lang, calendar.date(first.expires));
            match lang {
                Lang::Fr => format!("{tokens} à renouveler, le premier a expiré le {date}"),
                Lang::En => format!("{tokens} to renew, the first expired on {date}"),
            }
        }
    }
}
