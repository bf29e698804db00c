//! What others say, changed at random: a server's replies, addresses, the names in a mail,
//! notifications, config files, answers of API Entreprise. Nothing may panic, and each target has an invariant of its own.
//!
//! Here each runs some thousand cases from its seeds in a few seconds, always the same ones;
//! `tests/fuzz.sh` runs one of them for longer, with other cases each time.

mod addresses;
mod config;
mod engine;
mod messages;
mod notifications;
mod session;
mod verdict;
