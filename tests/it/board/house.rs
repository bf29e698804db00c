//! A town with its pages open, on an address of its own and under the test's clock.
//!
//! Who asks is told by the header of a proxy on this machine; `sam` and `alex` are operators.

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use jetond::app;
use jetond::web::{self, Limits, Live};
use tokio_util::sync::CancellationToken;

use crate::support::daemon::Town;
use crate::support::http_client::{Reply, talk};

/// Who may come in to these pages, for the section `[web]`.
pub(super) const WEB: &str = "[web]\nlisten = \"127.0.0.1:8080\"\n[web.auth]\n\
     proxy = { header = \"X-Remote-User\", from = [\"127.0.0.1\"], operators = [\"alex\", \"sam\"] }\n";

/// The town, and where its pages are.
pub(super) struct House {
    pub(super) town: Town,
    pub(super) at: SocketAddr,
    stopping: CancellationToken,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl House {
    /// Opens the pages, which show what is so at `now`.
    pub(super) async fn open(town: Town, now: fn() -> DateTime<Utc>) -> Self {
        let site = app::site(town.config(), town.rig().sender.clerk(), now);
        let live = Live::new(site);
        let listener = web::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let pages = (web::router(live.clone()), live);
        tokio::spawn(web::serve(
            listener,
            pages,
            Limits::default(),
            stopping.clone(),
        ));
        Self { town, at, stopping }
    }

    /// Asks for a page as somebody.
    pub(super) async fn get(&self, path: &str, who: &str) -> Reply {
        self.ask("GET", path, who, "").await
    }

    /// Sends a form as somebody.
    pub(super) async fn post(&self, path: &str, who: &str, form: &[(String, String)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.ask("POST", path, who, &body).await
    }

    pub(super) async fn ask(&self, method: &str, path: &str, who: &str, body: &str) -> Reply {
        let (at, length) = (self.at, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nX-Remote-User: {who}\r\nAccept: text/html\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        talk(self.at, request).await.unwrap()
    }

    /// Everything on record that a page could have changed.
    pub(super) async fn record(&self) -> String {
        let store = self.town.store();
        let history = store.history(None, 10_000).await.unwrap();
        let notices = store.all_notices().await.unwrap();
        let said = store.all_said().await.unwrap();
        format!(
            "{history:?} {notices:?} {said:?} {:?} {:?}",
            store.tokens().await.unwrap(),
            self.town.mails().await
        )
    }
}
