//! What waits for a person: the most urgent tokens first, what a recipient declared, requests
//! without an outcome, mails that were given up or are held, people who cannot be reached, and
//! what ails the watch. Each with what to do, and a link to where it is done.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use crate::domain::address::mask_addresses;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, counted, text};
use crate::domain::lifecycle::Silence;
use crate::domain::timekeeping::Hold;
use crate::health::{Checkup, Ill};
use crate::store::board::home::Spoken;
use crate::store::heard::Heard;
use crate::store::outbox::MailState;
use crate::store::record::Token;
use crate::web::board::Ask;
use crate::web::board::home::picture::Picture;
use crate::web::board::home::standing::{Group, Standing};
use crate::web::board::lines::segment;
use crate::web::board::phrases::left;
use crate::words::{self, when};

/// Of each kind at most so many are named.
const NAMED: usize = 5;

/// A request of which nothing was heard for so long is asked about.
const ANSWERED_WITHIN: Duration = Duration::days(20);

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::web::board) struct Item {
    /// How much it matters: `bad`, `warn` or `note`.
    pub(in crate::web::board) level: &'static str,
    /// The name of what it is about.
    pub(in crate::web::board) name: Option<String>,
    pub(in crate::web::board) said: String,
    /// Where it is mended, from the root.
    pub(in crate::web::board) path: String,
    /// The words of that link, where there is no name.
    pub(in crate::web::board) link: Option<String>,
}

/// The rows of the tokens that are named.
pub(in crate::web::board) fn named(
    standing: &Standing,
    spoken: &[Spoken],
    now: DateTime<Utc>,
) -> Vec<i64> {
    let mut rows = expired(standing);
    rows.extend(standing.rows(Group::Urgent).into_iter().take(NAMED));
    rows.extend(declared(spoken).take(NAMED).map(|s| s.no));
    rows.extend(unanswered(spoken, now).take(NAMED).map(|s| s.no));
    rows
}

/// The latest to expire of those that have.
fn expired(standing: &Standing) -> Vec<i64> {
    let rows = standing.rows(Group::Expired);
    rows.into_iter().rev().take(NAMED).collect()
}

fn declared(spoken: &[Spoken]) -> impl Iterator<Item = &Spoken> {
    spoken.iter().filter(|s| s.kind == Silence::Declared)
}

fn unanswered(spoken: &[Spoken], now: DateTime<Utc>) -> impl Iterator<Item = &Spoken> {
    let long_ago = now - ANSWERED_WITHIN;
    spoken
        .iter()
        .filter(move |s| s.kind == Silence::Filed && s.at <= long_ago)
}

/// Everything that waits for a person.
pub(in crate::web::board) fn items(
    picture: &Picture,
    checkup: Option<&Checkup>,
    ask: &Ask,
) -> Vec<Item> {
    let (lang, now) = (ask.lang, ask.now);
    let list = List {
        picture,
        calendar: ask.calendar(),
        confirm: if ask.visitor.may_act() { "/renew" } else { "" },
        lang,
        now,
    };
    let mut items = list.refused();
    items.extend(list.tokens());
    items.extend(list.outliving());
    items.extend(list.declared());
    items.extend(list.unanswered());
    items.extend(list.mails());
    items.extend(list.people());
    items.extend(list.api());
    items.extend(checkup.into_iter().flat_map(|c| ills(&c.ills, lang, now)));
    items
}

/// What ails the watch, with what a person should do. What a server said may repeat an address.
pub(in crate::web::board) fn ills(ills: &[Ill], lang: Lang, now: DateTime<Utc>) -> Vec<Item> {
    ills.iter()
        .map(|ill| {
            let said = text!("{{}} – {{}}", "{{}} – {{}}")
                .with(&ill.told(now))
                .with(&ill.advice());
            Item {
                level: "bad",
                name: None,
                said: mask_addresses(said.in_lang(lang)),
                path: place(ill).to_owned(),
                link: Some(text!("Look", "Voir").in_lang(lang).to_owned()),
            }
        })
        .collect()
}

