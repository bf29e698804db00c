//! The heartbeat: success only when all is well, the reason otherwise, and no monitor, however
//! it behaves, holds up the watch or learns what it should not.

use std::time::Duration;

use jetond::config::{Beacon, Form, Heartbeat};
use jetond::heartbeat::{PingError, Pinger, Pulse};
use jetond::http::Fault;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;

use crate::support::daemon::{Town, head, token};
use crate::support::http_server::{Answer, Asked, HttpServer};
use crate::support::program::{Program, Running};
use crate::support::smtp_server::{Act, Cert, Phase, Script, SmtpServer};

/// Part of every address here; it must be nowhere else.
const KEY: &str = "s3cret-0123";

fn beat(url: String) -> Heartbeat {
    Heartbeat {
        url: Beacon::Url(SecretString::from(url)),
        form: None,
    }
}

fn plain(server: &HttpServer) -> Heartbeat {
    beat(format!("http://127.0.0.1:{}/{KEY}", server.port()))
}

/// A ping that has to end within a second and says how it went.
async fn ping(heartbeat: &Heartbeat, pulse: &Pulse) -> Result<(), PingError> {
    let said = Pinger::new(Duration::from_secs(1), None)
        .ping(heartbeat, pulse)
        .await;
    if let Err(e) = &said {
        assert!(!format!("{e} {e:?}").contains(KEY), "{e}");
    }
    said
}

