//! The daemon: its loops under one cancellation token, woken each minute by the scheduler, and
//! the web server beside them.
//!
//! A wake-up is only a hint. The tick loop also wakes by itself when no hint has come for a
//! while, because what is due is decided from timestamps and not from wake-ups. A pass that
//! fails is logged and tried again at the next wake-up; a loop that ends ends the process.

mod loops;
mod pulse;
mod reload;
mod status;
mod summary;
mod wakeups;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch as published};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::app::gate::Gate;
use crate::app::{self, Rig, SendingStore, SetupError};
use crate::clock;
use crate::config::Config;
use crate::delivery::clerk::Clerk;
use crate::domain::language::text;
use crate::health::Bulletin;
use crate::health::pulse::{Loops, Pulse};
use crate::heartbeat::{Beats, Pinger};
use crate::meter::{self, Meter};
use crate::renewal::reconcile::Brake;
use crate::store::Store;
use crate::systemd;
use crate::web::{Limits, Live, Server, Site};

pub use self::summary::Answer;

use self::loops::{delivery_loop, post_loop, probe_loop, tick_loop};
use self::reload::reload;
use self::status::Reloaded;
use self::wakeups::Wakeups;
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
    post_hint: Notify,
    gate: Gate,
    watch: Watch,
    /// Counts the configurations that were in force.
    generation: AtomicU64,
    /// Counts the reloads that were answered.
    answers: AtomicU64,
    /// The generation with which the last pass began.
    passed: published::Sender<u64>,
    reloaded: Mutex<Option<Reloaded>>,
    beats: Beats,
    web: Live,
    /// The connection by which the pages read, and where they learn of the daemon's health.
    showing: Showing,
    stopping: CancellationToken,
}

