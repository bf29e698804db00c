//! What a person or the file says happened to a token, recorded once and acted upon at once.

pub mod clock;
pub mod links;
pub mod jwt;
pub mod reconcile;
mod report;
pub mod verbs;
