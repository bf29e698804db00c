//! `show ID`: one token as it is on record, where each value comes from, and who is told about
//! it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::list::view;
use crate::cli::lookup::token_and_people;
use crate::cli::verb::{chain, told};
use crate::cli::{At, Context, Exit, Failure, heard, reach, when};
use crate::config::{Config, Place};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::link::LinkTemplate;
use crate::domain::schedule;
use crate::domain::token::{DatapassId, Jti};
use crate::domain::urgency::Urgency;
use crate::store::lineage::Link;
use crate::store::outbox::Person;
use crate::store::probe::Probed;
use crate::store::quiet::Said;
use crate::store::record::Token;
use crate::store::told::RecipientOrigin;
use crate::store::unreachable::Unreachable;
use crate::words;
use crate::words::reach as unreached;
use crate::words::state::{dates_by, end, origin, person_from, silent, state};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    #[command(flatten)]
    at: At,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    let config = &loaded.config;
    let now = args.at.now(&config.calendar)?;
    let view = view(config, context, now).await?;
    let (token, people) = token_and_people(&view.store, &args.id).await?;
    let number = config.tokens.iter().position(|t| t.id.as_str() == token.id);
    let mut unreachable = view.store.unreachable(now).await?;
    unreachable.retain(|u| people.iter().any(|p| p.key == u.recipient));
    let shown = Shown {
        link: link(&token, &config.renewal.url),
        said: view.store.said(token.no).await?,
        chain: chain::of(&view.store, &token.id).await?,
        origins: view.store.origins(token.no).await?,
        place: number.map(|no| loaded.place_of(no)),
        former: view.store.former_people(token.no).await?,
        probed: view.store.probed(&token.id).await?,
        token,
        people,
    };
    if context.out.json {
        let row = as_json(&shown, config, now);
        let row = with_marks(row, &shown.people, &unreachable, &config.calendar);
        context.out.data("show", vec![row])?;
        return Ok(Exit::Done);
    }
    print_facts(&shown, &config.calendar, context, now)?;
    print_people(&shown, context)?;
    print_unreachable(&shown.people, &unreachable, &config.calendar, context)?;
    Ok(Exit::Done)
}

