//! `status`: is everything owed covered, when was the last pass, what leaves next, what failed.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::Of;
use crate::cli::list::view;
use crate::cli::{At, Context, Exit, Failure, when};
use crate::clock;
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
    let uncovered = store.uncovered(calendar, now).await?;
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
    context.out.say(&if n == 0 {
        text!(
            "Everything owed is covered: 0 reminders are missing.",
            "Tout ce qui est dû est couvert : aucun rappel ne manque."
        )
    } else {
        text!(
            "UNCOVERED: {n} reminders that are owed are not on their way.",
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
    let archived = tokens.len() - active;
    let waiting: u32 = mails
        .iter()
        .filter(|(s, _)| s.is_open())
        .map(|(_, n)| n)
        .sum();
    let sent: u32 = mails
        .iter()
        .filter(|(s, _)| *s == MailState::Sent)
        .map(|(_, n)| n)
        .sum();
    let daemon = if running {
        text!("running", "en marche")
    } else {
        text!("not running", "arrêté")
    };
    let facts = [
        (text!("daemon", "service"), daemon),
        (text!("last pass", "dernier passage"), minute(last_pass)),
        (
            text!("tokens", "jetons"),
            text!(
                "{active} active, {archived} not watched",
                "{active} actifs, {archived} non suivis"
            ),
        ),
        (text!("next stage due", "prochaine étape"), minute(next_due)),
        (text!("next mail", "prochain courriel"), minute(next_mail)),
        (
            text!("mails", "courriels"),
            text!(
                "{waiting} waiting, {sent} sent",
                "{waiting} en attente, {sent} envoyés"
            ),
        ),
    ];
    for (label, value) in facts {
        let (label, value) = (
            context.out.pick(&label).to_owned(),
            context.out.pick(&value).to_owned(),
        );
        let pad = 18_usize.saturating_sub(label.chars().count());
        context.out.line(&format!("{label}{:pad$}{value}", ""))?;
    }
    if !troubled.is_empty() {
        context.out.line("")?;
        let rows = troubled
            .iter()
            .take(SHOWN)
            .map(|m| {
                let next = m
                    .next_at
                    .map(|at| when::minute(at, calendar))
                    .unwrap_or_default();
                vec![
                    m.no.to_string(),
                    m.state.word().to_owned(),
                    next,
                    m.address.clone(),
                    m.reply.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let head = context.out.lang.pick(
            ["MAIL", "STATE", "NEXT", "TO", "REPLY"],
            ["NO", "ÉTAT", "PROCHAIN", "À", "RÉPONSE"],
        );
        context.out.table(&head, rows, &[0, 2])?;
    }
    let stale = last_pass.is_some_and(|at| (clock::now() - at).num_minutes() > 10);
    if args.at.at.is_none() && !running && (stale || last_pass.is_none()) {
        context.out.note(&text!(
            "note: no daemon runs on this store; nothing leaves until `jetond run` is started",
            "remarque : aucun service ne tourne sur cette base ; rien ne part avant le démarrage de `jetond run`"
        ));
    }
    Ok(exit)
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
