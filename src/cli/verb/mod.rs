//! What the commands that tell of an event share: the verb is done on the store, or for a dry
//! run on a copy of it, and what it changed is told.
//!
//! A refusal changes nothing, and says which command to type instead. What a verb means is
//! decided in `renewal::verbs`.

pub(super) mod chain;
pub(super) mod file;
pub(super) mod question;
pub(super) mod refused;
pub(super) mod told;

use chrono::{DateTime, SubsecRound as _, Utc};

use crate::cli::outbox::{said_if_dry, user, writable};
use crate::cli::when::{self, Bare};
use crate::cli::{Context, Exit, Failure};
use crate::clock;
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::text;
use crate::domain::lifecycle::Who;
use crate::renewal::verbs::{self, Hand, Verb};

/// Try it out first.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Dry {
    /// Say what would change, and change nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
}

/// An event as the command line tells it.
pub(super) struct Event<'a> {
    /// The command, as the JSON document names it.
    pub(super) command: &'static str,
    /// The token's id.
    pub(super) id: &'a str,
    pub(super) verb: Verb,
    pub(super) dry_run: bool,
}

/// Does it, and tells what that changed.
pub(super) async fn perform(
    config: &Config,
    event: &Event<'_>,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let now = clock::now();
    let store = writable(config, event.dry_run, context).await?;
    let done = verbs::act(&store, &hand(config, now), event.id, &event.verb).await?;
    let done = match done {
        Ok(done) => done,
        Err(why) => return Err(refused::failure(&store, config, event.id, why, now).await),
    };
    let chain = match event.verb {
        Verb::Supersede { .. } => chain::of(&store, event.id).await?,
        Verb::Renew(_)
        | Verb::Correct(_)
        | Verb::File(_)
        | Verb::Unfile
        | Verb::RefuseFiled
        | Verb::Declare { .. }
        | Verb::Undeclare
        | Verb::Snooze { .. }
        | Verb::Wake
        | Verb::Revoke { .. }
        | Verb::Archive
        | Verb::Restore => Vec::new(),
    };
    if context.out.json {
        let mut row = told::row(&done, &config.calendar, event.dry_run);
        if !chain.is_empty() {
            row["chain"] = chain::rows(&chain, &config.calendar);
        }
        context.out.data(event.command, vec![row])?;
    } else {
        told::print(&done, event, &config.calendar, context)?;
        if !chain.is_empty() {
            let drawn = chain::drawn(&chain, &config.calendar);
            context
                .out
                .say(&text!("chain: {drawn}", "chaîne : {drawn}"))?;
        }
    }
    said_if_dry(event.dry_run, context);
    Ok(Exit::Done)
}

/// The person at the command line.
pub(super) fn hand(config: &Config, now: DateTime<Utc>) -> Hand<'_> {
    Hand {
        calendar: &config.calendar,
        who: Who::User(user()),
        now,
    }
}

/// A date on the command line, in the whole seconds of the record.
pub(super) fn date(
    written: &str,
    calendar: &Calendar,
    bare: Bare,
) -> Result<DateTime<Utc>, Failure> {
    Ok(when::instant(written, calendar, bare)?.trunc_subsecs(0))
}

/// The same, where it is written.
pub(super) fn date_if(
    written: Option<&String>,
    calendar: &Calendar,
    bare: Bare,
) -> Result<Option<DateTime<Utc>>, Failure> {
    written.map(|w| date(w, calendar, bare)).transpose()
}
