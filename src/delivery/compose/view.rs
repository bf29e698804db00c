//! What a template is given: facts in words of the mail's language, and links, ready to show.
//!
//! Everything is computed from the moment of sending; the stage for which a notice is owed is
//! not among it, so that no template can say "in 30 days" when 28 are left.

use std::borrow::Cow;

use serde::Serialize;

use crate::delivery::compose::facts::{Fact, Kind, distinct, fact, facts, ids, person};
use crate::delivery::compose::letter::{Envelope, Heard, TokenPart};
use crate::delivery::compose::mailto::mailto;
use crate::delivery::compose::prose::{self, tidy_name};
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::domain::ticket::Page;
use crate::domain::token::Role;
use crate::domain::urgency::Urgency;

/// The official FAQ, which says how a request is transferred to another person.
const FAQ: &str = "https://entreprise.api.gouv.fr/faq";

/// From this many days left on, an answer in time is no longer certain.
const LONGEST_ANSWER: i64 = 20;

/// What every mail says.
#[derive(Serialize)]
pub(super) struct Frame<'a> {
    pub(super) lang: &'static str,
    pub(super) subject: Cow<'a, str>,
    pub(super) organisation: Cow<'a, str>,
    pub(super) contact: Cow<'a, str>,
    pub(super) contact_mailto: Cow<'a, str>,
}

/// The variables of `reminder.txt` and `reminder.html`.
#[derive(Serialize)]
pub(super) struct ReminderView<'a> {
    #[serde(flatten)]
    pub(super) frame: Frame<'a>,
    pub(super) dashboard: Cow<'a, str>,
    faq: &'static str,
    /// Whether the mail is about a single token.
    pub(super) one: bool,
    /// "3 jetons"
    pub(super) counted: Cow<'a, str>,
    pub(super) tokens: Vec<TokenView<'a>>,
    /// How many of the tokens the reader can renew: `all`, `some` or `none`.
    pub(super) mine: &'static str,
    /// "2 jetons" whose access is cut; none: no such token.
    pub(super) cut: Option<Cow<'a, str>>,
    pub(super) all_cut: bool,
    /// "2 jetons" for which an answer in time is no longer certain.
    pub(super) tight: Option<Cow<'a, str>>,
    pub(super) some_without_link: bool,
    pub(super) used_by: Vec<Cow<'a, str>>,
    pub(super) facts: Vec<Fact<'a>>,
    /// Whether each token has its page, where its reader says what happened.
    pub(super) paged: bool,
    pub(super) done_subject: Cow<'a, str>,
    pub(super) done_mailto: Cow<'a, str>,
}

/// One token.
#[derive(Serialize)]
pub(super) struct TokenView<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) client: Option<Cow<'a, str>>,
    pub(super) urgency: &'static str,
    urgency_label: &'static str,
    /// "dimanche 22 novembre 2026 à 16 h 45 (heure de Paris)"
    pub(super) when: Cow<'a, str>,
    /// "22 novembre 2026"
    pub(super) date: Cow<'a, str>,
    /// "dans 15 jours", "demain", "depuis 7 jours"
    pub(super) left: Cow<'a, str>,
    /// In a digest: as `left`, or "accès coupé depuis 7 jours"
    pub(super) standing: Cow<'a, str>,
    /// Whether the reader can renew it.
    pub(super) mine: bool,
    pub(super) has_link: bool,
    /// The renewal link, or the dashboard.
    pub(super) target: Cow<'a, str>,
    /// Where the button leads: to the target, or to a mail that passes it on.
    pub(super) button: Cow<'a, str>,
    pub(super) demandeur: Option<Cow<'a, str>>,
    pub(super) filed: Option<Cow<'a, str>>,
    /// The day on which API Entreprise confirmed, after its date, that it refuses it.
    pub(super) refused: Option<Cow<'a, str>>,
    /// The day on which it answered, after its date, that it still works.
    pub(super) works: Option<Cow<'a, str>>,
    /// Where the reader says what happened; none: by a reply.
    pub(super) page: Option<PageView<'a>>,
    /// In a digest: "à renouveler par vous".
    pub(super) state: Cow<'a, str>,
    /// In a digest: the numbers that tell it from others.
    pub(super) ids: Vec<Cow<'a, str>>,
    /// In a digest: the aligned lines of the text part.
    pub(super) row: Vec<Fact<'a>>,
}

/// The addresses of a reader's page about one token, and of its parts.
#[derive(Serialize)]
pub(super) struct PageView<'a> {
    pub(super) overview: Cow<'a, str>,
    pub(super) filed: Cow<'a, str>,
    pub(super) renewed: Cow<'a, str>,
    pub(super) not_for_me: Cow<'a, str>,
}

