//! The oracle: a second reading of the rules of DESIGN.md, from which the product's own results
//! are checked.
//!
//! It shares nothing with the crate under test: its own civil dates, Easter, holidays and
//! resolution of local times, its own life of notices and mails. The one thing that both sides
//! take from the same place is the offset of a zone at a UTC instant, from the tz database. A
//! `use jetond::…` below this directory would make it worthless.
//!
//! - [`civil`]: days, months, Easter, zones, windows and slots.

pub(crate) mod civil;
