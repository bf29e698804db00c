//! What the events say, in French or English: what it is, in a line, and what to do.
//!
//! A calendar is passed on and kept by others: it names tokens and clients, and nobody. An
//! address that stands in a name is masked. Nothing here depends on the day on which it is read.

use chrono::{DateTime, Utc};

use crate::agenda::event::{Kind, Setting, Status};
use crate::delivery::compose;
use crate::delivery::desk::Desk;
use crate::domain::address::mask_addresses;
use crate::domain::language::{Lang, Text, is_hazardous, text, without_jwts};
use crate::domain::lifecycle::{Silence, State};
use crate::domain::token::{DatapassId, Jti};
use crate::store::feed::Dated;

/// Something that people wrote, on one line and without addresses.
pub(super) fn shown(written: &str) -> String {
    let line: String = written
        .chars()
        .map(|c| if is_hazardous(c) { ' ' } else { c })
        .collect();
    mask_addresses(&without_jwts(&line))
}

/// A token as every line names it: its name between quotation marks, and its client's.
pub(super) fn named(lang: Lang, token: &Dated) -> String {
    let name = shown(&token.name);
    let quoted = match lang {
        Lang::En => format!("“{name}”"),
        Lang::Fr => format!("«\u{a0}{name}\u{a0}»"),
    };
    match &token.client_name {
        Some(client) => format!("{quoted} ({})", shown(client)),
        None => quoted,
    }
}

/// Where the renewal is asked for, while there is one to be asked for.
pub(super) fn link(desk: &Desk, token: &Dated) -> Option<String> {
    if token.state != State::Active || token.ends_revoked {
        return None;
    }
    Some(form(desk, token).unwrap_or_else(|| desk.dashboard.clone()))
}

fn form(desk: &Desk, token: &Dated) -> Option<String> {
    let number = token.datapass_id.as_deref();
    let number = number.and_then(|n| DatapassId::parse(n).ok());
    let jti = token.jti.as_deref().and_then(|j| Jti::parse(j).ok());
    desk.link.fill(number.as_ref(), jti.as_ref())
}

/// The line of an event.
pub(super) fn summary(
    lang: Lang,
    (token, named): (&Dated, &str),
    kind: Kind,
    status: Status,
) -> String {
    let what = match (kind, token.ends_revoked) {
        (Kind::Expiry, false) => text!("token {named} expires", "expiration du jeton {named}"),
        (Kind::Expiry, true) => text!("token {named} is revoked", "révocation du jeton {named}"),
        (Kind::Window, _) => text!("renew token {named}", "renouveler le jeton {named}"),
    };
    match status {
        Status::Confirmed => capital(what.in_lang(lang)),
        // Some programs show cancelled events like any other.
        Status::Cancelled => {
            let Text { en, fr } = what;
            let line = text!("Cancelled: {en}", "Annulé : {fr}");
            line.in_lang(lang).to_owned()
        }
    }
}

