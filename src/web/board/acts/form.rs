//! The forms of what may be said of a token: their fields with what was typed, read into a verb
//! or told what is wrong with them. The text of a token itself is never given back.

use chrono::{Datelike as _, NaiveDate};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, looks_like_jwt, text};
use crate::renewal::verbs::words::{LONGEST, unfit};
use crate::renewal::verbs::{Filing, Renewal, Verb};
use crate::web::board::acts::Fields;
use crate::web::board::acts::choice::Choice;
use crate::web::board::acts::view::{Field, Form};
use crate::web::links::read_date;

/// The names of all fields.
pub(super) const FIELDS: [&str; 7] = ["do", "on", "by", "reference", "expires", "issued", "until"];

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) field: &'static str,
    pub(super) why: Text,
}

impl Choice {
    /// Its form, with what was typed, or what is likely.
    pub(super) fn form(
        self,
        lang: Lang,
        typed: &dyn Fn(&str) -> Option<String>,
        slip: Option<&Slip>,
        today: NaiveDate,
    ) -> Form {
        let (heading, words) = self.words();
        let fields = self.fields().iter().map(|name| {
            let (label, hint) = self.label(name);
            let likely = match (self, *name) {
                (Self::File, "on") => today.to_string(),
                _ => String::new(),
            };
            Field {
                name,
                id: format!("{}-{name}", self.word()),
                label: label.in_lang(lang).to_owned(),
                hint: hint.map(|h| h.in_lang(lang).to_owned()),
                is_date: !matches!(*name, "by" | "reference"),
                value: typed(name).unwrap_or(likely),
                is_wrong: slip.is_some_and(|s| s.field == *name),
            }
        });
        Form {
            choice: self.word(),
            heading: heading.in_lang(lang).to_owned(),
            words: words.in_lang(lang).to_owned(),
            fields: fields.collect(),
            button: text!("Show what this changes", "Voir ce que cela change")
                .in_lang(lang)
                .to_owned(),
        }
    }

    fn words(self) -> (Text, Text) {
        match self {
            Self::File => (
                text!(
                    "The renewal request is filed",
                    "La demande de renouvellement est déposée"
                ),
                text!(
                    "The early reminders fall silent; those of the last 15 days leave all the same, until the token is renewed.",
                    "Les premiers rappels se taisent ; ceux des 15 derniers jours partent tout de même, jusqu’au renouvellement."
                ),
            ),
            Self::Unfile => (
                text!(
                    "It is not filed after all",
                    "Elle n’est finalement pas déposée"
                ),
                text!("Reminders resume.", "Les rappels reprennent."),
            ),
            Self::RefuseFiled => (
                text!("The request was refused", "La demande a été refusée"),
                text!("Reminders resume.", "Les rappels reprennent."),
            ),
            Self::Renew => (
                text!("The token is renewed", "Le jeton est renouvelé"),
                text!(
                    "The same token lives on until a later date: give its new expiry, or its new date of issue.",
                    "Le même jeton vit jusqu’à une date plus lointaine : donner sa nouvelle fin, ou sa nouvelle date de délivrance."
                ),
            ),
            Self::Correct => (
                text!(
                    "The date on record is wrong",
                    "La date enregistrée est erronée"
                ),
                text!(
                    "The same validity gets another date, and nothing is sent again.",
                    "La même validité prend une autre date, et rien n’est envoyé de nouveau."
                ),
            ),
            Self::Undeclare => (
                text!("It is not renewed", "Il n’est pas renouvelé"),
                text!(
                    "A recipient declared a renewal that did not happen: reminders resume.",
                    "Un destinataire a déclaré un renouvellement qui n’a pas eu lieu : les rappels reprennent."
                ),
            ),
            Self::Snooze => (
                text!("Reminders are put off", "Les rappels sont en sommeil"),
                text!(
                    "Early reminders wait until that day, 15 days before expiry at the latest.",
                    "Les premiers rappels attendent ce jour, au plus tard 15 jours avant l’échéance."
                ),
            ),
            Self::Wake => (
                text!("They are put off no longer", "Ils ne sont plus en sommeil"),
                text!("Reminders resume.", "Les rappels reprennent."),
            ),
            Self::Revoke => (
                text!("The token is revoked", "Le jeton est révoqué"),
                text!(
                    "No reminder leaves any more. Without a day it is revoked now; a day to come becomes its last one.",
                    "Plus aucun rappel ne part. Sans jour, il est révoqué dès maintenant ; un jour à venir devient le dernier."
                ),
            ),
        }
    }

