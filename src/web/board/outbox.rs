//! The list of mails: what leaves next and what needs a person first; as a page and as a file.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::domain::language::{Text, text};
use crate::store::Result;
use crate::store::board::mails::{Fate, MailFilter};
use crate::store::outbox::MailState;
use crate::web::board::lines::{self, MailLine};
use crate::web::board::pager::Pager;
use crate::web::board::{Ask, Section, csv, mail, tokens};
use crate::web::{Live, Unready};
use crate::words::{mail as words, when};

pub(super) fn routes() -> Router<Live> {
    Router::new()
        .route("/outbox", get(page))
        .route("/outbox.csv", get(file))
        .route("/outbox/{no}", get(mail::page))
}

#[derive(Serialize)]
struct View<'a> {
    rows: Vec<MailLine>,
    pager: Pager,
    unknown: Vec<&'a str>,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    recipient: &'a str,
    token: &'a str,
    csv: String,
    is_filtered: bool,
    /// Whether mails are held: an operator can let them leave.
    is_held: bool,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

const STATES: [MailState; 10] = [
    MailState::Queued,
    MailState::Claimed,
    MailState::InDoubt,
    MailState::Deferred,
    MailState::Held,
    MailState::Sent,
    MailState::Refused,
    MailState::Parked,
    MailState::Failed,
    MailState::Cancelled,
];

async fn page(ask: Ask) -> std::result::Result<Response, Unready> {
    let store = &ask.site.reader;
    let kinds = kinds(&ask).await?;
    let (filter, unknown) = asked(&ask, &kinds).await?;
    let (pager, mails) = if unknown.is_empty() {
        let count = store.count_mails(&filter).await?;
        let (pager, slice) = Pager::of(&ask, count);
        let nos = store.find_mails(&filter, slice).await?;
        (pager, store.mails_of(&nos).await?)
    } else {
        (Pager::of(&ask, <_>::default()).0, Vec::new())
    };
    let open = store.open_mail_counts().await?;
    let of = |name| ask.query.get(name).unwrap_or_default();
    let view = View {
        rows: mails.iter().map(|m| lines::mail(&ask, m)).collect(),
        pager,
        unknown: unknown.iter().map(|t| ask.say(t)).collect(),
        states: states(&ask),
        kinds: kinds
            .into_iter()
            .map(|kind| Choice {
                name: ask.say(&words::note(&kind)).to_owned(),
                is_chosen: kind == of("kind"),
                value: kind,
            })
            .collect(),
        recipient: of("recipient"),
        token: of("token"),
        csv: ask.query.with("page", ""),
        is_filtered: filter != MailFilter::default(),
        is_held: open.iter().any(|(s, n)| *s == MailState::Held && *n > 0),
    };
    let title = text!("Outbox", "Courriels");
    Ok(ask.page(Section::Outbox, &title, "outbox.html", &view))
}

async fn file(ask: Ask) -> std::result::Result<Response, Unready> {
    let store = &ask.site.reader;
    let kinds = kinds(&ask).await?;
    let (filter, unknown) = asked(&ask, &kinds).await?;
    let head = ask.lang.pick(
        [
            "mail",
            "state",
            "when",
            "to",
            "about",
            "made",
            "attempts",
            "last reply",
            "Message-ID",
        ],
        [
            "courriel",
            "état",
            "quand",
            "à",
            "concerne",
            "créé",
            "essais",
            "dernière réponse",
            "Message-ID",
        ],
    );
    let mut sheet = csv::Sheet::new(&head);
    if unknown.is_empty() {
        let nos = store.find_mails(&filter, csv::ALL).await?;
        for nos in nos.chunks(csv::CHUNK) {
            for m in store.mails_of(nos).await? {
                let l = lines::mail(&ask, &m);
                sheet.row(&[
                    l.no.to_string(),
                    l.state,
                    l.when,
                    l.to,
                    l.about,
                    when::minute(m.created_at, ask.calendar()),
                    m.attempts.to_string(),
                    l.reply.unwrap_or_default(),
                    m.message_id,
                ]);
            }
        }
    }
    Ok(sheet.answer(ask.lang.pick("outbox", "courriels")))
}

/// The kinds of mails that can be asked for.
async fn kinds(ask: &Ask) -> Result<Vec<String>> {
    let mut kinds = vec!["reminder".to_owned()];
    kinds.extend(ask.site.reader.kinds_of_mails().await?);
    Ok(kinds)
}

/// Reads the filters, and what of them does not exist.
async fn asked(ask: &Ask, kinds: &[String]) -> Result<(MailFilter, Vec<Text>)> {
    let store = &ask.site.reader;
    let mut unknown = Vec::new();
    let fate = match ask.query.get("state") {
        None => Fate::Unfinished,
        Some("all") => Fate::All,
        Some(written) => MailState::from_word(written).map_or_else(
            || {
                unknown.push(text!(
                    "There is no such state: {written}",
                    "Il n’y a pas d’état de ce nom : {written}"
                ));
                Fate::All
            },
            Fate::In,
        ),
    };
    let kind = ask.query.get("kind").map(str::to_owned);
    if let Some(kind) = kind.as_ref().filter(|k| !kinds.contains(k)) {
        unknown.push(text!(
            "There is no mail of this kind: {kind}",
            "Il n’y a pas de courriel de ce genre : {kind}"
        ));
    }
    let recipient = ask.query.get("recipient").map(tokens::key);
    let token = match ask.query.get("token") {
        None => None,
        Some(id) => {
            let token = store.token(id).await?;
            if token.is_none() {
                unknown.push(no_token(id));
            }
            token.map(|t| t.no)
        }
    };
    let filter = MailFilter {
        fate,
        kind,
        recipient,
        token,
    };
    Ok((filter, unknown))
}

pub(super) fn no_token(id: &str) -> Text {
    text!(
        "There is no such token: {id}",
        "Il n’y a pas de jeton de ce nom : {id}"
    )
}

fn states(ask: &Ask) -> Vec<Choice> {
    let made = ask.query.get("state").unwrap_or_default();
    let choice = |value: &str, name: &Text| Choice {
        name: ask.say(name).to_owned(),
        is_chosen: value == made,
        value: value.to_owned(),
    };
    let open = text!("open, or to be looked at", "en cours, ou à regarder");
    let mut states = vec![choice("", &open), choice("all", &text!("all", "tous"))];
    states.extend(STATES.map(|s| choice(s.word(), &words::word(s))));
    states
}
