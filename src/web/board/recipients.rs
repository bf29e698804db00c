//! Who gets what: the people who are told, and one of them.

use std::collections::HashMap;

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::domain::reach::Way;
use crate::domain::schedule;
use crate::domain::schedule::Told as Share;
use crate::store::board::mails::{Fate, MailFilter};
use crate::store::board::people::{PersonFilter, PersonRow, Reachable};
use crate::store::board::tokens::{Today, TokenFilter, TokenOrder};
use crate::store::board::{Search, Slice};
use crate::web::board::lines::{self, Choice, MailLine, segment};
use crate::web::board::pager::Pager;
use crate::web::board::{Ask, Section, csv, token, tokens};
use crate::web::{Live, Unready};
use crate::words::{reach, state, when};

/// Mails that the page of a person shows; a link leads to all of them.
const MAILS: i64 = 50;

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/recipients", get(list))
        .route("/recipients.csv", get(file))
        .route("/recipients/{key}", get(page))
}

/// A person as a line.
#[derive(Serialize)]
pub(super) struct PersonLine {
    address: String,
    path: String,
    name: String,
    roles: String,
    tokens: i64,
    from: String,
    accepted: Option<String>,
    /// Since when they cannot be reached, and why.
    unreachable: Option<String>,
}

#[derive(Serialize)]
struct ListView<'a> {
    rows: Vec<PersonLine>,
    pager: Pager,
    reaches: Vec<Choice>,
    unknown: Vec<&'a str>,
    q: &'a str,
    client: &'a str,
    csv: String,
}

#[derive(Serialize)]
struct View {
    person: PersonLine,
    /// The whole story of an address that is refused.
    unreached: Option<String>,
    rows: Vec<ToldLine>,
    pager: Pager,
    mails: Vec<MailLine>,
    key: String,
}

/// One token of one person.
#[derive(Serialize)]
struct ToldLine {
    id: String,
    path: String,
    name: String,
    expires: String,
    left: String,
    state: String,
    tone: &'static str,
    role: String,
    from: String,
    next: Option<(String, i32)>,
}

/// A person as a line.
pub(super) fn line(ask: &Ask, p: &PersonRow) -> PersonLine {
    let calendar = ask.calendar();
    PersonLine {
        address: p.address.clone(),
        path: segment(&p.key),
        name: p.name.clone().unwrap_or_default(),
        roles: p.roles.join(", "),
        tokens: p.tokens,
        from: token::from_stage(ask, p.from_stage.and_then(|n| u32::try_from(n).ok())),
        accepted: p.accepted_at.map(|at| when::minute(at, calendar)),
        unreachable: p.unreachable.map(|(since, how)| {
            let since = when::day(since, calendar);
            let said = match how {
                Way::Refused => text!(
                    "since {since}: address refused",
                    "depuis le {since} : adresse refusée"
                ),
                Way::Bounced | Way::Expired => text!(
                    "since {since}: mails come back",
                    "depuis le {since} : les courriels reviennent"
                ),
            };
            ask.say(&said).to_owned()
        }),
    }
}

/// Reads the filters, and what of them does not exist.
fn asked(ask: &Ask) -> (PersonFilter, Vec<Text>) {
    let mut unknown = Vec::new();
    let reach = match ask.query.get("reach") {
        None => Reachable::Any,
        Some("no") => Reachable::No,
        Some(written) => {
            unknown.push(text!(
                "There is no such choice: {written}",
                "Il n’y a pas de choix de ce nom : {written}"
            ));
            Reachable::Any
        }
    };
    let filter = PersonFilter {
        search: Search::of(ask.query.get("q").unwrap_or_default()),
        reach,
        client: ask.query.get("client").map(str::to_owned),
    };
    (filter, unknown)
}

async fn list(ask: Ask) -> Result<Response, Unready> {
    let store = &ask.site.reader;
    let (filter, unknown) = asked(&ask);
    let (pager, rows) = if unknown.is_empty() {
        let count = store.count_people(&filter, ask.now).await?;
        let (pager, slice) = Pager::of(&ask, count);
        let keys = store.find_people(&filter, ask.now, slice).await?;
        (pager, store.people_of(&keys, ask.now).await?)
    } else {
        (Pager::of(&ask, <_>::default()).0, Vec::new())
    };
    let view = ListView {
        rows: rows.iter().map(|p| line(&ask, p)).collect(),
        pager,
        reaches: lines::choices(
            &ask,
            "reach",
            &[
                ("", text!("all", "tous")),
                ("no", text!("cannot be reached", "injoignables")),
            ],
        ),
        unknown: unknown.iter().map(|t| ask.say(t)).collect(),
        q: ask.query.get("q").unwrap_or_default(),
        client: ask.query.get("client").unwrap_or_default(),
        csv: ask.query.with("page", ""),
    };
    let title = text!("Recipients", "Destinataires");
    Ok(ask.page(Section::Recipients, &title, "recipients.html", &view))
}

