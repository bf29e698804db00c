//! `list` and `show`: the tokens on record.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app::{self, Of, View};
use crate::cli::{At, Context, Exit, Failure, no_such_token, when};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{By, State};
use crate::domain::link::LinkTemplate;
use crate::domain::schedule;
use crate::domain::stage::Schedule;
use crate::domain::token::{DatapassId, Jti};
use crate::domain::urgency::Urgency;
use crate::store::outbox::Person;
use crate::store::record::Token;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Also the tokens that are no longer watched
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The token's id
    id: String,
    #[command(flatten)]
    at: At,
}

/// Opens what is to be shown, and says on stderr when it is not the record as it stands.
pub(super) async fn view(
    config: &Config,
    context: &Context,
    now: DateTime<Utc>,
) -> Result<View, Failure> {
    let view = app::view(config, now).await?;
    match view.of {
        Of::Record => {}
        Of::OlderFile => context.out.note(&text!(
            "note: the file has changed since the daemon read it; this is what the daemon knows",
            "remarque : le fichier a changé depuis que le service l’a lu ; voici ce que le service sait"
        )),
        Of::FileOnly => context.out.note(&text!(
            "note: there is no store yet; this is what the file says",
            "remarque : il n’y a pas encore de base ; voici ce que dit le fichier"
        )),
    }
    Ok(view)
}

pub(super) async fn list(args: &ListArgs, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = args.at.now(&config.calendar)?;
    let view = view(&config, context, now).await?;
    let schedule = view
        .store
        .schedule()
        .await?
        .unwrap_or_else(|| Schedule::always(config.stages.clone()));
    let tokens: Vec<Token> = view
        .store
        .tokens()
        .await?
        .into_iter()
        .filter(|t| args.all || t.state == State::Active)
        .collect();
    let next = |t: &Token| next_stage(t, &config.calendar, &schedule, now);
    if context.out.json {
        let rows = tokens
            .iter()
            .map(|t| {
                let next = next(t);
                json!({
                    "id": t.id,
                    "name": t.facts.name,
                    "client": t.facts.client,
                    "state": t.state.word(),
                    "expires": when::rfc3339(t.period.expires, &config.calendar),
                    "days_left": config.calendar.days_between(now, t.period.expires),
                    "urgency": Urgency::at(&config.calendar, t.period.expires, now).word(),
                    "mailed": schedule::is_mailed(&config.calendar, &t.period),
                    "next": next.map(|d| json!({"stage": d.stage.days(), "at": when::rfc3339(d.slot, &config.calendar)})),
                    "tags": t.facts.tags,
                })
            })
            .collect();
        context.out.data("list", rows)?;
        return Ok(Exit::Done);
    }
    let rows = tokens
        .iter()
        .map(|t| {
            let left = config.calendar.days_between(now, t.period.expires);
            let next = next(t).map_or_else(
                || "—".to_owned(),
                |d| format!("{} ({})", when::day(d.slot, &config.calendar), d.stage),
            );
            vec![
                t.id.clone(),
                t.facts.name.clone(),
                when::day(t.period.expires, &config.calendar),
                left.to_string(),
                context
                    .out
                    .pick(&condition(t, &config.calendar, now))
                    .to_owned(),
                next,
            ]
        })
        .collect::<Vec<_>>();
    let empty = rows.is_empty();
    let head = context.out.lang.pick(
        ["ID", "NAME", "EXPIRES", "DAYS", "STATE", "NEXT (STAGE)"],
        ["ID", "NOM", "EXPIRE", "JOURS", "ÉTAT", "PROCHAIN (ÉTAPE)"],
    );
    context.out.table(&head, rows, &[2, 3])?;
    if empty {
        context.out.note(&text!("no tokens", "aucun jeton"));
    }
    Ok(Exit::Done)
}

