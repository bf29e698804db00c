//! A town of its own directory: a config, a store, and the parts of the daemon under a clock
//! that the test holds. No test sleeps: it calls the step and says what time it is.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, Utc};
use jetond::app::{self, Rig, SendingStore};
use jetond::config::{self, Config, Surroundings};
use jetond::delivery::step::Step;
use jetond::renewal::reconcile::{Brake, Report};
use jetond::store::mailbook::{MailRow, Which};
use jetond::store::outbox::MailState;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The beginning of a config: Paris, mails from 09:00 to 18:00, the relay at `port`.
pub(crate) fn head(port: u16) -> String {
    format!(
        "timezone = \"Europe/Paris\"\nlanguage = \"fr\"\norganisation = \"Ville d'Exemple\"\n\
         contact = \"dsi@ville.example\"\n[mail]\nfrom = \"Veille <jetons@ville.example>\"\ntransport = \"smtp\"\n\
         [mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nconnections = 2\n\
         timeouts = {{ connect = 2, command = 2, data = 2, body = 2, dot = 2, quit = 1 }}\n"
    )
}

/// A token that expires on `expires`, told to these addresses.
pub(crate) fn token(id: &str, expires: &str, recipients: &[&str]) -> String {
    let recipients: Vec<String> = recipients.iter().map(|r| format!("{r:?}")).collect();
    format!(
        "[[token]]\nid = \"{id}\"\nname = \"Jeton {id}\"\nexpires = {expires}\ndatapass_id = \"11244\"\nrecipients = [{}]\n",
        recipients.join(", ")
    )
}

/// An instant from RFC 3339.
pub(crate) fn at(instant: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(instant)
        .unwrap()
        .with_timezone(&Utc)
}

/// The town.
pub(crate) struct Town {
    dir: TempDir,
    running: Option<(Config, SendingStore, Rig)>,
    pub(crate) now: DateTime<Utc>,
}

impl Town {
    /// Writes the config and starts the daemon's parts at `now`.
    pub(crate) async fn start(config: &str, now: DateTime<Utc>) -> Self {
        let mut town = Self {
            dir: TempDir::new().unwrap(),
            running: None,
            now,
        };
        town.write(config);
        town.start_again().await;
        town
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its config file.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    /// Writes the config; nobody reads it yet.
    pub(crate) fn write(&self, config: &str) {
        std::fs::write(self.file(), config).unwrap();
    }

    /// What a start of the daemon does, at the town's present.
    pub(crate) async fn start_again(&mut self) -> Report {
        self.stop().await;
        let config = self.read();
        let sending = SendingStore::open(&config.store, self.now).await.unwrap();
        let rig = Rig::new(&config, sending.store.clone(), CancellationToken::new()).unwrap();
        let report = app::take_over(&config, &sending.store, Brake::Keep, self.now)
            .await
            .unwrap();
        self.running = Some((config, sending, rig));
        report
    }

    /// Writes the config and takes it over as a reload does.
    pub(crate) async fn reload(&mut self, text: &str) -> Report {
        self.write(text);
        let config = self.read();
        let (_, sending, before) = self.running.take().unwrap();
        let rig = before
            .successor(&config, sending.store.clone(), CancellationToken::new())
            .unwrap();
        let report = app::take_over(&config, &sending.store, Brake::Refuse, self.now)
            .await
            .unwrap();
        self.running = Some((config, sending, rig));
        report
    }

    /// Stops as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        if let Some((_, sending, _)) = self.running.take() {
            sending.store.close().await;
        }
    }

    fn read(&self) -> Config {
        match config::load(&self.file(), &Surroundings { now: self.now }) {
            Ok(loaded) => loaded.config,
            Err(rejected) => panic!("{rejected}"),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &jetond::store::Store {
        &self.running.as_ref().unwrap().1.store
    }

    /// The parts of the daemon.
    pub(crate) fn rig(&self) -> &Rig {
        &self.running.as_ref().unwrap().2
    }

    /// The config in force.
    pub(crate) fn config(&self) -> &Config {
        &self.running.as_ref().unwrap().0
    }

    /// One pass at the town's present.
    pub(crate) async fn pass(&self) -> Step {
        self.rig().tick(self.now).await.unwrap();
        self.rig().deliver(self.now).await.unwrap()
    }

    /// One pass after some minutes.
    pub(crate) async fn pass_after(&mut self, minutes: i64) -> Step {
        self.now += Duration::minutes(minutes);
        self.pass().await
    }

    /// Every mail, in order of its making.
    pub(crate) async fn mails(&self) -> Vec<MailRow> {
        let mut mails = self.store().mails(Which::All, 100_000).await.unwrap();
        mails.sort_by_key(|m| m.no);
        mails
    }

    /// The reminders, as (address, state).
    pub(crate) async fn reminders(&self) -> Vec<(String, MailState)> {
        let mails = self.mails().await;
        mails
            .into_iter()
            .filter(|m| m.kind == "reminder")
            .map(|m| (m.address, m.state))
            .collect()
    }

    /// The notes, as (kind, address).
    pub(crate) async fn notes(&self) -> Vec<(String, String)> {
        let mails = self.mails().await;
        mails
            .into_iter()
            .filter(|m| m.kind != "reminder")
            .map(|m| (m.kind, m.address))
            .collect()
    }

    /// What became of the notices of a token: (stage, recipient, state, reason).
    pub(crate) async fn fates(&self, id: &str) -> Vec<(i32, String, String, Option<String>)> {
        let notices = self.store().all_notices().await.unwrap();
        notices
            .into_iter()
            .filter(|(token, _)| token == id)
            .map(|(_, n)| (n.stage, n.recipient, n.state, n.reason))
            .collect()
    }

    /// How many owed notices are uncovered.
    pub(crate) async fn uncovered(&self) -> usize {
        self.store()
            .uncovered(&self.config().calendar, self.now)
            .await
            .unwrap()
            .len()
    }
}
