//! Alarms to the contact about the watch itself: the relay, the disk, tokens that nobody was
//! told about. Their words are true whenever they are read, also days after they were queued.
//!
//! Each is queued once for its cause; how often at most is decided in `tell`.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::delivery::compose;
use crate::delivery::desk::Desk;
use crate::delivery::notes::Draft;
use crate::domain::language::{Lang, Text, text};
use crate::store::telling::Named;

/// Entries of a list in a note; the rest is counted.
pub const LISTED: usize = 20;

impl Desk {
    /// The relay has been failing since `since`. It leaves when the relay is back.
    pub fn relay_alarm(&self, since: DateTime<Utc>, why: &str) -> Draft {
        let Text { en, fr } = self.moment(since);
        Draft {
            kind: "note_relay",
            cause: format!("relay:{}", since.timestamp()),
            subject: text!(
                "The mail server was out of reach from {en}",
                "Serveur de messagerie injoignable à partir du {fr}"
            ),
            body: vec![
                text!(
                    "From {en} on, and for a quarter of an hour at least, the mail server could not be used. It was tried again and again; this note left as soon as it worked, so the date of this mail is the end of the outage.",
                    "À partir du {fr}, et pendant un quart d’heure au moins, le serveur de messagerie n’a pas pu être utilisé. Les essais ont continué ; cet avis est parti dès qu’il a fonctionné : la date de ce courriel est celle de la fin de la panne."
                ),
                text!("The first fault: {why}", "Première erreur : {why}"),
                text!(
                    "No mail was given up because of it: what waited leaves after this note. `jetond status` says whether anything owed is missing. Further outages within a day are not told one by one.",
                    "Aucun courriel n’a été abandonné pour cette raison : ce qui attendait part à la suite de cet avis. `jetond status` dit si quelque chose de dû manque. D’autres pannes dans la même journée ne sont pas signalées une par une."
                ),
            ],
        }
    }

    /// The disk was full from `since` to `until`.
    pub fn disk_alarm(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Draft {
        let (from, to) = (self.moment(since), self.moment(until));
        Draft {
            kind: "note_disk",
            cause: format!("disk:{}", since.timestamp()),
            subject: text!("The disk was full", "Le disque a été plein"),
            body: vec![
                text!(
                    "From {{}} to {{}} the disk of the store was full. During that time nothing could be recorded, so nothing left: a mail that is not recorded would be sent twice.",
                    "Du {{}} au {{}}, le disque de la base était plein. Pendant ce temps rien ne pouvait être consigné, donc rien n’est parti : un courriel qui n’est pas consigné partirait deux fois."
                )
                .with(&from)
                .with(&to),
                text!(
                    "There is room again, and what was due leaves now. Please see to it that the disk does not fill up once more.",
                    "La place est revenue, et ce qui était dû part maintenant. Merci de veiller à ce que le disque ne se remplisse pas de nouveau."
                ),
            ],
        }
    }

    /// Tokens of which a reminder reached nobody.
    pub fn unreached_alarm(&self, tokens: &[(Named, i32)]) -> Draft {
        let mut hash = Sha256::new();
        for (token, stage) in tokens {
            hash.update(format!(
                "{}\0{stage}\0{}\0",
                token.id,
                token.expires.timestamp()
            ));
        }
        let cause = hash.finalize()[..12]
            .iter()
            .fold("unreached:".to_owned(), |cause, byte| {
                cause + &format!("{byte:02x}")
            });
        let n = tokens.len();
        let subject = match tokens {
            [(token, _)] => {
                let name = &token.name;
                text!(
                    "Nobody could be told about {name}",
                    "Personne n’a pu être prévenu pour {name}"
                )
            }
            _ => text!(
                "Nobody could be told about {n} tokens",
                "Personne n’a pu être prévenu pour {n} jetons"
            ),
        };
        let named: Vec<Text> = tokens.iter().map(|(t, _)| self.entry(t)).collect();
        Draft {
            kind: "note_unreached",
            cause,
            subject,
            body: vec![
                text!(
                    "The latest reminder reached none of the people to be told:",
                    "Le dernier rappel n’a atteint aucune des personnes à prévenir :"
                ),
                list(&named, n),
                text!(
                    "Please tell them by another way, or renew in their place, and correct the addresses in the configuration. `jetond outbox list` shows what the mail server said; `jetond outbox retry` sends again.",
                    "Merci de les prévenir autrement, ou de renouveler à leur place, et de corriger les adresses dans la configuration. `jetond outbox list` montre ce que le serveur de messagerie a répondu ; `jetond outbox retry` renvoie."
                ),
            ],
        }
    }

    /// A token in a list: its name, client and expiry.
    pub fn entry(&self, token: &Named) -> Text {
        let on = self.calendar.date(token.expires);
        let client = token
            .client
            .as_ref()
            .map_or_else(String::new, |c| format!(" ({c})"));
        let name = format!("{}{client}", token.name);
        let (en, fr) = (compose::date(Lang::En, on), compose::date(Lang::Fr, on));
        text!("{name}, expiry {en}", "{name}, échéance le {fr}")
    }

    /// A moment in words: "22 November 2026 at 14:05".
    pub(super) fn moment(&self, at: DateTime<Utc>) -> Text {
        let [en, fr] = [Lang::En, Lang::Fr].map(|lang| compose::moment(lang, &self.calendar, at));
        Text { en, fr }
    }
}

/// A list of at most [`LISTED`] entries of `all`.
pub fn list(entries: &[Text], all: usize) -> Text {
    let mut lines = Text {
        en: String::new(),
        fr: String::new(),
    };
    for entry in entries.iter().take(LISTED) {
        for (list, line) in [(&mut lines.en, &entry.en), (&mut lines.fr, &entry.fr)] {
            if !list.is_empty() {
                list.push('\n');
            }
            list.push_str("- ");
            list.push_str(line);
        }
    }
    if let Some(more) = all.checked_sub(LISTED).filter(|n| *n > 0) {
        let more = text!("… and {more} more", "… et {more} de plus");
        lines.en.push_str(&format!("\n- {}", more.en));
        lines.fr.push_str(&format!("\n- {}", more.fr));
    }
    lines
}
