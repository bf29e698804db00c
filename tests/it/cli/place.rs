//! A directory with a config, and the program run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use jetond::app::{self, Rig};
use jetond::config::{self, Config, Surroundings};
use jetond::renewal::reconcile::Brake;
use jetond::store::Store;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, Row};
use tokio_util::sync::CancellationToken;

/// When the record of [`Place::with_record`] was made: 22 days before the first expiry.
pub(super) const RECORDED: &str = "2026-11-23T09:00:00+01:00";

/// What a run of the program ended in.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    pub(super) fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let ran = Self {
            // A signal is no exit code.
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }

    /// The document on stdout.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A directory with the fixed config and no store.
    pub(super) fn new() -> Self {
        Self::with_config(include_str!("config.toml"))
    }

    pub(super) fn with_config(text: &str) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::write(place.path("config.toml"), text).unwrap();
        place
    }

    /// The fixed config with a part of it replaced.
    pub(super) fn with(part: &str, by: &str) -> Self {
        let text = include_str!("config.toml");
        assert!(text.contains(part), "{part}");
        Self::with_config(&text.replace(part, by))
    }

    /// A directory whose store had one pass at [`RECORDED`]: one mail was sent.
    pub(super) async fn with_record() -> Self {
        let place = Self::new();
        place.pass(at(RECORDED)).await;
        place
    }

    /// One pass at `now`, as `run --once` makes it.
    pub(super) async fn pass(&self, now: DateTime<Utc>) {
        let config = self.config(now);
        let store = Store::open(&config.store).await.unwrap();
        app::take_over(&config, &store, Brake::Keep, now)
            .await
            .unwrap();
        let rig = Rig::new(&config, store.clone(), CancellationToken::new()).unwrap();
        rig.tick(now).await.unwrap();
        rig.deliver(now).await.unwrap();
        store.close().await;
        // The program reads the machine's clock, which may be earlier than this fixed pass.
        let url = self.store();
        let pool = sqlx::SqlitePool::connect(url.to_str().unwrap())
            .await
            .unwrap();
        sqlx::query("DELETE FROM setting WHERE key = 'clock_mark'")
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    }

    pub(super) fn config(&self, now: DateTime<Utc>) -> Config {
        let file = self.path("config.toml");
        config::load(&file, &Surroundings { now }).unwrap().config
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path("jetond.db")
    }

    /// The program in this directory, in an environment that says nothing.
    pub(super) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jetond"));
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "alex")
            .args(args);
        command
    }

    /// Runs the program with these words.
    pub(super) fn run(&self, words: &str) -> Ran {
        let args: Vec<&str> = words.split_whitespace().collect();
        Ran::of(&mut self.command(&args))
    }

    /// Every file here and below.
    pub(super) fn files(&self) -> Vec<String> {
        let (mut names, mut pending) = (Vec::new(), vec![self.dir.path().to_owned()]);
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path.clone());
                }
                let name = path.strip_prefix(self.dir.path()).unwrap();
                names.push(name.display().to_string());
            }
        }
        names.sort();
        names
    }

    /// Every row of the store, as SQL literals.
    pub(super) async fn dump(&self) -> Vec<String> {
        self.dump_of(&self.store()).await
    }

    /// Every row of a database.
    pub(super) async fn dump_of(&self, file: &Path) -> Vec<String> {
        let pool = open(file).await;
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut rows = Vec::new();
        for table in sqlx::query(tables).fetch_all(&pool).await.unwrap() {
            let table: String = table.get(0);
            let columns = format!(
                "SELECT group_concat('quote(' || name || ')', '||'',''||') FROM pragma_table_info('{table}')"
            );
            let columns: String = sqlx::query_scalar(AssertSqlSafe(columns))
                .fetch_one(&pool)
                .await
                .unwrap();
            let all = format!("SELECT {columns} FROM {table} ORDER BY 1");
            let all: Vec<String> = sqlx::query_scalar(AssertSqlSafe(all))
                .fetch_all(&pool)
                .await
                .unwrap();
            rows.extend(all.into_iter().map(|row| format!("{table}: {row}")));
        }
        pool.close().await;
        rows
    }
}

/// A store, opened behind the program's back.
pub(super) async fn open(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(path);
    SqlitePool::connect_with(options).await.unwrap()
}

pub(super) fn at(instant: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(instant)
        .unwrap()
        .with_timezone(&Utc)
}
