//! What a verb did, in the words that commands and pages have in common: the event, the reminders
//! that leave or no longer do because of it, and what is worth knowing besides.
//!
//! Dates are local, as `2026-12-15`: a command can be typed with them.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, is_hazardous, looks_like_jwt, text};
use crate::domain::lifecycle::{LAST_WORDS, Silence};
use crate::renewal::verbs::{Done, Planned, Remark, Verb};
use crate::store::quiet::Said;

/// Addresses that a line names.
const NAMED: usize = 4;

/// The longest name or number that is kept.
pub const LONGEST: usize = 200;

/// What a verb did, or that it was on record already.
pub fn done(done: &Done, verb: &Verb, calendar: &Calendar) -> Text {
    if done.changed() {
        what(done, verb, calendar)
    } else {
        text!(
            "on record already, nothing changes",
            "déjà enregistré, rien ne change"
        )
    }
}

/// The reminders that no longer leave; `None`: all that would have do.
pub fn no_longer(planned: &[Planned], calendar: &Calendar) -> Option<Text> {
    let day = day(planned.first()?.at, calendar);
    let leave = counted(
        planned.len(),
        ["reminder leaves", "reminders leave"],
        ["rappel ne partira", "rappels ne partiront"],
    );
    Some(
        text!(
            "{{}} no longer (the next was due on {day})",
            "{{}} plus (le prochain était prévu le {day})"
        )
        .with(&leave),
    )
}

/// The reminders that leave and would not have; `None`: there are none.
pub fn from_now(planned: &[Planned]) -> Option<Text> {
    (!planned.is_empty()).then(|| {
        counted(
            planned.len(),
            ["reminder leaves now", "reminders leave now"],
            ["rappel partira désormais", "rappels partiront désormais"],
        )
    })
}

/// The next reminder, and to whom.
pub fn next(coming: &[Planned], calendar: &Calendar) -> Text {
    let Some(first) = coming.first() else {
        return text!("no reminder is to come", "plus aucun rappel n’est prévu");
    };
    let to: Vec<&str> = coming
        .iter()
        .take_while(|p| p.at == first.at)
        .map(|p| p.recipient.as_str())
        .collect();
    let at = minute(first.at, calendar);
    let to = named(&to);
    text!(
        "next reminder: {at}, to {{}}",
        "prochain rappel : {at}, à {{}}"
    )
    .with(&to)
}

/// What a verb did, after the token's id.
fn what(done: &Done, verb: &Verb, calendar: &Calendar) -> Text {
    let day = |at: DateTime<Utc>| day(at, calendar);
    let expires = day(done.after.expires);
    match verb {
        Verb::Renew(_) => {
            let before = day(done.before.expires);
            text!(
                "renewed, {before} → {expires}",
                "renouvelé, {before} → {expires}"
            )
        }
        Verb::Correct(_) => {
            let before = day(done.before.expires);
            text!(
                "corrected, {before} → {expires}; nothing is sent again",
                "corrigé, {before} → {expires} ; rien n’est envoyé de nouveau"
            )
        }
        Verb::Supersede { by } => text!(
            "superseded, {by} takes its place",
            "remplacé, {by} prend sa place"
        ),
        Verb::File(_) => done
            .after
            .said
            .iter()
            .find(|s| s.kind == Silence::Filed)
            .map_or_else(|| text!("filed", "demande déposée"), |s| filed(s, calendar)),
        Verb::Unfile => text!(
            "the request counts as filed no longer",
            "la demande n’est plus enregistrée comme déposée"
        ),
        Verb::RefuseFiled => text!(
            "the request was refused, reminders resume",
            "la demande a été refusée, les rappels reprennent"
        ),
        Verb::Declare { expires } => match expires.map(day) {
            Some(until) => text!(
                "renewal declared, until {until}",
                "renouvellement déclaré, jusqu’au {until}"
            ),
            None => text!("renewal declared", "renouvellement déclaré"),
        },
        Verb::Undeclare => text!(
            "the renewal is declared no longer",
            "le renouvellement n’est plus déclaré"
        ),
        Verb::Snooze { until } => {
            let until = day(*until);
            text!(
                "reminders put off until {until}",
                "rappels en sommeil jusqu’au {until}"
            )
        }
        Verb::Wake => text!(
            "reminders are put off no longer",
            "les rappels ne sont plus en sommeil"
        ),
        Verb::Revoke { .. } if done.after.ends_revoked => text!(
            "to be revoked, {expires} is its last day; nothing leaves on that day or after it",
            "sera révoqué, son dernier jour est le {expires} ; rien ne part ce jour-là ni après"
        ),
        Verb::Revoke { .. } => text!("revoked", "révoqué"),
        Verb::Archive => text!("archived", "archivé"),
        Verb::Restore => text!(
            "watched again, expires {expires}",
            "de nouveau surveillé, expire le {expires}"
        ),
    }
}

