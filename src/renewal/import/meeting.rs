//! A row and the token on record that it speaks of: which word counts, and what the dates mean.

use chrono::{DateTime, Utc};

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{By, Origin, State};
use crate::renewal::import::column::Column;
use crate::renewal::import::plan::{Earlier, House};
use crate::renewal::import::rows::{Fault, Row};
use crate::store::declared::Facts;
use crate::store::imported::Arrival;
use crate::store::record::Token;

/// Who decides on a token's facts and people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The file that declares it: an import only tells its dates.
    File,
    /// Imports.
    Import,
    /// Data Pass and imports.
    Webhook,
}

/// A row and its token.
#[derive(Debug)]
pub(super) struct Meeting<'m> {
    pub(super) row: &'m Row,
    pub(super) known: &'m Token,
    /// The client that the row, the person or the record names.
    pub(super) client: Option<&'m str>,
    pub(super) keeper: Keeper,
}

/// What a row does to the dates of its token: the issue and the expiry that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// The next period opens.
    Renewed(Option<DateTime<Utc>>, DateTime<Utc>),
    /// The same period gets another date.
    Corrected(Option<DateTime<Utc>>, DateTime<Utc>),
    /// Nothing.
    Not,
}

impl Moved {
    pub(super) fn dates(self) -> Option<(Option<DateTime<Utc>>, DateTime<Utc>)> {
        match self {
            Self::Renewed(issued, expires) | Self::Corrected(issued, expires) => {
                Some((issued, expires))
            }
            Self::Not => None,
        }
    }
}

