//! What a reload brought, in words: "+2 tokens, 1 changed (recipients), 1 archived; next mail
//! unchanged"; and the answer that is kept for whoever asked for it.
//!
//! Counts and kinds only: no id, no address.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::daemon::status::moment;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::renewal::reconcile::{Change, Report};
use crate::store::Store;
use crate::store::error::Result;

/// The key of the last answer in the store.
const ANSWER: &str = "reload_answer";

/// What the running daemon answered to a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Rises with each reload of a process, and differs from process to process.
    pub of: String,
    /// What changed, or why nothing did.
    pub said: std::result::Result<Text, Text>,
}

impl Answer {
    /// The last answer on record, whosever it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last(store: &Store) -> Result<Option<Self>> {
        let written = store.setting(ANSWER).await?;
        Ok(written.and_then(|w| Self::read(&w)))
    }

    /// Keeps it.
    pub(super) async fn keep(&self, store: &Store) -> Result<()> {
        let (good, said) = match &self.said {
            Ok(said) => (true, said),
            Err(said) => (false, said),
        };
        let written = json!({"of": self.of, "good": good, "en": said.en, "fr": said.fr});
        let mut tx = store.begin().await?;
        tx.set(ANSWER, &written.to_string()).await?;
        tx.commit().await
    }

    fn read(written: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(written).ok()?;
        let word = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let said = Text {
            en: word("en")?,
            fr: word("fr")?,
        };
        Some(Self {
            of: word("of")?,
            said: if value.get("good")?.as_bool()? {
                Ok(said)
            } else {
                Err(said)
            },
        })
    }
}

/// When the next mail may leave, before and after.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextMail {
    pub(super) before: Option<DateTime<Utc>>,
    pub(super) after: Option<DateTime<Utc>>,
}

/// A reload in words.
pub(super) fn summary(
    report: &Report,
    next: NextMail,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Text {
    let mut parts: Vec<Text> = Vec::new();
    let mut count = |n: usize, said: Text| {
        if n > 0 {
            parts.push(said);
        }
    };
    let n = report.added.len();
    let plural = |n: usize| if n < 2 { "" } else { "s" };
    let s = plural(n);
    count(n, text!("+{n} token{s}", "+{n} jeton{s}"));
    let n = report.renewed.len();
    let x = plural(n);
    count(n, text!("{n} renewed", "{n} renouvelé{x}"));
    let n = report.changed.len();
    let x = plural(n);
    let kinds: BTreeSet<Change> = report.changed.values().flatten().copied().collect();
    let kinds = listed(&kinds.into_iter().map(named).collect::<Vec<_>>());
    count(
        n,
        text!("{n} changed ({{}})", "{n} modifié{x} ({{}})").with(&kinds),
    );
    let n = report.restored.len();
    count(n, text!("{n} back", "{n} de retour"));
    let n = report.archived.len();
    let x = plural(n);
    count(n, text!("{n} archived", "{n} archivé{x}"));
    let changes = if parts.is_empty() {
        text!("tokens unchanged", "jetons inchangés")
    } else {
        listed(&parts)
    };
    let mail = match (next.before, next.after) {
        (before, after) if before == after => {
            text!("next mail unchanged", "prochain courriel inchangé")
        }
        (_, None) => text!("no mail to come", "aucun courriel à venir"),
        (_, Some(at)) if at <= now => text!("a mail is due now", "un courriel part maintenant"),
        (_, Some(at)) => {
            text!("next mail {{}}", "prochain courriel {{}}").with(&moment(at, calendar, now))
        }
    };
    text!("{{}}; {{}}", "{{}} ; {{}}")
        .with(&changes)
        .with(&mail)
}

fn listed(parts: &[Text]) -> Text {
    let join = |of: fn(&Text) -> &str| parts.iter().map(of).collect::<Vec<_>>().join(", ");
    Text {
        en: join(|t| &t.en),
        fr: join(|t| &t.fr),
    }
}

fn named(change: Change) -> Text {
    match change {
        Change::Dates => text!("dates", "dates"),
        Change::Recipients => text!("recipients", "destinataires"),
        Change::Name => text!("name", "nom"),
        Change::DatapassId => text!("Data Pass number", "numéro Data Pass"),
        Change::Siret => text!("SIRET", "SIRET"),
        Change::Client => text!("client", "client"),
        Change::Contact => text!("contact", "contact"),
        Change::Language => text!("language", "langue"),
        Change::UsedBy => text!("used_by", "used_by"),
        Change::Tags => text!("tags", "étiquettes"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{EXAMPLE, Surroundings, load};

    fn say(report: &Report, before: &str, after: &str) -> Text {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let at = |s: &str| s.parse().ok();
        let now = at("2026-11-20T12:00:00Z").unwrap();
        let calendar = load(&file, &Surroundings { now }).unwrap().config.calendar;
        let next = NextMail {
            before: at(before),
            after: at(after),
        };
        summary(report, next, &calendar, now)
    }

    fn ids(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("t{i}")).collect()
    }

    #[test]
    fn a_reload_is_told_by_counts_and_kinds() {
        let report = Report {
            added: ids(2),
            changed: BTreeMap::from([("x".to_owned(), BTreeSet::from([Change::Recipients]))]),
            archived: ids(1),
            ..Report::default()
        };
        let monday = "2026-11-23T08:00:00Z";
        assert_eq!(
            say(&report, monday, monday).en,
            "+2 tokens, 1 changed (recipients), 1 archived; next mail unchanged"
        );
        assert_eq!(
            say(&report, monday, monday).fr,
            "+2 jetons, 1 modifié (destinataires), 1 archivé\u{a0}; prochain courriel inchangé"
        );
    }

    #[test]
    fn another_next_mail_is_told_with_its_time() {
        let report = Report {
            changed: BTreeMap::from([
                (
                    "x".to_owned(),
                    BTreeSet::from([Change::Name, Change::Dates]),
                ),
                ("y".to_owned(), BTreeSet::from([Change::Name])),
            ]),
            renewed: ids(1),
            restored: ids(3),
            ..Report::default()
        };
        assert_eq!(
            say(&report, "", "2026-11-23T08:00:00Z").en,
            "1 renewed, 2 changed (dates, name), 3 back; next mail Monday 09:00"
        );
        let nothing = Report::default();
        assert_eq!(
            say(&nothing, "2026-11-23T08:00:00Z", "").fr,
            "jetons inchangés\u{a0}; aucun courriel à venir"
        );
        assert!(
            say(&nothing, "", "2026-11-20T12:00:00Z")
                .en
                .ends_with("a mail is due now")
        );
    }

    #[test]
    fn an_answer_is_read_as_it_was_kept_and_rubbish_is_none() {
        assert_eq!(Answer::read("{\"of\":\"1\",\"good\":true}"), None);
        let read = Answer::read("{\"of\":\"1\",\"good\":false,\"en\":\"a\",\"fr\":\"b\"}");
        assert_eq!(read.unwrap().said, Err(text!("a", "b")));
    }
}
