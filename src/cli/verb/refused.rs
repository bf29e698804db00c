//! Why a verb was refused, in words, with what to type instead.

use chrono::{DateTime, Days, Utc};

use crate::cli::lookup::no_such_token;
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::renewal::verbs::Refused;
use crate::renewal::verbs::refusal::said;
use crate::store::Store;
use crate::store::record::Token;

/// The failure of a refusal about the token `id`.
pub(in crate::cli) async fn failure(
    store: &Store,
    config: &Config,
    id: &str,
    why: Refused,
    now: DateTime<Utc>,
) -> Failure {
    let tokens = match store.tokens().await {
        Ok(tokens) => tokens,
        Err(e) => return e.into(),
    };
    let calendar = &config.calendar;
    if let Refused::Unknown(unknown) = &why {
        let known: Vec<String> = tokens.into_iter().map(|t| t.id).collect();
        return no_such_token(unknown, &known, Some(config));
    }
    let (code, message) = said(id, &why, calendar);
    Failure::new(Exit::Refused, code, message).hint(hint(id, &why, &tokens, calendar, now))
}

fn hint(
    id: &str,
    why: &Refused,
    tokens: &[Token],
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Text {
    let today = calendar.date(now);
    let restore = || {
        text!(
            "`jetond restore {id}` has it watched again",
            "`jetond restore {id}` le remet sous surveillance"
        )
    };
    match why {
        Refused::Unknown(_) => list(),
        Refused::Superseded(by) => text!(
            "tell it of `{by}`; or take it back: `jetond restore {id}`",
            "le dire de `{by}` ; ou revenir en arrière : `jetond restore {id}`"
        ),
        Refused::Revoked(_) | Refused::Archived(_) => restore(),
        Refused::NotLater { given, .. } if *given > now => {
            let given = calendar.date(*given);
            text!(
                "if it ends earlier: `jetond revoke {id} --at {given}`; if the record is wrong: `jetond renew {id} --expires {given} --correct`",
                "s’il finit plus tôt : `jetond revoke {id} --at {given}` ; si l’historique se trompe : `jetond renew {id} --expires {given} --correct`"
            )
        }
        Refused::NotLater { .. } => text!(
            "write the new expiry, or the new date of issue: `jetond renew {id} --expires DATE`, `jetond renew {id} --issued DATE`",
            "écrire la nouvelle fin, ou la nouvelle date de délivrance : `jetond renew {id} --expires DATE`, `jetond renew {id} --issued DATE`"
        ),
        Refused::AnotherToken { given, .. } => {
            let known = tokens
                .iter()
                .find(|t| t.jti.as_deref() == Some(given.as_str()));
            match known.map(|t| &t.id) {
                Some(new) if new != id => text!(
                    "it is on record as `{new}`: `jetond supersede {id} {new}`",
                    "il est enregistré sous `{new}` : `jetond supersede {id} {new}`"
                ),
                Some(_) | None => text!(
                    "declare it in the file under an id of its own, `jetond reload`, then `jetond supersede {id} NEW`",
                    "le déclarer dans le fichier sous un identifiant à lui, `jetond reload`, puis `jetond supersede {id} NOUVEAU`"
                ),
            }
        }
        Refused::Circle(of) => text!(
            "`jetond show {of}` shows which token took whose place",
            "`jetond show {of}` montre quel jeton a pris la place duquel"
        ),
        Refused::NotWatched(of, State::Superseded) => {
            let last = last_of(of, tokens);
            text!(
                "`{last}` is the last of its chain: `jetond supersede {id} {last}`",
                "`{last}` est le dernier de la chaîne : `jetond supersede {id} {last}`"
            )
        }
        Refused::NotWatched(of, State::Active | State::Archived | State::Revoked) => text!(
            "`jetond restore {of}` has it watched again",
            "`jetond restore {of}` le remet sous surveillance"
        ),
        Refused::InTheFuture(_) => text!(
            "today is the latest date: `jetond filed {id} --on {today}`; to be silent until then: `jetond snooze {id} --until DATE`",
            "aujourd’hui est la dernière date possible : `jetond filed {id} --on {today}` ; pour se taire jusque-là : `jetond snooze {id} --until DATE`"
        ),
        Refused::BeforeThePeriod { .. } => text!(
            "for a request of today: `jetond filed {id}`; what happened before is in `jetond history {id}`",
            "pour une demande d’aujourd’hui : `jetond filed {id}` ; ce qui précède est dans `jetond history {id}`"
        ),
        Refused::NothingFiled => text!(
            "`jetond filed {id}` records it; `jetond show {id}` shows what is on record",
            "`jetond filed {id}` l’enregistre ; `jetond show {id}` montre ce qui est enregistré"
        ),
        Refused::InThePast(_) => {
            let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
            text!(
                "write a later date, as `jetond snooze {id} --until {tomorrow}`",
                "écrire une date à venir, comme `jetond snooze {id} --until {tomorrow}`"
            )
        }
        Refused::TooLate(Some(last)) => text!(
            "`jetond snooze {id} --until {last}`",
            "`jetond snooze {id} --until {last}`"
        ),
        Refused::TooLate(None) => text!(
            "once it is renewed: `jetond renew {id} --expires DATE`; if it is used no longer: `jetond archive {id}`",
            "une fois renouvelé : `jetond renew {id} --expires DATE` ; s’il ne sert plus : `jetond archive {id}`"
        ),
        Refused::ExpiresBefore(end) => {
            let end = calendar.date(*end);
            text!(
                "write that day at the latest, `jetond revoke {id} --at {end}`; a longer life is a renewal: `jetond renew {id} --expires DATE`",
                "écrire au plus ce jour, `jetond revoke {id} --at {end}` ; une vie plus longue est un renouvellement : `jetond renew {id} --expires DATE`"
            )
        }
    }
}

fn list() -> Text {
    text!(
        "`jetond list --all` shows the ids",
        "`jetond list --all` affiche les identifiants"
    )
}

/// The token at the end of the chain of successors.
fn last_of<'a>(id: &'a str, tokens: &'a [Token]) -> &'a str {
    let mut last = id;
    for _ in tokens {
        let successor = tokens
            .iter()
            .find(|t| t.id == last)
            .and_then(|t| t.superseded_by.as_deref());
        match successor {
            Some(next) => last = next,
            None => break,
        }
    }
    last
}
