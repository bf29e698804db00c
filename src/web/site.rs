//! What pages are made from: the store and what they need of the configuration in force.
//!
//! A reload puts another [`Site`] in place; a request keeps the one with which it began.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};

use crate::config::{self, Effective};
use crate::delivery::compose::Templates;
use crate::delivery::desk::Desk;
use crate::domain::address::Address;
use crate::domain::public_url::PublicUrl;
use crate::health::Bulletin;
use crate::health::pulse::Loops;
use crate::meter::Meter;
use crate::store::Store;
use crate::tick::Planner;
use crate::web::access::{Door, Porter};
use crate::web::datapass::{Counter, Webhooks};
use crate::web::metrics::Snapshot;

/// What the pages know of one configuration.
#[derive(Debug, Clone)]
pub struct Site {
    /// The record, by the daemon's own connection: for what a request changes.
    pub store: Store,
    /// The record, by a connection of the pages' own: for what they show.
    pub reader: Store,
    /// What the daemon last found of its health.
    pub bulletin: Bulletin,
    /// What delivery and the daemon measure.
    pub meter: Meter,
    /// Whether the daemon's loops turn.
    pub loops: Loops,
    /// What `/metrics` shows of tokens, and to whom.
    pub metrics: config::Metrics,
    /// What pages have in common with mails.
    pub desk: Desk,
    /// What mails are composed from, to show one before it leaves.
    pub templates: Arc<Templates>,
    /// The address of the pages from outside.
    pub public_url: Option<PublicUrl>,
    /// Further names under which it may be asked.
    pub hosts: Vec<String>,
    /// Who may look at the pages of the watch.
    pub door: Door,
    /// For how many months a token is valid from its issue.
    pub validity_months: u32,
    /// What is done with webhooks of Data Pass; `None`: there is no such address.
    pub datapass: Option<Webhooks>,
    /// What the forecast needs.
    pub outlook: Outlook,
    /// The configuration, as the page of health shows it.
    pub settings: Arc<Settings>,
    /// The clock.
    pub now: fn() -> DateTime<Utc>,
}

/// What the mails that will leave follow from, besides the store.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// Plans.
    pub planner: Planner,
    /// Who gets the weekly report; empty: there is none.
    pub reports: Vec<Address>,
}

/// What is told of a configuration: secrets are masked in it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The main file.
    pub file: PathBuf,
    /// Its keys, but those of groups, clients and tokens.
    pub keys: Vec<Effective>,
}

impl Site {
    /// Whether a request may ask for this name, which comes without port. `here` is the address
    /// to which its connection came.
    ///
    /// Any other name would let a page from elsewhere, whose name was made to lead here, read
    /// the answers (DNS rebinding); an address of this machine cannot be made to.
    pub(super) fn answers_to(&self, name: &str, here: IpAddr) -> bool {
        let name = plain(name);
        if let Ok(ip) = name.parse::<IpAddr>() {
            let ip = ip.to_canonical();
            if ip.is_loopback() || ip == here.to_canonical() {
                return true;
            }
        }
        name == "localhost"
            || self
                .public_url
                .as_ref()
                .is_some_and(|url| plain(url.host()) == name)
            || self.hosts.iter().any(|host| plain(host) == name)
    }
}

/// A name for comparison: lower case, A-labels, no dot at the end, no brackets.
fn plain(name: &str) -> String {
    let bare = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .unwrap_or(name);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    idna::domain_to_ascii(bare).unwrap_or_else(|_| bare.to_ascii_lowercase())
}

/// The site in force.
#[derive(Debug, Clone)]
pub struct Live {
    site: Arc<RwLock<Arc<Site>>>,
    pub(super) webhooks: Counter,
    /// Who is logged in, and how often somebody tried to be.
    pub(super) porter: Porter,
    pub(super) snapshot: Snapshot,
}

impl Live {
    /// Begins with this one.
    pub fn new(site: Site) -> Self {
        Self {
            site: Arc::new(RwLock::new(Arc::new(site))),
            webhooks: Counter::default(),
            porter: Porter::default(),
            snapshot: Snapshot::default(),
        }
    }

    /// The site in force now.
    pub fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.read().expect("no holder panics"))
    }

    /// Puts another one in force.
    pub fn switch(&self, site: Site) {
        *self.site.write().expect("no holder panics") = Arc::new(site);
    }
}
