//! What monitoring asks for: `/metrics`, `/healthz`, `/readyz`, over HTTP, under a clock that the
//! test holds; and the shipped rules, by a real Prometheus.

mod exposition;
mod prometheus;
mod readiness;
mod rules;
mod settings;

use std::time::Duration;

use axum::Router;
use chrono::{DateTime, Utc};
use jetond::app;
use jetond::config;
use jetond::health::pulse::Loops;
use jetond::health::{Bulletin, Checkup, Ill, Vitals};
use jetond::meter::Ended;
use jetond::web::{Door, Limits, Site};

use super::Server;
use crate::support::daemon::Town;
use crate::support::http_client::{Reply, talk};

/// The form of monitors.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A clock of one test: handlers take a function that knows nothing of who calls.
macro_rules! clock {
    () => {{
        static CLOCK: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
        fn now() -> chrono::DateTime<chrono::Utc> {
            let seconds = CLOCK.load(std::sync::atomic::Ordering::SeqCst);
            chrono::DateTime::from_timestamp(seconds, 0).unwrap()
        }
        super::Clock { of: &CLOCK, now }
    }};
}
use clock;

/// See [`clock`].
struct Clock {
    of: &'static std::sync::atomic::AtomicI64,
    now: fn() -> DateTime<Utc>,
}

impl Clock {
    fn set(&self, now: DateTime<Utc>) {
        self.of
            .store(now.timestamp(), std::sync::atomic::Ordering::SeqCst);
    }
}

/// A town whose watch is asked over HTTP, by this machine.
struct Watch {
    town: Town,
    clock: Clock,
    server: Server,
    bulletin: Bulletin,
}

impl Watch {
    async fn start(town: Town, clock: Clock) -> Self {
        Self::with(
            town,
            clock,
            Loops::new(Duration::MAX, Duration::MAX, Duration::MAX),
        )
        .await
    }

    async fn with(town: Town, clock: Clock, loops: Loops) -> Self {
        clock.set(town.now);
        let bulletin = Bulletin::default();
        let site = site(&town, &clock, &bulletin, loops);
        let server = Server::on(site, Limits::default(), Router::new()).await;
        Self {
            town,
            clock,
            server,
            bulletin,
        }
    }

    /// The same under another table `[web.metrics]`.
    async fn under(town: Town, clock: Clock, metrics: config::Metrics) -> Self {
        let watch = Self::start(town, clock).await;
        let site = Site {
            metrics,
            ..(*watch.server.live.site()).clone()
        };
        watch.server.live.switch(site);
        watch
    }

    /// Time passes for everybody.
    fn pass_time(&mut self, by: chrono::Duration) {
        self.town.now += by;
        self.clock.set(self.town.now);
    }

    /// What a pass of the daemon does, and what it tells the pages of its health.
    async fn pass(&self, ills: Vec<Ill>) {
        let (rig, now) = (self.town.rig(), self.town.now);
        let meter = rig.sender.meter();
        let ticked = rig.tick(now).await;
        meter.passed(now, Ended::of(&ticked));
        rig.deliver(now).await.unwrap();
        meter.delivered(now);
        self.look(ills).await;
    }

    /// What the daemon's look at itself finds.
    async fn look(&self, mut ills: Vec<Ill>) {
        let calendar = &self.town.config().calendar;
        let vitals = Vitals::look(self.town.store(), calendar, self.town.now)
            .await
            .ok();
        match vitals.as_ref().map_or(0, |v| v.uncovered.len()) {
            0 => {}
            n => ills.push(Ill::Uncovered(n)),
        }
        self.bulletin.put(Checkup {
            at: self.town.now,
            vitals,
            ills,
        });
    }

    async fn get(&self, path: &str, accept: &str) -> Reply {
        self.ask(path, &format!("Accept: {accept}\r\n")).await
    }

    async fn ask(&self, path: &str, headers: &str) -> Reply {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        talk(self.server.at, request).await.unwrap()
    }

    async fn metrics(&self) -> String {
        let reply = self.get("/metrics", "application/openmetrics-text").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), Some(OPEN_METRICS));
        assert!(reply.body.ends_with("\n# EOF\n"), "{}", reply.body);
        reply.body
    }
}

fn site(town: &Town, clock: &Clock, bulletin: &Bulletin, loops: Loops) -> Site {
    let clerk = town.rig().sender.clerk();
    Site {
        bulletin: bulletin.clone(),
        meter: town.rig().sender.meter().clone(),
        loops,
        door: Door {
            is_at_home: true,
            ..Door::default()
        },
        ..app::site(town.config(), clerk, clock.now)
    }
}

/// The value of a sample, by its name and labels as they are written.
fn value(metrics: &str, sample: &str) -> Option<f64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}
