//! What a person or the file says happened to a token, recorded once and acted upon at once.

pub mod clock;
pub mod datapass;
pub mod export;
mod handover;
pub mod import;
pub mod jwt;
pub mod links;
pub mod next;
pub mod reconcile;
mod report;
mod undue;
pub mod verbs;
