//! `show ID`: one token as it is on record, and who is told about it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::list::{condition, view};
use crate::cli::lookup::token_and_people;
use crate::cli::{At, Context, Exit, Failure, reach, when, words};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{By, Origin, State};
use crate::domain::link::LinkTemplate;
use crate::domain::schedule;
use crate::domain::token::{DatapassId, Jti};
use crate::domain::urgency::Urgency;
use crate::store::outbox::Person;
use crate::store::record::Token;
use crate::store::unreachable::Unreachable;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    #[command(flatten)]
    at: At,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = args.at.now(&config.calendar)?;
    let view = view(&config, context, now).await?;
    let (token, people) = token_and_people(&view.store, &args.id).await?;
    let former = view.store.former_people(token.no).await?;
    let link = link(&token, &config.renewal.url);
    let mut unreachable = view.store.unreachable(now).await?;
    unreachable.retain(|u| people.iter().any(|p| p.key == u.recipient));
    if context.out.json {
        let row = as_json(&token, &people, &former, link, &config, now);
        let row = with_marks(row, &people, &unreachable, &config.calendar);
        context.out.data("show", vec![row])?;
        return Ok(Exit::Done);
    }
    print_facts(&token, link, &config.calendar, context, now)?;
    print_people(&people, &former, context)?;
    print_unreachable(&people, &unreachable, &config.calendar, context)?;
    Ok(Exit::Done)
}

/// The row with who of its recipients cannot be reached.
fn with_marks(
    mut row: Value,
    people: &[Person],
    unreachable: &[Unreachable],
    calendar: &Calendar,
) -> Value {
    for (p, told) in people
        .iter()
        .zip(row["recipients"].as_array_mut().into_iter().flatten())
    {
        let mark = unreachable.iter().find(|u| u.recipient == p.key);
        told["unreachable"] = json!(mark.map(|u| reach::mark(u, calendar)));
    }
    row
}

fn print_unreachable(
    people: &[Person],
    unreachable: &[Unreachable],
    calendar: &Calendar,
    context: &mut Context,
) -> Result<(), Failure> {
    if unreachable.is_empty() {
        return Ok(());
    }
    context.out.line("")?;
    for u in unreachable {
        context.out.say(&reach::told(u, calendar))?;
    }
    if unreachable.len() == people.len() {
        context.out.say(&text!(
            "None of its recipients can be reached.",
            "Aucun de ses destinataires ne peut être joint."
        ))?;
    }
    Ok(())
}

fn link(token: &Token, template: &LinkTemplate) -> Option<String> {
    let datapass_id = token
        .facts
        .datapass_id
        .as_deref()
        .and_then(|s| DatapassId::parse(s).ok());
    let jti = token.jti.as_deref().and_then(|s| Jti::parse(s).ok());
    template.fill(datapass_id.as_ref(), jti.as_ref())
}

fn as_json(
    t: &Token,
    people: &[Person],
    former: &[Person],
    link: Option<String>,
    config: &Config,
    now: DateTime<Utc>,
) -> Value {
    let at = |i| when::rfc3339(i, &config.calendar);
    let person = |p: &Person| {
        json!({
            "address": p.address, "name": p.name, "role": p.role, "language": p.language,
            "from_stage": p.from_stage, "since": at(p.since),
        })
    };
    json!({
        "id": t.id,
        "name": t.facts.name,
        "state": t.state.word(),
        "state_by": t.state_by.word(),
        "state_since": at(t.state_at),
        "origin": t.origin.word(),
        "period": t.period_no,
        "issued": t.issued.map(at),
        "expires": at(t.period.expires),
        "days_left": config.calendar.days_between(now, t.period.expires),
        "urgency": Urgency::at(&config.calendar, t.period.expires, now).word(),
        "mailed": schedule::is_mailed(&config.calendar, &t.period),
        "file_expires": t.file_expires.map(at),
        "declared_at": at(t.declared_at),
        "period_opened_at": at(t.period.opened_at),
        "datapass_id": t.facts.datapass_id,
        "link": link,
        "jti": t.jti,
        "siret": t.facts.siret,
        "client": t.facts.client,
        "client_name": t.facts.client_name,
        "used_by": t.facts.used_by,
        "tags": t.facts.tags,
        "language": t.facts.language,
        "contact": t.facts.contact,
        "recipients": people.iter().map(person).collect::<Vec<_>>(),
        "former_recipients": former.iter().map(person).collect::<Vec<_>>(),
    })
}

