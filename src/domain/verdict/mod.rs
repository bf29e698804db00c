//! What an answer of API Entreprise says about the token it was asked with.
//!
//! A total function from what was heard to a closed set of cases; each case bears on the token in
//! one way only. A death is never read from a fault of the service, of a provider or of the way
//! there: it takes a 401 whose body has the API's own form. The codes are those of the API's
//! documentation, « API Entreprise au quotidien », and of its published sources.

mod rows;
pub mod words;

use std::cmp::Ordering;

use chrono::{DateTime, Duration, Utc};

use crate::domain::lifecycle::words;

pub use self::rows::{ROWS, Row, row_of_code, rows_of_status};

/// What an answer says, in few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The token works.
    Alive,
    /// It works, and has no right to what was asked.
    ScopeMissing,
    /// It works, but not from the address that asked.
    AddressNotAllowed,
    /// It is past its end.
    Expired,
    /// It was withdrawn.
    Revoked,
    /// The API does not know it.
    Unknown,
    /// What was asked is at fault.
    BadRequest,
    /// More was asked than is allowed.
    OverVolume,
    /// A provider of data is down.
    ProviderDown,
    /// API Entreprise is down.
    ServiceDown,
    /// Nobody answered.
    NoAnswer,
    /// What came is no answer of API Entreprise, or contradicts itself.
    NotUnderstood,
}

words!(Verdict {
    Alive = "alive",
    ScopeMissing = "scope_missing",
    AddressNotAllowed = "address_not_allowed",
    Expired = "expired",
    Revoked = "revoked",
    Unknown = "unknown",
    BadRequest = "bad_request",
    OverVolume = "over_volume",
    ProviderDown = "provider_down",
    ServiceDown = "service_down",
    NoAnswer = "no_answer",
    NotUnderstood = "not_understood",
});

/// How a verdict bears on the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// The token works.
    Lives,
    /// It does not.
    Dead,
    /// Nothing was learnt of it.
    Nothing,
}

impl Verdict {
    /// How it bears on the token.
    pub fn bearing(self) -> Bearing {
        match self {
            Self::Alive
            | Self::ScopeMissing
            | Self::AddressNotAllowed
            | Self::BadRequest
            | Self::OverVolume => Bearing::Lives,
            Self::Expired | Self::Revoked | Self::Unknown => Bearing::Dead,
            Self::ProviderDown | Self::ServiceDown | Self::NoAnswer | Self::NotUnderstood => {
                Bearing::Nothing
            }
        }
    }

    /// Whether an answer was given after a look at the token, and says that it works. Volumes, and
    /// what a request asks for, are looked at before that, by other servers too.
    pub fn proves_life(self) -> bool {
        matches!(
            self,
            Self::Alive | Self::ScopeMissing | Self::AddressNotAllowed
        )
    }
}

/// One row of what the API answers: each has its meaning and its advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Case {
    /// 200.
    Complete,
    /// 206.
    Partial,
    /// 400.
    BadRequest,
    /// 401 with 00101, or in the form that has no codes.
    NotAuthorised,
    /// 401 with 00103.
    Expired,
    /// 401 with 00105.
    Blacklisted,
    /// 401 with 00106.
    TokenNotFound,
    /// 403 with 00100, or in the form that has no codes.
    ScopeMissing,
    /// 403 with 00107.
    AddressNotAllowed,
    /// 404.
    NotFound,
    /// 409 with 00015.
    AlreadyRunning,
    /// 422.
    Unprocessable,
    /// 429.
    OverVolume,
    /// 451.
    Withheld,
    /// 500, or a 5xx that has no row.
    InternalError,
    /// 502.
    ProviderError,
    /// 503.
    Unavailable,
    /// 504.
    TooSlow,
    /// Any 5xx with `gateway_error`; a 401 or 403 with it, which is not said of this token.
    GatewayError,
    /// No answer.
    NoAnswer,
    /// Anything else.
    NotUnderstood,
}

