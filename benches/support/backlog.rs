//! Mails that are due, and the whole path of them: from the first claim until the last outcome is
//! on record, in a process of its own, counted at its end.
//!
//! The tokens are imported by the program and planned by a tick, on a disk, as a daemon does it;
//! each run gets a copy of that store. A run that does not leave every mail on record is an error.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jetond::app::{self, Rig, SendingStore};
use jetond::config::{self, Config, Surroundings};
use jetond::renewal::reconcile::Brake;
use jetond::store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{JETOND, TO_FILES, head, jetond, place};

/// The word that has a benchmark deliver what is due by a configuration, and end.
const DELIVER: &str = "deliver";

/// How mails leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    /// To this port of 127.0.0.1.
    pub(crate) port: u16,
    /// On so many connections.
    pub(crate) connections: u32,
    /// Over TLS, with this authority.
    pub(crate) authority: Option<&'a Path>,
}

/// Tokens, each with a recipient of its own and a reminder that is due now.
pub(crate) struct Backlog {
    mails: u32,
    directory: TempDir,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// From the first claim until the last outcome was on record.
    pub(crate) time: Duration,
    /// Of all processors together.
    pub(crate) processor: Duration,
}

/// A copy of a backlog's store, with a configuration beside it.
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    mails: u32,
    _directory: TempDir,
}

impl Way<'_> {
    fn table(&self) -> String {
        let tls = match self.authority {
            None => "tls = \"none\"".to_owned(),
            Some(file) => format!("tls = \"implicit\"\nca_file = \"{}\"", file.display()),
        };
        format!(
            "transport = \"smtp\"\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\n{tls}\nconnections = {}",
            self.port, self.connections
        )
    }
}

impl Backlog {
    /// So many of them: imported, and planned in a second copy of the store.
    pub(crate) fn of(mails: u32) -> Self {
        let (directory, file) = place(&head(TO_FILES));
        let issued = jetond::clock::now().date_naive() - chrono::Months::new(17);
        let mut list = "id,name,issued,datapass_id,recipients\n".to_owned();
        for n in 0..mails {
            let _ = writeln!(
                list,
                "jeton-{n},Jeton {n},{issued},{},personne.{n}@agence-{}.example",
                10_000 + n,
                n % 97
            );
        }
        let tokens = directory.path().join("tokens.csv");
        std::fs::write(&tokens, list).expect("a list of tokens");
        jetond(&file, &["import", &tokens.to_string_lossy()]);
        let backlog = Self { mails, directory };
        std::fs::copy(backlog.imported(), backlog.planned()).expect("a copy");
        backlog.plan(&file);
        backlog
    }

    fn imported(&self) -> PathBuf {
        self.directory.path().join("jetond.db")
    }

    fn planned(&self) -> PathBuf {
        self.directory.path().join("planned.db")
    }

    fn plan(&self, file: &Path) {
        let config = load(file);
        let now = jetond::clock::now();
        runtime().block_on(async {
            let store = Store::open(&self.planned()).await.expect("the store");
            app::take_over(&config, &store, Brake::Keep, now)
                .await
                .expect("the store works");
            let ticked = app::planner(&config).tick(&store, now).await;
            let mails = ticked.expect("the store works").mails;
            assert_eq!(u32::try_from(mails), Ok(self.mails), "mails are planned");
            store.close().await;
        });
    }

    /// A copy in which nothing is planned yet.
    pub(crate) fn to_be_planned(&self, way: &Way<'_>) -> Place {
        self.copy(&self.imported(), &way.table())
    }

    fn copy(&self, store: &Path, mail: &str) -> Place {
        let (directory, file) = place(&head(mail));
        std::fs::copy(store, directory.path().join("jetond.db")).expect("a copy of the store");
        Place {
            file,
            mails: self.mails,
            _directory: directory,
        }
    }

    /// A planned copy whose daemon answers HTTP at this port of 127.0.0.1.
    pub(crate) fn watched(&self, way: &Way<'_>, web: u16) -> Place {
        let table = format!("{}\n[web]\nlisten = \"127.0.0.1:{web}\"", way.table());
        self.copy(&self.planned(), &table)
    }

    /// Delivers a planned copy, in a process of its own.
    pub(crate) fn deliver(&self, way: &Way<'_>) -> Took {
        let place = self.copy(&self.planned(), &way.table());
        let me = std::env::current_exe().expect("a benchmark");
        let output = Command::new(me)
            .arg(DELIVER)
            .arg(&place.file)
            .stderr(Stdio::inherit())
            .output()
            .expect("a process of ours");
        assert!(output.status.success(), "the delivery: {}", output.status);
        let said = String::from_utf8_lossy(&output.stdout);
        let micros: Vec<u64> = said.split_whitespace().flat_map(str::parse).collect();
        let [time, processor] = micros[..] else {
            panic!("the delivery said {said:?}");
        };
        place.hold_that_all_are_on_record();
        Took {
            time: Duration::from_micros(time),
            processor: Duration::from_micros(processor),
        }
    }