fn next_stage(
    t: &Token,
    calendar: &Calendar,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Option<schedule::Due> {
    if t.state != State::Active {
        return None;
    }
    let everyone = schedule::Told {
        from_stage: None,
        since: t.period.opened_at,
    };
    schedule::next_for(calendar, schedule, &t.period, &everyone, now)
}

fn condition(t: &Token, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    match t.state {
        State::Archived => text!("archived", "archivé"),
        State::Superseded => text!("superseded", "remplacé"),
        State::Revoked => text!("revoked", "révoqué"),
        State::Active if !schedule::is_mailed(calendar, &t.period) => {
            text!(
                "expired long ago, not mailed",
                "expiré de longue date, sans courriel"
            )
        }
        State::Active => match Urgency::at(calendar, t.period.expires, now) {
            Urgency::Information => text!("active", "actif"),
            Urgency::Reminder => text!("to renew", "à renouveler"),
            Urgency::Urgent => text!("urgent", "urgent"),
            Urgency::Tomorrow => text!("tomorrow", "demain"),
            Urgency::Today => text!("today", "aujourd’hui"),
            Urgency::Expired => text!("expired", "expiré"),
        },
    }
}

pub(super) async fn show(args: &ShowArgs, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = args.at.now(&config.calendar)?;
    let view = view(&config, context, now).await?;
    let (token, people) = token_and_people(&view, &args.id).await?;
    let former = view.store.former_people(token.no).await?;
    let link = link(&token, &config.renewal.url);
    if context.out.json {
        let row = as_json(&token, &people, &former, link, &config, now);
        context.out.data("show", vec![row])?;
        return Ok(Exit::Done);
    }
    print(&token, &people, &former, link, &config, context, now)?;
    Ok(Exit::Done)
}

/// A token and the people told about it, by its id.
pub(super) async fn token_and_people(
    view: &View,
    id: &str,
) -> Result<(Token, Vec<Person>), Failure> {
    let Some(token) = view.store.token(id).await? else {
        let known: Vec<String> = view
            .store
            .tokens()
            .await?
            .into_iter()
            .map(|t| t.id)
            .collect();
        return Err(no_such_token(id, &known));
    };
    let mut people = view.store.people(&[token.no]).await?;
    people.sort_by(|a, b| (a.role != "demandeur", &a.key).cmp(&(b.role != "demandeur", &b.key)));
    Ok((token, people))
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

fn print(
    t: &Token,
    people: &[Person],
    former: &[Person],
    link: Option<String>,
    config: &Config,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let calendar = &config.calendar;
    let lang = context.out.lang;
    let left = calendar.days_between(now, t.period.expires);
    let state = format!(
        "{} ({} {})",
        context.out.pick(&condition(t, calendar, now)),
        lang.pick("since", "depuis le"),
        when::day(t.state_at, calendar)
    );
    let by = match (t.state, t.state_by) {
        (State::Archived, By::File) => lang.pick(", not in the file", ", absent du fichier"),
        (State::Archived, By::Person) => lang.pick(", by a person", ", par une personne"),
        (State::Active | State::Superseded | State::Revoked, _) => "",
    };
    let from_record = t.file_expires.is_some_and(|f| f != t.period.expires);
    let source = if from_record {
        lang.pick(
            " (from the record; the file has another date)",
            " (d’après l’historique ; le fichier porte une autre date)",
        )
    } else {
        ""
    };
    let expires = format!(
        "{} — {left} {}{source}",
        when::minute(t.period.expires, calendar),
        lang.pick("days left", "jours restants")
    );
    let issued = t.issued.map_or_else(
        || lang.pick("not said", "non précisé").to_owned(),
        |i| when::day(i, calendar),
    );
    let no_link = || {
        lang.pick(
            "no Data Pass number: the mail names the dashboard",
            "pas de numéro Data Pass : le courriel indique le tableau de bord",
        )
        .to_owned()
    };
    let mut facts = vec![
        (
            lang.pick("token", "jeton"),
            format!("{} — {}", t.id, t.facts.name),
        ),
        (lang.pick("state", "état"), format!("{state}{by}")),
        (lang.pick("issued", "délivré"), issued),
        (lang.pick("expires", "expire"), expires),
        (
            lang.pick("period", "période"),
            format!(
                "{} ({} {})",
                t.period_no,
                lang.pick("since", "depuis le"),
                when::day(t.period.opened_at, calendar)
            ),
        ),
        (lang.pick("origin", "origine"), t.origin.word().to_owned()),
        (
            "Data Pass",
            t.facts
                .datapass_id
                .clone()
                .unwrap_or_else(|| "—".to_owned()),
        ),
        (lang.pick("link", "lien"), link.unwrap_or_else(no_link)),
        ("jti", t.jti.clone().unwrap_or_else(|| "—".to_owned())),
        (
            "SIRET",
            t.facts.siret.clone().unwrap_or_else(|| "—".to_owned()),
        ),
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
    for (label, value) in facts {
        let pad = 12_usize.saturating_sub(label.chars().count());
        context.out.line(&format!("{label}{:pad$}{value}", ""))?;
    }
    context.out.line("")?;
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
    context
        .out
        .table(&head, people.iter().map(row).collect(), &[3])?;
    if !former.is_empty() {
        let names: Vec<&str> = former.iter().map(|p| p.address.as_str()).collect();
        let names = names.join(", ");
        context.out.say(&text!(
            "\nNo longer told: {names}",
            "\nNe sont plus prévenus : {names}"
        ))?;
    }
    Ok(())
}