impl<'a> PageView<'a> {
    fn at(overview: &'a str) -> Self {
        let part = |page: Page| [overview, page.suffix()].concat().into();
        Self {
            overview: overview.into(),
            filed: part(Page::Filed),
            renewed: part(Page::Renewed),
            not_for_me: part(Page::NotForMe),
        }
    }
}

/// What every mail says, in this one.
pub(super) fn frame<'a>(envelope: &'a Envelope, subject: &'a str) -> Frame<'a> {
    Frame {
        lang: envelope.lang.code(),
        subject: subject.into(),
        organisation: tidy_name(&envelope.organisation),
        contact: envelope.contact.as_str().into(),
        contact_mailto: mailto(Some(&envelope.contact), "", "").into(),
    }
}

/// How much of a reminder's variables is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// All of them.
    All,
    /// Those that the built-in templates show of a single token; the others are there, and empty.
    Single,
    /// Those that they show of several.
    Digest,
}

impl Detail {
    /// What the built-in templates show of these tokens.
    pub(super) fn of(tokens: &[TokenPart]) -> Self {
        match tokens {
            [_] => Self::Single,
            _ => Self::Digest,
        }
    }
}

/// A reminder's facts in the words of its language.
pub(super) fn reminder<'a>(
    tokens: &'a [TokenPart],
    envelope: &'a Envelope,
    calendar: &Calendar,
    subject: &'a str,
    detail: Detail,
) -> ReminderView<'a> {
    let lang = envelope.lang;
    let cut = tokens
        .iter()
        .filter(|t| envelope.now > t.expires && !works(t))
        .count();
    let tight = tokens.iter().filter(|t| {
        envelope.now <= t.expires
            && calendar.days_between(envelope.now, t.expires) <= LONGEST_ANSWER
    });
    let counted = |n: usize| (n > 0).then(|| prose::tokens(lang, n).into());
    let mine = tokens.iter().filter(|t| is_mine(t)).count();
    let views: Vec<TokenView<'_>> = tokens
        .iter()
        .map(|t| token(t, envelope, calendar, subject, detail))
        .collect();
    let when = views.first().map_or("", |first| &first.when);
    let paged = tokens.iter().all(|t| t.page.is_some());
    let (done_subject, done_mailto) = if paged && detail != Detail::All {
        (String::new(), String::new())
    } else {
        let subject = done_subject(tokens, lang);
        let link = mailto(Some(&envelope.contact), &subject, "");
        (subject, link)
    };
    ReminderView {
        frame: frame(envelope, subject),
        dashboard: envelope.dashboard.as_str().into(),
        faq: FAQ,
        one: tokens.len() == 1,
        counted: prose::tokens(lang, tokens.len()).into(),
        mine: match mine {
            0 => "none",
            n if n == tokens.len() => "all",
            _ => "some",
        },
        cut: counted(cut),
        all_cut: cut == tokens.len(),
        tight: counted(tight.count()),
        some_without_link: tokens.iter().any(|t| t.link.is_none()),
        used_by: distinct(tokens.iter().flat_map(|t| &t.used_by).map(|s| tidy_name(s))),
        facts: facts(tokens, when, lang, calendar),
        paged,
        done_mailto: done_mailto.into(),
        done_subject: done_subject.into(),
        tokens: views,
    }
}

/// Whether the API says that it works past its date.
fn works(token: &TokenPart) -> bool {
    matches!(token.heard, Some(Heard::Works(_)))
}

fn is_mine(token: &TokenPart) -> bool {
    token.role == Role::Demandeur
}

fn token<'a>(
    part: &'a TokenPart,
    envelope: &'a Envelope,
    calendar: &Calendar,
    subject: &str,
    detail: Detail,
) -> TokenView<'a> {
    let lang = envelope.lang;
    let urgency = Urgency::at(calendar, part.expires, envelope.now);
    let days_left = calendar.days_between(envelope.now, part.expires);
    let when = prose::moment(lang, calendar, part.expires);
    let left = prose::left(lang, urgency, days_left);
    let filed = part.filed.map(|at| prose::date(lang, calendar.date(at)));
    let heard_on = |at| Cow::Owned(prose::date(lang, calendar.date(at)));
    let (refused, still_works) = match part.heard {
        None => (None, None),
        Some(Heard::Refused(at)) => (Some(heard_on(at)), None),
        Some(Heard::Works(at)) => (None, Some(heard_on(at))),
    };
    let target = part.link.as_ref().unwrap_or(&envelope.dashboard).as_str();
    let row = match detail {
        Detail::All | Detail::Digest => row(part, lang, (urgency, &when, &left), filed.as_deref()),
        Detail::Single => Row::default(),
    };
    let button = match detail {
        Detail::Digest => Cow::default(),
        Detail::All | Detail::Single if is_mine(part) => target.into(),
        Detail::All | Detail::Single => forward(part, lang, urgency, &when, target, subject).into(),
    };
    TokenView {
        name: tidy_name(&part.name),
        client: part.client.as_deref().map(tidy_name),
        urgency: urgency.word(),
        urgency_label: if still_works.is_some() {
            lang.pick("Date passed", "Date passée")
        } else {
            prose::urgency_label(lang, urgency)
        },
        date: prose::date(lang, calendar.date(part.expires)).into(),
        mine: is_mine(part),
        has_link: part.link.is_some(),
        target: target.into(),
        button,
        demandeur: part.demandeur.as_ref().map(person),
        filed: filed.map(Cow::Owned),
        refused,
        works: still_works,
        page: part.page.as_deref().map(PageView::at),
        when: when.into(),
        left: left.into(),
        standing: row.standing,
        state: row.state,
        ids: row.ids,
        row: row.facts,
    }
}

