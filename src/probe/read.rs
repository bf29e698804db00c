//! From what a server wrote to what it says: total over any bytes.

use chrono::{DateTime, Utc};

use crate::domain::verdict::{Asked, Body, Case, Heard, Reading, judge, return_at};

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

/// Reads an answer. `secrets` are masked in what is kept of its words.
pub fn read(written: &Written<'_>, asked: Asked, _secrets: &[&str], now: DateTime<Utc>) -> Reading {
    let heard = Heard {
        status: written.status,
        body: Body::Unseen,
        gateway_error: None,
    };
    let case = judge(Some(&heard), asked);
    Reading {
        case,
        status: Some(written.status),
        codes: Vec::new(),
        scopes: None,
        volume: None,
        return_at: return_at(case, [], now),
        said: String::new(),
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
        said: why.to_owned(),
    }
}
