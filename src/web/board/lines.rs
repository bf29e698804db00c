//! The rows that several pages share: a token, a mail, an event, each as a line of a table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::State;
use crate::domain::stage::Schedule;
use crate::domain::urgency::Urgency;
use crate::domain::verdict::Verdict;
use crate::renewal::next;
use crate::store::board::listed::Listed;
use crate::store::board::tokens::Today;
use crate::store::error::Result;
use crate::store::heard::OLD;
use crate::store::mailbook::MailRow;
use crate::store::outbox::MailState;
use crate::store::quiet::Said;
use crate::store::record::{Event, Token};
use crate::web::board::Ask;
use crate::words::{count, event, heard, mail, state, when};

/// A token as a line.
#[derive(Debug, Serialize)]
pub(super) struct TokenLine {
    pub(super) id: String,
    /// The id as a part of a path.
    pub(super) path: String,
    pub(super) name: String,
    /// The client's name, and its key as a part of a path.
    pub(super) client: Option<String>,
    pub(super) client_path: Option<String>,
    pub(super) expires: String,
    pub(super) days: i64,
    pub(super) left: String,
    pub(super) state: String,
    pub(super) tone: &'static str,
    /// The day of the next reminder, and its stage.
    pub(super) next: Option<(String, i32)>,
    pub(super) told: u32,
    pub(super) unreachable: u32,
    /// What the API says of it, and its colour.
    pub(super) heard: Option<(String, &'static str)>,
}

/// A mail as a line.
#[derive(Debug, Serialize)]
pub(super) struct MailLine {
    pub(super) no: i64,
    pub(super) state: String,
    pub(super) tone: &'static str,
    /// What its state means and what can be done.
    pub(super) advice: Option<String>,
    pub(super) when: String,
    pub(super) to: String,
    pub(super) about: String,
    pub(super) reply: Option<String>,
}

/// An event as a line.
#[derive(Debug, Serialize)]
pub(super) struct EventLine {
    pub(super) at: String,
    pub(super) who: String,
    pub(super) token: Option<String>,
    pub(super) path: Option<String>,
    pub(super) said: String,
    /// The mail that it is about.
    pub(super) mail: Option<i64>,
}

/// What the lines of tokens are computed by.
pub(super) async fn schedule(ask: &Ask) -> Result<Schedule> {
    let on_record = ask.site.reader.schedule().await?;
    Ok(on_record.unwrap_or_else(|| ask.site.desk.schedule.clone()))
}

/// These tokens as lines, in this order.
pub(super) async fn tokens(ask: &Ask, nos: &[i64], schedule: &Schedule) -> Result<Vec<TokenLine>> {
    let today = Today::at(ask.calendar(), ask.now);
    let listed = ask.site.reader.listed(nos, &today).await?;
    let said: HashMap<i64, Said> = listed
        .iter()
        .filter_map(|l| Some((l.token.no, l.said.clone()?)))
        .collect();
    let tokens = listed.iter().map(|l| &l.token);
    let woken = next::woken(&ask.site.reader, tokens, &said).await?;
    let rules = (ask.calendar(), schedule);
    Ok(listed
        .into_iter()
        .map(|l| {
            let (no, said) = (l.token.no, l.said.as_ref());
            let next = next::reminder(&l.token, said, woken.get(&no), rules, ask.now);
            let next = next.map(|d| (when::day(d.slot, ask.calendar()), d.stage.days()));
            token(ask, l, next)
        })
        .collect())
}

fn token(ask: &Ask, l: Listed, next: Option<(String, i32)>) -> TokenLine {
    let calendar = ask.calendar();
    let t = l.token;
    let days = calendar.days_between(ask.now, t.period.expires);
    let condition = state::condition(&t, l.said.as_ref(), calendar, ask.now);
    let nobody = t.state == State::Active && l.told > 0 && l.told == l.unreachable;
    let condition = if nobody {
        text!("{{}}, nobody in reach", "{{}}, personne de joignable").with(&condition)
    } else {
        condition
    };
    let tone = if nobody {
        "bad"
    } else {
        tone(&t, calendar, ask)
    };
    TokenLine {
        path: segment(&t.id),
        id: t.id,
        name: t.facts.name,
        client_path: t.facts.client.as_deref().map(segment),
        client: t.facts.client_name.or(t.facts.client),
        expires: when::day(t.period.expires, calendar),
        days,
        left: ask.say(&count::left(days)).to_owned(),
        state: ask.say(&condition).to_owned(),
        tone,
        next,
        told: l.told,
        unreachable: l.unreachable,
        heard: l.verdict.map(|(v, at)| verdict(v, at, calendar, ask)),
    }
}

/// A verdict and its colour; an old one is dated, and not good any more.
fn verdict(
    of: Verdict,
    at: DateTime<Utc>,
    calendar: &Calendar,
    ask: &Ask,
) -> (String, &'static str) {
    let is_old = ask.now - at >= OLD;
    let said = if is_old {
        heard::dated(of, &when::day(at, calendar), is_old)
    } else {
        of.in_short()
    };
    let tone = match heard::tone(of) {
        "good" if is_old => "warn",
        tone => tone,
    };
    (ask.say(&said).to_owned(), tone)
}

/// The colour beside the words of a token's state.
pub(super) fn tone(t: &Token, calendar: &Calendar, ask: &Ask) -> &'static str {
    match t.state {
        State::Archived | State::Superseded | State::Revoked => "",
        State::Active => match Urgency::at(calendar, t.period.expires, ask.now) {
            Urgency::Expired | Urgency::Today | Urgency::Tomorrow => "bad",
            Urgency::Urgent => "warn",
            Urgency::Information | Urgency::Reminder => "",
        },
    }
}

