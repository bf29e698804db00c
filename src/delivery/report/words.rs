//! The words of the weekly report. Lists are cut, so that thousands of tokens make no longer a
//! mail than twenty; what is cut is counted.

use std::iter;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};

use super::{Ahead, Beyond, Facts};
use crate::delivery::alarms::{LISTED, list};
use crate::delivery::compose;
use crate::delivery::desk::Desk;
use crate::delivery::news::day;
use crate::delivery::notes::Draft;
use crate::domain::language::{Lang, Text, text};
use crate::domain::probing::Belief;
use crate::domain::verdict::Bearing;
use crate::store::heard::Heard;
use crate::store::outbox::MailState;
use crate::store::telling::{Lost, Standing, Waiting};

impl Desk {
    /// The report of the week that begins on a Monday.
    pub(super) fn report(&self, facts: &Facts, beyond: &Beyond, monday: NaiveDate) -> Draft {
        let week = monday.iso_week();
        let trouble = troubles(facts, beyond);
        let subject = match &trouble {
            None => text!(
                "Weekly report: nothing to report",
                "Rapport hebdomadaire : rien à signaler"
            ),
            Some(what) => text!("Weekly report: {{}}", "Rapport hebdomadaire : {{}}").with(what),
        };
        let mut body = Vec::new();
        if trouble.is_none() {
            body.push(text!(
                "Nothing to report: no token has expired or expires within 15 days, and every reminder that was owed has left.",
                "Rien à signaler : aucun jeton n’a expiré ni n’expire dans les 15 jours, et chaque rappel dû est parti."
            ));
        }
        body.push(text!("## Tokens", "## Jetons"));
        body.push(standing(&facts.standing));
        if facts.standing.expired > 0 {
            body.push(text!(
                "## Expired and not renewed",
                "## Expirés et non renouvelés"
            ));
            let entries: Vec<Text> = facts.expired.iter().map(|t| self.entry(t)).collect();
            body.push(list(&entries, size(facts.standing.expired)));
        }
        let heard = self.heard(&facts.heard, facts.at);
        if !heard.is_empty() {
            body.push(text!(
                "## What API Entreprise says",
                "## Ce qu’en dit API Entreprise"
            ));
            body.push(list(&heard, heard.len()));
        }
        body.push(text!(
            "## Reminders of the next seven days",
            "## Rappels des sept prochains jours"
        ));
        body.push(ahead(beyond.ahead.as_deref()));
        if facts.lost.0 > 0 {
            body.push(text!(
                "## Not delivered in the last seven days",
                "## Non remis ces sept derniers jours"
            ));
            let entries: Vec<Text> = facts.lost.1.iter().map(|m| self.lost(m)).collect();
            body.push(list(&entries, size(facts.lost.0)));
            body.push(text!(
                "`jetond outbox show` with the number of a mail says what the server answered; `retry` sends it again, `cancel` drops it.",
                "`jetond outbox show` avec le numéro d’un courriel dit ce que le serveur a répondu ; `retry` le renvoie, `cancel` l’annule."
            ));
        }
        body.push(text!("## The watch itself", "## La veille elle-même"));
        body.push(watch(facts, beyond));
        body.push(text!(
            "This report comes every week, also when there is nothing to say: if it does not come, the watch has stopped. `jetond status` says more.",
            "Ce rapport vient chaque semaine, même s’il n’y a rien à dire : s’il ne vient pas, la veille est arrêtée. `jetond status` en dit plus."
        ));
        Draft {
            kind: "note_report",
            cause: format!("week:{}-W{:02}", week.year(), week.week()),
            subject,
            body,
        }
    }

