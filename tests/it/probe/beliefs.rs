//! When a token is asked about, and what is believed of it after any sequence of answers.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::calendar::{Calendar, Days, Window};
use jetond::domain::probing::{AGREEING, Belief, Consequence, Dates, Known, follow, next_ask};
use jetond::domain::verdict::{Asked, Bearing, Case, Reading, Verdict};
use jetond::probe::read::{Written, read, unanswered};
use proptest::prelude::*;

use crate::support::daemon::at;

const FIRST: &str = "2026-11-23T22:10:00Z";
const EXPIRES: &str = "2027-06-30T21:59:59Z";

fn paris() -> Calendar {
    Calendar {
        tz: chrono_tz::Europe::Paris,
        window: Window::parse("09:00-18:00").unwrap(),
        days: Days::Any,
        opens: None,
    }
}

/// An answer to `/privileges` that is this case.
fn answer(case: Case) -> Reading {
    let rights = ["entreprises", "etablissements"];
    let (status, body) = match case {
        Case::Complete => (
            200,
            serde_json::json!({"data": {"privileges": rights}}).to_string(),
        ),
        Case::Partial => (206, serde_json::json!({"privileges": rights}).to_string()),
        Case::BadRequest => (400, coded("00400")),
        Case::NotAuthorised => (401, coded("00101")),
        Case::Expired => (401, coded("00103")),
        Case::Blacklisted => (401, coded("00105")),
        Case::TokenNotFound => (401, coded("00106")),
        Case::ScopeMissing => (403, coded("00100")),
        Case::AddressNotAllowed => (403, coded("00107")),
        Case::NotFound => (404, coded("01003")),
        Case::AlreadyRunning => (409, coded("00015")),
        Case::Unprocessable => (422, coded("00201")),
        Case::OverVolume => (429, coded("00429")),
        Case::Withheld => (451, coded("01005")),
        Case::InternalError => (500, coded("00999")),
        Case::ProviderError => (502, coded("01999")),
        Case::Unavailable => (503, coded("01999")),
        Case::TooSlow => (504, coded("01999")),
        Case::GatewayError => (502, r#"{"errors":["x"],"gateway_error":true}"#.to_owned()),
        Case::NoAnswer => return unanswered("connection refused"),
        Case::NotUnderstood => (200, "<html>".to_owned()),
    };
    let reading = raw(status, body.as_bytes());
    assert_eq!(reading.case, case);
    reading
}

fn coded(code: &str) -> String {
    serde_json::json!({"errors": [{"code": code, "title": "x", "detail": "y"}]}).to_string()
}

fn raw(status: u16, body: &[u8]) -> Reading {
    let written = Written {
        status,
        body: Some(body),
        ..Written::default()
    };
    read(&written, Asked::Privileges, &[], at(FIRST))
}

/// What is known after these answers, and what each had for consequence.
fn told(answers: &[(i64, Case)]) -> (Known, Vec<Vec<Consequence>>) {
    let mut known = Known::default();
    let mut follows = Vec::new();
    for (minutes, case) in answers {
        let now = at(FIRST) + Duration::minutes(*minutes);
        let (next, then) = follow(&known, &answer(*case), at(EXPIRES), now);
        known = next;
        follows.push(then);
    }
    (known, follows)
}

#[test]
fn a_death_is_believed_when_it_is_told_again_an_hour_later() {
    let (known, follows) = told(&[(0, Case::Blacklisted)]);
    assert_eq!(known.suspicion, Some((Verdict::Revoked, at(FIRST))));
    assert_eq!((known.belief, follows), (None, vec![vec![]]));
    // Too soon, then in time; then held.
    let (known, follows) = told(&[
        (0, Case::Blacklisted),
        (59, Case::Blacklisted),
        (60, Case::Blacklisted),
        (1500, Case::Blacklisted),
    ]);
    let dead = Consequence::DeadEarly(Verdict::Revoked);
    assert_eq!(follows, [vec![], vec![], vec![dead], vec![]]);
    assert_eq!(
        known.belief,
        Some(Belief {
            verdict: Verdict::Revoked,
            since: at(FIRST),
            at: at(FIRST) + Duration::minutes(1500),
        })
    );
    assert_eq!(known.suspicion, None);
    // Silence in between neither confirms nor takes back.
    let (_, follows) = told(&[
        (0, Case::TokenNotFound),
        (61, Case::NoAnswer),
        (62, Case::InternalError),
        (63, Case::OverVolume),
        (64, Case::NotFound),
        (120, Case::NotAuthorised),
    ]);
    assert_eq!(follows[5], [Consequence::DeadEarly(Verdict::Unknown)]);
    // Another death is another suspicion; an answer of life takes it back.
    for between in [Case::Expired, Case::Complete, Case::ScopeMissing] {
        let (known, follows) = told(&[
            (0, Case::Blacklisted),
            (60, between),
            (120, Case::Blacklisted),
        ]);
        assert!(follows.iter().flatten().next().is_none(), "{between:?}");
        let again = at(FIRST) + Duration::minutes(120);
        assert_eq!(known.suspicion, Some((Verdict::Revoked, again)));
    }
}

#[test]
fn a_token_heals_by_itself_and_only_by_an_answer_about_it() {
    let dead = [(0, Case::Blacklisted), (60, Case::Blacklisted)];
    let after = |case| told(&[&dead[..], &[(120, case)]].concat());
    for case in Case::ALL.iter().copied() {
        let (known, _) = after(case);
        let heals = matches!(
            case,
            Case::Complete | Case::Partial | Case::ScopeMissing | Case::AddressNotAllowed
        );
        assert_eq!(case.verdict().proves_life(), heals, "{case:?}");
        let believed = known.belief.map(|b| b.verdict.bearing());
        assert_eq!(believed == Some(Bearing::Lives), heals, "{case:?}");
    }
}

#[test]
fn after_its_date_a_token_lives_or_its_end_is_proven() {
    let late = at(EXPIRES) + Duration::days(1);
    for (case, then) in [
        (Case::Complete, Some(Consequence::Prolonged)),
        (Case::ScopeMissing, Some(Consequence::Prolonged)),
        // These come before any look at the token.
        (Case::OverVolume, None),
        (Case::NotFound, None),
        (Case::InternalError, None),
        (Case::NoAnswer, None),
    ] {
        let (_, follows) = follow(&Known::default(), &answer(case), at(EXPIRES), late);
        assert_eq!(follows, then.into_iter().collect::<Vec<_>>(), "{case:?}");
    }
    // The API keeps what it knows for an hour: within it an answer of life proves nothing.
    for (minutes, told) in [(1, 0), (60, 0), (61, 1)] {
        let now = at(EXPIRES) + Duration::minutes(minutes);
        let (_, follows) = follow(&Known::default(), &answer(Case::Complete), at(EXPIRES), now);
        assert_eq!(follows.len(), told, "{minutes}");
    }
    for (case, then) in [
        (Case::Expired, Some(Consequence::ExpiryProven)),
        // It is no early death any more.
        (Case::TokenNotFound, None),
    ] {
        let (known, first) = follow(&Known::default(), &answer(case), at(EXPIRES), late);
        assert_eq!(first, []);
        let (_, follows) = follow(&known, &answer(case), at(EXPIRES), late + AGREEING);
        assert_eq!(follows, then.into_iter().collect::<Vec<_>>(), "{case:?}");
    }
    let (_, follows) = told(&[(0, Case::Expired), (60, Case::Expired)]);
    assert_eq!(follows[1], [Consequence::DeadEarly(Verdict::Expired)]);
}

#[test]
fn rights_are_compared_with_those_that_were_named_last() {
    let now = at(FIRST);
    let with = |scopes: &[&str]| Reading {
        scopes: Some(scopes.iter().map(|s| (*s).to_owned()).collect()),
        ..answer(Case::Complete)
    };
    let (known, first) = follow(&Known::default(), &with(&["b", "a", "b"]), at(EXPIRES), now);
    assert_eq!(known.scopes, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(first, []);
    let (same, none) = follow(&known, &with(&["a", "b"]), at(EXPIRES), now);
    assert_eq!(none, []);
    let (same, none) = follow(&same, &answer(Case::NoAnswer), at(EXPIRES), now);
    assert_eq!(
        (same.scopes.as_ref(), none),
        (known.scopes.as_ref(), vec![])
    );
    let (_, changed) = follow(&same, &with(&["b", "c"]), at(EXPIRES), now);
    let (gained, lost) = (vec!["c".to_owned()], vec!["a".to_owned()]);
    assert_eq!(changed, [Consequence::Scopes { gained, lost }]);
}

#[test]
fn that_an_address_is_not_allowed_is_told_once() {
    let (_, follows) = told(&[
        (0, Case::AddressNotAllowed),
        (1440, Case::AddressNotAllowed),
        (2880, Case::OverVolume),
        (4320, Case::NoAnswer),
        (5760, Case::AddressNotAllowed),
        (7200, Case::Complete),
        (8640, Case::AddressNotAllowed),
    ]);
    let told: Vec<usize> = follows.iter().map(Vec::len).collect();
    assert_eq!(told, [1, 0, 0, 0, 0, 0, 1]);
}

fn dates() -> Dates {
    Dates {
        expires: at(EXPIRES),
        changed_at: at("2026-01-01T00:00:00Z"),
    }
}

fn asked(when: &str) -> Known {
    Known {
        asked_at: Some(at(when)),
        ..Known::default()
    }
}

fn suspected(when: &str, asked_at: &str) -> Known {
    Known {
        suspicion: Some((Verdict::Revoked, at(when))),
        ..asked(asked_at)
    }
}

#[test]
fn a_token_is_asked_about_once_a_local_day_at_its_own_moment() {
    let own = (23, 600);
    // Known, now, next: in Paris, UTC+1 in winter.
    for (known, now, next) in [
        (asked(FIRST), FIRST, "2026-11-24T22:10:00Z"),
        // By hand, past midnight: that was the new day's.
        (
            asked("2026-11-23T23:30:00Z"),
            "2026-11-23T23:31:00Z",
            "2026-11-25T22:10:00Z",
        ),
        // A day that went by without its call is made good at once.
        (
            asked("2026-11-10T22:10:00Z"),
            "2026-11-23T10:00:00Z",
            "2026-11-11T22:10:00Z",
        ),
        // The days on which the hour changes.
        (
            asked("2027-03-27T22:10:00Z"),
            "2027-03-28T01:00:00Z",
            "2027-03-28T21:10:00Z",
        ),
        (
            asked("2026-10-24T21:10:00Z"),
            "2026-10-25T01:30:00Z",
            "2026-10-25T22:10:00Z",
        ),
        // A suspicion is asked about with the next day's call.
        (suspected(FIRST, FIRST), FIRST, "2026-11-23T23:12:00Z"),
        (
            suspected("2026-11-23T22:10:09Z", FIRST),
            "2026-11-23T22:10:09Z",
            "2026-11-23T23:12:09Z",
        ),
        (
            suspected(FIRST, "2026-11-23T23:10:00Z"),
            "2026-11-23T23:10:09Z",
            "2026-11-24T23:10:00Z",
        ),
        (
            suspected("2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z"),
            "2026-11-23T09:00:00Z",
            "2026-11-23T23:10:00Z",
        ),
    ] {
        assert_eq!(
            next_ask(&known, dates(), &paris(), own, at(now)),
            at(next),
            "{known:?} {now}"
        );
    }
    // An hour that a day does not have, and one that it has twice.
    for (before, next) in [
        ("2027-03-27T10:00:00Z", "2027-03-28T01:00:00Z"),
        ("2026-10-24T10:00:00Z", "2026-10-25T00:10:00Z"),
    ] {
        let asked = next_ask(&asked(before), dates(), &paris(), (2, 600), at(before));
        assert_eq!(asked, at(next));
    }
    // Nonsense is brought within the day.
    let before = asked("2026-11-22T22:10:00Z");
    let late = next_ask(&before, dates(), &paris(), (99, 9999), at(FIRST));
    assert_eq!(late, at("2026-11-23T22:59:59Z"));
}

#[test]
fn after_a_change_the_api_gets_an_hour() {
    let changed = Dates {
        changed_at: at("2026-11-23T22:00:00Z"),
        ..dates()
    };
    let next = next_ask(&Known::default(), changed, &paris(), (23, 600), at(FIRST));
    assert_eq!(next, at("2026-11-23T23:02:00Z"));
}

#[test]
fn a_token_that_was_never_asked_about_waits_for_its_first_moment_only() {
    // A machine that is never up at that hour asks with the next look.
    for (changed, next) in [
        ("2026-11-20T10:00:00Z", "2026-11-20T22:10:00Z"),
        ("2026-11-20T22:30:00Z", "2026-11-21T22:10:00Z"),
        ("2026-11-20T21:30:00Z", "2026-11-20T22:32:00Z"),
    ] {
        let dates = Dates {
            changed_at: at(changed),
            ..dates()
        };
        for now in ["2026-11-20T22:31:00Z", "2026-11-23T08:00:00Z"] {
            let asked = next_ask(&Known::default(), dates, &paris(), (23, 600), at(now));
            assert_eq!(asked, at(next), "{changed}");
        }
    }
}

#[test]
fn what_is_no_look_at_a_token_is_not_believed_of_it() {
    for case in [
        Case::OverVolume,
        Case::NotFound,
        Case::BadRequest,
        Case::Withheld,
    ] {
        let (known, _) = told(&[(0, Case::Complete), (60, case)]);
        let belief = known.belief.unwrap();
        assert_eq!((belief.verdict, belief.at), (Verdict::Alive, at(FIRST)));
        assert_eq!(told(&[(0, case)]).0.belief, None, "{case:?}");
    }
}

#[test]
fn a_clock_that_was_ahead_silences_no_token() {
    let (now, year_ahead) = (at("2026-11-23T10:00:00Z"), "2027-11-23T22:10:00Z");
    let changed = Dates {
        changed_at: at(year_ahead),
        ..dates()
    };
    for known in [asked(year_ahead), suspected(year_ahead, year_ahead)] {
        for dates in [dates(), changed] {
            let next = next_ask(&known, dates, &paris(), (23, 600), now);
            assert_eq!(next, at("2026-11-23T22:10:00Z"));
        }
    }
    // Set back by minutes over midnight: the day that was asked for is not asked for again.
    let known = asked("2026-11-23T23:05:00Z");
    let next = next_ask(
        &known,
        dates(),
        &paris(),
        (23, 600),
        at("2026-11-23T22:58:00Z"),
    );
    assert_eq!(next, at("2026-11-25T22:10:00Z"));
    // A suspicion of days to come begins anew, and is confirmed in an hour.
    let known = suspected(year_ahead, year_ahead);
    let dead = answer(Case::Blacklisted);
    let (known, none) = follow(&known, &dead, at(EXPIRES), now);
    assert_eq!(
        (known.suspicion, none),
        (Some((Verdict::Revoked, now)), vec![])
    );
    let (_, then) = follow(&known, &dead, at(EXPIRES), now + AGREEING);
    assert_eq!(then, [Consequence::DeadEarly(Verdict::Revoked)]);
}

/// What comes of a bad day: faults of the service, of providers, of the way, and rubbish. A 401
/// may come of it too, but not in the API's form.
fn rubbish() -> impl Strategy<Value = Reading> {
    let bodies = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "<html>[a-z<>/ ]{0,40}".prop_map(String::into_bytes),
        Just(coded("00103").into_bytes()),
        Just(coded("00106").into_bytes()),
        Just(br#"{"errors":["Votre jeton est invalide"]}"#.to_vec()),
        Just(br#"{"message":"Unauthorized"}"#.to_vec()),
        Just(br#"{"errors":[{"code":"00103"}],"gateway_error":true}"#.to_vec()),
    ];
    let foreign = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200)
            .prop_filter("rubbish", |b| b.first() != Some(&b'{')),
        Just(b"<html>401</html>".to_vec()),
        Just(br#"{"message":"Unauthorized"}"#.to_vec()),
        Just(br#"{"errors":["Unauthorized"]}"#.to_vec()),
        Just(br#"{"errors":[{"code":"00103"},{"code":"00105"}]}"#.to_vec()),
        Just(br#"{"errors":[{"code":"00103","title":"cut o"#.to_vec()),
        Just(br#"{"errors":[{"code":"00106"}],"gateway_error":true}"#.to_vec()),
    ];
    prop_oneof![
        (
            prop_oneof![Just(429), 500u16..600, 0u16..401, 402u16..1000],
            bodies
        )
            .prop_map(|(status, body)| raw(status, &body)),
        foreign.prop_map(|body| raw(401, &body)),
        Just(unanswered("timed out")),
    ]
}

fn any_answer() -> impl Strategy<Value = Reading> {
    prop_oneof![
        rubbish(),
        proptest::sample::select(Case::ALL).prop_map(answer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_faults_and_rubbish_is_ever_a_death(
        days in proptest::collection::vec((0i64..3000, rubbish()), 1..40),
    ) {
        let (mut known, mut now) = (Known::default(), at(FIRST));
        for (minutes, reading) in days {
            now += Duration::minutes(minutes);
            let (next, follows) = follow(&known, &reading, at(EXPIRES), now);
            known = next;
            prop_assert_eq!(known.suspicion, None);
            let dead = known.belief.is_some_and(|b| b.verdict.bearing() == Bearing::Dead);
            prop_assert!(!dead, "{:?}", known.belief);
            let alarms = follows.iter().any(|c| matches!(
                c, Consequence::DeadEarly(_) | Consequence::ExpiryProven
            ));
            prop_assert!(!alarms, "{follows:?}");
        }
    }

    /// Whatever the clock does: a death that is told was heard twice, an hour apart.
    #[test]
    fn a_death_was_always_heard_twice(
        days in proptest::collection::vec((-500i64..3000, any_answer()), 1..40),
    ) {
        let (mut known, mut now) = (Known::default(), at(FIRST));
        let mut heard: Vec<(Verdict, DateTime<Utc>)> = Vec::new();
        for (minutes, reading) in days {
            now += Duration::minutes(minutes);
            let (next, follows) = follow(&known, &reading, at(EXPIRES), now);
            let verdict = reading.case.verdict();
            for then in &follows {
                if let Consequence::DeadEarly(dead) = then {
                    prop_assert_eq!(*dead, verdict);
                    prop_assert!(heard.iter().any(|(v, at)| v == dead && now - *at >= AGREEING));
                    prop_assert!(known.belief.is_none_or(|b| b.verdict != *dead), "told once");
                }
            }
            if verdict.bearing() == Bearing::Nothing {
                prop_assert_eq!(&next.belief, &known.belief);
                prop_assert_eq!(&next.suspicion, &known.suspicion);
                prop_assert!(follows.is_empty());
            }
            heard.push((verdict, now));
            known = next;
        }
    }

    /// By the answer of `next_ask` alone, whatever is heard: a day has one call at most, no day
    /// goes by without one, and deaths lie an hour apart.
    #[test]
    fn a_local_day_has_one_call(
        answers in proptest::collection::vec(any_answer(), 1..60),
        hour in 0u32..24,
        moment in 0u32..3600,
    ) {
        let calendar = paris();
        let (mut known, mut now) = (Known::default(), at("2026-10-20T10:00:00Z"));
        let mut before = None;
        for reading in answers {
            now = now.max(next_ask(&known, dates(), &calendar, (hour, moment), now));
            let day = calendar.date(now);
            if let Some(before) = before {
                let gap = (day - before as chrono::NaiveDate).num_days();
                prop_assert!((1..=2).contains(&gap), "{before} then {day}");
            }
            before = Some(day);
            known.asked_at = Some(now);
            known = follow(&known, &reading, at(EXPIRES), now).0;
        }
    }
}