words!(Case {
    Complete = "complete",
    Partial = "partial",
    BadRequest = "bad_request",
    NotAuthorised = "not_authorised",
    Expired = "expired",
    Blacklisted = "blacklisted",
    TokenNotFound = "token_not_found",
    ScopeMissing = "scope_missing",
    AddressNotAllowed = "address_not_allowed",
    NotFound = "not_found",
    AlreadyRunning = "already_running",
    Unprocessable = "unprocessable",
    OverVolume = "over_volume",
    Withheld = "withheld",
    InternalError = "internal_error",
    ProviderError = "provider_error",
    Unavailable = "unavailable",
    TooSlow = "too_slow",
    GatewayError = "gateway_error",
    NoAnswer = "no_answer",
    NotUnderstood = "not_understood",
});

impl Case {
    /// What it says of the token.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Complete | Self::Partial => Verdict::Alive,
            Self::BadRequest
            | Self::NotFound
            | Self::AlreadyRunning
            | Self::Unprocessable
            | Self::Withheld => Verdict::BadRequest,
            Self::NotAuthorised | Self::TokenNotFound => Verdict::Unknown,
            Self::Expired => Verdict::Expired,
            Self::Blacklisted => Verdict::Revoked,
            Self::ScopeMissing => Verdict::ScopeMissing,
            Self::AddressNotAllowed => Verdict::AddressNotAllowed,
            Self::OverVolume => Verdict::OverVolume,
            Self::ProviderError | Self::TooSlow | Self::GatewayError => Verdict::ProviderDown,
            Self::InternalError | Self::Unavailable => Verdict::ServiceDown,
            Self::NoAnswer => Verdict::NoAnswer,
            Self::NotUnderstood => Verdict::NotUnderstood,
        }
    }
}

/// What is in the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is not known: only a status was given.
    Unseen,
    /// Errors in one of the API's forms, with the codes of the newer one. Never empty of errors;
    /// perhaps of codes.
    Errors(Vec<String>),
    /// The rights of a token, as `/privileges` answers them.
    Privileges(Vec<String>),
    /// A JSON object without errors.
    Object,
    /// Anything else: no JSON, or in no form of the API.
    Foreign,
}

/// An answer, as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Body,
    /// `gateway_error` of the body.
    pub gateway_error: Option<bool>,
}

/// What was asked, where that tells what an answer must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `/privileges`: a success names rights.
    Privileges,
    /// Anything: the answer was shown by a person.
    Anything,
}

/// Says which case an answer is; `None`: there was none.
pub fn judge(heard: Option<&Heard>, asked: Asked) -> Case {
    let Some(heard) = heard else {
        return Case::NoAnswer;
    };
    let provider_failed = heard.gateway_error == Some(true);
    match heard.status {
        // Faults of the service speak before their bodies: a proxy writes those as it likes.
        500..=599 if provider_failed => Case::GatewayError,
        502 => Case::ProviderError,
        503 => Case::Unavailable,
        504 => Case::TooSlow,
        // A status without a row counts as the first of its class (RFC 9110 §15).
        500..=599 => Case::InternalError,
        // Too much is too much, whoever says so.
        429 => Case::OverVolume,
        200 if provider_failed => success(heard, asked, Case::Partial),
        200 => success(heard, asked, Case::Complete),
        206 => success(heard, asked, Case::Partial),
        400 | 401 | 403 | 404 | 409 | 422 | 451 => refusal(heard, asked),
        _ => Case::NotUnderstood,
    }
}

fn success(heard: &Heard, asked: Asked, case: Case) -> Case {
    match (&heard.body, asked) {
        (Body::Privileges(_), _) | (Body::Unseen | Body::Object, Asked::Anything) => case,
        // An aggregate may succeed in part, and says what failed.
        (Body::Errors(_), Asked::Anything) if case == Case::Partial => case,
        (Body::Unseen | Body::Object, Asked::Privileges) | (Body::Errors(_) | Body::Foreign, _) => {
            Case::NotUnderstood
        }
    }
}

