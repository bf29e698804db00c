//! The real product on a scenario of the oracle: files as they are written, reconciliation,
//! tick and clerk at every minute at which something can happen, and mails accepted at once.
//!
//! What comes out has the oracle's form, so that the two can be compared. Nothing here decides
//! what is due: the instants are those of the scenario and those that the store itself names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jetond::app::{self, SendingStore};
use jetond::config::{self, Config, Surroundings};
use jetond::delivery::clerk::{Batch, Clerk};
use jetond::delivery::sender::Sender;
use jetond::renewal::reconcile::Brake;
use jetond::store::Store;
use jetond::store::settle::{Entered, Settled, Settlement};
use jetond::tick::{Planner, Ticked};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::oracle::civil::{Instant, MINUTE};
use crate::oracle::life::{Fate, Mail, Notice, Outcome, interesting, within};
use crate::oracle::scenario::{File, Scenario};

/// Mails taken up at once: as many as the sender takes.
const BATCH: u32 = 256;

/// One reload in so many reads the whole file, not only the edited tokens.
const WHOLE_FILE_EACH: usize = 10;

/// Where the store lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Fast, and gone with the process.
    Memory,
    /// Beside the config, as a daemon's.
    File,
}

/// A daemon whose clock is an argument.
pub(crate) struct Daemon<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) place: TempDir,
    medium: Medium,
    sending: Option<SendingStore>,
    pub(crate) store: Store,
    pub(crate) config: Config,
    pub(crate) planner: Planner,
    pub(crate) clerk: Clerk,
    /// The renewals of each token so far.
    periods: BTreeMap<String, u32>,
    /// The file as it was last read, and how many edits of the scenario it has seen.
    file: File,
    seen: usize,
    reloads: usize,
    /// What a mail server accepted, a repeat included, with its Message-ID.
    pub(crate) accepted: Vec<(String, Mail)>,
}

impl<'s> Daemon<'s> {
    /// The first start, on an empty store.
    pub(crate) async fn first_start(scenario: &'s Scenario, medium: Medium) -> Self {
        let place = tempfile::tempdir().unwrap();
        let now = scenario.start;
        let file = File::of(scenario);
        let config = read(&place, &scenario.write(&file, |_| true), now);
        let (store, sending) = match medium {
            Medium::Memory => (Store::in_memory().await.unwrap(), None),
            Medium::File => {
                let sending = SendingStore::open(&config.store, utc(now)).await.unwrap();
                (sending.store.clone(), Some(sending))
            }
        };
        let mut daemon = Self {
            scenario,
            place,
            medium,
            sending,
            planner: app::planner(&config),
            clerk: app::clerk(&config, store.clone()),
            store,
            config,
            periods: BTreeMap::new(),
            file,
            seen: 0,
            reloads: 0,
            accepted: Vec::new(),
        };
        daemon.take_over(Brake::Keep, now).await;
        daemon
    }

    /// The process dies without a word, and another one starts on the same store.
    pub(crate) async fn crash_and_start_again(&mut self, now: Instant) {
        assert_eq!(
            self.medium,
            Medium::File,
            "what is in memory does not survive"
        );
        self.start_again(now).await;
    }

    /// A start on the store that is there, with the file as it stands.
    pub(crate) async fn start_again(&mut self, now: Instant) {
        if self.medium == Medium::File {
            self.store.close().await;
            self.sending = None;
            let sending = SendingStore::open(&self.config.store, utc(now)).await;
            let sending = sending.unwrap();
            self.store = sending.store.clone();
            self.sending = Some(sending);
        }
        self.edit(now);
        self.read_all(now);
        self.take_over(Brake::Keep, now).await;
    }

    /// Applies the edits up to `now` to the file; gives the tokens that they are about, and
    /// whether the schedule is among what they change.
    fn edit(&mut self, now: Instant) -> (BTreeSet<String>, bool) {
        let (mut tokens, mut schedule) = (BTreeSet::new(), false);
        while let Some((_, edit)) = self.scenario.edits.get(self.seen).filter(|e| e.0 <= now) {
            self.file.apply(edit);
            self.seen += 1;
            match edit.token() {
                Some(id) => drop(tokens.insert(id.to_owned())),
                None => schedule = true,
            }
        }
        (tokens, schedule)
    }

    /// Reads the whole file.
    fn read_all(&mut self, now: Instant) {
        let text = self.scenario.write(&self.file, |_| true);
        self.use_config(read(&self.place, &text, now));
    }

