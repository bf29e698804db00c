//! `status` in words: what is missing and what is ill first, then the facts, then each mail that
//! needs a look.

use chrono::{DateTime, Utc};

use super::Picture;
use crate::cli::{Context, Failure, reach, when};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::health::Ill;
use crate::store::coverage::{Uncovered, Why};
use crate::store::mailbook::MailRow;
use crate::store::outbox::MailState;
use crate::words::mail::word;

/// Uncovered notices and mails shown one by one.
const SHOWN: usize = 20;

pub(super) fn print(
    p: &Picture,
    calendar: &Calendar,
    now: DateTime<Utc>,
    context: &mut Context,
) -> Result<(), Failure> {
    let n = p.vitals.uncovered.len();
    let missing_now = counted(
        n,
        ["owed reminder is", "owed reminders are"],
        ["rappel dû n’est pas", "rappels dus ne sont pas"],
    );
    context.out.say(&if n == 0 {
        text!(
            "Everything owed is covered: no reminder is missing.",
            "Tout ce qui est dû est couvert : aucun rappel ne manque."
        )
    } else {
        text!(
            "UNCOVERED: {{}} not on the way.",
            "À DÉCOUVERT : {{}} en route."
        )
        .with(&missing_now)
    })?;
    for u in p.vitals.uncovered.iter().take(SHOWN) {
        context
            .out
            .say(&missing(u, &when::minute(u.since, calendar)))?;
    }
    print_ills(&p.ills, now, context)?;
    p.api.print(calendar, now, context)?;
    for id in p.vitals.out_of_reach.iter().take(SHOWN) {
        context.out.say(&text!(
            "  {id}: none of its recipients can be reached",
            "  {id} : aucun de ses destinataires ne peut être joint"
        ))?;
    }
    context.out.line("")?;
    let lang = context.out.lang;
    let facts = facts(p, calendar, now);
    let facts: Vec<(&str, String)> = facts
        .iter()
        .map(|(label, value)| (label.in_lang(lang), value.in_lang(lang).to_owned()))
        .collect();
    context.out.facts(&facts)?;
    reach::print(&p.unreachable, calendar, context)?;
    print_troubled(&p.troubled, calendar, context)
}

/// What is ill besides, each with what a person should do.
fn print_ills(ills: &[Ill], now: DateTime<Utc>, context: &mut Context) -> Result<(), Failure> {
    for ill in ills {
        if !matches!(ill, Ill::Uncovered(_)) {
            let told = text!("ILL: {{}}", "MALADE : {{}}").with(&ill.told(now));
            context.out.say(&told)?;
        }
        let advice = context.out.pick(&ill.advice()).to_owned();
        context.out.indented(2, &advice)?;
    }
    Ok(())
}

fn facts(p: &Picture, calendar: &Calendar, now: DateTime<Utc>) -> Vec<(Text, Text)> {
    let minute = |at: DateTime<Utc>| {
        let at = when::minute(at, calendar);
        text!("{at}", "{at}")
    };
    let next = |at: Option<DateTime<Utc>>| match at {
        None => text!("none", "aucun"),
        Some(at) if at <= now => text!("at the next pass", "au prochain passage"),
        Some(at) => minute(at),
    };
    let count = |of: fn(MailState) -> bool| p.vitals.count(of);
    let (active, idle) = (p.active, p.all - p.active);
    let (waiting, sent) = (count(MailState::is_open), count(|s| s == MailState::Sent));
    let daemon = if p.running {
        text!("running", "en marche")
    } else {
        text!("not running", "arrêté")
    };
    let mut facts = vec![
        (text!("daemon", "service"), daemon),
        (
            text!("last pass", "dernier passage"),
            p.vitals
                .last_pass
                .map_or_else(|| text!("never", "jamais"), minute),
        ),
        (
            text!("tokens", "jetons"),
            text!(
                "{active} active, {idle} not watched",
                "{active} sous veille, {idle} hors veille"
            ),
        ),
        (
            text!("next stage due", "prochaine étape"),
            next(p.vitals.next_due),
        ),
        (
            text!("next mail", "prochain courriel"),
            next(p.vitals.next_mail),
        ),
        (
            text!("mails", "courriels"),
            text!(
                "{waiting} waiting, {sent} sent",
                "en attente : {waiting}, acceptés : {sent}"
            ),
        ),
    ];
    if p.expired > 0 {
        let n = p.expired;
        let row = (
            text!("expired", "expirés"),
            text!("{n}, not renewed", "{n}, à renouveler ou à retirer"),
        );
        facts.insert(3, row);
    }
    if p.unknown > 0 {
        let n = p.unknown;
        facts.push((
            text!("Data Pass", "Data Pass"),
            text!(
                "requests without a token: {n} (`jetond datapass list`)",
                "demandes sans jeton : {n} (`jetond datapass list`)"
            ),
        ));
    }
    if let Some(oldest) = p.waiting.oldest {
        let since = minute(oldest);
        facts.push((
            text!("oldest of them", "le plus ancien"),
            text!("waits since {{}}", "attend depuis le {{}}").with(&since),
        ));
    }
    facts.extend(p.api.facts(calendar, now));
    facts
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
