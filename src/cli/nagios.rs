//! `status --nagios`: the state of the watch as a plugin of Nagios and Centreon tells it.
//!
//! The form is that of the Monitoring Plugins Development Guidelines: one line with the state
//! and the figures, then lines for people; the exit code is the state, 0 to 3, which is not what
//! this program's exit codes mean elsewhere. Nothing here holds an address.

use std::fmt::Write as _;

use chrono::Duration;

use crate::cli::{Failure, reach};
use crate::domain::language::{Lang, Text, counted, text};
use crate::health::{PASS_PATIENCE, span};
use crate::words::count;

/// The state of a service; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// All is well.
    Ok = 0,
    /// A person should look, today or tomorrow.
    Warning = 1,
    /// Reminders are missing, or will be.
    Critical = 2,
    /// It cannot be found out.
    Unknown = 3,
}

impl Service {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What is found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) service: Service,
    pub(super) what: Text,
    pub(super) advice: Text,
}

/// A figure, with the bounds from which it is a warning and critical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) label: &'static str,
    pub(super) value: i64,
    pub(super) unit: &'static str,
    pub(super) warning: Option<i64>,
    pub(super) critical: Option<i64>,
}

impl Figure {
    /// So many of something.
    pub(super) fn count(label: &'static str, value: impl TryInto<i64>) -> Self {
        Self {
            label,
            value: value.try_into().unwrap_or(i64::MAX),
            unit: "",
            warning: None,
            critical: None,
        }
    }

    /// A span of time, in seconds.
    pub(super) fn age(label: &'static str, age: Duration) -> Self {
        Self {
            unit: "s",
            ..Self::count(label, age.num_seconds().max(0))
        }
    }

    /// More than `bound` is a warning.
    pub(super) fn warns_above(self, bound: i64) -> Self {
        Self {
            warning: Some(bound),
            ..self
        }
    }

    /// More than `bound` is critical.
    pub(super) fn critical_above(self, bound: i64) -> Self {
        Self {
            critical: Some(bound),
            ..self
        }
    }

    /// `label=value[unit];warning;critical;0`
    fn written(&self) -> String {
        let bound = |b: Option<i64>| b.map_or_else(String::new, |b| b.to_string());
        let (w, c) = (bound(self.warning), bound(self.critical));
        format!("{}={}{};{w};{c};0", self.label, self.value, self.unit)
    }
}

/// What there is to judge.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) uncovered: usize,
    pub(super) running: bool,
    /// The time since the last pass; `None`: there was none.
    pub(super) pass_age: Option<Duration>,
    /// How old the last pass may be where no daemon is expected to run.
    pub(super) max_age: Option<Duration>,
    /// How bad, what, and what to do.
    pub(super) ills: Vec<(Service, Text, Text)>,
    pub(super) waiting: u32,
    pub(super) oldest: Option<Duration>,
    pub(super) put_off: u32,
    pub(super) held: u32,
    pub(super) refused: u32,
    pub(super) parked: u32,
    pub(super) failed: u32,
    pub(super) unreachable: u32,
    pub(super) tokens: u32,
    pub(super) expired: u32,
}

