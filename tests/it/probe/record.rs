//! What the record of asking costs, and what it withstands: each of its statements goes to its
//! rows, and may fail; a power cut may come at each system call. No call leaves unrecorded, and an
//! answer, what is believed since and the notes about it are on record together or not at all.

use std::path::Path;

use chrono::Duration;
use jetond::domain::verdict::Verdict;
use jetond::store::Store;
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use super::daemon::{Site, record};
use super::{Asking, declared, head, jwt, section};
use crate::faults::campaign::each;
use crate::faults::syscalls::Strace;
use crate::support::api_server::{ApiServer, error};
use crate::support::private_file;
use crate::support::program::{Program, said};

const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// Of these a statement may read every row: there are as many as secrets are given, or one.
const FEW: [&str; 2] = ["b", "probe"];

async fn sql(store: &Path, words: &str) {
    let url = format!("sqlite:{}", store.display());
    let mut store = SqliteConnection::connect(&url).await.unwrap();
    let words = sqlx::AssertSqlSafe(words.to_owned());
    sqlx::query(words).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
}

/// The statements of a log, as sqlx writes them.
fn statements(log: &[String]) -> Vec<String> {
    let whole = |line: &String| {
        let (_, rest) = line.split_once("summary=\"")?;
        let (summary, rest) = rest.split_once("\" db.statement=\"")?;
        let (statement, _) = rest.split_once("\" rows_affected")?;
        let long = statement.replace("\\n", "\n").replace("\\\"", "\"");
        let long = long.trim();
        Some(if long.is_empty() {
            summary.to_owned()
        } else {
            long.to_owned()
        })
    };
    let mut found: Vec<String> = log.iter().filter_map(whole).collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_a_call_goes_to_its_rows() {
    let site = Site::new(0, &["m", "n"], &["m"]).await;
    let now = jetond::clock::now().timestamp();
    site.record(&format!(
        "INSERT INTO probe (token, asked_at, suspected, suspected_at, of_record) \
         SELECT t.no, {now} - 172800, 'revoked', {now} - 172800, max(p.opened_at, p.dated_at, t.state_at) \
         FROM token t JOIN period p ON p.token = t.no AND p.no = t.period WHERE t.id = 'm'"
    ))
    .await;
    site.server.always(error(401, "00105"));
    let mut command = site.program.command(&["run"]);
    command.env("RUST_LOG", "jetond=info,sqlx=debug");
    let running = crate::support::program::Running::start(command);
    let log = running.words_until("asked token=m");
    assert!(running.kill());
    let store = Store::open(&site.program.place().join("jetond.db"))
        .await
        .unwrap();
    let (mut seen, mut slow) = (0, Vec::new());
    for sql in statements(&log) {
        let names = |table: &str| {
            sql.split(|c: char| !c.is_alphanumeric())
                .any(|w| w == table)
        };
        if !names("probe") && !names("service") && !sql.contains("note_probe") {
            continue;
        }
        seen += 1;
        for step in store.query_plan(&sql).await.unwrap() {
            let scanned = step.strip_prefix("SCAN ");
            let table = scanned.and_then(|s| s.split(' ').next());
            let is_list = step.contains("VIRTUAL TABLE") || step == "SCAN CONSTANT ROW";
            if table.is_some_and(|t| !FEW.contains(&t)) && !is_list {
                slow.push(format!("{step}\n  {sql}"));
            }
        }
    }
    assert!(
        seen >= 5,
        "{seen} statements were seen in {} lines",
        log.len()
    );
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_loses_nothing_and_asks_nothing_twice() {
    let is_call = |what: &str| what.contains("asked_at");
    for what in [
        "BEFORE UPDATE OF asked_at ON probe",
        "BEFORE UPDATE OF answered_at ON probe",
        "BEFORE INSERT ON service",
        "BEFORE INSERT ON mail",
    ] {
        let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
        asking.server.always(error(401, "00105"));
        let asked = asking.until_called(1).await;
        let before = asking.probed("m").await;
        assert!(before.known.suspicion.is_some());
        let service = asking.town.store().service().await.unwrap();
        let file = asking.town.config().store.clone();
        sql(
            &file,
            &format!("CREATE TRIGGER broken {what} BEGIN SELECT RAISE(ABORT, 'I/O'); END"),
        )
        .await;

        asking.town.now = asked.next.unwrap();
        let first = asking.asker().step(asking.town.now).await;
        assert!(first.is_err(), "{what}: {first:?}");
        let calls = asking.server.asked("/privileges");
        assert_eq!(calls, if is_call(what) { 1 } else { 2 }, "{what}");
        // Again and again: what has left does not leave a second time.
        for minutes in [1, 10, 100] {
            let now = asking.town.now + Duration::minutes(minutes);
            assert_eq!(
                asking.asker().step(now).await.is_err(),
                is_call(what),
                "{what}"
            );
        }
        assert_eq!(asking.server.asked("/privileges"), calls, "{what}");
        let after = asking.probed("m").await;
        assert_eq!(
            (after.known.belief, &after.last),
            (None, &before.last),
            "{what}"
        );
        assert_eq!(after.known.suspicion, before.known.suspicion, "{what}");
        assert_eq!(
            asking.town.store().service().await.unwrap(),
            service,
            "{what}"
        );
        assert!(asking.town.notes().await.is_empty(), "{what}");

        sql(&file, "DROP TRIGGER broken").await;
        asking.until_called(1).await;
        let belief = asking.probed("m").await.known.belief.unwrap();
        assert_eq!(belief.verdict, Verdict::Revoked, "{what}");
        asking.until_called(1).await;
        let notes = asking.town.notes().await;
        assert_eq!(notes.len(), 2, "{what}: each is told once, {notes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_call_that_cannot_be_recorded_does_not_leave() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.probe.hour = 9;
    asking.town.now += Duration::hours(2);
    let file = asking.town.config().store.clone();
    sql(
        &file,
        "CREATE TRIGGER broken BEFORE INSERT ON probe BEGIN SELECT RAISE(ABORT, 'I/O'); END",
    )
    .await;
    assert!(asking.asker().step(asking.town.now).await.is_err());
    assert!(asking.asker().ask_now("m", asking.town.now).await.is_err());
    assert!(asking.server.told().is_empty());
    sql(&file, "DROP TRIGGER broken").await;
    assert_eq!(asking.step().await.calls, 1);
}

/// What a power cut may leave.
async fn sound(store: &Path, calls: usize, point: &str) {
    let url = format!("sqlite:{}", store.display());
    let mut store = SqliteConnection::connect(&url).await.unwrap();
    let whole: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut store)
        .await
        .unwrap();
    assert_eq!(whole, "ok", "{point}");
    let (began, answered, dead): (bool, bool, bool) = sqlx::query_as(
        "SELECT asked_at > suspected_before, answered_at IS NOT NULL, verdict IS NOT NULL FROM probe, before",
    )
    .fetch_one(&mut store)
    .await
    .unwrap();
    let notes: i64 = sqlx::query_scalar("SELECT count(*) FROM mail WHERE kind = 'note_probe_dead'")
        .fetch_one(&mut store)
        .await
        .unwrap();
    let heard: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM service WHERE seen_at IS NOT NULL)")
            .fetch_one(&mut store)
            .await
            .unwrap();
    store.close().await.unwrap();
    assert!(
        calls == 0 || began,
        "{point}: a call left that is not on record"
    );
    assert!(calls == 1 || !answered, "{point}");
    assert_eq!(
        (dead, notes, heard),
        (answered, if answered { 2 } else { 0 }, answered),
        "{point}"
    );
}

/// `kill -9` at each call that writes, of a program that confirms a death.
#[test]
fn a_power_cut_at_any_write_of_a_call_leaves_all_of_it_or_none() {
    let Some(strace) = Strace::unpacked() else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = Place::new(&runtime);
    let mut points = Vec::new();
    for call in [
        "pwrite64",
        "fdatasync",
        "fsync",
        "ftruncate",
        "openat",
        "sendto",
        "write",
        "recvfrom",
    ] {
        points.extend((1..40).map(|nth| (call, nth)));
    }
    let met = each(&points, |(call, nth)| begun.killed_at(&strace, call, *nth));
    let met = met.into_iter().filter(|met| *met).count();
    assert!(met > 20, "{met} cuts met a run");
}

/// A store in which the next call confirms a death.
struct Place {
    store: Vec<u8>,
}

impl Place {
    fn new(runtime: &tokio::runtime::Runtime) -> Self {
        let server = ApiServer::start();
        let program = program(&server);
        let once = program.command(&["run", "--once"]).output().unwrap();
        assert_eq!(once.status.code(), Some(0), "{}", said(&once));
        let now = jetond::clock::now().timestamp();
        for words in [
            "UPDATE period SET opened_at = opened_at - 172800, dated_at = dated_at - 172800",
            "UPDATE token SET state_at = state_at - 172800",
            &format!(
                "INSERT INTO probe (token, asked_at, suspected, suspected_at, of_record) \
                 SELECT t.no, {now} - 86400, 'revoked', {now} - 86400, max(p.opened_at, p.dated_at, t.state_at) \
                 FROM token t JOIN period p ON p.token = t.no AND p.no = t.period"
            ),
            &format!("CREATE TABLE before AS SELECT {now} - 86400 AS suspected_before"),
            "PRAGMA wal_checkpoint(TRUNCATE)",
        ] {
            runtime.block_on(record(&program, words));
        }
        let store = std::fs::read(program.place().join("jetond.db")).unwrap();
        Self { store }
    }

    /// Whether the cut met the run.
    fn killed_at(&self, strace: &Strace, call: &str, nth: usize) -> bool {
        let server = ApiServer::start();
        server.always(error(401, "00105"));
        let mut program = program(&server);
        let file = program.place().join("jetond.db");
        std::fs::write(&file, &self.store).unwrap();
        let (trace, kill) = (
            format!("trace={call}"),
            format!("inject={call}:signal=SIGKILL:when={nth}"),
        );
        strace.hold(
            &mut program,
            &["-e", &trace, "-e", &kill, "-o", "/dev/null"],
        );
        let output = program.command(&["probe", "m"]).output().unwrap();
        let words = said(&output);
        assert!(!words.contains("panicked"), "{call} {nth}: {words}");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let calls = server.asked("/privileges");
        runtime.block_on(sound(&file, calls, &format!("{call} {nth}")));
        // With peace again it is heard, and told once.
        program.run_through(&[]);
        let rows: Vec<Value> = program.json(&["show", "m"]);
        if rows[0]["probe"]["answered_at"].is_null() {
            let again = program.command(&["probe", "m"]).output().unwrap();
            assert_eq!(
                again.status.code(),
                Some(6),
                "{call} {nth}: {}",
                said(&again)
            );
            let calls = server.asked("/privileges");
            runtime.block_on(sound(&file, calls.min(1), &format!("after {call} {nth}")));
        }
        output.status.code().is_none() || output.status.code() == Some(137)
    }
}

fn program(server: &ApiServer) -> Program {
    let token = declared("m", "2099-12-01") + "secret = { file = \"m.jwt\" }\n";
    let program = Program::new(&(head() + &section(server) + &token));
    private_file(&program.place().join("m.jwt"), &jwt("m"));
    program
}
