//! Who is let in to the pages, and who may act, over HTTP against the running server: without
//! login, by a session, by a program's password, by a proxy's header.

mod acts;
mod basic;
mod chromium;
mod forms;
mod hashing;
mod headers;
mod local;
mod login;
mod program;
mod proxy;
mod sessions;
mod sweep;
mod throttle;

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use chrono::{DateTime, Utc};
use jetond::app;
use jetond::config::{self, Surroundings};
use jetond::store::Store;
use jetond::web::{Limits, Site};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use super::Server;
use crate::support::http_client::{Reply, heard};

/// Everybody's password in these tests.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Its hash, made by the reference program of argon2.
pub(crate) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$QKHrg5tayLGcN+Y0HVPNaBqykOVLUxlMkZycXE1uWRM";

/// Another one's hash.
const OTHER: &str = "$argon2id$v=19$m=12288,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// An operator and a viewer, with the same password.
pub(crate) fn users() -> String {
    format!(
        "[web.auth]\nusers = [{{ name = \"c.martin\", password = \"{HASH}\", role = \"operator\" }}, {{ name = \"n.diallo\", password = \"{HASH}\" }}]\n"
    )
}

/// The site of a config with these lines in `[web]`, on a store of its own, by a clock.
async fn site_at(web: &str, now: fn() -> DateTime<Utc>) -> Site {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.toml");
    let text = format!(
        "language = \"en\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n\
         [web]\nlisten = \"127.0.0.1:8080\"\n{web}\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2030-01-01\nrecipients = [\"a@ville.example\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let loaded = config::load(&file, &Surroundings { now: now() });
    let config = match loaded {
        Ok(loaded) => loaded.config,
        Err(rejected) => panic!("{rejected}"),
    };
    let store = Store::in_memory().await.unwrap();
    app::take_over(
        &config,
        &store,
        jetond::renewal::reconcile::Brake::Keep,
        now(),
    )
    .await
    .unwrap();
    app::site(&config, &app::clerk(&config, store), now)
}

async fn serving(web: &str) -> Server {
    serving_at(web, jetond::clock::now).await
}

async fn serving_at(web: &str, now: fn() -> DateTime<Utc>) -> Server {
    Server::on(site_at(web, now).await, Limits::default(), Router::new()).await
}

/// Somebody who asks: from where, under which name, with which headers.
#[derive(Debug, Clone)]
struct Client {
    at: SocketAddr,
    from: Option<IpAddr>,
    host: String,
    headers: Vec<(String, String)>,
}

impl Client {
    /// On this machine, as a browser.
    fn of(server: &Server) -> Self {
        Self::to(server.at)
    }

    fn to(at: SocketAddr) -> Self {
        Self {
            at,
            from: None,
            host: at.to_string(),
            headers: vec![("Accept".to_owned(), "text/html,*/*;q=0.8".to_owned())],
        }
    }

    fn from(mut self, address: &str) -> Self {
        self.from = Some(address.parse().unwrap());
        self
    }

    fn under(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without any header of a browser.
    fn bare(mut self) -> Self {
        self.headers.clear();
        self
    }

    /// As the browser that has this cookie.
    fn keeping(self, cookie: &str) -> Self {
        self.with("Cookie", cookie)
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers: String = self
            .headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let (host, length) = (&self.host, body.len());
        let kind = "application/x-www-form-urlencoded";
        let bytes = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let socket = match self.at {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        if let Some(from) = self.from {
            socket.bind(SocketAddr::new(from, 0)).unwrap();
        }
        let mut stream = socket.connect(self.at).await.unwrap();
        // A server may answer before it has read all, and stop reading.
        let _cut_short = stream.write_all(bytes.as_bytes()).await;
        heard(stream).await.unwrap()
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.ask("POST", path, &body).await
    }

    async fn log_in(&self, name: &str, password: &str) -> Reply {
        let form = [("name", name), ("password", password)];
        self.post("/login", &form).await
    }

    /// The same, logged in.
    async fn inside(&self, name: &str) -> Self {
        let reply = self.log_in(name, PASSWORD).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        self.clone().keeping(&cookie(&reply))
    }

    /// The token that the forms of this visitor carry.
    async fn csrf(&self) -> String {
        csrf(&self.get("/").await)
    }
}

/// The name and the value of the cookie that an answer sets.
fn cookie(reply: &Reply) -> String {
    let set = reply.header("set-cookie").unwrap();
    set.split(';').next().unwrap().to_owned()
}

fn csrf(page: &Reply) -> String {
    assert_eq!(page.status, 200, "{page:?}");
    let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}
