//! Notes about people whom reminders do not reach: to the contacts and to the other recipients
//! of those tokens, one to each reader whatever the number of refused addresses, about the
//! reader's own tokens only.
//!
//! Who is marked as out of reach gets no such note, unless they are a contact.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};

use crate::delivery::alarms::list;
use crate::delivery::desk::Desk;
use crate::delivery::notes::{Draft, act, names};
use crate::domain::address::Address;
use crate::domain::language::{Lang, Text, text};
use crate::domain::reach::Way;
use crate::store::outbox::Person;
use crate::store::settle::NewNote;
use crate::store::untold::{LostToken, Untold};

/// The kind of these notes.
pub const KIND: &str = "note_refused";

/// What one reader is told.
struct Reader<'a> {
    address: Address,
    language: Lang,
    /// By the key of the person who was not reached.
    lost: BTreeMap<&'a str, Lost<'a>>,
}

/// One person who was not reached, and about what.
struct Lost<'a> {
    mails: BTreeSet<&'a str>,
    address: &'a str,
    way: Way,
    said: &'a str,
    tokens: Vec<&'a LostToken>,
}

impl Desk {
    /// The notes about these lost reminders; none about what is known already. `people` are the
    /// present recipients of their tokens, `marked` the keys of those who cannot be reached.
    pub fn notes_about_refusals(
        &self,
        untold: &[Untold],
        people: &[Person],
        marked: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Vec<NewNote> {
        let mut readers: BTreeMap<String, Reader<'_>> = BTreeMap::new();
        for mail in untold {
            for token in mail.tokens.iter().filter(|t| !t.known) {
                for (address, language) in self.readers(token, people, marked) {
                    if address.key() == mail.recipient {
                        continue;
                    }
                    let reader = readers.entry(address.key()).or_insert_with(|| Reader {
                        address,
                        language,
                        lost: BTreeMap::new(),
                    });
                    reader.take(mail, token);
                }
            }
        }
        readers.into_values().map(|r| self.tell(&r, now)).collect()
    }

    /// Who is told about a token, in which language: its people as they wish, then its contact
    /// and the contact of all.
    fn readers(
        &self,
        token: &LostToken,
        people: &[Person],
        marked: &BTreeSet<String>,
    ) -> Vec<(Address, Lang)> {
        let contact = Address::parse(&token.contact).ok();
        let contacts: Vec<Address> = contact.into_iter().chain([self.contact.clone()]).collect();
        let is_contact = |key: &str| contacts.iter().any(|c| c.key() == key);
        people
            .iter()
            .filter(|p| p.token == token.token)
            .filter(|p| !marked.contains(&p.key) || is_contact(&p.key))
            .filter_map(|p| {
                let language = Lang::parse(&p.language).ok()?;
                Some((Address::parse(&p.address).ok()?, language))
            })
            .chain(contacts.iter().map(|c| (c.clone(), self.language)))
            .collect()
    }

    fn tell(&self, reader: &Reader<'_>, now: DateTime<Utc>) -> NewNote {
        let lost: Vec<&Lost<'_>> = reader.lost.values().collect();
        let named = |l: &Lost<'_>| {
            let tokens: Vec<(&str, NaiveDate)> = l
                .tokens
                .iter()
                .map(|t| (t.name.as_str(), self.calendar.date(t.expires)))
                .collect();
            names(&tokens)
        };
        let (subject, body) = match lost.as_slice() {
            [one] => about_one(one, &named(one)),
            all => {
                let entries: Vec<Text> = all.iter().map(|l| entry(l, &named(l))).collect();
                about_several(&entries)
            }
        };
        let draft = Draft {
            kind: KIND,
            cause: cause(&lost),
            subject,
            body,
        };
        self.note_in(reader.language, &reader.address, draft, now)
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, mail: &'a Untold, token: &'a LostToken) {
        let lost = self
            .lost
            .entry(mail.recipient.as_str())
            .or_insert_with(|| Lost {
                mails: BTreeSet::new(),
                address: &mail.address,
                way: mail.way,
                said: &mail.said,
                tokens: Vec::new(),
            });
        // What was said last counts.
        (lost.way, lost.said) = (mail.way, mail.said.as_str());
        lost.mails.insert(mail.message_id.as_str());
        // A reader may be a recipient and a contact.
        if !lost.tokens.iter().any(|t| t.token == token.token) {
            lost.tokens.push(token);
        }
    }
}

