//! The store's share of a mail's way: claim, facts, doubt, outcome; microseconds of processor
//! and of clock for each mail, 20,000 of them due. Then a claim of 256 with 1,000, 100,000 and
//! 1,000,000 due: it costs what it takes.
#![expect(clippy::print_stdout, reason = "a benchmark prints its tables")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use jetond::app;
use jetond::config::{self, Surroundings};
use jetond::domain::body::{Body, Form, Seams};
use jetond::renewal::reconcile::{Brake, reconcile};
use jetond::store::Store;
use jetond::store::outbox::{Bounds, Claimed, Doubt, Wanted};
use jetond::store::settle::{Entered, Settled, Settlement};
use rustix::time::{ClockId, clock_gettime};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use support::{TO_FILES, date, head, person, place, token};
use tokio::runtime::Runtime;

/// Mails whose outcomes, and whose next ones' doubts, are one transaction.
const GROUP: usize = 128;
const BATCH: i64 = 256;
/// A mail's bytes: those it shares with others, those it does not, and their seams.
const SHARED: usize = 11_500;
const OWN: usize = 1_500;
const SEAMS: usize = 24;

fn main() {
    let mails: usize = std::env::args()
        .filter_map(|a| a.parse().ok())
        .next()
        .unwrap_or(20_000);
    let runtime = Runtime::new().expect("a runtime");
    println!("{mails} mails, groups of {GROUP}; processor / clock, µs a mail\n");
    println!(
        "| bodies | outcome | claim | facts | doubt + outcome | all |\n|---|---|---|---|---|---|"
    );
    for (name, shape) in [("sparse", Shape::Sparse), ("whole", Shape::Whole)] {
        runtime.block_on(way(name, mails, shape, End::Sent));
    }
    runtime.block_on(way("sparse", mails, Shape::Sparse, End::Deferred));
    println!("\n| due | a claim of {BATCH}, processor / clock, µs a mail |\n|---|---|");
    for due in [1_000, 100_000, 1_000_000] {
        runtime.block_on(claims(due));
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Sparse,
    Whole,
}

#[derive(Clone, Copy)]
enum End {
    Sent,
    Deferred,
}

/// Time of the whole process and of the clock, added up.
#[derive(Default)]
struct Spent {
    processor: Duration,
    clock: Duration,
}

struct Watch {
    processor: Duration,
    clock: Instant,
}

impl Watch {
    fn start() -> Self {
        Self {
            processor: processor(),
            clock: Instant::now(),
        }
    }

    fn stop(&self, spent: &mut Spent) {
        spent.processor += processor() - self.processor;
        spent.clock += self.clock.elapsed();
    }
}

impl Spent {
    fn shown(&self, mails: usize) -> String {
        let each = |d: Duration| d.as_secs_f64() * 1e6 / mails as f64;
        format!("{:.1} / {:.1}", each(self.processor), each(self.clock))
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            processor: self.processor + other.processor,
            clock: self.clock + other.clock,
        }
    }
}

fn processor() -> Duration {
    let at = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        at.tv_sec.cast_unsigned(),
        u32::try_from(at.tv_nsec).expect("less than a second"),
    )
}

/// Every stage of the way of so many mails, as the sender goes it.
async fn way(name: &str, mails: usize, shape: Shape, end: End) {
    let (store, now, _place) = due(mails).await;
    let bodies = bodies(shape);
    let (mut claim, mut facts, mut commits) =
        (Spent::default(), Spent::default(), Spent::default());
    let mut done = 0;
    let mut settled: Vec<Settled> = Vec::new();
    loop {
        let watch = Watch::start();
        let claimed = store
            .claim(Wanted::All, now, BATCH, &Bounds::default())
            .await
            .expect("the store works");
        watch.stop(&mut claim);
        if claimed.is_empty() {
            break;
        }
        let watch = Watch::start();
        read_facts(&store, &claimed, now).await;
        watch.stop(&mut facts);
        for group in claimed.chunks(GROUP) {
            let doubts: Vec<Doubt> = group
                .iter()
                .enumerate()
                .map(|(n, m)| Doubt {
                    mail: m.no,
                    fence: m.fence,
                    content: bodies[n % bodies.len()].clone(),
                    carried: 1,
                })
                .collect();
            let next: Vec<Settled> = group.iter().map(|m| outcome(m, end, now)).collect();
            let watch = Watch::start();
            let mut tx = store.begin().await.expect("the store works");
            tx.settle(&settled, &[], now)
                .await
                .expect("the store works");
            let may = tx.enter_doubt(&doubts, now).await.expect("the store works");
            tx.commit().await.expect("the store works");
            watch.stop(&mut commits);
            assert!(may.iter().all(|may| *may));
            settled = next;
        }
        done += claimed.len();
    }
    store
        .settle(&settled, &[], now)
        .await
        .expect("the store works");
    assert_eq!(done, mails);
    store.close().await;
    let all = claim.and(&facts).and(&commits);
    let end = match end {
        End::Sent => "250",
        End::Deferred => "450 at the dot",
    };
    let [claim, facts, commits, all] = [claim, facts, commits, all].map(|spent| spent.shown(mails));
    println!("| {name} | {end} | {claim} | {facts} | {commits} | {all} |");
}

