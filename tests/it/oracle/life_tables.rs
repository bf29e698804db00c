//! The oracle itself, on lives worked out by hand: one line a mail, in local time.

use std::collections::{BTreeMap, BTreeSet};

use super::civil::{DAY, Day, Days, Instant, MINUTE, Window, Zone, day_of};
use super::life::{Fate, Outcome, expected, with_wakes};
use super::report;
use super::scenario::{Dates, Edit, Recipient, Scenario, Token};

fn day(written: &str) -> Day {
    let parts: Vec<i64> = written
        .split('-')
        .map(|p| p.parse().expect("a number"))
        .collect();
    day_of(parts[0], parts[1], parts[2])
}

/// `2026-03-17 09:00` in Paris.
fn at(written: &str) -> Instant {
    let (date, time) = written.split_once(' ').expect("a date and a time");
    let (h, m) = time.split_once(':').expect("HH:MM");
    let minutes = h.parse::<i64>().expect("hours") * 60 + m.parse::<i64>().expect("minutes");
    Zone::of(chrono_tz::Europe::Paris).first(day(date) * DAY + minutes * MINUTE)
}

fn all(address: &str) -> Recipient {
    from(address, None)
}

fn from(address: &str, from_stage: impl Into<Option<i64>>) -> Recipient {
    Recipient {
        address: address.to_owned(),
        from_stage: from_stage.into(),
    }
}

/// A token for `a@x` that expires at the end of a day.
fn token(id: &str, expires: &str) -> Token {
    Token {
        id: id.to_owned(),
        dates: Dates::Expires(day(expires)),
        jti: None,
        recipients: vec![all("a@x")],
    }
}

/// The default schedule in Paris; nothing happens but time.
fn quiet(start: &str, end: &str, tokens: Vec<Token>) -> Scenario {
    Scenario {
        zone: chrono_tz::Europe::Paris,
        window: Window::of("09:00-18:00"),
        days: Days::Any,
        opens: None,
        stages: vec![90, 60, 30, 15, 7, 1],
        after_expiry: vec![0, 7, 30, 60, 90],
        then_every: 30,
        start: at(start),
        end: at(end),
        tokens,
        edits: Vec::new(),
        outages: Vec::new(),
        relay_down: Vec::new(),
    }
}

fn on(when: &str, edit: Edit) -> (Instant, Edit) {
    (at(when), edit)
}

fn expires(id: &str, date: &str) -> Edit {
    Edit::SetDates(id.to_owned(), Dates::Expires(day(date)))
}

/// Asserts the mails of a scenario, and gives back its outcome.
fn life(scenario: &Scenario, table: &[&str]) -> Outcome {
    let outcome = expected(scenario);
    let found = report::mails(scenario, &outcome);
    assert_eq!(found.lines().collect::<Vec<_>>(), table, "\n{found}");
    outcome
}

/// Asserts that these lines are among the fates.
fn fated(outcome: &Outcome, lines: &[&str]) {
    let found = report::fates(outcome);
    for line in lines {
        assert!(found.lines().any(|l| l == *line), "no {line:?} in\n{found}");
    }
}

#[test]
fn a_plain_life_has_every_stage_and_then_goes_on_each_month() {
    let s = quiet(
        "2025-12-01 08:00",
        "2026-12-20 00:00",
        vec![token("t", "2026-06-15")],
    );
    let outcome = life(
        &s,
        &[
            "2026-03-17 09:00 a@x t:90",
            "2026-04-16 09:00 a@x t:60",
            "2026-05-16 09:00 a@x t:30",
            "2026-05-31 09:00 a@x t:15",
            "2026-06-08 09:00 a@x t:7",
            "2026-06-14 09:00 a@x t:1",
            "2026-06-15 09:00 a@x t:0",
            "2026-06-22 09:00 a@x t:-7",
            "2026-07-15 09:00 a@x t:-30",
            "2026-08-14 09:00 a@x t:-60",
            "2026-09-13 09:00 a@x t:-90",
            "2026-10-13 09:00 a@x t:-120",
            "2026-11-12 09:00 a@x t:-150",
            "2026-12-12 09:00 a@x t:-180",
        ],
    );
    assert!(outcome.fates.values().all(|fate| *fate == Fate::Sent));
}

