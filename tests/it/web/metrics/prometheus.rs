//! A real Prometheus scrapes the running daemon by its secret and evaluates the shipped rules:
//! alerts fire when something is made wrong, and are over when it is mended.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chrono::{Days, TimeDelta};
use serde_json::Value;
use url::form_urlencoded;

use super::rules;
use crate::support::awaited::{PATIENCE, awaited, free_port};
use crate::support::debian;
use crate::support::program::{Program, Running, said};
use crate::support::smtp_server::{Script, SmtpServer};
use crate::web::own_address;

const SECRET: &str = "s3cret-0123";

/// One answer, by a protocol that ends it with the connection.
fn get(at: SocketAddr, path: &str, headers: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A Prometheus of the test's own; it ends with its owner.
struct Prometheus {
    child: Child,
    at: SocketAddr,
    log: PathBuf,
}

impl Prometheus {
    /// Scrapes the daemon each second, and evaluates the shipped rules, which then fire at once.
    fn start(root: &Path, place: &Path, target: SocketAddr) -> Self {
        let at = SocketAddr::new(target.ip(), free_port());
        let hasty: Vec<String> = rules::rules()
            .lines()
            .filter(|line| !line.trim_start().starts_with("for: "))
            .map(str::to_owned)
            .collect();
        std::fs::write(place.join("rules.yml"), hasty.join("\n")).unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n\
             - job_name: jetond\n\
             \x20 authorization: {{ credentials_file: metrics.token }}\n\
             \x20 static_configs: [{{ targets: ['{target}'] }}]\n"
        );
        let file = place.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let log = place.join("prometheus.log");
        let written = std::fs::File::create(&log).unwrap();
        let child = Command::new(root.join("usr/bin/prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                place.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={at}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written)
            .spawn()
            .unwrap();
        let prometheus = Self { child, at, log };
        awaited("Prometheus", &prometheus.log, || {
            (get(at, "/-/ready", "")?.0 == 200).then_some(())
        });
        prometheus
    }

    /// What its API answers.
    fn api(&self, path: &str) -> Option<Value> {
        let (_, body) = get(self.at, path, "")?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The value of an expression that gives one.
    fn value(&self, expression: &str) -> Option<f64> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .finish();
        let data = self.api(&format!("/api/v1/query?{query}"))?;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// Waits until an expression has a value that fits.
    fn until(&self, expression: &str, fits: impl Fn(f64) -> bool) {
        awaited(expression, &self.log, || {
            self.value(expression).filter(|v| fits(*v))
        });
    }

    /// How often an alert fires.
    fn fires(&self, alert: &str) -> f64 {
        let firing =
            format!("count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}) or vector(0)");
        self.value(&firing).unwrap_or_default()
    }

    fn until_it_fires(&self, alert: &str) {
        awaited(alert, &self.log, || (self.fires(alert) > 0.0).then_some(()));
    }

    fn until_it_is_over(&self, alert: &str) {
        let over = format!("end of {alert}");
        awaited(&over, &self.log, || (self.fires(alert) < 1.0).then_some(()));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The daemon of the test, and where it is asked.
struct Daemon {
    program: Program,
    at: SocketAddr,
}

impl Daemon {
    fn config(&self, relay: u16) -> String {
        let expires = jetond::clock::now().date_naive() + Days::new(10);
        let mut config = format!(
            "language = \"en\"\ncontact = \"dsi@ville.example\"\n[schedule]\nwindow = \"00:00-24:00\"\n\
             [mail]\nfrom = \"j@ville.example\"\ntransport = \"smtp\"\n\
             [mail.smtp]\nhost = \"127.0.0.1\"\nport = {relay}\ntls = \"none\"\n\
             [web]\nlisten = \"{}\"\npublic_url = \"https://jetons.ville.example\"\n\
             [web.metrics]\ntoken = {{ file = \"metrics.token\" }}\n",
            self.at
        );
        for id in ["marches", "aides"] {
            write!(
                config,
                "[[token]]\nid = \"{id}\"\nname = \"{id}\"\nexpires = {expires}\nrecipients = [\"{id}@ville.example\"]\n"
            )
            .unwrap();
        }
        config
    }

    /// Has it look again, and tells whether it took the file.
    fn reload(&self) -> bool {
        let done = self.program.command(&["reload"]).output().unwrap();
        done.status.success()
    }

    fn edit(&self, sql: &'static str) {
        let path = self.program.place().join("jetond.db");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
                .await
                .unwrap();
            let done = sqlx::query(sql).execute(&pool).await.unwrap();
            assert!(done.rows_affected() > 0, "{sql}");
            pool.close().await;
        });
    }

    fn ready(&self) -> (u16, String) {
        let by_secret = format!("Authorization: Bearer {SECRET}\r\n");
        get(self.at, "/readyz", &by_secret).unwrap()
    }
}

#[test]
fn alerts_fire_when_something_is_wrong_and_are_over_when_it_is_mended() {
    let Some(root) = debian::unpacked(&["prometheus"]) else {
        return;
    };
    let daemon = Daemon {
        program: Program::timeless("").unwrap(),
        at: own_address(),
    };
    let place = daemon.program.place().to_owned();
    let secret = place.join("metrics.token");
    crate::support::private_file(&secret, SECRET);
    // Nobody listens there: the relay is dead from the start.
    daemon.program.rewrite(&daemon.config(free_port()));
    let start = jetond::clock::now();
    daemon.program.set_clock(start);
    let running = Running::start(daemon.program.command_by_clock(&["run"]));
    running.wait_for("watching");
    let prometheus = Prometheus::start(&root, &place, daemon.at);

    prometheus.until("up{job=\"jetond\"}", |up| up == 1.0);
    prometheus.until("sum(jetond_outbox_mails)", |mails| mails >= 2.0);
    prometheus.until("count(jetond_token_expiry_timestamp_seconds)", |n| n == 2.0);
    // Only OpenMetrics tells units: that is how it was read.
    let told =
        prometheus.api("/api/v1/targets/metadata?metric=jetond_token_expiry_timestamp_seconds");
    assert_eq!(told.unwrap()[0]["unit"], "seconds");
    awaited("both tokens", &prometheus.log, || {
        (prometheus.fires("JetondTokenExpiresSoon") == 2.0).then_some(())
    });
    assert_eq!(prometheus.fires("JetondRelay"), 0.0);

    // A quarter of an hour later the relay is an illness, until there is another one.
    daemon.program.set_clock(start + TimeDelta::minutes(16));
    assert!(daemon.reload());
    prometheus.until_it_fires("JetondRelay");
    let (status, words) = daemon.ready();
    assert_eq!(status, 503, "{words}");
    assert!(words.contains("relay unreachable"), "{words}");
    let relay = SmtpServer::start(Script::new());
    daemon.program.rewrite(&daemon.config(relay.port()));
    assert!(daemon.reload());
    prometheus.until("jetond_delivery_attempts_total{outcome=\"sent\"}", |n| {
        n >= 2.0
    });
    prometheus.until_it_is_over("JetondRelay");
    awaited("readiness", &prometheus.log, || {
        (daemon.ready().0 == 200).then_some(())
    });
    prometheus.until("jetond_reminder_lateness_seconds_count", |n| n == 2.0);

    // Owed, and its mail was settled long ago: nothing will take it up.
    daemon.edit("UPDATE notice SET state = 'owed', settled_at = NULL WHERE state = 'sent'");
    assert!(daemon.reload());
    prometheus.until_it_fires("JetondUncovered");
    assert_eq!(daemon.ready().0, 503);
    daemon.edit("UPDATE notice SET state = 'sent', settled_at = 1 WHERE state = 'owed'");
    assert!(daemon.reload());
    prometheus.until_it_is_over("JetondUncovered");
    assert_eq!(daemon.ready().0, 200);

    daemon.program.rewrite("language = \"xx\"\n");
    // The command would not even ask for it.
    running.signal("HUP");
    prometheus.until_it_fires("JetondReloadFailed");
    daemon.program.rewrite(&daemon.config(relay.port()));
    assert!(daemon.reload());
    prometheus.until_it_is_over("JetondReloadFailed");

    // What its own linter says of all this.
    let by_secret = format!("Authorization: Bearer {SECRET}\r\n");
    let (status, classic) = get(daemon.at, "/metrics", &by_secret).unwrap();
    assert_eq!(status, 200);
    let written = place.join("metrics.txt");
    std::fs::write(&written, &classic).unwrap();
    let linted = Command::new(root.join("usr/bin/promtool"))
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(written).unwrap())
        .output()
        .unwrap();
    assert!(linted.status.success(), "{}\n{classic}", said(&linted));
    assert_eq!(said(&linted), "");

    let filed = daemon
        .program
        .command(&["filed", "marches"])
        .output()
        .unwrap();
    assert!(filed.status.success(), "{}", said(&filed));
    awaited("the other token alone", &prometheus.log, || {
        (prometheus.fires("JetondTokenExpiresSoon") == 1.0).then_some(())
    });
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    prometheus.until_it_fires("JetondDown");
}
