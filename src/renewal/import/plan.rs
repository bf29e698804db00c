//! What each row of a list does to the record: pure, from rows and what is on record.
//!
//! A row is known by its `jti`, else by its id, else by its Data Pass number. A later date renews,
//! the same changes nothing, an earlier one is refused. One fault of one row, and nothing of the
//! list is taken.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::domain::address::Address;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::{By, Origin, State};
use crate::domain::people::{Clients, Person};
use crate::domain::token::Declared;
use crate::renewal::import::column::Column;
use crate::renewal::import::found::Found;
use crate::renewal::import::meeting::{Keeper, Meeting, Moved};
use crate::renewal::import::rows::{Fault, Row};
use crate::store::declared::Facts;
use crate::store::imported::Arrival;
use crate::store::record::Token;
use crate::store::told::KnownRecipient;

/// What the configuration gives.
#[derive(Debug, Clone, Copy)]
pub struct House<'a> {
    /// The calendar in force.
    pub calendar: &'a Calendar,
    /// Months from issue to expiry.
    pub validity_months: u32,
    /// Whom a token without people is told to.
    pub contact: &'a Address,
    /// The language of mails.
    pub language: Lang,
    /// What the tokens of each client inherit.
    pub clients: &'a Clients,
    /// The tokens of the file.
    pub declared: &'a [Declared],
}

/// What a person said for rows that leave it out.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The client.
    pub client: Option<&'a str>,
    /// The people.
    pub people: &'a [Person],
    /// What an earlier date does.
    pub earlier: Earlier,
}

/// What a date that is earlier than the one on record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// It is refused.
    Refused,
    /// A person said that the record is wrong: the period gets that date.
    Correction,
}

/// What becomes of a row's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Added,
    /// Its next period opens.
    Renewed,
    /// Its period gets another date.
    Corrected,
    /// It is back.
    Restored,
    /// Something else than its dates is said otherwise.
    Changed,
    /// Nothing.
    Unchanged,
}

impl Fate {
    /// The word of JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Renewed => "renewed",
            Self::Corrected => "corrected",
            Self::Restored => "restored",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a row did.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its line.
    pub line: usize,
    /// The token's id.
    pub token: String,
    /// What becomes of it.
    pub fate: Fate,
    /// What is said otherwise, by the names of columns.
    pub changed: Vec<&'static str>,
    /// The expiry on record before.
    pub before: Option<DateTime<Utc>>,
    /// The expiry on record after.
    pub after: DateTime<Utc>,
    /// What a person should look at.
    pub remarks: Vec<Text>,
}

/// Everything that is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) done: Vec<Done>,
    pub(super) new: Vec<Arrival>,
    /// Facts of tokens on record, with what they were.
    pub(super) facts: Vec<(Arrival, Facts)>,
    pub(super) renewed: Vec<(Arrival, DateTime<Utc>)>,
    pub(super) corrected: Vec<(Arrival, DateTime<Utc>)>,
    pub(super) restored: Vec<i64>,
    pub(super) put: Vec<KnownRecipient>,
    pub(super) again: Vec<(i64, String)>,
    pub(super) gone: Vec<(i64, String)>,
    /// The addresses of recipients that come and go, for the journal.
    pub(super) people: Vec<(i64, &'static str, String)>,
    /// Tokens on record that a row speaks of.
    pub(super) seen: HashSet<i64>,
}

