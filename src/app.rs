//! The composition root: from a configuration to working parts. They stand together in the
//! [`Rig`], which does one pass of the daemon.

mod brake;
pub mod gate;
mod rig;
mod stores;
mod templates;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DASHBOARD, Transport};
use crate::delivery::clerk::Clerk;
use crate::delivery::compose::{TemplateError, Templates};
use crate::delivery::desk::Desk;
use crate::delivery::outcome::RelayFault;
use crate::delivery::pages::Pages;
use crate::delivery::report::Reporter;
use crate::delivery::sender::{Dispatch, Sender};
use crate::delivery::transport::Way;
use crate::domain::address::Address;
use crate::domain::datapass::merge::OnApprove;
use crate::health::Bulletin;
use crate::health::pulse::Loops;
use crate::meter::Meter;
use crate::probe::Asker;
use crate::renewal::datapass::Rules;
use crate::renewal::import::House;
use crate::renewal::reconcile::Declaration;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::keys::{self, KeysError};
use crate::tick::Planner;
use crate::web::{BindError, Door, Outlook, Settings, Site, Webhooks};

pub use self::rig::Rig;
pub use self::stores::{Of, SendingStore, View, copy, take_over, view};
pub use self::templates::{proven_templates, templates};

/// Why the daemon cannot work with its configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A template directory cannot be read.
    #[error("the template {} cannot be read: {error}", path.display())]
    TemplateFile {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Templates that fail.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Templates(Vec<TemplateError>),
    /// The way out cannot be prepared.
    #[error(transparent)]
    Way(#[from] RelayFault),
    /// The address of `[web] listen` cannot be taken.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The keys of the links in mails.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The planner of a configuration.
pub fn planner(config: &Config) -> Planner {
    Planner {
        calendar: config.calendar.clone(),
        message_id_domain: config.mail.from.address.ascii_domain().to_owned(),
        told_from: None,
    }
}

/// The reporter of a configuration, if it wants reports.
pub fn reporter(config: &Config) -> Option<Reporter> {
    let readers = readers_of_reports(config);
    (!readers.is_empty()).then(|| Reporter::new(readers))
}

fn readers_of_reports(config: &Config) -> Vec<Address> {
    let reports = &config.reports;
    match (reports.weekly, reports.recipients.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => vec![config.contact.clone()],
        (true, false) => reports.recipients.clone(),
    }
}

/// The desk of a configuration, for what is only shown: its mails carry samples of the links to
/// the pages. What leaves is addressed by a [`Rig`], which signs them.
pub fn desk(config: &Config) -> Desk {
    Desk {
        from: config.mail.from.clone(),
        contact: config.contact.clone(),
        organisation: config.organisation.clone(),
        language: config.language,
        link: config.renewal.url.clone(),
        dashboard: DASHBOARD.to_owned(),
        calendar: config.calendar.clone(),
        schedule: Desk::schedule_of(&config.stages),
        pages: config
            .web
            .public_url
            .clone()
            .map_or(Pages::None, Pages::Sample),
    }
}

/// The links that a sender signs. Its keys are made when there are none.
fn pages(config: &Config) -> Result<Pages, KeysError> {
    let Some(url) = config.web.public_url.clone() else {
        return Ok(Pages::None);
    };
    Ok(Pages::Signed(url, Arc::new(keys::open(&config.store)?)))
}

/// By what a configuration measures the events of Data Pass.
pub fn datapass_rules(config: &Config) -> Rules {
    Rules {
        calendar: config.calendar.clone(),
        validity_months: config.validity_months,
        on_approve: config
            .datapass
            .as_ref()
            .map_or_else(OnApprove::default, |d| d.on_approve),
    }
}

/// What asks API Entreprise about the tokens of a configuration. What it learns is in the store:
/// nothing has to be handed over to its successor.
pub fn asker(config: &Config, store: Store, stopping: CancellationToken) -> Asker {
    Asker::new(config.probe.clone(), store, desk(config), stopping)
}

/// What the pages know of a configuration. They read by the clerk's connection, and know nothing
/// of the daemon's health, unless they are given better.
pub fn site(config: &Config, clerk: &Clerk, now: fn() -> DateTime<Utc>) -> Site {
    Site {
        store: clerk.store.clone(),
        reader: clerk.store.clone(),
        bulletin: Bulletin::default(),
        meter: Meter::default(),
        loops: Loops::new(Duration::ZERO, Duration::ZERO, Duration::ZERO),
        metrics: config.web.metrics.clone(),
        desk: clerk.desk.clone(),
        templates: Arc::new(templates(config).unwrap_or_else(|_| Templates::built_in())),
        public_url: config.web.public_url.clone(),
        hosts: config.web.hosts.clone(),
        door: Door::of(&config.web),
        validity_months: config.validity_months,
        datapass: config.datapass.as_ref().map(|d| Webhooks {
            secrets: d.secrets.clone(),
            rules: datapass_rules(config),
        }),
        outlook: Outlook {
            planner: planner(config),
            reports: readers_of_reports(config),
        },
        settings: Arc::new(Settings {
            file: config.file.clone(),
            keys: config.shown.clone(),
        }),
        now,
    }
}

/// What the file declares.
pub fn declaration(config: &Config) -> Declaration<'_> {
    Declaration {
        tokens: &config.tokens,
        stages: &config.stages,
        calendar: &config.calendar,
        validity_months: config.validity_months,
        digest: &config.digest,
    }
}

/// What the configuration gives to tokens that come from elsewhere.
pub fn house(config: &Config) -> House<'_> {
    House {
        calendar: &config.calendar,
        validity_months: config.validity_months,
        contact: &config.contact,
        language: config.language,
        clients: &config.clients,
        declared: &config.tokens,
    }
}

/// The clerk of a configuration on a store.
pub fn clerk(config: &Config, store: Store) -> Clerk {
    Clerk {
        store,
        desk: desk(config),
    }
}

/// The sender of a configuration on a store.
///
/// # Errors
/// When templates fail or the way out cannot be prepared.
pub fn sender(
    config: &Config,
    store: Store,
    stopping: CancellationToken,
) -> Result<Sender, SetupError> {
    sender_of(clerk(config, store), config, stopping)
}

fn sender_of(
    clerk: Clerk,
    config: &Config,
    stopping: CancellationToken,
) -> Result<Sender, SetupError> {
    let (connections, flight) = match &config.mail.transport {
        Transport::Smtp(smtp) => (smtp.connections, smtp.flight),
        Transport::File { .. } => (1, 1),
        Transport::Sendmail { .. } => (4, 1),
    };
    let dispatch = Dispatch {
        templates: templates(config)?,
        way: Way::prepare(&config.mail.transport)?,
        transport: config.mail.transport.clone(),
        connections,
        flight,
        rate: config.mail.rate,
        per_domain: config.mail.per_domain.clone(),
        stopping,
    };
    Ok(Sender::new(clerk, dispatch))
}