/// Where an illness is looked into.
fn place(ill: &Ill) -> &'static str {
    match ill {
        Ill::StormHeld(_) | Ill::ClockHeld(Hold::Ahead { .. } | Hold::Behind { .. }) => {
            "outbox?state=held"
        }
        Ill::Unread(_) | Ill::Channel { .. } => "outbox",
        Ill::OutOfReach(_) => "recipients",
        Ill::Passes { .. }
        | Ill::Deliveries { .. }
        | Ill::Relay { .. }
        | Ill::Uncovered(_)
        | Ill::Disk { .. }
        | Ill::Bounces { .. } => "health",
    }
}

struct List<'a> {
    picture: &'a Picture,
    calendar: &'a Calendar,
    /// Where a declared renewal is confirmed, from the token's page; nowhere for who only looks.
    confirm: &'static str,
    lang: Lang,
    now: DateTime<Utc>,
}

impl List<'_> {
    fn token(&self, no: i64) -> Option<&Token> {
        let lanes = self.picture.lanes.iter().map(|l| &l.token);
        self.picture.tokens.iter().chain(lanes).find(|t| t.no == no)
    }

    fn said_of(&self, no: i64) -> Option<&Spoken> {
        let theirs = self.picture.spoken.iter().filter(|s| s.no == no);
        theirs.min_by_key(|s| s.kind)
    }

    fn about(&self, token: &Token, level: &'static str, said: &Text, part: &str) -> Item {
        Item {
            level,
            name: Some(token.facts.name.clone()),
            said: said.in_lang(self.lang).to_owned(),
            path: format!("tokens/{}{part}", segment(&token.id)),
            link: None,
        }
    }

    fn more(&self, all: usize, named: usize, group: Group) -> Option<Item> {
        let more = all.checked_sub(named).filter(|n| *n > 0)?;
        let (name, word) = (group.name(), group.word());
        let said = text!("{{}}: {more} more", "{{}} : {more} de plus").with(&name);
        Some(Item {
            level: "note",
            name: None,
            said: said.in_lang(self.lang).to_owned(),
            path: format!("tokens?state={word}"),
            link: Some(text!("The list", "La liste").in_lang(self.lang).to_owned()),
        })
    }

    /// What has ended, and what ends soon.
    fn tokens(&self) -> Vec<Item> {
        let standing = &self.picture.standing;
        let mut items = Vec::new();
        let past = expired(standing);
        let soon = standing.rows(Group::Urgent);
        for token in past.iter().filter_map(|no| self.token(*no)) {
            let days = self.calendar.days_between(self.now, token.period.expires);
            let said = text!(
                "expired {{}}: the access is cut. File the renewal, or say that it is renewed, or revoke it",
                "expiré {{}} : l’accès est coupé. Déposer la demande, ou dire qu’il est renouvelé, ou le révoquer"
            );
            items.push(self.about(token, "bad", &said.with(&left(days)), ""));
        }
        items.extend(self.more(standing.count(Group::Expired), past.len(), Group::Expired));
        for token in soon.iter().take(NAMED).filter_map(|no| self.token(*no)) {
            items.push(self.soon(token));
        }
        items.extend(self.more(soon.len(), soon.len().min(NAMED), Group::Urgent));
        items
    }

    fn soon(&self, token: &Token) -> Item {
        let expires = token.period.expires;
        let days = self.calendar.days_between(self.now, expires);
        let on = when::day(expires, self.calendar);
        let said = match self.said_of(token.no).map(|s| (s.kind, s.at)) {
            Some((Silence::Filed, at)) => {
                let filed = when::day(at, self.calendar);
                text!(
                    "ends {{}} ({on}), filed on {filed}: press for the answer",
                    "se termine {{}} ({on}), demande déposée le {filed} : relancer l’instruction"
                )
            }
            Some((Silence::Declared, _)) => text!(
                "ends {{}} ({on}), declared renewed: check it, and confirm",
                "se termine {{}} ({on}), déclaré renouvelé : vérifier, puis confirmer"
            ),
            Some((Silence::Snoozed, _)) | None => text!(
                "ends {{}} ({on}): file the renewal request now",
                "se termine {{}} ({on}) : déposer la demande de renouvellement maintenant"
            ),
        };
        let level = if days <= 1 { "bad" } else { "warn" };
        self.about(token, level, &said.with(&left(days)), "")
    }

    fn heard(&self, h: &Heard, level: &'static str, said: &Text, part: &str) -> Item {
        Item {
            level,
            name: Some(h.name.clone()),
            said: said.in_lang(self.lang).to_owned(),
            path: format!("tokens/{}{part}", segment(&h.probed.id)),
            link: None,
        }
    }

    /// Tokens that the API refuses.
    fn refused(&self) -> Vec<Item> {
        let heard = self.picture.heard.iter();
        heard
            .filter_map(|h| Some((h, h.refused(self.now)?)))
            .take(NAMED)
            .map(|(h, death)| {
                let since = when::minute(death.since, self.calendar);
                let said = text!(
                    "API Entreprise has refused it since {since} – {{}}: see on the dashboard of the API what became of it",
                    "API Entreprise le refuse depuis le {since} – {{}} : voir sur le tableau de bord de l’API ce qu’il est devenu"
                );
                let said = said.with(&death.verdict.in_short());
                self.heard(h, "bad", &said, "")
            })
            .collect()
    }

    /// Tokens that work although their date has passed.
    fn outliving(&self) -> Vec<Item> {
        let heard = self.picture.heard.iter();
        heard
            .filter(|h| h.probed.outlives(h.expires))
            .take(NAMED)
            .map(|h| {
                let said = text!(
                    "works past its date by the API: give its new date",
                    "fonctionne après sa date d’après l’API : donner sa nouvelle date"
                );
                self.heard(h, "warn", &said, self.confirm)
            })
            .collect()
    }

    /// What is wrong with the API, with a volume, and with the secrets.
    fn api(&self) -> Vec<Item> {
        let mut items = Vec::new();
        if let Some(said) = words::heard::incident(&self.picture.service, self.calendar) {
            items.push(Item {
                level: "note",
                name: Some("API Entreprise".to_owned()),
                said: said.in_lang(self.lang).to_owned(),
                path: "health".to_owned(),
                link: None,
            });
        }
        for h in &self.picture.heard {
            let near = h
                .probed
                .known
                .volume
                .filter(|v| v.is_near_its_end(self.now));
            if let Some(volume) = near {
                let said = words::heard::volume(volume, self.calendar, self.now);
                items.push(self.heard(h, "warn", &said, ""));
            }
            if h.probed.hindrance.is_some() {
                let said = text!(
                    "API Entreprise cannot be asked about it: see why",
                    "API Entreprise ne peut pas être interrogée à son sujet : voir pourquoi"
                );
                items.push(self.heard(h, "warn", &said, ""));
            } else if let Some(at) = h.probed.unheard_since(self.now) {
                let on = when::day(at, self.calendar);
                let said = text!(
                    "API Entreprise is asked in vain: {{}}",
                    "API Entreprise est interrogée en vain : {{}}"
                );
                let said = said.with(&words::heard::learnt_nothing(&on));
                items.push(self.heard(h, "warn", &said, ""));
            }
        }
        items.truncate(2 * NAMED);
        items
    }

    /// Renewals that a recipient declared and nobody has confirmed.
    fn declared(&self) -> Vec<Item> {
        declared(&self.picture.spoken)
            .take(NAMED)
            .filter_map(|said| {
                let token = self.token(said.no)?;
                let on = when::day(said.at, self.calendar);
                let who = said.who.strip_prefix("recipient:").unwrap_or(&said.who);
                let words = text!(
                    "{who} declared on {on} that it is renewed: check it, and confirm with the new date",
                    "{who} a déclaré le {on} qu’il est renouvelé : vérifier, puis confirmer avec la nouvelle date"
                );
                Some(self.about(token, "warn", &words, self.confirm))
            })
            .collect()
    }

    /// Requests of which nothing was heard for long.
    fn unanswered(&self) -> Vec<Item> {
        unanswered(&self.picture.spoken, self.now)
            .take(NAMED)
            .filter_map(|said| {
                let token = self.token(said.no)?;
                let days = (self.now - said.at).num_days();
                let words = text!(
                    "filed {days} days ago and not renewed yet: see what Data Pass says, then say that it is renewed",
                    "demande déposée il y a {days}\u{a0}jours, pas encore renouvelé : voir ce qu’en dit Data Pass, puis dire qu’il est renouvelé"
                );
                Some(self.about(token, "warn", &words, ""))
            })
            .collect()
    }

    /// Mails that were given up, or that wait for an answer.
    fn mails(&self) -> Vec<Item> {
        let given_up = self.picture.given_up.iter();
        given_up
            .chain(&self.picture.open)
            .filter_map(|(state, n)| {
                let words = mails_in(*state, *n)?;
                let word = state.word();
                Some(Item {
                    level: "warn",
                    name: None,
                    said: words.in_lang(self.lang).to_owned(),
                    path: format!("outbox?state={word}"),
                    link: Some(
                        text!("The mails", "Les courriels")
                            .in_lang(self.lang)
                            .to_owned(),
                    ),
                })
            })
            .collect()
    }

    /// People whom no mail reaches.
    fn people(&self) -> Vec<Item> {
        let unreachable = &self.picture.unreachable;
        let mut items: Vec<Item> = unreachable
            .iter()
            .take(NAMED)
            .map(|u| {
                let on = when::day(u.since, self.calendar);
                let tokens = counted(u.tokens.len(), ["token", "tokens"], ["jeton", "jetons"]);
                let said = text!(
                    "cannot be reached since {on}, told of {{}}: correct the address, or tell this person by another way",
                    "injoignable depuis le {on}, prévenu pour {{}} : corriger l’adresse, ou prévenir cette personne autrement"
                );
                Item {
                    level: "warn",
                    name: Some(u.address.clone()),
                    said: said.with(&tokens).in_lang(self.lang).to_owned(),
                    path: format!("recipients/{}", segment(&u.recipient)),
                    link: None,
                }
            })
            .collect();
        if let Some(more) = unreachable.len().checked_sub(NAMED).filter(|n| *n > 0) {
            let said = text!(
                "{more} more people cannot be reached",
                "{more} autres personnes injoignables"
            );
            items.push(Item {
                level: "note",
                name: None,
                said: said.in_lang(self.lang).to_owned(),
                path: "recipients".to_owned(),
                link: Some(text!("The list", "La liste").in_lang(self.lang).to_owned()),
            });
        }
        items
    }
}