    /// Reads the edited tokens only and puts them in place of the old ones: reading a thousand
    /// tokens for each edit is nearly all that a debug build would do.
    fn read_some(&mut self, tokens: &BTreeSet<String>, now: Instant) {
        let text = self.scenario.write(&self.file, |id| tokens.contains(id));
        let mut config = read(&self.place, &text, now);
        let kept = self.config.tokens.iter();
        let kept = kept.filter(|t| !tokens.contains(t.id.as_str()));
        config.tokens.extend(kept.cloned());
        self.use_config(config);
    }

    fn use_config(&mut self, config: Config) {
        self.config = config;
        self.planner = app::planner(&self.config);
        self.clerk = app::clerk(&self.config, self.store.clone());
    }

    /// The real sender, with mails as files beside the config.
    pub(crate) fn sender(&self) -> Sender {
        app::sender(&self.config, self.store.clone(), CancellationToken::new()).unwrap()
    }

    async fn take_over(&mut self, brake: Brake, now: Instant) {
        let report = app::take_over(&self.config, &self.store, brake, utc(now)).await;
        let report = report.unwrap();
        assert!(
            report.refused.is_empty() && report.kept.is_empty(),
            "the brake is no part of the oracle: {report:?}"
        );
        for id in report.renewed {
            *self.periods.entry(id).or_default() += 1;
        }
    }

    /// Reads the file again when it was edited since.
    async fn follow_the_file(&mut self, now: Instant) {
        let (tokens, schedule) = self.edit(now);
        if tokens.is_empty() && !schedule {
            return;
        }
        self.reloads += 1;
        if schedule || self.reloads.is_multiple_of(WHOLE_FILE_EACH) {
            self.read_all(now);
        } else {
            self.read_some(&tokens, now);
        }
        self.take_over(Brake::Refuse, now).await;
    }

    pub(crate) async fn tick(&self, now: Instant) -> Ticked {
        self.planner.tick(&self.store, utc(now)).await.unwrap()
    }

    pub(crate) async fn take_up(&self, now: Instant) -> Batch {
        self.clerk.take_up(utc(now), BATCH).await.unwrap()
    }

    /// A mail server takes every mail of a batch; what it took is not recorded yet.
    pub(crate) fn accept(&mut self, batch: &Batch, now: Instant) {
        for ready in &batch.ready {
            let addressed = ready.addressed.as_ref().expect("a sound row");
            let carried = batch.matter.carried(ready.mail.no);
            assert_eq!(addressed.carried, i64::try_from(carried.len()).unwrap());
            let notices = carried.iter().map(|c| Notice {
                token: c.id.clone(),
                period: self.periods.get(&c.id).copied().unwrap_or(0),
                stage: i64::from(c.stage),
                recipient: c.recipient.clone(),
            });
            let mut mail = Mail {
                at: now,
                recipient: ready.mail.recipient.clone(),
                notices: notices.collect(),
            };
            mail.notices.sort();
            self.accepted.push((ready.mail.message_id.clone(), mail));
        }
    }

    /// Records that every mail of a batch was accepted.
    pub(crate) async fn settle(&self, batch: Batch, now: Instant) {
        let sent = || Settlement::Sent {
            subject: String::new(),
            body: None,
        };
        self.settle_as(batch, now, sent).await;
    }

    /// Records one outcome for every mail of a batch.
    pub(crate) async fn settle_as(
        &self,
        batch: Batch,
        now: Instant,
        outcome: impl Fn() -> Settlement,
    ) {
        let mut settled = batch.settled;
        settled.extend(batch.ready.iter().map(|ready| Settled {
            mail: ready.mail.no,
            fence: ready.mail.fence,
            outcome: outcome(),
            entered: Entered::No,
            reply: "as the test says".to_owned(),
        }));
        self.store.settle(&settled, &[], utc(now)).await.unwrap();
    }

    /// Lets leave what may leave, unless the relay is out of reach.
    pub(crate) async fn deliver(&mut self, now: Instant) {
        if within(&self.scenario.relay_down, now) {
            return;
        }
        loop {
            let batch = self.take_up(now).await;
            if batch.claimed() == 0 {
                return;
            }
            self.accept(&batch, now);
            self.settle(batch, now).await;
        }
    }

