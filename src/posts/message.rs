//! What a post says, before it takes the form of its channel. Pure.

use chrono::{DateTime, Utc};

use crate::delivery::compose;
use crate::delivery::notes::Words;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::link::LinkTemplate;
use crate::domain::public_url::PublicUrl;
use crate::domain::token::{DatapassId, Jti};
use crate::domain::urgency::Urgency;
use crate::store::posts::PostedToken;

/// Tokens that a text lists one by one; the rest is counted.
const LISTED: usize = 20;

/// What every post of a configuration has in common.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Zone and days.
    pub calendar: &'a Calendar,
    /// The renewal link.
    pub link: &'a LinkTemplate,
    /// Where the pages are.
    pub public_url: Option<&'a PublicUrl>,
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The same at each attempt, and of no other post: letters, digits and dots.
    pub id: String,
    /// When it leaves.
    pub at: DateTime<Utc>,
    /// What it says.
    pub says: Says,
}

/// What a post says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Tokens have come to a stage, the most urgent first.
    Stages(Vec<Entry>),
    /// The watch is ill.
    Alarm {
        /// The illness, a word.
        word: String,
        /// What is so, and what to do.
        words: Words,
    },
    /// That posts arrive.
    Test,
}

/// A token in a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The client's name.
    pub client: Option<String>,
    /// The stage.
    pub stage: i32,
    /// Days left, by the calendar.
    pub days_left: i64,
    /// The end of its period.
    pub expires: DateTime<Utc>,
    /// Where it is renewed.
    pub link: Option<String>,
    /// Its own page.
    pub page: Option<String>,
    /// How it speaks.
    urgency: Urgency,
}

impl Entry {
    /// A token as it is at `now`.
    pub fn of(token: PostedToken, setting: Setting<'_>, now: DateTime<Utc>) -> Self {
        let datapass_id = token.datapass_id.as_deref();
        let datapass_id = datapass_id.and_then(|s| DatapassId::parse(s).ok());
        let jti = token.jti.as_deref().and_then(|s| Jti::parse(s).ok());
        Self {
            days_left: setting.calendar.days_between(now, token.expires),
            urgency: Urgency::at(setting.calendar, token.expires, now),
            link: setting.link.fill(datapass_id.as_ref(), jti.as_ref()),
            page: setting
                .public_url
                .map(|url| url.page(&format!("/tokens/{}", token.id))),
            id: token.id,
            name: token.name,
            client: token.client,
            stage: token.stage,
            expires: token.expires,
        }
    }

    /// Name and client.
    pub fn title(&self) -> String {
        match &self.client {
            Some(client) => format!("{} ({client})", self.name),
            None => self.name.clone(),
        }
    }

    /// "expire le 15 décembre 2026, dans 12 jours".
    pub fn fact(&self, lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> String {
        let on = compose::date(lang, calendar.date(self.expires));
        let left = compose::left(lang, calendar, self.expires, at);
        match (lang, self.urgency) {
            (Lang::Fr, Urgency::Expired) => format!("a expiré le {on}, {left}"),
            (Lang::Fr, _) => format!("expire le {on}, {left}"),
            (Lang::En, Urgency::Expired) => format!("expired on {on}, {left}"),
            (Lang::En, _) => format!("expires on {on}, {left}"),
        }
    }

    /// "expire dans 12 jours".
    fn short(&self, lang: Lang, calendar: &Calendar, at: DateTime<Utc>) -> String {
        let left = compose::left(lang, calendar, self.expires, at);
        match (lang, self.urgency) {
            (Lang::Fr, Urgency::Expired) => format!("est expiré {left}"),
            (Lang::Fr, _) => format!("expire {left}"),
            (Lang::En, Urgency::Expired) => format!("has been expired {left}"),
            (Lang::En, _) => format!("expires {left}"),
        }
    }
}

/// A post in one language, without the signs of any form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The language's colon, with the blanks around it.
    pub colon: &'static str,
    /// The fact.
    pub title: String,
    /// The tokens.
    pub items: Vec<Item>,
    /// What stands below, a paragraph each.
    pub below: Vec<String>,
}

/// A token of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// What stands behind it.
    pub fact: String,
    /// Where its name leads.
    pub link: Option<String>,
}

impl Message {
    /// A post in a language.
    pub fn of(post: &Post, lang: Lang, calendar: &Calendar) -> Self {
        let pick = |text: Text| text.in_lang(lang).to_owned();
        let colon = colon(lang);
        match &post.says {
            Says::Stages(entries) => stages(entries, post.at, lang, calendar),
            Says::Alarm { words, .. } => {
                let headline = words.subject.in_lang(lang);
                Self {
                    colon,
                    title: pick(text!(
                        "Token watch: {headline}",
                        "Veille des jetons : {headline}"
                    )),
                    items: Vec::new(),
                    below: words
                        .body
                        .iter()
                        .map(|p| p.in_lang(lang).to_owned())
                        .collect(),
                }
            }
            Says::Test => Self {
                colon,
                title: pick(text!(
                    "Test message of the token watch",
                    "Message d’essai de la veille des jetons"
                )),
                items: Vec::new(),
                below: vec![pick(text!(
                    "It shows that posts arrive here. There is nothing to do.",
                    "Il montre que les messages arrivent ici. Il n’y a rien à faire."
                ))],
            },
        }
    }

    /// As plain text.
    pub fn plain(&self) -> String {
        let mut lines = vec![self.title.clone()];
        for item in &self.items {
            lines.push(format!("- {}{}{}", item.name, self.colon, item.fact));
            if let Some(link) = &item.link {
                lines.push(format!("  {link}"));
            }
        }
        lines.extend(self.below.iter().cloned());
        lines.join("\n")
    }
}

fn colon(lang: Lang) -> &'static str {
    lang.pick(": ", "\u{a0}: ")
}

fn stages(entries: &[Entry], at: DateTime<Utc>, lang: Lang, calendar: &Calendar) -> Message {
    let n = entries.len();
    let title = match entries {
        [] => String::new(),
        [one] => format!("{} {}", one.title(), one.short(lang, calendar, at)),
        [first, ..] => {
            let short = first.short(lang, calendar, at);
            text!(
                "{n} tokens to renew: the first {short}",
                "{n}\u{a0}jetons à renouveler : le premier {short}"
            )
            .in_lang(lang)
            .to_owned()
        }
    };
    let items = entries.iter().take(LISTED).map(|e| Item {
        name: e.title(),
        fact: e.fact(lang, calendar, at),
        link: e.link.clone().or_else(|| e.page.clone()),
    });
    let mut below = Vec::new();
    if let Some(more) = n.checked_sub(LISTED).filter(|more| *more > 0) {
        below.push(
            text!("… and {more} more.", "… et {more} de plus.")
                .in_lang(lang)
                .to_owned(),
        );
    }
    below.push(
        text!(
            "The people concerned are told by mail.",
            "Les personnes concernées sont prévenues par courriel."
        )
        .in_lang(lang)
        .to_owned(),
    );
    Message {
        colon: colon(lang),
        title,
        items: items.collect(),
        below,
    }
}