    /// The mean size of its mails, by those of the first so many tokens written as files; and one
    /// of them.
    pub(crate) fn sample(mails: u32) -> (u64, Vec<u8>) {
        let few = Self::of(mails);
        let place = few.copy(&few.imported(), TO_FILES);
        jetond(&place.file, &["run", "--once"]);
        let outbox = place.file.with_file_name("outbox");
        let written: Vec<PathBuf> = std::fs::read_dir(outbox)
            .expect("the mails")
            .map(|entry| entry.expect("a mail").path())
            .collect();
        assert_eq!(u32::try_from(written.len()), Ok(mails));
        let bytes: u64 = written
            .iter()
            .map(|file| std::fs::metadata(file).expect("a mail").len())
            .sum();
        let first = std::fs::read(&written[0]).expect("a mail");
        (bytes / u64::from(mails), first)
    }
}

impl Place {
    /// Starts `run --once` with its ordinary log, which nobody reads.
    pub(crate) fn run_once(&self) -> Command {
        let mut command = Command::new(JETOND);
        command
            .arg("--config")
            .arg(&self.file)
            .args(["run", "--once"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts the daemon with its ordinary log, which nobody reads.
    pub(crate) fn run(&self) -> Command {
        let mut command = Command::new(JETOND);
        command
            .arg("--config")
            .arg(&self.file)
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// How long it takes from the first acceptance on record, or the first few, until the last.
    pub(crate) fn first_to_last(&self) -> Duration {
        let store = self.file.with_file_name("jetond.db");
        let options = SqliteConnectOptions::new().filename(store).read_only(true);
        runtime().block_on(async {
            let pool = SqlitePool::connect_with(options).await.expect("the store");
            let mut first = None;
            let took = loop {
                let sent: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM mail WHERE settled_at IS NOT NULL")
                        .fetch_one(&pool)
                        .await
                        .expect("a count");
                if sent > 0 {
                    let first = *first.get_or_insert_with(Instant::now);
                    if sent >= i64::from(self.mails) {
                        break first.elapsed();
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            pool.close().await;
            took
        })
    }

    /// Holds that the record has an acceptance of every mail.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) fn hold_that_all_are_on_record(&self) {
        let options = SqliteConnectOptions::new().filename(self.file.with_file_name("jetond.db"));
        let [sent, accepted] = runtime().block_on(async {
            let pool = SqlitePool::connect_with(options).await.expect("the store");
            let mut counts = [0; 2];
            for (count, sql) in counts.iter_mut().zip([
                "SELECT count(*) FROM mail WHERE kind = 'reminder' AND state = 'sent'",
                "SELECT count(DISTINCT mail) FROM attempt WHERE outcome = 'sent'",
            ]) {
                *count = sqlx::query_scalar(sql)
                    .fetch_one(&pool)
                    .await
                    .expect("a count");
            }
            pool.close().await;
            counts
        });
        let all = i64::from(self.mails);
        assert_eq!(
            (sent, accepted),
            (all, all),
            "mails on record, acceptances on record"
        );
    }
}

/// Delivers and answers true, if this process was started to do that: `main` then ends.
pub(crate) fn delivered() -> bool {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(DELIVER) {
        return false;
    }
    let file = PathBuf::from(arguments.next().expect("a configuration"));
    let config = load(&file);
    let now = jetond::clock::now();
    let (time, processor) = runtime().block_on(async {
        let sending = SendingStore::open(&config.store, now)
            .await
            .expect("the store");
        let rig = Rig::new(&config, sending.store.clone(), CancellationToken::new())
            .expect("a sound configuration");
        let (before, started) = (processor(), Instant::now());
        let step = rig.sender.drain(now).await.expect("the store works");
        let (time, processor) = (started.elapsed(), processor() - before);
        assert!(step.sent > 0 && !step.is_troubled(), "{step:?}");
        sending.store.close().await;
        (time, processor)
    });
    println!("{} {}", time.as_micros(), processor.as_micros());
    true
}

/// The processor time of this process, in steps of 10 ms.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux's /proc");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .flat_map(str::parse::<u64>)
        .sum();
    Duration::from_millis(ticks * 10)
}

fn load(file: &Path) -> Config {
    let surroundings = Surroundings {
        now: jetond::clock::now(),
    };
    config::load(file, &surroundings)
        .expect("a sound configuration")
        .config
}

fn runtime() -> tokio::runtime::Runtime {
    jetond::cli::runtime().expect("threads")
}
