//! The life of a token, mail by mail, as a person would read it; and that a pass costs what is
//! due, not what is stored.

use jetond::store::Store;
use jetond::store::claim::{CLAIM, DUE_MAILS, DUE_URGENCIES};
use jetond::store::mailbook::OPEN_MAILS;
use jetond::store::plan::DUE_TOKENS;
use jetond::store::quota::{USED, USED_BY_DOMAIN};

use crate::oracle::civil::{DAY, Days, Instant, MINUTE, Window, Zone, day_of};
use crate::oracle::life::expected;
use crate::oracle::report;
use crate::oracle::scenario::{Dates, Edit, Recipient, Scenario, Token};
use crate::whole_life::drive::{Audit, live};

/// Local time in Paris: year, month, day, hour, minute.
fn at((y, m, d): (i64, i64, i64), hour: i64, minute: i64) -> Instant {
    let local = day_of(y, m, d) * DAY + (hour * 60 + minute) * MINUTE;
    Zone::of(chrono_tz::Europe::Paris).first(local)
}

fn told(address: &str, from_stage: Option<i64>) -> Recipient {
    Recipient {
        address: address.to_owned(),
        from_stage,
    }
}

#[tokio::test]
async fn the_life_of_a_token() {
    let id = || "t".to_owned();
    let scenario = Scenario {
        zone: chrono_tz::Europe::Paris,
        window: Window::of("09:00-18:00"),
        days: Days::Any,
        opens: None,
        stages: vec![90, 60, 30, 15, 7, 1],
        after_expiry: vec![0, 7, 30, 60, 90],
        then_every: 30,
        start: at((2025, 6, 16), 10, 0),
        end: at((2028, 7, 1), 0, 0),
        tokens: vec![Token {
            id: id(),
            dates: Dates::Issued(day_of(2025, 6, 15)),
            jti: None,
            recipients: vec![
                told("camille@x.example", None),
                told("dsi@x.example", Some(15)),
            ],
        }],
        edits: vec![
            // Somebody is told late, in the evening.
            (
                at((2026, 11, 20), 19, 5),
                Edit::AddRecipient(id(), told("late@x.example", None)),
            ),
            // Renewed a month after its end.
            (
                at((2027, 1, 20), 14, 30),
                Edit::SetDates(id(), Dates::Issued(day_of(2027, 1, 20))),
            ),
        ],
        // Forty days in which the machine was off.
        outages: vec![(at((2026, 9, 20), 0, 0), at((2026, 10, 30), 11, 17))],
        relay_down: Vec::new(),
    };
    let found = live(&scenario, Audit(1)).await;
    assert_eq!(
        report::diff(&scenario, &expected(&scenario), &found, 6),
        None
    );
    let table = report::mails(&scenario, &found);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines, LIFE, "\n{table}");
}

/// Expires on 15 December 2026; after the renewal (`#1`) on 20 July 2028.
const LIFE: [&str; 28] = [
    "2026-09-16 09:00 camille@x.example t:90",
    "2026-10-30 11:17 camille@x.example t:60",
    "2026-11-15 09:00 camille@x.example t:30",
    "2026-11-21 09:00 late@x.example t:30",
    "2026-11-30 09:00 camille@x.example t:15",
    "2026-11-30 09:00 dsi@x.example t:15",
    "2026-11-30 09:00 late@x.example t:15",
    "2026-12-08 09:00 camille@x.example t:7",
    "2026-12-08 09:00 dsi@x.example t:7",
    "2026-12-08 09:00 late@x.example t:7",
    "2026-12-14 09:00 camille@x.example t:1",
    "2026-12-14 09:00 dsi@x.example t:1",
    "2026-12-14 09:00 late@x.example t:1",
    "2026-12-15 09:00 camille@x.example t:0",
    "2026-12-15 09:00 dsi@x.example t:0",
    "2026-12-15 09:00 late@x.example t:0",
    "2026-12-22 09:00 camille@x.example t:-7",
    "2026-12-22 09:00 dsi@x.example t:-7",
    "2026-12-22 09:00 late@x.example t:-7",
    "2027-01-14 09:00 camille@x.example t:-30",
    "2027-01-14 09:00 dsi@x.example t:-30",
    "2027-01-14 09:00 late@x.example t:-30",
    "2028-04-21 09:00 camille@x.example t#1:90",
    "2028-04-21 09:00 late@x.example t#1:90",
    "2028-05-21 09:00 camille@x.example t#1:60",
    "2028-05-21 09:00 late@x.example t#1:60",
    "2028-06-20 09:00 camille@x.example t#1:30",
    "2028-06-20 09:00 late@x.example t#1:30",
];

/// One token of one person that expires on 15 June 2026, under the usual schedule.
fn plain(start: Instant, end: Instant, edits: Vec<(Instant, Edit)>) -> Scenario {
    Scenario {
        zone: chrono_tz::Europe::Paris,
        window: Window::of("09:00-18:00"),
        days: Days::Any,
        opens: None,
        stages: vec![90, 60, 30, 15, 7, 1],
        after_expiry: vec![0, 7, 30, 60, 90],
        then_every: 30,
        start,
        end,
        tokens: vec![Token {
            id: "t".to_owned(),
            dates: Dates::Expires(day_of(2026, 6, 15)),
            jti: None,
            recipients: vec![told("a@x.example", None)],
        }],
        edits,
        outages: Vec::new(),
        relay_down: Vec::new(),
    }
}

