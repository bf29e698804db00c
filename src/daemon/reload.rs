//! The reload: a changed file is read whole, checked whole and taken over in one transaction, or
//! it changes nothing.

use std::path::Path;
use std::sync::Arc;

use crate::app::{self, Rig, SendingStore};
use crate::clock;
use crate::config::{self, Config, Surroundings};
use crate::daemon::Shared;
use crate::renewal::reconcile::Brake;

/// Takes a changed file over, or keeps the old one and says why.
pub(super) async fn reload(
    old: &Config,
    file: &Path,
    sending: &SendingStore,
    shared: &Shared,
) -> Option<Config> {
    let now = match shared.gate.time(&shared.rig(), clock::reading()).await {
        Ok(now) => now,
        Err(e) => {
            tracing::error!(error = %e, "the file could not be taken over; the old configuration stays in force");
            return None;
        }
    };
    let config = match config::load(file, &Surroundings { now }) {
        Ok(loaded) => loaded.config,
        Err(rejected) => {
            for error in &rejected.errors {
                tracing::error!("{}", error.plain(old.language));
            }
            tracing::error!(
                errors = rejected.errors.len(),
                "the file is refused; the old configuration stays in force"
            );
            return None;
        }
    };
    if config.store != old.store {
        tracing::error!(
            "store.url changed: that needs a restart; the old configuration stays in force"
        );
        return None;
    }
    let rig = match Rig::new(&config, sending.store.clone(), shared.stopping.clone()) {
        Ok(rig) => rig,
        Err(e) => {
            tracing::error!(error = %e, "the file is refused; the old configuration stays in force");
            return None;
        }
    };
    match app::take_over(&config, &sending.store, Brake::Refuse, now).await {
        Ok(report) if report.refused.is_empty() => {
            *shared.rig.lock().expect("no loop panics with the rig") = Arc::new(rig);
            shared.tick_hint.notify_one();
            tracing::info!(tokens = config.tokens.len(), "reloaded");
            Some(config)
        }
        Ok(report) => {
            tracing::error!(
                missing = report.refused.len(),
                "the file is refused: it would archive more than a quarter of the tokens; if that is meant, run `jetond archive --missing`; the old configuration stays in force"
            );
            None
        }
        Err(e) => {
            tracing::error!(error = %e, "the file could not be taken over; the old configuration stays in force");
            None
        }
    }
}
