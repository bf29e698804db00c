//! The configuration: from files to a [`Config`] that the rest of the program can rely on.
//!
//! Two stages: what the person wrote is read with its places ([`load()`]), then checked as a
//! whole and turned into domain types. A file with an error changes nothing; all errors of all
//! files are told in one go. This is the only module that reads config files, secrets and the
//! environment.

mod beside;
mod datapass;
mod diagnostic;
mod draw;
mod edit;
mod effective;
mod glance;
mod health;
mod keys;
mod load;
mod mail;
mod notify;
mod people;
mod probe;
mod quota;
mod reader;
mod resolve;
mod rewrite;
mod scalar;
mod secret;
mod settings;
mod source;
mod syntax;
mod tokens;
mod values;
mod web;
mod web_auth;
mod web_metrics;

pub use diagnostic::{Diagnostic, DiagnosticRow, Place, Severity};
pub use draw::{Colour, draw};
pub use edit::{CannotEdit, Dates, Edit, Prepared, Put};
pub use effective::{Effective, Origin};
pub use glance::{Glance, glance};
pub use health::beacon;
pub use keys::{KEYS, Key};
pub use load::{DEFAULT_FILES, Loaded, Rejected, Surroundings, default_file, language_of, load};
pub use notify::hook;
pub use quota::PerDomain;
pub use source::Source;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::domain::address::{Address, Mailbox};
use crate::domain::calendar::Calendar;
use crate::domain::datapass::merge::OnApprove;
use crate::domain::language::Lang;
use crate::domain::link::LinkTemplate;
use crate::domain::password::PasswordHash;
use crate::domain::people::Clients;
use crate::domain::public_url::PublicUrl;
use crate::domain::stage::Stages;
use crate::domain::token::{Declared, TokenId};

/// A commented config to start from; it loads as it is.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Where a person finds the state of a request, the new token and the new date.
pub const DASHBOARD: &str = "https://entreprise.api.gouv.fr/compte";

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main file, absolute.
    pub file: PathBuf,
    /// SHA-256 of all files read, in hex: tells whether the store has taken this one over.
    pub digest: String,
    /// Language of mails and words where nothing nearer says otherwise.
    pub language: Lang,
    /// Who runs the daemon, for the footer of mails.
    pub organisation: String,
    /// Reply-To, footer and alarms.
    pub contact: Address,
    /// The SQLite file, absolute.
    pub store: PathBuf,
    /// Zone, window, days, opening of the renewal form.
    pub calendar: Calendar,
    /// Months from issue to expiry.
    pub validity_months: u32,
    /// The stages in force.
    pub stages: Stages,
    /// How mails leave.
    pub mail: Mail,
    /// The renewal link.
    pub renewal: Renewal,
    /// How long people stay named.
    pub retention: Retention,
    /// Whom to tell after each pass that the watch is well; `None`: nobody.
    pub heartbeat: Option<Heartbeat>,
    /// The weekly report.
    pub reports: Reports,
    /// Chat rooms and hooks that are told besides, in the order of the file.
    pub notify: Vec<Channel>,
    /// How API Entreprise is asked about tokens.
    pub probe: Probe,
    /// Where HTTP is answered.
    pub web: Web,
    /// What the tokens of each client inherit.
    pub clients: Clients,
    /// What is done with Data Pass's webhooks; `None`: none is taken.
    pub datapass: Option<Datapass>,
    /// The tokens of the files, in order of declaration.
    pub tokens: Vec<Declared>,
    /// What `config show` says of all but groups, clients and tokens: secrets are masked.
    pub shown: Vec<Effective>,
}

/// How mails leave.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Header and envelope sender.
    pub from: Mailbox,
    /// Where they go.
    pub transport: Transport,
    /// At most so many mails in so much time; none by default.
    pub rate: Option<Rate>,
    /// The same by the recipients' domains; none by default.
    pub per_domain: PerDomain,
    /// More late mails than this at once are held; 0: never; `None`: the default, the larger of
    /// 50 and a fifth of the tokens.
    pub storm: Option<u32>,
    /// A directory whose templates override the built-in ones.
    pub templates: Option<PathBuf>,
    /// The Maildir into which what comes back is delivered; `None`: nobody reads it.
    pub bounces: Option<PathBuf>,
}

