//! Every row of what API Entreprise answers, in both generations of bodies, and everything that
//! looks like an answer and is none.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::language::Lang;
use jetond::domain::verdict::{
    Asked, Bearing, Body, Case, Heard, MOST_SAID, ROWS, Reading, Verdict, judge,
};
use jetond::probe::read::{Written, read, unanswered};
use serde_json::{Value, json};

use crate::cli::snapshots::faults as faults_in_french;

fn now() -> DateTime<Utc> {
    "2026-11-23T22:10:00Z".parse().unwrap()
}

fn heard(status: u16, body: &[u8], asked: Asked) -> Reading {
    let written = Written {
        status,
        body: Some(body),
        ..Written::default()
    };
    read(&written, asked, &[], now())
}

/// The newer form of an error.
fn v3(code: &str) -> String {
    let error = json!({
        "code": code, "title": "Titre", "detail": "Détail",
        "source": {"parameter": "token"}, "meta": {"provider": "INSEE"},
    });
    json!({"errors": [error]}).to_string()
}

const V2: &str = r#"{"errors":["Le jeton ou la requête n’est pas valide"]}"#;
const V2_AGGREGATE: &str = r#"{"errors":["Un fournisseur"],"gateway_error":true}"#;
const V2_WHOLE: &str = r#"{"errors":["Token refusé"],"gateway_error":false}"#;
const SEED_AGGREGATE: &str = r#"{"errors":["Un fournisseur"],"gateway error":"true"}"#;

#[test]
fn every_row_in_both_generations() {
    use Case as C;
    use Verdict as V;
    // Status, code of the newer form, the case of each form, the verdict of the newer one.
    let table = [
        (400, "00400", C::BadRequest, C::BadRequest, V::BadRequest),
        (401, "00101", C::NotAuthorised, C::NotAuthorised, V::Unknown),
        (401, "00103", C::Expired, C::NotAuthorised, V::Expired),
        (401, "00105", C::Blacklisted, C::NotAuthorised, V::Revoked),
        (401, "00106", C::TokenNotFound, C::NotAuthorised, V::Unknown),
        (
            403,
            "00100",
            C::ScopeMissing,
            C::ScopeMissing,
            V::ScopeMissing,
        ),
        (
            403,
            "00107",
            C::AddressNotAllowed,
            C::ScopeMissing,
            V::AddressNotAllowed,
        ),
        (404, "01003", C::NotFound, C::NotFound, V::BadRequest),
        (
            409,
            "00015",
            C::AlreadyRunning,
            C::AlreadyRunning,
            V::BadRequest,
        ),
        (
            422,
            "00201",
            C::Unprocessable,
            C::Unprocessable,
            V::BadRequest,
        ),
        (
            422,
            "00202",
            C::Unprocessable,
            C::Unprocessable,
            V::BadRequest,
        ),
        (
            422,
            "00203",
            C::Unprocessable,
            C::Unprocessable,
            V::BadRequest,
        ),
        (
            422,
            "00301",
            C::Unprocessable,
            C::Unprocessable,
            V::BadRequest,
        ),
        (429, "00429", C::OverVolume, C::OverVolume, V::OverVolume),
        (451, "01005", C::Withheld, C::Withheld, V::BadRequest),
        (
            500,
            "00999",
            C::InternalError,
            C::InternalError,
            V::ServiceDown,
        ),
        (
            502,
            "01999",
            C::ProviderError,
            C::ProviderError,
            V::ProviderDown,
        ),
        (503, "01001", C::Unavailable, C::Unavailable, V::ServiceDown),
        (504, "01002", C::TooSlow, C::TooSlow, V::ProviderDown),
    ];
    for (status, code, newer, older, verdict) in table {
        for asked in [Asked::Privileges, Asked::Anything] {
            let v3 = heard(status, v3(code).as_bytes(), asked);
            assert_eq!(
                (v3.case, v3.case.verdict()),
                (newer, verdict),
                "{status}/{code}"
            );
            assert_eq!((v3.status, v3.codes), (Some(status), vec![code.to_owned()]));
            // Nobody needs a right to ask for his rights.
            let older = match (older, asked) {
                (C::ScopeMissing, Asked::Privileges) => C::NotUnderstood,
                (older, _) => older,
            };
            for body in [V2, V2_WHOLE] {
                let v2 = heard(status, body.as_bytes(), asked);
                assert_eq!(v2.case, older, "{status} {body}");
                assert_eq!(v2.codes, Vec::<String>::new());
            }
        }
    }
}

