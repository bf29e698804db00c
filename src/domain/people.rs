//! Who is told about a token, before and after lists are put together.
//!
//! A token's recipients are its own and those of its client. An address that is listed twice
//! counts once: it is told from the earliest stage of the two, and keeps its first name and role.

use std::collections::{BTreeMap, HashMap};

use crate::domain::address::Address;
use crate::domain::language::Lang;
use crate::domain::token::{Recipient, Role};

/// One person of a list, before a token gives what is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Where the mail goes.
    pub address: Address,
    /// Their name.
    pub name: Option<String>,
    /// What they are to the token.
    pub role: Option<Role>,
    /// The language of their mails.
    pub language: Option<Lang>,
    /// They are told from this many days before expiry on; `None`: from the first stage.
    pub from_stage: Option<u32>,
}

/// What the tokens of a client inherit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name for people.
    pub name: String,
    /// Who answers questions about its tokens, if it has its own.
    pub contact: Option<Address>,
    /// The language of its mails, if it has its own.
    pub language: Option<Lang>,
    /// Its people, groups opened.
    pub people: Vec<Person>,
}

/// The clients by their keys.
pub type Clients = BTreeMap<String, Client>;

/// The people told so far, found again by their address.
#[derive(Debug, Default)]
pub struct Told {
    people: Vec<Person>,
    by_key: HashMap<String, usize>,
}

impl Told {
    /// Adds a person who is told from this stage on.
    pub fn add(&mut self, person: &Person, from_stage: Option<u32>) {
        let next = self.people.len();
        let at = *self.by_key.entry(person.address.key()).or_insert(next);
        let Some(known) = self.people.get_mut(at) else {
            self.people.push(Person {
                from_stage,
                ..person.clone()
            });
            return;
        };
        known.name = known.name.take().or_else(|| person.name.clone());
        known.role = known.role.or(person.role);
        known.language = known.language.or(person.language);
        known.from_stage = match (known.from_stage, from_stage) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (None, _) | (_, None) => None,
        };
    }

    /// Everyone, each address once, in the order of listing.
    pub fn people(self) -> Vec<Person> {
        self.people
    }

    /// The same as recipients; who has no language of their own gets this one.
    pub fn recipients(self, language: Lang) -> Vec<Recipient> {
        let recipient = |p: Person| Recipient {
            address: p.address,
            name: p.name,
            role: p.role.unwrap_or_default(),
            language: p.language.unwrap_or(language),
            from_stage: p.from_stage,
        };
        self.people.into_iter().map(recipient).collect()
    }
}