/// At most `mails` in any `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many mails.
    pub mails: u32,
    /// In how much time: one second, minute or hour.
    pub per: Duration,
}

/// Where mails go.
#[derive(Debug, Clone)]
pub enum Transport {
    /// One `.eml` file a mail in this directory (absolute).
    File {
        /// The directory; made when it is missing.
        directory: PathBuf,
    },
    /// A relay over SMTP.
    Smtp(Box<Smtp>),
    /// A local program that speaks sendmail's command line.
    Sendmail {
        /// The program (default `/usr/sbin/sendmail`).
        command: PathBuf,
    },
}

/// The relay.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Host name or address.
    pub host: String,
    /// TCP port (default 587 for STARTTLS, 465 for implicit TLS, 25 for none).
    pub port: u16,
    /// Whether and when the connection is encrypted.
    pub tls: Tls,
    /// A PEM file of certification authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Networks to which plaintext is allowed, besides loopback.
    pub plaintext_ok: Vec<Network>,
    /// AUTH, if any.
    pub auth: Option<Auth>,
    /// The name given in EHLO; `None`: the machine's.
    pub helo: Option<String>,
    /// Connections at most.
    pub connections: usize,
    /// Mails in flight on a connection at most.
    pub flight: usize,
    /// Deadlines of the dialogue.
    pub deadlines: Deadlines,
}

/// Whether and when a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS, required.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None: loopback, and the networks of `plaintext_ok` without AUTH.
    None,
}

/// The account at the relay.
#[derive(Debug, Clone)]
pub struct Auth {
    /// User name.
    pub username: String,
    /// Where the password is.
    pub password: SecretSource,
}

/// Where a secret is; it is read only when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file of this name in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`).
    Credential(String),
    /// A file (absolute), readable by its owner only.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// An IP network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address of the network.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

/// Total deadlines per phase of the SMTP dialogue (RFC 5321 §4.5.3.2), not per read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// TCP connection.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// Greeting, EHLO, each AUTH step, MAIL, RCPT: each.
    pub command: Duration,
    /// The 354 after DATA.
    pub data: Duration,
    /// The message, before its size at 500 bytes a second is added.
    pub body: Duration,
    /// The reply to the final dot.
    pub dot: Duration,
    /// The reply to QUIT.
    pub quit: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            connect: s(30),
            tls: s(30),
            command: s(300),
            data: s(120),
            body: s(180),
            dot: s(600),
            quit: s(5),
        }
    }
}

/// The renewal link.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The template.
    pub url: LinkTemplate,
    /// Hosts a link may point to.
    pub allowed_hosts: Vec<String>,
}

/// How long people stay named in the record, in calendar months; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The bodies of mails, from the day they were settled.
    pub bodies: Option<u32>,
    /// Addresses and names in what is over.
    pub names: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            bodies: Some(13),
            names: Some(36),
        }
    }
}

/// Whom to tell after each pass that the watch is well, or that it is not.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Where.
    pub url: Beacon,
    /// How; `None`: as its path shows.
    pub form: Option<Form>,
}

/// Where an address is that carries a key.
#[derive(Debug, Clone)]
pub enum Beacon {
    /// In the file.
    Url(SecretString),
    /// Elsewhere; it is read when it is used.
    Secret(SecretSource),
}

/// How a monitor wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// <https://healthchecks.io/docs/http_api/>: the address for success, `/fail` after it for
    /// failure, with the reason as body.
    Healthchecks,
    /// Uptime Kuma's push monitor: `?status=up&msg=OK&ping=`, `?status=down&msg=REASON`.
    UptimeKuma,
}

/// The weekly report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    /// Whether it is sent.
    pub weekly: bool,
    /// To whom; empty: the contact.
    pub recipients: Vec<Address>,
}