fn refusal(heard: &Heard, asked: Asked) -> Case {
    let of_status = match heard.status {
        400 => Case::BadRequest,
        401 => Case::NotAuthorised,
        403 => Case::ScopeMissing,
        404 => Case::NotFound,
        409 => Case::AlreadyRunning,
        422 => Case::Unprocessable,
        451 => Case::Withheld,
        _ => return Case::NotUnderstood,
    };
    let codes = match (&heard.body, asked) {
        (Body::Unseen, Asked::Anything) => return of_status,
        (Body::Errors(codes), _) => codes,
        (Body::Unseen | Body::Privileges(_) | Body::Object | Body::Foreign, _) => {
            return Case::NotUnderstood;
        }
    };
    let of_token = matches!(heard.status, 401 | 403);
    let provider_failed = heard.gateway_error == Some(true);
    let mut known = codes.iter().filter_map(|code| row_of_code(code));
    // Whether the token lives is not guessed from a code that nobody knows.
    if of_token && codes.iter().any(|code| row_of_code(code).is_none()) {
        return Case::NotUnderstood;
    }
    match known.next() {
        // A provider refused the API itself: this token had passed.
        None if of_token && provider_failed => Case::GatewayError,
        // No right is needed to ask for one's rights: some other server forbids it.
        None if heard.status == 403 && asked == Asked::Privileges => Case::NotUnderstood,
        None => of_status,
        Some(_) if of_token && provider_failed => Case::NotUnderstood,
        Some(first) => {
            let verdict = first.case.verdict();
            let agree = known.all(|row| row.case.verdict() == verdict);
            match first.status {
                status if agree && status == Some(heard.status) => first.case,
                // Neither speaks of the token.
                _ if agree && verdict == Verdict::BadRequest && of_status.verdict() == verdict => {
                    of_status
                }
                _ => Case::NotUnderstood,
            }
        }
    }
}

/// How much was asked, and how much is allowed: `RateLimit-Limit`, `-Remaining`, `-Reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Requests in all.
    pub limit: u32,
    /// Requests that are left.
    pub remaining: u32,
    /// When there are as many again as `limit`.
    pub resets: DateTime<Utc>,
}

impl Volume {
    /// Which of two has the lesser part left.
    pub fn by_what_is_left(self, other: Self) -> Ordering {
        let part = |a: Self, b: Self| u64::from(a.remaining) * u64::from(b.limit);
        part(self, other).cmp(&part(other, self))
    }

    /// Whether less than a tenth is left, and it counts at `now`.
    pub fn is_near_its_end(&self, now: DateTime<Utc>) -> bool {
        now < self.resets && u64::from(self.remaining) * 10 < u64::from(self.limit)
    }
}

/// What an answer said, once it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which case it is.
    pub case: Case,
    /// The status; `None`: no answer.
    pub status: Option<u16>,
    /// The API's own codes in it.
    pub codes: Vec<String>,
    /// The token's rights, where they were named.
    pub scopes: Option<Vec<String>>,
    /// Its volume, where that was said.
    pub volume: Option<Volume>,
    /// Not to be asked again before; always set with [`Case::OverVolume`].
    pub return_at: Option<DateTime<Utc>>,
    /// The first printable characters of the body, at most [`MOST_SAID`], without the token; or
    /// why there is no answer.
    pub said: String,
}

/// Characters of a body that are kept.
pub const MOST_SAID: usize = 512;

/// The longest wait that is taken to the letter: what asks for more is no service at work.
pub const LONGEST_WAIT: Duration = Duration::days(7);

/// When to return after an answer that asked for patience, or had to: the latest of what its
/// headers and its body say, a minute at least after a 429. An asked wait is taken to the letter,
/// up to a week.
pub fn return_at(
    case: Case,
    asked: impl IntoIterator<Item = DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let least = (case == Case::OverVolume).then(|| now + Duration::minutes(1));
    let latest = asked.into_iter().chain(least).filter(|at| *at > now).max();
    latest.map(|at| at.min(now + LONGEST_WAIT))
}
