//! Tokens that a list brings for the first time.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::domain::language::text;
use crate::domain::lifecycle::Origin;
use crate::renewal::import::people::{only_the_contact, recipient, stand_in};
use crate::renewal::import::plan::{Done, Fate, Planner};
use crate::renewal::import::rows::{Fault, Row};
use crate::renewal::import::slug;
use crate::store::declared::Facts;
use crate::store::imported::Arrival;

impl Planner<'_> {
    pub(super) fn add(&mut self, row: &Row, client: Option<&str>) -> Result<(), Fault> {
        let house = self.house;
        let reckoned = |issued| house.calendar.add_months(issued, house.validity_months);
        let expires = row.expires.or(row.issued.map(reckoned)).ok_or_else(|| {
            Fault::at(
                row.line,
                text!(
                    "this token is new and has no date: fill in `expires`, or `issued`",
                    "ce jeton est nouveau et n’a pas de date : remplir `expires`, ou `issued`"
                ),
            )
        })?;
        let name = row.name.clone().or_else(|| row.sub.clone());
        let mut remarks = row.remarks.clone();
        let id = match &row.id {
            Some(id) => id.clone(),
            None => {
                let base = name.as_deref().unwrap_or_default();
                slug::unique(
                    base,
                    row.datapass_id.as_ref(),
                    row.jti.as_ref(),
                    &self.taken,
                )
            }
        };
        self.taken.insert(id.as_str().to_owned());
        let name = name.unwrap_or_else(|| {
            remarks.push(text!(
                "this token has no name: it is called by its id",
                "ce jeton n’a pas de nom : il porte son identifiant"
            ));
            id.as_str().to_owned()
        });
        let owner = client.and_then(|key| house.clients.get(key));
        let contact = owner
            .and_then(|c| c.contact.as_ref())
            .unwrap_or(house.contact);
        let language = row
            .language
            .or(owner.and_then(|c| c.language))
            .unwrap_or(house.language);
        let facts = Facts {
            name,
            client: client.map(str::to_owned),
            client_name: owner.map(|c| c.name.clone()),
            datapass_id: row.datapass_id.as_ref().map(|d| d.as_str().to_owned()),
            siret: row.siret.as_ref().map(|s| s.as_str().to_owned()),
            used_by: row.used_by.clone().unwrap_or_default(),
            tags: row.tags.clone().unwrap_or_default(),
            language: language.code().to_owned(),
            contact: contact.as_str().to_owned(),
        };
        let mut people = self.people(row, client, language);
        if people.is_empty() {
            remarks.push(only_the_contact());
            people.push(stand_in(contact, language));
        }
        let no = self.next_no;
        self.next_no += 1;
        let wanted = people.iter().map(|p| recipient(no, p));
        self.plan.put.extend(wanted);
        self.plan.done.push(Done {
            line: row.line,
            token: id.as_str().to_owned(),
            fate: Fate::Added,
            changed: Vec::new(),
            before: None,
            after: expires,
            remarks,
        });
        self.plan.new.push(Arrival {
            no,
            id: id.as_str().to_owned(),
            facts,
            jti: row.jti.as_ref().map(|j| j.as_str().to_owned()),
            issued: row.issued,
            expires,
            scopes: row.scopes.clone(),
            fingerprint: row.fingerprint.clone(),
            origin: Origin::Import,
        });
        Ok(())
    }

    /// Proposes `supersede` where a new token has the Data Pass number of an active one with
    /// another `jti`: the one that ends later takes the other's place.
    pub(super) fn propose_to_supersede(&mut self, rows: &[Row]) {
        let mut of_number: HashMap<&str, Vec<(&str, DateTime<Utc>)>> = HashMap::new();
        for known in self.found.active_with_number() {
            let number = known.facts.datapass_id.as_deref().unwrap_or_default();
            of_number
                .entry(number)
                .or_default()
                .push((&known.id, known.period.expires));
        }
        let numbers: HashMap<usize, &str> = rows
            .iter()
            .filter_map(|r| Some((r.line, r.datapass_id.as_ref()?.as_str())))
            .collect();
        let mut proposals = BTreeMap::new();
        let added: Vec<(usize, String, DateTime<Utc>)> = self
            .plan
            .done
            .iter()
            .filter(|d| d.fate == Fate::Added)
            .map(|d| (d.line, d.token.clone(), d.after))
            .collect();
        for (line, id, expires) in &added {
            let Some(number) = numbers.get(line) else {
                continue;
            };
            let others = of_number.entry(number).or_default();
            if let Some((other, theirs)) = others.last() {
                let (old, new) = if theirs <= expires {
                    (*other, id.as_str())
                } else {
                    (id.as_str(), *other)
                };
                proposals.insert(
                    *line,
                    text!(
                        "`{old}` has the same Data Pass number: if `{new}` takes its place, run `jetond supersede {old} {new}`",
                        "`{old}` a le même numéro Data Pass : si `{new}` prend sa place, lancer `jetond supersede {old} {new}`"
                    ),
                );
            }
            others.push((id, *expires));
        }
        for done in &mut self.plan.done {
            done.remarks.extend(proposals.remove(&done.line));
        }
    }
}