/// What the note is about: the same loss of the same mails is not told twice to one reader. A mail
/// that was refused, then accepted and came back, is another loss.
fn cause(lost: &[&Lost<'_>]) -> String {
    let mut mails: Vec<String> = lost
        .iter()
        .flat_map(|l| {
            let way = match l.way {
                Way::Refused => "mail",
                Way::Bounced | Way::Expired => l.way.word(),
            };
            l.mails.iter().map(move |id| format!("{way}:{id}"))
        })
        .collect();
    if mails.len() == 1 {
        return mails.remove(0);
    }
    mails.sort();
    let mut hash = Sha256::new();
    for mail in mails {
        hash.update(mail);
        hash.update([0]);
    }
    hash.finalize()[..12]
        .iter()
        .fold("mails:".to_owned(), |cause, byte| {
            cause + &format!("{byte:02x}")
        })
}

fn about_one(lost: &Lost<'_>, tokens: &Text) -> (Text, Vec<Text>) {
    let to = lost.address;
    let subject = match lost.way {
        Way::Refused => text!("Refused address: {to}", "Adresse refusée : {to}"),
        Way::Bounced => text!(
            "Reminder to {to} came back",
            "Rappel à {to} revenu à l’expéditeur"
        ),
        Way::Expired => text!("Reminder not delivered to {to}", "Rappel non remis à {to}"),
    };
    let what = match lost.way {
        Way::Refused => text!(
            "The mail server refuses the address {to} for good. A reminder did not reach this person; the next one will be tried again.",
            "Le serveur de messagerie refuse définitivement l’adresse {to}. Un rappel n’est pas arrivé à cette personne ; le prochain sera tenté de nouveau."
        ),
        Way::Bounced => text!(
            "The mail server had accepted a reminder to {to}, and has sent it back: the address is refused for good. The reminder did not reach this person; the next one will be tried again.",
            "Le serveur de messagerie avait accepté un rappel à {to}, puis l’a renvoyé : l’adresse est refusée définitivement. Le rappel n’est pas arrivé à cette personne ; le prochain sera tenté de nouveau."
        ),
        Way::Expired => text!(
            "The mail server had accepted a reminder to {to}, tried to pass it on, and has given it up. The reminder did not reach this person; the next one will be tried again.",
            "Le serveur de messagerie avait accepté un rappel à {to}, a essayé de le transmettre, puis l’a abandonné. Le rappel n’est pas arrivé à cette personne ; le prochain sera tenté de nouveau."
        ),
    };
    let about = text!("It was about: {{}}.", "Il concernait : {{}}.").with(tokens);
    let said = lost.said;
    let said = text!("The server said: {said}", "Réponse du serveur : {said}");
    (subject, vec![what, about, said, act()])
}

fn entry(lost: &Lost<'_>, tokens: &Text) -> Text {
    let (to, said) = (lost.address, lost.said);
    text!(
        "{to}, about {{}}; the server said: {said}",
        "{to}, pour {{}} ; réponse du serveur : {said}"
    )
    .with(tokens)
}

fn about_several(entries: &[Text]) -> (Text, Vec<Text>) {
    let n = entries.len();
    let subject = text!(
        "Reminders did not reach {n} people",
        "Des rappels n’ont pas atteint {n} personnes"
    );
    let what = text!(
        "The mail server refuses these addresses, or reminders to them came back. They did not reach these people; the next ones will be tried again.",
        "Le serveur de messagerie refuse ces adresses, ou des rappels en sont revenus. Ils ne sont pas arrivés à ces personnes ; les prochains seront tentés de nouveau."
    );
    (subject, vec![what, list(entries, n), act()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost<'a>(mails: &[&'a str], way: Way) -> Lost<'a> {
        Lost {
            mails: mails.iter().copied().collect(),
            address: "a@ville.example",
            way,
            said: "",
            tokens: Vec::new(),
        }
    }

    #[test]
    fn a_loss_is_the_same_whatever_the_order_and_another_one_is_not() {
        let of = |all: &[Lost<'_>]| cause(&all.iter().collect::<Vec<_>>());
        assert_eq!(of(&[lost(&["1"], Way::Refused)]), "mail:1");
        assert_eq!(of(&[lost(&["1"], Way::Bounced)]), "bounced:1");
        let (one, two) = (
            || lost(&["1"], Way::Refused),
            || lost(&["2", "3"], Way::Bounced),
        );
        assert_eq!(of(&[one(), two()]), of(&[two(), one()]));
        assert_ne!(
            of(&[one(), two()]),
            of(&[lost(&["1", "2", "3"], Way::Refused)])
        );
    }
}
