//! One token: what it is and who says so, every stage with its fate, its mails, its past.

use axum::extract::Path;
use axum::response::Response;
use serde::Serialize;

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::domain::probing::Belief;
use crate::domain::token::{DatapassId, Jti};
use crate::store::board::Slice;
use crate::store::board::mails::{Fate, MailFilter};
use crate::store::outbox::Person;
use crate::store::record::Token;
use crate::web::Unready;
use crate::web::board::lines::{self, EventLine, MailLine, segment};
use crate::web::board::{Ask, Section};
use crate::words::fate::{Line, lines_of, recorded};
use crate::words::{count, event, heard, reach, state, when};

/// Mails and events that the page shows; links lead to all of them.
const SHOWN: i64 = 50;

#[derive(Serialize)]
struct View {
    id: String,
    path: String,
    state: String,
    tone: &'static str,
    /// Whether a person can act on it.
    is_active: bool,
    facts: Vec<Fact>,
    link: Option<String>,
    said: Vec<String>,
    unreached: Vec<String>,
    nobody: bool,
    people: Vec<PersonLine>,
    former: Vec<String>,
    stages: Vec<Stages>,
    mails: Vec<MailLine>,
    events: Vec<EventLine>,
    chain: Vec<ChainLink>,
    periods: Vec<PeriodLine>,
    /// What the API says; empty: it was never asked about it.
    heard: Vec<Fact>,
    /// The death that is believed, or that it works past its date.
    refused: Option<String>,
    outlives: bool,
    incident: Option<String>,
}

#[derive(Serialize)]
struct Fact {
    label: String,
    value: String,
    /// A page about it.
    href: Option<String>,
}

#[derive(Serialize)]
struct PersonLine {
    address: String,
    path: String,
    name: String,
    role: String,
    from: String,
    origin: String,
    unreachable: bool,
}

/// The stages of those for whom they are the same.
#[derive(Serialize)]
struct Stages {
    people: Vec<String>,
    rows: Vec<StageLine>,
}

#[derive(Serialize, PartialEq)]
struct StageLine {
    stage: i32,
    slot: String,
    said: String,
    tone: &'static str,
    mail: Option<i64>,
}

#[derive(Serialize)]
struct ChainLink {
    id: String,
    path: String,
    expires: String,
    is_this: bool,
}

#[derive(Serialize)]
struct PeriodLine {
    no: i64,
    opened: String,
    issued: Option<String>,
    expires: String,
    source: String,
}

