//! What an answer of API Entreprise says about the token it was asked with.
//!
//! A total function from what was heard to a closed set of cases; each case bears on the token in
//! one way only. A death is never read from a fault of the service, of a provider or of the way
//! there: it takes a 401 whose body has the API's own form. The codes are those of the API's
//! documentation, « API Entreprise au quotidien », and of its published sources.

use chrono::{DateTime, Duration, Utc};

use crate::domain::lifecycle::words;

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
    /// 401 with 00101, or without a code that is known.
    NotAuthorised,
    /// 401 with 00103.
    Expired,
    /// 401 with 00105.
    Blacklisted,
    /// 401 with 00106.
    TokenNotFound,
    /// 403 with 00100, or without a code that is known.
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
    /// 500.
    InternalError,
    /// 502.
    ProviderError,
    /// 503.
    Unavailable,
    /// 504.
    TooSlow,
    /// Any 5xx with `gateway_error`.
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

    /// The case of a code of the API's own, whatever the status.
    fn of_code(code: &str) -> Option<Self> {
        match code {
            "00100" => Some(Self::ScopeMissing),
            "00101" => Some(Self::NotAuthorised),
            "00103" => Some(Self::Expired),
            "00105" => Some(Self::Blacklisted),
            "00106" => Some(Self::TokenNotFound),
            "00107" => Some(Self::AddressNotAllowed),
            "00015" => Some(Self::AlreadyRunning),
            "00201" | "00202" | "00203" => Some(Self::Unprocessable),
            "00429" => Some(Self::OverVolume),
            _ => None,
        }
    }
}

/// What is in the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is not known: only a status was given.
    Unseen,
    /// Errors in one of the API's forms, with their codes, where they have some. Never empty of
    /// errors; perhaps of codes.
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
    match heard.status {
        // Faults of the service speak before their bodies: a proxy writes those as it likes.
        500..=599 if heard.gateway_error == Some(true) => Case::GatewayError,
        500 => Case::InternalError,
        502 => Case::ProviderError,
        503 => Case::Unavailable,
        504 => Case::TooSlow,
        // Too much is too much, whoever says so.
        429 => Case::OverVolume,
        200 => success(heard, asked, Case::Complete),
        206 => success(heard, asked, Case::Partial),
        400 | 401 | 403 | 404 | 409 | 422 | 451 => refusal(heard),
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

fn refusal(heard: &Heard) -> Case {
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
    let codes = match &heard.body {
        Body::Unseen => return of_status,
        Body::Errors(codes) => codes,
        Body::Privileges(_) | Body::Object | Body::Foreign => return Case::NotUnderstood,
    };
    let mut case = of_status;
    let mut told = None;
    for said in codes.iter().filter_map(|code| Case::of_code(code)) {
        if told.is_some_and(|before| before != said) {
            return Case::NotUnderstood;
        }
        told = Some(said);
        case = said;
    }
    if belongs(case, heard.status) {
        case
    } else {
        Case::NotUnderstood
    }
}

/// Whether a case may come with this status.
fn belongs(case: Case, status: u16) -> bool {
    match case {
        Case::NotAuthorised | Case::Expired | Case::Blacklisted | Case::TokenNotFound => {
            status == 401
        }
        Case::ScopeMissing | Case::AddressNotAllowed => status == 403,
        Case::AlreadyRunning => status == 409,
        Case::Unprocessable => status == 422,
        Case::BadRequest => status == 400,
        Case::NotFound => status == 404,
        Case::Withheld => status == 451,
        Case::Complete
        | Case::Partial
        | Case::OverVolume
        | Case::InternalError
        | Case::ProviderError
        | Case::Unavailable
        | Case::TooSlow
        | Case::GatewayError
        | Case::NoAnswer
        | Case::NotUnderstood => false,
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

/// When to return after an answer that asked for patience, or had to: the latest of what its
/// headers and its body say, a minute at least after a 429. An asked wait is taken to the letter,
/// up to a week.
pub fn return_at(
    case: Case,
    asked: impl IntoIterator<Item = DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let latest = asked.into_iter().filter(|at| *at > now).max();
    let latest = latest.map(|at| at.min(now + Duration::days(7)));
    match (case, latest) {
        (Case::OverVolume, None) => Some(now + Duration::minutes(1)),
        (_, latest) => latest,
    }
}
