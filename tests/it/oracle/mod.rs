//! The oracle: a second reading of `docs/rules.md`, from which the product's own results
//! are checked.
//!
//! It shares nothing with the crate under test: its own civil dates, Easter, holidays and
//! resolution of local times, its own life of notices and mails. The one thing that both sides
//! take from the same place is the offset of a zone at a UTC instant, from the tz database. A
//! `use jetond::…` below this directory would make it worthless.
//!
//! - [`civil`]: days, months, Easter, zones, windows and slots.
//! - [`scenario`]: what is declared and what happens to it; the config file at any instant.
//! - [`life`]: what must be mailed in a scenario, and the fate of every due notice.
//! - [`report`]: tables for people, and the difference between two outcomes.
//! - [`random`]: large scenarios from a seed.
//!
//! To hold the product against it: take a scenario, write [`scenario::Scenario::to_config_toml`]
//! at its start and again at each edit, let the product tick and deliver each minute (or at
//! least at each opening, edit and end of an outage), collect its mails and notices as a
//! [`life::Outcome`], and ask [`report::diff`].

pub(crate) mod civil;
pub(crate) mod life;
mod life_tables;
pub(crate) mod random;
pub(crate) mod report;
pub(crate) mod scenario;