    /// Asserts promise 1. After an outage nothing could leave before the window's opening.
    pub(crate) async fn nothing_is_uncovered(&self, now: Instant) {
        let calendar = &self.config.calendar;
        let mut stops = self
            .scenario
            .outages
            .iter()
            .chain(&self.scenario.relay_down);
        if stops.any(|(_, to)| *to <= now && calendar.next_leave(utc(*to)) > utc(now)) {
            return;
        }
        let uncovered = self.store.uncovered(calendar, utc(now)).await.unwrap();
        assert_eq!(uncovered, [], "at {}", utc(now));
    }

    /// Goes on to the next minute at which the scenario or the store says that something may
    /// happen, past an outage, and reads the file if it was edited meanwhile. The daemon itself
    /// is woken each minute.
    pub(crate) async fn wait(&mut self, scheduled: &BTreeSet<Instant>, now: Instant) -> Instant {
        let next = self.next(scheduled, now).await;
        let outages = &self.scenario.outages;
        let outage = outages
            .iter()
            .find(|(from, to)| (*from..*to).contains(&next) || (now + 1..=next).contains(to));
        match outage {
            Some((_, end)) => {
                if *end < self.scenario.end {
                    self.start_again(*end).await;
                }
                *end
            }
            None => {
                if next < self.scenario.end {
                    self.follow_the_file(next).await;
                }
                next
            }
        }
    }

    async fn next(&self, scheduled: &BTreeSet<Instant>, now: Instant) -> Instant {
        let (token, mail) = self.store.next_instants().await.unwrap();
        let mail = mail.map(|at| {
            let soon = at.max(utc(now + MINUTE));
            self.config.calendar.next_leave(soon)
        });
        let minute = |at: DateTime<Utc>| {
            let minutes = (at.timestamp() + MINUTE - 1).div_euclid(MINUTE);
            (minutes * MINUTE).max(now + MINUTE)
        };
        [token, mail]
            .into_iter()
            .flatten()
            .map(minute)
            .chain(scheduled.range(now + 1..).next().copied())
            .min()
            .unwrap_or(Instant::MAX)
    }

    /// What came of it: the mails, each once, and the record's fates.
    pub(crate) async fn outcome(&self) -> Outcome {
        let mut mails: Vec<Mail> = Vec::new();
        let mut seen = BTreeSet::new();
        for (message_id, mail) in &self.accepted {
            if seen.insert(message_id) {
                mails.push(mail.clone());
            }
        }
        let mut fates = BTreeMap::new();
        for (token, n) in self.store.all_notices().await.unwrap() {
            let notice = Notice {
                token,
                period: u32::try_from(n.period - 1).unwrap(),
                stage: i64::from(n.stage),
                recipient: n.recipient,
            };
            let fate = match n.state.as_str() {
                "owed" => Fate::Open,
                "sent" => Fate::Sent,
                "absorbed" => Fate::Absorbed,
                "suppressed" => Fate::Suppressed,
                other => panic!("{notice:?} is {other}"),
            };
            fates.insert(notice, fate);
        }
        Outcome { mails, fates }
    }
}

/// Promise 1 is looked at after one pass in so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Audit(pub(crate) usize);

/// Runs a whole scenario without a crash.
pub(crate) async fn live(scenario: &Scenario, audit: Audit) -> Outcome {
    let scheduled = interesting(scenario, &scenario.hours());
    let mut daemon = Daemon::first_start(scenario, Medium::Memory).await;
    let (mut now, mut passes) = (scenario.start, 0_usize);
    while now < scenario.end {
        daemon.tick(now).await;
        daemon.deliver(now).await;
        passes += 1;
        if passes.is_multiple_of(audit.0) {
            daemon.nothing_is_uncovered(now).await;
        }
        now = daemon.wait(&scheduled, now).await;
    }
    daemon.outcome().await
}

/// The fates alone, where mails may leave at other minutes.
pub(crate) fn without_mails(outcome: &Outcome) -> Outcome {
    Outcome {
        mails: Vec::new(),
        fates: outcome.fates.clone(),
    }
}

/// Writes a file and reads it.
pub(crate) fn read(place: &TempDir, text: &str, now: Instant) -> Config {
    let file = place.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    match config::load(&file, &Surroundings { now: utc(now) }) {
        Ok(loaded) => loaded.config,
        Err(rejected) => panic!("refused:\n{rejected}"),
    }
}

pub(crate) fn utc(at: Instant) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).expect("an instant of the scenario")
}
