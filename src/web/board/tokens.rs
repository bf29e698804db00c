//! The list of tokens: searched, filtered, sorted; as a page and as a file.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;

use crate::domain::address::Address;
use crate::domain::language::{Text, text};
use crate::domain::verdict::{Bearing, Verdict};
use crate::store::Result;
use crate::store::board::tokens::{
    Heard, OfClient, Reach, Standing, Today, TokenFilter, TokenOrder,
};
use crate::store::board::{Count, Search};
use crate::web::board::lines::{self, Choice, TokenLine};
use crate::web::board::pager::Pager;
use crate::web::board::{Ask, Section, csv, token};
use crate::web::{Live, Unready};

/// The client of the tokens that have none, in addresses; no key looks so.
pub(super) const NO_CLIENT: &str = "(none)";

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/tokens", get(page))
        .route("/tokens.csv", get(file))
        .route("/tokens/{id}", get(token::page))
}

/// What was asked for.
pub(super) struct Asked {
    pub(super) filter: TokenFilter,
    pub(super) order: TokenOrder,
    /// What of it does not exist: then nothing is listed.
    pub(super) unknown: Vec<Text>,
}

#[derive(Serialize)]
struct View<'a> {
    rows: Vec<TokenLine>,
    pager: Pager,
    unknown: Vec<&'a str>,
    states: Vec<Choice>,
    reaches: Vec<Choice>,
    /// Empty where nothing was ever asked.
    verdicts: Vec<Choice>,
    sorts: Vec<Choice>,
    q: &'a str,
    client: &'a str,
    tag: &'a str,
    recipient: &'a str,
    csv: String,
    is_filtered: bool,
}

async fn page(ask: Ask) -> std::result::Result<Response, Unready> {
    let asked = asked(&ask).await?;
    let today = Today::at(ask.calendar(), ask.now);
    let (pager, rows) = if asked.unknown.is_empty() {
        let (pager, nos) = found(&ask, &asked, &today).await?;
        let schedule = lines::schedule(&ask).await?;
        (pager, lines::tokens(&ask, &nos, &schedule).await?)
    } else {
        (Pager::of(&ask, <_>::default()).0, Vec::new())
    };
    let is_heard = asked.filter.heard.is_some() || ask.site.reader.has_probed().await?;
    let of = |name| ask.query.get(name).unwrap_or_default();
    let view = View {
        rows,
        pager,
        unknown: asked.unknown.iter().map(|t| ask.say(t)).collect(),
        states: lines::choices(&ask, "state", &states()),
        reaches: lines::choices(&ask, "reach", &reaches()),
        verdicts: if is_heard {
            lines::choices(&ask, "verdict", &verdicts())
        } else {
            Vec::new()
        },
        sorts: lines::choices(&ask, "sort", &sorts()),
        q: of("q"),
        client: of("client"),
        tag: of("tag"),
        recipient: of("recipient"),
        csv: ask.query.with("page", ""),
        is_filtered: asked.filter != TokenFilter::default(),
    };
    let title = text!("Tokens", "Jetons");
    Ok(ask.page(Section::Tokens, &title, "tokens.html", &view))
}

/// The rows of the page. A search looks at every token, so it does it once, and counts by the way.
async fn found(ask: &Ask, asked: &Asked, today: &Today) -> Result<(Pager, Vec<i64>)> {
    let store = &ask.site.reader;
    let (filter, order) = (&asked.filter, asked.order);
    if filter.search.is_empty() {
        let count = store.count_tokens(filter, today).await?;
        let (pager, slice) = Pager::of(ask, count);
        return Ok((pager, store.find_tokens(filter, order, today, slice).await?));
    }
    let all = store.find_tokens(filter, order, today, csv::ALL).await?;
    let rows = i64::try_from(all.len()).unwrap_or(csv::MOST);
    let count = Count {
        rows,
        is_more: rows == csv::MOST,
    };
    let (pager, slice) = Pager::of(ask, count);
    let part = |n: i64| usize::try_from(n).unwrap_or_default();
    let nos = all
        .into_iter()
        .skip(part(slice.from))
        .take(part(slice.rows));
    Ok((pager, nos.collect()))
}

