//! `run`: the daemon; `run --once`: one pass.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::gate::Gate;
use crate::app::{self, Rig, SendingStore};
use crate::cli::{Context, Exit, Failure, logging};
use crate::clock;
use crate::config::{Config, Loaded};
use crate::daemon::{self, Ended};
use crate::delivery::bounces::Read;
use crate::delivery::step::Step;
use crate::domain::language::{counted, text};
use crate::domain::timekeeping::Hold;
use crate::health::clock_held;
use crate::renewal::reconcile::{Brake, Report};
use crate::store::posts::WantedPosts;
use crate::tick::Ticked;

/// Warnings about the config that a start logs one by one.
const LOGGED: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One pass: one tick, then what may leave now; API Entreprise is not asked about tokens
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    logging::start();
    // The files' own text and the list of every value are for people who look at them: with
    // thousands of tokens they are larger than what runs.
    let Loaded {
        config, warnings, ..
    } = context.load()?;
    for warning in warnings.iter().take(LOGGED) {
        tracing::warn!("{}", warning.plain(context.out.lang));
    }
    if let Some(more) = warnings.len().checked_sub(LOGGED).filter(|n| *n > 0) {
        tracing::warn!(
            more,
            "further warnings about the config; `jetond check` shows them"
        );
    }
    drop(warnings);
    if args.once {
        once(&config, context).await
    } else {
        watch(config, context).await
    }
}

async fn once(config: &Config, context: &mut Context) -> Result<Exit, Failure> {
    let reading = clock::reading();
    let sending = SendingStore::open(&config.store, reading.wall).await?;
    let rig = Rig::new(config, sending.store.clone(), CancellationToken::new())?;
    let (_, look) = Gate::open(sending.store.clone(), reading).await?;
    let now = look.at;
    let report = app::take_over(config, &sending.store, Brake::Keep, now).await?;
    alarm_about_missing(&report, context);
    let (ticked, step, read) = match look.hold {
        None => {
            let read = rig.read_bounces(now).await?;
            let ticked = rig.tick(now).await?;
            let mut step = rig.deliver(now).await?;
            rig.tell(now).await?;
            // What is told of this run leaves with it.
            step.add(rig.deliver(now).await?);
            rig.alarm(now).await?;
            step.add(rig.post(WantedPosts::All, now).await?);
            // Of a channel that failed the contact is told now.
            step.add(rig.deliver(now).await?);
            (ticked, step, read)
        }
        Some(hold) => {
            context.out.note(&clock_held(hold));
            (Ticked::default(), Step::default(), Read::default())
        }
    };
    sending.store.close().await;
    let in_window = config.calendar.may_leave(now);
    if context.out.json {
        let row = json!({
            "added": report.added, "renewed": report.renewed, "corrected": report.corrected,
            "restored": report.restored, "archived": report.archived, "kept": report.kept,
            "owed": ticked.owed, "absorbed": ticked.absorbed, "in_window": in_window,
            "sent": step.sent, "deferred": step.deferred, "refused": step.refused, "parked": step.parked,
            "failed": step.failed, "in_doubt": step.in_doubt, "returned": step.returned, "postponed": step.postponed,
            "bounced": read.bounced,
            "clock": look.hold.map(Hold::word),
        });
        context.out.data("run", vec![row])?;
    } else {
        let owed = counted(
            ticked.owed,
            ["reminder newly owed", "reminders newly owed"],
            ["nouveau rappel dû", "nouveaux rappels dus"],
        );
        let sent = counted(
            step.sent,
            ["mail sent", "mails sent"],
            ["courriel parti", "courriels partis"],
        );
        let not_sent = step.deferred
            + step.refused
            + step.parked
            + step.failed
            + step.in_doubt
            + step.returned;
        context.out.say(
            &text!(
                "{{}}, {{}}, {not_sent} not delivered",
                "{{}}, {{}}, non remis : {not_sent}"
            )
            .with(&owed)
            .with(&sent),
        )?;
        if !in_window && look.hold.is_none() {
            context.out.note(&text!(
                "outside the sending window: nothing leaves now",
                "hors de la plage d’envoi : rien ne part maintenant"
            ));
        }
    }
    Ok(if step.is_troubled() {
        Exit::NotDelivered
    } else {
        Exit::Done
    })
}

async fn watch(config: Config, context: &mut Context) -> Result<Exit, Failure> {
    let file = context
        .file
        .clone()
        .or_else(crate::config::default_file)
        .ok_or_else(Failure::no_config)?;
    let shown = config.store.display().to_string();
    let ended = daemon::run(config, file, daemon::Signals::listen()?, || ()).await?;
    how_it_ended(ended, &shown)
}

/// A loop that died is an error of the process: `Restart=on-failure` then starts a whole one.
fn how_it_ended(ended: Ended, store: &str) -> Result<Exit, Failure> {
    match ended {
        Ended::Asked => Ok(Exit::Done),
        Ended::LoopDied(why) => Err(Failure::unexpected(&format!(
            "the daemon stopped by itself: {why}"
        ))
        .hint(text!(
            "the store {store} is as the last commit left it",
            "la base {store} est telle que l’a laissée la dernière écriture"
        ))),
    }
}

fn alarm_about_missing(report: &Report, context: &Context) {
    let n = report.kept.len();
    if n > 0 {
        context.out.note(&text!(
            "warning: {n} tokens vanished from the file at once and are kept; if that is meant, run `jetond archive --missing`",
            "avertissement : {n} jetons ont disparu du fichier d’un coup et sont conservés ; si c’est voulu, lancer `jetond archive --missing`"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_died_is_an_unexpected_end() {
        let died = Ended::LoopDied("the tick loop: gone".to_owned());
        let failure = how_it_ended(died, "jetond.db").unwrap_err();
        assert_eq!(failure.exit, Exit::Unexpected);
        assert!(matches!(how_it_ended(Ended::Asked, ""), Ok(Exit::Done)));
    }
}
