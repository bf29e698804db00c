//! Which token a row speaks of: by its `jti`, else its id, else its Data Pass number.
//!
//! Also whether an earlier row spoke of it already. What cannot be told is refused, with what
//! would tell.

use std::collections::HashMap;

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::domain::token::Declared;
use crate::renewal::import::rows::Row;
use crate::renewal::import::slug::slug;
use crate::store::record::Token;

/// What is on record, in the file, and in the rows so far, by every key.
pub(super) struct Found<'a> {
    known: &'a [Token],
    by_id: HashMap<&'a str, &'a Token>,
    by_jti: HashMap<&'a str, Vec<&'a Token>>,
    by_number: HashMap<&'a str, Vec<&'a Token>>,
    /// Tokens of a file that has not been taken over yet.
    awaited: Vec<&'a Declared>,
    awaited_keys: HashMap<&'a str, &'a Declared>,
    rows: HashMap<i64, &'a Row>,
    new: HashMap<String, Vec<&'a Row>>,
}

impl<'a> Found<'a> {
    pub(super) fn new(known: &'a [Token], declared: &'a [Declared]) -> Self {
        let by_id: HashMap<&str, &Token> = known.iter().map(|k| (k.id.as_str(), k)).collect();
        let mut by_jti: HashMap<&str, Vec<&Token>> = HashMap::new();
        let mut by_number: HashMap<&str, Vec<&Token>> = HashMap::new();
        for k in known {
            if let Some(jti) = &k.jti {
                by_jti.entry(jti).or_default().push(k);
            }
            if let Some(number) = &k.facts.datapass_id {
                by_number.entry(number).or_default().push(k);
            }
        }
        let awaited: Vec<&Declared> = declared
            .iter()
            .filter(|d| !by_id.contains_key(d.id.as_str()))
            .collect();
        let ids = awaited.iter().map(|d| (d.id.as_str(), *d));
        let jtis = awaited
            .iter()
            .filter_map(|d| Some((d.jti.as_ref()?.as_str(), *d)));
        let awaited_keys = ids.chain(jtis).collect();
        Self {
            known,
            by_id,
            by_jti,
            by_number,
            awaited,
            awaited_keys,
            rows: HashMap::new(),
            new: HashMap::new(),
        }
    }

