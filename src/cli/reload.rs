//! `reload`: the running daemon takes the changed file over, and says what that brought.
//!
//! A bad file is told here, with its excerpts, before the daemon is asked. What only the daemon
//! can tell (a key that needs a restart, tokens that vanished) it answers through the store.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::config::Config;
use crate::daemon::Answer;
use crate::domain::language::{Text, text};
use crate::store::Store;
use crate::store::lock::SenderLock;

/// The daemon's answer is looked for this often …
const LOOK: Duration = Duration::from_millis(50);

/// … and this long: very many tokens take some seconds.
const PATIENCE: Duration = Duration::from_secs(80);

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let daemon = SenderLock::holder(&config.store)
        .and_then(|pid| Pid::from_raw(pid.cast_signed()))
        .ok_or_else(|| not_running(&config))?;
    let store = Store::open_to_read(&config.store).await?;
    context.keep(&store);
    let before = Answer::last(&store).await?.map(|a| a.of);
    kill_process(daemon, Signal::HUP).map_err(|e| not_reached(daemon, e))?;
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = Answer::last(&store).await?;
        if let Some(answer) = answer.filter(|a| Some(&a.of) != before.as_ref()) {
            return say(&answer, context);
        }
        if !SenderLock::is_held(&config.store) {
            return Err(Failure::unexpected("the daemon ended during the reload").hint(journal()));
        }
        if Instant::now() > end {
            let seconds = PATIENCE.as_secs();
            let why = format!("the daemon has not answered within {seconds} s");
            return Err(Failure::unexpected(&why).hint(journal()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn say(answer: &Answer, context: &mut Context) -> Result<Exit, Failure> {
    match &answer.said {
        Ok(said) => {
            if context.out.json {
                let row = json!({"summary": context.out.pick(said)});
                context.out.data("reload", vec![row])?;
            } else {
                context
                    .out
                    .say(&text!("reloaded: {{}}", "relu : {{}}").with(said))?;
            }
            Ok(Exit::Done)
        }
        Err(why) => Err(Failure::new(
            Exit::Refused,
            "reload_refused",
            text!(
                "the reload is refused: {{}}",
                "la relecture est refusée : {{}}"
            )
            .with(why),
        )
        .hint(text!(
            "the old configuration stays in force",
            "l’ancienne configuration reste en vigueur"
        ))),
    }
}

fn not_running(config: &Config) -> Failure {
    let store = config.store.display();
    Failure::new(
        Exit::Refused,
        "not_running",
        text!(
            "no daemon runs on {store}",
            "aucun service ne tourne sur {store}"
        ),
    )
    .hint(text!(
        "if store.url was changed, that needs a restart: `systemctl restart jetond`; otherwise start it: `systemctl start jetond`",
        "si store.url a changé, il faut redémarrer : `systemctl restart jetond` ; sinon le démarrer : `systemctl start jetond`"
    ))
}

fn not_reached(daemon: Pid, e: rustix::io::Errno) -> Failure {
    let pid = daemon.as_raw_nonzero();
    Failure::new(
        Exit::Refused,
        "not_allowed",
        text!(
            "process {pid} cannot be told: {e}",
            "le processus {pid} ne peut pas être prévenu : {e}"
        ),
    )
    .hint(text!(
        "run it as the daemon’s user or as root, or `systemctl reload jetond`",
        "lancer la commande sous le compte du service ou en root, ou `systemctl reload jetond`"
    ))
}

fn journal() -> Text {
    text!(
        "its log says why: `journalctl -u jetond -n 50`",
        "son journal dit pourquoi : `journalctl -u jetond -n 50`"
    )
}
