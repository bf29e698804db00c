//! What is answered over HTTP: the shell around every page, and the pages.

mod access;
mod calendar;
mod chromium;
mod forecast;
pub(crate) mod links;
mod lists;
mod metrics;
mod overview;
mod real;
mod room;
pub(crate) mod run;
mod shell;

pub(crate) use run::own_address;

use std::net::SocketAddr;

use axum::Router;
use jetond::app;
use jetond::config::{self, Surroundings};
use jetond::domain::public_url::PublicUrl;
use jetond::store::Store;
use jetond::web::{self, Limits, Live, Site};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The name under which the servers of these tests are asked.
pub(crate) const HOST: &str = "jetons.ville.example";

/// A server of the pages, with a handler or two of the test's own.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) live: Live,
    stopping: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits, more: Router) -> Self {
        let store = Store::in_memory().await.unwrap();
        Self::on(site(store, HOST), limits, more).await
    }

    pub(crate) async fn on(site: Site, limits: Limits, more: Router) -> Self {
        let live = Live::new(site);
        let listener = web::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let pages = (more.merge(web::router(live.clone())), live.clone());
        let serving = tokio::spawn(web::serve(listener, pages, limits, stopping.clone()));
        Self {
            at,
            live,
            stopping,
            serving,
        }
    }

    async fn stop(self) {
        self.stopping.cancel();
        self.serving.await.unwrap();
    }
}

/// The site of an unremarkable configuration.
fn site(store: Store, host: &str) -> Site {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.toml");
    std::fs::write(&file, config::EXAMPLE).unwrap();
    let now = jetond::clock::now();
    let config = config::load(&file, &Surroundings { now }).unwrap().config;
    Site {
        public_url: Some(PublicUrl::parse(&format!("https://{host}")).unwrap()),
        hosts: vec!["Autre.ville.example".to_owned()],
        ..app::site(&config, &app::clerk(&config, store), jetond::clock::now)
    }
}