pub(super) async fn page(Path(id): Path<String>, ask: Ask) -> Result<Response, Unready> {
    let store = &ask.site.reader;
    let Some(token) = store.token(&id).await? else {
        return Ok(ask.missing(Section::Tokens));
    };
    let calendar = ask.calendar();
    let mut people = store.people(&[token.no]).await?;
    people.sort_by(|a, b| (a.role != "demandeur", &a.key).cmp(&(b.role != "demandeur", &b.key)));
    let former = store.former_people(token.no).await?;
    let origins = store.origins(token.no).await?;
    let said = store.said(token.no).await?;
    let notices = store.notices(token.no, token.period_no).await?;
    let mut unreachable = store.unreachable(ask.now).await?;
    unreachable.retain(|u| people.iter().any(|p| p.key == u.recipient));
    let schedule = lines::schedule(&ask).await?;
    let mut fates = Vec::new();
    for p in &people {
        let at = (calendar, ask.now);
        fates.extend(lines_of(&token, p, &schedule, &notices, said.first(), at));
    }
    for p in &former {
        let theirs = notices.iter().filter(|n| n.recipient == p.key);
        fates.extend(theirs.map(|n| recorded(n, &p.address, calendar)));
    }
    let mails = MailFilter {
        fate: Fate::All,
        token: Some(token.no),
        ..MailFilter::default()
    };
    let part = Slice {
        from: 0,
        rows: SHOWN,
    };
    let mails = store.find_mails(&mails, part).await?;
    let mails = store.mails_of(&mails).await?;
    let mut events = store.history(Some(token.no), SHOWN).await?;
    events.reverse();
    let chain = store.chain(token.no).await?;
    let periods = store.periods(token.no).await?;
    let probed = store.probed(&token.id).await?;
    let service = match &probed {
        None => None,
        Some(_) => heard::incident(&store.service().await?, calendar),
    };
    let (expires, is_active) = (token.period.expires, token.state == State::Active);
    let view = View {
        path: segment(&token.id),
        state: ask
            .say(&state::state(&token, &said, calendar, ask.now))
            .to_owned(),
        tone: lines::tone(&token, calendar, &ask),
        is_active: token.state == State::Active,
        facts: facts(&ask, &token),
        link: link(&ask, &token),
        said: said
            .iter()
            .map(|s| ask.say(&state::silent(s, calendar)).to_owned())
            .collect(),
        nobody: !people.is_empty() && unreachable.len() == people.len(),
        people: people
            .iter()
            .map(|p| PersonLine {
                address: p.address.clone(),
                path: segment(&p.key),
                name: p.name.clone().unwrap_or_default(),
                role: p.role.clone(),
                from: from_stage(&ask, p.from_stage),
                origin: origins
                    .get(&p.key)
                    .map(|o| ask.say(&state::person_from(*o)).to_owned())
                    .unwrap_or_default(),
                unreachable: unreachable.iter().any(|u| u.recipient == p.key),
            })
            .collect(),
        unreached: unreachable
            .iter()
            .map(|u| ask.say(&reach::told(u, calendar)).to_owned())
            .collect(),
        former: former.iter().map(|p: &Person| p.address.clone()).collect(),
        stages: alike(&ask, fates),
        mails: mails.iter().map(|m| lines::mail(&ask, m)).collect(),
        events: events.iter().map(|e| lines::event(&ask, e)).collect(),
        chain: if chain.len() > 1 {
            chain
                .iter()
                .map(|l| ChainLink {
                    path: segment(&l.id),
                    expires: when::day(l.expires, calendar),
                    is_this: l.id == token.id,
                    id: l.id.clone(),
                })
                .collect()
        } else {
            Vec::new()
        },
        periods: periods
            .iter()
            .filter(|p| p.no != token.period_no)
            .map(|p| PeriodLine {
                no: p.no,
                opened: when::day(p.opened_at, calendar),
                issued: p.issued.map(|i| when::day(i, calendar)),
                expires: when::day(p.expires, calendar),
                source: ask.say(&event::who(&p.source)).to_owned(),
            })
            .collect(),
        refused: probed
            .as_ref()
            .and_then(|p| p.death().filter(|_| is_active))
            .map(|death| ask.say(&refused(death, calendar)).to_owned()),
        outlives: is_active && probed.as_ref().is_some_and(|p| p.outlives(expires)),
        incident: service.map(|s| ask.say(&s).to_owned()),
        heard: probed
            .map(|p| heard::facts(&p, calendar, ask.now))
            .unwrap_or_default()
            .iter()
            .map(|(label, value)| Fact {
                label: ask.say(label).to_owned(),
                value: ask.say(value).to_owned(),
                href: None,
            })
            .collect(),
        id: token.id.clone(),
    };
    let name = &token.facts.name;
    let title = Text {
        en: name.clone(),
        fr: name.clone(),
    };
    Ok(ask.page(Section::Tokens, &title, "token.html", &view))
}

fn refused(death: Belief, calendar: &Calendar) -> Text {
    let since = when::minute(death.since, calendar);
    text!(
        "API Entreprise refuses this token since {since} – {{}}.",
        "API Entreprise refuse ce jeton depuis le {since} – {{}}."
    )
    .with(&death.verdict.in_short())
}