fn capital(line: &str) -> String {
    let mut chars = line.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// The lines of an event.
pub(super) fn description(
    setting: &Setting<'_>,
    (token, named): (&Dated, &str),
    kind: Kind,
) -> String {
    let (desk, lang) = (setting.desk, setting.lang);
    let mut lines = match token.state {
        State::Active if token.ends_revoked => vec![revocation_to_come(desk, token, named, kind)],
        State::Active => to_renew(desk, token, named, kind),
        State::Archived | State::Superseded | State::Revoked => vec![end(desk, token)],
    };
    if let Some(number) = &token.datapass_id {
        let number = shown(number);
        lines.push(text!("Data Pass: {number}", "Data Pass : {number}"));
    }
    let id = shown(&token.id);
    lines.push(text!("Reference: {id}", "Référence : {id}"));
    let lines: Vec<&str> = lines.iter().map(|l| l.in_lang(lang)).collect();
    lines.join("\n")
}

fn to_renew(desk: &Desk, token: &Dated, named: &str, kind: Kind) -> Vec<Text> {
    let when_en = compose::whole_moment(Lang::En, &desk.calendar, token.expires);
    let when_fr = compose::whole_moment(Lang::Fr, &desk.calendar, token.expires);
    let fact = match kind {
        Kind::Expiry => text!(
            "The API Entreprise token {named} expires on {when_en}. Without a renewal, every call with it is refused after that.",
            "Le jeton API Entreprise {named} expire le {when_fr}. Sans renouvellement, chaque appel avec ce jeton sera ensuite refusé."
        ),
        Kind::Window => text!(
            "During these days the renewal of the API Entreprise token {named} can be asked for. It expires on {when_en}.",
            "Pendant ces jours, le renouvellement du jeton API Entreprise {named} peut être demandé. Il expire le {when_fr}."
        ),
    };
    let mut lines = vec![fact];
    if let Some(at) = token.filed_at {
        let Text { en, fr } = date(desk, at);
        lines.push(text!(
            "The renewal request was filed on {en}, but the token is not renewed yet.",
            "La demande de renouvellement a été déposée le {fr}, mais le jeton n’est pas encore renouvelé."
        ));
    }
    if token.quiet.is_some_and(|q| q.why == Silence::Declared) {
        lines.push(text!(
            "It was said to be renewed; that remains to be confirmed.",
            "Il a été dit renouvelé ; cela reste à confirmer."
        ));
    }
    lines.push(match form(desk, token) {
        Some(link) => text!(
            "To do: file the renewal request on Data Pass: {link}",
            "À faire : déposer la demande de renouvellement sur Data Pass : {link}"
        ),
        None => {
            let dashboard = &desk.dashboard;
            text!(
                "To do: ask for the renewal of this token on the dashboard of API Entreprise: {dashboard}",
                "À faire : demander le renouvellement de ce jeton sur le tableau de bord d’API Entreprise : {dashboard}"
            )
        }
    });
    lines
}

fn revocation_to_come(desk: &Desk, token: &Dated, named: &str, kind: Kind) -> Text {
    let Text { en, fr } = date(desk, token.expires);
    match kind {
        Kind::Expiry => text!(
            "The API Entreprise token {named} is revoked on {en}: every call with it is refused after that.",
            "Le jeton API Entreprise {named} est révoqué le {fr} : chaque appel avec ce jeton sera ensuite refusé."
        ),
        Kind::Window => text!(
            "The API Entreprise token {named} is to be revoked on {en}: there is no renewal to ask for.",
            "Le jeton API Entreprise {named} doit être révoqué le {fr} : il n’y a pas de renouvellement à demander."
        ),
    }
}

fn end(desk: &Desk, token: &Dated) -> Text {
    let Text { en, fr } = date(desk, token.state_at);
    match (token.state, &token.successor) {
        (State::Superseded, Some(successor)) => {
            let name = shown(successor);
            text!(
                "The token “{name}” took its place on {en}.",
                "Le jeton « {name} » a pris sa place le {fr}."
            )
        }
        (State::Superseded, None) => text!(
            "Another token took its place on {en}.",
            "Un autre jeton a pris sa place le {fr}."
        ),
        (State::Revoked, _) => text!(
            "This token was revoked on {en}.",
            "Ce jeton a été révoqué le {fr}."
        ),
        (State::Archived | State::Active, _) => text!(
            "This token has not been watched since {en}.",
            "Ce jeton n’est plus suivi depuis le {fr}."
        ),
    }
}

fn date(desk: &Desk, at: DateTime<Utc>) -> Text {
    let on = desk.calendar.date(at);
    Text {
        en: compose::date(Lang::En, on),
        fr: compose::date(Lang::Fr, on),
    }
}

/// What an alarm says when it goes off at `at`.
pub(super) fn alarm(
    setting: &Setting<'_>,
    (token, named): (&Dated, &str),
    at: DateTime<Utc>,
) -> String {
    let left = compose::left(setting.lang, &setting.desk.calendar, token.expires, at);
    let said = if token.ends_revoked {
        text!(
            "Token {named} is revoked {left}",
            "Le jeton {named} est révoqué {left}"
        )
    } else {
        text!(
            "Token {named} expires {left}",
            "Le jeton {named} expire {left}"
        )
    };
    said.in_lang(setting.lang).to_owned()
}

/// The name of a calendar: of whom, and of which client.
pub(super) fn title(lang: Lang, organisation: &str, client: Option<&str>) -> String {
    let whose = shown(client.unwrap_or(organisation));
    text!(
        "API Entreprise tokens: {whose}",
        "Jetons API Entreprise : {whose}"
    )
    .in_lang(lang)
    .to_owned()
}

/// What a calendar that has no room for all says on the first day that it does not have whole.
pub(super) fn incomplete(lang: Lang) -> (String, String) {
    let line = text!(
        "From here on this calendar is incomplete",
        "À partir d’ici, ce calendrier est incomplet"
    );
    let more = text!(
        "It holds as much as the usual programs take (1 MB), the first tokens to expire before the others. The calendar of each client has all of its tokens: jetond calendar --address --client KEY",
        "Il contient ce que les logiciels courants acceptent (1 Mo), les premiers jetons à expirer avant les autres. Le calendrier de chaque client a tous ses jetons : jetond calendar --address --client CLÉ"
    );
    (line.in_lang(lang).to_owned(), more.in_lang(lang).to_owned())
}
