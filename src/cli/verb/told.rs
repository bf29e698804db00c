//! What a verb changed, in words and as JSON: the token before and after, and which reminders
//! leave or no longer leave because of it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::verb::Event;
use crate::cli::{Context, Failure, when};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::domain::lifecycle::{LAST_WORDS, Silence};
use crate::renewal::verbs::{Done, Planned, Remark, Standing, Verb};
use crate::store::quiet::Said;

/// Addresses that a line names.
const NAMED: usize = 4;

/// The row of a verb's document.
pub(in crate::cli) fn row(done: &Done, calendar: &Calendar, dry_run: bool) -> Value {
    let planned = |list: &[Planned]| list.iter().map(|p| plan(p, calendar)).collect::<Vec<_>>();
    json!({
        "id": done.token,
        "dry_run": dry_run,
        "changed": done.changed(),
        "before": standing(&done.before, calendar),
        "after": standing(&done.after, calendar),
        "no_longer": planned(&done.no_longer),
        "from_now": planned(&done.from_now),
        "next": done.coming.first().map(|p| plan(p, calendar)),
        "remarks": done.remarks.iter().map(remark).collect::<Vec<_>>(),
    })
}

fn plan(p: &Planned, calendar: &Calendar) -> Value {
    json!({
        "at": when::rfc3339(p.at, calendar), "stage": p.stage, "recipient": p.recipient, "period": p.period,
    })
}

fn standing(s: &Standing, calendar: &Calendar) -> Value {
    let at = |at: DateTime<Utc>| when::rfc3339(at, calendar);
    json!({
        "state": s.state.word(), "issued": s.issued.map(at), "expires": at(s.expires),
        "revoked_at_end": s.ends_revoked, "jti": s.jti, "superseded_by": s.superseded_by,
        "said": s.said.iter().map(|s| said(s, calendar)).collect::<Vec<_>>(),
    })
}

/// What silences the early stages, for programs.
pub(in crate::cli) fn said(s: &Said, calendar: &Calendar) -> Value {
    let at = |at: DateTime<Utc>| when::rfc3339(at, calendar);
    json!({
        "kind": s.kind.word(), "at": at(s.at), "by": s.who, "filed_at": s.filed_at.map(at),
        "filed_by": s.filed_by, "reference": s.reference, "expires": s.expires.map(at),
        "until": s.until.map(at),
    })
}

fn remark(remark: &Remark) -> Value {
    match remark {
        Remark::AlreadyExpired => json!({"kind": "already_expired"}),
        Remark::FarAhead => json!({"kind": "far_ahead"}),
        Remark::RevocationTakenBack => json!({"kind": "revocation_taken_back"}),
        Remark::EndsEarlier => json!({"kind": "ends_earlier"}),
        Remark::LastWordsGoOn => json!({"kind": "last_words_go_on"}),
        Remark::ScopesLost(scopes) => json!({"kind": "scopes_lost", "scopes": scopes}),
        Remark::ScopesGained(scopes) => json!({"kind": "scopes_gained", "scopes": scopes}),
        Remark::Inherited(people) => json!({"kind": "inherited", "recipients": people}),
        Remark::ClosingNotes(n) => json!({"kind": "closing_notes", "count": n}),
        Remark::ToBeConfirmed => json!({"kind": "to_be_confirmed"}),
    }
}