impl Shared {
    fn rig(&self) -> Arc<Rig> {
        Arc::clone(&self.rig.lock().expect("no loop panics with the rig"))
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts another configuration in force; answers its generation.
    fn switch(&self, config: &Config, rig: Rig) -> u64 {
        self.web
            .switch(self.showing.site(config, rig.sender.clerk()));
        *self.rig.lock().expect("no loop panics with the rig") = Arc::new(rig);
        self.showing
            .loops
            .delivery
            .allow(pulse::longest_wait(config));
        if config.heartbeat.is_none() {
            self.showing.meter.forget_heartbeat();
        }
        self.watch.forget();
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn reloaded(&self) -> Option<Reloaded> {
        self.reloaded.lock().expect("no holder panics").clone()
    }
}

/// What the pages of every configuration share.
#[derive(Clone)]
struct Showing {
    reader: Store,
    bulletin: Bulletin,
    meter: Meter,
    loops: Loops,
}

impl Showing {
    fn site(&self, config: &Config, clerk: &Clerk) -> Site {
        Site {
            reader: self.reader.clone(),
            bulletin: self.bulletin.clone(),
            meter: self.meter.clone(),
            loops: self.loops.clone(),
            ..app::site(config, clerk, clock::now)
        }
    }
}

/// What must stand before the loops start.
struct Standing {
    sending: SendingStore,
    gate: Gate,
    rig: Rig,
    /// Taken before anyone is told that all is ready; `None`: there is no `[web] listen`.
    server: Option<Server>,
    showing: Showing,
}

/// Makes everything that must stand before the loops start. It may take long: a migration, or
/// the first reading of very many tokens.
async fn stand_up(config: &Config, stopping: &CancellationToken) -> Result<Standing, SetupError> {
    let sending = SendingStore::open(&config.store, clock::now()).await?;
    let (gate, look) = Gate::open(sending.store.clone(), clock::reading()).await?;
    let now = look.at;
    let rig = Rig::new(config, sending.store.clone(), stopping.clone())?;
    let server = match config.web.listen {
        Some(address) => Some(Server::bind(address).await?),
        None => None,
    };
    let reader = match &server {
        Some(_) => Store::open_to_read(&config.store).await?,
        None => sending.store.clone(),
    };
    let showing = Showing {
        reader,
        bulletin: Bulletin::default(),
        meter: rig.sender.meter().clone(),
        loops: pulse::begin(config),
    };
    showing.meter.reloaded(now, meter::Ended::Well);
    let report = app::take_over(config, &sending.store, Brake::Keep, now).await?;
    if !report.kept.is_empty() {
        tracing::error!(
            tokens = report.kept.len(),
            "many tokens vanished from the file at once and are kept; if that is meant, run `jetond archive --missing`"
        );
    }
    Ok(Standing {
        sending,
        gate,
        rig,
        server,
        showing,
    })
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
    let stopping = CancellationToken::new();
    let Standing {
        sending,
        gate,
        rig,
        server,
        showing,
    } = systemd::patiently(stand_up(&config, &stopping)).await?;
    let live = Live::new(showing.site(&config, rig.sender.clerk()));
    let reader = showing.reader.clone();
    let shared = Arc::new(Shared {
        rig: Mutex::new(Arc::new(rig)),
        tick_hint: Notify::new(),
        mail_hint: Notify::new(),
        post_hint: Notify::new(),
        gate,
        watch: Watch::default(),
        generation: AtomicU64::new(0),
        answers: AtomicU64::new(0),
        passed: published::Sender::new(0),
        reloaded: Mutex::default(),
        beats: Beats::start(Pinger::default(), showing.meter.clone(), stopping.clone()),
        web: live.clone(),
        showing,
        stopping: stopping.clone(),
    });
    let begun = text!("the first pass runs", "premier passage en cours");
    systemd::status(begun.in_lang(config.language));
    let loops = &shared.showing.loops;
    let mut ticking = followed(&loops.tick, tick_loop(Arc::clone(&shared)));
    let mut delivering = followed(&loops.delivery, delivery_loop(Arc::clone(&shared)));
    let mut posting = tokio::spawn(post_loop(Arc::clone(&shared)));
    let mut asking = followed(&loops.probe, probe_loop(Arc::clone(&shared)));
    let watchdog = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move { pulse::follow(&shared).await }
    });
    let mut serving = tokio::spawn({
        let stopping = stopping.clone();
        async move {
            match server {
                Some(server) => server.run(live, Limits::default(), stopping).await,
                None => stopping.cancelled().await,
            }
        }
    });
    let wakeups = Wakeups::start({
        let shared = Arc::clone(&shared);
        move || shared.tick_hint.notify_one()
    });
    ready();
    systemd::ready();
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
            end = &mut ticking => break died("tick", &end),
            end = &mut delivering => break died("delivery", &end),
            end = &mut posting => break died("post", &end),
            end = &mut asking => break died("probe", &end),
            end = &mut serving => break died("web", &end),
        }
    };
    tracing::info!("stopping");
    let ending = text!(
        "stopping: replies are waited for",
        "arrêt : attente des dernières réponses"
    );
    systemd::stopping(ending.in_lang(config.language));
    stopping.cancel();
    drop(wakeups);
    if let Ended::Asked = ended {
        let all = async {
            let _ = (&mut ticking).await;
            let _ = (&mut delivering).await;
            let _ = (&mut posting).await;
            let _ = (&mut asking).await;
            let _ = (&mut serving).await;
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("replies are still missing; the mails they are about stay in doubt");
            // The runtime is about to end; what is in flight ends with it, and its record says so.
            return Ok(ended);
        }
    }
    // Until here it answered: the last replies and the last commits are work, too.
    systemd::patiently(async {
        reader.close().await;
        sending.store.close().await;
    })
    .await;
    watchdog.abort();
    Ok(ended)
}

/// A loop whose signs of life are taken.
fn followed(pulse: &Arc<Pulse>, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let pulse = Arc::clone(pulse);
    tokio::spawn(async move { pulse.of(work).await })
}

/// A loop has no reason to end before it is asked to: however it did, the process ends with it,
/// so that the manager starts a whole one.
fn died(which: &str, end: &Result<(), JoinError>) -> Ended {
    let how = match end {
        Ok(()) => "ended unasked".to_owned(),
        Err(e) => e.to_string(),
    };
    tracing::error!("the {which} loop: {how}");
    Ended::LoopDied(format!("the {which} loop: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_panics_or_ends_by_itself_ends_the_daemon() {
        let panicking = tokio::spawn(async { panic!("out of reach") }).await;
        let Ended::LoopDied(why) = died("tick", &panicking) else {
            panic!("it is not asked to");
        };
        assert!(
            why.contains("the tick loop") && why.contains("out of reach"),
            "{why}"
        );
        assert!(matches!(died("delivery", &Ok(())), Ended::LoopDied(_)));
    }
}
