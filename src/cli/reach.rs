//! Who cannot be reached, as the commands show it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::{Context, Failure, when};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted};
use crate::store::Store;
use crate::store::error::Result;
use crate::store::unreachable::Unreachable;

/// People shown one by one.
const SHOWN: usize = 20;

/// The people who cannot be reached and are to be told something: of an active token, or of the
/// watch itself.
pub(super) async fn unreachable(
    store: &Store,
    config: &Config,
    now: DateTime<Utc>,
) -> Result<Vec<Unreachable>> {
    let mut people = store.unreachable(now).await?;
    let readers = &config.reports.recipients;
    people.retain(|u| {
        !u.tokens.is_empty()
            || config.contact.key() == u.recipient
            || readers.iter().any(|r| r.key() == u.recipient)
    });
    Ok(people)
}

/// The row of JSON, without the tokens.
pub(super) fn mark(u: &Unreachable, calendar: &Calendar) -> Value {
    let at = |i| when::rfc3339(i, calendar);
    json!({
        "since": at(u.since), "at": at(u.at), "how": u.how.word(), "mail": u.mail, "reply": u.said,
        "accepted_at": u.accepted_at.map(at),
    })
}

/// The row of JSON.
pub(super) fn row(u: &Unreachable, calendar: &Calendar) -> Value {
    let mut row = mark(u, calendar);
    row["recipient"] = json!(u.address);
    row["tokens"] = json!(u.tokens);
    row
}

/// So many people.
pub(super) fn people(n: usize) -> Text {
    counted(
        n,
        ["person cannot be reached", "people cannot be reached"],
        [
            "personne ne peut pas être jointe",
            "personnes ne peuvent pas être jointes",
        ],
    )
}

/// The table of `status`.
pub(super) fn print(
    people: &[Unreachable],
    calendar: &Calendar,
    context: &mut Context,
) -> std::result::Result<(), Failure> {
    if people.is_empty() {
        return Ok(());
    }
    context.out.line("")?;
    let rows: Vec<Vec<String>> = people
        .iter()
        .take(SHOWN)
        .map(|u| {
            vec![
                u.address.clone(),
                when::minute(u.since, calendar),
                u.tokens.join(", "),
                u.said.clone(),
            ]
        })
        .collect();
    let head = context.out.lang.pick(
        ["OUT OF REACH", "SINCE", "TOKENS", "REPLY"],
        ["INJOIGNABLE", "DEPUIS", "JETONS", "RÉPONSE"],
    );
    Ok(context.out.table(&head, &rows, 3)?)
}
