//! What to do instead of a verb that was refused: by a page where there is one, else by the
//! command that does it.

use crate::domain::language::{Text, text};
use crate::renewal::verbs::Refused;
use crate::web::board::Ask;
use crate::web::board::acts::choice::Act;
use crate::web::board::acts::slug;
use crate::web::board::acts::view::Link;

/// What to do instead, and the pages that do it.
pub(super) fn of(ask: &Ask, id: &str, why: &Refused) -> (Option<String>, Vec<Link>) {
    let link = |words: Text, to: String| Link {
        words: ask.say(&words).to_owned(),
        to,
    };
    let page = |act: Act, words| link(words, format!("tokens/{}/{}", slug(id), act.word()));
    let renew = || page(Act::Renew, text!("Renew it", "Le renouveler"));
    let snooze = || {
        let words = text!("Put its reminders off", "Mettre ses rappels en sommeil");
        page(Act::Snooze, words)
    };
    let revoke = || page(Act::Revoke, text!("Revoke it", "Le révoquer"));
    let (hint, links) = match why {
        // There is no page of it.
        Refused::Unknown(_) => return (None, Vec::new()),
        Refused::Superseded(by) => (
            text!(
                "Tell it of the token that took its place; `jetond restore {id}` takes that back.",
                "Le dire du jeton qui a pris sa place ; `jetond restore {id}` revient en arrière."
            ),
            vec![link(text!("{by}", "{by}"), format!("tokens/{}", slug(by)))],
        ),
        Refused::Revoked(_) | Refused::Archived(_) => (
            text!(
                "`jetond restore {id}` has it watched again.",
                "`jetond restore {id}` le remet sous surveillance."
            ),
            Vec::new(),
        ),
        Refused::NotLater { .. } => (
            text!(
                "Give the new date. If the token ends earlier, it is revoked; if the date on record is wrong, correct it below.",
                "Donner la nouvelle date. Si le jeton finit plus tôt, il est révoqué ; si la date enregistrée est erronée, la corriger ci-dessous."
            ),
            vec![revoke()],
        ),
        Refused::AnotherToken { given, .. } => (
            text!(
                "Declare it under an id of its own, then `jetond supersede {id} NEW`: its jti is {given}.",
                "Le déclarer sous un identifiant à lui, puis `jetond supersede {id} NOUVEAU` : son jti est {given}."
            ),
            Vec::new(),
        ),
        Refused::Circle(of) | Refused::NotWatched(of, _) => (
            text!(
                "The page of that token shows which one took its place.",
                "La page de ce jeton montre lequel a pris sa place."
            ),
            vec![link(text!("{of}", "{of}"), format!("tokens/{}", slug(of)))],
        ),
        Refused::InTheFuture(_) => (
            text!(
                "Today is the latest day. To be silent until then, put the reminders off.",
                "Aujourd’hui est le dernier jour possible. Pour se taire jusque-là, mettre les rappels en sommeil."
            ),
            vec![snooze()],
        ),
        Refused::BeforeThePeriod { .. } => (
            text!(
                "Give the day of the request for the present validity; what was before is in the journal.",
                "Donner le jour de la demande pour la validité présente ; ce qui précède est dans le journal."
            ),
            Vec::new(),
        ),
        Refused::NothingFiled => (
            text!(
                "The form below records a request.",
                "Le formulaire ci-dessous enregistre une demande."
            ),
            Vec::new(),
        ),
        Refused::InThePast(_) => (
            text!("Give a later day.", "Donner un jour à venir."),
            Vec::new(),
        ),
        Refused::TooLate(Some(_)) => (
            text!(
                "Give that day, or an earlier one.",
                "Donner ce jour, ou un jour antérieur."
            ),
            Vec::new(),
        ),
        Refused::TooLate(None) => (
            text!(
                "Once it is renewed, say so. If it is used no longer: `jetond archive {id}`.",
                "Une fois renouvelé, le dire. S’il ne sert plus : `jetond archive {id}`."
            ),
            vec![renew()],
        ),
        Refused::ExpiresBefore(_) => (
            text!(
                "Give that day at the latest. A longer life is a renewal.",
                "Donner au plus ce jour. Une vie plus longue est un renouvellement."
            ),
            vec![renew()],
        ),
    };
    (Some(ask.say(&hint).to_owned()), links)
}