impl Meeting<'_> {
    /// What the record is to say, the dates aside: the row's word, else the record's; and what
    /// of it is said otherwise.
    pub(super) fn merged(&self, house: &House<'_>) -> (Arrival, Vec<&'static str>) {
        let (row, known) = (self.row, self.known);
        let mut changed = Vec::new();
        let facts = match self.keeper {
            Keeper::File => known.facts.clone(),
            Keeper::Import | Keeper::Webhook => self.facts(house, &mut changed),
        };
        let mut said = |column: Column, differs| {
            if differs {
                changed.push(column.name());
            }
        };
        let jti = row.jti.as_ref().map(|j| j.as_str().to_owned());
        let arrival = Arrival {
            no: known.no,
            id: known.id.clone(),
            facts,
            jti: jti.or_else(|| known.jti.clone()),
            issued: known.issued,
            expires: known.period.expires,
            scopes: row.scopes.clone().or_else(|| known.scopes.clone()),
            fingerprint: row
                .fingerprint
                .clone()
                .or_else(|| known.fingerprint.clone()),
            origin: match self.keeper {
                Keeper::File => Origin::File,
                Keeper::Import => Origin::Import,
                Keeper::Webhook => Origin::Webhook,
            },
        };
        said(Column::Jti, arrival.jti != known.jti);
        said(Column::Scopes, arrival.scopes != known.scopes);
        said(
            Column::Fingerprint,
            arrival.fingerprint != known.fingerprint,
        );
        (arrival, changed)
    }

    fn facts(&self, house: &House<'_>, changed: &mut Vec<&'static str>) -> Facts {
        let (row, known) = (self.row, &self.known.facts);
        let owner = self.client.and_then(|key| house.clients.get(key));
        let contact = owner
            .and_then(|c| c.contact.as_ref())
            .unwrap_or(house.contact);
        let number = row.datapass_id.as_ref().map(|d| d.as_str().to_owned());
        let siret = row.siret.as_ref().map(|s| s.as_str().to_owned());
        let facts = Facts {
            name: row.name.clone().unwrap_or_else(|| known.name.clone()),
            client: self.client.map(str::to_owned),
            client_name: owner.map_or_else(|| known.client_name.clone(), |c| Some(c.name.clone())),
            datapass_id: number.or_else(|| known.datapass_id.clone()),
            siret: siret.or_else(|| known.siret.clone()),
            used_by: row.used_by.clone().unwrap_or_else(|| known.used_by.clone()),
            tags: row.tags.clone().unwrap_or_else(|| known.tags.clone()),
            language: row
                .language
                .map_or_else(|| known.language.clone(), |l| l.code().to_owned()),
            contact: contact.as_str().to_owned(),
        };
        for (name, differs) in [
            (Column::Name.name(), facts.name != known.name),
            (
                Column::Client.name(),
                (&facts.client, &facts.client_name) != (&known.client, &known.client_name),
            ),
            (
                Column::DatapassId.name(),
                facts.datapass_id != known.datapass_id,
            ),
            (Column::Siret.name(), facts.siret != known.siret),
            (Column::UsedBy.name(), facts.used_by != known.used_by),
            (Column::Tags.name(), facts.tags != known.tags),
            (Column::Language.name(), facts.language != known.language),
            ("contact", facts.contact != known.contact),
        ] {
            if differs {
                changed.push(name);
            }
        }
        facts
    }

    /// What a person should look at, the dates aside; `strangers` are people that the row names
    /// and who are not told.
    pub(super) fn remarks(&self, arrival: &Arrival, strangers: &[String]) -> Vec<Text> {
        let (row, known) = (self.row, self.known);
        let mut remarks = Vec::new();
        if let Some(id) = row.id.as_ref().filter(|id| id.as_str() != known.id) {
            let kept = &known.id;
            remarks.push(text!(
                "this token is on record as `{kept}` and keeps that id: `{id}` is not taken",
                "ce jeton est enregistré comme `{kept}` et garde cet identifiant : `{id}` n’est pas pris"
            ));
        }
        if let (Some(before), Some(after)) = (&known.scopes, &arrival.scopes) {
            let lost: Vec<&str> = before
                .iter()
                .filter(|s| !after.contains(s))
                .map(String::as_str)
                .collect();
            if !lost.is_empty() {
                let lost = lost.join(", ");
                remarks.push(text!(
                    "rights that are lost: {lost}",
                    "droits perdus : {lost}"
                ));
            }
        }
        if let (Some(_), None) = (&row.jti, &known.jti) {
            let kept = &known.id;
            remarks.push(text!(
                "`{kept}` had no jti on record and takes this one; if it is another token, give that one an id of its own, then run `jetond supersede {kept} NEW`",
                "`{kept}` n’avait pas de jti enregistré et prend celui-ci ; si c’est un autre jeton, lui donner son propre identifiant, puis lancer `jetond supersede {kept} NOUVEAU`"
            ));
        }
        let ignored = self.ignored(strangers);
        if !ignored.is_empty() {
            let ignored = ignored.join(", ");
            remarks.push(text!(
                "this token is declared in the file, whose word counts for {ignored}",
                "ce jeton est déclaré dans le fichier, qui fait foi pour {ignored}"
            ));
        }
        if known.state == State::Archived && known.state_by == By::Person {
            let id = &known.id;
            remarks.push(text!(
                "a person archived this token: it stays so until `jetond restore {id}`",
                "une personne a archivé ce jeton : il le reste jusqu’à `jetond restore {id}`"
            ));
        }
        remarks
    }

    /// What the row says otherwise of a token on which the file decides.
    fn ignored(&self, strangers: &[String]) -> Vec<&'static str> {
        if self.keeper != Keeper::File {
            return Vec::new();
        }
        let (row, known) = (self.row, &self.known.facts);
        let other = |said: Option<&str>, known: Option<&str>| said.is_some() && said != known;
        [
            (Column::Name, other(row.name.as_deref(), Some(&known.name))),
            (
                Column::DatapassId,
                other(
                    row.datapass_id.as_ref().map(|d| d.as_str()),
                    known.datapass_id.as_deref(),
                ),
            ),
            (
                Column::Siret,
                other(
                    row.siret.as_ref().map(|s| s.as_str()),
                    known.siret.as_deref(),
                ),
            ),
            (
                Column::Client,
                other(row.client.as_deref(), known.client.as_deref()),
            ),
            (Column::Recipients, !strangers.is_empty()),
        ]
        .into_iter()
        .filter_map(|(column, differs)| differs.then_some(column.name()))
        .collect()
    }

    /// What the row's dates do. Days are compared: lists round, and a token's own `exp` has an
    /// hour.
    pub(super) fn dates(
        &self,
        house: &House<'_>,
        earlier: Earlier,
        remarks: &mut Vec<Text>,
    ) -> Result<Moved, Fault> {
        let (row, known) = (self.row, self.known);
        let Some(expires) = self.expires(house) else {
            return Ok(Moved::Not);
        };
        let [now, then] = [expires, known.period.expires].map(|at| house.calendar.date(at));
        if now == then {
            return Ok(Moved::Not);
        }
        let id = &known.id;
        let was = known.revoked_from.map(|at| house.calendar.date(at));
        if was == Some(now) {
            return Ok(Moved::Not);
        }
        if was.is_some() || known.state == State::Revoked {
            remarks.push(text!(
                "this token is revoked: its date {now} is not taken; if it lives on, run `jetond renew {id} --expires {now}`",
                "ce jeton est révoqué : sa date {now} n’est pas prise ; s’il continue, lancer `jetond renew {id} --expires {now}`"
            ));
            return Ok(Moved::Not);
        }
        let fault = |said| {
            Err(Fault {
                line: row.line,
                column: Some(Column::Expires.name()),
                said,
            })
        };
        let by = known.superseded_by.as_deref().unwrap_or_default();
        match (known.state, now > then) {
            (State::Superseded, true) => fault(text!(
                "`{id}` was superseded by `{by}` and now has a later date, {now}: take the row out, or run `jetond restore {id}` if both live on",
                "`{id}` a été remplacé par `{by}` et a maintenant une date plus tardive, {now} : retirer la ligne, ou lancer `jetond restore {id}` si les deux continuent"
            )),
            (State::Superseded, false) => Ok(Moved::Not),
            (State::Archived, false) if known.state_by == By::Person => Ok(Moved::Not),
            (State::Active | State::Archived | State::Revoked, true) => {
                Ok(Moved::Renewed(row.issued, expires))
            }
            (State::Active | State::Archived | State::Revoked, false) => match earlier {
                Earlier::Correction => Ok(Moved::Corrected(row.issued, expires)),
                Earlier::Refused => fault(text!(
                    "`{id}` is on record until {then}, and this row says {now}, which is earlier: if it ends earlier, run `jetond revoke {id} --at {now}`; if the record is wrong, import with `--correct`",
                    "`{id}` est enregistré jusqu’au {then}, et cette ligne dit {now}, plus tôt : s’il finit plus tôt, lancer `jetond revoke {id} --at {now}` ; si l’enregistrement est faux, importer avec `--correct`"
                )),
            },
        }
    }

    /// The expiry that the row gives. One that only follows from an issue that is on record, or
    /// lies before it, says nothing: the token may have been renewed since.
    fn expires(&self, house: &House<'_>) -> Option<DateTime<Utc>> {
        let (row, known) = (self.row, self.known);
        row.expires.or_else(|| {
            let issued = row.issued?;
            let day = |at| house.calendar.date(at);
            let is_known = known.issued.is_some_and(|i| day(issued) <= day(i));
            (!is_known).then(|| house.calendar.add_months(issued, house.validity_months))
        })
    }
}