#[test]
fn without_a_tail_the_last_listed_stage_is_the_last_mail() {
    let mut s = quiet(
        "2026-08-01 08:00",
        "2027-06-01 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.then_every = 0;
    life(
        &s,
        &[
            "2026-08-01 09:00 a@x t:-30",
            "2026-08-14 09:00 a@x t:-60",
            "2026-09-13 09:00 a@x t:-90",
        ],
    );
}

#[test]
fn the_expiry_is_eighteen_months_after_the_issue() {
    let mut t = token("t", "2026-01-01");
    t.dates = Dates::Issued(day("2024-08-31"));
    let mut s = quiet("2026-02-20 08:00", "2026-03-01 00:00", vec![t]);
    s.stages = vec![7, 1];
    // It expires on 28 February 2026.
    life(
        &s,
        &[
            "2026-02-21 09:00 a@x t:7",
            "2026-02-27 09:00 a@x t:1",
            "2026-02-28 09:00 a@x t:0",
        ],
    );
}

#[test]
fn a_late_start_is_told_the_most_urgent_stage_only() {
    // 45 days before.
    let s = quiet(
        "2026-05-01 14:12",
        "2026-05-20 00:00",
        vec![token("t", "2026-06-15")],
    );
    let outcome = life(
        &s,
        &["2026-05-01 14:12 a@x t:60", "2026-05-16 09:00 a@x t:30"],
    );
    fated(&outcome, &["t:90 a@x absorbed", "t:60 a@x sent"]);
}

#[test]
fn a_late_start_in_the_evening_waits_for_the_next_slot() {
    let s = quiet(
        "2026-05-01 18:00",
        "2026-05-03 00:00",
        vec![token("t", "2026-06-15")],
    );
    life(&s, &["2026-05-02 09:00 a@x t:60"]);
}

#[test]
fn two_tokens_of_one_day_are_one_mail() {
    let both = vec![token("t", "2026-06-15"), token("u", "2026-07-15")];
    let s = quiet("2026-05-10 08:00", "2026-06-01 00:00", both);
    life(
        &s,
        &[
            "2026-05-10 09:00 a@x t:60 u:90",
            "2026-05-16 09:00 a@x t:30 u:60",
            "2026-05-31 09:00 a@x t:15",
        ],
    );
}

#[test]
fn after_an_outage_of_40_days_there_is_one_catch_up() {
    let mut s = quiet(
        "2026-03-01 08:00",
        "2026-06-02 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.outages = vec![(at("2026-04-10 00:00"), at("2026-05-20 14:30"))];
    let outcome = life(
        &s,
        &[
            "2026-03-17 09:00 a@x t:90",
            "2026-05-20 14:30 a@x t:30",
            "2026-05-31 09:00 a@x t:15",
        ],
    );
    fated(&outcome, &["t:60 a@x absorbed"]);
}

#[test]
fn a_renewal_ends_the_period_and_its_reminders() {
    let mut s = quiet(
        "2026-05-10 08:00",
        "2027-09-25 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![on("2026-05-20 12:00", expires("t", "2027-11-20"))];
    life(
        &s,
        &[
            "2026-05-10 09:00 a@x t:60",
            "2026-05-16 09:00 a@x t:30",
            "2027-08-22 09:00 a@x t#1:90",
            "2027-09-21 09:00 a@x t#1:60",
        ],
    );
}

#[test]
fn a_renewal_suppresses_the_mail_that_waits() {
    let mut s = quiet(
        "2026-05-10 19:00",
        "2026-06-10 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![on("2026-05-11 08:59", expires("t", "2027-11-20"))];
    let outcome = life(&s, &[]);
    fated(&outcome, &["t:60 a@x suppressed", "t:90 a@x absorbed"]);
}

#[test]
fn thirty_days_later_is_a_renewal_and_29_a_correction() {
    let start = "2026-06-10 08:00";
    let mut s = quiet(start, "2026-07-09 00:00", vec![token("t", "2026-06-15")]);
    s.edits = vec![on("2026-06-12 10:00", expires("t", "2026-07-14"))];
    // 7 is not resent; 30 and 15, which had never left, come on their new days.
    let outcome = life(
        &s,
        &[
            "2026-06-10 09:00 a@x t:7",
            "2026-06-14 09:00 a@x t:30",
            "2026-06-29 09:00 a@x t:15",
        ],
    );
    fated(&outcome, &["t:60 a@x absorbed"]);
    s.edits = vec![on("2026-06-12 10:00", expires("t", "2026-07-15"))];
    life(
        &s,
        &[
            "2026-06-10 09:00 a@x t:7",
            // The new period begins with 33 days left.
            "2026-06-12 10:00 a@x t#1:60",
            "2026-06-15 09:00 a@x t#1:30",
            "2026-06-30 09:00 a@x t#1:15",
            "2026-07-08 09:00 a@x t#1:7",
        ],
    );
}

#[test]
fn another_jti_is_a_renewal_and_a_first_one_is_not() {
    let mut s = quiet(
        "2026-06-02 08:00",
        "2026-06-07 00:00",
        vec![token("t", "2026-06-15")],
    );
    let jti = |n: &str| Edit::SetJti("t".to_owned(), n.to_owned());
    s.edits = vec![
        on("2026-06-03 10:00", jti("one")),
        on("2026-06-04 10:00", jti("two")),
    ];
    life(
        &s,
        &["2026-06-02 09:00 a@x t:15", "2026-06-04 10:00 a@x t#1:15"],
    );
}

#[test]
fn a_correction_to_a_later_date_resends_nothing() {
    let mut s = quiet(
        "2026-05-15 08:00",
        "2026-07-08 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![on("2026-05-20 12:00", expires("t", "2026-07-05"))];
    life(
        &s,
        &[
            "2026-05-15 09:00 a@x t:60",
            "2026-05-16 09:00 a@x t:30",
            // 5 June is again 30 days before.
            "2026-06-20 09:00 a@x t:15",
            "2026-06-28 09:00 a@x t:7",
            "2026-07-04 09:00 a@x t:1",
            "2026-07-05 09:00 a@x t:0",
        ],
    );
}

#[test]
fn a_correction_to_an_earlier_date_catches_up() {
    let mut s = quiet(
        "2026-04-20 08:00",
        "2026-05-24 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![on("2026-05-05 10:00", expires("t", "2026-05-15"))];
    let outcome = life(
        &s,
        &[
            "2026-04-20 09:00 a@x t:60",
            "2026-05-05 10:00 a@x t:15",
            "2026-05-08 09:00 a@x t:7",
            "2026-05-14 09:00 a@x t:1",
            "2026-05-15 09:00 a@x t:0",
            "2026-05-22 09:00 a@x t:-7",
        ],
    );
    fated(&outcome, &["t:30 a@x absorbed"]);
}

#[test]
fn a_notice_that_a_correction_makes_untrue_vanishes() {
    let mut s = quiet(
        "2026-05-15 20:00",
        "2026-05-30 00:00",
        vec![token("t", "2026-06-14")],
    );
    // The evening of day 30: 30 waits for the morning, and is not due any more.
    s.edits = vec![on("2026-05-15 21:00", expires("t", "2026-06-25"))];
    let outcome = life(
        &s,
        &["2026-05-16 09:00 a@x t:60", "2026-05-26 09:00 a@x t:30"],
    );
    fated(&outcome, &["t:90 a@x absorbed", "t:30 a@x sent"]);
}

#[test]
fn on_working_days_reminders_come_before_and_the_last_after() {
    // A Sunday; 14 and 25 May are Ascension Day and Whit Monday.
    let mut s = quiet(
        "2026-03-01 08:00",
        "2026-06-30 00:00",
        vec![token("t", "2026-06-14")],
    );
    s.days = Days::Working;
    s.stages = vec![90, 31, 20, 15, 7, 1];
    life(
        &s,
        &[
            "2026-03-16 09:00 a@x t:90",
            "2026-05-13 09:00 a@x t:31",
            "2026-05-22 09:00 a@x t:20",
            "2026-05-29 09:00 a@x t:15",
            "2026-06-05 09:00 a@x t:7",
            "2026-06-12 09:00 a@x t:1",
            "2026-06-15 09:00 a@x t:0",
            "2026-06-22 09:00 a@x t:-7",
        ],
    );
}

#[test]
fn what_is_late_on_a_holiday_waits_for_a_working_day() {
    // Friday 1 May.
    let mut s = quiet(
        "2026-05-01 10:00",
        "2026-05-10 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.days = Days::Working;
    life(&s, &["2026-05-04 09:00 a@x t:60"]);
}

#[test]
fn stage_90_waits_until_the_form_opens() {
    let mut t = token("t", "2026-06-15");
    t.dates = Dates::ExpiresAt(at("2026-06-15 16:45"));
    let mut s = quiet("2026-03-01 08:00", "2026-05-01 00:00", vec![t]);
    s.opens = Some(90);
    life(
        &s,
        &["2026-03-18 09:00 a@x t:90", "2026-04-16 09:00 a@x t:60"],
    );
}

#[test]
fn the_form_is_closed_when_exactly_30_days_of_24_hours_are_left() {
    let mut t = token("t", "2026-07-15");
    t.dates = Dates::ExpiresAt(at("2026-07-15 09:00"));
    let mut s = quiet("2026-06-01 08:00", "2026-07-01 00:00", vec![t]);
    s.stages = vec![30, 15];
    s.opens = Some(30);
    life(
        &s,
        &["2026-06-16 09:00 a@x t:30", "2026-06-30 09:00 a@x t:15"],
    );
}

#[test]
fn a_late_expiry_in_utc_is_the_next_day_in_paris() {
    let mut t = token("t", "2026-06-15");
    // 2026-12-31T23:30Z.
    t.dates = Dates::ExpiresAt(at("2027-01-01 00:30"));
    let mut s = quiet("2026-12-16 19:00", "2026-12-20 00:00", vec![t]);
    s.stages = vec![15];
    life(&s, &["2026-12-17 09:00 a@x t:15"]);
}

#[test]
fn a_recipient_is_told_from_its_stage_on() {
    let mut t = token("t", "2026-06-15");
    t.recipients.push(from("b@x", 7));
    let s = quiet("2026-05-17 08:00", "2026-06-15 00:00", vec![t]);
    let outcome = life(
        &s,
        &[
            "2026-05-17 09:00 a@x t:30",
            "2026-05-31 09:00 a@x t:15",
            "2026-06-08 09:00 a@x t:7",
            "2026-06-08 09:00 b@x t:7",
            "2026-06-14 09:00 a@x t:1",
            "2026-06-14 09:00 b@x t:1",
        ],
    );
    assert!(!report::fates(&outcome).contains("t:15 b@x"));
}

#[test]
fn an_address_listed_twice_is_one_recipient_with_the_earliest_stage() {
    let mut t = token("t", "2026-06-15");
    t.recipients = vec![from("A@x", 7), from("a@X", 30)];
    let mut s = quiet("2026-04-01 08:00", "2026-06-01 00:00", vec![t]);
    life(
        &s,
        &["2026-05-16 09:00 a@x t:30", "2026-05-31 09:00 a@x t:15"],
    );
    s.tokens[0].recipients.push(all("a@x"));
    s.end = at("2026-04-20 00:00");
    life(
        &s,
        &["2026-04-01 09:00 a@x t:90", "2026-04-16 09:00 a@x t:60"],
    );
}

#[test]
fn from_stage_can_be_raised_and_lowered() {
    let mut t = token("t", "2026-06-15");
    t.recipients = vec![from("a@x", 15)];
    let mut s = quiet("2026-05-01 08:00", "2026-06-10 00:00", vec![t]);
    let set = |n| Edit::SetFromStage("t".to_owned(), "a@x".to_owned(), n);
    s.edits = vec![
        // 60 becomes theirs, and is due.
        on("2026-05-02 10:00", set(None)),
        on("2026-05-20 10:00", set(Some(7))),
    ];
    life(
        &s,
        &[
            "2026-05-02 10:00 a@x t:60",
            "2026-05-16 09:00 a@x t:30",
            "2026-06-08 09:00 a@x t:7",
        ],
    );
}

#[test]
fn a_second_mail_of_a_day_waits_for_tomorrow() {
    let mut s = quiet(
        "2026-05-10 08:00",
        "2026-05-20 00:00",
        vec![token("t", "2026-06-15")],
    );
    // 30 days are left for u when it is declared, an hour after the mail of t.
    s.edits = vec![on(
        "2026-05-16 10:00",
        Edit::AddToken(token("u", "2026-06-15")),
    )];
    let outcome = life(
        &s,
        &[
            "2026-05-10 09:00 a@x t:60",
            "2026-05-16 09:00 a@x t:30",
            "2026-05-17 09:00 a@x u:30",
        ],
    );
    fated(&outcome, &["u:90 a@x absorbed", "u:60 a@x absorbed"]);
}

#[test]
fn what_waits_for_tomorrow_leaves_with_what_is_due_then() {
    let both = vec![token("t", "2026-06-15"), token("v", "2026-06-16")];
    let mut s = quiet("2026-05-10 08:00", "2026-05-20 00:00", both);
    s.edits = vec![on(
        "2026-05-16 10:00",
        Edit::AddToken(token("u", "2026-06-15")),
    )];
    life(
        &s,
        &[
            "2026-05-10 09:00 a@x t:60 v:60",
            "2026-05-16 09:00 a@x t:30",
            "2026-05-17 09:00 a@x u:30 v:30",
        ],
    );
}

#[test]
fn stage_1_may_add_a_second_mail_that_takes_all_but_no_third() {
    let mut s = quiet(
        "2026-05-15 08:00",
        "2026-06-16 00:00",
        vec![token("t", "2026-07-14")],
    );
    s.edits = vec![
        on("2026-06-14 10:00", Edit::AddToken(token("u", "2026-07-01"))),
        on("2026-06-14 11:00", Edit::AddToken(token("v", "2026-06-15"))),
        on("2026-06-14 12:00", Edit::AddToken(token("w", "2026-06-15"))),
    ];
    let outcome = life(
        &s,
        &[
            "2026-05-15 09:00 a@x t:60",
            "2026-06-14 09:00 a@x t:30",
            "2026-06-14 11:00 a@x u:30 v:1",
            "2026-06-15 09:00 a@x v:0 w:0",
        ],
    );
    fated(&outcome, &["w:1 a@x absorbed"]);
}

#[test]
fn an_added_recipient_gets_one_catch_up() {
    let mut s = quiet(
        "2026-05-01 08:00",
        "2026-06-01 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![on(
        "2026-05-20 19:00",
        Edit::AddRecipient("t".to_owned(), all("b@x")),
    )];
    let outcome = life(
        &s,
        &[
            "2026-05-01 09:00 a@x t:60",
            "2026-05-16 09:00 a@x t:30",
            "2026-05-21 09:00 b@x t:30",
            "2026-05-31 09:00 a@x t:15",
            "2026-05-31 09:00 b@x t:15",
        ],
    );
    fated(&outcome, &["t:60 b@x absorbed", "t:90 b@x absorbed"]);
}

#[test]
fn a_recipient_that_comes_back_is_not_told_the_same_twice() {
    let mut t = token("t", "2026-06-15");
    t.recipients.push(all("b@x"));
    let mut s = quiet("2026-05-16 08:00", "2026-06-10 00:00", vec![t]);
    let id = || "t".to_owned();
    s.edits = vec![
        on(
            "2026-05-20 10:00",
            Edit::RemoveRecipient(id(), "B@x".to_owned()),
        ),
        on("2026-05-22 10:00", Edit::AddRecipient(id(), all("b@x"))),
        on(
            "2026-05-23 10:00",
            Edit::RemoveRecipient(id(), "b@x".to_owned()),
        ),
        on("2026-06-02 10:00", Edit::AddRecipient(id(), all("b@x"))),
    ];
    life(
        &s,
        &[
            "2026-05-16 09:00 a@x t:30",
            "2026-05-16 09:00 b@x t:30",
            "2026-05-31 09:00 a@x t:15",
            "2026-06-02 10:00 b@x t:15",
            "2026-06-08 09:00 a@x t:7",
            "2026-06-08 09:00 b@x t:7",
        ],
    );
}

#[test]
fn a_token_taken_out_is_silent_and_caught_up_when_it_is_back() {
    let mut s = quiet(
        "2026-05-15 19:00",
        "2026-06-10 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![
        on("2026-05-15 20:00", Edit::RemoveToken("t".to_owned())),
        on("2026-05-18 19:00", Edit::RestoreToken("t".to_owned())),
        on("2026-05-18 20:00", Edit::RemoveToken("t".to_owned())),
    ];
    let outcome = life(&s, &[]);
    fated(
        &outcome,
        &[
            "t:60 a@x absorbed",
            "t:30 a@x suppressed",
            "t:90 a@x absorbed",
        ],
    );
    s.edits
        .push(on("2026-05-25 11:00", Edit::RestoreToken("t".to_owned())));
    let outcome = life(
        &s,
        &[
            "2026-05-25 11:00 a@x t:30",
            "2026-05-31 09:00 a@x t:15",
            "2026-06-08 09:00 a@x t:7",
        ],
    );
    fated(&outcome, &["t:60 a@x absorbed"]);
}

#[test]
fn edits_of_an_outage_count_by_their_sum() {
    let mut s = quiet(
        "2026-05-16 08:00",
        "2026-06-05 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.outages = vec![(at("2026-05-17 00:00"), at("2026-06-01 20:00"))];
    s.edits = vec![
        on("2026-05-18 10:00", Edit::RemoveToken("t".to_owned())),
        // Taken one by one these would be a renewal and a correction.
        on("2026-05-18 11:00", expires("t", "2027-06-15")),
        on("2026-05-19 10:00", expires("t", "2026-06-15")),
        on("2026-05-20 10:00", Edit::RestoreToken("t".to_owned())),
    ];
    let outcome = life(
        &s,
        &["2026-05-16 09:00 a@x t:30", "2026-06-02 09:00 a@x t:15"],
    );
    assert_eq!(outcome.fates.len(), 4);
}

#[test]
fn an_added_stage_counts_for_later_slots_of_those_already_known() {
    // Stage 45 was on 1 May for t and will be on 11 May for u.
    let both = vec![token("t", "2026-06-15"), token("u", "2026-06-25")];
    let mut s = quiet("2026-04-27 08:00", "2026-05-15 00:00", both);
    s.edits = vec![
        on("2026-05-02 10:00", Edit::AddStage(45)),
        on(
            "2026-05-03 10:00",
            Edit::AddRecipient("t".to_owned(), all("b@x")),
        ),
        on("2026-05-04 10:00", Edit::AddToken(token("v", "2026-06-16"))),
    ];
    let outcome = life(
        &s,
        &[
            "2026-04-27 09:00 a@x t:60 u:60",
            "2026-05-03 10:00 b@x t:45",
            "2026-05-04 10:00 a@x v:45",
            "2026-05-11 09:00 a@x u:45",
        ],
    );
    assert!(!report::fates(&outcome).contains("t:45 a@x"));
}

#[test]
fn who_comes_with_an_added_stage_or_comes_back_after_it_is_told_it() {
    // For all of them stage 45 was on 1 May, and 60 was told on 27 April.
    let three = ["t", "u", "v"].map(|id| token(id, "2026-06-15"));
    let mut s = quiet("2026-04-27 08:00", "2026-05-10 00:00", three.to_vec());
    s.tokens[1].recipients.push(all("b@x"));
    s.edits = vec![
        on("2026-05-02 10:00", Edit::AddStage(45)),
        on(
            "2026-05-02 10:00",
            Edit::AddRecipient("t".to_owned(), all("c@x")),
        ),
        on(
            "2026-05-03 10:00",
            Edit::RemoveRecipient("u".to_owned(), "b@x".to_owned()),
        ),
        on(
            "2026-05-04 10:00",
            Edit::AddRecipient("u".to_owned(), all("b@x")),
        ),
        on("2026-05-05 10:00", Edit::RemoveToken("v".to_owned())),
        on("2026-05-06 10:00", Edit::RestoreToken("v".to_owned())),
    ];
    life(
        &s,
        &[
            "2026-04-27 09:00 a@x t:60 u:60 v:60",
            "2026-04-27 09:00 b@x u:60",
            "2026-05-02 10:00 c@x t:45",
            "2026-05-04 10:00 b@x u:45",
            "2026-05-06 10:00 a@x v:45",
        ],
    );
}

#[test]
fn a_token_comes_back_to_the_schedule_of_that_day() {
    let mut s = quiet(
        "2026-05-10 08:00",
        "2026-06-01 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![
        on("2026-05-12 10:00", Edit::RemoveToken("t".to_owned())),
        on("2026-05-14 10:00", Edit::RemoveStage(30)),
        on("2026-05-20 10:00", Edit::RestoreToken("t".to_owned())),
    ];
    life(
        &s,
        &["2026-05-10 09:00 a@x t:60", "2026-05-31 09:00 a@x t:15"],
    );
}

#[test]
fn a_removed_stage_is_not_due_and_counts_as_new_when_it_is_back() {
    let mut s = quiet(
        "2026-05-01 08:00",
        "2026-06-01 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.edits = vec![
        on("2026-05-10 10:00", Edit::RemoveStage(30)),
        on("2026-05-20 10:00", Edit::AddStage(30)),
        on("2026-05-21 10:00", Edit::AddStage(-3)),
    ];
    life(
        &s,
        &["2026-05-01 09:00 a@x t:60", "2026-05-31 09:00 a@x t:15"],
    );
}

#[test]
fn more_than_365_days_after_expiry_nothing_is_mailed() {
    let old = vec![token("t", "2025-05-31"), token("u", "2025-06-01")];
    let mut s = quiet("2026-06-01 10:00", "2026-06-05 00:00", old);
    s.edits = vec![on("2026-06-03 10:00", expires("t", "2026-07-15"))];
    let outcome = life(
        &s,
        &[
            "2026-06-01 10:00 a@x u:-360",
            // A renewal is a new life.
            "2026-06-03 10:00 a@x t#1:60",
        ],
    );
    fated(&outcome, &["t:-360 a@x unowed", "u:-330 a@x absorbed"]);
}

#[test]
fn while_the_relay_is_down_mails_wait_and_grow() {
    let both = vec![token("t", "2026-06-15"), token("u", "2026-06-16")];
    let mut s = quiet("2026-05-10 08:00", "2026-06-02 00:00", both);
    s.relay_down = vec![
        (at("2026-05-16 07:00"), at("2026-05-17 11:21")),
        (at("2026-05-31 07:00"), at("2026-05-31 18:00")),
    ];
    let outcome = life(
        &s,
        &[
            "2026-05-10 09:00 a@x t:60 u:60",
            "2026-05-17 11:21 a@x t:30 u:30",
            "2026-06-01 09:00 a@x t:15 u:15",
        ],
    );
    assert!(outcome.fates.values().all(|fate| *fate != Fate::Open));
}

#[test]
fn what_has_not_left_at_the_end_is_open() {
    let mut s = quiet(
        "2026-05-10 08:00",
        "2026-05-17 00:00",
        vec![token("t", "2026-06-15")],
    );
    s.relay_down = vec![(at("2026-05-15 07:00"), at("2026-06-17 11:21"))];
    let outcome = life(&s, &["2026-05-10 09:00 a@x t:60"]);
    fated(&outcome, &["t:30 a@x open"]);
}

#[test]
fn the_file_is_written_as_it_stands() {
    let mut t = token("t", "2026-06-15");
    t.recipients.push(from("b@x", 15));
    let mut s = quiet(
        "2026-05-10 08:00",
        "2026-05-17 00:00",
        vec![t, token("u", "2026-07-01")],
    );
    let when = Dates::ExpiresAt(at("2027-11-20 14:45"));
    s.edits = vec![
        on("2026-05-11 08:00", Edit::RemoveToken("u".to_owned())),
        on("2026-05-12 08:00", Edit::SetDates("t".to_owned(), when)),
        on(
            "2026-05-13 08:00",
            Edit::SetJti("t".to_owned(), "one".to_owned()),
        ),
    ];
    s.opens = Some(90);
    let first = s.to_config_toml(s.start);
    assert!(first.contains("expires = 2026-06-15\n") && first.contains("id = \"u\""));
    let last: toml::Table = s.to_config_toml(s.end).parse().unwrap();
    let tokens = last["token"].as_array().unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        tokens[0]["expires"].to_string(),
        "2027-11-20T14:45:00+01:00"
    );
    assert_eq!(tokens[0]["jti"].as_str(), Some("one"));
    assert_eq!(
        tokens[0]["recipients"][1]["from_stage"].as_integer(),
        Some(15)
    );
    assert_eq!(last["schedule"]["stages"].as_array().unwrap().len(), 6);
    assert_eq!(last["renewal"]["opens"].as_integer(), Some(90));
}

#[test]
fn a_difference_shows_both_sides_and_an_unowed_notice_none() {
    let s = quiet(
        "2026-05-10 08:00",
        "2026-05-17 00:00",
        vec![token("t", "2026-06-15")],
    );
    let right = expected(&s);
    let mut wrong = right.clone();
    let late = wrong.mails.pop().unwrap();
    let notice = late.notices[0].clone();
    wrong.fates.insert(notice.clone(), Fate::Open);
    assert_eq!(
        report::diff(&s, &right, &wrong, 5).unwrap(),
        "token t: 1 differences\n  t:30 a@x: expected sent 2026-05-16 09:00, found open\n"
    );
    assert_eq!(report::diff(&s, &right, &right, 5), None);
    // The same notice twice, in one minute.
    let mut twice = right.clone();
    let other = super::life::Mail {
        recipient: "b@x".to_owned(),
        ..late
    };
    twice.mails.pop();
    twice.mails.push(other);
    assert_eq!(
        report::diff(&s, &right, &twice, 5).unwrap(),
        "mail only expected: 2026-05-16 09:00 a@x t:30\nmail only found: 2026-05-16 09:00 b@x t:30\n"
    );
    let mut unowed = right.clone();
    unowed.mails.pop();
    unowed.fates.insert(notice.clone(), Fate::Unowed);
    for fate in [Fate::Absorbed, Fate::Suppressed] {
        wrong.fates.insert(notice.clone(), fate);
        assert_eq!(report::diff(&s, &unowed, &wrong, 5), None);
    }
    wrong.fates.remove(&notice);
    assert_eq!(report::diff(&s, &unowed, &wrong, 5), None);
}

/// Asserts what promises 1, 2, 4 and 6 say of any outcome; gives the number of second mails of
/// a day.
fn keeps_the_promises(scenario: &Scenario, outcome: &Outcome) -> usize {
    let hours = scenario.hours();
    let mut a_day: BTreeMap<(&str, Day), Vec<bool>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for mail in &outcome.mails {
        assert!(hours.may_leave(mail.at));
        let is_last_call = mail.notices.iter().any(|n| matches!(n.stage, 0 | 1));
        a_day
            .entry((&mail.recipient, hours.zone.day(mail.at)))
            .or_default()
            .push(is_last_call);
        let tokens: BTreeSet<_> = mail.notices.iter().map(|n| &n.token).collect();
        assert_eq!(
            tokens.len(),
            mail.notices.len(),
            "one stage of a token: {mail:?}"
        );
        for notice in &mail.notices {
            assert!(told.insert(notice), "told twice: {notice:?}");
            assert_eq!(outcome.fates[notice], Fate::Sent);
        }
    }
    let sent = outcome
        .fates
        .values()
        .filter(|fate| **fate == Fate::Sent)
        .count();
    assert_eq!(sent, told.len());
    assert!(
        a_day
            .values()
            .all(|mails| mails.len() == 1 || mails[1..] == [true])
    );
    outcome.mails.len() - a_day.len()
}

#[test]
fn a_thousand_tokens_over_19_months_keep_the_promises() {
    let s = Scenario::random(1, 1_000, 19);
    let outcome = expected(&s);
    let seconds = keeps_the_promises(&s, &outcome);
    let count = |fate| outcome.fates.values().filter(|f| **f == fate).count();
    let digests = outcome.mails.iter().filter(|m| m.notices.len() > 1).count();
    let renewed = outcome.fates.keys().filter(|n| n.period > 0).count();
    // The scenario is worth its time only if it has some of everything.
    assert!(outcome.mails.len() > 5_000, "{} mails", outcome.mails.len());
    assert!(
        digests > 500 && renewed > 500,
        "{digests} digests, {renewed} after a renewal"
    );
    assert!(count(Fate::Absorbed) > 500 && count(Fate::Unowed) > 10);
    assert!(
        count(Fate::Suppressed) > 5,
        "{} suppressed",
        count(Fate::Suppressed)
    );
    assert!(seconds > 10, "{seconds} second mails");
    assert!((3..=6).contains(&s.outages.len()) && s.edits.len() > 500);
}

#[test]
fn any_seed_keeps_the_promises_and_is_the_same_each_time() {
    for seed in 0..12 {
        let s = Scenario::random(seed, 60, 7);
        let outcome = expected(&s);
        keeps_the_promises(&s, &outcome);
        assert_eq!(
            format!("{:?}", Scenario::random(seed, 60, 7)),
            format!("{s:?}")
        );
        for at in [s.start, s.end] {
            assert!(s.to_config_toml(at).parse::<toml::Table>().is_ok());
        }
    }
}

#[test]
fn further_wakes_change_nothing() {
    for seed in 0..4 {
        let mut s = Scenario::random(seed, 40, 4);
        s.relay_down = vec![(s.start + 20 * DAY, s.start + 23 * DAY + 3 * MINUTE)];
        let every: BTreeSet<Instant> = (s.start..s.end).step_by(17 * 60).collect();
        assert_eq!(
            report::diff(&s, &expected(&s), &with_wakes(&s, &every), 5),
            None
        );
    }
}
