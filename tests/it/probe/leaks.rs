//! The canary in the real program: its log at its most talkative, everything that it prints, every
//! page, the metrics, the calendar, the mails, the store with its log, a backup.
//!
//! Left out, and why: `/proc/PID/environ` holds a secret that an admin has put there (`env = …`),
//! and the memory holds it during a call. The command line is looked at. A server that repeats a
//! token in another coding (base64, hexadecimal) is not seen through: it has the token, and only a
//! slip of its own would write it down here.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::process::Command;

use super::canary::{assert_clean, assert_clean_files, canaries};
use super::{declared, head, jwt, section};
use crate::support::api_server::{ApiServer, Does, alive, error};
use crate::support::http_client::{request, talk};
use crate::support::private_file;
use crate::support::program::{Program, Running, said};
use crate::web::own_address;

/// Every page that can be reached from the first one, and the files beside them.
async fn pages(at: SocketAddr, seen: &mut BTreeSet<String>, canaries: &[Vec<u8>]) {
    let mut pending: VecDeque<String> = [
        "/",
        "/?lang=en",
        "/?lang=fr",
        "/metrics",
        "/healthz",
        "/readyz",
    ]
    .map(str::to_owned)
    .into();
    while let Some(path) = pending.pop_front() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let here = url::Url::parse(&format!("http://{at}{path}")).unwrap();
        let reply = talk(at, request("GET", &path, &at.to_string(), ""))
            .await
            .unwrap();
        assert!(reply.status < 500, "{path}: {reply:?}");
        assert_clean(&path, format!("{reply:?}").as_bytes(), canaries);
        for link in reply.body.split("href=\"").skip(1) {
            let link = link
                .split('"')
                .next()
                .unwrap_or_default()
                .replace("&amp;", "&");
            let Ok(link) = here.join(&link) else { continue };
            let path = link[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
            // Each way of sorting and filtering the same rows is not another page.
            if link.host_str() == here.host_str()
                && path.matches('&').count() < 2
                && seen.len() < 400
            {
                pending.push_back(path);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_shows_nothing_of_a_token_wherever_one_looks() {
    let canaries = canaries(&jwt("m"));
    let at = own_address();
    let server = ApiServer::start();
    let config = head()
        + &format!("[web]\nlisten = \"{at}\"\n")
        + &section(&server)
        + &declared("m", "2099-12-01")
        + "secret = { file = \"m.jwt\" }\n"
        + &declared("by-env", "2099-12-01")
        + "secret = { env = \"JETOND_TEST_M\" }\n";
    let config = config.replace(&super::jti("by-env"), &super::jti("m"));
    let mut program = Program::new(&config);
    let secret = program.place().join("m.jwt");
    private_file(&secret, &jwt("m"));
    // What it says on standard output is listened to as well.
    let runner = ["sh", "-c", "exec \"$@\" 1>&2", "sh"];
    program.run_through(&runner.map(std::ffi::OsStr::new));
    let talkative = |args: &[&str]| -> Command {
        let mut command = program.command(args);
        command
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("JETOND_TEST_M", jwt("m"));
        command
    };
    let made = talkative(&["run", "--once"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert_clean("run --once", said(&made).as_bytes(), &canaries);

    let running = Running::start(talkative(&["run"]));
    let mut log = running.words_until("watching");
    let mut seen = BTreeSet::new();
    for (does, pages_too) in [
        (Does::Echoes(401), true),
        (Does::Echoes(500), false),
        (Does::Echoes(200), false),
        (alive(&["entreprises"]), false),
        (Does::Drops, false),
        (Does::Huge, false),
        (error(401, "00105"), true),
    ] {
        server.always(does.clone());
        server.pings(error(503, "04001"));
        // A circuit that is open keeps persons from asking, too: it is closed by forgetting it.
        forget_circuit(&program).await;
        for args in [
            &["probe", "m"][..],
            &["probe", "by-env", "--json"],
            &["probe"],
        ] {
            let asked = talkative(args).output().unwrap();
            assert_clean(
                &format!("{args:?} {does:?}"),
                said(&asked).as_bytes(),
                &canaries,
            );
            forget_circuit(&program).await;
        }
        if pages_too {
            seen.clear();
            pages(at, &mut seen, &canaries).await;
            assert!(
                seen.len() > 30 && seen.iter().any(|p| p.contains(".csv")),
                "{seen:#?}"
            );
        }
    }
    assert!(server.asked("/privileges") > 20);
    for args in [
        &["check"][..],
        &["check", "--online"],
        &["check", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["list"],
        &["list", "--json"],
        &["show", "m"],
        &["show", "m", "--json"],
        &["status"],
        &["status", "--json"],
        &["explain", "m"],
        &["history", "--json"],
        &["outbox", "list", "--all", "--json"],
        &["preview", "m"],
        &["simulate", "--to", "2099-12-31"],
        &["export"],
        &["export", "--format", "json"],
        &["calendar"],
        &["backup", "copy.db"],
        &["backup", "copy.db", "verify"],
        &["reload"],
        &["archive", "m"],
    ] {
        let output = talkative(args).output().unwrap();
        assert!(!said(&output).is_empty(), "{args:?}");
        assert_clean(&format!("{args:?}"), said(&output).as_bytes(), &canaries);
    }
    let command = format!("/proc/{}/cmdline", running.id());
    assert_clean("cmdline", &std::fs::read(command).unwrap(), &canaries);
    assert!(
        assert_clean_files(program.place(), &canaries) > 4,
        "with its write-ahead log"
    );
    running.signal("TERM");
    let (code, words) = running.ended_with_its_words();
    assert_eq!(code, Some(0));
    log.extend(words);
    assert!(log.len() > 200, "the log was seen");
    assert_clean("log", log.join("\n").as_bytes(), &canaries);
    assert!(assert_clean_files(program.place(), &canaries) > 3);
}

async fn forget_circuit(program: &Program) {
    super::daemon::record(program, "DELETE FROM service").await;
}
