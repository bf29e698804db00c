//! Who cannot be reached, as the commands show it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::{Context, Failure, when};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::domain::reach::{TRIAL, Way};
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

/// Since when somebody cannot be reached, and why.
pub(super) fn told(u: &Unreachable, calendar: &Calendar) -> Text {
    let (to, since) = (&u.address, when::minute(u.since, calendar));
    let (mail, said) = (u.mail, &u.said);
    let told = match u.how {
        Way::Refused => text!(
            "{to} cannot be reached since {since}: the mail server refuses the address ({said}; mail {mail})",
            "{to} ne peut pas être joint depuis le {since} : le serveur de messagerie refuse l’adresse ({said} ; courriel {mail})"
        ),
        Way::Bounced | Way::Expired => text!(
            "{to} cannot be reached since {since}: what was sent came back ({said}; mail {mail})",
            "{to} ne peut pas être joint depuis le {since} : ce qui a été envoyé est revenu ({said} ; courriel {mail})"
        ),
    };
    match u.accepted_at {
        None => told,
        Some(accepted) => {
            let (on, until) = (
                when::minute(accepted, calendar),
                when::minute(accepted + TRIAL, calendar),
            );
            text!(
                "{{}}; a later mail was accepted on {on}, and settles it if it does not come back by {until}",
                "{{}} ; un courriel ultérieur a été accepté le {on}, ce qui règle la question s’il ne revient pas d’ici le {until}"
            )
            .with(&told)
        }
    }
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