impl Seen {
    /// What is wrong.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |service, what, advice| {
            found.push(Finding {
                service,
                what,
                advice,
            });
        };
        if self.uncovered > 0 {
            add(
                Service::Critical,
                counted(
                    self.uncovered,
                    ["owed reminder is missing", "owed reminders are missing"],
                    ["rappel dû manque", "rappels dus manquent"],
                ),
                text!(
                    "`jetond status` lists them, `jetond explain ID` says why.",
                    "`jetond status` en donne la liste, `jetond explain ID` dit pourquoi."
                ),
            );
        }
        let patience = self.max_age.unwrap_or(PASS_PATIENCE);
        let start = || {
            text!(
                "Start `jetond run`, or see why its timer does not fire.",
                "Démarrer `jetond run`, ou voir pourquoi sa minuterie ne se déclenche pas."
            )
        };
        if self.max_age.is_none() && !self.running {
            add(
                Service::Critical,
                text!("the daemon does not run", "le service ne tourne pas"),
                start(),
            );
        }
        match self.pass_age {
            Some(age) if age > patience => add(
                Service::Critical,
                text!("the last pass was {{}}", "dernier passage {{}}").with(&since(age)),
                start(),
            ),
            Some(_) => {}
            None => add(
                Service::Critical,
                text!("there was no pass yet", "aucun passage n’a encore eu lieu"),
                start(),
            ),
        }
        for (service, what, advice) in &self.ills {
            let advice = text!("{{}}.", "{{}}.").with(&sentence(advice));
            add(*service, what.clone(), advice);
        }
        let outbox = || {
            text!(
                "See `jetond outbox list`; `retry` sends again, `cancel` drops.",
                "Voir `jetond outbox list` ; `retry` renvoie, `cancel` annule."
            )
        };
        let days = text!("in 7 days", "en 7 jours");
        for (n, what) in [
            (
                self.refused,
                counted(
                    self.refused,
                    ["mail refused {}", "mails refused {}"],
                    ["courriel refusé {}", "courriels refusés {}"],
                )
                .with(&days),
            ),
            (
                self.parked,
                counted(
                    self.parked,
                    ["mail parked {}", "mails parked {}"],
                    ["courriel mis de côté {}", "courriels mis de côté {}"],
                )
                .with(&days),
            ),
            (
                self.failed,
                counted(
                    self.failed,
                    ["mail given up {}", "mails given up {}"],
                    ["courriel abandonné {}", "courriels abandonnés {}"],
                )
                .with(&days),
            ),
            (
                self.put_off,
                counted(
                    self.put_off,
                    [
                        "mail put off for more than a day",
                        "mails put off for more than a day",
                    ],
                    [
                        "courriel remis à plus tard depuis plus d’un jour",
                        "courriels remis à plus tard depuis plus d’un jour",
                    ],
                ),
            ),
        ] {
            if n > 0 {
                add(Service::Warning, what, outbox());
            }
        }
        if self.unreachable > 0 {
            add(
                Service::Warning,
                reach::people(usize::try_from(self.unreachable).unwrap_or(usize::MAX)),
                text!(
                    "`jetond status` names them: correct their addresses in the configuration.",
                    "`jetond status` les nomme : corriger leurs adresses dans la configuration."
                ),
            );
        }
        if self.expired > 0 {
            add(
                Service::Warning,
                counted(
                    self.expired,
                    [
                        "token expired and not renewed",
                        "tokens expired and not renewed",
                    ],
                    [
                        "jeton expiré et non renouvelé",
                        "jetons expirés et non renouvelés",
                    ],
                ),
                text!(
                    "`jetond list` names what expired: renew, and tell the file the new date; what nobody uses is to be taken out of the file.",
                    "`jetond list` nomme ce qui a expiré : renouveler, et inscrire la nouvelle date dans le fichier ; en retirer ce que personne n’utilise."
                ),
            );
        }
        found
    }

    /// The figures, in an order that does not change.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let patience = self.max_age.unwrap_or(PASS_PATIENCE).num_seconds();
        let mut figures = vec![Figure::count("uncovered", self.uncovered).critical_above(0)];
        if let Some(age) = self.pass_age {
            figures.push(Figure::age("pass_age", age).critical_above(patience));
        }
        figures.push(Figure::count("waiting", self.waiting));
        figures.push(Figure::age(
            "oldest",
            self.oldest.unwrap_or(Duration::zero()),
        ));
        for (label, n) in [
            ("put_off", self.put_off),
            ("held", self.held),
            ("refused", self.refused),
            ("parked", self.parked),
            ("failed", self.failed),
            ("unreachable", self.unreachable),
        ] {
            figures.push(Figure::count(label, n).warns_above(0));
        }
        figures.push(Figure::count("tokens", self.tokens));
        figures.push(Figure::count("expired", self.expired).warns_above(0));
        figures
    }

    /// What is said where nothing is wrong.
    pub(super) fn well(&self) -> Text {
        text!(
            "no reminder missing, {{}} watched, {{}} waiting",
            "aucun rappel ne manque, {{}} sous veille, {{}} en attente"
        )
        .with(&count::tokens(self.tokens))
        .with(&count::mails(self.waiting))
    }
}

