//! The daemon as a process, and the API beside it: it asks by itself, a power cut repeats nothing,
//! a reload counts, and a call that hangs holds up no end.
//!
//! The hour of asking is long past where the town lies, so that what is due is due at once.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::Timelike as _;
use jetond::clock;
use sqlx::Connection as _;

use super::{declared, head, jwt, section};
use crate::support::api_server::{ApiServer, Does, alive, error};
use crate::support::private_file;
use crate::support::program::{Program, Running, said};

/// Seconds from now until a token is due, where a test waits for the daemon's next look.
const SOON: i64 = 6;

/// A daemon's place, and the API.
pub(super) struct Site {
    pub(super) program: Program,
    pub(super) server: ApiServer,
}

impl Site {
    /// Tokens that have been watched for two days; each of those in `secrets` has its text.
    pub(super) async fn new(hour: u32, ids: &[&str], secrets: &[&str]) -> Self {
        let server = ApiServer::start();
        let program = Program::new(&file(&server, hour, ids, secrets));
        for id in ids {
            private_file(&program.place().join(format!("{id}.jwt")), &jwt(id));
        }
        let once = program.command(&["run", "--once"]).output().unwrap();
        assert_eq!(once.status.code(), Some(0), "{}", said(&once));
        let site = Self { program, server };
        for sql in [
            "UPDATE period SET opened_at = opened_at - 172800, dated_at = dated_at - 172800",
            "UPDATE token SET state_at = state_at - 172800",
        ] {
            site.record(sql).await;
        }
        site
    }

    fn start(&self) -> Running {
        let running = Running::start(self.program.command(&["run"]));
        running.wait_for("watching");
        running
    }

    pub(super) async fn record(&self, sql: &str) {
        record(&self.program, sql).await;
    }

    /// How often each token was asked about.
    fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        let told = self.server.told().into_iter();
        for told in told.filter(|t| t.line == "GET /privileges") {
            *calls
                .entry(told.header("authorization").to_owned())
                .or_default() += 1;
        }
        calls
    }
}

/// Changes a program's record behind its back.
pub(super) async fn record(program: &Program, sql: &str) {
    let store = format!("sqlite:{}", program.place().join("jetond.db").display());
    let mut store = sqlx::SqliteConnection::connect(&store).await.unwrap();
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::query(sql).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
}

fn file(server: &ApiServer, hour: u32, ids: &[&str], secrets: &[&str]) -> String {
    // Where it is noon or a little later.
    let ahead = 12 - i64::from(clock::now().hour());
    let sign = if ahead < 0 { '+' } else { '-' };
    let zone = format!("Etc/GMT{sign}{}", ahead.abs());
    let mut file = head().replace("Europe/Paris", &zone) + &section(server);
    file += &format!("hour = {hour}\n");
    for id in ids {
        file += &declared(id, "2099-12-01");
        if secrets.contains(id) {
            file += &format!("secret = {{ file = \"{id}.jwt\" }}\n");
        }
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_asks_by_itself_and_no_power_cut_has_it_ask_twice() {
    let ids = ["m", "n", "soon"];
    let site = Site::new(0, &ids, &ids).await;
    site.record("UPDATE token SET state_at = state_at + 172800 WHERE id = 'soon'")
        .await;
    // One is answered; the cut comes before the other one's answer.
    site.server.will([alive(&["entreprises"]), Does::Hangs]);
    let running = site.start();
    let line = running.words_until("asked token=").pop().unwrap();
    assert!(line.contains(" INFO "), "{line}");
    assert!(line.ends_with("case=\"complete\" status=200"), "{line}");
    site.server.until_asked(2).await;
    assert!(running.kill(), "it was running");

    // An hour and the margin after its change it will be due, for it was asked about before.
    let due = clock::now().timestamp() - 3720 + SOON;
    for sql in [
        format!("UPDATE token SET state_at = {due} WHERE id = 'soon'"),
        format!(
            "INSERT INTO probe (token, asked_at) SELECT no, {due} - 172800 FROM token WHERE id = 'soon'"
        ),
    ] {
        site.record(&sql).await;
    }
    site.server.always(error(503, "04001"));
    let running = site.start();
    let silent = running
        .words_until("heard nothing of the token token=soon")
        .pop()
        .unwrap();
    assert!(
        silent.contains(" WARN ") && silent.contains("case=\"unavailable\" status=503"),
        "{silent}"
    );
    assert!(silent.ends_with("incident=\"service\""), "{silent}");
    let calls = site.calls();
    assert_eq!(site.server.asked("/ping/insee/unites_legales"), 1);
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls.values().all(|n| *n == 1), "{calls:?}");
    // Beside it, each command tells the one answer and the call without one.
    let verdict = |row: &serde_json::Value| row["verdict"].as_str().map(str::to_owned);
    let listed: Vec<_> = site.program.json(&["list"]).iter().map(verdict).collect();
    let mut shown = Vec::new();
    for id in ids {
        let row = site.program.json(&["show", id]).remove(0);
        assert!(row["probe"]["asked_at"].is_string(), "{row:#}");
        shown.push(verdict(&row["probe"]));
    }
    assert_eq!(listed, shown);
    let known = shown.iter().flatten();
    assert_eq!(known.collect::<Vec<_>>(), ["alive"]);
    let status = site.program.json(&["status"]).remove(0);
    assert_eq!(status["api"]["incident"], "service", "{status:#}");

    // The day that was missed is made good at once; a call that hangs holds up no end.
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    site.record("UPDATE probe SET asked_at = asked_at - 172800")
        .await;
    site.record("DELETE FROM service").await;
    site.server.always(Does::Hangs);
    let running = site.start();
    site.server.until_asked(5).await;
    let began = Instant::now();
    running.signal("TERM");
    let (code, words) = running.ended_with_its_words();
    assert_eq!(code, Some(0), "{words:?}");
    assert!(began.elapsed().as_secs() < 10, "{words:?}");
    assert!(!words.iter().any(|w| w.contains("ERROR")), "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_counts_with_the_next_look() {
    let ids = ["m", "new", "wakes"];
    let site = Site::new(23, &ids, &["m", "wakes"]).await;
    // It is due in some seconds, whatever the hour: an answer of death is to be confirmed.
    let now = clock::now().timestamp();
    site.record(&format!(
        "INSERT INTO probe (token, asked_at, suspected, suspected_at, of_record) \
         SELECT t.no, {now} - 86400, 'revoked', {now} - 3720 + {}, max(p.opened_at, p.dated_at, t.state_at) \
         FROM token t JOIN period p ON p.token = t.no AND p.no = t.period WHERE t.id = 'wakes'",
        3 * SOON
    ))
    .await;
    let running = site.start();
    assert!(site.server.told().is_empty(), "the hour has not come");
    let text = jwt("m");
    let renewed = text[..text.len() - 6].to_owned() + "AAAAAA";
    private_file(&site.program.place().join("m.jwt"), &renewed);
    site.program.rewrite(&file(&site.server, 0, &ids, &ids));
    running.signal("HUP");
    running.wait_for("reloaded");
    let line = running.words_until("asked token=wakes").pop().unwrap();
    assert!(line.ends_with("case=\"complete\" status=200"), "{line}");
    let calls = site.calls();
    for text in [renewed, jwt("new"), jwt("wakes")] {
        assert_eq!(calls.get(&format!("Bearer {text}")), Some(&1), "{calls:?}");
    }
    // What was suspected was not so.
    let shown = site.program.json(&["show", "wakes"]).remove(0);
    assert_eq!(shown["probe"]["verdict"], "alive", "{shown:#}");
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}
