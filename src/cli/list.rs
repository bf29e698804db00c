//! `list`: the tokens on record, and what every reading command looks at.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::{self, Of, View};
use crate::cli::{At, Context, Exit, Failure, reach, when};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{LAST_WORDS, Silence, State, Suppression};
use crate::domain::schedule::{self, End, Quiet};
use crate::domain::stage::{Schedule, Stage};
use crate::domain::urgency::Urgency;
use crate::store::quiet::Said;
use crate::store::record::{Notice, Token};
use crate::store::unreachable::Unreachable;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also the tokens that are no longer watched
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    at: At,
}

/// Opens what is to be shown, and says on stderr when it is not the record as it stands.
pub(super) async fn view(
    config: &Config,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<View, Failure> {
    let view = app::view(config, now).await?;
    context.keep(&view.store);
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

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
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
    let unreachable = view.store.unreachable(now).await?;
    let said = strongest(view.store.all_said().await?);
    let mut woken = HashMap::new();
    for token in tokens.iter().filter(|t| is_snoozed(said.get(&t.no))) {
        let notices = view.store.notices(token.no, token.period_no).await?;
        woken.extend(silenced(&notices).map(|stage| (token.no, stage)));
    }
    let next = |t: &Token| {
        let quiet = said.get(&t.no).map(quiet);
        next_stage(t, quiet, woken.get(&t.no), &config.calendar, &schedule, now)
    };
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
                    "silent": said.get(&t.no).map(|s| s.kind.word()),
                    "revoked_at_end": t.revoked_from.is_some(),
                    "expires": when::rfc3339(t.period.expires, &config.calendar),
                    "days_left": config.calendar.days_between(now, t.period.expires),
                    "urgency": Urgency::at(&config.calendar, t.period.expires, now).word(),
                    "mailed": schedule::is_mailed(&config.calendar, &t.period),
                    "next": next.map(|d| json!({"stage": d.stage.days(), "at": when::rfc3339(d.slot, &config.calendar)})),
                    "tags": t.facts.tags,
                    "unreachable": of(&unreachable, t),
                })
            })
            .collect();
        context.out.data("list", rows)?;
        return Ok(Exit::Done);
    }
    let out_of_reach = view.store.out_of_reach(&config.calendar, now).await?;
    let state = |t: &Token| {
        let state = condition(t, said.get(&t.no), &config.calendar, now);
        if out_of_reach.contains(&t.id) {
            text!("{{}}, nobody in reach", "{{}}, personne de joignable").with(&state)
        } else {
            state
        }
    };
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
                context.out.pick(&state(t)).to_owned(),
                next,
            ]
        })
        .collect::<Vec<_>>();
    let head = context.out.lang.pick(
        ["ID", "NAME", "EXPIRES", "DAYS", "STATE", "NEXT (STAGE)"],
        ["ID", "NOM", "EXPIRE", "JOURS", "ÉTAT", "SUITE (ÉTAPE)"],
    );
    context.out.table(&head, &rows, 1)?;
    let shown: Vec<&Unreachable> = unreachable
        .iter()
        .filter(|u| tokens.iter().any(|t| u.tokens.contains(&t.id)))
        .collect();
    if !shown.is_empty() {
        context.out.line("")?;
    }
    for u in shown {
        context.out.say(&reach::told(u, &config.calendar))?;
    }
    if rows.is_empty() {
        context.out.note(&text!("no tokens", "aucun jeton"));
    }
    Ok(Exit::Done)
}

/// The recipients of a token who cannot be reached.
fn of<'a>(unreachable: &'a [Unreachable], t: &Token) -> Vec<&'a str> {
    unreachable
        .iter()
        .filter(|u| u.tokens.contains(&t.id))
        .map(|u| u.address.as_str())
        .collect()
}

/// The strongest silence of each token.
fn strongest(said: Vec<(i64, Said)>) -> HashMap<i64, Said> {
    let mut strongest = HashMap::new();
    for (token, said) in said {
        strongest.entry(token).or_insert(said);
    }
    strongest
}

fn is_snoozed(said: Option<&Said>) -> bool {
    said.is_some_and(|s| s.kind == Silence::Snoozed)
}

/// What a silence is to the schedule.
pub(super) fn quiet(said: &Said) -> Quiet {
    Quiet {
        why: said.kind,
        until: match said.kind {
            Silence::Snoozed => said.until,
            Silence::Declared | Silence::Filed => None,
        },
    }
}

/// The most urgent stage that a snooze has silenced already.
fn silenced(notices: &[Notice]) -> Option<Stage> {
    let snoozed = Some(Suppression::Snoozed.word());
    let silent = notices
        .iter()
        .filter(|n| n.state == "suppressed" && n.reason.as_deref() == snoozed);
    silent.map(|n| Stage::new(n.stage)).min()
}

/// The next reminder of anybody: not one that is silenced; at the end of a snooze the most
/// urgent of those speaks.
fn next_stage(
    t: &Token,
    quiet: Option<Quiet>,
    silenced: Option<&Stage>,
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
    let is_silent = |d: &schedule::Due| quiet.is_some_and(|q| q.silences(d.stage, d.slot));
    let coming = || schedule::coming(calendar, schedule, &t.period, &everyone, now);
    let heard = coming().find(|d| !is_silent(d));
    let Some(until) = quiet.and_then(|q| q.until) else {
        return heard;
    };
    let last = coming().take_while(is_silent).last().map(|d| d.stage);
    let woken = last.or(silenced.copied()).map(|stage| schedule::Due {
        stage,
        slot: calendar.next_leave(until.max(now)),
    });
    woken.into_iter().chain(heard).min_by_key(|d| d.slot)
}

/// The state of a token, or how near its end is.
pub(super) fn condition(
    t: &Token,
    said: Option<&Said>,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Text {
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
        State::Active => match (said, t.period.end) {
            (None, End::Renewable) => urgency(t, calendar, now),
            (None, End::Revoked) => text!("to be revoked", "à révoquer"),
            (Some(said), End::Renewable | End::Revoked) => {
                let is_silent =
                    calendar.days_between(now, t.period.expires) > i64::from(LAST_WORDS);
                if is_silent {
                    silence(said, calendar)
                } else {
                    text!("{{}}, {{}}", "{{}}, {{}}")
                        .with(&urgency(t, calendar, now))
                        .with(&silence(said, calendar))
                }
            }
        },
    }
}

fn silence(said: &Said, calendar: &Calendar) -> Text {
    match said.kind {
        Silence::Declared => text!("renewal declared", "renouvellement déclaré"),
        Silence::Filed => text!("filed", "demande déposée"),
        Silence::Snoozed => {
            let until = said
                .until
                .map(|u| when::day(u, calendar))
                .unwrap_or_default();
            text!("put off until {until}", "en sommeil jusqu’au {until}")
        }
    }
}

/// How near the end of a token is.
fn urgency(t: &Token, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    match Urgency::at(calendar, t.period.expires, now) {
        Urgency::Information => text!("active", "actif"),
        Urgency::Reminder => text!("to renew", "à renouveler"),
        Urgency::Urgent => text!("urgent", "urgent"),
        Urgency::Tomorrow => text!("tomorrow", "demain"),
        Urgency::Today => text!("today", "aujourd’hui"),
        Urgency::Expired => text!("expired", "expiré"),
    }
}
