//! Why a verb is refused, in the words that commands and pages have in common. What to do
//! instead is said where it is done: a command to type, or a page to open.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::renewal::verbs::Refused;

/// The refusal of a verb about the token `id`: its code for programs, and its words.
pub fn said(id: &str, why: &Refused, calendar: &Calendar) -> (&'static str, Text) {
    let day = |at: &DateTime<Utc>| calendar.date(*at).format("%Y-%m-%d").to_string();
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
            let Text { en, fr } = state_word(*state);
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

/// The word of a state.
pub fn state_word(state: State) -> Text {
    match state {
        State::Active => text!("active", "actif"),
        State::Archived => text!("archived", "archivé"),
        State::Superseded => text!("superseded", "remplacé"),
        State::Revoked => text!("revoked", "révoqué"),
    }
}