fn asked(line: &str, body: &str) -> Asked {
    Asked {
        line: line.to_owned(),
        body: body.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_monitors_hear_of_health_and_of_illness() {
    let server = HttpServer::start(Answer::Status(200));
    let ill = Pulse::Ill("relay unreachable for 2 h".to_owned());
    for pulse in [&Pulse::Well, &ill] {
        assert_eq!(ping(&plain(&server), pulse).await, Ok(()));
    }
    let kuma = beat(format!("http://127.0.0.1:{}/api/push/{KEY}", server.port()));
    for pulse in [&Pulse::Well, &ill] {
        assert_eq!(ping(&kuma, pulse).await, Ok(()));
    }
    let told = Heartbeat {
        form: Some(Form::Healthchecks),
        ..kuma
    };
    assert_eq!(ping(&told, &Pulse::Well).await, Ok(()));
    assert_eq!(
        server.asked(),
        [
            asked(&format!("GET /{KEY}"), ""),
            asked(&format!("POST /{KEY}/fail"), "relay unreachable for 2 h"),
            asked(&format!("GET /api/push/{KEY}?status=up&msg=OK&ping="), ""),
            asked(
                &format!("GET /api/push/{KEY}?status=down&msg=relay+unreachable+for+2+h&ping="),
                ""
            ),
            asked(&format!("GET /api/push/{KEY}"), ""),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_misbehaves_is_left_in_time() {
    let late = PingError::Fault(Fault::Unanswered(Duration::from_secs(1)));
    for answer in [Answer::Hang, Answer::Drip] {
        let server = HttpServer::start(answer.clone());
        let said = ping(&plain(&server), &Pulse::Well).await;
        assert_eq!(said, Err(late.clone()), "{answer:?}");
    }
    for answer in [Answer::Garbage, Answer::Drop, Answer::HugeHead] {
        let server = HttpServer::start(answer.clone());
        let said = ping(&plain(&server), &Pulse::Well).await;
        assert!(
            matches!(said, Err(PingError::Fault(Fault::Protocol(_)))),
            "{answer:?}: {said:?}"
        );
    }
    for status in [404, 500] {
        let server = HttpServer::start(Answer::Status(status));
        let said = ping(&plain(&server), &Pulse::Well).await;
        assert_eq!(said, Err(PingError::Status(status)));
    }
    // Its head was enough: the body is not waited for.
    let server = HttpServer::start(Answer::Huge);
    assert_eq!(ping(&plain(&server), &Pulse::Well).await, Ok(()));
    let port = server.port();
    drop(server);
    let nobody = beat(format!("http://127.0.0.1:{port}/{KEY}"));
    let said = ping(&nobody, &Pulse::Well).await;
    assert!(
        matches!(said, Err(PingError::Fault(Fault::Connect(_)))),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirection_is_told_and_not_followed() {
    let other = HttpServer::start(Answer::Status(200));
    let to = format!("http://127.0.0.1:{}/{KEY}", other.port());
    let server = HttpServer::start(Answer::Redirect(to));
    let said = ping(&plain(&server), &Pulse::Well).await;
    assert_eq!(said, Err(PingError::Redirected(301)));
    assert_eq!(other.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_for_its_name_by_a_trusted_authority_is_taken() {
    let trusting = |server: &HttpServer| {
        let mut roots = RootCertStore::empty();
        let pem = CertificateDer::from_pem_file(server.ca_file()).unwrap();
        roots.add(pem).unwrap();
        Pinger::new(Duration::from_secs(10), Some(roots))
    };
    for (cert, is_taken) in [
        (Cert::Valid, true),
        (Cert::Expired, false),
        (Cert::WrongHost, false),
        (Cert::UnknownCa, false),
    ] {
        let server = HttpServer::start_tls(Answer::Status(200), cert);
        let https = beat(format!("https://localhost:{}/{KEY}", server.port()));
        let said = trusting(&server).ping(&https, &Pulse::Well).await;
        if is_taken {
            assert_eq!(said, Ok(()));
        } else {
            assert!(
                matches!(said, Err(PingError::Fault(Fault::Tls(_)))),
                "{cert:?}: {said:?}"
            );
        }
        assert_eq!(server.asked().len(), usize::from(is_taken), "{cert:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_elsewhere_is_read_at_each_use_and_never_shown() {
    let source = jetond::config::SecretSource::File("/nonexistent/heartbeat.url".into());
    let absent = Heartbeat {
        url: Beacon::Secret(source),
        form: None,
    };
    let said = ping(&absent, &Pulse::Well).await;
    assert!(matches!(said, Err(PingError::Address(_))), "{said:?}");
    let wrong = beat(format!("ftp://a.example/{KEY}"));
    let said = ping(&wrong, &Pulse::Well).await;
    assert!(matches!(said, Err(PingError::Address(_))), "{said:?}");
}

/// Everything may leave at any hour: these tests run on the machine's clock.
fn config(http: &HttpServer, smtp: &SmtpServer, tokens: &str) -> String {
    let (kuma, head) = (http.port(), head(smtp.port()));
    format!(
        "{head}[schedule]\nwindow = \"00:00-24:00\"\n[reports]\nweekly = false\n\
         [heartbeat]\nurl = \"http://127.0.0.1:{kuma}/api/push/{KEY}\"\n{tokens}"
    )
}

fn soon() -> String {
    let day = jetond::clock::now() + chrono::Duration::days(10);
    day.date_naive().to_string()
}

#[test]
fn the_daemon_is_heard_after_its_first_pass() {
    let (http, smtp) = (
        HttpServer::start(Answer::Status(200)),
        SmtpServer::start(Script::new()),
    );
    let tokens = token("marches", &soon(), &["a@ville.example"]);
    let program = Program::new(&config(&http, &smtp, &tokens));
    let running = Running::start(program.command(&["run"]));
    let heard = http.wait_for(1);
    assert_eq!(
        heard[0].line,
        format!("GET /api/push/{KEY}?status=up&msg=OK&ping=")
    );
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[test]
fn a_monitor_that_hangs_holds_no_mail_up() {
    let (http, smtp) = (
        HttpServer::start(Answer::Hang),
        SmtpServer::start(Script::new()),
    );
    let tokens = token("marches", &soon(), &["a@ville.example"]);
    let program = Program::new(&config(&http, &smtp, &tokens));
    let running = Running::start(program.command(&["run"]));
    http.wait_for(1);
    smtp.wait_for(1, 0);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[test]
fn a_ping_that_fails_is_logged_without_its_key() {
    let (http, smtp) = (
        HttpServer::start(Answer::Status(500)),
        SmtpServer::start(Script::new()),
    );
    let program = Program::new(&config(&http, &smtp, ""));
    let running = Running::start(program.command(&["run"]));
    running
        .wait_for("the heartbeat is not heard; it goes on host=127.0.0.1 error=the answer is 500");
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

/// What is owed waits for more than a day, and so the monitor hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_tells_what_is_uncovered() {
    let now = jetond::clock::now();
    let (http, smtp) = (
        HttpServer::start(Answer::Status(200)),
        SmtpServer::start(Script::new().at(Phase::Rcpt, Act::Reply("450 4.2.0 later"))),
    );
    let tokens = token("marches", &soon(), &["a@ville.example"]);
    let text = config(&http, &smtp, &tokens);
    let mut town = Town::start(&text, now - chrono::Duration::hours(27)).await;
    town.pass().await;
    town.stop().await;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jetond"));
    command.args(["run"]).current_dir(town.dir());
    let running = Running::start(command);
    let heard = http.wait_for(1);
    let down = "?status=down&msg=1+owed+reminder+is+not+on+the+way&ping=";
    assert_eq!(heard[0].line, format!("GET /api/push/{KEY}{down}"));
    assert!(!heard[0].line.contains("ville.example") && !heard[0].line.contains("marches"));
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[test]
fn the_config_shows_the_host_only() {
    let program = Program::new(&format!(
        "contact = \"dsi@ville.example\"\n[mail]\nfrom = \"jetons@ville.example\"\n[heartbeat]\nurl = \"https://hc-ping.com/{KEY}\"\n"
    ));
    let shown = program.command(&["config", "show"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("heartbeat.url = \"https://hc-ping.com/…\""),
        "{shown}"
    );
    assert!(!shown.contains(KEY));
}

#[test]
fn what_is_wrong_with_a_heartbeat_is_told_without_its_key() {
    let least = "contact = \"dsi@ville.example\"\n[mail]\nfrom = \"jetons@ville.example\"\n";
    for (keys, said) in [
        (
            "form = \"healthchecks\"".to_owned(),
            "there is a form and no url",
        ),
        (
            format!("url = \"ftp://a.example/{KEY}\""),
            "begins with https:// or http://",
        ),
        (
            format!("url = \"https://u:{KEY}@a.example/\""),
            "an account in the address",
        ),
        (
            format!("url = \"hc-ping.com/{KEY}\""),
            "this is not an address",
        ),
        (
            format!("url = \"https://hc-ping.com/{KEY}"),
            "config.toml:5:",
        ),
        (
            format!("url = {{ secret = \"{KEY}\" }}"),
            "neither an address nor where one is",
        ),
        (
            format!("ulr = \"https://hc-ping.com/{KEY}\""),
            "did you mean `url`?",
        ),
        (
            format!("url = \"https://a.example/{KEY}\"\nform = \"statuscake\""),
            "unknown form",
        ),
    ] {
        let program = Program::new(&format!("{least}[heartbeat]\n{keys}\n"));
        let output = program
            .command(&["check", "--lang", "en"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{keys}");
        let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(words.contains(said), "{keys}: {words}");
        assert!(!words.contains(KEY), "{words}");
    }
    let public = format!("{least}[heartbeat]\nurl = \"http://hc-ping.com/{KEY}\"\n");
    let output = Program::new(&public)
        .command(&["check", "--lang", "en"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        words.contains("travel in clear") && words.contains("after each pass, to hc-ping.com"),
        "{words}"
    );
    assert!(!words.contains(KEY), "{words}");
}
