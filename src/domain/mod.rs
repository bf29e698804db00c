//! The pure core: what a token is, when its reminders are due, what an event does to them.
//!
//! Nothing here reads a clock, a file, a socket or a random number: `now` is always an
//! argument, and every function is total. The shell around it (store, tick, delivery) only
//! carries out what this module decides, and `simulate` calls the very same functions.

#![warn(
    clippy::wildcard_enum_match_arm,
    reason = "a new stage, state or role must fail to compile until it is handled"
)]

pub mod address;
pub mod body;
pub mod calendar;
pub mod datapass;
pub mod holidays;
pub mod incident;
pub mod jwt;
pub mod language;
pub mod lifecycle;
pub mod link;
pub mod message_id;
pub mod network;
pub mod password;
pub mod people;
pub mod probing;
pub mod public_url;
pub mod reach;
pub mod retry;
pub mod schedule;
pub mod sender_policy;
pub mod stage;
pub mod standing;
pub mod storm;
pub mod ticket;
pub mod timekeeping;
pub mod token;
pub mod urgency;
pub mod verdict;