/// Where HTTP is answered, and under which names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Web {
    /// The address and port to listen on; `None`: there is no server.
    pub listen: Option<SocketAddr>,
    /// The address of the pages from outside; `None`: mails carry no links to them.
    pub public_url: Option<PublicUrl>,
    /// Further names that a request may ask for.
    pub hosts: Vec<String>,
    /// What monitoring is shown, and how it asks.
    pub metrics: Metrics,
    /// Who may come in; `None`: this machine alone, to look.
    pub auth: Option<WebAuth>,
}

/// Who may come in to the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebAuth {
    /// Those who log in with a password, each name once.
    pub users: Vec<WebUser>,
    /// Who logs people in for us.
    pub proxy: Option<TrustedProxy>,
    /// Whether who is on this machine looks without login.
    pub loopback: bool,
}

/// Somebody who logs in with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUser {
    /// The name of the login.
    pub name: String,
    /// What the password must fit.
    pub password: Password,
    /// What they may do.
    pub role: Role,
}

/// Where the hash of a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// In the file.
    Hash(PasswordHash),
    /// Elsewhere; it is read when it is used.
    Secret(SecretSource),
}

/// What somebody may do on the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Act as well.
    Operator,
}

/// A reverse proxy that logs people in and tells their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxy {
    /// The header with the name, in lower case.
    pub header: String,
    /// Where the proxy's connections come from; from elsewhere the header counts for nothing.
    pub from: Vec<Network>,
    /// Who is an operator; everybody else is a viewer.
    pub operators: Vec<String>,
}

/// What `/metrics` shows, and how a program asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Whether each active token has a series of its own.
    pub tokens: bool,
    /// How many tokens at most have one; the nearest to their expiry.
    pub max_tokens: u32,
    /// Where the secret is that a program shows instead of a login.
    pub token: Option<SecretSource>,
}

/// What is done with Data Pass's webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datapass {
    /// Where the secrets are that sign them: one, or two while one takes the other's place.
    pub secrets: Vec<SecretSource>,
    /// What an approval does.
    pub on_approve: OnApprove,
}

/// How API Entreprise is asked what it says of tokens: of those whose secret is given.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Where it answers, by https; without a slash at its end.
    pub base_url: Url,
    /// The hosts that may be asked, in lower case; never empty.
    pub allowed_hosts: Vec<String>,
    /// Whether the host may have an address that is not on the open network.
    pub allow_private: bool,
    /// A PEM file of certification authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The hour, 0 to 23 in the calendar's zone, over which the day's calls are spread.
    pub hour: u32,
    /// `provider/source`: what is asked without a token when the API fails.
    pub ping: String,
    /// The tokens that are asked about, each with where its own text is.
    pub secrets: Vec<(TokenId, SecretSource)>,
}

/// A chat room or a program that is told what mails tell; mails remain the record.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name, unique: lower-case letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What is there, and where.
    pub kind: ChannelKind,
    /// It is told of stages from this many days before expiry on.
    pub from_stage: u32,
    /// Whether it is told of the watch's illnesses.
    pub alarms: bool,
    /// The language of its posts.
    pub language: Lang,
    /// Of the tokens of these clients only; empty: of all.
    pub clients: Vec<String>,
    /// Of tokens with one of these tags only; empty: of all.
    pub tags: Vec<String>,
    /// The hosts that posts may go to, in lower case; never empty.
    pub allowed_hosts: Vec<String>,
    /// Whether the host may have an address that is not on the open network.
    pub allow_private: bool,
    /// A PEM file of certification authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// What is told, and where it is.
#[derive(Debug, Clone)]
pub enum ChannelKind {
    /// A program of the operator's, which gets JSON (`docs/notify.md`).
    Webhook {
        /// Where.
        url: Beacon,
        /// Signs each post; `None`: they are not signed.
        secret: Option<SecretSource>,
    },
    /// A Matrix room, as Tchap has them.
    Matrix {
        /// The server's address.
        homeserver: Url,
        /// The room's internal id, as `!abc:ville.example`.
        room: String,
        /// The access token of the account that posts.
        token: SecretSource,
    },
    /// Mattermost's incoming webhook, or what understands its `text`.
    Mattermost {
        /// Where; the path is a key.
        url: Beacon,
    },
}
