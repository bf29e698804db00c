//! The daemon: two loops under one cancellation token, woken each minute by the scheduler.
//!
//! A wake-up is only a hint. The tick loop also wakes by itself when no hint has come for a
//! while, because what is due is decided from timestamps and not from wake-ups. A pass that
//! fails is logged and tried again at the next wake-up; a loop that ends ends the process.

mod loops;
mod reload;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::gate::Gate;
use crate::app::{self, Rig, SendingStore, SetupError};
use crate::clock;
use crate::config::Config;
use crate::renewal::reconcile::Brake;

use self::loops::{delivery_loop, heartbeat, tick_loop};
use self::reload::reload;
use self::watch::Watch;

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
    gate: Gate,
    watch: Watch,
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
    let (gate, look) = Gate::open(sending.store.clone(), clock::reading()).await?;
    let now = look.at;
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
        gate,
        watch: Watch::default(),
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
