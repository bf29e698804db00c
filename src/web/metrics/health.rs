//! `/healthz` and `/readyz`: 200 or 503, in words for a person, in JSON for a program that accepts it.
//!
//! Alive: the loops turn, whatever comes of it. Ready: promise 1 holds and can go on holding.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::domain::language::{Lang, Text, text};
use crate::health::ready::{Check, Checked, Finding, is_ready, readiness};
use crate::web::Live;
use crate::web::metrics::Monitor;
use crate::web::metrics::accept::Accepted;

/// Another look is taken each minute.
const RETRY_SECONDS: u32 = 60;

pub(super) async fn alive(State(live): State<Live>, headers: HeaderMap) -> Response {
    let site = live.site();
    let stuck = site.loops.stuck();
    let rows = site
        .loops
        .each()
        .into_iter()
        .map(|(name, pulse)| json!({"loop": name, "turns": !pulse.is_stuck()}))
        .collect();
    let said = match stuck {
        None => text!("The watch is alive.", "La veille est en vie."),
        Some(which) => text!(
            "The {which} loop is stuck: restart jetond.",
            "La boucle {which} est bloquée : redémarrer jetond."
        ),
    };
    let answer = Answer {
        is_well: stuck.is_none(),
        schema: "jetond.healthz/1",
        rows,
        said: format!("{}\n{}\n", said.fr, said.en),
    };
    answer.to(&headers)
}

pub(super) async fn ready(_: Monitor, State(live): State<Live>, headers: HeaderMap) -> Response {
    let site = live.site();
    let checked = readiness(&site.bulletin, &site.meter, (site.now)());
    let answer = Answer {
        is_well: is_ready(&checked),
        schema: "jetond.readyz/1",
        rows: checked.iter().map(row).collect(),
        said: [Lang::Fr, Lang::En]
            .map(|lang| in_words(&checked, lang))
            .join("\n"),
    };
    answer.to(&headers)
}

/// An answer in both forms.
struct Answer {
    is_well: bool,
    schema: &'static str,
    rows: Vec<Value>,
    said: String,
}

impl Answer {
    fn to(self, headers: &HeaderMap) -> Response {
        let status = if self.is_well {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let accepted = Accepted::of(headers);
        let is_for_programs = accepted.prefers("application/json", "text/plain")
            && accepted.prefers("application/json", "text/html");
        let (kind, body) = if is_for_programs {
            let answer = json!({"schema": self.schema, "data": self.rows});
            ("application/json", format!("{answer}\n"))
        } else {
            ("text/plain; charset=utf-8", self.said)
        };
        let kind = [(CONTENT_TYPE, kind), (VARY, "Accept")];
        let mut response = (status, kind, body).into_response();
        if !self.is_well {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        response
    }
}

fn row(checked: &Checked) -> Value {
    let Checked { check, found, said } = checked;
    let ill = match check {
        Check::Ill(word) => Some(word),
        Check::Promise | Check::Tick | Check::Delivery | Check::Store => None,
    };
    json!({
        "check": check.word(),
        "ill": ill,
        "found": match found {
            Finding::Well => "well",
            Finding::Troubled => "troubled",
            Finding::NotReady => "not_ready",
        },
        "en": said.en,
        "fr": said.fr,
    })
}

/// What a person reads: first what keeps it from being ready, then what else is wrong, then what
/// is well.
fn in_words(checked: &[Checked], lang: Lang) -> String {
    let head: Text = if is_ready(checked) {
        text!("Ready: what is owed leaves.", "Prêt : ce qui est dû part.")
    } else {
        text!(
            "Not ready: what is owed may not leave.",
            "Pas prêt : ce qui est dû risque de ne pas partir."
        )
    };
    let mut words = format!("{}\n", head.in_lang(lang));
    for (found, mark) in [
        (Finding::NotReady, "✗"),
        (Finding::Troubled, "!"),
        (Finding::Well, "✓"),
    ] {
        for one in checked.iter().filter(|c| c.found == found) {
            words.push_str(&format!("{mark} {}\n", one.said.in_lang(lang)));
        }
    }
    words
}
