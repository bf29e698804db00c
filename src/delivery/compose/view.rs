//! What a template is given: facts in words of the mail's language, and links, ready to show.
//!
//! Everything is computed from the moment of sending; the stage for which a notice is owed is
//! not among it, so that no template can say "in 30 days" when 28 are left.

use serde::Serialize;

use crate::delivery::compose::facts::{Fact, distinct, fact, facts, ids, person};
use crate::delivery::compose::letter::{Envelope, Note, TokenPart};
use crate::delivery::compose::mailto::mailto;
use crate::delivery::compose::prose::{self, tidy_name};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, is_hazardous};
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
    lang: &'static str,
    subject: &'a str,
    organisation: String,
    contact: String,
    contact_mailto: String,
}

/// The variables of `reminder.txt` and `reminder.html`.
#[derive(Serialize)]
pub(super) struct ReminderView<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    dashboard: &'a str,
    faq: &'static str,
    /// Whether the mail is about a single token.
    one: bool,
    /// "3 jetons"
    counted: String,
    tokens: Vec<TokenView>,
    /// How many of the tokens the reader can renew: `all`, `some` or `none`.
    mine: &'static str,
    /// "2 jetons" whose access is cut; none: no such token.
    cut: Option<String>,
    all_cut: bool,
    /// "2 jetons" for which an answer in time is no longer certain.
    tight: Option<String>,
    some_without_link: bool,
    used_by: Vec<String>,
    facts: Vec<Fact>,
    /// Whether each token has its page, where its reader says what happened.
    paged: bool,
    done_subject: String,
    done_mailto: String,
}

/// One token.
#[derive(Serialize)]
struct TokenView {
    name: String,
    client: Option<String>,
    urgency: &'static str,
    urgency_label: &'static str,
    /// "dimanche 22 novembre 2026 à 16 h 45 (heure de Paris)"
    when: String,
    /// "22 novembre 2026"
    date: String,
    /// "dans 15 jours", "demain", "depuis 7 jours"
    left: String,
    /// In a digest: as `left`, or "accès coupé depuis 7 jours"
    standing: String,
    /// Whether the reader can renew it.
    mine: bool,
    has_link: bool,
    /// The renewal link, or the dashboard.
    target: String,
    /// Where the button leads: to the target, or to a mail that passes it on.
    button: String,
    demandeur: Option<String>,
    filed: Option<String>,
    /// Where the reader says what happened; none: by a reply.
    page: Option<PageView>,
    /// In a digest: "à renouveler par vous".
    state: String,
    /// In a digest: the numbers that tell it from others.
    ids: Vec<String>,
    /// In a digest: the aligned lines of the text part.
    row: Vec<Fact>,
}

/// The addresses of a reader's page about one token, and of its parts.
#[derive(Serialize)]
struct PageView {
    overview: String,
    filed: String,
    renewed: String,
    not_for_me: String,
}

impl PageView {
    fn at(overview: &str) -> Self {
        let part = |page: Page| format!("{overview}{}", page.suffix());
        Self {
            overview: part(Page::Overview),
            filed: part(Page::Filed),
            renewed: part(Page::Renewed),
            not_for_me: part(Page::NotForMe),
        }
    }
}

/// The variables of `note.txt` and `note.html`.
#[derive(Serialize)]
pub(super) struct NoteView<'a> {
    #[serde(flatten)]
    frame: Frame<'a>,
    paragraphs: Vec<Paragraph>,
}

#[derive(Serialize)]
struct Paragraph {
    words: String,
    is_link: bool,
    /// It stands over the next one.
    is_heading: bool,
    /// The entries, where the paragraph is a list.
    items: Vec<String>,
}

fn frame<'a>(envelope: &Envelope, subject: &'a str) -> Frame<'a> {
    Frame {
        lang: envelope.lang.code(),
        subject,
        organisation: tidy_name(&envelope.organisation),
        contact: envelope.contact.to_string(),
        contact_mailto: mailto(Some(&envelope.contact), "", ""),
    }
}

/// A note in the words of its language.
pub(super) fn note<'a>(note: &Note, envelope: &Envelope, subject: &'a str) -> NoteView<'a> {
    let paragraphs = note
        .body
        .iter()
        .map(|p| paragraph(p.in_lang(envelope.lang)));
    NoteView {
        frame: frame(envelope, subject),
        paragraphs: paragraphs.collect(),
    }
}

fn paragraph(said: &str) -> Paragraph {
    let is_link = said.starts_with("https://")
        && !said.contains(|c: char| c.is_whitespace() || is_hazardous(c));
    if is_link {
        return Paragraph {
            words: said.to_owned(),
            is_link,
            is_heading: false,
            items: Vec::new(),
        };
    }
    let heading = said.strip_prefix("## ");
    let items: Option<Vec<String>> = said
        .lines()
        .map(|line| line.strip_prefix("- ").map(tidy_name))
        .collect();
    let lines: Vec<String> = heading.unwrap_or(said).lines().map(tidy_name).collect();
    Paragraph {
        words: lines.join("\n"),
        is_link,
        is_heading: heading.is_some(),
        items: items.unwrap_or_default(),
    }
}

