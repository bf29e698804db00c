//! The clients of an editor, and one of them with its tokens.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::domain::language::{Text, text};
use crate::store::board::people::{ClientRow, PersonFilter};
use crate::store::board::tokens::{OfClient, Standing, Today, TokenFilter, TokenOrder};
use crate::store::board::{Search, Slice};
use crate::web::board::lines::{self, TokenLine, segment};
use crate::web::board::pager::Pager;
use crate::web::board::recipients::{self, PersonLine};
use crate::web::board::tokens::NO_CLIENT;
use crate::web::board::{Ask, Section, csv};
use crate::web::{Live, Unready};
use crate::words::when;

/// People that the page of a client shows; a link leads to all of them.
const PEOPLE: i64 = 100;

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/clients", get(list))
        .route("/clients.csv", get(file))
        .route("/clients/{key}", get(page))
}

#[derive(Serialize)]
struct ClientLine {
    name: String,
    path: String,
    key: String,
    active: i64,
    other: i64,
    expired: i64,
    urgent: i64,
    next: Option<String>,
    contacts: String,
}

#[derive(Serialize)]
struct ListView<'a> {
    rows: Vec<ClientLine>,
    pager: Pager,
    q: &'a str,
    csv: String,
}

#[derive(Serialize)]
struct View {
    client: ClientLine,
    rows: Vec<TokenLine>,
    pager: Pager,
    people: Vec<PersonLine>,
    people_total: i64,
}

fn name(ask: &Ask, c: &ClientRow) -> String {
    match (&c.name, &c.key) {
        (Some(name), _) => name.clone(),
        (None, Some(key)) => key.clone(),
        (None, None) => ask.say(&without()).to_owned(),
    }
}

fn without() -> Text {
    text!("Without a client", "Sans client")
}

fn line(ask: &Ask, c: &ClientRow) -> ClientLine {
    ClientLine {
        name: name(ask, c),
        path: segment(c.key.as_deref().unwrap_or(NO_CLIENT)),
        key: c.key.clone().unwrap_or_else(|| NO_CLIENT.to_owned()),
        active: c.active,
        other: c.tokens - c.active,
        expired: c.expired,
        urgent: c.urgent,
        next: c.next.map(|at| when::day(at, ask.calendar())),
        contacts: c.contacts.join(", "),
    }
}

async fn list(ask: Ask) -> Result<Response, Unready> {
    let store = &ask.site.reader;
    let today = Today::at(ask.calendar(), ask.now);
    let search = Search::of(ask.query.get("q").unwrap_or_default());
    let count = store.count_clients(&search).await?;
    let (pager, slice) = Pager::of(&ask, count);
    let clients = store.clients(&search, &today, slice).await?;
    let view = ListView {
        rows: clients.iter().map(|c| line(&ask, c)).collect(),
        pager,
        q: ask.query.get("q").unwrap_or_default(),
        csv: ask.query.with("page", ""),
    };
    let title = text!("Clients", "Clients");
    Ok(ask.page(Section::Clients, &title, "clients.html", &view))
}

async fn file(ask: Ask) -> Result<Response, Unready> {
    let today = Today::at(ask.calendar(), ask.now);
    let search = Search::of(ask.query.get("q").unwrap_or_default());
    let head = ask.lang.pick(
        [
            "client",
            "key",
            "watched tokens",
            "no longer watched",
            "expired",
            "urgent",
            "next expiry",
            "contacts",
        ],
        [
            "client",
            "clé",
            "jetons surveillés",
            "plus surveillés",
            "expirés",
            "urgents",
            "prochaine expiration",
            "contacts",
        ],
    );
    let mut sheet = csv::Sheet::new(&head);
    let clients = ask.site.reader.clients(&search, &today, csv::ALL).await?;
    for c in clients {
        let l = line(&ask, &c);
        sheet.row(&[
            l.name,
            c.key.unwrap_or_default(),
            l.active.to_string(),
            l.other.to_string(),
            l.expired.to_string(),
            l.urgent.to_string(),
            l.next.unwrap_or_default(),
            l.contacts,
        ]);
    }
    Ok(sheet.answer("clients"))
}

async fn page(Path(key): Path<String>, ask: Ask) -> Result<Response, Unready> {
    let store = &ask.site.reader;
    let today = Today::at(ask.calendar(), ask.now);
    let own = (key != NO_CLIENT).then_some(key.as_str());
    let Some(client) = store.client(own, &today).await? else {
        return Ok(ask.missing(Section::Clients));
    };
    let filter = TokenFilter {
        standing: Standing::All,
        client: Some(own.map_or(OfClient::None, |key| OfClient::Key(key.to_owned()))),
        ..TokenFilter::default()
    };
    let count = store.count_tokens(&filter, &today).await?;
    let (pager, slice) = Pager::of(&ask, count);
    let nos = store
        .find_tokens(&filter, TokenOrder::Expiry, &today, slice)
        .await?;
    let schedule = lines::schedule(&ask).await?;
    let people = PersonFilter {
        client: own.map(str::to_owned),
        ..PersonFilter::default()
    };
    let (people, people_total) = match own {
        // Whoever is told about a token without a client is in the list of all.
        None => (Vec::new(), 0),
        Some(_) => {
            let total = store.count_people(&people, ask.now).await?.rows;
            let part = Slice {
                from: 0,
                rows: PEOPLE,
            };
            let keys = store.find_people(&people, ask.now, part).await?;
            (store.people_of(&keys, ask.now).await?, total)
        }
    };
    let view = View {
        client: line(&ask, &client),
        rows: lines::tokens(&ask, &nos, &schedule).await?,
        pager,
        people: people.iter().map(|p| recipients::line(&ask, p)).collect(),
        people_total,
    };
    let name = name(&ask, &client);
    let title = Text {
        en: name.clone(),
        fr: name,
    };
    Ok(ask.page(Section::Clients, &title, "client.html", &view))
}
