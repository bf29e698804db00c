//! From claimed mails to letters: what each mail is about, read from the store at the moment
//! of sending and put into the form that composition takes.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};

use crate::delivery::compose::letter::{Envelope, Heard, Letter, Note, Reminder, TokenPart};
use crate::delivery::notes::Words;
use crate::delivery::pages::Pages;
use crate::domain::address::{Address, Mailbox};
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::domain::link::LinkTemplate;
use crate::domain::probing::outlives;
use crate::domain::schedule::{self, Period, Told};
use crate::domain::stage::{Schedule, Stage, Stages};
use crate::domain::ticket::Holder;
use crate::domain::token::{DatapassId, Jti, Role, Siret, TokenId};
use crate::domain::verdict::Bearing;
use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::outbox::{Carried, Claimed, Person};

/// What every mail of this configuration has in common.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Header and envelope sender.
    pub from: Mailbox,
    /// Reply-To and footer.
    pub contact: Address,
    /// Who runs the daemon.
    pub organisation: String,
    /// The language of those who have none of their own.
    pub language: Lang,
    /// The renewal link.
    pub link: LinkTemplate,
    /// Where results appear.
    pub dashboard: String,
    /// When mails leave.
    pub calendar: Calendar,
    /// The stages, for the date of the next reminder.
    pub schedule: Schedule,
    /// The links to the daemon's own pages.
    pub pages: Pages,
}

/// A mail ready to be composed.
#[derive(Debug, Clone)]
pub struct Addressed {
    /// The subject matter.
    pub letter: Letter,
    /// Everything else.
    pub envelope: Envelope,
    /// The number of notices that it carries; 0 for a note.
    pub carried: i64,
}

/// The tokens and people of a batch of mails.
#[derive(Debug, Default)]
pub struct Matter {
    carried: HashMap<i64, Vec<Carried>>,
    people: HashMap<i64, Vec<Person>>,
}

impl Matter {
    /// Reads what these mails are about.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(store: &Store, mails: &[i64]) -> Result<Self> {
        let mut matter = Self::default();
        for c in store.carried(mails).await? {
            matter.carried.entry(c.mail).or_default().push(c);
        }
        let mut tokens: Vec<i64> = matter.carried.values().flatten().map(|c| c.token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        for p in store.people(&tokens).await? {
            matter.people.entry(p.token).or_default().push(p);
        }
        Ok(matter)
    }

    /// What mails carry, by the mail's row, with the people of their tokens.
    pub fn alone(carried: HashMap<i64, Vec<Carried>>, people: Vec<Person>) -> Self {
        let mut matter = Self {
            carried,
            people: HashMap::new(),
        };
        for p in people {
            matter.people.entry(p.token).or_default().push(p);
        }
        matter
    }

    /// What one mail carries, in the order of the store.
    pub fn carried(&self, mail: i64) -> &[Carried] {
        self.carried.get(&mail).map_or(&[], Vec::as_slice)
    }

    /// The people told about one token.
    pub fn people(&self, token: i64) -> &[Person] {
        self.people.get(&token).map_or(&[], Vec::as_slice)
    }
}

impl Desk {
    /// The stages of this desk, as a schedule that has always held: what the date of the next
    /// reminder needs.
    pub fn schedule_of(stages: &Stages) -> Schedule {
        Schedule::always(stages.clone())
    }

