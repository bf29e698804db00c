//! The service under a real systemd, from the first start to the last stop; and the messages to
//! the service manager, which need none.

mod package;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::debian;
use crate::support::program::{Program, Running, said};
use crate::support::smtp_server::{Cert, Script, SmtpServer};
use crate::support::systemd::Machine;

/// How long the daemon may take for a word; it takes a moment.
const PATIENCE: Duration = Duration::from_secs(20);

/// The config in the machine, with dates for the script to fill in.
fn template(port: u16) -> String {
    format!(
        r#"timezone = "Europe/Paris"
language = "en"
organisation = "Ville d'Exemple"
contact = "dsi@ville.example"

[store]
url = "sqlite:/var/lib/jetond/jetond.db"

[schedule]
window = "00:00-24:00"

[mail]
from = "Veille des jetons <jetons@ville.example>"
transport = "smtp"

[mail.smtp]
host = "localhost"
port = {port}
ca_file = "/etc/jetond/ca.pem"
username = "jetond"
password = {{ credential = "smtp.password" }}

[web]
listen = "127.0.0.1:8080"
public_url = "https://jetons.ville.example"

[[token]]
id = "marches-publics"
name = "Marchés publics"
expires = @15@
recipients = ["c.martin@ville.example"]

[[token]]
id = "portail"
name = "Portail"
expires = @400@
recipients = ["d.petit@ville.example"]

"#
    )
}

#[test]
fn the_service_lives_under_a_real_systemd() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let server = SmtpServer::start(Script::new().tls(Cert::Valid));
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let units = package.join("packaging/systemd");
    machine
        .copy(
            Path::new(env!("CARGO_BIN_EXE_jetond")),
            "/usr/bin/jetond",
            0o755,
        )
        .copy(
            &units.join("jetond.sysusers"),
            "/usr/lib/sysusers.d/jetond.conf",
            0o644,
        )
        .copy(server.ca_file(), "/etc/jetond/ca.pem", 0o644)
        .file(
            "/etc/jetond/template.toml",
            template(server.port()).as_bytes(),
            0o644,
        )
        .file(
            "/etc/jetond/credentials/smtp.password",
            b"correct horse\n",
            0o600,
        );
    for unit in ["jetond.service", "jetond-once.service", "jetond-once.timer"] {
        machine.copy(
            &units.join(unit),
            &format!("/usr/lib/systemd/system/{unit}"),
            0o644,
        );
    }

    machine
        .copy(&units.join("sendmail.conf"), "/opt/sendmail.conf", 0o644)
        .reach(server.port());

    let ran = machine.run("service.sh");
    assert_eq!(ran.code, 0, "{}", ran.output);
    assert!(ran.output.ends_with("--- all done\n"), "{}", ran.output);

    // One reminder, once, whatever was restarted, stopped and killed since.
    let accepted = server.accepted();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert!(accepted[0].to[0].contains("<c.martin@ville.example>"));
    let heard = server.heard();
    let login: Vec<_> = heard
        .iter()
        .filter(|h| h.line.contains("correct horse"))
        .collect();
    assert!(
        !login.is_empty() && login.iter().all(|h| h.encrypted),
        "{heard:?}"
    );
    let history: Value = serde_json::from_str(&ran.collected("history.json")).unwrap();
    let sent = history["data"].as_array().unwrap().iter();
    let sent = sent.filter(|row| row["what"] == "mail_sent").count();
    assert_eq!(sent, 1, "{history}");
}

/// A config that needs nothing: mails as files, at any hour.
fn quiet(tokens: &[&str]) -> String {
    let mut text =
        "timezone = \"Europe/Paris\"\nlanguage = \"fr\"\ncontact = \"dsi@ville.example\"\n\
                    [schedule]\nwindow = \"00:00-24:00\"\n\
                    [mail]\nfrom = \"jetons@ville.example\"\ntransport = \"file\"\n"
            .to_owned();
    for id in tokens {
        text += &format!("[[token]]\nid = {id:?}\nname = {id:?}\nexpires = 2090-01-31\n");
    }
    text
}

/// The manager's side of the conversation.
struct Manager {
    place: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(place.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { place, socket }
    }

    fn start(&self, program: &Program, env: &[(&str, &str)]) -> Running {
        let mut command = program.command(&["run"]);
        command.env("NOTIFY_SOCKET", self.place.path().join("notify"));
        command.envs(env.iter().copied());
        Running::start(command)
    }