    /// How many tokens work by answers of when, and a line for each that is refused, works past
    /// its date, cannot be asked about or not in time, or has used its volume up but for a little.
    fn heard(&self, heard: &[Heard], now: DateTime<Utc>) -> Vec<Text> {
        if heard.is_empty() {
            return Vec::new();
        }
        let name = |h: &Heard| match &h.client {
            Some(client) => format!("{} ({client})", h.name),
            None => h.name.clone(),
        };
        let day = |at| {
            let Text { en, fr } = day(self, at);
            (en, fr)
        };
        let dead = heard.iter().filter_map(|h| {
            let death = h.probed.death()?;
            let (name, (en, fr)) = (name(h), day(death.since));
            Some(text!(
                "{name}: refused since {en}",
                "{name} : refusé depuis le {fr}"
            ))
        });
        let outliving = heard
            .iter()
            .filter(|h| h.probed.outlives(h.expires))
            .map(|h| {
                let (name, id, (en, fr)) = (name(h), &h.probed.id, day(h.expires));
                text!(
                    "{name}: works although its date, {en}, has passed; give the new one with `jetond renew {id} --expires YYYY-MM-DD`",
                    "{name} : fonctionne alors que sa date, le {fr}, est passée ; donner la nouvelle avec `jetond renew {id} --expires AAAA-MM-JJ`"
                )
            });
        let hindered = heard
            .iter()
            .filter(|h| h.probed.hindrance.is_some())
            .map(|h| {
                let (name, id) = (name(h), &h.probed.id);
                text!(
                    "{name}: could not be asked about; `jetond show {id}` says why",
                    "{name} : n’a pas pu être vérifié ; `jetond show {id}` dit pourquoi"
                )
            });
        let unheard = heard.iter().filter(|h| h.probed.hindrance.is_none());
        let unheard = unheard.filter_map(|h| {
            let (name, (en, fr)) = (name(h), day(h.probed.unheard_since(now)?));
            Some(text!(
                "{name}: nothing learnt since {en}",
                "{name} : rien appris depuis le {fr}"
            ))
        });
        let near = heard.iter().filter_map(|h| {
            let volume = h.probed.known.volume.filter(|v| v.is_near_its_end(now))?;
            let (name, limit, left) = (name(h), volume.limit, volume.remaining);
            Some(text!(
                "{name}: volume near its end, {left} of {limit} calls left",
                "{name} : volume presque épuisé, {left} appels restants sur {limit}"
            ))
        });
        let others = outliving.chain(hindered).chain(unheard).chain(near);
        let lines = dead.chain(others);
        iter::once(self.at_work(heard)).chain(lines).collect()
    }

    /// How many of the tokens that are asked about work, and as of when.
    fn at_work(&self, heard: &[Heard]) -> Text {
        let beliefs = heard.iter().filter_map(|h| h.probed.known.belief);
        let alive: Vec<Belief> = beliefs
            .filter(|b| b.verdict.bearing() == Bearing::Lives)
            .collect();
        let (all, works) = (heard.len(), alive.len());
        let said = text!(
            "asked about: {all}, of which work: {works}",
            "interrogés : {all}, dont fonctionnent : {works}"
        );
        let Some(oldest) = alive.iter().map(|b| b.at).min() else {
            return said;
        };
        let Text { en, fr } = day(self, oldest);
        text!(
            "{{}} (oldest answer: {en})",
            "{{}} (réponse la plus ancienne : le {fr})"
        )
        .with(&said)
    }

    fn lost(&self, mail: &Lost) -> Text {
        let Lost { no, address, .. } = mail;
        let on = self.calendar.date(mail.at);
        let (en, fr) = (compose::date(Lang::En, on), compose::date(Lang::Fr, on));
        match mail.state {
            MailState::Refused => text!(
                "mail {no} to {address}: address refused on {en}",
                "courriel {no} à {address} : adresse refusée le {fr}"
            ),
            MailState::Failed => text!(
                "mail {no} to {address}: given up on {en}",
                "courriel {no} à {address} : abandonné le {fr}"
            ),
            MailState::Queued
            | MailState::Claimed
            | MailState::InDoubt
            | MailState::Deferred
            | MailState::Held
            | MailState::Sent
            | MailState::Parked
            | MailState::Cancelled => text!(
                "mail {no} to {address}: refused or never confirmed, on {en}",
                "courriel {no} à {address} : refusé ou jamais confirmé, le {fr}"
            ),
        }
    }
}

