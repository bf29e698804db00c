//! The daemon: two loops under one cancellation token, woken each minute by the scheduler.
//!
//! A wake-up is only a hint. The tick loop also wakes by itself when no hint has come for a
//! while, because what is due is decided from timestamps and not from wake-ups. A pass that
//! fails is logged and tried again at the next wake-up; a loop that ends ends the process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::app::{self, Rig, SendingStore, SetupError};
use crate::clock;
use crate::config::{self, Config, Surroundings};
use crate::renewal::reconcile::Brake;

/// Without a hint for this long, the tick comes by itself.
const WITHOUT_A_HINT: Duration = Duration::from_secs(90);

/// Mails with a time of their own (a retry, a probe) are looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// After SIGTERM, replies are waited for this long.
const GRACE: Duration = Duration::from_secs(15);

/// How the daemon ended.
#[derive(Debug)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// A loop ended by itself.
    LoopDied(String),
}

/// The signals that steer the daemon.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }
}

/// What the loops share.
struct Shared {
    rig: Mutex<Arc<Rig>>,
    tick_hint: Notify,
    mail_hint: Notify,
    stopping: CancellationToken,
}

impl Shared {
    fn rig(&self) -> Arc<Rig> {
        Arc::clone(&self.rig.lock().expect("no loop panics with the rig"))
    }
}

/// Runs until a signal ends it. `ready` is called once everything stands.
///
/// # Errors
/// When the store or the configuration does not allow a start.
pub async fn run(
    config: Config,
    file: PathBuf,
    mut signals: Signals,
    ready: impl FnOnce(),
) -> Result<Ended, SetupError> {
    let now = clock::now();
    let sending = SendingStore::open(&config.store, now).await?;
    let stopping = CancellationToken::new();
    let rig = Rig::new(&config, sending.store.clone(), stopping.clone())?;
    let report = app::take_over(&config, &sending.store, Brake::Keep, now).await?;
    if !report.kept.is_empty() {
        tracing::error!(
            tokens = report.kept.len(),
            "many tokens vanished from the file at once and are kept; if that is meant, run `jetond archive --missing`"
        );
    }
    let shared = Arc::new(Shared {
        rig: Mutex::new(Arc::new(rig)),
        tick_hint: Notify::new(),
        mail_hint: Notify::new(),
        stopping: stopping.clone(),
    });
    let mut ticking = tokio::spawn(tick_loop(Arc::clone(&shared)));
    let mut delivering = tokio::spawn(delivery_loop(Arc::clone(&shared)));
    let scheduler = heartbeat(&shared).await;
    ready();
    tracing::info!(store = %config.store.display(), tokens = config.tokens.len(), "watching");

    let mut config = config;
    let ended = loop {
        tokio::select! {
            _ = signals.terminate.recv() => break Ended::Asked,
            _ = signals.interrupt.recv() => break Ended::Asked,
            _ = signals.reload.recv() => {
                if let Some(new) = reload(&config, &file, &sending, &shared).await {
                    config = new;
                }
            }
            end = &mut ticking => break Ended::LoopDied(format!("the tick loop: {end:?}")),
            end = &mut delivering => break Ended::LoopDied(format!("the delivery loop: {end:?}")),
        }
    };
    tracing::info!("stopping");
    stopping.cancel();
    if let Some(mut scheduler) = scheduler {
        // It only gives hints; how its shutdown goes does not matter any more.
        let _ = tokio::time::timeout(Duration::from_secs(1), scheduler.shutdown()).await;
    }
    if let Ended::Asked = ended {
        let both = async {
            let _ = (&mut ticking).await;
            let _ = (&mut delivering).await;
        };
        if tokio::time::timeout(GRACE, both).await.is_err() {
            tracing::warn!("replies are still missing; the mails they are about stay in doubt");
            // The runtime is about to end; what is in flight ends with it, and its record says so.
            return Ok(ended);
        }
    }
    sending.store.close().await;
    Ok(ended)
}

/// The scheduler's wake-ups: each minute, in UTC. Without it the loops wake by themselves.
async fn heartbeat(shared: &Arc<Shared>) -> Option<JobScheduler> {
    let hint = Arc::clone(shared);
    let start = async {
        let scheduler = JobScheduler::new().await?;
        scheduler
            .add(Job::new("0 * * * * *", move |_, _| {
                hint.tick_hint.notify_one();
            })?)
            .await?;
        scheduler.start().await?;
        Ok::<_, tokio_cron_scheduler::JobSchedulerError>(scheduler)
    };
    match start.await {
        Ok(scheduler) => Some(scheduler),
        Err(e) => {
            tracing::error!(error = %e, "the scheduler did not start; passes come by themselves");
            None
        }
    }
}

async fn tick_loop(shared: Arc<Shared>) {
    while !shared.stopping.is_cancelled() {
        match shared.rig().tick(clock::now()).await {
            Ok(done) => {
                if done.owed > 0 || done.absorbed > 0 {
                    tracing::info!(owed = done.owed, absorbed = done.absorbed, "planned");
                }
                shared.mail_hint.notify_one();
            }
            Err(e) => tracing::error!(error = %e, "a tick failed; it is tried again"),
        }
        tokio::select! {
            () = shared.tick_hint.notified() => {}
            () = tokio::time::sleep(WITHOUT_A_HINT) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

async fn delivery_loop(shared: Arc<Shared>) {
    while !shared.stopping.is_cancelled() {
        match shared.rig().sender.step(clock::now()).await {
            // There may be more: look again at once, at the time that it is then.
            Ok(step) if step.claimed > 0 => {
                // What waited for one of these mails is taken up by a tick.
                shared.tick_hint.notify_one();
                continue;
            }
            Ok(_) => {}
            Err(e) => tracing::error!(error = %e, "a delivery failed; it is tried again"),
        }
        tokio::select! {
            () = shared.mail_hint.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// Takes a changed file over, or keeps the old one and says why.
async fn reload(
    old: &Config,
    file: &std::path::Path,
    sending: &SendingStore,
    shared: &Shared,
) -> Option<Config> {
    let now = clock::now();
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
