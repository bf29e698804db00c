//! The facts of a mail, in short: what tells a token from others, who knows, what comes next.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::delivery::compose::letter::{Envelope, TokenPart};
use crate::delivery::compose::prose::{self, tidy_name};
use crate::domain::address::Mailbox;
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;

/// People whom a list names before it only counts the rest.
const NAMED: usize = 10;

/// A line of a list: what, and its value.
#[derive(Serialize)]
pub(super) struct Fact {
    label: &'static str,
    value: String,
}

/// The numbers that tell a token from others, the id first.
pub(super) fn ids(part: &TokenPart, lang: Lang) -> Vec<String> {
    let mut ids = vec![part.id.to_string()];
    ids.extend(part.datapass_id.as_deref().map(|n| {
        let n = tidy_name(n);
        lang.pick(
            format!("Data Pass\u{a0}{n}"),
            format!("Data Pass\u{a0}n°\u{a0}{n}"),
        )
    }));
    ids.extend(
        part.siret
            .as_ref()
            .map(|s| format!("SIRET\u{a0}{}", prose::siret(s.as_str()))),
    );
    ids.extend(
        part.jti_end
            .as_deref()
            .map(|end| format!("jti\u{a0}…{}", tidy_name(end))),
    );
    ids
}

/// The facts that a mail lists: of its only token, or those that all its tokens share.
pub(super) fn facts(tokens: &[TokenPart], envelope: &Envelope, calendar: &Calendar) -> Vec<Fact> {
    let lang = envelope.lang;
    let mut facts = Vec::new();
    if let [only] = tokens {
        facts.extend(facts_of_one(only, lang, calendar));
    }
    let others = distinct(tokens.iter().flat_map(|t| &t.others).map(person));
    let others = if others.is_empty() {
        lang.pick("nobody else", "personne d’autre").to_owned()
    } else {
        enumerate(&others, lang)
    };
    facts.push(fact(lang, ("Also told", "Aussi prévenus"), others));
    let next = tokens.iter().filter_map(|t| t.next_reminder).min();
    facts.push(fact(
        lang,
        ("Next reminder", "Prochain rappel"),
        next_reminder(next, lang, calendar),
    ));
    facts
}

fn facts_of_one(part: &TokenPart, lang: Lang, calendar: &Calendar) -> Vec<Fact> {
    let expires = prose::moment(lang, calendar, part.expires);
    let optional = |label, value: Option<String>| value.map(|v| fact(lang, label, v));
    let number = part.datapass_id.as_deref().map(tidy_name);
    let siret = part.siret.as_ref().map(|s| prose::siret(s.as_str()));
    let jti_end = part
        .jti_end
        .as_deref()
        .map(|end| format!("…{}", tidy_name(end)));
    let listed = [
        Some(fact(lang, ("Token", "Jeton"), tidy_name(&part.name))),
        Some(fact(lang, ("Reference", "Référence"), part.id.to_string())),
        optional(("Client", "Client"), part.client.as_deref().map(tidy_name)),
        Some(fact(lang, ("Expiry", "Échéance"), expires)),
        optional(
            ("Data Pass", "Data Pass"),
            number.map(|n| lang.pick(n.clone(), format!("n°\u{a0}{n}"))),
        ),
        optional(("SIRET", "SIRET"), siret),
        optional(("End of the jti", "Fin du jti"), jti_end),
        optional(
            ("Applicant", "Demandeur"),
            part.demandeur.as_ref().map(person),
        ),
    ];
    listed.into_iter().flatten().collect()
}

fn next_reminder(next: Option<DateTime<Utc>>, lang: Lang, calendar: &Calendar) -> String {
    let Some(at) = next else {
        return lang.pick("none is planned", "aucun n’est prévu").to_owned();
    };
    let day = prose::weekday_date(lang, calendar.date(at));
    lang.pick(
        format!("{day}, if nothing is done"),
        format!("{day}, si rien n’est fait"),
    )
}

/// "Camille Martin (c.martin@ville.example)", or the address alone.
pub(super) fn person(mailbox: &Mailbox) -> String {
    match mailbox.name.as_deref().map(tidy_name) {
        Some(name) if !name.is_empty() => format!("{name} ({})", mailbox.address),
        _ => mailbox.address.to_string(),
    }
}

fn enumerate(all: &[String], lang: Lang) -> String {
    let named = &all[..all.len().min(NAMED)];
    let list = named.join(", ");
    match (all.len() - named.len(), lang) {
        (0, _) => list,
        (1, Lang::Fr) => format!("{list} et 1\u{a0}autre"),
        (n, Lang::Fr) => format!("{list} et {n}\u{a0}autres"),
        (1, Lang::En) => format!("{list} and 1\u{a0}other"),
        (n, Lang::En) => format!("{list} and {n}\u{a0}others"),
    }
}

/// The values in their first order, each once.
pub(super) fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    values.filter(|v| seen.insert(v.clone())).collect()
}

/// A fact with its label in both languages.
pub(super) fn fact(lang: Lang, (en, fr): (&'static str, &'static str), value: String) -> Fact {
    Fact {
        label: lang.pick(en, fr),
        value,
    }
}
