//! `preview ID`: a mail as it will be, before anything is sent.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde_json::json;

use crate::app;
use crate::cli::{At, Context, Exit, Failure, lookup, when};
use crate::config::Config;
use crate::delivery::desk::Matter;
use crate::domain::schedule;
use crate::domain::stage::{Schedule, Stage};
use crate::domain::verdict::Verdict;
use crate::store::outbox::{Carried, Claimed, Person};
use crate::store::record::Token;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    /// As it will be at stage N, ten years around the end at most [default: the next stage of the recipient]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-3650..=3650))]
    stage: Option<i32>,
    /// As this recipient will read it [default: the demandeur, else the first one]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Headers and the text part
    Text,
    /// The HTML part
    Html,
    /// The whole message
    Eml,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = args.at.now(&config.calendar)?;
    let store = app::copy(&config, now).await?;
    let (token, people) = lookup::token_and_people(&store, &args.id).await?;
    let reader = reader(args, &people)?;
    let schedule = store
        .schedule()
        .await?
        .unwrap_or_else(|| Schedule::always(config.stages.clone()));
    let (stage, sent_at) = moment(args, &config, &schedule, &token, reader, now);
    let said = store.said(token.no).await?;
    let filed_at = said.iter().find_map(|s| s.filed_at);
    let mail = Claimed {
        no: 0,
        fence: 0,
        message_id: format!("preview@{}", config.mail.from.address.ascii_domain()),
        kind: "reminder".to_owned(),
        recipient: reader.key.clone(),
        address: reader.address.clone(),
        domain: String::new(),
        doubts: 0,
        content: None,
        note: None,
        deferrals: 0,
        deferred_since: None,
    };
    let heard = store.probed(&token.id).await?;
    let heard = heard
        .and_then(|p| p.known.belief)
        .map(|b| (b.verdict, b.at));
    let carried = carried(&token, reader, stage, filed_at, heard);
    let matter = Matter::alone(carried, people.clone());
    let addressed = app::desk(&config)
        .address(&mail, &matter, sent_at)?
        .ok_or_else(|| Failure::unexpected("a preview carries one notice"))?;
    let composed = app::templates(&config)?
        .compose(&addressed.letter, &addressed.envelope, &config.calendar)
        .map_err(|e| Failure::unexpected(&e.to_string()))?;
    if context.out.json {
        let row = json!({
            "token": token.id, "stage": stage.days(), "recipient": reader.address,
            "at": when::rfc3339(sent_at, &config.calendar),
            "subject": composed.subject, "text": composed.text, "html": composed.html,
        });
        context.out.data("preview", vec![row])?;
        return Ok(Exit::Done);
    }
    match args.format {
        Format::Eml => context.out.bytes(&composed.bytes)?,
        Format::Html => context.out.line(&composed.html)?,
        Format::Text => {
            let lang = context.out.lang;
            context.out.facts(&[
                (lang.pick("From", "De"), config.mail.from.to_string()),
                (lang.pick("To", "À"), addressed.envelope.to.to_string()),
                ("Date", when::minute(sent_at, &config.calendar)),
                (lang.pick("Subject", "Objet"), composed.subject.clone()),
            ])?;
            context.out.line("")?;
            context.out.line(composed.text.trim_end())?;
        }
    }
    Ok(Exit::Done)
}

fn reader<'a>(args: &Args, people: &'a [Person]) -> Result<&'a Person, Failure> {
    match &args.to {
        None => people
            .first()
            .ok_or_else(|| Failure::unexpected("a token without recipients")),
        Some(to) => people
            .iter()
            .find(|p| lookup::is_at(p, to))
            .ok_or_else(|| lookup::not_told(people)),
    }
}

/// The stage, and the moment of sending: the slot of that stage, as if every mail left on time.
fn moment(
    args: &Args,
    config: &Config,
    schedule: &Schedule,
    token: &Token,
    reader: &Person,
    now: DateTime<Utc>,
) -> (Stage, DateTime<Utc>) {
    let calendar = &config.calendar;
    if let Some(days) = args.stage {
        let stage = Stage::new(days);
        return (stage, calendar.slot(stage, token.period.expires));
    }
    let next = schedule::next_for(calendar, schedule, &token.period, &reader.told(), now);
    next.map_or((Stage::new(0), now), |due| (due.stage, due.slot))
}

fn carried(
    token: &Token,
    reader: &Person,
    stage: Stage,
    filed_at: Option<DateTime<Utc>>,
    heard: Option<(Verdict, DateTime<Utc>)>,
) -> HashMap<i64, Vec<Carried>> {
    let one = Carried {
        mail: 0,
        token: token.no,
        id: token.id.clone(),
        name: token.facts.name.clone(),
        client: token.facts.client_name.clone(),
        period: token.period_no,
        stage: stage.days(),
        recipient: reader.key.clone(),
        leaves_at: token.period.expires,
        expires: token.period.expires,
        opened_at: token.period.opened_at,
        dated_at: token.period.dated_at,
        end: token.period.end,
        filed_at,
        declared_at: token.declared_at,
        datapass_id: token.facts.datapass_id.clone(),
        jti: token.jti.clone(),
        siret: token.facts.siret.clone(),
        used_by: token.facts.used_by.clone(),
        contact: token.facts.contact.clone(),
        heard,
    };
    HashMap::from([(0, vec![one])])
}