/// A mail as a line.
pub(super) fn mail(ask: &Ask, m: &MailRow) -> MailLine {
    MailLine {
        no: m.no,
        state: ask.say(&mail::word(m.state)).to_owned(),
        tone: mail_tone(m.state),
        advice: mail::advice(m.state).map(|a| ask.say(&a).to_owned()),
        when: mail_when(ask, m),
        to: m.address.clone(),
        about: about(m, ask.lang),
        reply: m.reply.clone(),
    }
}

/// When a mail was settled, or when it leaves.
fn mail_when(ask: &Ask, m: &MailRow) -> String {
    let calendar = ask.calendar();
    let leaves = m.next_at.map(|at| calendar.next_leave(at));
    m.settled_at
        .or(leaves)
        .map(|at| when::minute(at, calendar))
        .unwrap_or_default()
}

fn mail_tone(state: MailState) -> &'static str {
    match state {
        MailState::Sent => "good",
        MailState::Refused | MailState::Parked | MailState::Failed => "bad",
        MailState::InDoubt | MailState::Deferred | MailState::Held => "warn",
        MailState::Queued | MailState::Claimed | MailState::Cancelled => "",
    }
}

/// What a mail is about: the tokens that it carries with their stages, or the kind of the note.
pub(super) fn about(m: &MailRow, lang: Lang) -> String {
    /// Tokens that a line names.
    const NAMED: usize = 5;
    if m.notices.is_empty() {
        return mail::note(&m.kind).in_lang(lang).to_owned();
    }
    let named: Vec<String> = m
        .notices
        .iter()
        .take(NAMED)
        .map(|(token, stage)| format!("{token} ({stage})"))
        .collect();
    let named = named.join(", ");
    let more = match m.notices.len().saturating_sub(NAMED) {
        0 => text!("{named}", "{named}"),
        more => text!("{named} and {more} more", "{named} et {more} de plus"),
    };
    more.in_lang(lang).to_owned()
}

/// An event as a line.
pub(super) fn event(ask: &Ask, e: &Event) -> EventLine {
    EventLine {
        at: when::minute(e.at, ask.calendar()),
        who: ask.say(&event::who(&e.who)).to_owned(),
        path: e.token.as_deref().map(segment),
        token: e.token.clone(),
        said: ask.say(&event::said(e, ask.calendar())).to_owned(),
        mail: e.detail["mail"].as_i64(),
    }
}

/// A text as one part of a path.
pub(in crate::web::board) fn segment(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// A choice of a list in a form.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    value: &'static str,
    name: String,
    is_chosen: bool,
}

/// The choices of a field, the one that was made marked.
pub(super) fn choices(ask: &Ask, field: &str, of: &[(&'static str, Text)]) -> Vec<Choice> {
    let made = ask.query.get(field).unwrap_or_default();
    of.iter()
        .map(|(value, name)| Choice {
            value,
            name: ask.say(name).to_owned(),
            is_chosen: *value == made,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn any_name_is_one_part_of_a_path() {
        assert_eq!(segment("marches-publics"), "marches-publics");
        assert_eq!(segment("a/b?c#d é%"), "a%2Fb%3Fc%23d%20%C3%A9%25");
        assert_eq!(segment("a@b.fr"), "a@b.fr");
    }
}