/// What only a digest says of a token.
#[derive(Default)]
struct Row<'a> {
    standing: Cow<'a, str>,
    state: Cow<'a, str>,
    ids: Vec<Cow<'a, str>>,
    facts: Vec<Fact<'a>>,
}

fn row<'a>(
    part: &'a TokenPart,
    lang: Lang,
    (urgency, when, left): (Urgency, &str, &str),
    filed: Option<&str>,
) -> Row<'a> {
    let state = state(part, lang, filed);
    let ids = ids(part, lang);
    let standing = match urgency {
        Urgency::Expired => match part.heard {
            None => format!("{}{left}", lang.pick("access cut ", "accès coupé ")),
            Some(Heard::Refused(_)) => match lang {
                Lang::En => format!("access cut {left}, confirmed by the API"),
                Lang::Fr => format!("accès coupé {left}, confirmé par l’API"),
            },
            Some(Heard::Works(_)) => match lang {
                Lang::En => format!("past its date {left}, still works by the API"),
                Lang::Fr => format!("date passée {left}, fonctionne encore d’après l’API"),
            },
        },
        Urgency::Information
        | Urgency::Reminder
        | Urgency::Urgent
        | Urgency::Tomorrow
        | Urgency::Today => left.to_owned(),
    };
    Row {
        facts: vec![
            fact(lang, Kind::Expiry, format!("{when}, {standing}").into()),
            fact(lang, Kind::State, state.clone()),
            fact(lang, Kind::Reference, ids.join(", ").into()),
        ],
        standing: standing.into(),
        state,
        ids,
    }
}

/// A mail from the reader to the demandeur, ready to send.
fn forward(
    part: &TokenPart,
    lang: Lang,
    urgency: Urgency,
    when: &str,
    target: &str,
    subject: &str,
) -> String {
    let name = tidy_name(&part.name);
    let expired = urgency == Urgency::Expired;
    let body = match lang {
        Lang::Fr => {
            let expires = if expired { "a expiré le" } else { "expire le" };
            format!(
                "Bonjour,\n\nLe jeton API Entreprise «\u{a0}{name}\u{a0}» {expires} {when}.\nVous seul pouvez demander son renouvellement\u{a0}:\n{target}\n"
            )
        }
        Lang::En => {
            let expires = if expired { "expired on" } else { "expires on" };
            format!(
                "Hello,\n\nThe API Entreprise token “{name}” {expires} {when}.\nOnly you can ask for its renewal:\n{target}\n"
            )
        }
    };
    let demandeur = part.demandeur.as_ref().map(|m| &m.address);
    mailto(
        demandeur,
        &format!("{}{subject}", lang.pick("Fwd: ", "Tr\u{a0}: ")),
        &body,
    )
}

fn state<'a>(part: &'a TokenPart, lang: Lang, filed: Option<&str>) -> Cow<'a, str> {
    if let Some(date) = filed {
        let said = match lang {
            Lang::En => format!("request filed on {date}, not renewed yet"),
            Lang::Fr => format!("demande déposée le {date}, pas encore renouvelé"),
        };
        return said.into();
    }
    let who = match &part.demandeur {
        _ if is_mine(part) => lang.pick("you", "vous").into(),
        Some(m) => m
            .name
            .as_deref()
            .map_or_else(|| m.address.as_str().into(), tidy_name),
        None => lang.pick("the applicant", "le demandeur").into(),
    };
    let todo = lang.pick("to be renewed by", "à renouveler par");
    format!("{todo} {who}").into()
}

/// The subject of the reply that says "filed": the ids, where they fit.
fn done_subject(tokens: &[TokenPart], lang: Lang) -> String {
    let said = lang.pick("Already filed: ", "Déjà déposé\u{a0}: ");
    let ids: Vec<&str> = tokens.iter().map(|t| t.id.as_str()).collect();
    let ids = ids.join(", ");
    if tokens.len() == 1 || ids.chars().count() <= 100 {
        format!("{said}{ids}")
    } else {
        let which = lang.pick("(references of the tokens)", "(références des jetons)");
        format!("{said}{which}")
    }
}