#[test]
fn a_success_names_rights_in_either_form() {
    let rights = vec![
        "entreprises".to_owned(),
        "attestation_fiscale_dgfip".to_owned(),
    ];
    for body in [
        json!({"data": {"privileges": rights}}),
        json!({"privileges": rights}),
    ] {
        let body = body.to_string();
        let read = heard(200, body.as_bytes(), Asked::Privileges);
        assert_eq!(
            (read.case, read.scopes.as_ref()),
            (Case::Complete, Some(&rights))
        );
        let with_mark = format!("\u{feff}{body}");
        let read = heard(200, with_mark.as_bytes(), Asked::Privileges);
        assert_eq!(read.scopes.as_ref(), Some(&rights));
        // What a partial answer left out is not lost.
        let read = heard(206, body.as_bytes(), Asked::Privileges);
        assert_eq!((read.case, read.scopes), (Case::Partial, None));
        assert_eq!(read.case.verdict(), Verdict::Alive);
    }
    let none = heard(200, br#"{"data":{"privileges":[]}}"#, Asked::Privileges);
    assert_eq!((none.case, none.scopes), (Case::Complete, Some(Vec::new())));
}

#[test]
fn what_a_portal_or_a_proxy_says_is_not_understood() {
    let long = format!(r#"{{"data":{{"privileges":["{}"]}}}}"#, "a".repeat(10_000));
    let deep = "[".repeat(100_000);
    let twice = r#"{"privileges":["a"],"data":{"privileges":["b"]}}"#;
    let cut = br#"{"errors":[{"code":"00103","title":"expir"#;
    let bodies: [&[u8]; 27] = [
        b"",
        b"   ",
        b"OK",
        b"null",
        b"200",
        b"\"00103\"",
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        b"<!DOCTYPE html><html><title>401 Authorization Required</title></html>",
        br#"<html>{"errors":[{"code":"00103"}]}</html>"#,
        br#"{"message":"Unauthorized"}"#,
        br#"{"error":"invalid_token","error_description":"expired"}"#,
        br#"{"errors":[]}"#,
        br#"{"errors":null}"#,
        br#"{"errors":"00103"}"#,
        br#"{"errors":{"code":"00103"}}"#,
        br#"{"errors":[{"code":103}]}"#,
        br#"{"errors":[{"code":"103"}]}"#,
        br#"{"errors":[{"code":"expired"}]}"#,
        br#"{"errors":[{"message":"Unauthorized"}]}"#,
        br#"{"errors":["words",{"code":"00103"}]}"#,
        br#"{"errors":[null]}"#,
        cut,
        deep.as_bytes(),
        twice.as_bytes(),
        long.as_bytes(),
    ];
    for body in bodies {
        for status in [200, 206, 401, 403, 404] {
            let read = heard(status, body, Asked::Privileges);
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
            assert_eq!(read.case, Case::NotUnderstood, "{status} {shown}");
            assert_eq!((read.codes.len(), read.scopes), (0, None));
        }
    }
    for body in [
        r#"{"privileges":"all"}"#,
        r#"{"privileges":[1]}"#,
        r#"{"privileges":["a b"]}"#,
        r#"{"privileges":[""]}"#,
        r#"{"privileges":["a\u202eb"]}"#,
        r#"{"data":{"privileges":null}}"#,
        r#"{"data":{"privileges":["a"]},"errors":[{"code":"00103"}]}"#,
    ] {
        let read = heard(200, body.as_bytes(), Asked::Privileges);
        assert_eq!(read.case, Case::NotUnderstood, "{body}");
    }
}

#[test]
fn what_contradicts_itself_is_no_death() {
    let both =
        |one: &str, other: &str| json!({"errors": [{"code": one}, {"code": other}]}).to_string();
    for (status, body) in [
        (401, both("00103", "00105")),
        (401, both("00103", "00100")),
        (401, v3("00100")),
        (401, v3("00107")),
        (401, v3("00429")),
        // A code that nobody knows.
        (401, v3("00199")),
        (401, both("00106", "01999")),
        (401, one_of_many("00103")),
        (403, v3("00199")),
        // A gateway of somebody else's.
        (401, r#"{"errors":[""]}"#.to_owned()),
        (401, r#"{"errors":["no", " "]}"#.to_owned()),
        (401, r#"{"errors":["Unauthorized"]}"#.to_owned()),
        (403, V2.to_owned()),
        (403, v3("00103")),
        (404, v3("00106")),
        (422, v3("00105")),
        (400, v3("00103")),
        // The provider refused the API, or so it says.
        (
            401,
            json!({"errors": [{"code": "00103"}], "gateway_error": true}).to_string(),
        ),
    ] {
        let read = heard(status, body.as_bytes(), Asked::Privileges);
        assert_eq!(read.case, Case::NotUnderstood, "{status} {body}");
    }
    // Two codes of one verdict agree.
    let read = heard(401, both("00106", "00101").as_bytes(), Asked::Privileges);
    assert_eq!(read.case, Case::TokenNotFound);
    // About the request, the status has the last word.
    assert_eq!(
        heard(400, v3("00201").as_bytes(), Asked::Anything).case,
        Case::BadRequest
    );
}

/// This code behind more unknown ones than are kept.
fn one_of_many(code: &str) -> String {
    let codes = (0..20).map(|n| format!("9{n:04}"));
    let codes: Vec<Value> = [code.to_owned()]
        .into_iter()
        .chain(codes)
        .map(|code| json!({"code": code}))
        .collect();
    json!({"errors": codes}).to_string()
}

#[test]
fn an_aggregate_says_that_a_provider_failed() {
    for body in [V2_AGGREGATE, SEED_AGGREGATE] {
        for status in [500, 502, 503, 504, 599, 401, 403] {
            let read = heard(status, body.as_bytes(), Asked::Anything);
            assert_eq!(read.case, Case::GatewayError, "{status} {body}");
            assert_eq!(read.case.verdict(), Verdict::ProviderDown);
        }
        assert_eq!(
            heard(404, body.as_bytes(), Asked::Anything).case,
            Case::NotFound
        );
        assert_eq!(
            heard(206, body.as_bytes(), Asked::Anything).case,
            Case::Partial
        );
    }
    let part = br#"{"entreprise":{},"gateway_error":true}"#;
    assert_eq!(heard(200, part, Asked::Anything).case, Case::Partial);
    assert_eq!(
        heard(200, part, Asked::Privileges).case,
        Case::NotUnderstood
    );
}

#[test]
fn only_a_401_of_the_api_kills_whatever_the_status() {
    for status in 0..=1000 {
        let bodies = [
            v3("00103"),
            v3("00105"),
            v3("00106"),
            v3("00101"),
            V2.to_owned(),
        ];
        for body in bodies {
            let read = heard(status, body.as_bytes(), Asked::Privileges);
            let dead = read.case.verdict().bearing() == Bearing::Dead;
            assert_eq!(dead, status == 401, "{status} {body}");
        }
        let unseen = Heard {
            status,
            body: Body::Unseen,
            gateway_error: None,
        };
        let case = judge(Some(&unseen), Asked::Privileges);
        assert_ne!(case.verdict().bearing(), Bearing::Dead, "{status}");
        let of_class = judge(Some(&unseen), Asked::Anything).verdict();
        if (500..600).contains(&status) {
            assert_eq!(of_class.bearing(), Bearing::Nothing, "{status}");
        }
    }
    assert_eq!(judge(None, Asked::Privileges), Case::NoAnswer);
    assert_eq!(unanswered("refused").case, Case::NoAnswer);
}

fn waited(status: u16, retry_after: &str, rate: [Option<&str>; 3], body: &str) -> Reading {
    let written = Written {
        status,
        retry_after: (!retry_after.is_empty()).then_some(retry_after),
        rate_limit: rate,
        body: Some(body.as_bytes()),
    };
    read(&written, Asked::Privileges, &[], now())
}

#[test]
fn a_wait_is_taken_to_the_letter() {
    const WEEK: i64 = 7 * 86_400;
    let none = [None; 3];
    for (written, seconds) in [
        ("", 60),
        ("0", 60),
        ("5", 60),
        ("120", 120),
        (" 3600 ", 3600),
        ("43200", 43_200),
        ("99999999", WEEK),
        ("9223372036854775807", WEEK),
        ("18446744073709551616", WEEK),
        ("-5", 60),
        ("1.5", 60),
        ("soon", 60),
        ("Mon, 23 Nov 2026 22:40:00 GMT", 1800),
        ("Monday, 23-Nov-26 22:40:00 GMT", 1800),
        ("Mon Nov 23 22:40:00 2026", 1800),
        ("Mon, 23 Nov 2020 22:40:00 GMT", 60),
        ("Sun, 23 Nov 9999 22:40:00 GMT", 60),
        ("Tue, 23 Nov 9999 22:40:00 GMT", WEEK),
    ] {
        let read = waited(429, written, none, V2);
        let waits = read.return_at.unwrap() - now();
        assert_eq!(waits, Duration::seconds(seconds), "{written:?}");
    }
    // Others may ask for patience too, and need not.
    assert_eq!(
        waited(503, "120", none, "").return_at,
        Some(now() + Duration::seconds(120))
    );
    assert_eq!(waited(503, "", none, "").return_at, None);
    let meta = |retry: Value| {
        json!({"errors": [
            {"code": "01999", "meta": {"retry_in": retry}}, {"code": "00429", "meta": {"retry_in": 7}},
        ]})
        .to_string()
    };
    for (said, seconds) in [
        (json!(300), 300),
        (json!("300"), 300),
        (json!(u64::MAX), WEEK),
        (json!(-1), 60),
        (json!("later"), 60),
        (json!([1]), 60),
    ] {
        let read = waited(429, "", none, &meta(said.clone()));
        assert_eq!(
            read.return_at.unwrap() - now(),
            Duration::seconds(seconds),
            "{said}"
        );
    }
    // The latest of all that was said.
    let resets = (now() + Duration::minutes(50)).timestamp().to_string();
    let rate = [Some("50"), Some("0"), Some(resets.as_str())];
    let read = waited(429, "120", rate, &meta(json!(300)));
    assert_eq!(read.return_at, Some(now() + Duration::minutes(50)));
    // That nothing is left counts without a limit, and for no longer than a week.
    for (reset, seconds) in [
        ("90", 90),
        (resets.as_str(), 3000),
        ("864000", WEEK),
        ("99999999999", WEEK),
        ("9223372036854775807", WEEK),
    ] {
        let read = waited(200, "", [None, Some("0"), Some(reset)], "{}");
        let waits = read.return_at.unwrap() - now();
        assert_eq!(waits, Duration::seconds(seconds), "{reset}");
        assert_eq!(read.volume, None);
    }
    for rate in [[None, Some("1"), Some("90")], [Some("50"), Some("0"), None]] {
        assert_eq!(waited(200, "", rate, "{}").return_at, None);
    }
}

#[test]
fn a_volume_is_three_sound_numbers() {
    let at = (now() + Duration::seconds(30)).timestamp().to_string();
    let ask = |rate| waited(200, "", rate, r#"{"privileges":[]}"#);
    let read = ask([Some("250"), Some(" 12 "), Some(&at)]);
    let volume = read.volume.unwrap();
    assert_eq!((volume.limit, volume.remaining), (250, 12));
    assert_eq!(volume.resets, now() + Duration::seconds(30));
    assert_eq!(read.return_at, None);
    assert!(volume.is_near_its_end(now()));
    assert!(!volume.is_near_its_end(volume.resets));
    // As a later draft writes it.
    let read = ask([Some("250, 250;w=60"), Some("0"), Some("30")]);
    assert_eq!(read.return_at, Some(now() + Duration::seconds(30)));
    for rate in [
        [None, Some("1"), Some(at.as_str())],
        [Some("250"), None, Some(&at)],
        [Some("250"), Some("1"), None],
        [Some("250"), Some("251"), Some(&at)],
        [Some("-1"), Some("-2"), Some(&at)],
        [Some("4294967296"), Some("1"), Some(&at)],
        [Some("250"), Some("1"), Some("9223372036854775807")],
        [Some("250"), Some("1"), Some("9223372036854775808")],
        [Some("250"), Some("1"), Some("999999999")],
        [Some("250"), Some("1"), Some("1e9")],
        [Some(""), Some(""), Some("")],
    ] {
        assert_eq!(ask(rate).volume, None, "{rate:?}");
    }
}

#[test]
fn of_the_words_little_is_kept_and_no_token() {
    const JWT: &str = concat!(
        "eyJhbGciOiJIUzI1NiJ9.",
        "eyJqdGkiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifQ.",
        "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
    );
    let kept = |body: &str, secrets: &[&str]| {
        let written = Written {
            status: 500,
            body: Some(body.as_bytes()),
            ..Written::default()
        };
        read(&written, Asked::Privileges, secrets, now()).said
    };
    let parts: Vec<&str> = JWT.split('.').collect();
    let echo = format!(
        "<p>Bearer {JWT}</p> of {} by {}\r\n\x1b[2J",
        parts[1], parts[2]
    );
    let said = kept(&echo, &[JWT]);
    assert_eq!(said, "<p>Bearer ***</p> of … by … [2J");
    // Not even a piece of a part of it.
    let piece = format!("é{}é {}", &parts[1][3..30], &parts[2][..15]);
    assert_eq!(kept(&piece, &[JWT]), format!("é…é {}", &parts[2][..15]));
    // Nor where the words are cut off.
    let late = format!("{} {}", "x".repeat(MOST_SAID - 20), parts[1]);
    assert!(kept(&late, &[JWT]).ends_with("x …"));
    // A token that nobody has named looks like one all the same.
    assert_eq!(kept(JWT, &[]), "***");
    let long = kept(&"é\n".repeat(600_000), &[JWT]);
    assert_eq!(long.chars().count(), MOST_SAID);
    assert_eq!(
        unanswered(&"x".repeat(9999)).said.chars().count(),
        MOST_SAID
    );
}

#[test]
fn every_case_has_a_row_and_words_in_both_languages() {
    for case in Case::ALL.iter().copied() {
        assert!(ROWS.iter().any(|r| r.case == case), "{case:?}");
        let words = [
            case.meaning(),
            case.advice(),
            case.whom(),
            case.fault().said(),
        ];
        for text in words {
            for lang in [Lang::Fr, Lang::En] {
                let said = text.in_lang(lang);
                assert!(!said.is_empty() && !said.ends_with('.'), "{said}");
                assert!(!said.contains("  "), "{said}");
            }
            assert_ne!(text.en, text.fr);
            assert_eq!(faults_in_french(&text.fr), Vec::<String>::new());
        }
        // Nobody is told that a token is at fault where nothing is known of it.
        if case.verdict().bearing() == Bearing::Nothing {
            assert_ne!(case.fault().word(), "token", "{case:?}");
        }
    }
    for row in ROWS {
        let (Some(status), code) = (row.status, row.code) else {
            continue;
        };
        let body = code.map_or(Body::Unseen, |c| Body::Errors(vec![c.to_owned()]));
        let heard = Heard {
            status,
            body,
            gateway_error: None,
        };
        assert_eq!(judge(Some(&heard), Asked::Anything), row.case, "{row:?}");
    }
}