    fn label(self, name: &str) -> (Text, Option<Text>) {
        match (self, name) {
            (Self::Revoke, "on") => (
                text!(
                    "Last day on which it works",
                    "Dernier jour où il fonctionne"
                ),
                Some(text!("Empty: now.", "Vide : maintenant.")),
            ),
            (_, "on") => (text!("Filed on", "Déposée le"), None),
            (_, "by") => (
                text!("By whom", "Par qui"),
                Some(text!("If that is not you.", "Si ce n’est pas vous.")),
            ),
            (_, "reference") => (
                text!("Number of the request", "Numéro de la demande"),
                Some(text!(
                    "As Data Pass shows it.",
                    "Tel que Data Pass l’affiche."
                )),
            ),
            (_, "expires") => (text!("New expiry", "Nouvelle échéance"), None),
            (_, "issued") => (
                text!("Or its date of issue", "Ou sa date de délivrance"),
                Some(text!(
                    "The expiry follows from it.",
                    "L’échéance en découle."
                )),
            ),
            _ => (text!("Until", "Jusqu’au"), None),
        }
    }
}

/// What a form says, as a verb.
pub(super) fn read(
    choice: Choice,
    fields: &Fields,
    calendar: &Calendar,
    validity_months: u32,
) -> Result<Verb, Slip> {
    let day = |name| date(fields, name);
    Ok(match choice {
        Choice::File => Verb::File(Filing {
            at: day("on")?.map(|on| calendar.start_of_day(on)),
            by: particular(fields, "by")?,
            reference: particular(fields, "reference")?,
        }),
        Choice::Unfile => Verb::Unfile,
        Choice::RefuseFiled => Verb::RefuseFiled,
        Choice::Renew => Verb::Renew(renewal(fields, calendar, validity_months)?),
        Choice::Correct => Verb::Correct(renewal(fields, calendar, validity_months)?),
        Choice::Undeclare => Verb::Undeclare,
        Choice::Snooze => Verb::Snooze {
            until: calendar.start_of_day(day("until")?.ok_or_else(|| Slip {
                field: "until",
                why: text!(
                    "Give the day on which reminders speak again.",
                    "Donner le jour où les rappels reprennent."
                ),
            })?),
        },
        Choice::Wake => Verb::Wake,
        Choice::Revoke => Verb::Revoke {
            at: day("on")?.map(|on| calendar.end_of_day(on)),
        },
    })
}

fn renewal(fields: &Fields, calendar: &Calendar, months: u32) -> Result<Renewal, Slip> {
    match (date(fields, "expires")?, date(fields, "issued")?) {
        (Some(expires), None) => Ok(Renewal::until(calendar.end_of_day(expires), None)),
        (None, Some(issued)) => {
            let issued = calendar.end_of_day(issued);
            let expires = calendar.add_months(issued, months);
            Ok(Renewal::until(expires, Some(issued)))
        }
        (None, None) => Err(Slip {
            field: "expires",
            why: text!(
                "Give the new expiry, or the date of issue.",
                "Donner la nouvelle échéance, ou la date de délivrance."
            ),
        }),
        (Some(_), Some(_)) => Err(Slip {
            field: "issued",
            why: text!(
                "Give one of the two dates: the expiry follows from the date of issue.",
                "Donner une seule des deux dates : l’échéance découle de la date de délivrance."
            ),
        }),
    }
}

fn date(fields: &Fields, name: &'static str) -> Result<Option<NaiveDate>, Slip> {
    let Some(written) = fields.get(name) else {
        return Ok(None);
    };
    // As on the command line: a mail can carry these years, and so can every sum.
    match read_date(written).filter(|d| d.year() <= 9000) {
        Some(date) => Ok(Some(date)),
        None => Err(Slip {
            field: name,
            why: text!(
                "This is not a date: write it as 2027-11-30.",
                "Ce n’est pas une date : l’écrire comme 30/11/2027."
            ),
        }),
    }
}

fn particular(fields: &Fields, name: &'static str) -> Result<Option<String>, Slip> {
    let Some(written) = fields.get(name) else {
        return Ok(None);
    };
    let (label, _) = Choice::File.label(name);
    let label = text!("“{{}}”", "« {{}} »").with(&label);
    match unfit(&label, written) {
        None => Ok(Some(written.to_owned())),
        Some(why) => Err(Slip { field: name, why }),
    }
}

/// What was typed, to be given back: never the text of a token, and no more than is kept.
pub(super) fn given_back(written: &str) -> String {
    if looks_like_jwt(written) {
        return String::new();
    }
    let kept = written.chars().filter(|c| !c.is_control());
    kept.take(LONGEST).collect()
}
