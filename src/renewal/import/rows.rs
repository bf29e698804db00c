//! Rows: what one line of a list says of one token, each value checked.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::calendar::Calendar;
use crate::domain::jwt::Claims;
use crate::domain::language::{Lang, Text, looks_like_jwt, text};
use crate::domain::people::Person;
use crate::domain::token::{DatapassId, Jti, Role, Siret, TokenId, no_jwt};
use crate::renewal::import::cell;
use crate::renewal::import::column::Column;
use crate::renewal::import::dates::{self, Order};

/// What one row says. What it leaves out says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// The line on which it begins.
    pub line: usize,
    /// Its id.
    pub id: Option<TokenId>,
    /// Its name.
    pub name: Option<String>,
    /// What the token calls itself: a name where nobody gave one.
    pub sub: Option<String>,
    /// The key of its client.
    pub client: Option<String>,
    /// Its Data Pass number.
    pub datapass_id: Option<DatapassId>,
    /// Its `jti`.
    pub jti: Option<Jti>,
    /// The SIRET.
    pub siret: Option<Siret>,
    /// When it was issued.
    pub issued: Option<DateTime<Utc>>,
    /// When it expires.
    pub expires: Option<DateTime<Utc>>,
    /// What stops when it dies.
    pub used_by: Option<Vec<String>>,
    /// Its labels.
    pub tags: Option<Vec<String>>,
    /// The language of its mails.
    pub language: Option<Lang>,
    /// Who is told.
    pub people: Option<Vec<Person>>,
    /// Its rights.
    pub scopes: Option<Vec<String>>,
    /// SHA-256 of its text.
    pub fingerprint: Option<String>,
    /// What a person should look at.
    pub remarks: Vec<Text>,
}

/// Why a line cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; 0: the list as a whole.
    pub line: usize,
    /// The name of the column or key.
    pub column: Option<&'static str>,
    /// What is wrong, and what to write instead.
    pub said: Text,
}

impl Fault {
    pub(super) fn at(line: usize, said: Text) -> Self {
        Self {
            line,
            column: None,
            said,
        }
    }
}

/// What a cell, or a value of JSON, gives.
#[derive(Debug)]
pub(super) enum Given {
    /// A text; never empty.
    Text(String),
    /// A list of JSON.
    Many(Vec<Value>),
}

/// A row before its values are checked.
pub(super) type Raw = Vec<(Column, Given)>;

/// In which order day and month stand in a list: for each column of dates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orders {
    issued: Order,
    expires: Order,
}

impl Orders {
    /// What the dates of all rows show.
    pub(super) fn of(rows: &[(usize, Raw)], from: Order) -> Self {
        let mut orders = Self {
            issued: from,
            expires: from,
        };
        for (column, given) in rows.iter().flat_map(|(_, raw)| raw) {
            if let Given::Text(written) = given {
                if *column == Column::Issued {
                    orders.issued.observe(written);
                } else if *column == Column::Expires {
                    orders.expires.observe(written);
                }
            }
        }
        orders
    }
}

/// Checks every value of a row; every fault of it is told.
pub(super) fn row(
    line: usize,
    raw: &Raw,
    orders: Orders,
    calendar: &Calendar,
    faults: &mut Vec<Fault>,
) -> Row {
    let mut row = Row {
        line,
        ..Row::default()
    };
    let mut link = None;
    for (column, given) in raw {
        let taken = match column {
            Column::DatapassUrl => text_of(given).map(|w| link = number_in(w)),
            column => set(&mut row, *column, given, orders, calendar),
        };
        if let Err(said) = taken {
            faults.push(Fault {
                line,
                column: Some(column.name()),
                said,
            });
        }
    }
    row.datapass_id = row.datapass_id.take().or(link);
    if let (Some(issued), Some(expires)) = (row.issued, row.expires)
        && expires <= issued
    {
        faults.push(Fault {
            line,
            column: Some(Column::Expires.name()),
            said: text!(
                "the token expires before it is issued",
                "le jeton expire avant d’être émis"
            ),
        });
    }
    row
}

fn set(
    row: &mut Row,
    column: Column,
    given: &Given,
    orders: Orders,
    calendar: &Calendar,
) -> Result<(), Text> {
    let word = || text_of(given);
    match column {
        Column::Id => row.id = Some(TokenId::parse(word()?).map_err(|e| e.0)?),
        Column::Name => row.name = Some(cell::words(word()?)?),
        Column::Client => row.client = Some(cell::words(word()?)?),
        Column::DatapassId => {
            row.datapass_id = Some(DatapassId::parse(word()?).map_err(|e| e.0)?);
        }
        // Looked at by the caller: a number of its own goes before.
        Column::DatapassUrl => {}
        Column::Jti => row.jti = Some(Jti::parse(word()?).map_err(|e| e.0)?),
        Column::Siret => row.siret = Some(siret(word()?)?),
        Column::Issued => row.issued = Some(dates::read(word()?, orders.issued, calendar)?),
        Column::Expires => row.expires = Some(dates::read(word()?, orders.expires, calendar)?),
        Column::UsedBy => row.used_by = Some(list(given)?),
        Column::Tags => row.tags = Some(list(given)?),
        Column::Language => {
            row.language = Some(Lang::parse(&word()?.to_lowercase()).map_err(|e| e.0)?);
        }
        Column::Recipients => add_people(row, given, None)?,
        Column::Demandeur => add_people(row, given, Some(Role::Demandeur))?,
        Column::Metier => add_people(row, given, Some(Role::Metier))?,
        Column::Technique => add_people(row, given, Some(Role::Technique))?,
        Column::Scopes => {
            let mut scopes = list(given)?;
            scopes.sort();
            row.scopes = Some(scopes);
        }
        Column::Fingerprint => row.fingerprint = Some(fingerprint(word()?)?),
    }
    Ok(())
}

