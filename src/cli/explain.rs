//! `explain ID`: a reason for every stage of the period, recipient by recipient: when it is or
//! was due, what became of it, and why.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::cli::list::{token_and_people, view};
use crate::cli::{At, Context, Exit, Failure, when};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{State, Suppression};
use crate::domain::schedule::{self, Period, Told};
use crate::domain::stage::{Schedule, Stage};
use crate::store::outbox::{MailState, Person};
use crate::store::record::{Notice, Token};

/// Of an endless schedule, the stages of this time ahead are shown.
const AHEAD: Duration = Duration::days(120);

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

/// One stage of one recipient.
struct Line {
    recipient: String,
    stage: i32,
    slot: DateTime<Utc>,
    fate: &'static str,
    at: Option<DateTime<Utc>>,
    mail: Option<i64>,
    reason: Text,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let calendar = &config.calendar;
    let now = args.at.now(calendar)?;
    let view = view(&config, context, now).await?;
    let (token, people) = token_and_people(&view, &args.id).await?;
    let schedule = view
        .store
        .schedule()
        .await?
        .unwrap_or_else(|| Schedule::always(config.stages.clone()));
    let notices = view.store.notices(token.no, token.period_no).await?;
    let former = view.store.former_people(token.no).await?;
    let mut lines = Vec::new();
    for person in people.iter().filter(|p| wanted(args, p)) {
        lines.extend(lines_of(&token, person, &schedule, &notices, calendar, now));
    }
    for person in former.iter().filter(|p| wanted(args, p)) {
        let theirs = notices.iter().filter(|n| n.recipient == person.key);
        lines.extend(theirs.map(|n| recorded(n, &person.address, calendar)));
    }
    if lines.is_empty() && args.to.is_some() {
        let words = text!(
            "this address is not told about this token",
            "cette adresse n’est pas prévenue pour ce jeton"
        );
        return Err(Failure::new(Exit::NotFound, "not_found", words));
    }
    if context.out.json {
        let rows = lines
            .iter()
            .map(|l| {
                json!({
                    "token": token.id, "period": token.period_no, "recipient": l.recipient, "stage": l.stage,
                    "slot": when::rfc3339(l.slot, calendar), "fate": l.fate,
                    "at": l.at.map(|at| when::rfc3339(at, calendar)), "mail": l.mail,
                    "reason": context.out.pick(&l.reason),
                })
            })
            .collect();
        context.out.data("explain", rows)?;
        return Ok(Exit::Done);
    }
    let (id, name, expires) = (
        &token.id,
        &token.facts.name,
        when::minute(token.period.expires, calendar),
    );
    let left = calendar.days_between(now, token.period.expires);
    let no = token.period_no;
    context.out.say(&text!(
        "{id} — {name}: period {no}, expires {expires} ({left} days left)",
        "{id} — {name} : période {no}, expire le {expires} ({left} jours restants)"
    ))?;
    let head = context.out.lang.pick(
        ["STAGE", "SLOT", "WHAT BECAME OF IT, AND WHY"],
        ["ÉTAPE", "CRÉNEAU", "CE QU’IL EN EST, ET POURQUOI"],
    );
    let mut by_recipient: Vec<(&str, Vec<&Line>)> = Vec::new();
    for line in &lines {
        match by_recipient.last_mut() {
            Some((recipient, rows)) if *recipient == line.recipient => rows.push(line),
            _ => by_recipient.push((&line.recipient, vec![line])),
        }
    }
    for (recipient, rows) in by_recipient {
        context.out.line("")?;
        context.out.line(recipient)?;
        let rows = rows
            .iter()
            .map(|l| {
                vec![
                    l.stage.to_string(),
                    when::minute(l.slot, calendar),
                    context.out.pick(&l.reason).to_owned(),
                ]
            })
            .collect();
        context.out.table(&head, rows, &[0, 1])?;
    }
    Ok(Exit::Done)
}

