//! Tokens' own texts: each odd one is told apart, and none is ever repeated.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jetond::domain::jwt::{Claims, NoToken, Oddity, Part};
use jetond::domain::language::Text;
use jetond::renewal::jwt::read;

/// The synthetic token of the domain's notes.
const DEMO: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUiLCJqdGkiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUiLCJzY29wZXMiOlsiZW50cmVwcmlzZXMiLCJhdHRlc3RhdGlvbl9maXNjYWxlX2RnZmlwIl0sInN1YiI6IkRlbW8iLCJleHRyYV9pbmZvIjp7fSwiaWF0IjoxNzM1Njg5NjAwLCJ2ZXJzaW9uIjoiMS4wIiwiZXhwIjoxNzgyODY0MDAwfQ.v-S5y1sROmw7a32ZsLc6s6Ns0X-BGbCmyaPN5CCblvI";

fn token(header: &str, payload: &str) -> String {
    let b64 = |s: &str| BASE64_URL_SAFE_NO_PAD.encode(s);
    let signature = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    format!("{}.{}.{signature}", b64(header), b64(payload))
}

fn payload(of: &str) -> Result<Claims, NoToken> {
    let token = token(r#"{"alg":"HS256"}"#, of);
    let read = read(&token);
    let said = match &read {
        Ok(claims) => format!("{claims:?}"),
        Err(e) => format!("{e:?} {:?}", e.said()),
    };
    for part in token.split('.') {
        assert!(!said.contains(part), "{said}");
    }
    read
}

#[test]
fn an_ordinary_token_gives_its_claims_and_a_fingerprint() {
    let claims = read(DEMO).unwrap();
    assert_eq!(claims.jti.as_str(), "11111111-2222-4333-8444-555555555555");
    assert_eq!(claims.issued.unwrap().timestamp(), 1_735_689_600);
    assert_eq!(claims.expires.unwrap().timestamp(), 1_782_864_000);
    assert_eq!(claims.name.as_deref(), Some("Demo"));
    assert_eq!(
        claims.scopes.as_deref().unwrap(),
        ["attestation_fiscale_dgfip", "entreprises"]
    );
    assert_eq!(claims.fingerprint.as_ref().unwrap().len(), 64);
    assert!(claims.oddities.is_empty());
    for around in [
        format!("  {DEMO}\r\n"),
        format!("Bearer {DEMO}"),
        format!("\"{DEMO}\","),
        format!("\u{feff}{DEMO}"),
    ] {
        assert_eq!(read(&around).unwrap(), claims);
    }
}

#[test]
fn each_odd_token_is_taken_with_its_own_warning() {
    let whole = r#""jti":"aaaa-1","uid":"aaaa-1","scopes":["a"]"#;
    for (of, expected) in [
        (format!("{{{whole},\"iat\":1735689600}}"), Oddity::NoExpiry),
        (
            format!("{{{whole},\"iat\":1735689600,\"exp\":\"demain\"}}"),
            Oddity::UnreadableExpiry,
        ),
        (
            format!("{{{whole},\"iat\":1735689600,\"exp\":1782864000000}}"),
            Oddity::UnreadableExpiry,
        ),
        (
            format!("{{{whole},\"iat\":1735689600,\"exp\":\"1782864000\"}}"),
            Oddity::QuotedExpiry,
        ),
        (format!("{{{whole},\"exp\":1782864000}}"), Oddity::NoIssue),
        (
            r#"{"jti":"aaaa-1","roles":["a"],"iat":1735689600,"exp":1782864000}"#.to_owned(),
            Oddity::Roles,
        ),
        (
            r#"{"jti":"aaaa-1","iat":1735689600,"exp":1782864000}"#.to_owned(),
            Oddity::NoScopes,
        ),
        (
            r#"{"jti":"aaaa-1","uid":"bbbb-1","scopes":[],"iat":1735689600,"exp":1782864000}"#
                .to_owned(),
            Oddity::OtherUid,
        ),
        (
            format!("{{{whole},\"sub\":\"a\\u0007b\",\"iat\":1735689600,\"exp\":1782864000}}"),
            Oddity::Name,
        ),
    ] {
        let claims = payload(&of).unwrap();
        assert_eq!(claims.oddities, [expected], "{of}");
        assert_eq!(claims.jti.as_str(), "aaaa-1");
        let Text { en, fr } = expected.said();
        assert!(!en.is_empty() && !fr.is_empty());
    }
    let roles = payload(r#"{"jti":"aaaa-1","roles":["b","a","a"],"exp":1782864000.5}"#);
    assert_eq!(roles.unwrap().scopes.unwrap(), ["a", "b"]);
}

#[test]
fn a_token_in_the_name_is_not_taken_for_one() {
    let claims = payload(&format!(
        r#"{{"jti":"aaaa-1","sub":"{DEMO}","scopes":["{DEMO}"],"exp":1782864000}}"#
    ))
    .unwrap();
    assert_eq!((claims.name, claims.scopes), (None, Some(vec![])));
}

#[test]
fn a_header_that_says_more_is_a_warning_and_another_algorithm_a_refusal() {
    let with = |header| {
        read(&token(
            header,
            r#"{"jti":"aaaa-1","scopes":[],"iat":1735689600,"exp":1782864000}"#,
        ))
    };
    let more = with(r#"{"typ":"JWT","alg":"HS256"}"#).unwrap();
    assert_eq!(more.oddities, [Oddity::Header]);
    for (header, why) in [
        (
            r#"{"alg":"RS256"}"#,
            NoToken::Algorithm(Some("RS256".into())),
        ),
        (r#"{"alg":"none"}"#, NoToken::Algorithm(Some("none".into()))),
        (r#"{"alg":7}"#, NoToken::Algorithm(None)),
        (r#"{"typ":"JWT"}"#, NoToken::Algorithm(None)),
        ("[]", NoToken::Json(Part::Header)),
        ("HS256", NoToken::Json(Part::Header)),
    ] {
        assert_eq!(with(header).unwrap_err(), why, "{header}");
    }
}

#[test]
fn what_cannot_be_taken_is_refused_each_for_its_own_reason() {
    for (of, why) in [
        ("{}", NoToken::NoJti),
        (r#"{"uid":"aaaa-1","exp":1}"#, NoToken::NoJti),
        (r#"{"jti":"","exp":1}"#, NoToken::NoJti),
        (r#"{"jti":17,"exp":1}"#, NoToken::BadJti),
        (r#"{"jti":"a b c d"}"#, NoToken::BadJti),
        (r#"{"jti":"aaaa-1"}"#, NoToken::NoDate),
        (r#"{"jti":"aaaa-1","exp":"2026-07-01"}"#, NoToken::NoDate),
        (r#"{"jti":"aaaa-1","exp":1e300,"iat":-5}"#, NoToken::NoDate),
        (
            r#"{"jti":"aaaa-1","exp":1735689600,"iat":1782864000}"#,
            NoToken::Backwards,
        ),
        ("[1,2]", NoToken::Json(Part::Payload)),
        ("\"x\"", NoToken::Json(Part::Payload)),
        ("{\"jti\":", NoToken::Json(Part::Payload)),
    ] {
        assert_eq!(payload(of).unwrap_err(), why, "{of}");
    }
    let [header, claims, signature] = DEMO.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    for (text, why) in [
        (String::new(), NoToken::Empty),
        (" \n".to_owned(), NoToken::Empty),
        (format!("{header}.{claims}"), NoToken::Parts(2)),
        (format!("{DEMO}.{signature}"), NoToken::Parts(4)),
        ("bonjour".to_owned(), NoToken::Parts(1)),
        (
            format!("{header}.{}*.{signature}", &claims[1..]),
            NoToken::Base64(Part::Payload),
        ),
        (
            format!("é{header}.{claims}.{signature}"),
            NoToken::Base64(Part::Header),
        ),
        (
            format!("{header}.{}.{signature}", &claims[..80]),
            NoToken::Json(Part::Payload),
        ),
        ("a.".repeat(9000), NoToken::TooLong),
    ] {
        let refused = read(&text).unwrap_err();
        assert_eq!(refused, why);
        let said = format!("{:?}", refused.said());
        assert!(
            !said.contains(header) && !said.contains(&claims[..20]),
            "{said}"
        );
    }
}

#[test]
fn a_cut_signature_is_told_and_leaves_no_fingerprint() {
    for cut in [1, 10, 43] {
        let claims = read(&DEMO[..DEMO.len() - cut]).unwrap();
        assert_eq!(claims.oddities, [Oddity::Signature]);
        assert_eq!(claims.fingerprint, None);
    }
}
