//! Tokens on record as a list that `import` reads back unchanged: a table, or JSON lines.
//!
//! What is no longer watched is left out: a list says what is, and would bring it back.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::domain::address::Address;
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::domain::token::{Recipient, Role};
use crate::renewal::import::{Column, write_list, write_people};
use crate::store::outbox::Person;
use crate::store::record::Token;

/// The columns of an export, in order.
pub const COLUMNS: [Column; 14] = [
    Column::Id,
    Column::Name,
    Column::Client,
    Column::DatapassId,
    Column::Jti,
    Column::Siret,
    Column::Issued,
    Column::Expires,
    Column::UsedBy,
    Column::Tags,
    Column::Language,
    Column::Recipients,
    Column::Scopes,
    Column::Fingerprint,
];

/// One token as a row.
#[derive(Debug)]
pub struct Row<'a> {
    token: &'a Token,
    language: Lang,
    people: Vec<Recipient>,
    calendar: &'a Calendar,
}

impl<'a> Row<'a> {
    /// A token with the people who are told about it. The contact who stands in for nobody is
    /// left out, as who is told then follows from the configuration.
    pub fn new(token: &'a Token, people: &[&Person], calendar: &'a Calendar) -> Self {
        let language = Lang::parse(&token.facts.language).unwrap_or_default();
        let stands_in = |p: &Person| {
            p.address == token.facts.contact
                && p.name.is_none()
                && p.from_stage.is_none()
                && p.role == Role::Observer.word()
        };
        let alone = matches!(people, [one] if stands_in(one));
        let people = if alone { &[] } else { people };
        Self {
            token,
            language,
            people: people.iter().filter_map(|p| recipient(p)).collect(),
            calendar,
        }
    }

    /// Its cells, in the order of [`COLUMNS`].
    pub fn cells(&self) -> [String; COLUMNS.len()] {
        COLUMNS.map(|column| self.cell(column))
    }

    fn cell(&self, column: Column) -> String {
        match column {
            Column::UsedBy => write_list(&self.token.facts.used_by),
            Column::Tags => write_list(&self.token.facts.tags),
            Column::Scopes => write_list(self.token.scopes.as_deref().unwrap_or_default()),
            Column::Recipients => write_people(&self.people, self.language),
            other => self.text(other).unwrap_or_default(),
        }
    }

    /// Itself as a JSON object; what is not known is left out.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        for column in COLUMNS {
            let value = match column {
                Column::UsedBy => words(&self.token.facts.used_by),
                Column::Tags => words(&self.token.facts.tags),
                Column::Scopes => self.token.scopes.as_deref().and_then(words),
                Column::Recipients => {
                    let people: Vec<Value> = self.people.iter().map(|p| self.person(p)).collect();
                    (!people.is_empty()).then_some(Value::Array(people))
                }
                other => self.text(other).map(Value::String),
            };
            if let Some(value) = value {
                object.insert(column.name().to_owned(), value);
            }
        }
        Value::Object(object)
    }

    fn text(&self, column: Column) -> Option<String> {
        let (token, facts) = (self.token, &self.token.facts);
        match column {
            Column::Id => Some(token.id.clone()),
            Column::Name => Some(facts.name.clone()),
            Column::Client => facts.client.clone(),
            Column::DatapassId => facts.datapass_id.clone(),
            Column::Jti => token.jti.clone(),
            Column::Siret => facts.siret.clone(),
            Column::Issued => token.issued.map(|at| self.instant(at)),
            Column::Expires => Some(self.instant(token.period.expires)),
            Column::Language => Some(facts.language.clone()),
            Column::Fingerprint => token.fingerprint.clone(),
            Column::UsedBy
            | Column::Tags
            | Column::Scopes
            | Column::Recipients
            | Column::DatapassUrl
            | Column::Demandeur
            | Column::Metier
            | Column::Technique => None,
        }
    }

    /// The end of a local day is written as that day.
    fn instant(&self, at: DateTime<Utc>) -> String {
        let date = self.calendar.date(at);
        if self.calendar.end_of_day(date) == at {
            date.format("%Y-%m-%d").to_string()
        } else {
            at.with_timezone(&self.calendar.tz)
                .to_rfc3339_opts(SecondsFormat::Secs, false)
        }
    }

    fn person(&self, p: &Recipient) -> Value {
        let mut person = json!({"email": p.address.as_str(), "role": p.role.word()});
        if let Some(name) = &p.name {
            person["name"] = json!(name);
        }
        if let Some(stage) = p.from_stage {
            person["from_stage"] = json!(stage);
        }
        if p.language != self.language {
            person["language"] = json!(p.language.code());
        }
        person
    }
}

fn words(words: &[String]) -> Option<Value> {
    (!words.is_empty()).then(|| json!(words))
}

/// A person on record; one who was forgotten has no address any more.
fn recipient(p: &Person) -> Option<Recipient> {
    Some(Recipient {
        address: Address::parse(&p.address).ok()?,
        name: p.name.clone(),
        role: Role::parse(&p.role).ok()?,
        language: Lang::parse(&p.language).ok()?,
        from_stage: p.from_stage,
    })
}
