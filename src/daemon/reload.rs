//! The reload: a changed file is read whole, checked whole and taken over in one transaction, or
//! it changes nothing.
//!
//! What it brought, or why it was refused, goes to the log, to the manager's status, and to the
//! store, where `jetond reload` reads it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::app::{self, Rig, SendingStore};
use crate::clock;
use crate::config::{self, Config, Surroundings};
use crate::daemon::Shared;
use crate::daemon::status::{self, Reloaded};
use crate::daemon::summary::{Answer, NextMail, summary};
use crate::domain::address::mask_addresses;
use crate::domain::language::{Lang, Text, text};
use crate::health::Vitals;
use crate::meter::Ended;
use crate::renewal::reconcile::{Brake, Report};
use crate::systemd;

/// The pass after a reload is waited for this long; then the next mail is told as it is known.
const PASS: Duration = Duration::from_secs(10);

/// Takes a changed file over, or keeps the old one and says why.
pub(super) async fn reload(
    old: &Config,
    file: &Path,
    sending: &SendingStore,
    shared: &Shared,
) -> Option<Config> {
    systemd::reloading();
    // Where even the time cannot be looked up, the store says so to what follows.
    let time = shared.gate.time(&shared.rig(), clock::reading()).await;
    let now = time.unwrap_or_else(|_| clock::now());
    let before = next_mail(shared, now).await;
    let taken = systemd::patiently(take(old, file, sending, shared, now)).await;
    let (config, said) = match taken {
        Ok((config, rig, report)) => {
            let generation = shared.switch(&config, rig);
            pass(shared, generation).await;
            let after = next_mail(shared, now).await;
            let said = summary(&report, NextMail { before, after }, &config.calendar, now);
            tracing::info!(tokens = config.tokens.len(), "reloaded: {}", said.en);
            (Some(config), Ok(said))
        }
        Err(why) => {
            tracing::error!(
                "the reload is refused; the old configuration stays in force: {}",
                why.en
            );
            (None, Err(why))
        }
    };
    shared.showing.meter.reloaded(now, Ended::of(&said));
    let reloaded = Reloaded { at: now, said };
    *shared.reloaded.lock().expect("no holder panics") = Some(reloaded.clone());
    let lang = config.as_ref().unwrap_or(old).language;
    systemd::status(&told(&reloaded.said, lang));
    systemd::ready();
    // The next pass puts the same word beside what waits.
    shared.tick_hint.notify_one();
    let answer = Answer {
        of: format!(
            "{}-{}-{}",
            std::process::id(),
            now.timestamp(),
            shared.answers.fetch_add(1, Ordering::Relaxed)
        ),
        said: reloaded.said,
    };
    if let Err(e) = answer.keep(&sending.store).await {
        tracing::error!(error = %e, "the answer to the reload could not be kept");
    }
    config
}

fn told(said: &Result<Text, Text>, lang: Lang) -> String {
    let whole = match said {
        Ok(what) => text!("reloaded: {{}}", "relu : {{}}").with(what),
        Err(why) => text!("REFUSED reload: {{}}", "relecture REFUSÉE : {{}}").with(why),
    };
    mask_addresses(whole.in_lang(lang))
}

/// Everything that may refuse, and last the one transaction. Nothing is in force yet.
async fn take(
    old: &Config,
    file: &Path,
    sending: &SendingStore,
    shared: &Shared,
    now: DateTime<Utc>,
) -> Result<(Config, Rig, Report), Text> {
    let config = match config::load(file, &Surroundings { now }) {
        Ok(loaded) => loaded.config,
        Err(rejected) => {
            for error in &rejected.errors {
                tracing::error!("{}", error.plain(old.language));
            }
            return Err(about_errors(&rejected.errors));
        }
    };
    let restart = needs_restart(old, &config);
    if !restart.is_empty() {
        let keys = restart.join(", ");
        return Err(text!(
            "{keys} changed, which needs a restart (`systemctl restart jetond`)",
            "{keys} a changé, ce qui demande un redémarrage (`systemctl restart jetond`)"
        ));
    }
    let rig = shared
        .rig()
        .successor(&config, sending.store.clone(), shared.stopping.clone())
        .map_err(|e| {
            let e = e.to_string().replace('\n', "; ");
            text!("{e}", "{e}")
        })?;
    match app::take_over(&config, &sending.store, Brake::Refuse, now).await {
        Ok(report) if report.refused.is_empty() => Ok((config, rig, report)),
        Ok(report) => {
            let n = report.refused.len();
            Err(text!(
                "it would archive {n} tokens, more than a quarter of them; if that is meant, run `jetond archive --missing`",
                "il archiverait {n} jetons, plus du quart ; si c’est voulu, lancer `jetond archive --missing`"
            ))
        }
        Err(e) => Err(text!(
            "it could not be taken over: {e}",
            "il n’a pas pu être pris en compte : {e}"
        )),
    }
}

/// The first error whole, since it says where; the others by their number.
fn about_errors(errors: &[config::Diagnostic]) -> Text {
    let Some(first) = errors.first() else {
        return text!("the file is refused", "le fichier est refusé");
    };
    let [en, fr] = [Lang::En, Lang::Fr].map(|lang| {
        let plain = first.plain(lang);
        let lines: Vec<&str> = plain.lines().map(|l| l.trim_start_matches(' ')).collect();
        lines.join(" – ")
    });
    match errors.len() - 1 {
        0 => text!("{en}", "{fr}"),
        n => text!("{en} (and {n} more)", "{fr} (et {n} de plus)"),
    }
}

/// The keys that changed and that a running daemon cannot take over: it holds the sender's lock
/// of its store, and what is in flight is on record there; the address that it listens on was
/// taken before it was ready. All else is in the rig, or read anew.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if new.store != old.store {
        keys.push("store.url");
    }
    if new.web.listen != old.web.listen {
        keys.push("web.listen");
    }
    keys
}

/// When the next mail may leave, as far as the store can say.
async fn next_mail(shared: &Shared, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let rig = shared.rig();
    let clerk = rig.sender.clerk();
    let vitals = Vitals::look(&clerk.store, &clerk.desk.calendar, now).await;
    vitals.ok().as_ref().and_then(status::next)
}

/// Waits for a pass of this generation, so that what the file brings is planned.
async fn pass(shared: &Shared, generation: u64) {
    let mut passed = shared.passed.subscribe();
    shared.tick_hint.notify_one();
    let pass = passed.wait_for(|g| *g >= generation);
    if tokio::time::timeout(PASS, pass).await.is_err() {
        tracing::warn!("no pass within {PASS:?} after the reload");
    }
}
