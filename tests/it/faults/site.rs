//! The place of a scenario: the program with its store, a scripted server, and the calendar.
//!
//! Each token has one recipient of its own and is due at once, so that a mail is owed to each.
//! No start of the program may end in anything but 0, 6 or what its scenario expects.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use chrono::{DateTime, Days, Duration, TimeZone, Utc};
use serde_json::Value;

use crate::support::program::{Program, Running, said};
use crate::support::smtp_server::{Script, SmtpServer};

/// Connections, and mails in flight on each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    pub(super) connections: usize,
    pub(super) flight: usize,
}

impl Lanes {
    /// What the scenarios take by turns: none beside another, the default, many.
    pub(super) const ALL: [Self; 3] = [Self::new(1, 1), Self::new(4, 16), Self::new(8, 64)];

    pub(super) const fn new(connections: usize, flight: usize) -> Self {
        Self {
            connections,
            flight,
        }
    }

    /// Mails whose final dot can be under way at once.
    pub(super) fn in_flight(self) -> usize {
        self.connections * self.flight
    }
}

/// The patience with a mail in doubt, and a little.
pub(super) const PATIENCE: Duration = Duration::minutes(31);

/// Rounds after which everything must be settled: three doubts, and two deferrals beside them.
const ROUNDS: usize = 8;

/// A recipient of one mail.
pub(super) fn recipient(n: usize) -> String {
    format!("p{n}@ville.example")
}

/// The place.
pub(super) struct Site {
    pub(super) program: Program,
    pub(super) server: SmtpServer,
    pub(super) now: DateTime<Utc>,
    pub(super) mails: usize,
}

impl Drop for Site {
    /// What libfaketime shares within a process stays behind when that is killed.
    fn drop(&mut self) {
        for entry in std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().into_string().unwrap_or_default();
            let process = ["faketime_shm_", "sem.faketime_sem_"]
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _absent = std::fs::remove_file(entry.path());
            }
        }
    }
}

impl Site {
    /// So many mails that are due; `None` when tests with real programs are not asked for.
    pub(super) fn new(script: Script, mails: usize, lanes: Lanes) -> Option<Self> {
        Self::with(script, mails, lanes, "")
    }

    /// The same, with more lines in `[mail.smtp]`; `CA` in them is the server's authority. Where
    /// several mails may be in flight the server offers PIPELINING.
    pub(super) fn with(script: Script, mails: usize, lanes: Lanes, smtp: &str) -> Option<Self> {
        let script = match lanes.flight {
            1 => script,
            _ => script.pipelining(),
        };
        let server = SmtpServer::start(script);
        let smtp = smtp.replace("CA", server.ca_file().to_str().unwrap());
        let now = Utc.with_ymd_and_hms(2027, 3, 10, 10, 0, 0).unwrap();
        let program = Program::timeless(&config(server.port(), mails, lanes, &smtp, now))?;
        Some(Self {
            program,
            server,
            now,
            mails,
        })
    }

    pub(super) fn store(&self) -> PathBuf {
        self.program.place().join("jetond.db")
    }

    /// Has another program start it: `sh -c 'ulimit …; exec "$@"' sh`.
    pub(super) fn run_through(&mut self, runner: &[&str]) {
        let words: Vec<&OsStr> = runner.iter().map(OsStr::new).collect();
        self.program.run_through(&words);
    }

    /// One pass, as it begins.
    pub(super) fn begin(&self) -> Running {
        Running::start(self.program.command_at(self.now, &["run", "--once"]))
    }

    /// One pass.
    pub(super) fn once(&self) -> Output {
        self.program
            .command_at(self.now, &["run", "--once"])
            .output()
            .unwrap()
    }

    /// The mails on record, notes included: none where a fault came before the schema was whole.
    pub(super) fn mails_on_record(&self) -> Vec<Value> {
        let all = ["outbox", "list", "--all", "--limit", "100000", "--json"];
        let output = self.program.command_at(self.now, &all).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        if output.status.code() == Some(8) && ["store_older", "store_missing"].contains(&code) {
            return Vec::new();
        }
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        answer["data"].as_array().unwrap().clone()
    }

    /// Lets the daemon finish: passes, each after the patience with doubts, until every mail is
    /// settled. What a pass went wrong by is told.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.settle_within(ROUNDS)
    }

    /// The same, in so many passes.
    pub(super) fn settle_within(&mut self, rounds: usize) -> Result<(), String> {
        for _ in 0..rounds {
            ended_in(&self.once(), &[0, 6])?;
            let open = |mail: &Value| !mail["next_at"].is_null();
            let unfinished = ["outbox", "list", "--limit", "100000"];
            if !self.program.json_at(self.now, &unfinished).iter().any(open) {
                return Ok(());
            }
            self.now += PATIENCE;
        }
        Ok(())
    }
}

/// Whether it ended in one of these codes, and without a panic; else what it said.
pub(super) fn ended_in(output: &Output, codes: &[i32]) -> Result<(), String> {
    let (code, said) = (output.status.code(), said(output));
    if !code.is_some_and(|code| codes.contains(&code)) || said.contains("panicked") {
        return Err(format!("a run ended with {}: {said}", output.status));
    }
    Ok(())
}

/// Everything a scenario configures.
fn config(port: u16, mails: usize, lanes: Lanes, smtp: &str, now: DateTime<Utc>) -> String {
    let Lanes {
        connections,
        flight,
    } = lanes;
    let mut config = format!(
        r#"timezone = "UTC"
contact = "dsi@ville.example"

[store]
url = "sqlite:jetond.db"

[schedule]
window = "00:00-24:00"

[reports]
weekly = false

[mail]
from = "jetons@ville.example"
transport = "smtp"
storm = 0

[mail.smtp]
host = "localhost"
port = {port}
helo = "ville.example"
connections = {connections}
flight = {flight}
{smtp}
"#
    );
    if !smtp.contains("tls = ") {
        config.push_str("tls = \"none\"\n");
    }
    // Stage 30 has passed, stage 15 is days away: due whatever the hour.
    let expires = (now + Days::new(20)).date_naive();
    for n in 0..mails {
        write!(
            config,
            "\n[[token]]\nid = \"t{n}\"\nname = \"Jeton {n}\"\nexpires = {expires}\n\
             datapass_id = \"{n}\"\nrecipients = [\"{}\"]\n",
            recipient(n)
        )
        .unwrap();
    }
    config
}