    /// The letter of a claimed mail at `now`; `None` when it carries nothing any more.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn address(
        &self,
        mail: &Claimed,
        matter: &Matter,
        now: DateTime<Utc>,
    ) -> Result<Option<Addressed>> {
        let to = Address::parse(&mail.address).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        if let Some(words) = &mail.note {
            let words = Words::read(words)?;
            let envelope = self.envelope(
                Mailbox {
                    name: None,
                    address: to,
                },
                words.language,
                &mail.message_id,
                now,
            );
            let letter = Letter::Note(Note {
                subject: words.subject,
                body: words.body,
            });
            return Ok(Some(Addressed {
                letter,
                envelope,
                carried: 0,
            }));
        }
        let carried = matter.carried(mail.no);
        if carried.is_empty() {
            return Ok(None);
        }
        let mut tokens = carried
            .iter()
            .map(|c| self.part(c, matter, now))
            .collect::<Result<Vec<_>>>()?;
        tokens.sort_by(|a, b| (a.expires, a.id.as_str()).cmp(&(b.expires, b.id.as_str())));
        let reader = carried
            .iter()
            .filter_map(|c| {
                Some((
                    c.expires,
                    matter
                        .people(c.token)
                        .iter()
                        .find(|p| p.key == c.recipient)?,
                ))
            })
            .min_by_key(|(expires, _)| *expires)
            .map(|(_, p)| p);
        let name = carried.iter().find_map(|c| {
            matter
                .people(c.token)
                .iter()
                .find(|p| p.key == c.recipient)?
                .name
                .clone()
        });
        let lang = reader
            .and_then(|p| Lang::parse(&p.language).ok())
            .unwrap_or(self.language);
        let mut envelope =
            self.envelope(Mailbox { name, address: to }, lang, &mail.message_id, now);
        if let Some(contact) = shared_contact(carried) {
            envelope.contact = contact;
        }
        let carried = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
        Ok(Some(Addressed {
            letter: Letter::Reminder(Reminder { tokens }),
            envelope,
            carried,
        }))
    }

    /// An envelope for one recipient.
    pub fn envelope(
        &self,
        to: Mailbox,
        lang: Lang,
        message_id: &str,
        now: DateTime<Utc>,
    ) -> Envelope {
        Envelope {
            from: self.from.clone(),
            to,
            contact: self.contact.clone(),
            organisation: self.organisation.clone(),
            lang,
            message_id: message_id.to_owned(),
            now,
            dashboard: self.dashboard.clone(),
        }
    }

    fn part(&self, c: &Carried, matter: &Matter, now: DateTime<Utc>) -> Result<TokenPart> {
        let people = matter.people(c.token);
        let reader = people.iter().find(|p| p.key == c.recipient);
        let datapass_id = c
            .datapass_id
            .as_deref()
            .and_then(|s| DatapassId::parse(s).ok());
        let jti = c.jti.as_deref().and_then(|s| Jti::parse(s).ok());
        let period = Period {
            expires: c.expires,
            declared_at: c.declared_at,
            opened_at: c.opened_at,
            dated_at: c.dated_at,
            end: c.end,
        };
        let next_reminder = reader.and_then(|p| {
            let told = Told {
                from_stage: p.from_stage,
                since: p.since,
            };
            schedule::next_for(&self.calendar, &self.schedule, &period, &told, now).map(|d| d.slot)
        });
        Ok(TokenPart {
            id: TokenId::parse(&c.id).map_err(|e| StoreError::Corrupt(e.to_string()))?,
            name: c.name.clone(),
            client: c.client.clone(),
            stage: Stage::new(c.stage),
            expires: c.expires,
            role: reader
                .and_then(|p| Role::parse(&p.role).ok())
                .unwrap_or_default(),
            link: self.link.fill(datapass_id.as_ref(), jti.as_ref()),
            datapass_id: c.datapass_id.clone(),
            siret: c.siret.as_deref().and_then(|s| Siret::parse(s).ok()),
            jti_end: jti.as_ref().map(|j| j.end().to_owned()),
            used_by: c.used_by.clone(),
            demandeur: people
                .iter()
                .find(|p| p.role == Role::Demandeur.word())
                .and_then(mailbox),
            others: people
                .iter()
                .filter(|p| p.key != c.recipient)
                .filter_map(mailbox)
                .collect(),
            next_reminder,
            filed: c.filed_at,
            heard: heard(c, now),
            page: self.pages.of(&Holder {
                token: c.token,
                id: &c.id,
                period: c.period,
                opened_at: c.opened_at,
                recipient: &c.recipient,
            }),
        })
    }
}

/// What was heard to work so long ago may have ended since.
const LATELY: Duration = Duration::days(3);

/// What the API said of a token after its date has passed, in this period: a refusal before it is
/// no proof of an expiry.
fn heard(c: &Carried, now: DateTime<Utc>) -> Option<Heard> {
    let (verdict, at) = c.heard?;
    if now <= c.expires {
        return None;
    }
    match verdict.bearing() {
        Bearing::Dead => (at > c.expires).then_some(Heard::Refused(at)),
        Bearing::Lives => {
            (outlives(at, c.expires) && now - at < LATELY).then_some(Heard::Works(at))
        }
        Bearing::Nothing => None,
    }
}

/// The contact of all tokens of a mail, when it is the same one.
fn shared_contact(carried: &[Carried]) -> Option<Address> {
    let first = &carried.first()?.contact;
    carried
        .iter()
        .all(|c| c.contact == *first)
        .then(|| Address::parse(first).ok())
        .flatten()
}

fn mailbox(p: &Person) -> Option<Mailbox> {
    Some(Mailbox {
        name: p.name.clone(),
        address: Address::parse(&p.address).ok()?,
    })
}