async fn file(ask: Ask) -> Result<Response, Unready> {
    let (filter, unknown) = asked(&ask);
    let head = ask.lang.pick(
        [
            "address",
            "name",
            "roles",
            "tokens",
            "from stage",
            "last mail accepted",
            "out of reach",
        ],
        [
            "adresse",
            "nom",
            "rôles",
            "jetons",
            "dès l’étape",
            "dernier courriel accepté",
            "injoignable",
        ],
    );
    let mut sheet = csv::Sheet::new(&head);
    if unknown.is_empty() {
        let store = &ask.site.reader;
        let keys = store.find_people(&filter, ask.now, csv::ALL).await?;
        for keys in keys.chunks(csv::CHUNK) {
            for p in store.people_of(keys, ask.now).await? {
                let l = line(&ask, &p);
                sheet.row(&[
                    l.address,
                    l.name,
                    l.roles,
                    l.tokens.to_string(),
                    l.from,
                    l.accepted.unwrap_or_default(),
                    l.unreachable.unwrap_or_default(),
                ]);
            }
        }
    }
    Ok(sheet.answer(ask.lang.pick("recipients", "destinataires")))
}

async fn page(Path(written): Path<String>, ask: Ask) -> Result<Response, Unready> {
    let store = &ask.site.reader;
    let calendar = ask.calendar();
    let key = tokens::key(&written);
    let Some(person) = store
        .people_of(std::slice::from_ref(&key), ask.now)
        .await?
        .pop()
    else {
        return Ok(ask.missing(Section::Recipients));
    };
    let today = Today::at(calendar, ask.now);
    let filter = TokenFilter {
        recipient: Some(key.clone()),
        ..TokenFilter::default()
    };
    let count = store.count_tokens(&filter, &today).await?;
    let (pager, slice) = Pager::of(&ask, count);
    let nos = store
        .find_tokens(&filter, TokenOrder::Expiry, &today, slice)
        .await?;
    let told = store.told(&key, &nos).await?;
    let told: HashMap<i64, _> = told.into_iter().map(|t| (t.token, t)).collect();
    let schedule = lines::schedule(&ask).await?;
    let mut rows = Vec::new();
    for l in store.listed(&nos, &today).await? {
        let Some(share) = told.get(&l.token.no) else {
            continue;
        };
        let theirs = Share {
            from_stage: share.from_stage,
            since: share.since,
        };
        let quiet = l.said.as_ref().map(crate::store::quiet::Said::quiet);
        let next = (l.token.state == State::Active)
            .then(|| schedule::coming(calendar, &schedule, &l.token.period, &theirs, ask.now))
            .and_then(|mut coming| {
                coming.find(|d| !quiet.is_some_and(|q| q.silences(d.stage, d.slot)))
            });
        let condition = state::condition(&l.token, l.said.as_ref(), calendar, ask.now);
        let days = calendar.days_between(ask.now, l.token.period.expires);
        rows.push(ToldLine {
            path: segment(&l.token.id),
            expires: when::day(l.token.period.expires, calendar),
            left: token::left(&ask, days),
            state: ask.say(&condition).to_owned(),
            tone: lines::tone(&l.token, calendar, &ask),
            role: share.role.clone(),
            from: token::from_stage(&ask, share.from_stage),
            next: next.map(|d| (when::day(d.slot, calendar), d.stage.days())),
            name: l.token.facts.name,
            id: l.token.id,
        });
    }
    let mails = MailFilter {
        fate: Fate::All,
        recipient: Some(key.clone()),
        ..MailFilter::default()
    };
    let part = Slice {
        from: 0,
        rows: MAILS,
    };
    let mails = store.find_mails(&mails, part).await?;
    let mails = store.mails_of(&mails).await?;
    let unreached = store.unreachable(ask.now).await?;
    let unreached = unreached.iter().find(|u| u.recipient == key);
    let view = View {
        person: line(&ask, &person),
        unreached: unreached.map(|u| ask.say(&reach::told(u, calendar)).to_owned()),
        rows,
        pager,
        mails: mails.iter().map(|m| lines::mail(&ask, m)).collect(),
        key,
    };
    let name = person.name.unwrap_or(person.address);
    let title = Text {
        en: name.clone(),
        fr: name,
    };
    Ok(ask.page(Section::Recipients, &title, "recipient.html", &view))
}