/// Everything about one token.
struct Shown {
    token: Token,
    link: Option<String>,
    /// What silences its early stages.
    said: Vec<Said>,
    /// Which token took whose place; empty where it is alone.
    chain: Vec<Link>,
    people: Vec<Person>,
    /// Where the people come from, by their keys.
    origins: HashMap<String, RecipientOrigin>,
    former: Vec<Person>,
    /// What API Entreprise says of it; `None`: it was never asked about.
    probed: Option<Probed>,
    /// Where the file declares it.
    place: Option<Place>,
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
        context.out.say(&unreached::told(u, calendar))?;
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

fn as_json(shown: &Shown, config: &Config, now: DateTime<Utc>) -> Value {
    let Shown { token: t, .. } = shown;
    let at = |i| when::rfc3339(i, &config.calendar);
    let person = |p: &Person| {
        json!({
            "address": p.address, "name": p.name, "role": p.role, "language": p.language,
            "from_stage": p.from_stage, "since": at(p.since),
            "origin": shown.origins.get(&p.key).map(|o| o.word()),
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
        "link": shown.link,
        "jti": t.jti,
        "scopes": t.scopes,
        "fingerprint": t.fingerprint,
        "dates_by": t.source,
        "dates_at": at(t.period.dated_at),
        "revoked_at_end": t.revoked_from.is_some(),
        "revoked_from": t.revoked_from.map(at),
        "superseded_by": t.superseded_by,
        "chain": chain::rows(&shown.chain, &config.calendar),
        "said": shown.said.iter().map(|s| told::said(s, &config.calendar)).collect::<Vec<_>>(),
        "file": shown.place.as_ref().map(|p| json!({"file": p.file, "line": p.line, "column": p.column})),
        "siret": t.facts.siret,
        "client": t.facts.client,
        "client_name": t.facts.client_name,
        "used_by": t.facts.used_by,
        "tags": t.facts.tags,
        "language": t.facts.language,
        "contact": t.facts.contact,
        "probe": shown.probed.as_ref().map(|p| heard::row(p, &config.calendar)),
        "recipients": shown.people.iter().map(person).collect::<Vec<_>>(),
        "former_recipients": shown.former.iter().map(person).collect::<Vec<_>>(),
    })
}

fn print_facts(
    shown: &Shown,
    calendar: &Calendar,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let lang = context.out.lang;
    let Shown { token: t, .. } = shown;
    let none = || "—".to_owned();
    let pick = |text: &Text| text.in_lang(lang).to_owned();
    let id = format!("{} — {}", t.id, t.facts.name);
    let mut facts = vec![
        (lang.pick("token", "jeton"), id),
        (
            lang.pick("state", "état"),
            state(t, &shown.said, calendar, now)
                .in_lang(lang)
                .to_owned(),
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
        (
            lang.pick("dates by", "dates par"),
            pick(&dates_by(t, calendar)),
        ),
        (lang.pick("period", "période"), {
            let (no, since) = (t.period_no, when::day(t.period.opened_at, calendar));
            text!("{no} (since {since})", "{no} (depuis le {since})")
                .in_lang(lang)
                .to_owned()
        }),
        (
            lang.pick("origin", "origine"),
            pick(&from(t, shown.place.as_ref())),
        ),
        (
            "Data Pass",
            t.facts.datapass_id.clone().unwrap_or_else(none),
        ),
        (
            lang.pick("link", "lien"),
            shown
                .link
                .clone()
                .unwrap_or_else(|| no_link().in_lang(lang).to_owned()),
        ),
        ("jti", t.jti.clone().unwrap_or_else(none)),
        ("SIRET", t.facts.siret.clone().unwrap_or_else(none)),
    ];
    if let Some(scopes) = &t.scopes {
        facts.push((lang.pick("scopes", "droits"), scopes.join(", ")));
    }
    for said in &shown.said {
        facts.push((
            lang.pick("silent", "silence"),
            pick(&silent(said, calendar)),
        ));
    }
    if !shown.chain.is_empty() {
        facts.push((
            lang.pick("chain", "chaîne"),
            chain::drawn(&shown.chain, calendar),
        ));
    }
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
    let said = shown.probed.as_ref();
    let said = said.map(|p| words::heard::facts(p, calendar, now));
    let said = said.unwrap_or_default();
    for (label, value) in &said {
        facts.push((label.in_lang(lang), pick(value)));
    }
    Ok(context.out.facts(&facts)?)
}

/// Where its name, numbers and labels come from.
fn from(t: &Token, place: Option<&Place>) -> Text {
    let origin = origin(t.origin);
    match place {
        Some(place) => {
            let (file, line) = (&place.file, place.line);
            text!("{{}} ({file}:{line})", "{{}} ({file}:{line})").with(&origin)
        }
        None => origin,
    }
}

fn no_link() -> Text {
    text!(
        "no Data Pass number: the mail names the dashboard",
        "pas de numéro Data Pass\u{a0}: le courriel indique le tableau de bord"
    )
}

fn print_people(shown: &Shown, context: &mut Context) -> Result<(), Failure> {
    let lang = context.out.lang;
    let Shown { people, former, .. } = shown;
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
            shown
                .origins
                .get(&p.key)
                .map(|o| person_from(*o).in_lang(lang).to_owned())
                .unwrap_or_default(),
        ]
    };
    let head = lang.pick(
        ["RECIPIENT", "NAME", "ROLE", "LANG", "FROM STAGE", "ORIGIN"],
        [
            "DESTINATAIRE",
            "NOM",
            "RÔLE",
            "LANG",
            "DÈS L’ÉTAPE",
            "ORIGINE",
        ],
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