/// Mails of a state that a person should look at; `None`: they go on by themselves.
fn mails_in(state: MailState, n: u32) -> Option<Text> {
    let mails = || counted(n, ["mail", "mails"], ["courriel", "courriels"]);
    let said = match state {
        MailState::Refused => text!(
            "{{}} refused for their address: correct it, then send again or put aside",
            "{{}} dont l’adresse a été refusée : la corriger, puis renvoyer ou mettre de côté"
        ),
        MailState::Parked => text!(
            "{{}} that the server refused, or of which nobody knows whether they arrived: look at the reply, then send again or put aside",
            "{{}} que le serveur a refusés, ou dont nul ne sait s’ils sont arrivés : voir la réponse, puis renvoyer ou mettre de côté"
        ),
        MailState::Failed => text!(
            "{{}} given up after five days: see why, then send again or put aside",
            "{{}} abandonnés après cinq jours : voir pourquoi, puis renvoyer ou mettre de côté"
        ),
        MailState::Held => text!(
            "{{}} held, because too many were late at once: let them leave",
            "{{}} retenus, car trop étaient en retard à la fois : les laisser partir"
        ),
        MailState::Queued
        | MailState::Claimed
        | MailState::InDoubt
        | MailState::Deferred
        | MailState::Sent
        | MailState::Cancelled => return None,
    };
    Some(said.with(&mails()))
}
