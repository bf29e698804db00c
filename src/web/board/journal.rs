//! The journal: who changed what, and what became of mails, the newest first.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use serde::Serialize;

use crate::domain::language::{Text, text};
use crate::store::Result;
use crate::store::board::journal::{EventFilter, Place, Start};
use crate::web::board::lines::{self, EventLine};
use crate::web::board::query::ROWS;
use crate::web::board::{Ask, Section, csv, outbox};
use crate::web::{Live, Unready};
use crate::words::event;

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/journal", get(page))
        .route("/journal.csv", get(file))
}

/// What became of mails, as the journal names it.
const MAILS: [&str; 9] = [
    "mail_sent",
    "mail_deferred",
    "mail_refused",
    "mail_bounced",
    "mail_delayed",
    "mail_parked",
    "mail_failed",
    "mail_in_doubt",
    "mail_returned",
];

#[derive(Serialize)]
struct View<'a> {
    rows: Vec<EventLine>,
    unknown: Vec<&'a str>,
    whats: Vec<Choice>,
    who: &'a str,
    token: &'a str,
    from: &'a str,
    to: &'a str,
    latest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    csv: String,
    is_filtered: bool,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    is_chosen: bool,
}

async fn page(ask: Ask) -> std::result::Result<Response, Unready> {
    let store = &ask.site.reader;
    let kinds = kinds(&ask).await?;
    let (filter, unknown) = asked(&ask, &kinds).await?;
    let from = place(&ask);
    let page = if unknown.is_empty() {
        Some(store.journal_page(&filter, from, ROWS).await?)
    } else {
        None
    };
    let link = |of: &str, place: Place| {
        let other = if of == "before" { "after" } else { "before" };
        let Place { entry, attempt } = place;
        ask.query
            .without(other)
            .with(of, &format!("{entry}-{attempt}"))
    };
    let (older, newer) = page.as_ref().map_or((None, None), |p| (p.older, p.newer));
    let of = |name| ask.query.get(name).unwrap_or_default();
    let view = View {
        rows: page
            .iter()
            .flat_map(|p| &p.events)
            .map(|e| lines::event(&ask, e))
            .collect(),
        unknown: unknown.iter().map(|t| ask.say(t)).collect(),
        whats: kinds
            .into_iter()
            .map(|value| Choice {
                is_chosen: value == of("what"),
                value,
            })
            .collect(),
        who: of("who"),
        token: of("token"),
        from: of("from"),
        to: of("to"),
        latest: (from != Start::Latest).then(|| ask.query.without("after").with("before", "")),
        newer: newer.map(|p| link("after", p)),
        older: older.map(|p| link("before", p)),
        csv: ask.query.without("after").with("before", ""),
        is_filtered: filter != EventFilter::default(),
    };
    let title = text!("Journal", "Journal");
    Ok(ask.page(Section::Journal, &title, "journal.html", &view))
}

async fn file(ask: Ask) -> std::result::Result<Response, Unready> {
    let kinds = kinds(&ask).await?;
    let (filter, unknown) = asked(&ask, &kinds).await?;
    let head = ask.lang.pick(
        ["when", "who", "what", "token", "words"],
        ["quand", "qui", "quoi", "jeton", "en clair"],
    );
    let mut sheet = csv::Sheet::new(&head);
    let mut from = unknown.is_empty().then_some(Start::Latest);
    let mut rows = 0;
    while let Some(here) = from
        && rows < csv::MOST
    {
        let page = ask
            .site
            .reader
            .journal_page(&filter, here, csv::CHUNK)
            .await?;
        for e in &page.events {
            sheet.row(&[
                e.at.with_timezone(&ask.calendar().tz)
                    .format("%Y-%m-%d %H:%M:%S")
                    .to_string(),
                ask.say(&event::who(&e.who)).to_owned(),
                e.what.clone(),
                e.token.clone().unwrap_or_default(),
                ask.say(&event::said(e, ask.calendar())).to_owned(),
            ]);
            rows += 1;
        }
        from = page.older.map(Start::Before);
    }
    Ok(sheet.answer("journal"))
}

async fn kinds(ask: &Ask) -> Result<Vec<String>> {
    let mut kinds = ask.site.reader.kinds_of_events().await?;
    kinds.extend(MAILS.map(str::to_owned));
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// Where to read on; what is no place is the beginning.
fn place(ask: &Ask) -> Start {
    let read = |name| {
        let (entry, attempt) = ask.query.get(name)?.split_once('-')?;
        let number = |n: &str| n.parse::<i64>().ok().filter(|n| *n >= 0);
        Some(Place {
            entry: number(entry)?,
            attempt: number(attempt)?,
        })
    };
    read("before")
        .map(Start::Before)
        .or_else(|| read("after").map(Start::After))
        .unwrap_or(Start::Latest)
}

/// Reads the filters, and what of them does not exist.
async fn asked(ask: &Ask, kinds: &[String]) -> Result<(EventFilter, Vec<Text>)> {
    let mut unknown = Vec::new();
    let what = ask.query.get("what").map(str::to_owned);
    if let Some(what) = what.as_ref().filter(|w| !kinds.contains(w)) {
        unknown.push(text!(
            "Nothing of this kind is on record: {what}",
            "Rien de ce genre au registre : {what}"
        ));
    }
    let token = match ask.query.get("token") {
        None => None,
        Some(id) => {
            let token = ask.site.reader.token(id).await?;
            if token.is_none() {
                unknown.push(outbox::no_token(id));
            }
            token.map(|t| t.no)
        }
    };
    let mut day = |name| -> Option<NaiveDate> {
        let written = ask.query.get(name)?;
        let day = NaiveDate::parse_from_str(written, "%Y-%m-%d").ok();
        // Beyond these years no calendar is asked.
        let day = day.filter(|d| (1970..9000).contains(&d.year()));
        if day.is_none() {
            unknown.push(text!(
                "This is not a date: {written}. Write it as 2026-11-23.",
                "Ce n’est pas une date : {written}. L’écrire 2026-11-23."
            ));
        }
        day
    };
    let (since, until) = (day("from"), day("to"));
    let begins = |day: NaiveDate| -> DateTime<Utc> { ask.calendar().start_of_day(day) };
    let filter = EventFilter {
        who: ask.query.get("who").map(str::to_owned),
        what,
        token,
        since: since.map(begins),
        until: until.and_then(|d| d.succ_opt()).map(begins),
    };
    Ok((filter, unknown))
}
