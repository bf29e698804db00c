//! Answers of API Entreprise, or of what stands in its place: no death is read from anything but
//! a whole 401 in its own form, and of the words little is kept, without the token.
//!
//! A case is the status, `Retry-After` and the three `RateLimit` headers on a line each, then the
//! body.

use chrono::{DateTime, Utc};
use jetond::domain::language::{is_hazardous, looks_like_jwt};
use jetond::domain::verdict::{Asked, Bearing, Case, LONGEST_WAIT, MOST_SAID, Reading};
use jetond::probe::read::{Written, guess, is_code, read};
use serde_json::Value;

use super::engine::Target;

/// The token that was asked with.
const SECRET: &str = concat!(
    "eyJhbGciOiJIUzI1NiJ9.",
    "eyJqdGkiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifQ.",
    "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
);

/// So many bytes of it are a part that is kept nowhere.
const PART: usize = 16;

const WORDS: &[&[u8]] = &[
    b"401",
    b"429",
    b"200",
    b"502",
    b"\n",
    b"00101",
    b"00103",
    b"00105",
    b"00106",
    b"00107",
    b"\"errors\":",
    b"\"errors\":[",
    b"{\"code\":\"00103\"}",
    b",{\"code\":\"00105\"}",
    b"\"gateway_error\":true,",
    b"\"gateway error\":\"true\",",
    b"\"privileges\":[\"a\"],",
    b"\"data\":{",
    b"\"meta\":{\"retry_in\":18446744073709551615}",
    b"null",
    b"[[[[[[[[",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"99999999999999999999",
    b"1e999",
    b"Fri, 31 Dec 9999 23:59:59 GMT",
    b"Sun Nov  6 08:49:37 1994",
    b"\\u0000",
    b"\\ud800",
    "\u{202e}".as_bytes(),
    "é".as_bytes(),
    SECRET.as_bytes(),
    SECRET.as_bytes().split_at(50).0,
    SECRET.as_bytes().split_at(70).1,
];

fn now() -> DateTime<Utc> {
    "2026-11-23T22:10:00Z".parse().unwrap()
}

fn line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n');
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    (std::str::from_utf8(line).unwrap_or_default(), rest)
}

fn heard(bytes: &[u8], asked: Asked) -> (Reading, &[u8]) {
    let (status, rest) = line(bytes);
    let (retry_after, rest) = line(rest);
    let (limit, rest) = line(rest);
    let (remaining, rest) = line(rest);
    let (reset, body) = line(rest);
    let written = Written {
        status: status.parse().unwrap_or(401),
        retry_after: Some(retry_after),
        rate_limit: [Some(limit), Some(remaining), Some(reset)],
        body: Some(body),
    };
    (read(&written, asked, &[SECRET], now()), body)
}

fn is_death(reading: &Reading) -> bool {
    reading.case.verdict().bearing() == Bearing::Dead
}

/// A death has the API's own form, and nothing that speaks against it.
fn proves(reading: &Reading, body: &[u8]) {
    assert_eq!(reading.status, Some(401));
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let whole: Value = serde_json::from_slice(body).expect("a whole document");
    let errors = whole["errors"].as_array().expect("a list of errors");
    assert!(!errors.is_empty());
    assert_ne!(whole["gateway_error"], true);
    let coded = errors.iter().all(|e| e["code"].is_string());
    assert!(coded || errors.iter().all(Value::is_string), "one form");
    let cut = &body[..body.trim_ascii_end().len() - 1];
    let written = Written {
        status: 401,
        body: Some(cut),
        ..Written::default()
    };
    assert!(!is_death(&read(&written, Asked::Privileges, &[], now())));
}

#[test]
fn verdict() {
    let target = Target {
        name: "verdict",
        words: WORDS,
        cases: 4_000,
        longest: 20_000,
    };
    target.run(|bytes| {
        for asked in [Asked::Privileges, Asked::Anything] {
            let (reading, body) = heard(bytes, asked);
            assert!(reading.said.chars().count() <= MOST_SAID);
            assert!(!reading.said.contains(is_hazardous), "{:?}", reading.said);
            assert!(!looks_like_jwt(&reading.said), "{:?}", reading.said);
            let kept = |part: &str| {
                let scopes = reading.scopes.iter().flatten();
                reading.said.contains(part) || scopes.into_iter().any(|s| s.contains(part))
            };
            for at in 0..=SECRET.len() - PART {
                assert!(!kept(&SECRET[at..at + PART]), "{reading:?}");
            }
            assert!(reading.codes.len() <= 8);
            assert!(reading.codes.iter().all(|c| is_code(c)));
            if let Some(at) = reading.return_at {
                assert!(at > now() && at <= now() + LONGEST_WAIT);
            }
            assert!(reading.return_at.is_some() || reading.case != Case::OverVolume);
            if let Some(volume) = reading.volume {
                assert!(volume.remaining <= volume.limit);
                assert!(volume.resets <= now() + LONGEST_WAIT);
            }
            for scope in reading.scopes.iter().flatten() {
                assert_eq!(reading.status, Some(200));
                assert!((1..=128).contains(&scope.len()) && !scope.contains(is_hazardous));
            }
            if is_death(&reading) {
                proves(&reading, body);
            }
            let again = heard(bytes, asked).0;
            assert_eq!(again, reading, "the same bytes say the same");
            assert!(guess(body).is_none_or(|status| (200..600).contains(&status)));
        }
    });
}