async fn file(ask: Ask) -> std::result::Result<Response, Unready> {
    let asked = asked(&ask).await?;
    let today = Today::at(ask.calendar(), ask.now);
    let head = ask.lang.pick(
        [
            "id",
            "name",
            "client",
            "expires",
            "days left",
            "state",
            "next reminder",
            "stage",
            "recipients",
            "out of reach",
            "API Entreprise says",
        ],
        [
            "identifiant",
            "nom",
            "client",
            "expire le",
            "jours restants",
            "état",
            "prochain rappel",
            "étape",
            "destinataires",
            "injoignables",
            "selon API Entreprise",
        ],
    );
    let mut sheet = csv::Sheet::new(&head);
    if asked.unknown.is_empty() {
        let nos = ask
            .site
            .reader
            .find_tokens(&asked.filter, asked.order, &today, csv::ALL)
            .await?;
        let schedule = lines::schedule(&ask).await?;
        for nos in nos.chunks(csv::CHUNK) {
            for l in lines::tokens(&ask, nos, &schedule).await? {
                let (next, stage) = l
                    .next
                    .map_or_else(Default::default, |(day, stage)| (day, stage.to_string()));
                sheet.row(&[
                    l.id,
                    l.name,
                    l.client.unwrap_or_default(),
                    l.expires,
                    l.days.to_string(),
                    l.state,
                    next,
                    stage,
                    l.told.to_string(),
                    l.unreachable.to_string(),
                    l.heard.map(|(said, _)| said).unwrap_or_default(),
                ]);
            }
        }
    }
    Ok(sheet
        .answer(ask.lang.pick("tokens", "jetons"))
        .into_response())
}

/// Reads the filters.
async fn asked(ask: &Ask) -> Result<Asked> {
    let store = &ask.site.reader;
    let mut unknown = Vec::new();
    let standing = match ask.query.get("state") {
        None => Standing::default(),
        Some(written) => standing(written).unwrap_or_else(|| {
            unknown.push(text!(
                "There is no such state: {written}",
                "Il n’y a pas d’état de ce nom : {written}"
            ));
            Standing::default()
        }),
    };
    let order = match ask.query.get("sort") {
        None | Some("expiry") => TokenOrder::Expiry,
        Some("name") => TokenOrder::Name,
        Some("client") => TokenOrder::Client,
        Some(written) => {
            unknown.push(text!(
                "There is no such order: {written}",
                "Il n’y a pas d’ordre de ce nom : {written}"
            ));
            TokenOrder::default()
        }
    };
    let reach = match ask.query.get("reach") {
        None => None,
        Some("one") => Some(Reach::One),
        Some("nobody") => Some(Reach::Nobody),
        Some(written) => {
            unknown.push(text!(
                "There is no such choice: {written}",
                "Il n’y a pas de choix de ce nom : {written}"
            ));
            None
        }
    };
    let heard = match ask.query.get("verdict") {
        None => None,
        Some(written) => {
            let heard = heard(written);
            if heard.is_none() {
                unknown.push(text!(
                    "There is no such verdict: {written}",
                    "Il n’y a pas de verdict de ce nom : {written}"
                ));
            }
            heard
        }
    };
    let client = match ask.query.get("client") {
        None => None,
        Some(NO_CLIENT) => Some(OfClient::None),
        Some(key) => {
            let today = Today::at(ask.calendar(), ask.now);
            if store.client(Some(key), &today).await?.is_none() {
                unknown.push(text!(
                    "There is no such client: {key}",
                    "Il n’y a pas de client de ce nom : {key}"
                ));
            }
            Some(OfClient::Key(key.to_owned()))
        }
    };
    let tag = ask.query.get("tag").map(str::to_owned);
    if let Some(tag) = &tag
        && !store.has_tag(tag).await?
    {
        unknown.push(text!(
            "There is no such tag: {tag}",
            "Il n’y a pas d’étiquette de ce nom : {tag}"
        ));
    }
    let recipient = ask.query.get("recipient").map(key);
    if let Some(key) = &recipient
        && store
            .people_of(std::slice::from_ref(key), ask.now)
            .await?
            .is_empty()
    {
        unknown.push(no_person(key));
    }
    Ok(Asked {
        filter: TokenFilter {
            standing,
            search: Search::of(ask.query.get("q").unwrap_or_default()),
            client,
            tag,
            recipient,
            reach,
            heard,
        },
        order,
        unknown,
    })
}

