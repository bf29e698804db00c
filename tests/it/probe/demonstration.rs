//! Every row of what the API answers, played by the stand-in, with what an admin sees of each: the
//! log's and the commands' words, the page of the token, the mails. The real steps ask, believe,
//! queue and deliver; a death needs its second answer, so each answer is heard on two days.

use std::fmt::Write as _;
use std::process::Command;

use axum::Router;
use chrono::Duration;
use jetond::app;
use jetond::web::{Door, Limits, Site};

use super::Asking;
use crate::support::api_server::{
    ApiServer, Does, alive, alive_before, error, error_before, gateway_error, over_volume, page,
    ping, redirect,
};
use crate::support::http_client::talk;
use crate::support::smtp_server::Cert;
use crate::web::Server;

const MORNING: &str = "2026-11-16T09:00:00+01:00";
const FAR: &str = "2027-12-01";
const PAST: &str = "2026-11-10";

/// A row: what it is, the token's date, what the API answers about it, and without a token.
type Row = (&'static str, &'static str, Does, Does);

fn rows() -> Vec<Row> {
    let fine = || ping("ok", None);
    let down = || ping("bad_gateway", Some("2026-11-16T20:15:00Z"));
    let rights = &["entreprises", "etablissements"];
    let partial = || {
        let Does::Says(_, head, body) = alive(rights) else {
            unreachable!("a success is said");
        };
        Does::Says(206, head, body)
    };
    vec![
        ("200", FAR, alive(rights), fine()),
        (
            "200, as it was answered once",
            FAR,
            alive_before(rights),
            fine(),
        ),
        ("200, past the date", PAST, alive(rights), fine()),
        ("206", FAR, partial(), fine()),
        ("400", FAR, error(400, "00001"), fine()),
        ("404", FAR, error(404, "00404"), fine()),
        ("422, 00201", FAR, error(422, "00201"), fine()),
        ("451", FAR, error(451, "00451"), fine()),
        ("409, 00015", FAR, error(409, "00015"), fine()),
        ("401, 00101", FAR, error(401, "00101"), fine()),
        ("401, 00103", FAR, error(401, "00103"), fine()),
        (
            "401, 00103, past the date",
            PAST,
            error(401, "00103"),
            fine(),
        ),
        ("401, 00105", FAR, error(401, "00105"), fine()),
        ("401, 00106", FAR, error(401, "00106"), fine()),
        (
            "401, as it was written once",
            FAR,
            error_before(401),
            fine(),
        ),
        ("403, 00100", FAR, error(403, "00100"), fine()),
        ("403, 00107", FAR, error(403, "00107"), fine()),
        ("429", FAR, over_volume("Retry-After: 600\r\n"), fine()),
        ("500", FAR, error(500, "00500"), error(500, "00500")),
        (
            "502, the provider is down",
            FAR,
            error(502, "04501"),
            down(),
        ),
        (
            "502, of the older generation",
            FAR,
            gateway_error(502),
            down(),
        ),
        ("503", FAR, error(503, "00503"), error(503, "00503")),
        ("504", FAR, error(504, "04504"), fine()),
        ("no answer", FAR, Does::Drops, Does::Drops),
        ("no answer, though pings have one", FAR, Does::Drops, fine()),
        ("200 of a captive portal", FAR, page(200), page(200)),
        ("401 of a proxy", FAR, page(401), fine()),
        (
            "a redirection",
            FAR,
            redirect("https://ailleurs.example/"),
            fine(),
        ),
        (
            "401 whose codes contradict it",
            FAR,
            error(401, "00107"),
            fine(),
        ),
        ("10 MB", FAR, Does::Huge, fine()),
    ]
}

