//! Who is told about the tokens of a list: their own people and their client's; the contact where
//! there is nobody.
//!
//! A row that names people replaces those of earlier lists; one that names nobody takes nobody
//! away. People whom Data Pass or a superseded token gave stay.

use crate::domain::address::Address;
use crate::domain::language::{Lang, Text, text};
use crate::domain::people::{Person, Told};
use crate::domain::token::{Recipient, Role};
use crate::renewal::import::meeting::Meeting;
use crate::renewal::import::plan::Planner;
use crate::renewal::import::rows::Row;
use crate::store::imported::Arrival;
use crate::store::record::Token;
use crate::store::told::{KnownRecipient, RecipientOrigin};

impl<'a> Planner<'a> {
    /// The people whom a row names and who are not told about its token.
    pub(super) fn strangers(&self, row: &Row, known: &Token) -> Vec<String> {
        let told = self.recipients.get(&known.no).map_or(&[][..], |r| r);
        let is_told = |key: &String| told.iter().any(|r| !r.removed && r.key == *key);
        let named = row.people.iter().flatten().map(|p| p.address.key());
        named.filter(|key| !is_told(key)).collect()
    }

    /// Compares who is told; tells whether something changes.
    pub(super) fn compare_people(&mut self, m: &Meeting<'_>, arrival: &Arrival) -> bool {
        let language = Lang::parse(&arrival.facts.language).unwrap_or(self.house.language);
        let told: Vec<&KnownRecipient> = self
            .recipients
            .get(&m.known.no)
            .cloned()
            .unwrap_or_default();
        let present = || told.iter().filter(|r| !r.removed);
        let stands_in = |r: &&KnownRecipient| {
            r.address == m.known.facts.contact
                && r.name.is_none()
                && r.role == Role::Observer.word()
        };
        let only_stand_in = present().all(stands_in);
        let own = m.row.people.as_deref().unwrap_or(self.wish.people);
        let mut wanted = together(own, self.inherited(m.client), language);
        // A row that names nobody takes nobody away, but for the contact who stood in.
        let replaces = !own.is_empty() || only_stand_in;
        if wanted.is_empty() {
            if !only_stand_in {
                return false;
            }
            let contact = Address::parse(&arrival.facts.contact);
            let contact = contact.as_ref().unwrap_or(self.house.contact);
            wanted.push(stand_in(contact, language));
        }
        let no = m.known.no;
        let mut differs = false;
        let wanted: Vec<KnownRecipient> = wanted.iter().map(|p| recipient(no, p)).collect();
        for want in &wanted {
            match told.iter().find(|r| r.key == want.key) {
                Some(r) if *r == want => continue,
                // Data Pass or another token gave them: they are told, and stay theirs.
                Some(r) if !r.removed && !is_of_lists(r) => continue,
                Some(r) if !r.removed && !replaces => continue,
                Some(r) if r.removed => {
                    self.plan.again.push((no, r.key.clone()));
                    let address = want.address.clone();
                    self.plan.people.push((no, "recipient_added", address));
                }
                Some(_) => {}
                None => {
                    let address = want.address.clone();
                    self.plan.people.push((no, "recipient_added", address));
                }
            }
            differs = true;
            self.plan.put.push(want.clone());
        }
        for r in present().filter(|r| replaces && is_of_lists(r)) {
            if !wanted.iter().any(|w| w.key == r.key) {
                differs = true;
                self.plan.gone.push((no, r.key.clone()));
                let address = r.address.clone();
                self.plan.people.push((no, "recipient_removed", address));
            }
        }
        differs
    }

    /// The row's people, else those a person named, and the client's.
    pub(super) fn people(&self, row: &Row, client: Option<&str>, language: Lang) -> Vec<Recipient> {
        let own = row.people.as_deref().unwrap_or(self.wish.people);
        together(own, self.inherited(client), language)
    }

    fn inherited(&self, client: Option<&str>) -> &'a [Person] {
        let client = client.and_then(|key| self.house.clients.get(key));
        client.map_or(&[], |c| &c.people)
    }
}

/// The contact stands in where nobody is named.
pub(super) fn stand_in(contact: &Address, language: Lang) -> Recipient {
    Recipient {
        address: contact.clone(),
        name: None,
        role: Role::Observer,
        language,
        from_stage: None,
    }
}

pub(super) fn only_the_contact() -> Text {
    text!(
        "this token has no recipient: only the contact is told",
        "ce jeton n’a pas de destinataire : seul le contact est prévenu"
    )
}

/// Two lists of people, each address once.
fn together(own: &[Person], inherited: &[Person], language: Lang) -> Vec<Recipient> {
    let mut told = Told::default();
    for person in own.iter().chain(inherited) {
        told.add(person, person.from_stage);
    }
    told.recipients(language)
}

pub(super) fn recipient(token: i64, r: &Recipient) -> KnownRecipient {
    KnownRecipient {
        token,
        key: r.address.key(),
        address: r.address.as_str().to_owned(),
        name: r.name.clone(),
        role: r.role.word().to_owned(),
        language: r.language.code().to_owned(),
        from_stage: r.from_stage,
        origin: RecipientOrigin::Import,
        removed: false,
    }
}

/// Whether a list decides on a recipient: those of an import, and those that the file has left
/// behind with a token that is no longer in it.
fn is_of_lists(r: &KnownRecipient) -> bool {
    match r.origin {
        RecipientOrigin::File | RecipientOrigin::Import => true,
        RecipientOrigin::Webhook | RecipientOrigin::Inherited => false,
    }
}
