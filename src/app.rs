//! The composition root: from a configuration to working parts, and one pass of the daemon.

mod brake;
pub mod gate;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DASHBOARD, Heartbeat, Transport};
use crate::delivery::bounces::{self, Bounces};
use crate::delivery::clerk::Clerk;
use crate::delivery::compose::{TemplateError, Templates};
use crate::delivery::desk::Desk;
use crate::delivery::news;
use crate::delivery::outcome::RelayFault;
use crate::delivery::pages::Pages;
use crate::delivery::report::Reporter;
use crate::delivery::sender::{Dispatch, Sender};
use crate::delivery::step::Step;
use crate::delivery::transport::Way;
use crate::domain::address::Address;
use crate::domain::datapass::merge::OnApprove;
use crate::health::pulse::Loops;
use crate::health::{Bulletin, Ill, RELAY_PATIENCE};
use crate::meter::Meter;
use crate::posts::Herald;
use crate::probe::{Asked, Asker};
use crate::renewal::datapass::Rules;
use crate::renewal::import::House;
use crate::renewal::reconcile::{Brake, Declaration, Report, reconcile};
use crate::store::Store;
use crate::store::error::{Result as StoreResult, StoreError};
use crate::store::keys::{self, KeysError};
use crate::store::lock::SenderLock;
use crate::store::posts::WantedPosts;
use crate::tell::refusals::{self, Haste};
use crate::tell::{Relay, Teller};
use crate::tick::{Planner, Ticked};
use crate::tidy::Tidier;
use crate::web::{BindError, Door, Outlook, Settings, Site, Webhooks};

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

/// The templates of a configuration. Those of a person are tried out at once, every text of
/// them; the built-in ones cannot fail in the field, and [`proven_templates`] tries them too.
///
/// # Errors
/// A file that cannot be read, and every template that fails.
pub fn templates(config: &Config) -> Result<Templates, SetupError> {
    match &config.mail.templates {
        None => Ok(Templates::built_in()),
        Some(_) => proven_templates(config),
    }
}

/// The templates of a configuration, every text tried out.
///
/// # Errors
/// As [`templates`].
pub fn proven_templates(config: &Config) -> Result<Templates, SetupError> {
    let files = match &config.mail.templates {
        None => Vec::new(),
        Some(directory) => read_templates(directory)?,
    };
    let templates =
        Templates::with_overrides(files.into_iter()).map_err(|e| SetupError::Templates(vec![e]))?;
    templates
        .proof(&config.calendar)
        .map_err(SetupError::Templates)?;
    Ok(templates)
}

/// The files below a template directory, named by their path from it.
fn read_templates(directory: &Path) -> Result<Vec<(String, String)>, SetupError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SetupError::TemplateFile { path, error }
    };
    let (mut files, mut pending) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(&at).map_err(failed(&at))? {
            let path = entry.map_err(failed(&at))?.path();
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(name) = path.strip_prefix(directory)
                && !name.to_string_lossy().starts_with('.')
            {
                let source = std::fs::read_to_string(&path).map_err(failed(&path))?;
                files.push((name.to_string_lossy().replace('\\', "/"), source));
            }
        }
    }
    files.sort();
    Ok(files)
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

/// Everything that a pass needs, for as long as the configuration stays the same.
#[derive(Debug)]
pub struct Rig {
    /// Plans.
    pub planner: Planner,
    /// Sends.
    pub sender: Sender,
    /// Whether and when people are no longer named.
    pub tidier: Tidier,
    /// `[mail] storm`.
    storm: Option<u32>,
    /// Reads what comes back of mails, where that is wished for.
    pub bounces: Option<Bounces>,
    /// Tells of itself.
    pub teller: Teller,
    /// Whom to tell after each pass.
    pub heartbeat: Option<Heartbeat>,
    /// Tells chat rooms and hooks.
    pub herald: Herald,
    /// Asks API Entreprise about tokens.
    pub asker: Asker,
}

impl Rig {
    /// The rig of a configuration on a store.
    ///
    /// # Errors
    /// As [`sender`].
    pub fn new(
        config: &Config,
        store: Store,
        stopping: CancellationToken,
    ) -> Result<Self, SetupError> {
        let mut clerk = clerk(config, store);
        clerk.desk.pages = pages(config)?;
        let herald = Herald::new(
            &config.notify,
            clerk.store.clone(),
            desk(config),
            config.web.public_url.clone(),
            stopping.clone(),
        );
        let asker = asker(config, clerk.store.clone(), stopping.clone());
        Ok(Self {
            asker,
            planner: Planner {
                told_from: herald.from_stage(),
                ..planner(config)
            },
            herald,
            sender: sender_of(clerk, config, stopping)?,
            tidier: Tidier {
                calendar: config.calendar.clone(),
                bodies: config.retention.bodies,
                names: config.retention.names,
            },
            storm: config.mail.storm,
            bounces: config.mail.bounces.clone().map(Bounces::new),
            teller: Teller::new(desk(config), planner(config), reporter(config)),
            heartbeat: config.heartbeat.clone(),
        })
    }