/// A request that was filed, with its particulars.
pub fn filed(s: &Said, calendar: &Calendar) -> Text {
    let on = day(s.filed_at.unwrap_or(s.at), calendar);
    let mut text = text!("request filed on {on}", "demande déposée le {on}");
    if let Some(by) = &s.filed_by {
        text = text!("{{}} by {by}", "{{}} par {by}").with(&text);
    }
    if let Some(reference) = &s.reference {
        text = text!("{{}}, reference {reference}", "{{}}, référence {reference}").with(&text);
    }
    text
}

/// What is worth knowing besides.
pub fn remark(remark: &Remark) -> Text {
    match remark {
        Remark::AlreadyExpired => text!(
            "this date has passed already: is it the right one?",
            "cette date est déjà passée : est-ce la bonne ?"
        ),
        Remark::FarAhead => text!(
            "this date is more than three years later: is it the right one?",
            "cette date est plus de trois ans plus tard : est-ce la bonne ?"
        ),
        Remark::RevocationTakenBack => text!(
            "the revocation that was planned is taken back by it",
            "la révocation prévue est annulée par là"
        ),
        Remark::EndsEarlier => text!(
            "the token that takes the place expires first: are the two the right way round? `jetond restore` undoes it",
            "le jeton qui prend la place expire le premier : sont-ils dans le bon ordre ? `jetond restore` l’annule"
        ),
        Remark::LastWordsGoOn => text!(
            "the reminders of the last {LAST_WORDS} days leave all the same",
            "les rappels des {LAST_WORDS}\u{a0}derniers jours partent tout de même"
        ),
        Remark::ScopesLost(scopes) => {
            let scopes = scopes.join(", ");
            text!(
                "the new token may no longer ask for {scopes}: look at what uses it before the old one ends",
                "le nouveau jeton ne donne plus accès à {scopes} : regarder ce qui l’utilise avant la fin de l’ancien"
            )
        }
        Remark::ScopesGained(scopes) => {
            let scopes = scopes.join(", ");
            text!(
                "the new token may also ask for {scopes}",
                "le nouveau jeton donne aussi accès à {scopes}"
            )
        }
        Remark::Inherited(people) => {
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            text!(
                "the new token had no recipients, it has these now: {{}}",
                "le nouveau jeton n’avait pas de destinataires, il a désormais : {{}}"
            )
            .with(&named(&people))
        }
        Remark::ClosingNotes(n) => counted(
            *n,
            [
                "person who had been reminded gets one closing note",
                "people who had been reminded get one closing note each",
            ],
            [
                "personne déjà relancée reçoit un mot de clôture",
                "personnes déjà relancées reçoivent un mot de clôture",
            ],
        ),
        Remark::ToBeConfirmed => text!(
            "the contact is asked to confirm it",
            "il est demandé au contact de le confirmer"
        ),
    }
}

/// Whether a person should look at it before the change stands.
pub fn is_warning(remark: &Remark) -> bool {
    match remark {
        Remark::AlreadyExpired
        | Remark::FarAhead
        | Remark::RevocationTakenBack
        | Remark::EndsEarlier
        | Remark::ScopesLost(_) => true,
        Remark::LastWordsGoOn
        | Remark::ScopesGained(_)
        | Remark::Inherited(_)
        | Remark::ClosingNotes(_)
        | Remark::ToBeConfirmed => false,
    }
}

/// What a name or a number that is given with a verb breaks; `label` is what it was given as.
pub fn unfit(label: &Text, written: &str) -> Option<Text> {
    let why = if looks_like_jwt(written) {
        text!(
            "{{}} holds the text of a token, which is a secret",
            "{{}} contient le texte d’un jeton, qui est un secret"
        )
    } else if written.is_empty() {
        text!("{{}} is empty", "{{}} est vide")
    } else if written.chars().count() > LONGEST {
        text!(
            "{{}} has more than {LONGEST} characters",
            "{{}} a plus de {LONGEST}\u{a0}caractères"
        )
    } else if written.chars().any(is_hazardous) {
        text!(
            "{{}} holds a control character",
            "{{}} contient un caractère de contrôle"
        )
    } else {
        return None;
    };
    Some(why.with(label))
}

/// Some names; of many the first ones.
fn named(names: &[&str]) -> Text {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => text!("{shown}", "{shown}"),
        1 => text!("{shown} and 1 other", "{shown} et 1 autre"),
        more => text!("{shown} and {more} others", "{shown} et {more} autres"),
    }
}

fn day(at: DateTime<Utc>, calendar: &Calendar) -> String {
    calendar.date(at).format("%Y-%m-%d").to_string()
}

fn minute(at: DateTime<Utc>, calendar: &Calendar) -> String {
    let local = at.with_timezone(&calendar.tz);
    local.format("%Y-%m-%d %H:%M").to_string()
}