    /// The messages until one holds this line or its beginning, that one included.
    fn until(&self, line: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let mut room = [0; 8192];
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "no {line}, but {heard:?}");
            let n = self
                .socket
                .recv(&mut room)
                .unwrap_or_else(|e| panic!("no {line} ({e}), but {heard:?}"));
            let message = String::from_utf8(room[..n].to_vec()).unwrap();
            let found = message.lines().any(|l| l.starts_with(line));
            heard.push(message);
            if found {
                return heard;
            }
        }
    }
}

#[test]
fn the_manager_hears_of_the_start_each_pass_a_reload_and_the_end() {
    let manager = Manager::new();
    let program = Program::new(&quiet(&["a"]));
    let daemon = manager.start(&program, &[("WATCHDOG_USEC", "300000")]);
    manager.until("READY=1");
    manager.until("STATUS=rien en attente, prochain créneau 2 novembre 2089 00:00");
    manager.until("WATCHDOG=1");

    program.rewrite(&quiet(&["a", "b"]));
    daemon.signal("HUP");
    let reloading = manager.until("RELOADING=1").pop().unwrap();
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let heard = manager.until("READY=1").concat();
    let summary = "STATUS=relu\u{a0}: +1 jeton\u{a0}; prochain courriel inchangé\n";
    assert!(heard.contains(summary), "{heard}");

    program.rewrite("nonsense");
    daemon.signal("HUP");
    manager.until("RELOADING=1");
    let heard = manager.until("READY=1").concat();
    assert!(
        heard.contains("STATUS=relecture REFUSÉE\u{a0}: "),
        "{heard}"
    );
    manager.until(
        "STATUS=rien en attente, prochain créneau 2 novembre 2089 00:00 – relecture REFUSÉE",
    );

    daemon.signal("TERM");
    manager.until("STOPPING=1");
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn the_watchdog_of_another_process_is_not_answered() {
    let manager = Manager::new();
    let program = Program::new(&quiet(&["a"]));
    let env = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let daemon = manager.start(&program, &env);
    let mut heard = manager.until("STATUS=rien en attente");
    daemon.signal("TERM");
    heard.extend(manager.until("STOPPING=1"));
    assert!(!heard.concat().contains("WATCHDOG=1"), "{heard:?}");
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn reload_waits_for_what_the_daemon_took_over_or_refused() {
    let program = Program::new(&quiet(&["a", "b", "c", "d"]));
    let reload = || {
        let output = program
            .command(&["reload", "--lang", "en"])
            .output()
            .unwrap();
        (output.status.code(), said(&output))
    };
    let (code, words) = reload();
    assert_eq!(code, Some(5), "{words}");
    assert!(words.contains("no daemon runs on"), "{words}");

    let daemon = Running::start(program.command(&["run"]));
    daemon.wait_for("watching");
    program.rewrite(&quiet(&["a", "b", "c", "e", "f"]).replace("name = \"a\"", "name = \"A\""));
    let (code, words) = reload();
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("reloaded: +2 tokens, 1 changed (name), 1 archived; next mail unchanged"),
        "{words}"
    );

    program.rewrite("nonsense");
    let (code, words) = reload();
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("config.toml:1:"), "{words}");

    // Twice the same refusal: each has its own answer.
    program.rewrite(&quiet(&["a"]));
    for _ in 0..2 {
        let (code, words) = reload();
        assert_eq!(code, Some(5), "{words}");
        assert!(words.contains("it would archive 4 tokens"), "{words}");
    }
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn the_units_are_sound_and_hardened() {
    let analyze = |args: &[&str]| Command::new("systemd-analyze").args(args).output();
    if debian::asked_for().is_none() {
        return;
    }
    if analyze(&["--version"]).is_err() {
        debian::left_out("systemd-analyze is not here");
        return;
    }
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    let place = tempfile::tempdir().unwrap();
    for unit in ["jetond.service", "jetond-once.service", "jetond-once.timer"] {
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        let text = text.replace("/usr/bin/jetond", env!("CARGO_BIN_EXE_jetond"));
        std::fs::write(place.path().join(unit), text).unwrap();
    }
    for unit in ["jetond.service", "jetond-once.service", "jetond-once.timer"] {
        let path = place.path().join(unit);
        let verified = analyze(&["verify", "--man=no", path.to_str().unwrap()]).unwrap();
        let words = said(&verified);
        assert!(verified.status.success(), "{unit}: {words}");
        // A line that it does not understand is no error for it.
        assert!(!words.contains("ignoring"), "{unit}: {words}");
        if unit.ends_with(".service") {
            // 12: an exposure of 1.2.
            let scored = analyze(&[
                "security",
                "--offline=true",
                "--threshold=12",
                path.to_str().unwrap(),
            ])
            .unwrap();
            assert!(scored.status.success(), "{unit}: {}", said(&scored));
        }
    }
}
