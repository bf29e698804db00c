//! The rows of what API Entreprise answers: a status, one of its own codes, and the case.
//!
//! One table, for reading answers and for showing it to people. Providers have codes of their own
//! besides: those say nothing of a token, and have no row.

use crate::domain::verdict::Case;

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The status; `None`: the case has no status of its own.
    pub status: Option<u16>,
    /// The API's own code, where the case has one.
    pub code: Option<&'static str>,
    /// What it is.
    pub case: Case,
}

const fn plain(status: u16, case: Case) -> Row {
    Row {
        status: Some(status),
        code: None,
        case,
    }
}

const fn coded(status: u16, code: &'static str, case: Case) -> Row {
    Row {
        status: Some(status),
        code: Some(code),
        case,
    }
}

const fn bare(case: Case) -> Row {
    Row {
        status: None,
        code: None,
        case,
    }
}

/// Every row, by status and code; each case has one at least.
pub const ROWS: [Row; 23] = [
    plain(200, Case::Complete),
    plain(206, Case::Partial),
    plain(400, Case::BadRequest),
    coded(401, "00101", Case::NotAuthorised),
    coded(401, "00103", Case::Expired),
    coded(401, "00105", Case::Blacklisted),
    coded(401, "00106", Case::TokenNotFound),
    coded(403, "00100", Case::ScopeMissing),
    coded(403, "00107", Case::AddressNotAllowed),
    plain(404, Case::NotFound),
    coded(409, "00015", Case::AlreadyRunning),
    coded(422, "00201", Case::Unprocessable),
    coded(422, "00202", Case::Unprocessable),
    coded(422, "00203", Case::Unprocessable),
    coded(429, "00429", Case::OverVolume),
    plain(451, Case::Withheld),
    plain(500, Case::InternalError),
    plain(502, Case::ProviderError),
    plain(503, Case::Unavailable),
    plain(504, Case::TooSlow),
    bare(Case::GatewayError),
    bare(Case::NoAnswer),
    bare(Case::NotUnderstood),
];

/// The row of a code of the API's own.
pub fn row_of_code(code: &str) -> Option<&'static Row> {
    ROWS.iter().find(|r| r.code == Some(code))
}

/// The rows of a status.
pub fn rows_of_status(status: u16) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |r| r.status == Some(status))
}
