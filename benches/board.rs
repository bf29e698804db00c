//! The overview with 100,000 tokens and sixty days of mails behind them; goal: 200 ms a page on
//! the server.
//!
//! A page is asked for over HTTP after each of a few writes, so that nothing of it was kept, and
//! again without one. Between two pages there is a pause, as the server takes it anyway.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chrono::DateTime;
use jetond::app;
use jetond::clock;
use jetond::config::{self, Surroundings};
use jetond::health::{Checkup, Vitals};
use jetond::renewal::reconcile::Brake;
use jetond::simulate;
use jetond::store::Store;
use jetond::web::{self, Limits, Live, Site};
use support::{TO_FILES, head, median, ms, person, place, timed, token};
use tokio_util::sync::CancellationToken;

const TOKENS: usize = 100_000;

/// Longer than the server rests after a page.
const PAUSE: Duration = Duration::from_millis(1200);

fn main() {
    let mut text = head(TO_FILES);
    text += "[web]\nlisten = \"127.0.0.1:8080\"\n";
    let now = clock::now();
    let past = now - chrono::Duration::days(60);
    for n in 0..TOKENS {
        let issued = (now - chrono::Duration::days((n * 7919 % 565) as i64)).date_naive();
        let people = [person(2 * n % 30_000), person((2 * n + 1) % 30_000)];
        token(&mut text, &format!("jeton-{n}"), issued, &people);
    }
    let (_place, file) = place(&text);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut rows, at, store) = runtime.block_on(prepare(&file, past, now));
    println!("{TOKENS} tokens; medians of 5");
    println!("| page | ms | bytes | goal |\n|---|---|---|---|");
    let (first, page) = timed(|| get(at, "/"));
    rows.push(("/, the first of all", first, page.len(), ""));
    for (name, path, writes, goal) in [
        ("/, after a write", "/", true, "≤ 200"),
        ("/, nothing written", "/", false, ""),
        ("/timeline, the last page", "/timeline?page=500", true, ""),
        ("/health", "/health", true, ""),
    ] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..5 {
            std::thread::sleep(PAUSE);
            if writes {
                let written = runtime.block_on(store.record_pass(clock::now()));
                written.expect("the store is written");
            }
            let (time, page) = timed(|| get(at, path));
            times.push(time);
            bytes = page.len();
        }
        rows.push((name, median(&times), bytes, goal));
    }
    for (name, time, bytes, goal) in rows {
        println!("| {name} | {} | {bytes} | {goal} |", ms(time));
    }
}

type Row = (&'static str, Duration, usize, &'static str);

/// A store with its history, its pages, and what it took to find coverage out.
async fn prepare(
    file: &std::path::Path,
    past: DateTime<chrono::Utc>,
    now: DateTime<chrono::Utc>,
) -> (Vec<Row>, SocketAddr, Store) {
    let surroundings = Surroundings { now: past };
    let config = config::load(file, &surroundings).expect("a config").config;
    let store = Store::open(&config.store).await.expect("a store");
    app::take_over(&config, &store, Brake::Keep, past)
        .await
        .expect("the store works");
    let clerk = app::clerk(&config, store.clone());
    let mut mails = 0;
    simulate::run(&clerk, &app::planner(&config), None, past, now, |_, all| {
        mails += all.len();
    })
    .await
    .expect("the store works");
    store.record_pass(now).await.expect("the store works");
    let reader = Store::open_to_read(&config.store).await.expect("a reader");
    let site = Site {
        reader,
        ..app::site(&config, &clerk, clock::now)
    };
    let began = Instant::now();
    let vitals = Vitals::look(&store, &config.calendar, now).await;
    let row = (
        "(the audit of coverage, beside it)",
        began.elapsed(),
        mails,
        "",
    );
    site.bulletin.put(Checkup {
        at: now,
        vitals: Some(vitals.expect("the store works")),
        ills: Vec::new(),
    });
    let listener = web::bind("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("a port");
    let at = listener.local_addr().expect("an address");
    let live = Live::new(site);
    let pages = (web::router(live.clone()), live);
    tokio::spawn(web::serve(
        listener,
        pages,
        Limits::default(),
        CancellationToken::new(),
    ));
    (vec![row], at, store)
}

/// A page.
fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("the server listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}