pub(super) fn no_person(key: &str) -> Text {
    text!(
        "There is no such recipient: {key}",
        "Il n’y a pas de destinataire de ce nom : {key}"
    )
}

/// The key of an address as a person types it; pseudonyms are keys already.
pub(super) fn key(written: &str) -> String {
    Address::parse(written).map_or_else(|_| written.to_lowercase(), |a| a.key())
}

fn standing(written: &str) -> Option<Standing> {
    Some(match written {
        "active" => Standing::Active,
        "expired" => Standing::Expired,
        "urgent" => Standing::Urgent,
        "to-renew" => Standing::ToRenew,
        "filed" => Standing::Filed,
        "declared" => Standing::Declared,
        "snoozed" => Standing::Snoozed,
        "archived" => Standing::Archived,
        "superseded" => Standing::Superseded,
        "revoked" => Standing::Revoked,
        "all" => Standing::All,
        _ => return None,
    })
}

fn heard(written: &str) -> Option<Heard> {
    Some(match written {
        "works" => Heard::Works,
        "refused" => Heard::Refused,
        "outlives" => Heard::Outlives,
        "hindered" => Heard::Hindered,
        word => Heard::Is(Verdict::from_word(word).filter(|v| v.bearing() != Bearing::Nothing)?),
    })
}

fn verdicts() -> Vec<(&'static str, Text)> {
    let mut choices = vec![
        ("", text!("anything", "peu importe")),
        ("works", text!("it works", "il fonctionne")),
        ("refused", text!("it is refused", "il est refusé")),
        (
            "outlives",
            text!("it works past its date", "il fonctionne après sa date"),
        ),
        (
            "hindered",
            text!("it cannot be asked", "il ne peut pas être vérifié"),
        ),
    ];
    let dead = Verdict::ALL.iter().filter(|v| v.bearing() == Bearing::Dead);
    choices.extend(dead.map(|v| (v.word(), v.in_short())));
    choices
}

fn states() -> Vec<(&'static str, Text)> {
    vec![
        ("", text!("watched", "surveillés")),
        ("expired", text!("expired", "expirés")),
        (
            "urgent",
            text!("urgent: 15 days at most", "urgents : 15\u{a0}jours au plus"),
        ),
        (
            "to-renew",
            text!(
                "to renew: 90 days at most",
                "à renouveler : 90\u{a0}jours au plus"
            ),
        ),
        ("filed", text!("request filed", "demande déposée")),
        (
            "declared",
            text!("renewal declared", "renouvellement déclaré"),
        ),
        ("snoozed", text!("put off", "en sommeil")),
        ("archived", text!("archived", "archivés")),
        ("superseded", text!("superseded", "remplacés")),
        ("revoked", text!("revoked", "révoqués")),
        ("all", text!("all", "tous")),
    ]
}

fn reaches() -> Vec<(&'static str, Text)> {
    vec![
        ("", text!("anybody", "n’importe qui")),
        (
            "one",
            text!(
                "one person only, the contact aside",
                "une seule personne, contact mis à part"
            ),
        ),
        ("nobody", text!("nobody", "personne")),
    ]
}

fn sorts() -> Vec<(&'static str, Text)> {
    vec![
        ("", text!("expiry", "expiration")),
        ("name", text!("name", "nom")),
        ("client", text!("client", "client")),
    ]
}