/// Tells people; what they should look at goes to stderr.
pub(in crate::cli) fn print(
    done: &Done,
    event: &Event<'_>,
    calendar: &Calendar,
    context: &mut Context,
) -> Result<(), Failure> {
    let id = &done.token;
    let id = if event.dry_run {
        text!("{id} (dry run)", "{id} (essai à blanc)")
    } else {
        text!("{id}", "{id}")
    };
    let what = if done.changed() {
        what(done, &event.verb, calendar)
    } else {
        text!(
            "on record already, nothing changes",
            "déjà enregistré, rien ne change"
        )
    };
    context
        .out
        .say(&text!("{{}}: {{}}", "{{}} : {{}}").with(&id).with(&what))?;
    if done.changed() {
        if let Some(first) = done.no_longer.first() {
            let day = when::day(first.at, calendar);
            context.out.say(
                &text!(
                    "{{}} no longer (the next was due on {day})",
                    "{{}} plus (le prochain était prévu le {day})"
                )
                .with(&leaving(done.no_longer.len(), Leaves::NoLonger)),
            )?;
        }
        if !done.from_now.is_empty() {
            context
                .out
                .say(&leaving(done.from_now.len(), Leaves::FromNow))?;
        }
    }
    context.out.say(&next(&done.coming, calendar))?;
    for remark in &done.remarks {
        let said = words_of(remark);
        match remark {
            Remark::AlreadyExpired
            | Remark::FarAhead
            | Remark::RevocationTakenBack
            | Remark::EndsEarlier
            | Remark::ScopesLost(_) => {
                context
                    .out
                    .note(&text!("warning: {{}}", "attention : {{}}").with(&said));
            }
            Remark::LastWordsGoOn
            | Remark::ScopesGained(_)
            | Remark::Inherited(_)
            | Remark::ClosingNotes(_)
            | Remark::ToBeConfirmed => context.out.say(&said)?,
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Leaves {
    NoLonger,
    FromNow,
}

fn leaving(n: usize, leaves: Leaves) -> Text {
    match leaves {
        Leaves::NoLonger => counted(
            n,
            ["reminder leaves", "reminders leave"],
            ["rappel ne partira", "rappels ne partiront"],
        ),
        Leaves::FromNow => counted(
            n,
            ["reminder leaves now", "reminders leave now"],
            ["rappel partira désormais", "rappels partiront désormais"],
        ),
    }
}

/// The next reminder, and to whom.
fn next(coming: &[Planned], calendar: &Calendar) -> Text {
    let Some(first) = coming.first() else {
        return text!("no reminder is to come", "plus aucun rappel n’est prévu");
    };
    let to: Vec<&str> = coming
        .iter()
        .take_while(|p| p.at == first.at)
        .map(|p| p.recipient.as_str())
        .collect();
    let at = when::minute(first.at, calendar);
    let to = named(&to);
    text!(
        "next reminder: {at}, to {{}}",
        "prochain rappel : {at}, à {{}}"
    )
    .with(&to)
}

/// Some names; of many the first ones.
fn named(names: &[&str]) -> Text {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => text!("{shown}", "{shown}"),
        1 => text!("{shown} and 1 other", "{shown} et 1 autre"),
        more => text!("{shown} and {more} others", "{shown} et {more} autres"),
    }
}

/// What a verb did, after the token's id.
fn what(done: &Done, verb: &Verb, calendar: &Calendar) -> Text {
    let day = |at: DateTime<Utc>| when::day(at, calendar);
    let expires = day(done.after.expires);
    match verb {
        Verb::Renew(_) => {
            let before = day(done.before.expires);
            text!(
                "renewed, {before} → {expires}",
                "renouvelé, {before} → {expires}"
            )
        }
        Verb::Correct(_) => {
            let before = day(done.before.expires);
            text!(
                "corrected, {before} → {expires}; nothing is sent again",
                "corrigé, {before} → {expires} ; rien n’est envoyé de nouveau"
            )
        }
        Verb::Supersede { by } => text!(
            "superseded, {by} takes its place",
            "remplacé, {by} prend sa place"
        ),
        Verb::File(_) => done
            .after
            .said
            .iter()
            .find(|s| s.kind == Silence::Filed)
            .map_or_else(|| text!("filed", "demande déposée"), |s| filed(s, calendar)),
        Verb::Unfile => text!(
            "the request counts as filed no longer",
            "la demande n’est plus enregistrée comme déposée"
        ),
        Verb::RefuseFiled => text!(
            "the request was refused, reminders resume",
            "la demande a été refusée, les rappels reprennent"
        ),
        Verb::Declare { expires } => match expires.map(day) {
            Some(until) => text!(
                "renewal declared, until {until}",
                "renouvellement déclaré, jusqu’au {until}"
            ),
            None => text!("renewal declared", "renouvellement déclaré"),
        },
        Verb::Undeclare => text!(
            "the renewal is declared no longer",
            "le renouvellement n’est plus déclaré"
        ),
        Verb::Snooze { until } => {
            let until = day(*until);
            text!(
                "reminders put off until {until}",
                "rappels en sommeil jusqu’au {until}"
            )
        }
        Verb::Wake => text!(
            "reminders are put off no longer",
            "les rappels ne sont plus en sommeil"
        ),
        Verb::Revoke { .. } if done.after.ends_revoked => text!(
            "to be revoked, {expires} is its last day; nothing leaves on that day or after it",
            "sera révoqué, son dernier jour est le {expires} ; rien ne part ce jour-là ni après"
        ),
        Verb::Revoke { .. } => text!("revoked", "révoqué"),
        Verb::Archive => text!("archived", "archivé"),
        Verb::Restore => text!(
            "watched again, expires {expires}",
            "de nouveau surveillé, expire le {expires}"
        ),
    }
}

/// A request that was filed, with its particulars.
pub(in crate::cli) fn filed(s: &Said, calendar: &Calendar) -> Text {
    let on = when::day(s.filed_at.unwrap_or(s.at), calendar);
    let mut text = text!("request filed on {on}", "demande déposée le {on}");
    if let Some(by) = &s.filed_by {
        text = text!("{{}} by {by}", "{{}} par {by}").with(&text);
    }
    if let Some(reference) = &s.reference {
        text = text!("{{}}, reference {reference}", "{{}}, référence {reference}").with(&text);
    }
    text
}

fn words_of(remark: &Remark) -> Text {
    match remark {
        Remark::AlreadyExpired => text!(
            "this date has passed already: is it the right one?",
            "cette date est déjà passée : est-ce la bonne ?"
        ),
        Remark::FarAhead => text!(
            "this date is more than three years later: is it the right one? `--correct` puts a wrong one right",
            "cette date est plus de trois ans plus tard : est-ce la bonne ? `--correct` rectifie une date erronée"
        ),
        Remark::RevocationTakenBack => text!(
            "the revocation that was planned is taken back by it",
            "la révocation prévue est annulée par là"
        ),
        Remark::EndsEarlier => text!(
            "the token that takes the place expires first: are the two the right way round? `jetond restore` undoes it",
            "le jeton qui prend la place expire le premier : sont-ils dans le bon ordre ? `jetond restore` l’annule"
        ),
        Remark::LastWordsGoOn => text!(
            "the reminders of the last {LAST_WORDS} days leave all the same",
            "les rappels des {LAST_WORDS}\u{a0}derniers jours partent tout de même"
        ),
        Remark::ScopesLost(scopes) => {
            let scopes = scopes.join(", ");
            text!(
                "the new token may no longer ask for {scopes}: look at what uses it before the old one ends",
                "le nouveau jeton ne donne plus accès à {scopes} : regarder ce qui l’utilise avant la fin de l’ancien"
            )
        }
        Remark::ScopesGained(scopes) => {
            let scopes = scopes.join(", ");
            text!(
                "the new token may also ask for {scopes}",
                "le nouveau jeton donne aussi accès à {scopes}"
            )
        }
        Remark::Inherited(people) => {
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            text!(
                "the new token had no recipients, it has these now: {{}}",
                "le nouveau jeton n’avait pas de destinataires, il a désormais : {{}}"
            )
            .with(&named(&people))
        }
        Remark::ClosingNotes(n) => counted(
            *n,
            [
                "person who had been reminded gets one closing note",
                "people who had been reminded get one closing note each",
            ],
            [
                "personne déjà relancée reçoit un mot de clôture",
                "personnes déjà relancées reçoivent un mot de clôture",
            ],
        ),
        Remark::ToBeConfirmed => text!(
            "the contact is asked to confirm it",
            "il est demandé au contact de le confirmer"
        ),
    }
}
