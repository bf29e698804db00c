//! From what a server wrote to what it says: total over any bytes.
//!
//! Two generations of errors are known: objects with `code`, `title`, `detail` and `meta`, and
//! plain sentences. Whatever has another form, or breaks off, is foreign, and no death is read
//! from it. Nothing that is kept holds the token.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::language::{is_hazardous, looks_like_jwt, without_jwts};
use crate::domain::verdict::{
    Asked, Body, Case, Heard, LONGEST_WAIT, MOST_SAID, Reading, Volume, judge, return_at,
    row_of_code,
};
use crate::http::{Answer, printable};
use crate::probe::secret::Mask;

/// So many codes of an answer are kept.
const MOST_CODES: usize = 8;

/// So many rights are read, each so long; a token has some dozens, of some tens of letters.
const MOST_SCOPES: usize = 1000;
const LONGEST_SCOPE: usize = 128;

/// A number below this is no moment since 1970 but a number of seconds from now.
const NO_MOMENT: i64 = 1_000_000_000;

/// What a server wrote.
#[derive(Debug, Clone, Default)]
pub struct Written<'a> {
    /// The status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// `RateLimit-Limit`, `-Remaining`, `-Reset`.
    pub rate_limit: [Option<&'a str>; 3],
    /// The body, or its beginning; `None`: it was not seen.
    pub body: Option<&'a [u8]>,
}

impl<'a> Written<'a> {
    /// What an answer holds.
    pub fn of(answer: &'a Answer) -> Self {
        Self {
            status: answer.status.as_u16(),
            retry_after: answer.retry_after.as_deref(),
            rate_limit: answer.rate_limit.each_ref().map(Option::as_deref),
            body: Some(&answer.body),
        }
    }
}

/// Reads an answer. Nothing that is kept of it holds a part of the `secrets`, whatever it repeats.
pub fn read(written: &Written<'_>, asked: Asked, secrets: &[&str], now: DateTime<Utc>) -> Reading {
    let mask = Mask::of(secrets);
    let mut seen = written.body.map_or_else(Seen::unseen, Seen::of);
    // The older form is that of other servers, too: of a token it speaks by name.
    if asked == Asked::Privileges && written.status == 401 && seen.is_unspecific {
        seen.body = Body::Foreign;
    }
    let heard = Heard {
        status: written.status,
        body: seen.body,
        gateway_error: seen.gateway_error,
    };
    let case = judge(Some(&heard), asked);
    let [limit, remaining, reset] = written.rate_limit.map(number);
    let resets = reset.map(|reset| moment(reset, now));
    // Nothing is left: that counts without a limit, too.
    let spent = resets.filter(|_| remaining == Some(0));
    let waits = [
        written.retry_after.and_then(|w| retry_after(w, now)),
        spent,
        seen.retry_in.map(|seconds| after(seconds, now)),
    ];
    let (mut codes, named) = match heard.body {
        Body::Errors(codes) => (codes, None),
        Body::Privileges(scopes) => (Vec::new(), Some(scopes)),
        Body::Unseen | Body::Object | Body::Foreign => (Vec::new(), None),
    };
    codes.truncate(MOST_CODES);
    Reading {
        case,
        status: Some(written.status),
        codes,
        // A partial answer may have left some out.
        scopes: named
            .filter(|_| case == Case::Complete)
            .map(|named| named.iter().map(|scope| mask.hide(scope)).collect()),
        volume: volume(limit, remaining, resets, now),
        return_at: return_at(case, waits.into_iter().flatten(), now),
        said: said(written.body.unwrap_or_default(), &mask),
    }
}

/// The reading of a call that nobody answered; `why` holds no secret.
pub fn unanswered(why: &str) -> Reading {
    Reading {
        case: Case::NoAnswer,
        status: None,
        codes: Vec::new(),
        scopes: None,
        volume: None,
        return_at: None,
        said: said(why.as_bytes(), &Mask::of(&[])),
    }
}

/// The status that a body came with, where it tells by itself: its codes have one, and only a
/// success names rights; errors with `gateway_error`, and without a code that has one, are a provider's
/// fault, as a 502.
pub fn guess(body: &[u8]) -> Option<u16> {
    let seen = Seen::of(body);
    match seen.body {
        Body::Privileges(_) => Some(200),
        Body::Errors(codes) => codes
            .iter()
            .find_map(|code| row_of_code(code)?.status)
            .or(seen.gateway_error.and_then(|failed| failed.then_some(502))),
        Body::Unseen | Body::Object | Body::Foreign => None,
    }
}

/// The words that are kept, without any part of the secrets, and without whatever looks like a
/// token.
fn said(body: &[u8], mask: &Mask) -> String {
    // What is left out of a line may have stood within a token: it is looked for before and after.
    let whole = without_jwts(&String::from_utf8_lossy(body));
    let line = without_jwts(&printable(whole.as_bytes(), &[], usize::MAX));
    let line = mask.hide(&line);
    match line.char_indices().nth(MOST_SAID) {
        None => line,
        Some(_) => line.chars().take(MOST_SAID - 1).chain(['…']).collect(),
    }
}

/// What is seen in a body.
struct Seen {
    body: Body,
    gateway_error: Option<bool>,
    /// Seconds, of `meta`.
    retry_in: Option<u64>,
    /// The errors are sentences, and none names a token.
    is_unspecific: bool,
}

impl Seen {
    fn unseen() -> Self {
        Self {
            body: Body::Unseen,
            gateway_error: None,
            retry_in: None,
            is_unspecific: false,
        }
    }

    fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Ok(Value::Object(object)) = serde_json::from_slice(bytes) else {
            return Self {
                body: Body::Foreign,
                ..Self::unseen()
            };
        };
        let mut seen = Self {
            body: Body::Object,
            gateway_error: gateway_error(&object),
            ..Self::unseen()
        };
        match object.get("errors") {
            None | Some(Value::Null) => seen.body = privileges(&object),
            Some(Value::Array(errors)) if errors.is_empty() => seen.body = privileges(&object),
            Some(Value::Array(list)) => {
                seen.body = errors(list);
                seen.is_unspecific = list.iter().all(names_no_token);
                seen.retry_in = list.iter().filter_map(retry_in).max();
            }
            Some(_) => seen.body = Body::Foreign,
        }
        // Rights and errors at once contradict each other.
        if matches!(seen.body, Body::Errors(_)) && privileges(&object) != Body::Object {
            seen.body = Body::Foreign;
        }
        seen
    }
}

/// As the API writes it, and as its page does.
fn gateway_error(object: &Map<String, Value>) -> Option<bool> {
    let said = object
        .get("gateway_error")
        .or_else(|| object.get("gateway error"))?;
    match said {
        Value::Bool(said) => Some(*said),
        Value::String(word) => word.trim().parse().ok(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether an error of the older form is about something else than a token.
fn names_no_token(error: &Value) -> bool {
    let names = |words: &str| {
        let words = words.to_lowercase();
        words.contains("token") || words.contains("jeton")
    };
    error.as_str().is_some_and(|words| !names(words))
}

/// All of the newer form, or all of the older one.
fn errors(list: &[Value]) -> Body {
    if list.iter().all(Value::is_string) {
        let says = |error: &Value| error.as_str().is_some_and(|s| !s.trim().is_empty());
        return if list.iter().all(says) {
            Body::Errors(Vec::new())
        } else {
            Body::Foreign
        };
    }
    let mut codes = Vec::new();
    for error in list {
        match error.get("code").and_then(Value::as_str) {
            Some(code) if is_code(code) => {
                if !codes.iter().any(|c| c == code) {
                    codes.push(code.to_owned());
                }
            }
            Some(_) | None => return Body::Foreign,
        }
    }
    Body::Errors(codes)
}

/// Whether a code has the form of the API's: five digits.
pub fn is_code(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit())
}

fn retry_in(error: &Value) -> Option<u64> {
    let said = error.get("meta")?.get("retry_in")?;
    let seconds = said.as_u64();
    seconds.or_else(|| said.as_str().and_then(|s| s.trim().parse().ok()))
}

/// The rights of a token, in either form; [`Body::Object`] when none are named.
fn privileges(object: &Map<String, Value>) -> Body {
    let inner = object.get("data").and_then(|d| d.get("privileges"));
    match (inner, object.get("privileges")) {
        (None, None) => Body::Object,
        (Some(named), None) | (None, Some(named)) => {
            scopes(named).map_or(Body::Foreign, Body::Privileges)
        }
        (Some(_), Some(_)) => Body::Foreign,
    }
}

fn scopes(named: &Value) -> Option<Vec<String>> {
    let named = named.as_array().filter(|n| n.len() <= MOST_SCOPES)?;
    let sound = |s: &&str| {
        !s.is_empty()
            && s.len() <= LONGEST_SCOPE
            && !s.contains(|c: char| c.is_whitespace() || is_hazardous(c))
            && !looks_like_jwt(s)
    };
    named
        .iter()
        .map(|s| s.as_str().filter(sound).map(str::to_owned))
        .collect()
}

/// Seconds from now, or a moment in one of the three forms of HTTP (RFC 9110 §10.2.3, §5.6.7).
fn retry_after(written: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let written = written.trim();
    if !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit()) {
        return Some(after(written.parse().unwrap_or(u64::MAX), now));
    }
    if let Ok(at) = DateTime::parse_from_rfc2822(written) {
        return Some(at.to_utc());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(written, form).ok())
        .map(|at| at.and_utc())
}

/// So many seconds from now, or the longest wait there is.
fn after(seconds: u64, now: DateTime<Utc>) -> DateTime<Utc> {
    let longest = LONGEST_WAIT.num_seconds();
    now + Duration::seconds(i64::try_from(seconds).map_or(longest, |s| s.min(longest)))
}

/// A number of a `RateLimit-*` header. A later draft writes its windows behind it.
fn number(written: Option<&str>) -> Option<i64> {
    let written = written?.split([',', ';']).next()?.trim();
    written.parse().ok().filter(|n| *n >= 0)
}

/// `RateLimit-Reset`: a moment since 1970, or seconds from now.
fn moment(reset: i64, now: DateTime<Utc>) -> DateTime<Utc> {
    match u64::try_from(reset) {
        Ok(seconds) if reset < NO_MOMENT => after(seconds, now),
        Ok(_) | Err(_) => DateTime::from_timestamp(reset, 0).unwrap_or(now + LONGEST_WAIT),
    }
}

/// What the three headers say together; nothing, when one of them is missing or absurd.
fn volume(
    limit: Option<i64>,
    remaining: Option<i64>,
    resets: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Volume> {
    let (limit, remaining, resets) = (limit?, remaining?, resets?);
    if remaining > limit || resets >= now + LONGEST_WAIT {
        return None;
    }
    Some(Volume {
        limit: u32::try_from(limit).ok()?,
        remaining: u32::try_from(remaining).ok()?,
        resets,
    })
}