/// A clause as the beginning of a sentence.
fn sentence(clause: &Text) -> Text {
    let begin = |said: &str| {
        let mut letters = said.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    };
    Text {
        en: begin(&clause.en),
        fr: begin(&clause.fr),
    }
}

/// The whole answer: its state and its lines.
pub(super) fn answer(seen: &Seen, lang: Lang) -> (Service, String) {
    let mut findings = seen.findings();
    findings.sort_by_key(|f| std::cmp::Reverse(f.service));
    let service = findings.first().map_or(Service::Ok, |f| f.service);
    let told = if findings.is_empty() {
        one_line(seen.well().in_lang(lang))
    } else {
        let whats: Vec<String> = findings
            .iter()
            .map(|f| one_line(f.what.in_lang(lang)))
            .collect();
        whats.join(", ")
    };
    let figures: Vec<String> = seen.figures().iter().map(Figure::written).collect();
    let mut lines = format!(
        "JETOND {} - {told} | {}\n",
        service.word(),
        figures.join(" ")
    );
    for finding in &findings {
        let (word, colon) = (finding.service.word(), lang.pick(":", "\u{a0}:"));
        let what = one_line(finding.what.in_lang(lang));
        let advice = one_line(finding.advice.in_lang(lang));
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{word}{colon} {what}. {advice}");
    }
    (service, lines)
}

/// What is answered where the state cannot be found out.
pub(super) fn unknown(failure: &Failure, lang: Lang) -> String {
    let mut told = failure.message.in_lang(lang).to_owned();
    let first = failure.details.as_ref().and_then(|d| d.get(0));
    if let Some(first) = first.and_then(|d| d.get("message")?.as_str()) {
        let _ = write!(told, "{}{first}", lang.pick(": ", "\u{a0}: "));
    }
    if let Some(hint) = &failure.hint {
        let _ = write!(told, " ({})", hint.in_lang(lang));
    }
    format!("JETOND {} - {}\n", Service::Unknown.word(), one_line(&told))
}

/// One line without what the protocol keeps for itself, and without addresses.
fn one_line(words: &str) -> String {
    let shown: Vec<&str> = words
        .split_whitespace()
        .map(|word| if word.contains('@') { "…" } else { word })
        .collect();
    // Splitting takes no-break spaces too: they come back where French wants them.
    crate::domain::language::set_in_french(shown.join(" ").replace('|', "/"))
}

/// Reads how old the last pass may be: `26h`, `90min`, `2d`.
///
/// # Errors
/// What to write instead.
pub(super) fn max_age(written: &str) -> Result<Duration, String> {
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &written[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write it as 26h, 90min or 2d".to_owned()),
    };
    digits
        .parse::<i64>()
        .ok()
        .filter(|n| (1..=100_000).contains(n))
        .map(|n| Duration::seconds(n * unit))
        .ok_or_else(|| "write it as 26h, 90min or 2d".to_owned())
}

/// A span in the words of a finding.
pub(super) fn since(age: Duration) -> Text {
    let Text { en, fr } = span(age);
    text!("{en} ago", "il y a {fr}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_protocol_keeps_for_itself_and_addresses_do_not_come_through() {
        assert_eq!(
            one_line("a | b\nfor <c.martin@ville.example>\u{a0}: c"),
            "a / b for …\u{a0}: c"
        );
    }

    #[test]
    fn advice_begins_as_a_sentence_does() {
        let said = |en: &str, fr: &str| {
            let (en, fr) = (en.to_owned(), fr.to_owned());
            let Text { en, fr } = sentence(&Text { en, fr });
            [en, fr]
        };
        assert_eq!(said("make room", "être là"), ["Make room", "Être là"]);
        assert_eq!(said("`jetond check`", ""), ["`jetond check`", ""]);
    }

    #[test]
    fn an_age_is_read_with_its_unit() {
        assert_eq!(max_age("26h"), Ok(Duration::hours(26)));
        assert_eq!(max_age("90min"), Ok(Duration::minutes(90)));
        for bad in ["26", "h", "-1h", "0h", "1 h", "99999999h", "2w", ""] {
            assert!(max_age(bad).is_err(), "{bad}");
        }
    }
}
