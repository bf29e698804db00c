//! Groups, clients, and who is told about a token.
//!
//! A token's recipients are its own and those of its client, groups opened. An address that is
//! listed twice is told from the earliest stage of the two, and keeps its first name and role.

use std::collections::HashMap;

use crate::config::diagnostic::{Report, Span, again_here, first_here};
use crate::config::keys::nearest;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::settings::{MOST_DAYS, address};
use crate::domain::address::{Address, Mailbox};
use crate::domain::language::{Lang, text};
use crate::domain::people::{self, Person, Told};
use crate::domain::token::{Recipient, Role};

/// An entry of a list of recipients.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Person(Person),
    /// Everyone of a group, known to exist.
    Group {
        key: String,
        from_stage: Option<u32>,
    },
}

/// `[clients.KEY]`.
#[derive(Debug)]
pub(super) struct Client {
    span: Span,
    pub(super) name: String,
    pub(super) contact: Option<Address>,
    pub(super) language: Option<Lang>,
    recipients: Vec<Entry>,
}

#[derive(Debug)]
struct Group {
    span: Span,
    people: Vec<Person>,
}

/// The groups and clients of all files.
#[derive(Debug, Default)]
pub(super) struct People {
    groups: HashMap<String, Group>,
    clients: HashMap<String, Client>,
    /// Whether a file did not parse: a name may then be unknown for that reason only.
    incomplete: bool,
    /// Unknown names reported so far; the search for the nearest one ends after some.
    unknown: usize,
}

/// Names for which the nearest existing one is looked up, so that ten thousand wrong names
/// among ten thousand clients stay cheap.
const MOST_SUGGESTIONS: usize = 20;

impl People {
    /// Reads the groups of all files, then the clients, which may name them.
    pub(super) fn read(roots: &[Table<'_>], report: &mut Report) -> Self {
        let mut people = Self {
            incomplete: roots.iter().any(|r| !r.file.faults.is_empty()),
            ..Self::default()
        };
        for root in roots {
            if let Some(groups) = root.table("groups", "groups", report) {
                people.read_groups(&groups, report);
            }
        }
        for root in roots {
            if let Some(clients) = root.table("clients", "clients", report) {
                people.read_clients(&clients, report);
            }
        }
        people
    }

    fn read_groups(&mut self, groups: &Table<'_>, report: &mut Report) {
        for (key, span, table) in groups.named("groups.*", report) {
            table.check_keys(report);
            let value = table.require("recipients", report);
            let items = value.and_then(|v| v.items(report)).unwrap_or_default();
            let mut people = Vec::with_capacity(items.len());
            for item in items {
                let in_group = item
                    .as_table("recipient")
                    .filter(|t| t.entries.contains_key("group"));
                if in_group.is_some() {
                    report.error(
                        &item.span,
                        text!(
                            "a group cannot hold a group: write its addresses here",
                            "un groupe ne peut pas contenir un groupe : écrire ses adresses ici"
                        ),
                    );
                } else if let Some(person) = read_person(&item, report) {
                    people.push(person);
                }
            }
            if let Some(first) = self.groups.get(key) {
                twice(&span, &first.span, key, report);
            } else {
                self.groups.insert(key.to_owned(), Group { span, people });
            }
        }
    }

    fn read_clients(&mut self, clients: &Table<'_>, report: &mut Report) {
        for (key, span, table) in clients.named("clients.*", report) {
            table.check_keys(report);
            let client = Client {
                span: span.clone(),
                name: table
                    .get("name")
                    .and_then(|v| v.words(report))
                    .unwrap_or_else(|| key.to_owned()),
                contact: table.get("contact").and_then(|v| v.parsed(report, address)),
                language: table
                    .get("language")
                    .and_then(|v| v.parsed(report, Lang::parse)),
                recipients: table
                    .get("recipients")
                    .map(|v| self.entries(&v, report))
                    .unwrap_or_default(),
            };
            if let Some(first) = self.clients.get(key) {
                twice(&span, &first.span, key, report);
            } else {
                self.clients.insert(key.to_owned(), client);
            }
        }
    }

    /// The client that a token names.
    pub(super) fn client(&mut self, value: &Value<'_>, report: &mut Report) -> Option<String> {
        let key = value.text(report)?;
        if !self.clients.contains_key(key) {
            let near = self.nearest_of(key, self.clients.keys());
            self.report_unknown(value, key, "clients", near, report);
            return None;
        }
        Some(key.to_owned())
    }

    pub(super) fn client_of(&self, key: &str) -> Option<&Client> {
        self.clients.get(key)
    }

    /// Reads a list of recipients whose groups exist.
    pub(super) fn entries(&mut self, value: &Value<'_>, report: &mut Report) -> Vec<Entry> {
        value
            .items(report)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| self.entry(item, report))
            .collect()
    }

