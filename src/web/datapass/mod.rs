//! `POST /webhooks/datapass`: what Data Pass says, signed, kept before it is answered for.
//!
//! Data Pass sends again whatever is not answered with 200, for days: a store that cannot be
//! written in time is answered with 503, and nothing is lost. A duplicate is answered as the
//! first one was. Of what is refused nothing is kept but that it was.

mod signature;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::SecretSource;
use crate::domain::datapass::Event;
use crate::domain::language::text;
use crate::domain::lifecycle::Who;
use crate::renewal::datapass::payload::{self, Unusable};
use crate::renewal::datapass::{Rules, receive};
use crate::store::journal::Entry;
use crate::store::{Result, Store};
use crate::web::answer::{self, later, plain};
use crate::web::{Live, Site, Unready};

pub(super) use self::tally::Matter;
use self::tally::Tally;

/// Where webhooks come in.
pub(super) const PATH: &str = "/webhooks/datapass";

/// An answer comes within a second, whatever the store does.
const PATIENCE: Duration = Duration::from_millis(800);

/// Events that may wait for the store at once; the next one is sent again.
const WAITING: usize = 64;

/// What is done with webhooks under one configuration.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Where the secrets are; read for each webhook, so that a rotation needs no reload.
    pub secrets: Vec<SecretSource>,
    /// By what an event is measured.
    pub rules: Rules,
}

/// What outlives a configuration.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    tally: Arc<Tally>,
    waiting: Arc<Semaphore>,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            tally: Arc::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }
}

pub(super) fn routes() -> Router<Live> {
    Router::new().route(PATH, any(webhook))
}

/// A webhook whose body is too large to be read.
pub(super) async fn note_too_large(live: &Live) {
    let site = live.site();
    if site.datapass.is_some() {
        note(live, &site, Matter::TooLarge, None).await;
    }
}

async fn webhook(
    State(live): State<Live>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let site = live.site();
    let Some(webhooks) = &site.datapass else {
        return answer::not_found().await;
    };
    if method != Method::POST {
        return answer::wrong_method().await;
    }
    let secrets = match read(webhooks.secrets.clone()).await {
        secrets if secrets.is_empty() => {
            note(&live, &site, Matter::NoSecret, None).await;
            return not_now();
        }
        secrets => secrets,
    };
    let signature = signature::of(&headers);
    if !signature.is_some_and(|s| signature::holds(&s, &body, &secrets)) {
        note(&live, &site, Matter::Unsigned, None).await;
        return plain(
            StatusCode::UNAUTHORIZED,
            &text!(
                "The signature is missing or does not hold.",
                "La signature manque ou n’est pas valable."
            ),
        );
    }
    match payload::read(&body, (site.now)()) {
        Ok(payload::Said::Event(event)) => keep(&live, &site, webhooks.rules.clone(), *event).await,
        Ok(payload::Said::Test) => {
            note(&live, &site, Matter::Test, None).await;
            taken()
        }
        Err(Unusable::NotJson) => {
            note(&live, &site, Matter::NotJson, None).await;
            plain(
                StatusCode::BAD_REQUEST,
                &text!("This is not JSON.", "Ceci n’est pas du JSON."),
            )
        }
        Err(Unusable::Shape(part)) => {
            note(&live, &site, Matter::Shape, Some(part)).await;
            plain(
                StatusCode::UNPROCESSABLE_ENTITY,
                &text!(
                    "This is no event of Data Pass: `{part}` is missing or cannot be used.",
                    "Ceci n’est pas un événement de Data Pass : `{part}` manque ou est inutilisable."
                ),
            )
        }
    }
}

/// The answer to whatever is on record.
fn taken() -> Response {
    plain(StatusCode::OK, &text!("Received.", "Reçu."))
}

fn not_now() -> Response {
    later(&text!(
        "This cannot be answered for now. Please send it again: what comes twice counts once.",
        "Impossible de le confirmer pour l’instant. Merci de le renvoyer : ce qui arrive deux fois compte une fois."
    ))
}

/// The secrets that can be read. What is wrong with the others is logged with its place.
async fn read(sources: Vec<SecretSource>) -> Vec<SecretString> {
    let read = tokio::task::spawn_blocking(move || {
        sources
            .iter()
            .filter_map(|source| match source.resolve() {
                Ok(secret) => Some(secret),
                Err(e) => {
                    tracing::debug!(error = %e, "a secret of [datapass] cannot be read");
                    None
                }
            })
            .collect()
    });
    read.await.expect("reading a file does not panic")
}

/// Keeps an event and answers for it, or says in time that it has to come again.
async fn keep(live: &Live, site: &Arc<Site>, rules: Rules, event: Event) -> Response {
    let (store, now) = (site.store.clone(), (site.now)());
    let (number, kind) = (event.number.clone(), event.kind.clone());
    let (number, kind) = (number.as_str(), kind.word());
    let work = async move { receive(&store, &rules, &event, now).await };
    match in_time(live, work).await {
        Some(Ok(received)) => {
            tracing::info!(
                number,
                event = kind,
                arrival = ?received.arrival,
                tokens = received.tokens.len(),
                "a webhook of Data Pass is kept"
            );
            taken()
        }
        Some(Err(e)) => Unready::from(e).into_response(),
        None => {
            tracing::warn!(
                number,
                event = kind,
                "the store is busy: a webhook has to come again"
            );
            not_now()
        }
    }
}

/// Does work on the store, for as long as it takes; `None`: the answer cannot wait for it, or
/// too much waits already.
async fn in_time<T: Send + 'static>(
    live: &Live,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Option<Result<T>> {
    let place = Arc::clone(&live.webhooks.waiting)
        .try_acquire_owned()
        .ok()?;
    // Its task goes on when nobody waits any more: work on the store is never broken off.
    let task = tokio::spawn(async move {
        let done = work.await;
        if let Err(e) = &done {
            tracing::debug!(error = %e, "a webhook could not be recorded");
        }
        drop(place);
        done
    });
    match timeout(PATIENCE, task).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(panicked)) => {
            tracing::error!(error = %panicked, "a webhook ended in a panic");
            None
        }
        Err(_) => None,
    }
}

/// Counts what was not taken, and has journal and log hear of it now and then. Nothing of the
/// request is repeated.
async fn note(live: &Live, site: &Arc<Site>, matter: Matter, part: Option<&'static str>) {
    let now = (site.now)();
    let Some(count) = live.webhooks.tally.count(matter, now) else {
        return;
    };
    let reason = matter.word();
    let what = match matter {
        Matter::Test => {
            tracing::info!("a test call of Data Pass is answered");
            "webhook_tested"
        }
        Matter::NoSecret => {
            tracing::error!(
                count,
                "no secret of [datapass] can be read: webhooks have to come again; `jetond check` says why"
            );
            "webhook_refused"
        }
        Matter::TooLarge | Matter::Unsigned | Matter::NotJson | Matter::Shape => {
            tracing::warn!(reason, part, count, "a webhook is refused");
            "webhook_refused"
        }
    };
    let entry = Entry {
        what,
        token: None,
        detail: json!({"reason": reason, "part": part, "in_this_hour": count}),
    };
    let store = site.store.clone();
    // A store that cannot take it changes nothing of the answer; the log has it.
    let _ = in_time(live, async move { journal(&store, entry, now).await }).await;
}

async fn journal(store: &Store, entry: Entry, now: DateTime<Utc>) -> Result<()> {
    let mut tx = store.begin().await?;
    tx.journal(&Who::Webhook.to_string(), &[entry], now).await?;
    tx.commit().await
}
