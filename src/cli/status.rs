//! `status`: is everything owed covered, when was the last pass, what leaves next, what failed.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::Of;
use crate::cli::list::view;
use crate::cli::outbox::word;
use crate::cli::{At, Context, Exit, Failure, when, words};
use crate::clock;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::State;
use crate::store::coverage::{Uncovered, Why};
use crate::store::lock::SenderLock;
use crate::store::mailbook::{MailRow, Which};
use crate::store::outbox::MailState;

/// Uncovered notices and mails shown one by one.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    at: At,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let calendar = &config.calendar;
    let now = args.at.now(calendar)?;
    let view = view(&config, context, now).await?;
    let store = &view.store;
    let uncovered = match view.of {
        Of::Record | Of::OlderFile => store.uncovered(calendar, now).await?,
        // Nothing is owed before the first pass: the file was never taken over.
        Of::FileOnly => Vec::new(),
    };
    let tokens = store.tokens().await?;
    let active = tokens.iter().filter(|t| t.state == State::Active).count();
    let last_pass = store.last_pass().await?;
    let running = view.of != Of::FileOnly && SenderLock::is_held(&config.store);
    let (next_due, next_mail) = store.next_instants().await?;
    let next_mail = next_mail.map(|at| calendar.next_leave(at));
    let mails = store.mail_counts().await?;
    let notices = store.notice_counts().await?;
    let troubled: Vec<MailRow> = store
        .mails(Which::Unfinished, 10_000)
        .await?
        .into_iter()
        .filter(|m| !matches!(m.state, MailState::Queued | MailState::Claimed))
        .collect();
    let exit = if uncovered.is_empty() {
        Exit::Done
    } else {
        Exit::NotDelivered
    };
    if context.out.json {
        let at = |i: DateTime<Utc>| when::rfc3339(i, calendar);
        let row = json!({
            "uncovered": uncovered.len(),
            "uncovered_notices": uncovered.iter().map(|u| json!({
                "token": u.token, "stage": u.stage, "recipient": u.recipient, "since": at(u.since), "why": u.why.word(),
            })).collect::<Vec<_>>(),
            "running": running,
            "store": view.of != Of::FileOnly,
            "last_pass": last_pass.map(at),
            "next_due": next_due.map(at),
            "next_mail": next_mail.map(at),
            "tokens": {"active": active, "all": tokens.len()},
            "mails": mails.iter().map(|(s, n)| (s.word().to_owned(), json!(n))).collect::<serde_json::Map<_, _>>(),
            "notices": notices.iter().map(|(s, n)| (s.clone(), json!(n))).collect::<serde_json::Map<_, _>>(),
            "troubled_mails": troubled.iter().map(|m| json!({
                "mail": m.no, "state": m.state.word(), "recipient": m.address, "next_at": m.next_at.map(at), "reply": m.reply,
            })).collect::<Vec<_>>(),
        });
        context.out.data("status", vec![row])?;
        return Ok(exit);
    }
    let n = uncovered.len();
    let Text { en, .. } = words::counted(n, ["owed reminder is", "owed reminders are"], ["", ""]);
    context.out.say(&if n == 0 {
        text!(
            "Everything owed is covered: 0 reminders are missing.",
            "Tout ce qui est dû est couvert : aucun rappel ne manque."
        )
    } else {
        text!(
            "UNCOVERED: {en} not on the way.",
            "À DÉCOUVERT : rappels dus qui ne sont pas en route : {n}."
        )
    })?;
    for u in uncovered.iter().take(SHOWN) {
        let line = missing(u, &when::minute(u.since, calendar));
        context.out.say(&line)?;
    }
    context.out.line("")?;
    let minute = |at: Option<DateTime<Utc>>| {
        at.map_or_else(
            || text!("never", "jamais"),
            |at| {
                let at = when::minute(at, calendar);
                text!("{at}", "{at}")
            },
        )
    };
    let count = |of: fn(MailState) -> bool| -> u32 {
        mails.iter().filter(|(s, _)| of(*s)).map(|(_, n)| n).sum()
    };
    let waiting = count(MailState::is_open);
    let sent = count(|s| s == MailState::Sent);
    let idle = tokens.len() - active;
    let daemon = if running {
        text!("running", "en marche")
    } else {
        text!("not running", "arrêté")
    };
    let next = |at: Option<DateTime<Utc>>| match at {
        None => text!("none", "aucun"),
        Some(at) if at <= now => text!("at the next pass", "au prochain passage"),
        Some(at) => minute(Some(at)),
    };
    let facts = [
        (text!("daemon", "service"), daemon),
        (text!("last pass", "dernier passage"), minute(last_pass)),
        (
            text!("tokens", "jetons"),
            text!(
                "{active} active, {idle} not watched",
                "{active} sous veille, {idle} hors veille"
            ),
        ),
        (text!("next stage due", "prochaine étape"), next(next_due)),
        (text!("next mail", "prochain courriel"), next(next_mail)),
        (
            text!("mails", "courriels"),
            text!(
                "{waiting} waiting, {sent} sent",
                "en attente : {waiting}, acceptés : {sent}"
            ),
        ),
    ];
    let lang = context.out.lang;
    let facts: Vec<(&str, String)> = facts
        .iter()
        .map(|(label, value)| (label.in_lang(lang), value.in_lang(lang).to_owned()))
        .collect();
    context.out.facts(&facts)?;
    print_troubled(&troubled, calendar, context)?;
    let stale = last_pass.is_some_and(|at| (clock::now() - at).num_minutes() > 10);
    if args.at.at.is_none() && !running && (stale || last_pass.is_none()) {
        context.out.note(&text!(
            "note: no daemon runs on this store; nothing leaves until `jetond run` is started",
            "remarque : aucun service ne tourne sur cette base ; rien ne part avant le démarrage de `jetond run`"
        ));
    }
    Ok(exit)
}

fn print_troubled(
    troubled: &[MailRow],
    calendar: &Calendar,
    context: &mut Context,
) -> Result<(), Failure> {
    if troubled.is_empty() {
        return Ok(());
    }
    let lang = context.out.lang;
    context.out.line("")?;
    let rows: Vec<Vec<String>> = troubled
        .iter()
        .take(SHOWN)
        .map(|m| {
            let next = m
                .next_at
                .map(|at| when::minute(calendar.next_leave(at), calendar))
                .unwrap_or_default();
            vec![
                m.no.to_string(),
                word(m.state).in_lang(lang).to_owned(),
                next,
                m.address.clone(),
                m.reply.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let head = lang.pick(
        ["MAIL", "STATE", "NEXT", "TO", "REPLY"],
        ["NO", "ÉTAT", "PROCHAIN", "À", "RÉPONSE"],
    );
    Ok(context.out.table(&head, &rows, 4)?)
}

fn missing(u: &Uncovered, since: &str) -> Text {
    let Uncovered {
        token,
        stage,
        recipient,
        ..
    } = u;
    match u.why {
        Why::Unseen => text!(
            "  {token}, stage {stage}, {recipient}: due since {since}, not seen by any pass",
            "  {token}, étape {stage}, {recipient} : dû depuis le {since}, vu par aucun passage"
        ),
        Why::Stranded => text!(
            "  {token}, stage {stage}, {recipient}: due since {since}, no mail will take it up",
            "  {token}, étape {stage}, {recipient} : dû depuis le {since}, aucun courriel ne le prendra"
        ),
        Why::Late => text!(
            "  {token}, stage {stage}, {recipient}: waits since {since}",
            "  {token}, étape {stage}, {recipient} : attend depuis le {since}"
        ),
    }
}