    /// The token on record that a row speaks of; `None` when it is new.
    pub(super) fn token_of(&self, row: &Row) -> Result<Option<&'a Token>, Text> {
        let jti = row.jti.as_ref().map(|j| j.as_str());
        let id = row.id.as_ref().map(|i| i.as_str());
        let number = row.datapass_id.as_ref().map(|d| d.as_str());
        if let Some(waiting) = self.awaited_by(jti, id, number) {
            let name = &waiting.id;
            return Err(text!(
                "this token is `{name}` of the file, which has not been taken over yet: run `jetond reload` first",
                "ce jeton est `{name}` du fichier, qui n’a pas encore été pris en compte : lancer d’abord `jetond reload`"
            ));
        }
        let of_id = id.and_then(|id| self.by_id.get(id).copied());
        if let Some(jti) = jti
            && let Some(of_jti) = self.by_jti.get(jti)
        {
            let found = match of_id.filter(|k| of_jti.iter().any(|o| o.no == k.no)) {
                Some(both) => both,
                None => one_of(of_jti)?,
            };
            if let Some(other) = of_id.filter(|k| k.no != found.no) {
                let (a, b) = (&found.id, &other.id);
                return Err(text!(
                    "its `jti` is that of `{a}`, its id that of another token: leave the id out, or correct it (`{b}` has another jti)",
                    "son `jti` est celui de `{a}`, son identifiant celui d’un autre jeton : omettre l’identifiant, ou le corriger (`{b}` a un autre jti)"
                ));
            }
            return Ok(Some(found));
        }
        if let Some(found) = of_id {
            if let (Some(_), Some(_)) = (jti, &found.jti) {
                let id = &found.id;
                return Err(text!(
                    "`{id}` is on record with another jti: give the new token its own id, then run `jetond supersede {id} NEW` if it takes its place",
                    "`{id}` est enregistré avec un autre jti : donner au nouveau jeton son propre identifiant, puis lancer `jetond supersede {id} NOUVEAU` s’il prend sa place"
                ));
            }
            return Ok(Some(found));
        }
        if id.is_some() {
            return Ok(None);
        }
        if let Some(of_number) = number.and_then(|n| self.by_number.get(n)) {
            if jti.is_none() {
                return one_of(of_number).map(Some);
            }
            // Only one whose own jti nobody has told yet can be this one.
            let unnamed: Vec<_> = of_number
                .iter()
                .copied()
                .filter(|k| k.jti.is_none())
                .collect();
            return match unnamed.is_empty() {
                true => Ok(None),
                false => one_of(&unnamed).map(Some),
            };
        }
        let by_name = match (jti, number, &row.name) {
            (None, None, Some(name)) => self.by_id.get(slug(name).as_str()).copied(),
            _ => None,
        };
        Ok(by_name)
    }

    fn awaited_by(
        &self,
        jti: Option<&str>,
        id: Option<&str>,
        number: Option<&str>,
    ) -> Option<&'a Declared> {
        let by_key = jti
            .into_iter()
            .chain(id)
            .find_map(|k| self.awaited_keys.get(k));
        let is_number = |d: &&&Declared| d.datapass_id.as_ref().map(|n| n.as_str()) == number;
        let by_number = || match (jti, id, number) {
            (None, None, Some(_)) => self.awaited.iter().find(is_number),
            _ => None,
        };
        by_key.or_else(by_number).copied()
    }

    /// The row before this one that spoke of the same token.
    pub(super) fn earlier_row_of(&self, row: &Row, known: Option<&Token>) -> Option<&'a Row> {
        if let Some(known) = known {
            return self.rows.get(&known.no).copied();
        }
        let clash = |other: &&&Row| match (&row.jti, &other.jti) {
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => true,
        };
        let same_id = |other: &&&Row| row.id.is_none() || other.id.is_none() || row.id == other.id;
        keys(row)
            .iter()
            .find_map(|key| {
                self.new
                    .get(key)?
                    .iter()
                    .filter(same_id)
                    .find(clash)
                    .copied()
            })
            .or_else(|| {
                let key = format!("id {}", row.id.as_ref()?);
                self.new.get(&key)?.first().copied()
            })
    }

    /// A row that spoke of a token on record, or of a new one.
    pub(super) fn remember(&mut self, row: &'a Row, known: Option<&Token>) {
        match known {
            Some(known) => {
                self.rows.insert(known.no, row);
            }
            None => {
                for key in keys(row) {
                    self.new.entry(key).or_default().push(row);
                }
            }
        }
    }

    /// The active tokens that have a Data Pass number.
    pub(super) fn active_with_number(&self) -> impl Iterator<Item = &'a Token> {
        let is_active = |k: &&Token| k.state == State::Active && k.facts.datapass_id.is_some();
        self.known.iter().filter(is_active)
    }
}

/// By what a new token of a row would be known again.
fn keys(row: &Row) -> Vec<String> {
    let jti = row.jti.as_ref().map(|j| format!("jti {}", j.as_str()));
    let id = row.id.as_ref().map(|i| format!("id {i}"));
    let number = row
        .datapass_id
        .as_ref()
        .map(|d| format!("number {}", d.as_str()));
    let mut keys: Vec<String> = [jti, id, number].into_iter().flatten().collect();
    if keys.is_empty() {
        keys.extend(row.name.as_deref().map(|n| format!("name {}", slug(n))));
    }
    keys
}

/// The one that is watched; of those that are not, the last.
fn one_of<'a>(found: &[&'a Token]) -> Result<&'a Token, Text> {
    let mut active = found.iter().filter(|k| k.state == State::Active);
    match (active.next(), active.next()) {
        (Some(a), Some(b)) => {
            let (a, b) = (&a.id, &b.id);
            Err(text!(
                "both `{a}` and `{b}` may be meant: give the `id`",
                "`{a}` et `{b}` peuvent être visés : donner l’`id`"
            ))
        }
        (Some(one), None) => Ok(one),
        (None, _) => found
            .iter()
            .copied()
            .max_by_key(|k| (k.state == State::Archived, k.no))
            .ok_or_else(|| text!("no token", "aucun jeton")),
    }
}
