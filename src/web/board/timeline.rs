//! The timeline: tokens, the first to expire first, each with its bar and its stages; a page of
//! them, filtered as the list is.

mod axis;
mod chart;
mod lanes;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::domain::language::text;
use crate::store::board::home::Among;
use crate::web::board::home::standing::{Group, Standing};
use crate::web::board::query::ROWS;
use crate::web::board::{Ask, Section};
use crate::web::{Live, Unready};

pub(in crate::web::board) use self::axis::{AHEAD, month, month_name, percent};
pub(in crate::web::board) use self::chart::Chart;
pub(in crate::web::board) use self::lanes::{Lane, lanes};

pub(super) fn routes() -> Router<Live> {
    Router::new().route("/timeline", get(timeline))
}

#[derive(Serialize)]
struct View {
    groups: Vec<Choice>,
    client: String,
    tag: String,
    filtered: bool,
    all: usize,
    from: usize,
    to: usize,
    earlier: Option<String>,
    later: Option<String>,
    chart: Chart,
}

/// A state that one may choose.
#[derive(Serialize)]
struct Choice {
    word: &'static str,
    name: String,
    chosen: bool,
}

async fn timeline(ask: Ask) -> Result<Response, Unready> {
    let said = |name| ask.query.get(name).map(str::to_owned);
    let among = Among {
        client: said("client"),
        tag: said("tag"),
    };
    let group = ask.query.get("state").and_then(Group::from_word);
    let (reader, calendar) = (&ask.site.reader, ask.calendar());
    let spoken = reader.spoken().await?;
    let standing = Standing::of(reader.endings(&among).await?, &spoken, calendar, ask.now);
    let rows = standing.rows(group.unwrap_or(Group::Active));
    let (all, last) = (rows.len(), rows.len().div_ceil(ROWS).max(1));
    let page = ask.query.page().min(last);
    let from = (page - 1) * ROWS;
    let shown: Vec<i64> = rows.iter().skip(from).take(ROWS).copied().collect();
    let lanes = lanes(reader, calendar, &shown, &spoken, ask.now).await?;
    let to_page = |n: usize| ask.query.with("page", &n.to_string());
    let view = View {
        groups: Group::ALL
            .iter()
            .map(|of| Choice {
                word: of.word(),
                name: ask.say(&of.name()).to_owned(),
                chosen: Some(*of) == group,
            })
            .collect(),
        filtered: group.is_some() || among != Among::default(),
        client: among.client.unwrap_or_default(),
        tag: among.tag.unwrap_or_default(),
        all,
        from: from + 1,
        to: from + lanes.len(),
        earlier: (page > 1).then(|| to_page(page - 1)),
        later: (page < last).then(|| to_page(page + 1)),
        chart: Chart::of(&lanes, calendar, ask.lang, ask.now),
    };
    let title = text!("Timeline", "Frise");
    Ok(ask.page(Section::Timeline, &title, "timeline.html", &view))
}