    fn entry(&mut self, item: &Value<'_>, report: &mut Report) -> Option<Entry> {
        let table = item.as_table("recipient");
        let Some((table, group)) = table.and_then(|t| t.get("group").map(|g| (t, g))) else {
            return read_person(item, report).map(Entry::Person);
        };
        for (other, _) in table.entries {
            if !matches!(other.get_ref().as_ref(), "group" | "from_stage") {
                let span = table.file.span(other.span());
                report.error(
                    &span,
                    text!(
                        "a reference to a group takes only from_stage besides",
                        "une référence à un groupe n’admet que from_stage en plus"
                    ),
                );
            }
        }
        let from_stage = from_stage(&table, report);
        let key = group.text(report)?;
        if !self.groups.contains_key(key) {
            let near = self.nearest_of(key, self.groups.keys());
            self.report_unknown(&group, key, "groups", near, report);
            return None;
        }
        Some(Entry::Group {
            key: key.to_owned(),
            from_stage,
        })
    }

    fn nearest_of<'k>(&self, key: &str, keys: impl Iterator<Item = &'k String>) -> Option<String> {
        if self.unknown >= MOST_SUGGESTIONS {
            return None;
        }
        nearest(key, keys.map(String::as_str)).map(str::to_owned)
    }

    fn report_unknown(
        &mut self,
        value: &Value<'_>,
        key: &str,
        table: &str,
        near: Option<String>,
        report: &mut Report,
    ) {
        self.unknown += 1;
        if self.incomplete {
            return;
        }
        let key: String = key.chars().take(60).collect();
        let help = match near {
            Some(near) => text!("did you mean {near:?}?", "vouliez-vous dire {near:?} ?"),
            None => text!(
                "add a table [{table}.{key}], or correct the name",
                "ajouter une table [{table}.{key}], ou corriger le nom"
            ),
        };
        report
            .error(
                &value.span,
                text!(
                    "there is no [{table}.{key}]",
                    "il n’y a pas de [{table}.{key}]"
                ),
            )
            .help(help);
    }

    /// Everyone to be told about a token, each address once, in the order of listing.
    pub(super) fn recipients(
        &self,
        own: &[Entry],
        client: Option<&Client>,
        language: Lang,
    ) -> Vec<Recipient> {
        let inherited = client.map_or(&[][..], |c| &c.recipients);
        self.told(own.iter().chain(inherited)).recipients(language)
    }

    /// The clients, for what comes from elsewhere than the files.
    pub(super) fn clients(&self) -> people::Clients {
        let opened = |c: &Client| people::Client {
            name: c.name.clone(),
            contact: c.contact.clone(),
            language: c.language,
            people: self.told(c.recipients.iter()).people(),
        };
        let clients = self.clients.iter();
        clients.map(|(key, c)| (key.clone(), opened(c))).collect()
    }

    /// Groups opened.
    fn told<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> Told {
        let mut told = Told::default();
        for entry in entries {
            match entry {
                Entry::Person(person) => told.add(person, person.from_stage),
                Entry::Group { key, from_stage } => {
                    let group = self.groups.get(key).map_or(&[][..], |g| &g.people);
                    for person in group {
                        // Both restrict: the nearer to expiry of the two holds.
                        let both = match (person.from_stage, *from_stage) {
                            (Some(a), Some(b)) => Some(a.min(b)),
                            (one, other) => one.or(other),
                        };
                        told.add(person, both);
                    }
                }
            }
        }
        told
    }
}

fn twice(span: &Span, first: &Span, key: &str, report: &mut Report) {
    report
        .error(
            span,
            text!("{key:?} is written twice", "{key:?} est écrit deux fois"),
        )
        .label(again_here())
        .also(first.clone(), first_here());
}

fn from_stage(table: &Table<'_>, report: &mut Report) -> Option<u32> {
    table.get("from_stage")?.number(0..=MOST_DAYS, report)
}

/// `"a@b"`, `"Name <a@b>"` or `{ email = "a@b", … }`.
fn read_person(item: &Value<'_>, report: &mut Report) -> Option<Person> {
    let Some(table) = item.as_table("recipient") else {
        if item.value.as_str().is_none() {
            report
                .error(
                    &item.span,
                    text!(
                        "a recipient is an address between quotes, or a table",
                        "un destinataire est une adresse entre guillemets, ou une table"
                    ),
                )
                .help(text!(
                    "write \"c.martin@ville.example\" or {{ email = \"c.martin@ville.example\", role = \"demandeur\" }}",
                    "écrire \"c.martin@ville.example\" ou {{ email = \"c.martin@ville.example\", role = \"demandeur\" }}"
                ));
            return None;
        }
        let mailbox = item.parsed(report, Mailbox::parse)?;
        return Some(Person {
            address: mailbox.address,
            name: mailbox.name,
            role: None,
            language: None,
            from_stage: None,
        });
    };
    table.check_keys(report);
    let role = table
        .get("role")
        .and_then(|v| v.parsed(report, Role::parse));
    let language = table
        .get("language")
        .and_then(|v| v.parsed(report, Lang::parse));
    let name = table.get("name").and_then(|v| v.words(report));
    let from_stage = from_stage(&table, report);
    let mailbox = table
        .require("email", report)?
        .parsed(report, Mailbox::parse)?;
    Some(Person {
        address: mailbox.address,
        name: name.or(mailbox.name),
        role,
        language,
        from_stage,
    })
}
