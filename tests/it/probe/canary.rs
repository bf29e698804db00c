//! A token's own text is found nowhere after everything that can happen to it: not in the
//! database nor its log, in no mail, in no line of the log, in no word of an error.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Asking, jwt};
use crate::support::api_server::{Does, alive, error, over_volume, page};

const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// What was logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The parts of a token that are secret, and longer ones that a server may cut out of it; in small
/// letters, since a change of case hides little.
pub(super) fn canaries(token: &str) -> Vec<Vec<u8>> {
    let (_, after_header) = token.split_once('.').unwrap();
    let after_header = after_header.to_ascii_lowercase();
    let bytes = after_header.as_bytes();
    let parts = bytes.windows(16).step_by(8);
    parts.map(<[u8]>::to_vec).collect()
}

pub(super) fn assert_clean(place: &str, bytes: &[u8], canaries: &[Vec<u8>]) {
    let bytes = bytes.to_ascii_lowercase();
    for canary in canaries {
        let found = memchr::memmem::find(&bytes, canary);
        assert_eq!(found, None, "{place}: {}", String::from_utf8_lossy(canary));
    }
}

/// Every file below a directory, but the secrets themselves.
pub(super) fn assert_clean_files(directory: &Path, canaries: &[Vec<u8>]) -> usize {
    let mut seen = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen += assert_clean_files(&path, canaries);
        } else if path.extension().is_none_or(|e| e != "jwt") {
            assert_clean(
                &path.display().to_string(),
                &std::fs::read(&path).unwrap(),
                canaries,
            );
            seen += 1;
        }
    }
    seen
}

#[test]
fn a_token_is_found_nowhere_after_everything_that_can_happen() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // The subscriber is this thread's: so is the runtime.
    let _here = subscriber.set_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(everything());
    let lines = log.0.lock().unwrap().clone();
    assert!(
        String::from_utf8_lossy(&lines).contains("asked"),
        "the log was seen"
    );
    assert_clean("log", &lines, &canaries(&jwt("m")));
}

async fn everything() {
    let canaries = canaries(&jwt("m"));
    let mut asking = Asking::start(&["m"], "2026-12-01", MORNING).await;
    let text = jwt("m");
    let spaced: String = text.chars().flat_map(|c| [c, '\u{200b}']).collect();
    let late = " ".repeat(64 * 1024 - 200) + &text;
    let said = |body: String| Does::Says(500, String::new(), body);
    for does in [
        alive(&["entreprises"]),
        Does::Echoes(401),
        Does::Echoes(200),
        Does::Echoes(500),
        said(format!("<p>{text}</p> {}", &text[40..])),
        said(late),
        said(spaced),
        said(text[text.len() / 2..].to_owned()),
        Does::Says(
            200,
            String::new(),
            serde_json::json!({"data": {"privileges": [text, "a"]}}).to_string(),
        ),
        error(401, "00105"),
        over_volume("Retry-After: 60\r\n"),
        page(200),
        Does::Drops,
        Does::Garbage,
        Does::Hangs,
        Does::Drips,
        Does::Huge,
    ] {
        asking.server.will([does]);
        let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
        let shown = format!("{told:?} {:?}", asking.probed("m").await);
        assert_clean("what was heard", shown.as_bytes(), &canaries);
        asking.town.pass().await;
        assert!(assert_clean_files(asking.town.dir(), &canaries) > 2);
        asking.town.now += Duration::days(1);
    }
    // A secret that cannot be used is told of without it.
    for wrong in [
        text.replace('.', " "),
        format!("{text}\u{e9}"),
        jwt("other"),
        "x".repeat(20_000),
    ] {
        asking.give("m", &wrong);
        let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
        let shown = format!(
            "{told:?} {:?} {:?}",
            asking.asker(),
            asking.probed("m").await
        );
        assert_clean("why not", shown.as_bytes(), &canaries);
    }
    // Nor does a panic with everything at hand show it.
    let asker = asking.asker();
    let panicked = tokio::spawn(async move { panic!("{asker:?}") })
        .await
        .unwrap_err();
    let shown = format!("{:?}", panicked.into_panic().downcast_ref::<String>());
    assert_clean("panic", shown.as_bytes(), &canaries);
    asking.town.stop().await;
    assert!(assert_clean_files(asking.town.dir(), &canaries) > 2);
    let leaked = asking
        .server
        .told()
        .into_iter()
        .filter(|t| !t.line.starts_with("GET /privileges"));
    for told in leaked {
        assert_clean("ping", format!("{told:?}").as_bytes(), &canaries);
    }
}