    /// The rig of a changed configuration, which keeps what this one has learnt of the relay
    /// unless it is another relay or another account.
    ///
    /// # Errors
    /// As [`sender`].
    pub fn successor(
        &self,
        config: &Config,
        store: Store,
        stopping: CancellationToken,
    ) -> Result<Self, SetupError> {
        let mut rig = Self::new(config, store, stopping)?;
        rig.sender.keep_relay_state(&self.sender);
        rig.sender.count_by(self.sender.meter());
        rig.herald.keep_state(&self.herald);
        Ok(rig)
    }

    /// One tick; after a gap in the watch, the storm brake.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tick(&self, now: DateTime<Utc>) -> StoreResult<Ticked> {
        let Clerk { store, desk } = self.sender.clerk();
        let ticked = self.planner.tick(store, now).await?;
        let held = brake::apply(store, desk, self.storm, now).await?;
        if held > 0 {
            tracing::error!(
                mails = held,
                "late mails are held; `jetond outbox release` lets them leave at once"
            );
        }
        if let Err(e) = news::queue(store, desk, now).await {
            // Nothing that is owed waits for this.
            tracing::error!(error = %e, "news could not be told; the next pass tries again");
        }
        if let Err(e) = self.herald.queue(now).await {
            tracing::error!(error = %e, "channels could not be told; the next pass tries again");
        }
        store.record_pass(now).await?;
        if let Err(e) = self.tidier.tidy(store, now).await {
            // Nothing that is owed waits for this.
            tracing::error!(error = %e, "retention failed; the next pass tries again");
        }
        Ok(ticked)
    }

    /// What came back of mails until `now` is recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read_bounces(&self, now: DateTime<Utc>) -> StoreResult<bounces::Read> {
        let Some(bounces) = &self.bounces else {
            return Ok(bounces::Read::default());
        };
        let read = bounces.read(&self.sender.clerk().store, now).await;
        if read.as_ref().map_or(true, |r| r.bounced > 0) {
            self.teller.a_reminder_failed();
        }
        read
    }

    /// What came back is recorded; what the watch tells of that, and of itself, is queued.
    ///
    /// # Errors
    /// The first failure of the store; the other steps are taken all the same.
    pub async fn tell(&self, now: DateTime<Utc>) -> StoreResult<()> {
        let read = self.read_bounces(now).await.map(drop);
        let Clerk { store, desk } = self.sender.clerk();
        let told = refusals::tell(store, desk, Haste::WhenQuiet, now).await;
        let itself = self.tell_of_itself(now).await;
        read.and(told.map(drop)).and(itself)
    }

    async fn tell_of_itself(&self, now: DateTime<Utc>) -> StoreResult<()> {
        let relay = match self.sender.relay_trouble() {
            Some((since, why)) => Relay::Failing { since, why },
            None if self.sender.relay_answered() => Relay::Answers,
            None => Relay::Unknown,
        };
        self.teller
            .step(&self.sender.clerk().store, relay, now)
            .await
    }

    /// Has the losses of a step told of with the next pass; one that failed may have some.
    fn heed(&self, step: StoreResult<Step>) -> StoreResult<Step> {
        if step.as_ref().map_or(true, Step::has_lost) {
            self.teller.a_reminder_failed();
        }
        step
    }

    /// The posts that may leave leave, beside the mails. Of what is lost the contact is told.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn post(&self, wanted: WantedPosts, now: DateTime<Utc>) -> StoreResult<Step> {
        self.herald.step(wanted, now).await
    }

    /// Asks API Entreprise about the tokens that are due, a few at most; what follows is told by
    /// notes that it queues.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask(&self, now: DateTime<Utc>) -> StoreResult<Asked> {
        self.asker.step(now).await
    }

    /// Queues posts about what is wrong by the record, for a run that has no loops to watch.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn alarm(&self, now: DateTime<Utc>) -> StoreResult<()> {
        if self.herald.is_empty() {
            return Ok(());
        }
        let Clerk { store, desk } = self.sender.clerk();
        let mut ills = Ill::on_record(store, &desk.calendar, &desk.contact.key(), now).await?;
        if let Some((since, why)) = self.sender.relay_trouble()
            && now - since >= RELAY_PATIENCE
        {
            ills.push(Ill::Relay { since, why });
        }
        self.herald.alarm(&ills, now).await?;
        Ok(())
    }

    /// What may leave now leaves, and the notes about what was refused with it. A tick follows,
    /// as long as notices have waited for a mail that has been settled meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn deliver(&self, now: DateTime<Utc>) -> StoreResult<Step> {
        let Clerk { store, desk } = self.sender.clerk();
        let mut total = Step::default();
        loop {
            let step = self.heed(self.sender.drain(now).await)?;
            total.add(step);
            if refusals::tell(store, desk, Haste::Now, now).await? > 0 {
                continue;
            }
            let freed = step.claimed > 0
                && store.has_waiting().await?
                && self.planner.tick(store, now).await? != Ticked::default();
            if !freed {
                return Ok(total);
            }
        }
    }
}