fn print_facts(
    t: &Token,
    link: Option<String>,
    calendar: &Calendar,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let lang = context.out.lang;
    let none = || "—".to_owned();
    let id = format!("{} — {}", t.id, t.facts.name);
    let mut facts = vec![
        (lang.pick("token", "jeton"), id),
        (
            lang.pick("state", "état"),
            state(t, calendar, now).in_lang(lang).to_owned(),
        ),
        (
            lang.pick("issued", "délivré"),
            t.issued.map_or_else(
                || lang.pick("not said", "non précisé").to_owned(),
                |i| when::day(i, calendar),
            ),
        ),
        (
            lang.pick("expires", "expire"),
            end(t, calendar, now).in_lang(lang).to_owned(),
        ),
        (lang.pick("period", "période"), {
            let (no, since) = (t.period_no, when::day(t.period.opened_at, calendar));
            text!("{no} (since {since})", "{no} (depuis le {since})")
                .in_lang(lang)
                .to_owned()
        }),
        (
            lang.pick("origin", "origine"),
            origin(t.origin).in_lang(lang).to_owned(),
        ),
        (
            "Data Pass",
            t.facts.datapass_id.clone().unwrap_or_else(none),
        ),
        (
            lang.pick("link", "lien"),
            link.unwrap_or_else(|| no_link().in_lang(lang).to_owned()),
        ),
        ("jti", t.jti.clone().unwrap_or_else(none)),
        ("SIRET", t.facts.siret.clone().unwrap_or_else(none)),
    ];
    if let Some(client) = &t.facts.client_name {
        facts.push((lang.pick("client", "client"), client.clone()));
    }
    for (label, list) in [
        (lang.pick("used by", "utilisé par"), &t.facts.used_by),
        (lang.pick("tags", "étiquettes"), &t.facts.tags),
    ] {
        if !list.is_empty() {
            facts.push((label, list.join(", ")));
        }
    }
    facts.push((lang.pick("contact", "contact"), t.facts.contact.clone()));
    Ok(context.out.facts(&facts)?)
}

fn state(t: &Token, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let Text { en, fr } = condition(t, calendar, now);
    let since = when::day(t.state_at, calendar);
    match (t.state, t.state_by) {
        // Since when it is to be renewed is the date of its expiry, not of its state.
        (State::Active, _) => text!("{en}", "{fr}"),
        (State::Archived, By::File) => text!(
            "{en} (since {since}), not in the file",
            "{fr} (depuis le {since}), absent du fichier"
        ),
        (State::Archived, By::Person) => text!(
            "{en} (since {since}), by a person",
            "{fr} (depuis le {since}), par une personne"
        ),
        (State::Superseded | State::Revoked, _) => {
            text!("{en} (since {since})", "{fr} (depuis le {since})")
        }
    }
}

fn end(t: &Token, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let at = when::minute(t.period.expires, calendar);
    let Text { en, fr } = words::left(calendar.days_between(now, t.period.expires));
    if t.file_expires.is_some_and(|f| f != t.period.expires) {
        text!(
            "{at} — {en} (from the record; the file has another date)",
            "{at} — {fr} (d’après l’historique\u{a0}; le fichier porte une autre date)"
        )
    } else {
        text!("{at} — {en}", "{at} — {fr}")
    }
}

fn origin(origin: Origin) -> Text {
    match origin {
        Origin::File => text!("file", "fichier"),
        Origin::Import => text!("import", "import"),
        Origin::Webhook => text!("webhook", "webhook"),
    }
}

fn no_link() -> Text {
    text!(
        "no Data Pass number: the mail names the dashboard",
        "pas de numéro Data Pass\u{a0}: le courriel indique le tableau de bord"
    )
}

fn print_people(
    people: &[Person],
    former: &[Person],
    context: &mut Context,
) -> Result<(), Failure> {
    let lang = context.out.lang;
    let row = |p: &Person| {
        let from = p.from_stage.map_or_else(
            || lang.pick("the first", "la première").to_owned(),
            |s| s.to_string(),
        );
        vec![
            p.address.clone(),
            p.name.clone().unwrap_or_default(),
            p.role.clone(),
            p.language.clone(),
            from,
        ]
    };
    let head = lang.pick(
        ["RECIPIENT", "NAME", "ROLE", "LANG", "FROM STAGE"],
        ["DESTINATAIRE", "NOM", "RÔLE", "LANG", "DÈS L’ÉTAPE"],
    );
    context.out.line("")?;
    let rows: Vec<Vec<String>> = people.iter().map(row).collect();
    context.out.table(&head, &rows, 1)?;
    if !former.is_empty() {
        let names: Vec<&str> = former.iter().map(|p| p.address.as_str()).collect();
        let names = names.join(", ");
        context.out.line("")?;
        context.out.say(&text!(
            "No longer told: {names}",
            "Ne sont plus prévenus\u{a0}: {names}"
        ))?;
    }
    Ok(())
}