/// Asserts the mails of product and oracle, and that nothing is ever uncovered.
async fn is(scenario: &Scenario, table: &[&str]) {
    let found = live(scenario, Audit(1)).await;
    assert_eq!(report::diff(scenario, &expected(scenario), &found, 6), None);
    let mails = report::mails(scenario, &found);
    assert_eq!(mails.lines().collect::<Vec<_>>(), table, "\n{mails}");
}

/// Stage 60 comes on 16 April and, in the evening, waits for the morning.
fn evening(edit: Edit) -> Scenario {
    let (start, end) = (at((2026, 4, 16), 19, 0), at((2026, 4, 25), 0, 0));
    plain(start, end, vec![(at((2026, 4, 16), 20, 0), edit)])
}

#[tokio::test]
async fn a_stage_whose_speaker_is_taken_back_speaks_for_itself() {
    let later = Dates::Expires(day_of(2026, 6, 20));
    let scenario = evening(Edit::SetDates("t".to_owned(), later));
    is(
        &scenario,
        &[
            "2026-04-17 09:00 a@x.example t:90",
            "2026-04-21 09:00 a@x.example t:60",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_stage_that_is_taken_out_does_not_leave_any_more() {
    let scenario = evening(Edit::RemoveStage(60));
    is(&scenario, &["2026-04-17 09:00 a@x.example t:90"]).await;
}

#[tokio::test]
async fn a_stage_that_is_not_theirs_any_more_does_not_leave() {
    let (id, address) = ("t".to_owned(), "a@x.example".to_owned());
    is(&evening(Edit::SetFromStage(id, address, Some(30))), &[]).await;
}

#[tokio::test]
async fn a_token_that_comes_back_in_the_evening_is_late_for_nothing() {
    let id = || "t".to_owned();
    let edits = vec![
        (at((2026, 4, 17), 10, 0), Edit::RemoveToken(id())),
        (at((2026, 5, 18), 19, 0), Edit::RestoreToken(id())),
    ];
    let scenario = plain(at((2026, 4, 16), 8, 0), at((2026, 5, 25), 0, 0), edits);
    is(
        &scenario,
        &[
            "2026-04-16 09:00 a@x.example t:60",
            "2026-05-19 09:00 a@x.example t:30",
        ],
    )
    .await;
}

#[tokio::test]
async fn an_early_stage_that_becomes_theirs_in_the_evening_is_late_for_nothing() {
    let (id, address) = (|| "t".to_owned(), "a@x.example".to_owned());
    let all = Edit::SetFromStage(id(), address, None);
    let edits = vec![(at((2026, 4, 20), 20, 0), all)];
    let mut scenario = plain(at((2026, 4, 15), 8, 0), at((2026, 4, 25), 0, 0), edits);
    scenario.tokens[0].recipients[0].from_stage = Some(15);
    is(&scenario, &["2026-04-21 09:00 a@x.example t:60"]).await;
}

#[tokio::test]
async fn a_token_known_in_time_is_mailed_as_long_as_it_has_expired() {
    let edits = vec![(
        at((2026, 7, 1), 10, 0),
        Edit::SetJti("t".to_owned(), "bbbb".to_owned()),
    )];
    let mut scenario = plain(at((2026, 6, 10), 8, 0), at((2026, 7, 5), 0, 0), edits);
    // 355 days over when it is first declared, 376 when another `jti` opens a period.
    scenario.tokens[0].dates = Dates::Expires(day_of(2025, 6, 20));
    scenario.tokens[0].jti = Some("aaaa".to_owned());
    is(
        &scenario,
        &[
            "2026-06-10 09:00 a@x.example t:-330",
            "2026-06-15 09:00 a@x.example t:-360",
            "2026-07-01 10:00 a@x.example t#1:-360",
        ],
    )
    .await;
}

/// Promise 11: the tick and the claim find their rows by partial indexes.
#[tokio::test]
async fn a_pass_looks_at_what_is_due_only() {
    let store = Store::in_memory().await.unwrap();
    let plan = store.query_plan(DUE_TOKENS).await.unwrap();
    let uses = |plan: &[String], words: &str| plan.iter().any(|step| step.contains(words));
    assert!(
        uses(&plan, "USING INDEX token_due (next_due_at<?)"),
        "{plan:?}"
    );
    assert!(!uses(&plan, "SCAN"), "{plan:?}");

    let plan = store.query_plan(OPEN_MAILS).await.unwrap();
    assert!(plan.iter().any(|l| l.contains("mail_due")), "{plan:?}");
    let plan = store.query_plan(CLAIM).await.unwrap();
    assert!(
        uses(&plan, "SEARCH mail USING INTEGER PRIMARY KEY"),
        "{plan:?}"
    );
    assert!(!uses(&plan, "SCAN mail"), "{plan:?}");
    let plan = store.query_plan(DUE_URGENCIES).await.unwrap();
    assert!(!uses(&plan, "SCAN mail"), "{plan:?}");
    let plan = store.query_plan(DUE_MAILS).await.unwrap();
    assert!(
        uses(
            &plan,
            "COVERING INDEX mail_due (urgency=? AND next_at>? AND next_at<?)"
        ),
        "{plan:?}"
    );
    assert!(
        !uses(&plan, "SCAN mail") && !uses(&plan, "TEMP B-TREE"),
        "it sorts: {plan:?}"
    );
    for sql in [USED, USED_BY_DOMAIN] {
        let plan = store.query_plan(sql).await.unwrap();
        assert!(
            uses(&plan, "COVERING INDEX mail_used (counted_at>?)"),
            "{plan:?}"
        );
    }
}