fn wanted(args: &Args, person: &Person) -> bool {
    args.to
        .as_ref()
        .is_none_or(|to| to.to_lowercase() == person.key || *to == person.address)
}

fn lines_of(
    token: &Token,
    person: &Person,
    schedule: &Schedule,
    notices: &[Notice],
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Vec<Line> {
    let told = person.told();
    let on_record: HashMap<i32, &Notice> = notices
        .iter()
        .filter(|n| n.recipient == person.key)
        .map(|n| (n.stage, n))
        .collect();
    let until = now.max(token.period.expires) + AHEAD;
    let mut stages: Vec<Stage> = schedule
        .stages()
        .iter()
        .take_while(|s| s.days() >= 0 || calendar.slot(*s, token.period.expires) <= until)
        .collect();
    // A stage that has left the config since keeps its line.
    stages.extend(on_record.keys().map(|s| Stage::new(*s)));
    stages.sort_by(|a, b| b.cmp(a));
    stages.dedup();
    stages
        .into_iter()
        .map(|stage| match on_record.get(&stage.days()) {
            Some(notice) => recorded(notice, &person.address, calendar),
            None => {
                let slot = calendar.slot(stage, token.period.expires);
                let (fate, reason) = unrecorded(token, &told, schedule, stage, slot, calendar, now);
                Line {
                    recipient: person.address.clone(),
                    stage: stage.days(),
                    slot,
                    fate,
                    at: None,
                    mail: None,
                    reason,
                }
            }
        })
        .collect()
}

/// A stage without a record: why there is none.
fn unrecorded(
    token: &Token,
    told: &Told,
    schedule: &Schedule,
    stage: Stage,
    slot: DateTime<Utc>,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> (&'static str, Text) {
    let period: &Period = &token.period;
    let only = [schedule::Due { stage, slot }];
    if told
        .from_stage
        .is_some_and(|from| i64::from(stage.days()) > i64::from(from))
    {
        let from = told.from_stage.unwrap_or_default();
        return (
            "not_theirs",
            text!(
                "not theirs: told from stage {from} on",
                "pas pour elle ou lui : prévenu à partir de l’étape {from}"
            ),
        );
    }
    match token.state {
        State::Active => {}
        State::Archived => {
            return (
                "stopped",
                text!(
                    "none: the token is archived",
                    "aucun : le jeton est archivé"
                ),
            );
        }
        State::Superseded => {
            return (
                "stopped",
                text!(
                    "none: another token took its place",
                    "aucun : un autre jeton a pris sa place"
                ),
            );
        }
        State::Revoked => {
            return (
                "stopped",
                text!("none: the token is revoked", "aucun : le jeton est révoqué"),
            );
        }
    }
    if !schedule::is_mailed(calendar, period) {
        return (
            "not_mailed",
            text!(
                "none: first declared more than a year after its expiry",
                "aucun : déclaré plus d’un an après son expiration"
            ),
        );
    }
    if slot > now {
        let left = calendar.days_between(slot, period.expires);
        return (
            "to_come",
            text!(
                "to come, {left} days before the end",
                "à venir, {left} jours avant la fin"
            ),
        );
    }
    if schedule::due_for(schedule, period, told, &only).is_empty() {
        let since = schedule
            .known_since(stage)
            .map(|s| when::day(s, calendar))
            .unwrap_or_default();
        return (
            "not_counted",
            text!(
                "none: this stage was added on {since}, after its slot",
                "aucun : cette étape a été ajoutée le {since}, après son créneau"
            ),
        );
    }
    (
        "due",
        text!(
            "due; the next pass of the daemon takes it up",
            "dû ; le prochain passage du service le prend en charge"
        ),
    )
}

fn recorded(n: &Notice, address: &str, calendar: &Calendar) -> Line {
    let at = n
        .settled_at
        .map(|at| when::minute(at, calendar))
        .unwrap_or_default();
    let mail = n.mail.map(|(no, _, _)| no);
    let (fate, reason) = match n.state.as_str() {
        "sent" => {
            let no = mail.unwrap_or_default();
            (
                "sent",
                text!("sent {at} (mail {no})", "envoyé le {at} (courriel {no})"),
            )
        }
        "absorbed" => {
            let by = n.reason.clone().unwrap_or_default();
            (
                "absorbed",
                text!(
                    "absorbed: stage {by} spoke for it",
                    "absorbé : l’étape {by} a parlé pour lui"
                ),
            )
        }
        "suppressed" => {
            let why = n.reason.as_deref().and_then(Suppression::from_word);
            let why = why.map_or_else(|| text!("unknown", "inconnu"), said);
            let (en, fr) = (why.en, why.fr);
            (
                "suppressed",
                text!("suppressed {at}: {en}", "supprimé le {at} : {fr}"),
            )
        }
        "failed" => {
            let why = n.reason.as_deref().and_then(MailState::from_word);
            let why = match why {
                Some(MailState::Refused) => text!(
                    "the server refused the address",
                    "le serveur a refusé l’adresse"
                ),
                Some(MailState::Parked) => text!(
                    "the message was refused, or its delivery not confirmed",
                    "le message a été refusé, ou sa remise non confirmée"
                ),
                _ => text!(
                    "put off for five days",
                    "remis à plus tard pendant cinq jours"
                ),
            };
            let (en, fr, no) = (why.en, why.fr, mail.unwrap_or_default());
            (
                "failed",
                text!(
                    "failed {at}: {en} (mail {no})",
                    "échoué le {at} : {fr} (courriel {no})"
                ),
            )
        }
        _ => ("owed", open(n, calendar)),
    };
    Line {
        recipient: address.to_owned(),
        stage: n.stage,
        slot: n.slot,
        fate,
        at: n.settled_at,
        mail,
        reason,
    }
}

fn open(n: &Notice, calendar: &Calendar) -> Text {
    match n.mail {
        None => text!(
            "owed: waits until the recipient’s present mail is settled",
            "dû : attend que le courriel en cours de ce destinataire soit réglé"
        ),
        Some((no, state, next)) => {
            let next = next
                .map(|at| when::minute(at, calendar))
                .unwrap_or_default();
            match state {
                MailState::Claimed => text!(
                    "owed: being sent now (mail {no})",
                    "dû : en cours d’envoi (courriel {no})"
                ),
                MailState::InDoubt => text!(
                    "owed: the server’s last reply was lost; sent again from {next} on (mail {no})",
                    "dû : la dernière réponse du serveur s’est perdue ; renvoyé à partir du {next} (courriel {no})"
                ),
                MailState::Deferred => text!(
                    "owed: put off by the server, tried again from {next} on (mail {no})",
                    "dû : remis à plus tard par le serveur, retenté à partir du {next} (courriel {no})"
                ),
                MailState::Held => text!("owed: held (mail {no})", "dû : retenu (courriel {no})"),
                MailState::Queued
                | MailState::Sent
                | MailState::Refused
                | MailState::Parked
                | MailState::Failed
                | MailState::Cancelled => {
                    text!(
                        "owed: leaves from {next} on (mail {no})",
                        "dû : part à partir du {next} (courriel {no})"
                    )
                }
            }
        }
    }
}

fn said(why: Suppression) -> Text {
    match why {
        Suppression::Renewed => text!("the token was renewed", "le jeton a été renouvelé"),
        Suppression::Superseded => text!(
            "another token took its place",
            "un autre jeton a pris sa place"
        ),
        Suppression::Revoked => text!("the token was revoked", "le jeton a été révoqué"),
        Suppression::Archived => text!("the token was archived", "le jeton a été archivé"),
        Suppression::RecipientRemoved => text!(
            "the recipient is no longer told",
            "le destinataire n’est plus prévenu"
        ),
        Suppression::Cancelled => text!(
            "a person cancelled the mail",
            "une personne a annulé le courriel"
        ),
    }
}