fn text_of(given: &Given) -> Result<&str, Text> {
    match given {
        Given::Text(written) if looks_like_jwt(written) => Err(no_jwt().0),
        Given::Text(written) => Ok(written),
        Given::Many(_) => Err(text!(
            "this is a list where one text is wanted",
            "c’est une liste là où un texte est attendu"
        )),
    }
}

fn list(given: &Given) -> Result<Vec<String>, Text> {
    match given {
        Given::Text(written) => cell::list(written),
        Given::Many(values) => {
            let mut words = Vec::new();
            for value in values {
                let word = value.as_str().ok_or_else(|| {
                    text!(
                        "this list holds something else than texts",
                        "cette liste contient autre chose que des textes"
                    )
                })?;
                let word = cell::words(word)?;
                if !word.is_empty() && !words.contains(&word) {
                    words.push(word);
                }
            }
            Ok(words)
        }
    }
}

fn add_people(row: &mut Row, given: &Given, role: Option<Role>) -> Result<(), Text> {
    let mut people = match given {
        Given::Text(written) => cell::people(written)?,
        Given::Many(values) => {
            let mut people = Vec::new();
            for value in values {
                people.extend(person(value)?);
            }
            people
        }
    };
    for person in &mut people {
        person.role = person.role.or(role);
    }
    if !people.is_empty() {
        row.people.get_or_insert_default().extend(people);
    }
    Ok(())
}

/// One person of a JSON list: a text, or `{"email", "name", "role", "language", "from_stage"}`.
fn person(value: &Value) -> Result<Vec<Person>, Text> {
    if let Some(written) = value.as_str() {
        return cell::people(written);
    }
    let shape = || {
        text!(
            "a recipient is an address, or an object with `email`, `name`, `role`, `language`, `from_stage`",
            "un destinataire est une adresse, ou un objet avec `email`, `name`, `role`, `language`, `from_stage`"
        )
    };
    let object = value.as_object().ok_or_else(shape)?;
    let known = ["email", "name", "role", "language", "from_stage"];
    if object.keys().any(|k| !known.contains(&k.as_str())) {
        return Err(shape());
    }
    let word = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => cell::words(s).map(|w| Some(w).filter(|w| !w.is_empty())),
        Some(_) => Err(shape()),
    };
    let [person] = &cell::people(&word("email")?.ok_or_else(shape)?)?[..] else {
        return Err(shape());
    };
    let mut person = person.clone();
    person.name = word("name")?.or(person.name);
    if let Some(role) = word("role")? {
        person.role = Some(Role::parse(&role).map_err(|e| e.0)?);
    }
    if let Some(language) = word("language")? {
        person.language = Some(Lang::parse(&language).map_err(|e| e.0)?);
    }
    match object.get("from_stage") {
        None | Some(Value::Null) => {}
        Some(n) => person.from_stage = Some(cell::stage(&n.to_string())?),
    }
    Ok(vec![person])
}

fn siret(written: &str) -> Result<Siret, Text> {
    if written.contains("E+") || written.contains("e+") {
        return Err(text!(
            "a spreadsheet has rounded this SIRET: format its column as text, and export again",
            "un tableur a arrondi ce SIRET : mettre sa colonne au format texte, et exporter à nouveau"
        ));
    }
    Siret::parse(written).map_err(|e| e.0)
}

fn fingerprint(written: &str) -> Result<String, Text> {
    let hex = written.to_ascii_lowercase();
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(hex);
    }
    Err(text!(
        "a fingerprint is a SHA-256 in hex: 64 digits and letters from a to f",
        "une empreinte est un SHA-256 en hexadécimal : 64 chiffres et lettres de a à f"
    ))
}

/// The number in the address of a Data Pass request: the last part of its path that is one.
fn number_in(url: &str) -> Option<DatapassId> {
    let path = url.split(['?', '#']).next()?;
    let number = path
        .rsplit('/')
        .find(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))?;
    DatapassId::parse(number).ok()
}

impl Row {
    /// What a token's own text says.
    pub(super) fn of_token(line: usize, claims: Claims) -> Self {
        Self {
            line,
            sub: claims.name,
            jti: Some(claims.jti),
            issued: claims.issued,
            expires: claims.expires,
            scopes: claims.scopes,
            fingerprint: claims.fingerprint,
            remarks: claims.oddities.into_iter().map(|o| o.said()).collect(),
            ..Self::default()
        }
    }
}
