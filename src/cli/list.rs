//! `list`: the tokens on record, and what every reading command looks at.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::{self, Of, View};
use crate::cli::{At, Context, Exit, Failure, when};
use crate::config::Config;
use crate::domain::language::text;
use crate::domain::lifecycle::State;
use crate::domain::schedule;
use crate::domain::stage::Schedule;
use crate::domain::urgency::Urgency;
use crate::renewal::next;
use crate::store::probe::Probed;
use crate::store::record::Token;
use crate::store::unreachable::Unreachable;
use crate::words::{self, state::condition};

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
    let probed = view.store.all_probed().await?;
    let probed: HashMap<&str, &Probed> = probed.iter().map(|p| (p.id.as_str(), p)).collect();
    let said = next::strongest(view.store.all_said().await?);
    let woken = next::woken(&view.store, tokens.iter(), &said).await?;
    let next = |t: &Token| {
        let rules = (&config.calendar, &schedule);
        next::reminder(t, said.get(&t.no), woken.get(&t.no), rules, now)
    };
    if context.out.json {
        let rows = tokens
            .iter()
            .map(|t| {
                let next = next(t);
                let belief = probed.get(t.id.as_str()).and_then(|p| p.known.belief);
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
                    "verdict": belief.map(|b| b.verdict.word()),
                    "verdict_since": belief.map(|b| when::rfc3339(b.since, &config.calendar)),
                    "verdict_at": belief.map(|b| when::rfc3339(b.at, &config.calendar)),
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
            let mut row = vec![
                t.id.clone(),
                t.facts.name.clone(),
                when::day(t.period.expires, &config.calendar),
                left.to_string(),
                context.out.pick(&state(t)).to_owned(),
                next,
            ];
            // A column of its own only where anything was ever asked.
            if !probed.is_empty() {
                // One whose secret was taken out has nothing on record but when it was asked.
                let heard = probed.get(t.id.as_str()).filter(|p| {
                    p.last.is_some() || p.known.belief.is_some() || p.hindrance.is_some()
                });
                row.push(heard.map_or_else(
                    || "—".to_owned(),
                    |p| {
                        let said = words::heard::in_short(p, &config.calendar, now);
                        context.out.pick(&said).to_owned()
                    },
                ));
            }
            row
        })
        .collect::<Vec<_>>();
    let head = context.out.lang.pick(
        ["ID", "NAME", "EXPIRES", "DAYS", "STATE", "NEXT (STAGE)"],
        ["ID", "NOM", "EXPIRE", "JOURS", "ÉTAT", "SUITE (ÉTAPE)"],
    );
    let mut head = head.to_vec();
    if !probed.is_empty() {
        head.push(context.out.lang.pick("API SAYS", "L’API DIT"));
    }
    context.out.table(&head, &rows, 1)?;
    let shown: Vec<&Unreachable> = unreachable
        .iter()
        .filter(|u| tokens.iter().any(|t| u.tokens.contains(&t.id)))
        .collect();
    if !shown.is_empty() {
        context.out.line("")?;
    }
    for u in shown {
        context.out.say(&words::reach::told(u, &config.calendar))?;
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
