//! Why a verb was refused, in words, with what to type instead.

use chrono::{DateTime, Days, Utc};

use crate::cli::lookup::no_such_token;
use crate::cli::{Exit, Failure, when};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::renewal::verbs::Refused;
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

fn said(id: &str, why: &Refused, calendar: &Calendar) -> (&'static str, Text) {
    let day = |at: &DateTime<Utc>| when::day(*at, calendar);
    match why {
        Refused::Unknown(unknown) => (
            "not_found",
            text!(
                "there is no token `{unknown}`",
                "il n’y a pas de jeton `{unknown}`"
            ),
        ),
        Refused::Superseded(by) => (
            "superseded",
            text!(
                "`{id}` is superseded: `{by}` took its place",
                "`{id}` est remplacé : `{by}` a pris sa place"
            ),
        ),
        Refused::Revoked(at) => {
            let since = day(at);
            (
                "revoked",
                text!(
                    "`{id}` is revoked since {since}",
                    "`{id}` est révoqué depuis le {since}"
                ),
            )
        }
        Refused::Archived(at) => {
            let since = day(at);
            (
                "archived",
                text!(
                    "`{id}` is archived since {since}",
                    "`{id}` est archivé depuis le {since}"
                ),
            )
        }
        Refused::NotLater { recorded, given } => {
            let (recorded, given) = (day(recorded), day(given));
            (
                "not_later",
                text!(
                    "`{id}` expires on {recorded} already: {given} is not later, so this is no renewal",
                    "`{id}` expire déjà le {recorded} : le {given} n’est pas plus tard, ce n’est pas un renouvellement"
                ),
            )
        }
        Refused::AnotherToken { recorded, given } => (
            "another_token",
            text!(
                "this is another token than `{id}`: its jti is {given}, that of the record {recorded}",
                "c’est un autre jeton que `{id}` : son jti est {given}, celui de l’historique {recorded}"
            ),
        ),
        Refused::Circle(of) => (
            "circle",
            text!(
                "`{of}` cannot take its own place, not by way of others either",
                "`{of}` ne peut pas prendre sa propre place, même par l’intermédiaire d’autres"
            ),
        ),
        Refused::NotWatched(of, state) => {
            let Text { en, fr } = word(*state);
            (
                "not_watched",
                text!(
                    "`{of}` is {en}: it cannot take the place of `{id}`",
                    "`{of}` est {fr} : il ne peut pas prendre la place de `{id}`"
                ),
            )
        }
        Refused::InTheFuture(at) => {
            let at = day(at);
            (
                "in_the_future",
                text!("{at} is still to come", "le {at} est encore à venir"),
            )
        }
        Refused::BeforeThePeriod { opened, given } => {
            let (opened, given) = (day(opened), day(given));
            (
                "before_the_period",
                text!(
                    "on {given} another validity of `{id}` ran: the present one began on {opened}",
                    "le {given}, une autre validité de `{id}` courait : celle-ci a commencé le {opened}"
                ),
            )
        }
        Refused::NothingFiled => (
            "nothing_filed",
            text!(
                "no request for `{id}` is on record as filed",
                "aucune demande pour `{id}` n’est enregistrée comme déposée"
            ),
        ),
        Refused::InThePast(at) => {
            let at = day(at);
            (
                "in_the_past",
                text!(
                    "{at} has begun: reminders cannot be put off until then",
                    "le {at} a déjà commencé : les rappels ne peuvent pas être en sommeil jusque-là"
                ),
            )
        }
        Refused::TooLate(Some(last)) => (
            "too_late",
            text!(
                "the last 15 days of `{id}` are never silent: {last} is the latest date",
                "les 15\u{a0}derniers jours de `{id}` ne se taisent jamais : le {last} est la dernière date possible"
            ),
        ),
        Refused::TooLate(None) => (
            "too_late",
            text!(
                "the last 15 days of `{id}` have begun, and are never silent",
                "les 15\u{a0}derniers jours de `{id}` ont commencé, et ne se taisent jamais"
            ),
        ),
        Refused::ExpiresBefore(end) => {
            let end = day(end);
            (
                "expires_before",
                text!(
                    "`{id}` expires before that, on {end}",
                    "`{id}` expire avant, le {end}"
                ),
            )
        }
    }
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

fn word(state: State) -> Text {
    match state {
        State::Active => text!("active", "actif"),
        State::Archived => text!("archived", "archivé"),
        State::Superseded => text!("superseded", "remplacé"),
        State::Revoked => text!("revoked", "révoqué"),
    }
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
