//! Delivery: claim a mail, compose it from the state of that moment, send it, record the outcome.
//!
//! *Sent* is recorded when a mail server has answered 250 to that message, never earlier.

pub mod alarms;
pub mod bounces;
pub mod circuit;
pub mod clerk;
pub mod compose;
pub mod desk;
mod footing;
pub mod holds;
pub mod news;
pub mod notes;
pub mod outcome;
pub mod pages;
pub mod recorder;
pub mod refusals;
pub mod report;
pub mod sender;
pub mod sender_domain;
pub mod shown;
pub mod smtp;
pub mod step;
pub mod transport;
mod verdict;

pub use verdict::jitter;
