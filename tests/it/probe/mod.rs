//! Asking API Entreprise: what its answers say, when it is asked, what follows.

mod alarms;
mod asking;
mod beliefs;
mod canary;
mod changes;
mod check;
mod circuit;
mod daemon;
mod demonstration;
mod ends;
mod explain_code;
mod healed;
mod leaks;
pub(crate) mod notes;
mod program;
mod record;
mod rubbish;
mod settings;
mod shown;
mod verdict;
mod wire;
mod year;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jetond::app;
use jetond::config::{Probe, SecretSource};
use jetond::domain::token::TokenId;
use jetond::probe::{Asked, Asker};
use jetond::store::Store;
use jetond::store::probe::Probed;
use tokio_util::sync::CancellationToken;

use crate::support::api_server::ApiServer;
use crate::support::daemon::{Town, at, token};
use crate::support::private_file;

/// Long enough for an exchange on this machine that is meant to end.
const SHORT: Duration = Duration::from_millis(700);

/// The beginning of a config whose mails are files.
fn head() -> String {
    "timezone = \"Europe/Paris\"\nlanguage = \"fr\"\norganisation = \"Ville d'Exemple\"\n\
     contact = \"dsi@ville.example\"\n[reports]\nweekly = false\n[mail]\nfrom = \"Veille <jetons@ville.example>\"\n"
        .to_owned()
}

/// The section about asking this server.
fn section(server: &ApiServer) -> String {
    let (port, ca) = (server.port(), server.ca_file().display());
    format!(
        "[probe]\nbase_url = \"https://localhost:{port}\"\nallowed_hosts = [\"localhost\"]\n\
         ca_file = \"{ca}\"\nallow_private = true\n"
    )
}

/// A token that is declared with its `jti`.
fn declared(id: &str, expires: &str) -> String {
    token(id, expires, &["c.martin@ville.example"]) + &format!("jti = \"{}\"\n", jti(id))
}

fn jti(id: &str) -> String {
    format!("11111111-2222-4333-8444-{:0>12}", id.len()) + id
}

/// A token's own text; no signature of it holds anywhere.
fn jwt(id: &str) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let claims = format!(
        r#"{{"uid":"{0}","jti":"{0}","scopes":["entreprises"],"sub":"{id}","iat":1735689600,"version":"1.0","exp":1782864000}}"#,
        jti(id)
    );
    let signature: String = format!("c2lnbmF0dXJlLW9m{id}")
        .chars()
        .cycle()
        .take(43)
        .collect();
    format!(
        "{}.{}.{signature}",
        part(r#"{"alg":"HS256"}"#.to_owned()),
        part(claims)
    )
}

/// A town with these tokens, whose secrets are files, and how they are asked about.
struct Asking {
    town: Town,
    probe: Probe,
    server: ApiServer,
}

impl Asking {
    async fn start(ids: &[&str], expires: &str, now: &str) -> Self {
        let config: String = ids.iter().map(|id| declared(id, expires)).collect();
        let town = Town::start(&(head() + &config), at(now)).await;
        let server = ApiServer::start();
        let mut asking = Self {
            probe: server.probe(),
            town,
            server,
        };
        for id in ids {
            asking.give(id, &jwt(id));
        }
        asking
    }

    /// Gives a token's secret: a file that only its owner may read.
    fn give(&mut self, id: &str, text: &str) {
        let path = self.town.dir().join(format!("{id}.jwt"));
        private_file(&path, text);
        let secrets = &mut self.probe.secrets;
        secrets.retain(|(known, _)| known.as_str() != id);
        secrets.push((TokenId::parse(id).unwrap(), SecretSource::File(path)));
    }

    fn asker(&self) -> Asker {
        self.asker_of(self.probe.clone())
    }

    fn asker_of(&self, probe: Probe) -> Asker {
        self.asker_by(probe, self.town.store().clone())
    }

    fn asker_by(&self, probe: Probe, store: Store) -> Asker {
        let desk = app::desk(self.town.config());
        Asker::by(SHORT, probe, store, desk, CancellationToken::new())
    }

    /// One step at the town's present.
    async fn step(&self) -> Asked {
        self.asker().step(self.town.now).await.unwrap()
    }

    /// Steps until so many calls about tokens were made; each at the time that the last one named.
    async fn until_called(&mut self, calls: u32) -> Asked {
        let mut made = 0;
        loop {
            let asked = self.step().await;
            made += asked.calls;
            if made >= calls {
                return asked;
            }
            self.town.now = asked.next.unwrap().max(self.town.now);
        }
    }

    async fn probed(&self, id: &str) -> Probed {
        self.town.store().probed(id).await.unwrap().unwrap()
    }

    fn local(&self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.town.config().calendar.tz);
        local.format("%Y-%m-%d %H:%M").to_string()
    }
}