/// What the subject says, the worst first; `None`: nothing to report.
fn troubles(facts: &Facts, beyond: &Beyond) -> Option<Text> {
    let of = |n: u32, en: [&str; 2], fr: [&str; 2]| {
        // French is singular up to, not including, two.
        let (en, fr) = if n == 1 {
            (en[0], fr[0])
        } else {
            (en[1], fr[1])
        };
        (n > 0).then(|| text!("{n} {en}", "{n} {fr}"))
    };
    let missing = u32::try_from(beyond.uncovered).unwrap_or(u32::MAX);
    let Standing { expired, soon, .. } = facts.standing;
    let heard = facts.heard.iter();
    let refused = heard.clone().filter(|h| h.refused(facts.at).is_some());
    let refused = u32::try_from(refused.count()).unwrap_or(u32::MAX);
    let unchecked = heard
        .filter(|h| h.probed.hindrance.is_some() || h.probed.unheard_since(facts.at).is_some());
    let unchecked = u32::try_from(unchecked.count()).unwrap_or(u32::MAX);
    let said = [
        of(
            refused,
            ["refused by the API"; 2],
            ["refusé par l’API", "refusés par l’API"],
        ),
        of(
            unchecked,
            ["not checked"; 2],
            [
                "non vérifié auprès de l’API",
                "non vérifiés auprès de l’API",
            ],
        ),
        of(missing, ["missing"; 2], ["manquant", "manquants"]),
        of(expired, ["expired"; 2], ["expiré", "expirés"]),
        of(soon, ["within 15 days"; 2], ["sous 15 jours"; 2]),
        of(facts.lost.0, ["undelivered"; 2], ["non remis"; 2]),
    ];
    said.into_iter().flatten().reduce(|all, one| Text {
        en: format!("{}, {}", all.en, one.en),
        fr: format!("{}, {}", all.fr, one.fr),
    })
}

fn standing(s: &Standing) -> Text {
    let all = s.all();
    let Standing {
        expired,
        soon,
        next,
        later,
        far,
    } = s;
    list(
        &[
            text!("expired: {expired}", "expirés : {expired}"),
            text!("15 days left or less: {soon}", "15 jours ou moins : {soon}"),
            text!("16 to 30 days: {next}", "16 à 30 jours : {next}"),
            text!("31 to 90 days: {later}", "31 à 90 jours : {later}"),
            text!("more than 90 days: {far}", "plus de 90 jours : {far}"),
            text!("watched in all: {all}", "sous veille en tout : {all}"),
        ],
        0,
    )
}

fn ahead(ahead: Option<&[Ahead]>) -> Text {
    let Some(ahead) = ahead else {
        return text!(
            "They could not be found out; `jetond simulate` shows them.",
            "Ils n’ont pas pu être déterminés ; `jetond simulate` les montre."
        );
    };
    if ahead.is_empty() {
        return text!(
            "No reminder is due in the next seven days.",
            "Aucun rappel n’est dû dans les sept prochains jours."
        );
    }
    let entries: Vec<Text> = ahead
        .iter()
        .take(LISTED)
        .map(|a| {
            let (en, fr) = (compose::date(Lang::En, a.on), compose::date(Lang::Fr, a.on));
            let Ahead { name, people, .. } = a;
            let left = left(a.days_left);
            let people = match people {
                1 => text!("1 person", "1 personne"),
                n => text!("{n} people", "{n} personnes"),
            };
            text!("{en}: {name}, {{}}, to {{}}", "{fr} : {name}, {{}}, à {{}}")
                .with(&left)
                .with(&people)
        })
        .collect();
    list(&entries, ahead.len())
}

fn left(days: i64) -> Text {
    match days {
        ..=-1 => text!("expired", "expiré"),
        0 => text!("expires that day", "expire ce jour-là"),
        1 => text!("1 day left", "reste 1 jour"),
        _ => text!("{days} days left", "reste {days} jours"),
    }
}

fn watch(facts: &Facts, beyond: &Beyond) -> Text {
    let (uncovered, sent) = (beyond.uncovered, facts.sent);
    let Waiting { open, put_off, .. } = facts.waiting;
    list(
        &[
            text!(
                "owed reminders that are missing: {uncovered}",
                "rappels dus qui manquent : {uncovered}"
            ),
            text!(
                "mails accepted in the last seven days: {sent}",
                "courriels acceptés ces sept derniers jours : {sent}"
            ),
            text!(
                "mails that wait: {open}, of which put off for more than a day: {put_off}",
                "courriels en attente : {open}, dont remis à plus tard depuis plus d’un jour : {put_off}"
            ),
        ],
        0,
    )
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