/// A reminder's facts in the words of its language.
pub(super) fn reminder<'a>(
    tokens: &[TokenPart],
    envelope: &'a Envelope,
    calendar: &Calendar,
    subject: &'a str,
) -> ReminderView<'a> {
    let lang = envelope.lang;
    let cut = tokens.iter().filter(|t| envelope.now > t.expires).count();
    let tight = tokens.iter().filter(|t| {
        envelope.now <= t.expires
            && calendar.days_between(envelope.now, t.expires) <= LONGEST_ANSWER
    });
    let counted = |n: usize| (n > 0).then(|| prose::tokens(lang, n));
    let mine = tokens.iter().filter(|t| is_mine(t)).count();
    let done_subject = done_subject(tokens, lang);
    ReminderView {
        frame: frame(envelope, subject),
        dashboard: &envelope.dashboard,
        faq: FAQ,
        one: tokens.len() == 1,
        counted: prose::tokens(lang, tokens.len()),
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
        facts: facts(tokens, envelope, calendar),
        paged: tokens.iter().all(|t| t.page.is_some()),
        done_mailto: mailto(Some(&envelope.contact), &done_subject, ""),
        done_subject,
        tokens: tokens
            .iter()
            .map(|t| token(t, envelope, calendar, subject))
            .collect(),
    }
}

fn is_mine(token: &TokenPart) -> bool {
    token.role == Role::Demandeur
}

fn token(part: &TokenPart, envelope: &Envelope, calendar: &Calendar, subject: &str) -> TokenView {
    let lang = envelope.lang;
    let urgency = Urgency::at(calendar, part.expires, envelope.now);
    let days_left = calendar.days_between(envelope.now, part.expires);
    let when = prose::moment(lang, calendar, part.expires);
    let left = prose::left(lang, urgency, days_left);
    let filed = part.filed.map(|at| prose::date(lang, calendar.date(at)));
    let state = state(part, lang, filed.as_deref());
    let ids = ids(part, lang);
    let target = part.link.as_ref().unwrap_or(&envelope.dashboard);
    let standing = match urgency {
        Urgency::Expired => format!("{}{left}", lang.pick("access cut ", "accès coupé ")),
        Urgency::Information
        | Urgency::Reminder
        | Urgency::Urgent
        | Urgency::Tomorrow
        | Urgency::Today => left.clone(),
    };
    TokenView {
        name: tidy_name(&part.name),
        client: part.client.as_deref().map(tidy_name),
        urgency: urgency.word(),
        urgency_label: prose::urgency_label(lang, urgency),
        date: prose::date(lang, calendar.date(part.expires)),
        mine: is_mine(part),
        has_link: part.link.is_some(),
        target: target.clone(),
        button: if is_mine(part) {
            target.clone()
        } else {
            forward(part, lang, urgency, &when, target, subject)
        },
        demandeur: part.demandeur.as_ref().map(person),
        filed,
        page: part.page.as_deref().map(PageView::at),
        row: vec![
            fact(lang, ("Expiry", "Échéance"), format!("{when}, {standing}")),
            fact(lang, ("State", "État"), state.clone()),
            fact(lang, ("Reference", "Référence"), ids.join(", ")),
        ],
        when,
        left,
        standing,
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

fn state(part: &TokenPart, lang: Lang, filed: Option<&str>) -> String {
    if let Some(date) = filed {
        return lang.pick(
            format!("request filed on {date}, not renewed yet"),
            format!("demande déposée le {date}, pas encore renouvelé"),
        );
    }
    let who = match &part.demandeur {
        _ if is_mine(part) => lang.pick("you", "vous").to_owned(),
        Some(m) => m
            .name
            .as_deref()
            .map_or_else(|| m.address.to_string(), tidy_name),
        None => lang.pick("the applicant", "le demandeur").to_owned(),
    };
    let todo = lang.pick("to be renewed by", "à renouveler par");
    format!("{todo} {who}")
}

/// The subject of the reply that says "filed": the ids, where they fit.
fn done_subject(tokens: &[TokenPart], lang: Lang) -> String {
    let said = lang.pick("Already filed: ", "Déjà déposé\u{a0}: ");
    let ids: Vec<String> = tokens.iter().map(|t| t.id.to_string()).collect();
    let ids = ids.join(", ");
    if tokens.len() == 1 || ids.chars().count() <= 100 {
        format!("{said}{ids}")
    } else {
        let which = lang.pick("(references of the tokens)", "(références des jetons)");
        format!("{said}{which}")
    }
}