fn outcome(mail: &Claimed, end: End, now: DateTime<Utc>) -> Settled {
    let outcome = match end {
        End::Sent => Settlement::Sent {
            subject: "Jeton « Marchés publics » : expire dans 90 jours, le 28 février 2027"
                .to_owned(),
            body: None,
        },
        End::Deferred => Settlement::Deferred {
            next_at: now + chrono::Duration::minutes(5 + mail.no % 7),
        },
    };
    Settled {
        mail: mail.no,
        fence: mail.fence,
        outcome,
        entered: Entered::Yes,
        reply: "250 2.0.0 Ok: queued as 4dHkPq0Xz9z1".to_owned(),
    }
}

async fn read_facts(store: &Store, claimed: &[Claimed], now: DateTime<Utc>) {
    let rows: Vec<i64> = claimed.iter().map(|m| m.no).collect();
    let carried = store.carried(&rows).await.expect("the store works");
    assert_eq!(carried.len(), claimed.len());
    let mut tokens: Vec<i64> = carried.iter().map(|c| c.token).collect();
    tokens.sort_unstable();
    tokens.dedup();
    let people = store.people(&tokens).await.expect("the store works");
    assert!(people.len() >= tokens.len());
    let recipients: Vec<&str> = claimed.iter().map(|m| m.recipient.as_str()).collect();
    let day = chrono::Duration::days(1);
    store
        .counted_besides(&recipients, now - day, now + day, &rows)
        .await
        .expect("the store works");
}

/// Some bodies of the size of real ones.
fn bodies(shape: Shape) -> Vec<Body> {
    let shared: Vec<u8> = (0..SHARED)
        .map(|n| b'a' + u8::try_from(n % 26).expect("small"))
        .collect();
    let form = Arc::new(Form::new(shared));
    (0..64_u8)
        .map(|n| {
            let own = vec![n; OWN];
            match shape {
                Shape::Whole => Body::Whole([own.as_slice(), &form.shared].concat()),
                Shape::Sparse => {
                    let mut seams = Seams::default();
                    for _ in 0..SEAMS {
                        seams.own(OWN / SEAMS);
                        seams.shared(SHARED / SEAMS);
                    }
                    seams.own(OWN % SEAMS);
                    seams.shared(SHARED % SEAMS);
                    let own = seams.own_of(&[own.as_slice(), &form.shared].concat());
                    Body::Sparse {
                        form: Arc::clone(&form),
                        own,
                    }
                }
            }
        })
        .collect()
}

/// A store of so many tokens, each with a reminder that is due, by the real functions.
async fn due(mails: usize) -> (Store, DateTime<Utc>, tempfile::TempDir) {
    let mut text = head(TO_FILES);
    let now = date("2026-11-16");
    let issued = now + chrono::Days::new(80) - chrono::Months::new(18);
    for n in 0..mails {
        token(&mut text, &format!("jeton-{n}"), issued, &[person(n)]);
    }
    let (place, file) = place(&text);
    let surroundings = Surroundings {
        now: jetond::clock::now(),
    };
    let config = config::load(&file, &surroundings)
        .expect("a sound configuration")
        .config;
    let now = config.calendar.opening(now) + chrono::Duration::hours(9);
    let store = Store::open(&place.path().join("jetond.db"))
        .await
        .expect("a new store");
    reconcile(&store, app::declaration(&config), Brake::Archive, now)
        .await
        .expect("the store works");
    let ticked = app::planner(&config)
        .tick(&store, now)
        .await
        .expect("the store works");
    assert_eq!(ticked.owed, mails);
    (store, now, place)
}

/// Claims from a store with so many mails due, of eight urgencies.
async fn claims(due: usize) {
    const CLAIMS: usize = 8;
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = place.path().join("jetond.db");
    Store::open(&path).await.expect("a new store").close().await;
    fill(&path, due).await;
    let store = Store::open(&path).await.expect("the store");
    let now = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
    let mut spent = Spent::default();
    let mut claimed = 0;
    for _ in 0..CLAIMS.min(due / 256 + 1) {
        let watch = Watch::start();
        let mails = store
            .claim(Wanted::All, now, BATCH, &Bounds::default())
            .await
            .expect("the store works");
        watch.stop(&mut spent);
        claimed += mails.len();
    }
    store.close().await;
    println!("| {due} | {} |", spent.shown(claimed));
}

async fn fill(path: &Path, due: usize) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("synchronous", "OFF");
    let pool = SqlitePool::connect_with(options).await.expect("the store");
    sqlx::query(
        "INSERT INTO mail (message_id, kind, cause, recipient, address, state, urgency, created_at, next_at, domain) \
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1) \
         SELECT n || '@ville.example', 'reminder', '', r, r, 'queued', n % 8 * 15, 1700000000, 1700000000 + n % 1000, 'agence-' || (n % 97) || '.example' \
         FROM (SELECT n, 'personne.' || n || '@agence-' || (n % 97) || '.example' AS r FROM n)",
    )
    .bind(i64::try_from(due).expect("a number of mails"))
    .execute(&pool)
    .await
    .expect("the mails");
    pool.close().await;
}