/// The store of a sender: locked, opened, sound, its older claims void.
#[derive(Debug)]
pub struct SendingStore {
    /// The store.
    pub store: Store,
    _lock: SenderLock,
}

impl SendingStore {
    /// Takes the sender's lock and opens the store.
    ///
    /// # Errors
    /// [`StoreError::SecondSender`] when another process sends; whatever is wrong with the file.
    pub async fn open(path: &Path, now: DateTime<Utc>) -> StoreResult<Self> {
        let lock = SenderLock::take(path)?;
        let store = Store::open(path).await?;
        store.check_soundness().await?;
        let voided = store.void_claims(now).await?;
        if voided > 0 {
            tracing::warn!(
                mails = voided,
                "an earlier run ended while mails were on their way"
            );
        }
        Ok(Self { store, _lock: lock })
    }
}

/// Takes the file over into the store.
///
/// # Errors
/// When the store fails.
pub async fn take_over(
    config: &Config,
    store: &Store,
    brake: Brake,
    now: DateTime<Utc>,
) -> StoreResult<Report> {
    let report = reconcile(store, declaration(config), brake, now).await?;
    if !report.kept.is_empty() {
        let note = desk(config).note_about_missing(&report.kept, &config.digest, now);
        store.settle(&[], &[note], now).await?;
    }
    let mut kept = vec![config.contact.key()];
    kept.extend(config.reports.recipients.iter().map(Address::key));
    store.end_marks_besides(&kept).await?;
    let asked: Vec<&str> = config
        .probe
        .secrets
        .iter()
        .map(|(t, _)| t.as_str())
        .collect();
    if store.has_unasked(&asked).await? {
        let mut tx = store.begin().await?;
        tx.forget_unasked(&asked).await?;
        tx.commit().await?;
    }
    if !report.is_empty() {
        tracing::info!(
            added = report.added.len(),
            renewed = report.renewed.len(),
            corrected = report.corrected.len(),
            restored = report.restored.len(),
            archived = report.archived.len(),
            kept = report.kept.len(),
            refused = report.refused.len(),
            "the file was compared with the record"
        );
    }
    Ok(report)
}

/// A store to look at: what is on record, or, where there is no store yet, what the file says.
///
/// # Errors
/// When the store cannot be read.
pub async fn view(config: &Config, now: DateTime<Utc>) -> StoreResult<View> {
    match Store::open_to_read(&config.store).await {
        Ok(store) => {
            let changed = store.setting("config_digest").await?.as_deref() != Some(&config.digest);
            Ok(View {
                store,
                of: if changed { Of::OlderFile } else { Of::Record },
            })
        }
        Err(StoreError::Missing(_)) => {
            let store = Store::in_memory().await?;
            reconcile(&store, declaration(config), Brake::Archive, now).await?;
            Ok(View {
                store,
                of: Of::FileOnly,
            })
        }
        Err(e) => Err(e),
    }
}

/// A copy of the store, in memory, with the file taken over: what the daemon will work with
/// after its next reload. A file that the brake would refuse leaves the missing tokens active,
/// as a start does.
///
/// # Errors
/// When the store cannot be read.
pub async fn copy(config: &Config, now: DateTime<Utc>) -> StoreResult<Store> {
    let store = match Store::copy_of(&config.store).await {
        Ok(store) => store,
        Err(StoreError::Missing(_)) => Store::in_memory().await?,
        Err(e) => return Err(e),
    };
    reconcile(&store, declaration(config), Brake::Keep, now).await?;
    Ok(store)
}

/// A store to look at.
#[derive(Debug)]
pub struct View {
    /// The store; only to be read.
    pub store: Store,
    /// What it shows.
    pub of: Of,
}

/// What a [`View`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The record; the file has not changed since the daemon read it.
    Record,
    /// The record; the file has changed since.
    OlderFile,
    /// There is no store yet: what the file says.
    FileOnly,
}
