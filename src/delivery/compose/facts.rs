//! The facts of a mail, in short: what tells a token from others, who knows, what comes next.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::delivery::compose::letter::TokenPart;
use crate::delivery::compose::prose::{self, tidy_name};
use crate::domain::address::Mailbox;
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;

/// People whom a list names before it only counts the rest.
const NAMED: usize = 10;

/// As many values are compared with each other one by one.
const FEW: usize = 16;

/// What a line of a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Token,
    Reference,
    Client,
    Expiry,
    DataPass,
    Siret,
    JtiEnd,
    Applicant,
    State,
    AlsoTold,
    NextReminder,
}

impl Kind {
    fn label(self, lang: Lang) -> &'static str {
        let (en, fr) = match self {
            Self::Token => ("Token", "Jeton"),
            Self::Reference => ("Reference", "Référence"),
            Self::Client => ("Client", "Client"),
            Self::Expiry => ("Expiry", "Échéance"),
            Self::DataPass => ("Data Pass", "Data Pass"),
            Self::Siret => ("SIRET", "SIRET"),
            Self::JtiEnd => ("End of the jti", "Fin du jti"),
            Self::Applicant => ("Applicant", "Demandeur"),
            Self::State => ("State", "État"),
            Self::AlsoTold => ("Also told", "Aussi prévenus"),
            Self::NextReminder => ("Next reminder", "Prochain rappel"),
        };
        lang.pick(en, fr)
    }
}

/// A line of a list: what, and its value.
#[derive(Serialize)]
pub(super) struct Fact<'a> {
    #[serde(skip)]
    pub(super) kind: Kind,
    label: &'static str,
    pub(super) value: Cow<'a, str>,
}

/// The numbers that tell a token from others, the id first.
pub(super) fn ids(part: &TokenPart, lang: Lang) -> Vec<Cow<'_, str>> {
    let mut ids = vec![Cow::Borrowed(part.id.as_str())];
    ids.extend(part.datapass_id.as_deref().map(|n| {
        let n = tidy_name(n);
        let before = lang.pick("Data Pass\u{a0}", "Data Pass\u{a0}n°\u{a0}");
        format!("{before}{n}").into()
    }));
    ids.extend(
        part.siret
            .as_ref()
            .map(|s| format!("SIRET\u{a0}{}", prose::siret(s.as_str())).into()),
    );
    ids.extend(
        part.jti_end
            .as_deref()
            .map(|end| format!("jti\u{a0}…{}", tidy_name(end)).into()),
    );
    ids
}

/// The facts that a mail lists: of its only token, which expires `when`, or those that all its
/// tokens share.
pub(super) fn facts<'a>(
    tokens: &'a [TokenPart],
    when: &str,
    lang: Lang,
    calendar: &Calendar,
) -> Vec<Fact<'a>> {
    let mut facts = Vec::with_capacity(10);
    if let [only] = tokens {
        facts.extend(facts_of_one(only, when, lang));
    }
    let others = distinct(tokens.iter().flat_map(|t| &t.others).map(person));
    let others = if others.is_empty() {
        lang.pick("nobody else", "personne d’autre").into()
    } else {
        enumerate(&others, lang)
    };
    facts.push(fact(lang, Kind::AlsoTold, others));
    let next = tokens.iter().filter_map(|t| t.next_reminder).min();
    let next = next_reminder(next, lang, calendar);
    facts.push(fact(lang, Kind::NextReminder, next));
    facts
}

fn facts_of_one<'a>(part: &'a TokenPart, when: &str, lang: Lang) -> impl Iterator<Item = Fact<'a>> {
    let number = part.datapass_id.as_deref().map(tidy_name);
    let siret = part.siret.as_ref().map(|s| prose::siret(s.as_str()));
    let jti_end = part
        .jti_end
        .as_deref()
        .map(|end| format!("…{}", tidy_name(end)));
    let listed = [
        (Kind::Token, Some(tidy_name(&part.name))),
        (Kind::Reference, Some(part.id.as_str().into())),
        (Kind::Client, part.client.as_deref().map(tidy_name)),
        (Kind::Expiry, Some(when.to_owned().into())),
        (
            Kind::DataPass,
            number.map(|n| match lang {
                Lang::En => n,
                Lang::Fr => format!("n°\u{a0}{n}").into(),
            }),
        ),
        (Kind::Siret, siret.map(Cow::Owned)),
        (Kind::JtiEnd, jti_end.map(Cow::Owned)),
        (Kind::Applicant, part.demandeur.as_ref().map(person)),
    ];
    listed
        .into_iter()
        .filter_map(move |(kind, value)| value.map(|v| fact(lang, kind, v)))
}

fn next_reminder(
    next: Option<DateTime<Utc>>,
    lang: Lang,
    calendar: &Calendar,
) -> Cow<'static, str> {
    let Some(at) = next else {
        return lang.pick("none is planned", "aucun n’est prévu").into();
    };
    let day = prose::weekday_date(lang, calendar.date(at));
    let unless = lang.pick(", if nothing is done", ", si rien n’est fait");
    (day + unless).into()
}

/// "Camille Martin (c.martin@ville.example)", or the address alone.
pub(super) fn person(mailbox: &Mailbox) -> Cow<'_, str> {
    let address = mailbox.address.as_str();
    match mailbox.name.as_deref().map(tidy_name) {
        Some(name) if !name.is_empty() => [&name, " (", address, ")"].concat().into(),
        _ => address.into(),
    }
}

fn enumerate<'a>(all: &[Cow<'a, str>], lang: Lang) -> Cow<'a, str> {
    if let [only] = all {
        return only.clone();
    }
    let named = &all[..all.len().min(NAMED)];
    let list = named.join(", ");
    let list = match (all.len() - named.len(), lang) {
        (0, _) => list,
        (1, Lang::Fr) => format!("{list} et 1\u{a0}autre"),
        (n, Lang::Fr) => format!("{list} et {n}\u{a0}autres"),
        (1, Lang::En) => format!("{list} and 1\u{a0}other"),
        (n, Lang::En) => format!("{list} and {n}\u{a0}others"),
    };
    list.into()
}

/// The values in their first order, each once.
pub(super) fn distinct<'a>(values: impl Iterator<Item = Cow<'a, str>>) -> Vec<Cow<'a, str>> {
    let mut distinct = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for value in values {
        // Few values need no table.
        let is_new = if distinct.len() < FEW {
            !distinct.contains(&value)
        } else {
            if seen.is_empty() {
                seen.extend(distinct.iter().cloned());
            }
            seen.insert(value.clone())
        };
        if is_new {
            distinct.push(value);
        }
    }
    distinct
}

/// A fact with its label in the mail's language.
pub(super) fn fact<'a>(lang: Lang, kind: Kind, value: Cow<'a, str>) -> Fact<'a> {
    Fact {
        kind,
        label: kind.label(lang),
        value,
    }
}
