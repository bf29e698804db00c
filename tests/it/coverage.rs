//! Promise 1: what is owed is settled or on its way, and what is not is counted. Each way of
//! being uncovered is brought about, so that a count of 0 means something.

use jetond::store::coverage::Why;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

const EXPIRES: &str = "2026-12-15";
const BEFORE: &str = "2026-11-29T08:00:00Z";
const MORNING: &str = "2026-11-30T08:00:00Z";

async fn whys(town: &Town) -> Vec<(Why, i32)> {
    let found = town
        .store()
        .uncovered(&town.config().calendar, town.now)
        .await
        .unwrap();
    found.into_iter().map(|u| (u.why, u.stage)).collect()
}

pub(crate) async fn edit(town: &Town, sql: &'static str) {
    let path = town.dir().join("jetond.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn started(server: &SmtpServer) -> Town {
    let mut town = Town::start(
        &(head(server.port()) + &token("marches", EXPIRES, &["a@ville.example"])),
        at(BEFORE),
    )
    .await;
    assert_eq!(town.pass().await.sent, 1, "the catch-up of stage 30");
    assert_eq!(town.uncovered().await, 0);
    // A stage counts as unseen two minutes after its slot: a pass comes each minute.
    town.now = at(MORNING);
    assert_eq!(whys(&town).await, []);
    town.now += chrono::Duration::minutes(2);
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_stage_that_no_pass_has_seen_is_uncovered_until_one_does() {
    let server = SmtpServer::start(Script::new());
    let town = started(&server).await;
    assert_eq!(whys(&town).await, [(Why::Unseen, 15)]);
    town.pass().await;
    assert_eq!(whys(&town).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_does_not_believe_what_the_tick_noted() {
    let server = SmtpServer::start(Script::new());
    let town = started(&server).await;
    // A tick that is wrong about when to look again would never see the stage.
    edit(&town, "UPDATE token SET next_due_at = NULL").await;
    assert_eq!(town.pass().await.claimed, 0);
    assert_eq!(whys(&town).await, [(Why::Unseen, 15)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_open_for_more_than_a_day_is_uncovered() {
    let server = SmtpServer::start(Script::new().at(Phase::Rcpt, Act::Reply("450 4.7.1 later")));
    let mut town = Town::start(
        &(head(server.port()) + &token("marches", EXPIRES, &["a@ville.example"])),
        at(BEFORE),
    )
    .await;
    town.pass().await;
    assert_eq!(whys(&town).await, []);
    town.now += chrono::Duration::hours(24);
    town.pass().await;
    // Stage 15 became due meanwhile and took the place of stage 30 in the open mail: it is on
    // its day, and what was late is absorbed.
    assert_eq!(whys(&town).await, []);
    town.now += chrono::Duration::hours(25);
    assert_eq!(whys(&town).await, [(Why::Late, 15)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_no_mail_will_take_up_is_uncovered() {
    let server = SmtpServer::start(Script::new());
    let town = started(&server).await;
    town.rig().tick(town.now).await.unwrap();
    assert_eq!(whys(&town).await, []);
    edit(
        &town,
        "UPDATE mail SET next_at = NULL, state = 'cancelled', settled_at = created_at WHERE state = 'queued'",
    )
    .await;
    assert_eq!(whys(&town).await, [(Why::Stranded, 15)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_without_a_mail_is_uncovered_and_the_next_pass_takes_it_up() {
    let server = SmtpServer::start(Script::new());
    let town = started(&server).await;
    town.rig().tick(town.now).await.unwrap();
    edit(&town, "UPDATE notice SET mail = NULL WHERE state = 'owed'").await;
    edit(
        &town,
        "UPDATE mail SET next_at = NULL, state = 'cancelled', settled_at = created_at WHERE state = 'queued'",
    )
    .await;
    assert_eq!(whys(&town).await, [(Why::Stranded, 15)]);
    assert_eq!(town.pass().await.sent, 1);
    assert_eq!(whys(&town).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_waits_for_the_window_is_covered() {
    let server = SmtpServer::start(Script::new());
    let friday_evening = at("2026-11-27T20:00:00Z");
    let config = head(server.port())
        + "[schedule]\ndays = \"working\"\n"
        + &token("marches", EXPIRES, &["a@ville.example"]);
    let mut town = Town::start(&config, friday_evening).await;
    town.pass().await;
    town.now = at("2026-11-30T07:59:00Z");
    assert_eq!(whys(&town).await, [], "all weekend");
    assert_eq!(town.pass_after(1).await.sent, 1);
}
