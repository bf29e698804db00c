//! `explain ID`: a reason for every stage of the period, recipient by recipient: when it is or
//! was due, what became of it, and why.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::cli::list::view;
use crate::cli::{At, Context, Exit, Failure, lookup, when};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::domain::stage::Schedule;
use crate::store::outbox::Person;
use crate::store::probe::Probed;
use crate::store::record::Token;
use crate::words::count;
use crate::words::fate::{Line, lines_of, recorded};
use crate::words::heard;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    /// Only this recipient
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    #[command(flatten)]
    at: At,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let calendar = &config.calendar;
    let now = args.at.now(calendar)?;
    let view = view(&config, context, now).await?;
    let (token, people) = lookup::token_and_people(&view.store, &args.id).await?;
    let schedule = view
        .store
        .schedule()
        .await?
        .unwrap_or_else(|| Schedule::always(config.stages.clone()));
    let notices = view.store.notices(token.no, token.period_no).await?;
    let former = view.store.former_people(token.no).await?;
    let said = view.store.said(token.no).await?;
    let probed = view.store.probed(&token.id).await?;
    let mut lines = Vec::new();
    for person in people.iter().filter(|p| wanted(args, p)) {
        lines.extend(lines_of(
            &token,
            person,
            &schedule,
            &notices,
            said.first(),
            (calendar, now),
        ));
    }
    for person in former.iter().filter(|p| wanted(args, p)) {
        let theirs = notices.iter().filter(|n| n.recipient == person.key);
        lines.extend(theirs.map(|n| recorded(n, &person.address, calendar)));
    }
    if lines.is_empty() && args.to.is_some() {
        return Err(lookup::not_told(&people));
    }
    if context.out.json {
        let belief = probed.and_then(|p| p.known.belief);
        let rows = lines
            .iter()
            .map(|l| {
                json!({
                    "token": token.id, "period": token.period_no, "recipient": l.recipient, "stage": l.stage,
                    "slot": when::rfc3339(l.slot, calendar), "fate": l.fate,
                    "at": l.at.map(|at| when::rfc3339(at, calendar)), "mail": l.mail,
                    "reason": context.out.pick(&l.reason),
                    "verdict": belief.map(|b| b.verdict.word()),
                })
            })
            .collect();
        context.out.data("explain", rows)?;
        return Ok(Exit::Done);
    }
    print(&token, probed.as_ref(), &lines, (calendar, now), context)?;
    Ok(Exit::Done)
}

fn print(
    token: &Token,
    probed: Option<&Probed>,
    lines: &[Line],
    (calendar, now): (&Calendar, DateTime<Utc>),
    context: &mut Context,
) -> Result<(), Failure> {
    let (id, name, no) = (&token.id, &token.facts.name, token.period_no);
    let expires = when::minute(token.period.expires, calendar);
    let Text { en, fr } = count::left(calendar.days_between(now, token.period.expires));
    context.out.line(&format!("{id} — {name}"))?;
    context.out.say(&text!(
        "period {no}, expires {expires} ({en})",
        "période {no}, expire le {expires} ({fr})"
    ))?;
    if let Some(probed) = probed {
        let said = text!("API Entreprise says: {{}}", "API Entreprise dit : {{}}");
        let said = said.with(&heard::in_short(probed, calendar, now));
        context.out.say(&said)?;
    }
    let head = context.out.lang.pick(
        ["STAGE", "SLOT", "WHAT BECAME OF IT, AND WHY"],
        ["ÉTAPE", "CRÉNEAU", "CE QU’IL EN EST, ET POURQUOI"],
    );
    for (recipients, rows) in alike(lines, calendar, context.out.lang) {
        context.out.line("")?;
        for recipient in recipients {
            context.out.line(recipient)?;
        }
        context.out.table(&head, &rows, 2)?;
    }
    Ok(())
}

/// The rows of each recipient; those whose rows are the same share them.
fn alike<'a>(lines: &'a [Line], calendar: &Calendar, lang: Lang) -> Vec<Shared<'a>> {
    let mut shared: Vec<Shared<'a>> = Vec::new();
    for theirs in lines.chunk_by(|a, b| a.recipient == b.recipient) {
        let rows: Vec<Vec<String>> = theirs
            .iter()
            .map(|l| {
                vec![
                    l.stage.to_string(),
                    when::minute(l.slot, calendar),
                    l.reason.in_lang(lang).to_owned(),
                ]
            })
            .collect();
        let recipient = theirs[0].recipient.as_str();
        match shared.iter_mut().find(|(_, r)| *r == rows) {
            Some((recipients, _)) => recipients.push(recipient),
            None => shared.push((vec![recipient], rows)),
        }
    }
    shared
}

/// Recipients with the rows that they share.
type Shared<'a> = (Vec<&'a str>, Vec<Vec<String>>);

fn wanted(args: &Args, person: &Person) -> bool {
    args.to.as_ref().is_none_or(|to| lookup::is_at(person, to))
}
