//! Reads a token's text: from a JWT to its claims, each odd one told apart.
//!
//! The text is a secret. It is borrowed from a buffer that the caller wipes, what is decoded
//! from it is wiped here, and nothing that is returned repeats a part of it.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, Datelike as _, Utc};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::domain::jwt::{Claims, NoToken, Oddity, Part};
use crate::domain::language::{is_hazardous, looks_like_jwt};
use crate::domain::token::Jti;

/// The longest text that is looked at: real ones have some hundred characters.
const LONGEST: usize = 16 * 1024;

/// HMAC-SHA256 in base64url without padding.
const SIGNATURE: usize = 43;

/// The longest name, and the longest scope.
const LONGEST_WORD: usize = 200;

/// The years in which a token can be issued or end.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

/// Some writers pad; that changes nothing in what is said.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Deserialize)]
struct Header {
    alg: Option<Value>,
    #[serde(flatten)]
    more: serde_json::Map<String, Value>,
}

/// What is read of the payload; the rest is passed over.
#[derive(Deserialize)]
struct Payload {
    jti: Option<Value>,
    uid: Option<Value>,
    iat: Option<Value>,
    exp: Option<Value>,
    sub: Option<Value>,
    scopes: Option<Value>,
    roles: Option<Value>,
}

/// Reads one token's text. White space around it, and what people copy with it (`Bearer`,
/// quotes), do not count.
///
/// # Errors
/// What is wrong with it; no part of it is repeated.
pub fn read(written: &str) -> Result<Claims, NoToken> {
    let token = bare(written);
    if token.is_empty() {
        return Err(NoToken::Empty);
    }
    if token.len() > LONGEST {
        return Err(NoToken::TooLong);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, payload, signature] = parts.as_slice() else {
        return Err(NoToken::Parts(parts.len()));
    };
    let mut oddities = Vec::new();
    check_header(header, &mut oddities)?;
    let payload: Payload = decoded(payload, Part::Payload)?;

    let of_base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_whole = signature.len() == SIGNATURE && signature.bytes().all(of_base64url);
    if !is_whole {
        oddities.push(Oddity::Signature);
    }
    let jti = jti(payload.jti.as_ref())?;
    if let Some(uid) = payload.uid.as_ref()
        && !uid
            .as_str()
            .is_some_and(|u| u.eq_ignore_ascii_case(jti.as_str()))
    {
        oddities.push(Oddity::OtherUid);
    }
    let (issued, expires) = dates(&payload, &mut oddities)?;
    let scopes = scopes(&payload, &mut oddities);
    let name = payload.sub.as_ref().and_then(Value::as_str).and_then(word);
    let is_named = payload
        .sub
        .as_ref()
        .is_some_and(|s| s.as_str() != Some("") && !s.is_null());
    if is_named && name.is_none() {
        oddities.push(Oddity::Name);
    }
    Ok(Claims {
        jti,
        issued,
        expires,
        name,
        scopes,
        fingerprint: is_whole.then(|| fingerprint(token)),
        oddities,
    })
}

/// The text without what people copy with it.
pub fn bare(written: &str) -> &str {
    let around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';');
    let text = written.trim_start_matches('\u{feff}').trim_matches(around);
    let text = match text.split_once(char::is_whitespace) {
        Some((word, rest)) if word.trim_end_matches(':').eq_ignore_ascii_case("bearer") => rest,
        Some(_) | None => text,
    };
    text.trim_matches(around)
}

fn check_header(header: &str, oddities: &mut Vec<Oddity>) -> Result<(), NoToken> {
    let header: Header = decoded(header, Part::Header)?;
    match header.alg.as_ref().and_then(Value::as_str) {
        Some("HS256") => {}
        other => {
            let plain = |w: &&str| {
                (1..=10).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_alphanumeric())
            };
            return Err(NoToken::Algorithm(other.filter(plain).map(str::to_owned)));
        }
    }
    if !header.more.is_empty() {
        oddities.push(Oddity::Header);
    }
    Ok(())
}

/// A part of the token, decoded and read; the decoded bytes are wiped.
fn decoded<T: for<'de> Deserialize<'de>>(part: &str, which: Part) -> Result<T, NoToken> {
    // One allocation, so that no outgrown copy is left behind.
    let mut bytes = Zeroizing::new(vec![0; part.len()]);
    let n = BASE64URL
        .decode_slice(part, &mut bytes)
        .map_err(|_| NoToken::Base64(which))?;
    let json = &bytes[..n];
    // A list would be read as an object's values in their order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(NoToken::Json(which));
    }
    serde_json::from_slice(json).map_err(|_| NoToken::Json(which))
}

fn jti(written: Option<&Value>) -> Result<Jti, NoToken> {
    match written {
        None | Some(Value::Null) => Err(NoToken::NoJti),
        Some(Value::String(s)) if s.trim().is_empty() => Err(NoToken::NoJti),
        Some(Value::String(s)) => Jti::parse(s.trim()).map_err(|_| NoToken::BadJti),
        Some(_) => Err(NoToken::BadJti),
    }
}

type Dates = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

fn dates(payload: &Payload, oddities: &mut Vec<Oddity>) -> Result<Dates, NoToken> {
    let issued = payload.iat.as_ref().and_then(instant);
    let expires = payload.exp.as_ref().and_then(instant);
    match (&payload.exp, expires) {
        (Some(Value::String(_)), Some(_)) => oddities.push(Oddity::QuotedExpiry),
        (Some(_), Some(_)) => {}
        (None | Some(Value::Null), _) => oddities.push(Oddity::NoExpiry),
        (Some(_), None) => oddities.push(Oddity::UnreadableExpiry),
    }
    if issued.is_none() {
        oddities.push(Oddity::NoIssue);
    }
    match (issued, expires) {
        (None, None) => Err(NoToken::NoDate),
        (Some(i), Some(e)) if e <= i => Err(NoToken::Backwards),
        dates => Ok(dates),
    }
}

/// A `NumericDate` (RFC 7519 §2): seconds since 1970, also between quotes or with a fraction.
fn instant(written: &Value) -> Option<DateTime<Utc>> {
    let seconds = match written {
        Value::Number(n) => n.as_f64()?,
        Value::String(s) => s.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let millis = (seconds.floor() * 1000.0).clamp(-1e17, 1e17);
    if !millis.is_finite() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and clamped to what an i64 holds"
    )]
    DateTime::from_timestamp_millis(millis as i64).filter(|at| YEARS.contains(&at.year()))
}

fn scopes(payload: &Payload, oddities: &mut Vec<Oddity>) -> Option<Vec<String>> {
    let list = |written: &Value| -> Option<Vec<String>> {
        let words = written.as_array()?.iter().filter_map(Value::as_str);
        let mut words: Vec<String> = words.filter_map(word).collect();
        words.sort();
        words.dedup();
        Some(words)
    };
    if let Some(scopes) = payload.scopes.as_ref().and_then(list) {
        return Some(scopes);
    }
    let roles = payload.roles.as_ref().and_then(list);
    oddities.push(match roles {
        Some(_) => Oddity::Roles,
        None => Oddity::NoScopes,
    });
    roles
}

/// A word that may be shown and kept.
fn word(written: &str) -> Option<String> {
    let word = written.trim();
    let sound = !word.is_empty()
        && word.chars().count() <= LONGEST_WORD
        && !word.chars().any(is_hazardous)
        && !looks_like_jwt(word);
    sound.then(|| word.to_owned())
}

/// SHA-256 of a token's text, in hex: tells two tokens apart, and nothing else.
fn fingerprint(token: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(token.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes everything");
            hex
        })
}