/// From which stage on somebody is told.
pub(super) fn from_stage(ask: &Ask, stage: Option<u32>) -> String {
    stage.map_or_else(
        || ask.lang.pick("the first", "la première").to_owned(),
        |s| s.to_string(),
    )
}

fn link(ask: &Ask, t: &Token) -> Option<String> {
    let number = t.facts.datapass_id.as_deref();
    let number = number.and_then(|s| DatapassId::parse(s).ok());
    let jti = t.jti.as_deref().and_then(|s| Jti::parse(s).ok());
    ask.site.desk.link.fill(number.as_ref(), jti.as_ref())
}

fn facts(ask: &Ask, t: &Token) -> Vec<Fact> {
    let calendar = ask.calendar();
    let mut facts = Vec::new();
    let mut add = |label: Text, value: String, href: Option<String>| {
        facts.push(Fact {
            label: ask.say(&label).to_owned(),
            value,
            href,
        });
    };
    let said = |text: &Text| ask.say(text).to_owned();
    let day = |at| when::day(at, calendar);
    add(
        text!("expires", "expire"),
        said(&state::end(t, calendar, ask.now)),
        None,
    );
    add(
        text!("issued", "délivré"),
        t.issued
            .map_or_else(|| said(&text!("not said", "non précisé")), day),
        None,
    );
    add(
        text!("dates by", "dates par"),
        said(&state::dates_by(t, calendar)),
        None,
    );
    let (no, since) = (t.period_no, day(t.period.opened_at));
    add(
        text!("period", "période"),
        said(&text!("{no} (since {since})", "{no} (depuis le {since})")),
        None,
    );
    add(
        text!("comes from", "origine"),
        said(&state::origin(t.origin)),
        None,
    );
    add(
        text!("first declared", "première déclaration"),
        day(t.declared_at),
        None,
    );
    if let Some(client) = &t.facts.client {
        add(
            text!("client", "client"),
            t.facts
                .client_name
                .clone()
                .unwrap_or_else(|| client.clone()),
            Some(format!("clients/{}", segment(client))),
        );
    }
    for (label, value) in [
        (
            text!("Data Pass number", "numéro Data Pass"),
            &t.facts.datapass_id,
        ),
        (text!("jti", "jti"), &t.jti),
        (text!("SIRET", "SIRET"), &t.facts.siret),
    ] {
        if let Some(value) = value {
            add(label, value.clone(), None);
        }
    }
    if let Some(scopes) = &t.scopes {
        add(text!("scopes", "droits"), scopes.join(", "), None);
    }
    for (label, list) in [
        (text!("used by", "utilisé par"), &t.facts.used_by),
        (text!("tags", "étiquettes"), &t.facts.tags),
    ] {
        if !list.is_empty() {
            add(label, list.join(", "), None);
        }
    }
    add(text!("contact", "contact"), t.facts.contact.clone(), None);
    facts
}

/// Those for whom every stage reads the same share a table.
fn alike(ask: &Ask, fates: Vec<Line>) -> Vec<Stages> {
    let calendar = ask.calendar();
    let mut shared: Vec<Stages> = Vec::new();
    for theirs in fates.chunk_by(|a, b| a.recipient == b.recipient) {
        let rows: Vec<StageLine> = theirs
            .iter()
            .map(|l| StageLine {
                stage: l.stage,
                slot: when::minute(l.slot, calendar),
                said: ask.say(&l.reason).to_owned(),
                tone: match l.fate {
                    "sent" => "good",
                    "failed" => "bad",
                    "owed" | "due" => "warn",
                    _ => "",
                },
                mail: l.mail,
            })
            .collect();
        let person = theirs[0].recipient.clone();
        match shared.iter_mut().find(|s| s.rows == rows) {
            Some(s) => s.people.push(person),
            None => shared.push(Stages {
                people: vec![person],
                rows,
            }),
        }
    }
    shared
}

/// How far an end is, in words.
pub(super) fn left(ask: &Ask, days: i64) -> String {
    ask.say(&count::left(days)).to_owned()
}