/// Compares rows with the record.
pub(super) struct Planner<'a> {
    pub(super) house: House<'a>,
    pub(super) wish: Wish<'a>,
    pub(super) found: Found<'a>,
    pub(super) recipients: HashMap<i64, Vec<&'a KnownRecipient>>,
    pub(super) taken: HashSet<String>,
    pub(super) next_no: i64,
    pub(super) plan: Plan,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        house: House<'a>,
        wish: Wish<'a>,
        known: &'a [Token],
        recipients: &'a [KnownRecipient],
        next_no: i64,
    ) -> Self {
        let mut by_token: HashMap<i64, Vec<_>> = HashMap::new();
        for r in recipients {
            by_token.entry(r.token).or_default().push(r);
        }
        let taken = known.iter().map(|k| k.id.clone());
        let declared = house.declared.iter().map(|d| d.id.as_str().to_owned());
        Self {
            house,
            wish,
            found: Found::new(known, house.declared),
            recipients: by_token,
            taken: taken.chain(declared).collect(),
            next_no,
            plan: Plan::default(),
            faults: Vec::new(),
        }
    }

    /// What all rows do, or why the list is refused.
    pub(super) fn plan(mut self, rows: &'a [Row]) -> Result<Plan, Vec<Fault>> {
        // Ids that rows give are theirs before any is made.
        self.taken.extend(
            rows.iter()
                .filter_map(|r| r.id.as_ref().map(|id| id.as_str().to_owned())),
        );
        for row in rows {
            if let Err(fault) = self.row(row) {
                self.faults.push(fault);
            }
        }
        if self.faults.is_empty() {
            self.propose_to_supersede(rows);
            Ok(self.plan)
        } else {
            Err(self.faults)
        }
    }

    fn row(&mut self, row: &'a Row) -> Result<(), Fault> {
        let at = |said| Fault::at(row.line, said);
        let client = row.client.as_deref().or(self.wish.client);
        if let Some(key) = client
            && !self.house.clients.contains_key(key)
        {
            return Err(Fault {
                line: row.line,
                column: Some(Column::Client.name()),
                said: text!(
                    "there is no [clients.{key}] in the config: add it, or correct the name",
                    "il n’y a pas de [clients.{key}] dans la configuration : l’ajouter, ou corriger le nom"
                ),
            });
        }
        let known = self.found.token_of(row).map_err(at)?;
        if let Some(first) = self.found.earlier_row_of(row, known) {
            let line = first.line;
            if !says_the_same(first, row) {
                return Err(at(text!(
                    "lines {line} and this one are about the same token and do not say the same: keep one",
                    "la ligne {line} et celle-ci parlent du même jeton sans dire la même chose : n’en garder qu’une"
                )));
            }
            // Lines only rise.
            let first = self.plan.done.binary_search_by_key(&line, |d| d.line);
            if let Ok(first) = first.map(|at| self.plan.done[at].clone()) {
                self.plan.done.push(Done {
                    line: row.line,
                    fate: Fate::Unchanged,
                    changed: Vec::new(),
                    before: Some(first.after),
                    remarks: vec![text!("repeats line {line}", "répète la ligne {line}")],
                    ..first
                });
            }
            return Ok(());
        }
        self.found.remember(row, known);
        match known {
            None => self.add(row, client),
            Some(known) => self.compare(row, known, client),
        }
    }

    fn compare(&mut self, row: &Row, known: &'a Token, client: Option<&str>) -> Result<(), Fault> {
        self.plan.seen.insert(known.no);
        let is_gone = known.state == State::Archived && known.state_by == By::File;
        let meeting = Meeting {
            row,
            known,
            client: client.or(known.facts.client.as_deref()),
            keeper: match known.origin {
                Origin::File if !is_gone => Keeper::File,
                Origin::File | Origin::Import => Keeper::Import,
                Origin::Webhook => Keeper::Webhook,
            },
        };
        let mut remarks = row.remarks.clone();
        let (mut arrival, mut changed) = meeting.merged(&self.house);
        remarks.extend(meeting.remarks(&arrival, &self.strangers(row, known)));
        if meeting.keeper != Keeper::File && self.compare_people(&meeting, &arrival) {
            changed.push(Column::Recipients.name());
        }
        let moved = meeting.dates(&self.house, self.wish.earlier, &mut remarks)?;
        if let Some((issued, expires)) = moved.dates() {
            (arrival.issued, arrival.expires) = (issued, expires);
        }
        if is_gone {
            self.plan.restored.push(known.no);
        }
        let fate = match moved {
            Moved::Renewed(..) => Fate::Renewed,
            Moved::Corrected(..) => Fate::Corrected,
            Moved::Not if is_gone => Fate::Restored,
            Moved::Not if changed.is_empty() => Fate::Unchanged,
            Moved::Not => Fate::Changed,
        };
        self.plan.done.push(Done {
            line: row.line,
            token: known.id.clone(),
            fate,
            changed: changed.clone(),
            before: Some(known.period.expires),
            after: arrival.expires,
            remarks,
        });
        match moved {
            Moved::Renewed(..) => self
                .plan
                .renewed
                .push((arrival.clone(), known.period.expires)),
            Moved::Corrected(..) => self
                .plan
                .corrected
                .push((arrival.clone(), known.period.expires)),
            Moved::Not => {}
        }
        let only_people = changed == [Column::Recipients.name()];
        if arrival.origin != known.origin || !(changed.is_empty() || only_people) {
            self.plan.facts.push((arrival, known.facts.clone()));
        }
        Ok(())
    }
}

/// Whether two rows say the same, wherever they stand.
fn says_the_same(a: &Row, b: &Row) -> bool {
    let elsewhere = Row {
        line: a.line,
        ..b.clone()
    };
    *a == elsewhere
}