/// What a command says of the town at its present; lines about the API only.
fn said(asking: &Asking, lang: &str, args: &[&str]) -> String {
    let local = asking.local(asking.town.now).replace(' ', "T");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetond"));
    command.env_clear().current_dir(asking.town.dir());
    command.arg("-c").arg(asking.town.file());
    let output = command
        .args(["--lang", lang])
        .args(args)
        .args(["--at", &local])
        .output()
        .unwrap();
    let about = [
        "API",
        "asked",
        "answer",
        "said",
        "interrog",
        "cause",
        "réponse",
        "elle a dit",
        "rights",
        "droits",
        "may ask",
    ];
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("m  ") || about.iter().any(|word| line.contains(word)))
        .fold(String::new(), |all, line| {
            all + "  " + line.trim_end() + "\n"
        })
}

/// The words of the page's part about the API.
async fn on_the_page(asking: &Asking, lang: &str) -> String {
    let site = Site {
        door: Door {
            is_at_home: true,
            ..Door::default()
        },
        ..app::site(
            asking.town.config(),
            asking.town.rig().sender.clerk(),
            || crate::support::daemon::at("2026-11-18T09:00:00Z"),
        )
    };
    let server = Server::on(site, Limits::default(), Router::new()).await;
    let asked = format!("GET /tokens/m?lang={lang} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let reply = talk(server.at, asked).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut words = String::new();
    for part in reply.body.split("<p class=\"").skip(1) {
        let (head, rest) = part.split_once('>').unwrap();
        let (text, _) = rest.split_once("</p>").unwrap();
        if text.contains("API") && head.contains("note") {
            let _ = writeln!(words, "  {}", text.trim());
        }
    }
    words
}

async fn played(row: &Row, lang: &str) -> String {
    let (name, expires, does, pings) = row;
    let mut asking = Asking::start(&["m"], expires, MORNING).await;
    asking.server.always(does.clone());
    asking.server.pings(pings.clone());
    asking.until_called(2).await;
    let seen = asking.probed("m").await;
    let port = asking.server.port().to_string();
    // In the window of the next day, what was queued leaves.
    asking.town.now = crate::support::daemon::at("2026-11-18T09:00:00Z");
    assert!(asking.town.now - seen.known.asked_at.unwrap() < Duration::days(2));
    asking.town.pass().await;
    let mut all = format!("== {name}\n");
    for args in [&["list"][..], &["show", "m"], &["status"]] {
        let _ = write!(
            all,
            "$ jetond {}\n{}",
            args.join(" "),
            said(&asking, lang, args)
        );
    }
    let _ = write!(all, "page\n{}", on_the_page(&asking, lang).await);
    all += "mails\n";
    for mail in asking.town.mails().await {
        assert_eq!(mail.state.word(), "sent");
        let subject = mail.subject.unwrap_or_default();
        let _ = writeln!(all, "  {} {}: {subject}", mail.kind, mail.address);
    }
    all.replace(&port, "PORT")
        .replace(['\u{a0}', '\u{202f}'], "~")
        + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_with_what_an_admin_sees_of_it() {
    for lang in ["fr", "en"] {
        let mut all = String::new();
        for row in rows() {
            all += &played(&row, lang).await;
        }
        insta::assert_snapshot!(format!("demonstration_{lang}"), all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_is_no_answer() {
    for cert in [Cert::Expired, Cert::WrongHost, Cert::UnknownCa] {
        let mut asking = Asking::start(&["m"], FAR, MORNING).await;
        asking.server = ApiServer::with(cert);
        asking.probe.base_url = asking.server.probe().base_url;
        asking.probe.ca_file = asking.server.probe().ca_file;
        asking.until_called(1).await;
        let seen = asking.probed("m").await;
        assert_eq!((seen.known.belief, seen.known.suspicion), (None, None));
        assert_eq!(seen.last.unwrap().case.word(), "no_answer");
        assert_eq!(asking.server.asked("/privileges"), 0);
        let incident = asking.town.store().service().await.unwrap().incident;
        assert_eq!(incident.unwrap().side.word(), "our_side");
    }
}
